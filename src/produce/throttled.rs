//! What librdkafka's statistics say of throttling; the one thing of them that is listened to.

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;

/// A broker that told us to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Throttled {
    /// `host:port`.
    pub broker: String,
    /// The longest time since the last look, and all together.
    pub longest: Duration,
    pub total: Duration,
    /// The partitions that it leads, by topic.
    pub leads: HashMap<String, Vec<i32>>,
}

#[derive(Deserialize)]
struct Statistics {
    #[serde(default)]
    brokers: HashMap<String, Broker>,
}

#[derive(Deserialize)]
struct Broker {
    nodename: String,
    throttle: Window,
    #[serde(default)]
    toppars: HashMap<String, Partition>,
}

/// In milliseconds.
#[derive(Deserialize)]
struct Window {
    max: i64,
    sum: i64,
}

#[derive(Deserialize)]
struct Partition {
    topic: String,
    partition: i32,
}

/// The brokers that told us to wait, of one report of librdkafka's. What cannot be understood
/// says nothing.
pub(super) fn of(json: &[u8]) -> Vec<Throttled> {
    let statistics: Statistics = match serde_json::from_slice(json) {
        Ok(statistics) => statistics,
        Err(error) => {
            tracing::debug!(%error, "cannot understand librdkafka's statistics");
            return Vec::new();
        }
    };
    let throttled = |broker: &Broker| broker.throttle.max > 0;
    statistics.brokers.into_values().filter(throttled).map(Throttled::from).collect()
}

impl From<Broker> for Throttled {
    fn from(broker: Broker) -> Self {
        let ms = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or_default());
        let mut leads: HashMap<String, Vec<i32>> = HashMap::new();
        for Partition { topic, partition } in broker.toppars.into_values() {
            leads.entry(topic).or_default().push(partition);
        }
        let (longest, total) = (ms(broker.throttle.max), ms(broker.throttle.sum));
        Self { broker: broker.nodename, longest, total, leads }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_brokers_that_throttle_are_named() {
        let json = br#"{"name": "x", "brokers": {
            "a:1/1": {"nodename": "a:1", "nodeid": 1, "throttle": {"min": 5, "max": 70, "sum": 75, "cnt": 2},
                      "toppars": {"t-0": {"topic": "t", "partition": 0}}},
            "b:1/2": {"nodename": "b:1", "throttle": {"min": 0, "max": 0, "sum": 0, "cnt": 0}, "toppars": {}}
        }, "topics": {}}"#;
        let expected = Throttled {
            broker: "a:1".into(),
            longest: Duration::from_millis(70),
            total: Duration::from_millis(75),
            leads: HashMap::from([("t".to_owned(), vec![0])]),
        };
        assert_eq!(of(json), [expected]);
        assert!(of(b"{").is_empty());
    }
}

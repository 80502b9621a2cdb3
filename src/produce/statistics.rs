//! What is listened to of librdkafka's statistics: who throttles us, and whether it knows anybody.

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

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// The brokers that told us to wait.
    pub(super) throttled: Vec<Throttled>,
    /// None of the servers it was given is left to ask, and no other broker answers.
    pub(super) is_lost: bool,
}

#[derive(Deserialize)]
struct Statistics {
    #[serde(default)]
    brokers: HashMap<String, Broker>,
}

#[derive(Deserialize)]
struct Broker {
    nodename: String,
    /// `configured` or `learned`; others are no brokers.
    #[serde(default)]
    source: String,
    #[serde(default)]
    state: String,
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

/// What one report of librdkafka's says. What cannot be understood says nothing.
pub(super) fn of(json: &[u8]) -> Option<Told> {
    let statistics: Statistics = match serde_json::from_slice(json) {
        Ok(statistics) => statistics,
        Err(error) => {
            tracing::debug!(%error, "cannot understand librdkafka's statistics");
            return None;
        }
    };
    let is_lost = !statistics.brokers.values().any(Broker::is_hope);
    let throttled = |broker: &Broker| broker.throttle.max > 0;
    let throttled = statistics.brokers.into_values().filter(throttled).map(Throttled::from);
    Some(Told { throttled: throttled.collect(), is_lost })
}

impl Broker {
    /// It answers, or could be asked if need be, or is asked whenever nobody answers.
    fn is_hope(&self) -> bool {
        let is_well = matches!(self.state.as_str(), "UP" | "REAUTH" | "INIT");
        self.source == "configured" || (self.source == "learned" && is_well)
    }
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
            "a:1/1": {"nodename": "a:1", "nodeid": 1, "source": "learned", "state": "UP",
                      "throttle": {"min": 5, "max": 70, "sum": 75, "cnt": 2},
                      "toppars": {"t-0": {"topic": "t", "partition": 0}}},
            "b:1/2": {"nodename": "b:1", "throttle": {"min": 0, "max": 0, "sum": 0, "cnt": 0}, "toppars": {}}
        }, "topics": {}}"#;
        let expected = Throttled {
            broker: "a:1".into(),
            longest: Duration::from_millis(70),
            total: Duration::from_millis(75),
            leads: HashMap::from([("t".to_owned(), vec![0])]),
        };
        assert_eq!(of(json), Some(Told { throttled: vec![expected], is_lost: false }));
        assert_eq!(of(b"{"), None);
    }

    /// Whether it is lost with these brokers, of such a source and in such a state.
    fn is_lost(brokers: &[(&str, &str)]) -> bool {
        let broker = |(number, (source, state)): (usize, &(&str, &str))| {
            format!(
                r#""{number}": {{"nodename": "", "source": "{source}", "state": "{state}", "throttle": {{"max": 0, "sum": 0}}}}"#
            )
        };
        let brokers: Vec<_> = brokers.iter().enumerate().map(broker).collect();
        of(format!(r#"{{"brokers": {{{}}}}}"#, brokers.join(",")).as_bytes()).unwrap().is_lost
    }

    #[test]
    fn who_knows_nobody_that_can_be_asked_is_lost() {
        assert!(is_lost(&[]));
        assert!(is_lost(&[("internal", "UP"), ("logical", "INIT")]));
        assert!(is_lost(&[("learned", "TRY_CONNECT"), ("learned", "DOWN")]));
        assert!(!is_lost(&[("learned", "TRY_CONNECT"), ("learned", "UP")]));
        assert!(!is_lost(&[("learned", "TRY_CONNECT"), ("configured", "DOWN")]));
        // Nothing is to be sent, and the connection was closed.
        assert!(!is_lost(&[("learned", "INIT")]));
    }
}

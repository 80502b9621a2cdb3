//! Brokers that tell us to wait, because a client's quota is used up.
//!
//! Such a broker answers and then does not read on for a while. That is no outage: what waits for
//! it is where it should be, and the spool would only write to disk what a quota holds back.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::metrics::Counters;
use crate::produce::Throttled;
use crate::settings::Output;

/// Without another one for so long, throttling is over: it comes and goes with the load.
const OVER_AFTER: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Throttle {
    until: Instant,
    /// The partitions that the broker leads, by topic.
    leads: HashMap<String, Vec<i32>>,
    is_on: bool,
}

/// By broker, as `host:port`.
#[derive(Debug, Default)]
pub(super) struct Throttles(HashMap<String, Throttle>);

impl Throttles {
    /// A broker has told us to wait.
    pub(super) fn note(
        &mut self,
        output: &Output,
        throttled: Throttled,
        now: Instant,
        counters: &Counters,
    ) {
        let Throttled { broker, longest, total, leads } = throttled;
        counters.throttle.set(&output.to_string(), &broker, longest);
        counters.throttled_ms.add(u64::try_from(total.as_millis()).unwrap_or(u64::MAX));
        let was_on = self.0.get(&broker).is_some_and(|throttle| throttle.is_on);
        if !was_on {
            let ms = longest.as_millis();
            tracing::warn!(%output, broker, ms, "kafka throttles this client: a quota is used up; lines wait");
        }
        self.0.insert(broker, Throttle { until: now + longest, leads, is_on: true });
    }

    /// Says which throttling is over.
    pub(super) fn look(&mut self, output: &Output, now: Instant, counters: &Counters) {
        let over = |throttle: &Throttle| throttle.is_on && now >= throttle.until + OVER_AFTER;
        for (broker, throttle) in self.0.iter_mut().filter(|(_, throttle)| over(throttle)) {
            throttle.is_on = false;
            counters.throttle.set(&output.to_string(), broker, Duration::ZERO);
            tracing::info!(%output, broker, "kafka throttles this client no more");
        }
    }

    /// Until when who leads a partition has told us to wait, or had.
    pub(super) fn until(&self, topic: &str, partition: i32) -> Option<Instant> {
        let leads = |throttle: &&Throttle| {
            throttle.leads.get(topic).is_some_and(|partitions| partitions.contains(&partition))
        };
        self.0.values().filter(leads).map(|throttle| throttle.until).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn throttled(seconds: u64) -> Throttled {
        Throttled {
            broker: "b:1".into(),
            longest: Duration::from_secs(seconds),
            total: Duration::from_secs(seconds),
            leads: HashMap::from([("t".to_owned(), vec![0, 2])]),
        }
    }

    #[test]
    fn only_what_a_broker_leads_waits_for_it() {
        let (mut throttles, now, counters) =
            (Throttles::default(), clock::now(), Counters::default());
        throttles.note(&Output::default(), throttled(3), now, &counters);
        assert_eq!(throttles.until("t", 2), Some(now + Duration::from_secs(3)));
        assert_eq!(throttles.until("t", 1), None);
        assert_eq!(throttles.until("u", 0), None);
    }

    #[test]
    fn throttling_is_shown_until_it_has_been_over_for_a_while() {
        let (mut throttles, now, counters) =
            (Throttles::default(), clock::now(), Counters::default());
        let output = Output::default();
        throttles.note(&output, throttled(3), now, &counters);
        let shown = |counters: &Counters| counters.throttle.get("kafka", "b:1");
        throttles.look(&output, now + Duration::from_secs(12), &counters);
        assert_eq!(shown(&counters), Some(Duration::from_secs(3)));
        throttles.look(&output, now + Duration::from_secs(13), &counters);
        assert_eq!(shown(&counters), Some(Duration::ZERO));
        assert_eq!(counters.throttled_ms.get(), 3000);
    }
}

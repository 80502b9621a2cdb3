//! How fast an input may be read.
//!
//! A second's worth may be read at once, and what is read beyond it is a debt that time pays. So
//! a block is never parted, and over any time the rate holds.

use std::time::{Duration, Instant};

use super::lineage::Next;
use super::{Event, Tail};
use crate::clock;
use crate::record::Block;
use crate::settings::RateLimit;

const NS_PER_SECOND: u128 = 1_000_000_000;

impl<F: FnMut(Event)> Tail<F> {
    /// There is something to read, and its input has had its share.
    pub(super) fn is_over_limit(&self, at: usize, next: &Next) -> bool {
        let (Next::Read(position) | Next::Finish(position)) = next else { return false };
        let Some(lineage) = self.lineages.get(at) else { return false };
        let holds = lineage.sources.get(*position).is_some_and(|source| source.unread() > 0);
        holds && self.is_limited(lineage.input)
    }

    pub(super) fn is_limited(&self, input: usize) -> bool {
        let limit = self.inputs.get(input).map(|input| &input.limit);
        limit.is_some_and(|limit| !limit.wait(clock::now()).is_zero())
    }

    /// How long it is until something that waits only for its input's `rate_limit` may be read.
    pub fn limited_for(&self) -> Option<Duration> {
        let lineages = self.ready.iter().filter_map(|at| self.lineages.get(*at));
        let open = lineages.filter(|lineage| !lineage.gate.is_closed());
        let inputs = open.filter_map(|lineage| self.inputs.get(lineage.input));
        let waits = inputs.map(|input| input.limit.wait(clock::now()));
        waits.filter(|wait| *wait > Duration::ZERO).min()
    }
}

#[derive(Debug)]
pub(super) struct Limit {
    records: Option<Bucket>,
    bytes: Option<Bucket>,
}

impl Limit {
    pub(super) fn new(rate: RateLimit, now: Instant) -> Self {
        let bucket = |per_second: Option<u64>| per_second.map(|rate| Bucket::new(rate, now));
        Self { records: bucket(rate.records), bytes: bucket(rate.bytes) }
    }

    /// How long nothing may be read; zero if something may.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        let buckets = [&self.records, &self.bytes].into_iter().flatten();
        buckets.map(|bucket| bucket.wait(now)).max().unwrap_or_default()
    }

    /// This was read.
    pub(super) fn pay_for(&mut self, block: &Block) {
        let bytes = block.end.offset.since(block.start.offset);
        self.spend(u64::from(block.len()), bytes, clock::now());
    }

    fn spend(&mut self, records: u64, bytes: u64, now: Instant) {
        for (bucket, amount) in [(&mut self.records, records), (&mut self.bytes, bytes)] {
            if let Some(bucket) = bucket {
                bucket.spend(amount, now);
            }
        }
    }
}

/// Knows only when all that was read will have been paid for. A bucket that is full was paid for
/// a second ago.
#[derive(Debug)]
struct Bucket {
    per_second: u64,
    paid_at: Instant,
}

impl Bucket {
    const DEPTH: Duration = Duration::from_secs(1);

    fn new(per_second: u64, now: Instant) -> Self {
        Self { per_second: per_second.max(1), paid_at: now }
    }

    /// Something may be read while less than a second's worth is unpaid.
    fn wait(&self, now: Instant) -> Duration {
        let debt = self.paid_at.saturating_duration_since(now);
        (debt + Duration::from_nanos(1)).saturating_sub(Self::DEPTH)
    }

    fn spend(&mut self, amount: u64, now: Instant) {
        let cost_ns = u128::from(amount) * NS_PER_SECOND / u128::from(self.per_second);
        let cost = Duration::from_nanos(u64::try_from(cost_ns).unwrap_or(u64::MAX));
        // What would take longer than a century to pay is not worth more.
        self.paid_at = self.paid_at.max(now).checked_add(cost).unwrap_or(self.paid_at);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(per_second: u64) -> RateLimit {
        RateLimit { records: None, bytes: Some(per_second) }
    }

    #[test]
    fn a_seconds_worth_may_come_at_once_and_then_the_rate_holds() {
        let start = clock::now();
        let mut limit = Limit::new(bytes(100), start);
        for _ in 0..10 {
            assert_eq!(limit.wait(start), Duration::ZERO);
            limit.spend(1, 10, start);
        }
        assert!(limit.wait(start) > Duration::ZERO);
        let later = start + Duration::from_millis(100);
        assert_eq!(limit.wait(later), Duration::ZERO);
        limit.spend(1, 10, later);
        assert!(limit.wait(later) > Duration::ZERO);
    }

    #[test]
    fn what_is_more_than_a_second_may_bring_is_paid_off() {
        let start = clock::now();
        let mut limit = Limit::new(bytes(100), start);
        limit.spend(1, 1000, start);
        assert_eq!(limit.wait(start + Duration::from_secs(9)), Duration::from_nanos(1));
        assert_eq!(limit.wait(start + Duration::from_secs(10)), Duration::ZERO);
    }

    #[test]
    fn a_rest_saves_up_no_more_than_a_second() {
        let start = clock::now();
        let mut limit = Limit::new(bytes(100), start);
        let later = start + Duration::from_hours(1);
        limit.spend(1, 100, later);
        assert!(limit.wait(later) > Duration::ZERO);
    }

    #[test]
    fn without_a_limit_nothing_waits() {
        let mut limit = Limit::new(RateLimit::default(), clock::now());
        limit.spend(u64::MAX, u64::MAX, clock::now());
        assert_eq!(limit.wait(clock::now()), Duration::ZERO);
    }

    proptest! {
        /// Over any time: at most what the rate gives, a second's worth, and one block.
        #[test]
        fn the_rate_holds(
            rate in 1u64..10_000,
            blocks in proptest::collection::vec((1u64..5000, 0u64..2000), 1..100),
        ) {
            let start = clock::now();
            let mut limit = Limit::new(bytes(rate), start);
            let (mut now, mut read) = (start, 0);
            for (block, pause_ms) in blocks {
                now += Duration::from_millis(pause_ms);
                let wait = limit.wait(now);
                if wait > Duration::ZERO {
                    prop_assert_eq!(limit.wait(now + wait), Duration::ZERO);
                    now += wait;
                }
                limit.spend(1, block, now);
                let seconds = now.duration_since(start).as_secs_f64();
                #[allow(clippy::cast_precision_loss, reason = "small numbers")]
                let (allowed, before) = (rate as f64 * (seconds + 1.0) + 1.0, read as f64);
                prop_assert!(before <= allowed, "{before} of {allowed}");
                read += block;
            }
        }
    }
}

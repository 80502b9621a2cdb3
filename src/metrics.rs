//! What is counted, always and by everyone; how it is shown is others' business.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that comes and goes.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How long each broker last told us to wait, by output and `host:port`; zero once that is over.
#[derive(Debug, Default)]
pub struct ThrottleTimes(Mutex<BTreeMap<(String, String), Duration>>);

impl ThrottleTimes {
    pub fn set(&self, output: &str, broker: &str, time: Duration) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.insert((output.to_owned(), broker.to_owned()), time);
    }

    pub fn get(&self, output: &str, broker: &str) -> Option<Duration> {
        let times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.get(&(output.to_owned(), broker.to_owned())).copied()
    }
}

/// All counters of a running daemon.
#[derive(Debug, Default)]
pub struct Counters {
    pub read_bytes: Counter,
    pub read_records: Counter,
    /// Records acknowledged by the broker.
    pub delivered: Counter,
    /// Records that counted as sent when they were handed over, and those sent to brokers that were
    /// told not to acknowledge them.
    pub unconfirmed: Counter,
    pub dead_lettered: Counter,
    /// Records the broker refused together with others, that were or will be sent again.
    pub suspected: Counter,
    /// Records of which Kafka did not take the time, and that have that of sending instead.
    pub retimed: Counter,
    /// Records that came back undelivered and were or will be sent again.
    pub returned: Counter,
    /// Records made safe in the spool.
    pub spooled: Counter,
    /// Records given back by the spool and then acknowledged.
    pub replayed: Counter,
    /// Lines that became no record because the operator does not want them.
    pub filtered: Counter,
    /// Lines that are not in their input's format, and were shipped as they are.
    pub unparsed_lines: Counter,
    /// Lines that are not in their input's encoding; what it has no character for was replaced.
    pub malformed_lines: Counter,
    pub processor_failures: ProcessorFailures,
    pub dropped: DroppedRecords,
    pub lost_bytes: LostBytes,
    /// Bytes of holes in files: NULs that nobody wrote.
    pub skipped_bytes: Counter,
    pub checkpoint_failures: Counter,
    /// Records in the spool for an output that is not configured.
    pub stranded: Gauge,
    /// What brokers told us to wait because of a quota, in all.
    pub throttled_ms: Counter,
    pub throttle: ThrottleTimes,
}

impl Counters {
    /// A run of the daemon begins, the first or one after a reload. Counters go on; what comes and
    /// goes may be of an output that is no more.
    pub fn begin_run(&self) {
        self.stranded.set(0);
        self.throttle.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Records dropped because the operator asked for it, by what it was that he asked for.
#[derive(Debug, Default)]
pub struct DroppedRecords {
    /// `when_full`, `max_age`.
    pub spool: Counter,
    /// Of those, the ones that were on their way, and have got where they were to go: they count
    /// there, too.
    pub late: Counter,
    /// They counted as sent, and were not delivered: `confirm: none`.
    pub unconfirmed: Counter,
    /// A processor failed on them: `on_error: drop`. They are among `filtered`, too.
    pub unprocessed: Counter,
}

/// Messages that a processor failed on, by what it is.
#[derive(Debug, Default)]
pub struct ProcessorFailures {
    pub parse_json: Counter,
    pub parse_regex: Counter,
    pub timestamp: Counter,
    /// Whose fields did not fit into the record.
    pub too_large: Counter,
}

impl ProcessorFailures {
    /// All of them.
    pub fn get(&self) -> u64 {
        let Self { parse_json, parse_regex, timestamp, too_large } = self;
        [parse_json, parse_regex, timestamp, too_large].map(Counter::get).iter().sum()
    }
}

/// Bytes that were gone before they could be read, by what became of their file.
#[derive(Debug, Default)]
pub struct LostBytes {
    pub truncated: Counter,
    pub deleted: Counter,
    pub damaged: Counter,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_goes_does_not_outlive_a_run() {
        let counters = Counters::default();
        counters.delivered.add(1);
        counters.stranded.set(2);
        counters.throttle.set("audit", "b:1", Duration::from_secs(3));
        counters.begin_run();
        assert_eq!(counters.delivered.get(), 1);
        assert_eq!(counters.stranded.get(), 0);
        assert_eq!(counters.throttle.get("audit", "b:1"), None);
    }
}

//! What is counted, always and by everyone; how it is shown is others' business.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

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
    pub dropped: DroppedRecords,
    pub lost_bytes: LostBytes,
    /// Bytes of holes in files: NULs that nobody wrote.
    pub skipped_bytes: Counter,
    pub checkpoint_failures: Counter,
}

/// Records dropped because the operator asked for it, by what it was that he asked for.
#[derive(Debug, Default)]
pub struct DroppedRecords {
    /// `when_full`, `max_age`.
    pub spool: Counter,
    /// They counted as sent, and were not delivered: `confirm: none`.
    pub unconfirmed: Counter,
}

/// Bytes that were gone before they could be read, by what became of their file.
#[derive(Debug, Default)]
pub struct LostBytes {
    pub truncated: Counter,
    pub deleted: Counter,
    pub damaged: Counter,
}

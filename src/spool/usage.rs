//! How full the spool is, for any thread to ask at any time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What the spool holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Of its files on disk.
    pub bytes: u64,
    /// Stored and not yet removed.
    pub records: u64,
    /// When its oldest entry was staged, in milliseconds since 1970.
    pub oldest_ms: Option<u64>,
    /// What `bytes` may become.
    pub limit: u64,
}

/// Why the disk takes nothing at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no room on it, or hardly any.
    Full,
    Failing,
}

/// Shared between the spool's thread, which counts, and everybody else.
#[derive(Debug)]
pub(super) struct Gauge {
    limit: u64,
    /// Kept free for copies of what is in memory, and for copying forward.
    headroom: u64,
    disk: AtomicU64,
    /// Uncompressed bytes of what is staged and not yet stored.
    staged: AtomicU64,
    records: AtomicU64,
    oldest_ms: AtomicU64,
    /// Nothing may come in: the disk refuses, or is nearly full.
    refused: AtomicBool,
    /// That is for want of room.
    disk_full: AtomicBool,
    /// Somebody was told that there is no room.
    wanted: AtomicBool,
}

const NEVER: u64 = u64::MAX;

impl Gauge {
    pub(super) fn new(limit: u64, headroom: u64) -> Self {
        Self {
            limit,
            headroom,
            disk: AtomicU64::new(0),
            staged: AtomicU64::new(0),
            records: AtomicU64::new(0),
            oldest_ms: AtomicU64::new(NEVER),
            refused: AtomicBool::new(false),
            disk_full: AtomicBool::new(false),
            wanted: AtomicBool::new(false),
        }
    }

    pub(super) fn usage(&self) -> Usage {
        let oldest_ms = self.oldest_ms.load(Ordering::Relaxed);
        Usage {
            bytes: self.disk.load(Ordering::Relaxed),
            records: self.records.load(Ordering::Relaxed),
            oldest_ms: Some(oldest_ms).filter(|ms| *ms != NEVER),
            limit: self.limit,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        // Whoever is refused is owed a word when there is room: ask again after saying so.
        self.is_free() || {
            self.wanted.store(true, Ordering::SeqCst);
            self.is_free()
        }
    }

    fn is_free(&self) -> bool {
        let used = self.disk.load(Ordering::SeqCst) + self.staged.load(Ordering::SeqCst);
        !self.refused.load(Ordering::SeqCst) && used.saturating_add(self.headroom) <= self.limit
    }

    /// Whether there is no room however little what is staged will take. A disk that fails for
    /// another reason than want of room is not full.
    pub(super) fn is_full(&self) -> bool {
        let stored = self.disk.load(Ordering::SeqCst);
        self.disk_full.load(Ordering::SeqCst) || stored.saturating_add(self.headroom) > self.limit
    }

    /// Whether somebody waits for room and there is some now; says so once.
    pub(super) fn take_freed(&self) -> bool {
        self.is_free() && self.wanted.swap(false, Ordering::SeqCst)
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::SeqCst)
    }

    pub(super) fn stage(&self, bytes: u64) {
        self.staged.fetch_add(bytes, Ordering::SeqCst);
    }

    /// Called after [`Gauge::publish`] has counted what became of it.
    pub(super) fn unstage(&self, bytes: u64) {
        self.staged.fetch_sub(bytes, Ordering::SeqCst);
    }

    pub(super) fn publish(&self, disk: u64, records: u64, oldest_ms: Option<u64>) {
        self.disk.store(disk, Ordering::SeqCst);
        self.records.store(records, Ordering::Relaxed);
        self.oldest_ms.store(oldest_ms.unwrap_or(NEVER), Ordering::Relaxed);
    }

    /// Lets nothing in as long as there is a reason for that.
    pub(super) fn refuse(&self, reason: Option<Refusal>) {
        self.refused.store(reason.is_some(), Ordering::SeqCst);
        self.disk_full.store(reason == Some(Refusal::Full), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_refused_is_told_once() {
        let gauge = Gauge::new(100, 20);
        assert!(gauge.has_room());
        gauge.stage(90);
        assert!(!gauge.has_room());
        assert!(!gauge.take_freed());
        gauge.publish(40, 1, None);
        gauge.unstage(90);
        assert!(gauge.take_freed());
        assert!(!gauge.take_freed());
        gauge.refuse(Some(Refusal::Failing));
        assert!(!gauge.has_room());
    }

    #[test]
    fn it_is_full_for_want_of_room_only() {
        let gauge = Gauge::new(100, 20);
        gauge.stage(90);
        assert!(!gauge.has_room() && !gauge.is_full(), "it may take less once it is stored");
        gauge.publish(81, 1, None);
        assert!(gauge.is_full());
        gauge.publish(80, 1, None);
        gauge.refuse(Some(Refusal::Failing));
        assert!(!gauge.is_full());
        gauge.refuse(Some(Refusal::Full));
        assert!(gauge.is_full());
        gauge.refuse(None);
        assert!(!gauge.is_full());
    }
}

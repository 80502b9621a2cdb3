//! What is kept in memory about each segment: how much of it lives, and since when.

use std::collections::BTreeMap;
use std::time::Instant;

use super::entry::Place;
use super::index::Note;

#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) nonce: u64,
    /// What is known to be good of the file; all of it is synced.
    pub(super) len: u64,
    pub(super) live: u64,
    pub(super) live_bytes: u64,
    /// Records of live blocks that were not removed.
    pub(super) records: u64,
    /// No block before this lives.
    pub(super) first_live: u64,
    /// When the block at `first_live` was staged.
    first_ms: u64,
    /// The earliest time among the blocks copied here, which are older than their place says.
    copied_ms: u64,
    /// The last removal, or when it was opened.
    pub(super) touched: Instant,
    /// The index's note no longer says this.
    pub(super) changed: bool,
}

impl Account {
    /// An account of a segment of which `len` bytes are good, without its blocks.
    pub(super) fn new(nonce: u64, len: u64, now: Instant) -> Self {
        Self {
            nonce,
            len,
            live: 0,
            live_bytes: 0,
            records: 0,
            first_live: u64::MAX,
            first_ms: u64::MAX,
            copied_ms: u64::MAX,
            touched: now,
            changed: true,
        }
    }

    pub(super) fn note(&self) -> Note {
        Note { nonce: self.nonce, indexed_up_to: self.len, live: self.live }
    }

    /// Counts a live block.
    pub(super) fn add(&mut self, place: &Place) {
        self.live += 1;
        self.live_bytes += u64::from(place.len);
        self.records += place.records_left();
        self.changed = true;
        if place.at.position < self.first_live {
            self.first_live = place.at.position;
            self.first_ms = place.wall_ms;
        }
        if place.copied {
            self.copied_ms = self.copied_ms.min(place.wall_ms);
        }
    }

    /// Counts a live block no longer, with the records it had left.
    pub(super) fn subtract(&mut self, place: &Place, now: Instant) {
        self.live = self.live.saturating_sub(1);
        self.live_bytes = self.live_bytes.saturating_sub(u64::from(place.len));
        self.remove_records(place.records_left(), now);
    }

    pub(super) fn remove_records(&mut self, count: u64, now: Instant) {
        self.records = self.records.saturating_sub(count);
        self.touched = now;
        self.changed = true;
    }

    /// Sets where the first live block is, and when it was staged.
    pub(super) fn starts_at(&mut self, position: u64, wall_ms: u64) {
        self.first_live = position;
        self.first_ms = wall_ms;
    }

    /// Sets the earliest time among the live blocks that were copied here.
    pub(super) fn copied_since(&mut self, wall_ms: u64) {
        self.copied_ms = wall_ms;
    }

    /// When its oldest live block was staged; a time before that if copied blocks have died.
    pub(super) fn oldest_ms(&self) -> Option<u64> {
        (self.live > 0).then_some(self.first_ms.min(self.copied_ms))
    }

    /// Whether so little of it lives that copying that is cheaper than keeping the rest.
    pub(super) fn is_sparse(&self) -> bool {
        self.live > 0 && self.live_bytes.saturating_mul(4) < self.len
    }
}

pub(super) type Accounts = BTreeMap<u64, Account>;

//! Keeping house: what the thread looks after when nobody asks for anything.

use std::time::{Duration, Instant};

use rustix::fs::statvfs;

use super::index::{dir_bytes, remove_dir};
use super::keeper::{House, Keeper};
use crate::clock;

const TICK: Duration = Duration::from_secs(1);
/// A kill brings back what was removed later than this before it.
const FLUSH_AFTER: Duration = Duration::from_millis(250);
/// An index that holds nothing is closed: it keeps threads, and some megabytes of disk.
const EMPTY_INDEX_KEPT: Duration = Duration::from_mins(1);
/// Age is checked a hundred times in a `max_age`, within these.
const EXPIRE_EVERY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_mins(1));

impl House {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            tick_at: now,
            unflushed_since: None,
            empty_since: None,
            expire_at: now,
            other_bytes: 0,
            low_space: false,
        }
    }
}

impl Keeper {
    /// When the next turn is due even if nothing is asked; never, for an idle, empty spool.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let busy = self.index.is_some() || !self.accounts.is_empty() || self.gauge.is_wanted();
        let retry_at = self.trouble.as_ref().map(|trouble| trouble.retry_at);
        let flush_at = self.house.unflushed_since.map(|since| since + FLUSH_AFTER);
        let expires = self.limits.max_age.is_some() && !self.accounts.is_empty();
        let expire_at = expires.then_some(self.house.expire_at);
        let tick_at = busy.then_some(self.house.tick_at);
        [retry_at, flush_at, tick_at, expire_at].into_iter().flatten().min()
    }

    pub(super) fn upkeep(&mut self) {
        let now = clock::now();
        if self.house.unflushed_since.is_some_and(|since| now >= since + FLUSH_AFTER) {
            self.flush();
        }
        if now >= self.house.expire_at {
            self.expire_aged(now);
        }
        if now >= self.house.tick_at {
            self.house.tick_at = now + TICK;
            self.tick(now);
        }
    }

    fn expire_aged(&mut self, now: Instant) {
        let Some(max_age) = self.limits.max_age else { return };
        let (least, most) = EXPIRE_EVERY;
        self.house.expire_at = now + (max_age / 100).clamp(least, most);
        let max_age_ms = u64::try_from(max_age.as_millis()).unwrap_or(u64::MAX);
        self.expire(clock::wall_ms().saturating_sub(max_age_ms));
    }

    fn tick(&mut self, now: Instant) {
        self.copy_forward();
        self.sweep();
        self.close_empty_index(now);
        self.house.low_space = self.is_space_low();
        if self.index.is_some() && !self.house.low_space {
            self.reserve.ensure();
        }
        self.house.other_bytes = self.measure_other();
    }

    fn close_empty_index(&mut self, now: Instant) {
        if !self.accounts.is_empty() || !self.pending.is_empty() {
            self.house.empty_since = None;
        } else if now >= *self.house.empty_since.get_or_insert(now) + EMPTY_INDEX_KEPT {
            self.discard_index();
        }
    }

    /// Deletes an index that holds nothing, and what there is for its sake.
    fn discard_index(&mut self) {
        self.reserve.release();
        self.named.clear();
        // What cannot be deleted says nothing that the next start would believe.
        match self.index.take() {
            Some(index) => drop(index.discard()),
            None => drop(remove_dir(&self.dir.join("state"))),
        }
    }

    /// Whether the disk is so full that others on it need what is left.
    pub(super) fn is_space_low(&self) -> bool {
        let free = statvfs(&self.dir).map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize));
        free.is_ok_and(|free| free < self.reserve.bytes())
    }

    pub(super) fn measure_other(&self) -> u64 {
        let index = self.index.as_ref().map_or(0, super::index::Index::disk_bytes);
        let aside = ["state.bad", "damaged"].map(|name| dir_bytes(&self.dir.join(name)));
        index + aside.iter().sum::<u64>() + self.reserve.held()
    }

    /// The last thing before the thread ends.
    pub(super) fn shut(&mut self) {
        self.seal_and_sweep();
        self.flush();
        if self.accounts.is_empty() {
            self.discard_index();
        }
    }

    fn seal_and_sweep(&mut self) {
        self.log.seal();
        self.sweep();
    }
}

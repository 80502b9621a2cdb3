//! Removing: record by record, then the entry, then the segment.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::Duration;

use super::entry::{EntryId, Key, Place, Share};
use super::index::Change;
use super::keeper::Keeper;
use super::lane::LaneId;
use super::recovery::bury;
use super::runs::Runs;
use super::walk::{Payload, Step, Walk};
use super::{Event, Spooled, segment};
use crate::clock;

/// So long the segment at the end of the log is kept when nothing in it lives any more: the next
/// put would have to make a new one.
const EMPTY_KEPT: Duration = Duration::from_secs(1);

impl Keeper {
    pub(super) fn remove(&mut self, shares: Vec<Share>) {
        let mut entries: BTreeMap<EntryId, Runs> = BTreeMap::new();
        for share in shares {
            if !self.remove_pending(share) {
                entries.entry(share.entry).or_default().insert(share.numbers());
            }
        }
        let mut changes = Vec::new();
        for (id, runs) in entries {
            changes.extend(self.key(id).and_then(|key| self.remove_from(id.lane(), key, &runs)));
        }
        if !changes.is_empty() {
            self.change(changes);
            self.house.unflushed_since.get_or_insert_with(clock::now);
        }
    }

    /// Whether the share's entry is not stored yet. What has been delivered whole before it could
    /// be stored needs no disk: its fate is as durable.
    fn remove_pending(&mut self, share: Share) -> bool {
        let found = self.pending.iter().position(|pending| pending.id == share.entry);
        let Some(pending) = found.and_then(|index| self.pending.get_mut(index)) else {
            return false;
        };
        let removed = pending.removed.insert(share.numbers());
        *self.removed.entry(share.entry.lane()).or_default() += u64::from(removed);
        if pending.removed.count() < pending.put.records.count() {
            return true;
        }
        if let Some(pending) = found.and_then(|index| self.pending.remove(index)) {
            self.gauge.unstage(pending.bytes());
            let proof = (Spooled(pending.put.ticket), pending.id);
            self.tell(Event::Stored { proofs: vec![proof] });
        }
        true
    }

    /// Removes the records `runs` of an entry; returns what the index must learn.
    fn remove_from(&mut self, lane: LaneId, key: Key, runs: &Runs) -> Option<Change> {
        let Some(mut place) = self.place(key) else {
            self.late += u64::from(runs.count());
            return None;
        };
        let before = place.records_left();
        for run in runs.iter() {
            place.removed.insert(run.start.min(place.records)..run.end.min(place.records));
        }
        let removed = before - place.records_left();
        *self.removed.entry(lane).or_default() += removed;
        if let Some(account) = self.accounts.get_mut(&place.at.segment) {
            account.remove_records(removed, clock::now());
        }
        if place.records_left() == 0 {
            self.kill(key, &place);
            return Some(Change::Removed(key));
        }
        self.progress.insert(key, place.removed.clone());
        Some(Change::Entry(key, place))
    }

    /// Counts a block as gone and marks it so on the disk. The index is the caller's to change.
    pub(super) fn kill(&mut self, key: Key, place: &Place) {
        self.progress.remove(&key);
        // Should the mark not be made, a lost index brings the block back: a repeat.
        drop(self.files.get(place.at.segment).and_then(|file| bury(&file, place.at)));
        let segment = place.at.segment;
        let Some(account) = self.accounts.get_mut(&segment) else { return };
        account.subtract(place, clock::now());
        if account.live > 0 && account.first_live == place.at.position {
            self.find_first_live(segment);
        }
    }

    /// Each block is passed once in a segment's life, so that this costs little.
    fn find_first_live(&mut self, segment: u64) {
        let (Some(account), Ok(file)) = (self.accounts.get_mut(&segment), self.files.get(segment))
        else {
            return;
        };
        let mut walk = Walk::new(&file, segment, account.first_live, account.len, Payload::Trust);
        while let Ok(Some(step)) = walk.step() {
            if let Step::Block { position, parsed } = step
                && !parsed.dead
            {
                return account.starts_at(position, parsed.header.wall_ms);
            }
        }
    }

    /// Deletes the segments in which nothing lives.
    pub(super) fn sweep(&mut self) {
        let now = clock::now();
        let active = self.log.active();
        let gone: Vec<u64> = self
            .accounts
            .iter()
            .filter(|(_, account)| account.live == 0)
            .filter(|(number, account)| {
                active != Some(**number) || now.duration_since(account.touched) >= EMPTY_KEPT
            })
            .map(|(number, _)| *number)
            .collect();
        if gone.is_empty() {
            return;
        }
        // First, or a kill would leave an index that misses a segment it thinks is full.
        self.flush();
        let deleted = gone.into_iter().filter_map(|number| self.delete(number));
        let changes = deleted.collect::<Vec<_>>();
        self.change(changes);
    }

    fn delete(&mut self, number: u64) -> Option<Change> {
        if self.log.active() == Some(number) {
            self.log.seal();
        }
        self.files.forget(number);
        match fs::remove_file(segment::path(&self.dir, number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => None,
            _ => {
                self.accounts.remove(&number);
                Some(Change::SegmentGone(number))
            }
        }
    }

    /// Hands removals to the kernel, so that a kill does not undo them.
    pub(super) fn flush(&mut self) {
        if self.index.is_some() {
            self.ask(|index| index.flush());
        }
        self.house.unflushed_since = None;
    }
}

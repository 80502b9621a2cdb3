//! Giving up what the operator said may be given up: the oldest when full, the too old.

use std::collections::BTreeMap;

use super::Event;
use super::entry::{Key, Place};
use super::error::AppendError;
use super::index::Change;
use super::keeper::Keeper;
use super::lane::LaneId;
use super::segment::FILE_HEADER_LEN;
use super::usage::Refusal;
use crate::settings::WhenFull;

/// Records and bytes on disk, by lane.
type Lost = BTreeMap<LaneId, (u64, u64)>;

impl Keeper {
    /// Gives up the oldest segment if somebody still waits for room and there is none, now that
    /// all is stored that was staged when it was asked for.
    pub(super) fn make_room(&mut self) {
        // It was looked at a while ago.
        if self.house.low_space {
            self.house.low_space = self.is_space_low();
            self.publish();
        }
        let is_needed = self.gauge.is_wanted() && self.gauge.is_full();
        // What the disk refuses to take gives up a segment at each attempt.
        if self.trouble.is_none() && is_needed && self.drop_oldest() {
            // What that has freed shows at the next look.
            self.house.low_space = false;
            self.publish();
        }
    }

    /// Whether the oldest segment was given up for what the disk had no room for, as the operator
    /// wants it.
    pub(super) fn gives_way_to(&mut self, error: &AppendError) -> bool {
        let is_wanted = self.limits.when_full == WhenFull::DropOldest;
        is_wanted && error.refusal() == Refusal::Full && self.drop_oldest()
    }

    /// Gives up everything in the oldest segment that can be. Whether there was one.
    pub(super) fn drop_oldest(&mut self) -> bool {
        let segments: Vec<u64> = self.accounts.keys().copied().collect();
        segments.into_iter().any(|segment| self.drop_segment(segment))
    }

    fn drop_segment(&mut self, segment: u64) -> bool {
        if self.log.active() == Some(segment) {
            self.log.seal();
        }
        for (lane, (records, bytes)) in self.give_up(segment, u64::MAX) {
            self.tell(Event::Dropped { lane, records, bytes });
        }
        self.sweep();
        !self.accounts.contains_key(&segment)
    }

    /// Gives up everything staged before `cutoff_ms`.
    pub(super) fn expire(&mut self, cutoff_ms: u64) {
        let old = |ms: Option<u64>| ms.is_some_and(|ms| ms < cutoff_ms);
        let aged: Vec<u64> = self
            .accounts
            .iter()
            .filter(|(_, account)| old(account.oldest_ms()))
            .map(|(number, _)| *number)
            .collect();
        for segment in aged {
            for (lane, (records, _)) in self.give_up(segment, cutoff_ms) {
                self.tell(Event::Expired { lane, records });
            }
        }
    }

    /// Removes the entries of a segment that were staged before `cutoff_ms`.
    fn give_up(&mut self, segment: u64, cutoff_ms: u64) -> Lost {
        let mut lost = Lost::new();
        let mut copied_ms = u64::MAX;
        let mut from = Some(FILE_HEADER_LEN);
        while let Some(position) = from {
            let (blocks, rest) = self.live_blocks(segment, position);
            let (gone, kept): (Vec<_>, Vec<_>) =
                blocks.into_iter().partition(|(_, place)| place.wall_ms < cutoff_ms);
            let copied = kept.iter().filter(|(_, place)| place.copied);
            copied_ms = copied.map(|(_, place)| place.wall_ms).fold(copied_ms, u64::min);
            self.give_up_all(&gone, &mut lost);
            from = rest;
        }
        if let Some(account) = self.accounts.get_mut(&segment) {
            account.copied_since(copied_ms);
        }
        lost
    }

    fn give_up_all(&mut self, gone: &[(Key, Place)], lost: &mut Lost) {
        let mut changes = Vec::new();
        for (key, place) in gone {
            if let Some(lane) = self.lanes.number(key.hash) {
                let (records, bytes) = lost.entry(lane).or_default();
                *records += place.records_left();
                *bytes += u64::from(place.len);
            }
            self.kill(*key, place);
            changes.push(Change::Removed(*key));
        }
        self.change(changes);
    }
}

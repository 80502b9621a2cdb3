//! What is read, and which way it takes.

use std::num::NonZeroU32;

use tailspool::lane::Route;
use tailspool::ledger::{Fate, Ticket};
use tailspool::record::SourceId;

use super::{Held, World};
use crate::line::{LANES, place_of, sources_of};
use crate::spool::Key;
use crate::texture::Read;
use crate::variant::Mistake;

const BLOCK_LINES_MAX: usize = 3;
/// The memory budget. What the spool gives back has its own, or both could wait for each other.
const LINES_MAX: usize = 9;
/// Blocks of a lane that are on their way from the reader when its gate closes.
const HELD_MAX: usize = 2;

impl World {
    pub(super) fn read(&mut self, lane: usize) {
        let Some(source) = self.files.unfinished(lane) else { return };
        self.seen[place_of(source)] = true;
        let at = self.way_of_new(lane);
        let route = self.ways[at].lane.route();
        let may_stage = self.is_numbered(source) && self.has_room(at, source);
        let waits = route == Route::Spool && !may_stage;
        if !self.has_memory() || (waits && !self.may_hold(at)) {
            return;
        }
        let count = 1 + self.dice.up_to(BLOCK_LINES_MAX - 1);
        let Some(read) = self.files.read(&self.texture, source, count) else { return };
        self.tell(|| {
            let (start, end) = (read.block.start, read.block.end);
            format!("read {:?} {start:?} {end:?}: {route:?}, waits: {waits}", read.lines)
        });
        self.counts.ragged += u64::from(read.block.is_ragged);
        let records = NonZeroU32::new(read.block.len()).unwrap_or(NonZeroU32::MIN);
        let ticket = self.ledgers.open(source, read.block.start, read.block.end, records);
        if read.lines.is_empty() {
            return self.settle(ticket, Fate::Filtered);
        }
        match route {
            Route::Produce => {
                let piece = self.flight.board(at, read, ticket);
                self.ways[at].lane.push(piece);
                self.pump(at);
            }
            Route::Spool if waits => {
                self.counts.held += 1;
                self.ways[at].held.push_back(Held { read, ticket });
            }
            Route::Spool => self.stage_whole(at, &read, ticket),
        }
    }

    fn stage_whole(&mut self, at: usize, read: &Read, ticket: Ticket) {
        let records: Vec<_> = (0..).zip(read.lines.iter().copied()).collect();
        drop(self.stage(at, &read.block, &records, ticket));
    }

    pub(super) fn has_memory(&self) -> bool {
        let held = self.ways.iter().flat_map(|way| &way.held);
        self.flight.lines() + held.map(|held| held.read.lines.len()).sum::<usize>() < LINES_MAX
    }

    fn way_of_new(&self, lane: usize) -> usize {
        let bypasses = self.makes(Mistake::DirectInDetour) && !self.ways[lane].lane.is_direct();
        if bypasses { lane + LANES } else { lane }
    }

    /// Whether the spool takes what is read next. What lies before the end of the lane's backlog
    /// is read again: it must get in, and in its place.
    fn has_room(&self, at: usize, source: SourceId) -> bool {
        if self.makes(Mistake::FullRefusesAll) || self.makes(Mistake::FullHoldsAll) {
            return !self.spool.is_full();
        }
        let start = self.files.opened(source).unwrap().offset;
        let is_within = self.ways[at].reach.is_some_and(|reach| (source, start) < reach);
        self.ways[at].held.is_empty() && (is_within || !self.spool.is_full())
    }

    fn may_hold(&self, at: usize) -> bool {
        !self.makes(Mistake::FullRefusesAll) && self.ways[at].held.len() < HELD_MAX
    }

    /// Whether something of a file may be staged: not before its number is saved, or after a crash
    /// it would be another's.
    pub(super) fn is_numbered(&self, source: SourceId) -> bool {
        self.numbered[place_of(source)] || self.makes(Mistake::StagedUnnumbered)
    }

    /// Blocks that waited for room, or for the number of their file, go into the spool.
    pub(super) fn stow(&mut self, lane: usize) {
        while !self.ways[lane].lane.is_direct()
            && !self.spool.is_full()
            && let Some(next) = self.ways[lane].held.front()
            && self.is_numbered(next.read.block.source)
            && let Some(held) = self.ways[lane].held.pop_front()
        {
            self.stage_whole(lane, &held.read, held.ticket);
        }
    }

    /// The way is direct: what waited for room in the spool comes first.
    pub(super) fn push_held(&mut self, at: usize) {
        if self.makes(Mistake::HeldOvertaken) && self.dice.once_in(2) {
            return;
        }
        while let Some(held) = self.ways[at].held.pop_front() {
            let piece = self.flight.board(at, held.read, held.ticket);
            self.ways[at].lane.push(piece);
        }
    }

    /// A file is deleted, whether or not we hold it open.
    pub(super) fn vanish(&mut self, lane: usize) {
        let sources: Vec<_> = sources_of(lane).collect();
        let source = sources[self.dice.up_to(sources.len() - 1)];
        if self.files.has(source) {
            self.counts.vanished += 1;
            let is_open = self.dice.once_in(2);
            if self.files.delete(source, is_open) {
                self.ledgers.close(source);
                self.excuse_not_read_again(source);
            }
        }
    }

    /// Whether a file that is there has been read again up to the end of an entry.
    pub(super) fn is_behind_reader(&self, key: Key) -> bool {
        if self.makes(Mistake::ReplayPastReader) || !key.is_numbered {
            return true;
        }
        let is_gone = self.files.is_gone(key.source) && !self.makes(Mistake::GoneHoldsReplay);
        let opened = self.files.opened(key.source);
        is_gone || opened.is_some_and(|opened| opened.offset >= key.end)
    }
}

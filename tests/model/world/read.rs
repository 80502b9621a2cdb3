//! What is read, and which way it takes.

use std::num::NonZeroU32;

use tailspool::lane::Route;
use tailspool::ledger::Fate;
use tailspool::record::SourceId;

use super::{Held, World};
use crate::flight::Place;
use crate::line::{LANES, Line, lines_before, mark, sources_of};
use crate::variant::Mistake;

const BLOCK_LINES_MAX: usize = 3;
/// The memory budget. What the spool gives back has its own, or both could wait for each other.
const LINES_MAX: usize = 9;
/// Blocks of a lane that are on their way from the reader when its gate closes.
const HELD_MAX: usize = 2;

impl World {
    pub(super) fn read(&mut self, lane: usize) {
        let Some(source) = self.files.unfinished(lane) else { return };
        let at = self.way_of_new(lane);
        let route = self.ways[at].lane.route();
        let waits = route == Route::Spool && !self.has_room(at, source);
        if !self.has_memory() || (waits && !self.may_hold(at)) {
            return;
        }
        let start = self.files.opened(source).unwrap();
        let lines = self.files.read(source, 1 + self.dice.up_to(BLOCK_LINES_MAX - 1));
        self.tell(|| format!("read {lines:?}: {route:?}, waits: {waits}"));
        let end = lines.last().unwrap().end();
        let count = NonZeroU32::new(u32::try_from(lines.len()).unwrap()).unwrap();
        let mut ticket = self.ledgers.open(source, mark(start), mark(end), count);

        let (known, new): (Vec<_>, Vec<_>) = lines.into_iter().partition(|l| self.spool_had(*l));
        self.counts.recognised += known.len() as u64;
        if !known.is_empty() {
            let known = ticket.take(u32::try_from(known.len()).unwrap());
            self.settle(known, Fate::Spooled);
        }
        if new.is_empty() {
            return;
        }
        match route {
            Route::Produce => {
                let piece = self.flight.board(at, new, Place::Owed, Some(ticket));
                self.ways[at].lane.push(piece);
                self.pump(at);
            }
            Route::Spool if waits => {
                self.counts.held += 1;
                self.ways[at].held.push_back(Held { lines: new, ticket });
            }
            Route::Spool => drop(self.stage(at, &new, ticket)),
        }
    }

    pub(super) fn has_memory(&self) -> bool {
        let held = self.ways.iter().flat_map(|way| &way.held);
        self.flight.lines() + held.map(|held| held.lines.len()).sum::<usize>() < LINES_MAX
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
        let last = self.spool.after(at % LANES, None).next_back().map(|(key, _)| key);
        let start = self.files.opened(source).unwrap();
        let is_within = last.is_some_and(|last| (source, start) < last);
        is_within || (self.ways[at].held.is_empty() && !self.spool.is_full())
    }

    fn may_hold(&self, at: usize) -> bool {
        !self.makes(Mistake::FullRefusesAll) && self.ways[at].held.len() < HELD_MAX
    }

    /// Whether the spool vouched for a line when this run began.
    fn spool_had(&self, line: Line) -> bool {
        if self.makes(Mistake::ForgetsWhatItHad) {
            return self.spool.entries().any(|(_, entry)| entry.lines.contains(&line));
        }
        let covers = |(source, from, until): &(SourceId, _, _)| {
            *source == line.source() && *from <= line.start() && line.end() <= *until
        };
        self.had.iter().any(covers)
    }

    /// Blocks that waited for room go into the spool.
    pub(super) fn stow(&mut self, lane: usize) {
        while !self.ways[lane].lane.is_direct()
            && !self.spool.is_full()
            && let Some(held) = self.ways[lane].held.pop_front()
        {
            drop(self.stage(lane, &held.lines, held.ticket));
        }
    }

    /// The way is direct: what waited for room in the spool comes first.
    pub(super) fn push_held(&mut self, at: usize) {
        if self.makes(Mistake::HeldOvertaken) && self.dice.once_in(2) {
            return;
        }
        while let Some(held) = self.ways[at].held.pop_front() {
            let piece = self.flight.board(at, held.lines, Place::Owed, Some(held.ticket));
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
            }
        }
    }

    /// Whether nothing that has yet to be read comes before what begins here.
    pub(super) fn is_behind_reader(&self, first: Line) -> bool {
        let source = first.source();
        if self.makes(Mistake::ReplayPastReader) {
            return true;
        }
        if self.makes(Mistake::GoneHoldsReplay) && self.files.opened(source).is_none() {
            return lines_before(first.start()) < lines_before(self.saved_of(source).accepted);
        }
        let at = if self.makes(Mistake::ReplayPastPredecessor) {
            Some(source)
        } else {
            self.files.unfinished(first.lane())
        };
        let reader = at.and_then(|at| Some((at, self.files.opened(at)?)));
        reader.is_none_or(|reader| (source, first.start()) < reader)
    }
}

//! The way through the spool: detour, replay, and back to direct.

use tailspool::ledger::{Fate, Ticket};
use tailspool::record::{Offset, SourceId};

use super::{Duty, World};
use crate::flight::Place;
use crate::line::{LANES, Line};
use crate::spool::{Entry, Key};
use crate::variant::Mistake;

/// Entries of a lane in memory at once.
const WINDOW: usize = 3;

impl World {
    /// Our deadline passes for a lane, or its topic is known to be down.
    pub(super) fn deadline(&mut self, lane: usize) {
        if self.climate.has_spool() {
            self.detour(lane);
        }
    }

    /// The way closes first. Then what is only in memory is copied; what is in flight stays there.
    pub(super) fn detour(&mut self, at: usize) {
        self.counts.detours += u64::from(self.ways[at].lane.is_direct());
        self.tell(|| format!("detour of {at}"));
        let waited = self.ways[at].lane.detour();
        if !self.makes(Mistake::CursorKept) {
            self.ways[at].loaded = None;
        }
        let slots: Vec<_> =
            self.flight.of(at).filter(|(_, load)| load.is_fresh()).map(|(slot, _)| slot).collect();
        for slot in slots {
            let load = self.flight.load(slot);
            let is_owed = |n: &usize| load.places[*n] == Place::Owed;
            let owed: Vec<_> = (0..load.lines.len()).filter(is_owed).collect();
            let lines: Vec<_> = owed.iter().map(|n| load.lines[*n]).collect();
            let ticket = load.take_ticket(u32::try_from(owed.len()).unwrap());
            let keys = self.stage(at, &lines, ticket);
            let load = self.flight.load(slot);
            for (n, key) in owed.into_iter().zip(keys) {
                load.places[n] = Place::InSpool(key);
            }
        }
        for piece in waited {
            self.flight.finish(piece.slot, piece.len());
        }
    }

    /// Stages records of one block with their ticket. Returns where each of them is.
    ///
    /// An entry is a run of adjacent records: what lies in a gap may be in an entry of its own,
    /// or be a letter that is still being written.
    pub(super) fn stage(&mut self, at: usize, lines: &[Line], mut ticket: Ticket) -> Vec<Key> {
        let source = lines[0].source();
        let letters = self.letters_of(source);
        let spans = self.makes(Mistake::EntrySpansGaps);
        let mut keys = Vec::new();
        for lines in lines.chunk_by(|a, b| spans || a.end() == b.start()) {
            let end = lines.last().unwrap().end();
            let generation = usize::try_from(source.generation.0).unwrap();
            let staged_to = self.ways[at].staged_to[generation].replace(end);
            let letter = letters.iter().copied().filter(|letter| *letter < end).max();
            let chain = staged_to.max(letter).unwrap_or(Offset::START);
            let ticket = ticket.take(u32::try_from(lines.len()).unwrap());
            self.tell(|| format!("stage {lines:?} chain {chain:?}"));
            let entry = Entry { lines: lines.to_vec(), chain };
            if self.makes(Mistake::SettleStaged) {
                self.settle(ticket, Fate::Spooled);
                self.spool.stage((source, end), entry, None);
            } else {
                self.spool.stage((source, end), entry, Some(ticket));
            }
            keys.extend(std::iter::repeat_n((source, end), lines.len()));
        }
        keys
    }

    /// The ends of the records of a source that have no other fate than a letter not yet written.
    fn letters_of(&self, source: SourceId) -> Vec<Offset> {
        if self.makes(Mistake::ChainForgetsLetters) {
            return Vec::new();
        }
        let owed = |duty: &Duty| matches!(duty, Duty::Ticket(_));
        let letters = self.letters.iter().filter(|l| owed(&l.duty) && l.line.source() == source);
        letters.map(|letter| letter.line.end()).collect()
    }

    /// Gives back the next of a lane's backlog, or opens the direct way if there is none left.
    pub(super) fn replay(&mut self, lane: usize) {
        if !self.climate.has_spool() || self.client.is_fatal() || !self.ways[lane].lane.may_replay()
        {
            return;
        }
        let next = self.spool.after(lane, self.ways[lane].loaded).next();
        let Some((key, entry)) = next.map(|(key, entry)| (key, entry.lines.clone())) else {
            self.go_direct(lane);
            return;
        };
        let is_flushed = self.spool.is_flushed(key) || self.makes(Mistake::LoadUnflushed);
        let has_place = if self.makes(Mistake::ReplaySharesMemory) {
            self.has_memory()
        } else {
            self.flight.of(lane).count() < WINDOW
        };
        if !is_flushed || !has_place || !self.is_behind_reader(entry[0]) {
            return;
        }
        self.ways[lane].lane.drain();
        self.tell(|| format!("load {entry:?}"));
        self.ways[lane].loaded = Some(key);
        let mut lines = entry;
        lines.retain(|line| !self.letters.iter().any(|letter| letter.line == *line));
        if !lines.is_empty() {
            self.counts.replayed += 1;
            let piece = self.flight.board(lane, lines, Place::InSpool(key), None);
            self.ways[lane].lane.push(piece);
        }
        if self.makes(Mistake::DirectBeforeLoaded) {
            self.go_direct(lane);
        }
        self.pump(lane);
    }

    fn go_direct(&mut self, lane: usize) {
        self.tell(|| format!("{lane} is direct"));
        let way = &mut self.ways[lane];
        way.lane.backlog_loaded();
        way.staged_to = Default::default();
        way.loaded = None;
        self.push_held(lane);
        self.pump(lane);
    }

    /// The first `count` of what is staged become durable, and this is told.
    pub(super) fn flush(&mut self, count: usize) {
        let tickets = self.spool.flush(count);
        self.spool.durable_lines().for_each(|line| self.judge.owe(line));
        for ticket in tickets {
            self.settle(ticket, Fate::Spooled);
        }
    }

    pub(super) fn detour_all(&mut self) {
        if self.climate.has_spool() {
            (0..LANES).for_each(|lane| self.detour(lane));
        }
    }
}

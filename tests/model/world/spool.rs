//! The way through the spool: detour, replay, and back to direct.

use tailspool::ledger::{Fate, Ticket};
use tailspool::record::{Ahead, Block, Offset};
use tailspool::spool::Put;

use super::{Duty, World};
use crate::flight::{Load, Place};
use crate::line::{LANES, Line, place_of, sources_of};
use crate::spool::{Entry, Key};
use crate::variant::{Climate, Mistake};

/// Entries of a lane in memory at once.
const WINDOW: usize = 3;

impl World {
    /// Our deadline passes for a lane, or its topic is known to be down.
    pub(super) fn deadline(&mut self, lane: usize) {
        if self.climate.has_spool() {
            self.detour_in_time(lane);
        }
    }

    /// If that stages something of a file whose number is not saved, it waits until it is.
    pub(super) fn detour_in_time(&mut self, at: usize) {
        let is_early = |load: &Load| {
            let source = load.block.as_ref().map(|block| block.source);
            load.is_fresh() && source.is_some_and(|source| !self.is_numbered(source))
        };
        let is_early = self.flight.of(at).any(|(_, load)| is_early(load));
        self.ways[at].is_due = is_early;
        if !is_early {
            self.detour(at);
        }
    }

    /// The way closes first. Then what is only in memory is copied; what is in flight stays there.
    pub(super) fn detour(&mut self, at: usize) {
        self.counts.detours += u64::from(self.ways[at].lane.is_direct());
        self.tell(|| format!("detour of {at}"));
        let waited = self.ways[at].lane.detour();
        if !self.makes(Mistake::CursorKept) {
            self.ways[at].loaded = None;
            self.ways[at].is_missed = false;
        }
        let slots: Vec<_> =
            self.flight.of(at).filter(|(_, load)| load.is_fresh()).map(|(slot, _)| slot).collect();
        for slot in slots {
            let load = self.flight.load(slot);
            let is_owed = |n: &usize| load.places[*n] == Place::Owed;
            let owed: Vec<_> = (0..load.lines.len()).filter(is_owed).collect();
            let block = load.block.clone().unwrap();
            let numbered = |n: &usize| (u32::try_from(*n).unwrap(), load.lines[*n]);
            let records: Vec<_> = owed.iter().map(numbered).collect();
            let ticket = load.take_ticket(u32::try_from(owed.len()).unwrap());
            let keys = self.stage(at, &block, &records, ticket);
            let load = self.flight.load(slot);
            for (n, key) in owed.into_iter().zip(keys) {
                load.places[n] = Place::InSpool(key);
            }
        }
        for piece in waited {
            self.leave(piece.slot, piece.len());
        }
    }

    /// Stages records of one block with their ticket. Returns where each of them is.
    ///
    /// An entry is a run of adjacent records: what lies in a gap may be in an entry of its own,
    /// or be a letter that is still being written.
    pub(super) fn stage(
        &mut self,
        at: usize,
        block: &Block,
        records: &[(u32, Line)],
        mut ticket: Ticket,
    ) -> Vec<Key> {
        let mut keys = Vec::new();
        for run in records.chunk_by(|a, b| a.0 + 1 == b.0) {
            let ticket = ticket.take(u32::try_from(run.len()).unwrap());
            let (key, entry) = self.entry(at, block, run);
            self.tell(|| format!("stage {key:?} {entry:?}"));
            if self.makes(Mistake::SettleStaged) {
                self.settle(ticket, Fate::Spooled);
                self.spool.stage(key, entry, None);
            } else {
                self.spool.stage(key, entry, Some(ticket));
            }
            keys.extend(std::iter::repeat_n(key, run.len()));
        }
        keys
    }

    /// The next entry of a way, and its name.
    fn entry(&mut self, at: usize, block: &Block, run: &[(u32, Line)]) -> (Key, Entry) {
        let (source, (first, _), (last, _)) = (block.source, run[0], run[run.len() - 1]);
        let start = first.checked_sub(1).map_or(block.start.offset, |n| self.end_of(block, n));
        let end = self.end_of(block, last);
        let key = Key { source, is_numbered: true, start, end, seq: self.seq };
        self.seq += 1;
        let generation = usize::try_from(source.generation.0).unwrap();
        let way = &mut self.ways[at];
        way.reach = way.reach.max(Some((source, end)));
        way.is_missed |= way.loaded.is_some_and(|loaded| key < loaded);
        let is_blind = start == end && self.mistake != Some(Mistake::BlindChained);
        let next = if is_blind { Put::UNCHAINED } else { end };
        let before = way.chains[generation].replace(next);
        way.floors[generation].get_or_insert(block.start);
        let is_burying = !self.letters.is_empty() && !self.makes(Mistake::ChainForgetsLetters);
        let is_ahead = block.start.ahead != Ahead::NONE && !self.makes(Mistake::AheadChained);
        let chain = match before {
            _ if is_burying || is_ahead => Put::UNCHAINED,
            Some(before) => before,
            None if self.makes(Mistake::ChainFromStart) => Offset::START,
            None => block.start.offset,
        };
        let lines: Vec<_> = run.iter().map(|(_, line)| *line).collect();
        let reach = run.iter().map(|(number, _)| block.place_of(*number)).max().unwrap();
        let is_marked = last + 1 == block.len()
            && (block.end.ahead == Ahead::NONE || self.makes(Mistake::AheadIsPlace));
        let is_entangled = block.is_ragged || block.start.ahead != Ahead::NONE;
        (key, Entry { all: lines.clone(), lines, reach, chain, is_marked, is_entangled })
    }

    fn end_of(&self, block: &Block, record: u32) -> Offset {
        if self.makes(Mistake::MiddleIsPlace) && record + 1 < block.len() {
            return block.place_of(record);
        }
        block.end_of(record)
    }

    /// Once a way's backlog is empty, what was accepted of its sources is acknowledged, too.
    pub(super) fn settle_floors(&mut self, at: usize) {
        if self.spool.after(at, None).next().is_some() {
            return;
        }
        self.ways[at].chains = Default::default();
        let floors = std::mem::take(&mut self.ways[at].floors);
        for (source, _) in sources_of(at).zip(floors).filter(|(_, floor)| floor.is_some()) {
            let frontier = self.ledgers.frontier(source);
            self.frontiers.extend(frontier.map(|frontier| (source, frontier)));
        }
    }

    /// Gives back the next of a lane's backlog, or opens the direct way if there is none left.
    pub(super) fn replay(&mut self, lane: usize) {
        if !self.climate.has_spool() || self.client.is_fatal() || !self.ways[lane].lane.may_replay()
        {
            return;
        }
        let next = self.spool.after(lane, self.ways[lane].loaded).next();
        let Some((key, entry)) = next.map(|(key, entry)| (key, entry.clone())) else {
            if self.has_all(lane) {
                self.go_direct(lane);
            }
            return;
        };
        // Only where order is given up is anything of the spool on its way now.
        let is_on_its_way = self.climate == Climate::Spread && self.flight.has(lane, key);
        if is_on_its_way && !self.makes(Mistake::SentOnItsWay) {
            self.ways[lane].loaded = Some(key);
            return;
        }
        let has_place = if self.makes(Mistake::ReplaySharesMemory) {
            self.has_memory()
        } else {
            self.flight.of(lane).count() < WINDOW
        };
        if !has_place {
            return;
        }
        if !self.is_behind_reader(key) {
            return;
        }
        if self.was_read_again(key, &entry) {
            self.tell(|| format!("superseded {key:?}"));
            self.counts.superseded += 1;
            self.spool.supersede(key);
            self.settle_floors(lane);
            return;
        }
        self.ways[lane].lane.drain();
        self.tell(|| format!("load {entry:?}"));
        self.ways[lane].loaded = Some(key);
        let mut lines = entry.lines;
        let is_its = |duty: &Duty| matches!(duty, Duty::Entry(of) if *of == key);
        let is_dying = |line: &Line| {
            self.letters.iter().any(|letter| letter.line == *line && is_its(&letter.duty))
        };
        lines.retain(|line| self.makes(Mistake::DyingGivenBack) || !is_dying(line));
        if !lines.is_empty() {
            self.counts.replayed += 1;
            let piece = self.flight.board_replayed(lane, lines, key);
            self.ways[lane].lane.push(piece);
        }
        if self.makes(Mistake::DirectBeforeLoaded) {
            self.go_direct(lane);
        }
        self.pump(lane);
    }

    /// Whether an entry of an earlier run lies where this run has read again.
    fn was_read_again(&self, key: Key, entry: &Entry) -> bool {
        let is_old =
            key.seq < self.first_seq && key.is_numbered && !self.makes(Mistake::NotSuperseded);
        let resumed = self.resumed[place_of(key.source)];
        let is_beyond = resumed.is_some_and(|from| key.start >= from.offset);
        let is_whole = match self.mistake {
            Some(Mistake::BlindSuperseded) => true,
            Some(Mistake::RaggedSuperseded) => key.start < key.end,
            _ => key.is_all_of(entry),
        };
        let opened = self.files.opened(key.source);
        is_old && is_beyond && is_whole && opened.is_some_and(|to| to.offset >= key.end)
    }

    /// Goes back for what was staged before what has been loaded, as soon as nothing else would be
    /// loaded twice by that.
    fn has_all(&mut self, lane: usize) -> bool {
        let has_all = !self.ways[lane].is_missed || self.makes(Mistake::MissedForgotten);
        let is_unordered = self.climate == Climate::Spread;
        let is_idle = is_unordered || self.flight.of(lane).next().is_none();
        if !has_all && is_idle {
            self.ways[lane].loaded = None;
            self.ways[lane].is_missed = false;
        }
        has_all
    }

    fn go_direct(&mut self, lane: usize) {
        self.tell(|| format!("{lane} is direct"));
        let way = &mut self.ways[lane];
        way.lane.backlog_loaded();
        way.loaded = None;
        self.push_held(lane);
        self.settle_floors(lane);
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

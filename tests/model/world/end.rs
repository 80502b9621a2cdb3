//! How a producer or a run of the daemon ends, and how the next one begins.

use std::collections::{BTreeSet, VecDeque};

use tailspool::ledger::Ledgers;
use tailspool::record::{Ahead, Mark, SourceId};

use super::{Saved, Way, World};
use crate::client::Client;
use crate::flight::Flight;
use crate::line::{LANES, Line, SOURCES, mark, place_of, source_at, sources_of};
use crate::spool::{Entry, Key, Spool};
use crate::variant::{Climate, Mistake};

impl World {
    /// The producer gives everything back because we ask for it.
    pub(super) fn purge(&mut self) {
        if self.client.is_fatal() || !self.climate.has_spool() {
            return;
        }
        if !self.makes(Mistake::PurgeFirst) {
            self.save_numbers();
            self.detour_all();
        }
        self.counts.producers += 1;
        self.expose(self.client.unanswered());
        self.orphans.extend(self.client.orphans(self.partitions));
        self.tell(|| "purge".to_owned());
        self.client.purge();
    }

    /// The producer fails for good and gives everything back.
    pub(super) fn fail(&mut self) {
        if !self.client.is_fatal() {
            self.expose(self.client.unanswered());
            self.orphans.extend(self.client.orphans(self.partitions));
            self.tell(|| "fatal".to_owned());
            self.client.fail();
            self.failed();
        }
    }

    /// What comes back from a producer that failed waits where it is, spool or no spool: a detour
    /// would forget who is suspect, and a strict producer would fail for the same batch again.
    pub(super) fn failed(&mut self) {
        self.counts.producers += 1;
        if self.makes(Mistake::FatalDetours) {
            self.detour_all();
        }
        self.rebuild();
    }

    /// A new producer takes over from one that failed, once all it had has come back.
    pub(super) fn rebuild(&mut self) {
        let is_back = self.ways.iter().all(|way| way.lane.in_flight() == 0);
        if self.client.is_fatal() && (is_back || self.makes(Mistake::RebuildAtOnce)) {
            self.client = self.client.successor();
            self.pump_all();
        }
    }

    pub(super) fn crash(&mut self) {
        self.counts.crashes += 1;
        let spool = self.spool_after_crash();
        let letters = self.dice.up_to(self.letters.len());
        self.dead.extend(self.letters.drain(..letters).map(|letter| letter.line));
        self.restart(spool, false);
    }

    /// Staged changes survive in order up to some point; after a power cut, any of what was being
    /// written then, too.
    fn spool_after_crash(&mut self) -> Spool {
        let spool = std::mem::take(&mut self.spool);
        if self.makes(Mistake::SettleStaged) {
            return spool.after_crash(0);
        }
        let count = self.dice.up_to(spool.staged());
        if self.climate.cuts_power() {
            let luck = 1 + self.dice.below(4);
            let count = if self.dice.once_in(2) { 0 } else { count };
            return spool.after_power_cut(count, || self.dice.once_in(luck));
        }
        spool.after_crash(count)
    }

    /// SIGTERM while the broker may be away.
    pub(super) fn stop(&mut self) {
        self.counts.stops += 1;
        while self.client.has_reports() {
            self.hear();
        }
        self.save_numbers();
        self.detour_all();
        self.flush(self.spool.staged());
        if self.dice.once_in(2) {
            while !self.letters.is_empty() {
                self.write_letter();
            }
        }
        self.flush(self.spool.staged());
        self.save();
        let is_clean = self.is_nothing_owed();
        let spool = std::mem::take(&mut self.spool);
        self.restart(spool.after_crash(0), is_clean);
    }

    /// Except what the spool had no room for, and letters that were not written in time.
    fn is_nothing_owed(&self) -> bool {
        let waits = !self.letters.is_empty() || self.ways.iter().any(|way| !way.held.is_empty());
        if waits || !self.climate.has_spool() {
            return false;
        }
        if self.mistake.is_some() {
            return true;
        }
        for place in 0..SOURCES {
            let opened = self.files.opened(source_at(place));
            let is_saved = opened.is_none_or(|opened| opened == self.saved[place].accepted);
            assert!(is_saved, "a stop leaves nothing owed");
        }
        true
    }

    fn restart(&mut self, spool: Spool, is_clean: bool) {
        self.judge.restart();
        let unanswered = self.client.unanswered();
        let wire: Vec<_> = self.client.orphans(self.partitions).collect();
        let is_lost = self.climate.loses_spools() && self.dice.once_in(3);
        let spool = if is_lost { self.lose(&spool) } else { spool };
        let spool = spool.found(|source| self.numbered[place_of(source)]);
        self.seen = [false; SOURCES];
        self.tell(|| format!("restart, spool {:?}", spool.entries().collect::<Vec<_>>()));

        let mut again: BTreeSet<Line> = spool.durable_lines().collect();
        self.ledgers = Ledgers::default();
        self.frontiers.clear();
        for place in 0..SOURCES {
            let source = source_at(place);
            let accepted = self.saved[place].accepted;
            let from = self.read_on_from(place, &spool, is_lost);
            let goes_on = is_clean && from == accepted;
            self.tell(|| format!("  {source:?} from {from:?}, there: {}", self.files.has(source)));
            self.resumed[place] = None;
            if self.files.has(source) {
                let frontier = self.ledgers.resume(source, from);
                self.frontiers.extend(frontier.map(|frontier| (source, frontier)));
                let of_source = |line: &Line| line.source() == source;
                let unread = |line: &Line| !self.texture.is_below(*line, from);
                let unsaved = self.texture.records().filter(of_source).filter(unread);
                again.extend(unsaved.filter(|_| !goes_on));
                self.resumed[place] = spool.covers(source).then_some(from);
            }
            self.files.resume(source, from);
            self.excuse_copies(source, from, &spool);
        }
        again.retain(|line| !unanswered.contains(line));
        self.expose(unanswered.into_iter().chain(again).collect());
        self.orphans.extend(wire);
        for (at, way) in self.ways.iter_mut().enumerate() {
            let has_backlog = at < LANES && spool.after(at, None).next().is_some();
            *way = Way::default();
            if self.climate == Climate::Spread {
                way.lane.give_up_order();
            }
            if has_backlog {
                way.lane.begin_with_backlog();
                let floor = |source| {
                    let saved = &self.saved[place_of(source)];
                    self.resumed[place_of(source)].map(|_| saved.acknowledged)
                };
                let floors: Vec<_> = sources_of(at).map(floor).collect();
                way.floors = floors.try_into().unwrap();
                way.reach = spool.recovered(at);
            }
        }
        self.first_seq = self.seq;
        self.spool = spool;
        self.flight = Flight::default();
        self.client = Client::new(self.client.too_large);
        self.letters = VecDeque::new();
    }

    /// Whether an entry that a run finds is dropped once its file is read again.
    fn is_to_be_dropped(&self, key: Key, entry: &Entry, from: Mark) -> bool {
        self.files.has(key.source) && key.start >= from.offset && key.is_all_of(entry)
    }

    /// What the spool keeps although it is read again, or has several times.
    fn excuse_copies(&mut self, source: SourceId, from: Mark, spool: &Spool) {
        let is_kept = |(key, entry): &(Key, &Entry)| {
            let is_its = key.source == source && key.is_numbered;
            is_its && !self.is_to_be_dropped(*key, entry, from)
        };
        let kept: Vec<_> = spool.entries().filter(is_kept).map(|(_, entry)| entry).collect();
        for line in self.texture.records().filter(|line| line.source() == source) {
            let spooled = kept.iter().filter(|entry| entry.lines.contains(&line)).count();
            let unread = self.files.has(source) && !self.texture.is_below(line, from);
            let copies = (spooled + usize::from(unread)).saturating_sub(1);
            self.judge.excuse_copies(line, u32::try_from(copies).unwrap());
        }
    }

    /// What would have been dropped once it is read again, had its file not gone.
    pub(super) fn excuse_not_read_again(&mut self, source: SourceId) {
        let is_old = |(key, _): &(Key, &Entry)| key.source == source && key.seq < self.first_seq;
        for (_, entry) in self.spool.entries().filter(is_old) {
            entry.lines.iter().for_each(|line| self.judge.excuse_copies(*line, 1));
        }
    }

    fn read_on_from(&mut self, place: usize, spool: &Spool, is_lost: bool) -> Mark {
        let (source, Saved { accepted, acknowledged }) = (source_at(place), self.saved[place]);
        let trusts = self.makes(Mistake::AcknowledgedForgotten)
            || (self.makes(Mistake::DamageTrusted) && spool.covers(source));
        if acknowledged != accepted && (is_lost || !spool.covers(source)) && !trusts {
            if !self.makes(Mistake::LossNotSaved) {
                self.saved[place].accepted = acknowledged;
            }
            return acknowledged;
        }
        if is_lost && !trusts {
            return accepted;
        }
        let mut from = spool.advance(source, accepted);
        if self.makes(Mistake::ChainIgnored) {
            let ends = spool.entries().filter(|(key, _)| key.source == source);
            let end = ends.map(|(key, _)| key.end).max();
            from = end.filter(|end| *end > accepted.offset).map_or(accepted, mark);
        }
        if self.makes(Mistake::AheadForgotten) {
            from.ahead = Ahead::NONE;
        }
        if self.makes(Mistake::AheadOfBoth) {
            from.ahead = Ahead([from.ahead.0.into_iter().max().unwrap_or_default(); 2]);
        }
        from
    }

    /// The spool is gone, or some of it. Only files can bring back what was in it. The places to go
    /// back to are saved before there is a new spool, or after the next crash nobody knows of the
    /// loss. What is left vouches for nothing, and is sent or dropped as after any crash.
    fn lose(&mut self, spool: &Spool) -> Spool {
        self.counts.spools_lost += 1;
        for line in spool.durable_lines() {
            self.judge.forgive(line);
        }
        let luck = if self.dice.once_in(2) { 0 } else { 3 };
        let left = spool.damaged(|| luck > 0 && !self.dice.once_in(luck));
        left.durable_lines().for_each(|line| self.judge.owe(line));
        if !left.is_empty() {
            self.damaged_at = self.damaged_at.or(Some(self.restarts()));
        }
        left
    }

    /// Those of `lines` that the broker has, or may get yet from this producer or an older one,
    /// may be written once more because of what happens now.
    pub(super) fn expose(&mut self, mut lines: Vec<Line>) {
        let wire: Vec<_> = self.client.orphans(self.partitions).collect();
        let is_under_way = |line: &Line| {
            wire.iter().chain(&self.orphans).flatten().any(|batch| batch.contains(line))
        };
        lines.retain(|line| self.judge.is_written(*line) || is_under_way(line));
        self.judge.excuse(lines);
    }
}

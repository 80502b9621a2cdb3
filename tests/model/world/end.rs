//! How a producer or a run of the daemon ends, and how the next one begins.

use std::collections::VecDeque;

use tailspool::lane::Lane;
use tailspool::ledger::Ledgers;
use tailspool::record::{Offset, SourceId};

use super::{Saved, Way, World};
use crate::client::Client;
use crate::flight::Flight;
use crate::line::{
    LANES, LINES_PER_SOURCE, Line, SOURCES, lines_before, mark, place_of, source_at,
};
use crate::spool::Spool;
use crate::variant::Mistake;

impl World {
    /// The producer gives everything back because we ask for it.
    pub(super) fn purge(&mut self) {
        if self.client.is_fatal() || !self.climate.has_spool() {
            return;
        }
        if !self.makes(Mistake::PurgeFirst) {
            self.detour_all();
        }
        self.counts.producers += 1;
        self.expose(self.client.unanswered());
        self.orphans.push(self.client.orphans());
        self.tell(|| "purge".to_owned());
        self.client.purge();
    }

    /// The producer fails for good and gives everything back.
    pub(super) fn fail(&mut self) {
        if !self.client.is_fatal() {
            self.expose(self.client.unanswered());
            self.orphans.push(self.client.orphans());
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
        self.restart(spool);
    }

    /// Staged changes survive in order up to some point or, in a power cut, any of them.
    fn spool_after_crash(&mut self) -> Spool {
        if self.makes(Mistake::SettleStaged) {
            return self.spool.after_crash(|| false);
        }
        if self.climate.cuts_power() {
            let luck = 1 + self.dice.below(4);
            return self.spool.after_crash(|| self.dice.once_in(luck));
        }
        let mut left = self.dice.up_to(self.spool.staged());
        self.spool.after_crash(|| {
            let survives = left > 0;
            left = left.saturating_sub(1);
            survives
        })
    }

    /// SIGTERM while the broker may be away.
    pub(super) fn stop(&mut self) {
        self.counts.stops += 1;
        while self.client.has_reports() {
            self.hear();
        }
        self.detour_all();
        self.flush(self.spool.staged());
        if self.dice.once_in(2) {
            while !self.letters.is_empty() {
                self.write_letter();
            }
        }
        self.flush(self.spool.staged());
        self.save();
        self.assert_nothing_owed();
        self.restart(self.spool.after_crash(|| false));
    }

    /// Except what the spool had no room for, and letters that were not written in time.
    fn assert_nothing_owed(&self) {
        let waits = !self.letters.is_empty() || self.ways.iter().any(|way| !way.held.is_empty());
        if waits || self.mistake.is_some() || !self.climate.has_spool() {
            return;
        }
        for place in 0..SOURCES {
            let opened = self.files.opened(source_at(place));
            let is_saved = opened.is_none_or(|opened| opened == self.saved[place].accepted);
            assert!(is_saved, "a stop leaves nothing owed");
        }
    }

    fn restart(&mut self, spool: Spool) {
        let unanswered = self.client.unanswered();
        let wire = self.client.orphans();
        let is_lost = self.climate.loses_spools() && self.dice.once_in(3);
        let spool = if is_lost { self.lose(&spool) } else { spool };
        self.tell(|| format!("restart, spool {:?}", spool.entries().collect::<Vec<_>>()));

        let mut again: Vec<Line> = unanswered;
        again.extend(spool.durable_lines());
        self.had = spool.entries().map(|((source, end), e)| (source, e.chain, end)).collect();
        if self.makes(Mistake::ChainIgnored) {
            self.had.iter_mut().for_each(|had| had.1 = Offset::START);
        }
        self.ledgers = Ledgers::default();
        self.frontiers.clear();
        for place in 0..SOURCES {
            let source = source_at(place);
            let from = self.read_on_from(place, &spool, is_lost);
            self.tell(|| format!("  {source:?} from {from:?}, there: {}", self.files.has(source)));
            if self.files.has(source) {
                let frontier = self.ledgers.resume(source, mark(from));
                self.frontiers.extend(frontier.map(|frontier| (source, frontier)));
                let unsaved = lines_before(from)..LINES_PER_SOURCE;
                again.extend(unsaved.map(|n| Line::nth_of(source, n)));
            }
            self.files.resume(source, lines_before(from));
        }
        self.expose(again);
        self.orphans.push(wire);
        for (at, way) in self.ways.iter_mut().enumerate() {
            let has_backlog = at < LANES && spool.after(at, None).next().is_some();
            let lane = if has_backlog { Lane::with_backlog() } else { Lane::default() };
            *way = Way { lane, ..Way::default() };
        }
        self.spool = spool;
        self.flight = Flight::default();
        self.client = Client::new(self.client.too_large);
        self.letters = VecDeque::new();
        self.judge.restart();
    }

    fn read_on_from(&self, place: usize, spool: &Spool, is_lost: bool) -> Offset {
        let Saved { accepted, acknowledged } = self.saved[place];
        if is_lost && self.makes(Mistake::LossNotSaved) {
            return acknowledged;
        }
        if self.makes(Mistake::ChainIgnored) {
            let ends = spool.entries().filter(|(key, _)| key.0 == source_at(place));
            return ends.map(|(key, _)| key.1).max().map_or(accepted, |end| end.max(accepted));
        }
        spool.advance(place, accepted)
    }

    /// The spool is gone. Only files can bring back what was in it. The places to go back to are
    /// saved before there is a new spool, or after the next crash nobody knows of the loss.
    ///
    /// If only a part of it is, it is as good as gone for files that are there: what is left of it
    /// vouches for what is not.
    fn lose(&mut self, spool: &Spool) -> Spool {
        self.counts.spools_lost += 1;
        if !self.makes(Mistake::LossNotSaved) && !self.makes(Mistake::AcknowledgedForgotten) {
            self.saved.iter_mut().for_each(|saved| saved.accepted = saved.acknowledged);
        }
        for line in spool.durable_lines().chain(self.spool.durable_lines()) {
            self.judge.forgive(line);
        }
        let luck = if self.dice.once_in(2) { 0 } else { 3 };
        let trusts = self.makes(Mistake::DamageTrusted);
        let left = spool.damaged(|source| {
            let is_useful = trusts || !self.files.has(source);
            luck > 0 && !self.dice.once_in(luck) && is_useful
        });
        left.durable_lines().for_each(|line| self.judge.owe(line));
        left
    }

    /// Those of `lines` that the broker has, or may get yet from this producer or an older one,
    /// may be written once more because of what happens now.
    pub(super) fn expose(&mut self, mut lines: Vec<Line>) {
        let wire = self.client.orphans();
        let is_under_way = |line: &Line| {
            wire.iter().chain(self.orphans.iter().flatten()).any(|b| b.contains(line))
        };
        lines.retain(|line| self.judge.is_written(*line) || is_under_way(line));
        self.judge.excuse(lines);
    }

    pub(super) fn saved_of(&self, source: SourceId) -> Saved {
        self.saved[place_of(source)]
    }
}

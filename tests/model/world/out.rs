//! What is handed over, and what becomes of it.

use tailspool::lane::{Piece, Refusal};
use tailspool::ledger::Fate;
use tailspool::record::{Run, Slot};

use super::{Duty, Letter, World};
use crate::client::Outcome;
use crate::flight::Place;
use crate::line::Line;
use crate::spool::Key;
use crate::variant::Mistake;

const BATCH_RECORDS_MAX: usize = 3;

impl World {
    /// Hands over what may be handed over of one way.
    pub(super) fn pump(&mut self, at: usize) {
        while !self.client.is_fatal()
            && let Some(piece) = self.ways[at].lane.next_piece()
            && self.has_fit_company(piece)
        {
            let (from, until) = (piece.from as usize, piece.until as usize);
            let lines = &self.flight.load(piece.slot).lines[from..until];
            let handed = self.client.send(piece.slot, piece.from, lines);
            let refused = u32::try_from(handed.refused.len()).unwrap();
            self.ways[at].lane.handed(handed.done, handed.done - refused);
            for record in handed.refused {
                self.bury(piece.slot, record);
            }
            if handed.is_full {
                return;
            }
        }
    }

    pub(super) fn pump_all(&mut self) {
        (0..self.ways.len()).for_each(|at| self.pump(at));
    }

    /// The lanes of a partition share batches, so a suspect is alone only if all lanes hold still.
    fn has_fit_company(&self, piece: Piece) -> bool {
        if self.makes(Mistake::AloneInLaneOnly) {
            return true;
        }
        if piece.suspect {
            self.ways.iter().all(|way| way.lane.in_flight() == 0)
        } else {
            !self.ways.iter().any(|way| way.lane.has_suspects())
        }
    }

    pub(super) fn transmit(&mut self) {
        let count = 1 + self.dice.up_to(BATCH_RECORDS_MAX - 1);
        self.client.transmit(count);
    }

    pub(super) fn broker_writes(&mut self) {
        if !self.is_broker_up {
            return;
        }
        if !self.orphans.is_empty() && self.dice.once_in(2) {
            self.orphan_writes();
            return;
        }
        let was_fatal = self.client.is_fatal();
        let unanswered = self.client.unanswered();
        for line in self.client.write(&self.poison, self.climate.gap()) {
            self.tell(|| format!("  {line:?} is written"));
            self.judge.write(line, self.texture.stream(line));
        }
        if self.client.is_fatal() && !was_fatal {
            self.expose(unanswered);
            self.failed();
        }
    }

    /// The broker gets round to what a producer that is gone had on the wire.
    fn orphan_writes(&mut self) {
        let at = self.dice.up_to(self.orphans.len() - 1);
        let batch = self.orphans[at].pop_front();
        match batch.filter(|batch| !batch.iter().any(|line| self.poison.contains(line))) {
            Some(batch) => {
                for line in batch {
                    self.tell(|| format!("  {line:?} is written late"));
                    let has_file = self.files.has(line.source());
                    self.judge.write_late(line, self.texture.stream(line), has_file);
                }
            }
            // Empty, or refused: the rest is out of sequence then.
            None => drop(self.orphans.remove(at)),
        }
    }

    pub(super) fn broker_answers(&mut self) {
        if self.is_broker_up {
            self.client.answer();
        }
    }

    pub(super) fn broker_gives_back(&mut self) {
        if self.is_broker_up {
            self.client.give_back_one();
        }
    }

    /// Takes in one report.
    pub(super) fn hear(&mut self) {
        let Some(report) = self.client.hear() else { return };
        let Run { slot, first, count } = report.run;
        let (at, seq) = (self.flight.load(slot).way, self.flight.load(slot).seq);
        let piece = Piece { seq, slot, from: first, until: first + count, suspect: false };
        match report.outcome {
            Outcome::Delivered => self.delivered(at, report.run),
            Outcome::Returned if self.sends_behind(at) => {
                self.ways[at].lane.delivered(count);
                self.ways[at].lane.push(piece);
            }
            Outcome::Returned => {
                if !self.ways[at].lane.came_back(piece) {
                    self.flight.finish(slot, count);
                }
            }
            Outcome::Refused => match self.ways[at].lane.refused(piece) {
                Refusal::Again => {}
                Refusal::InSpool => self.flight.finish(slot, count),
                Refusal::Guilty => self.bury(slot, first),
            },
        }
        self.rebuild();
        self.pump(at);
    }

    fn sends_behind(&self, at: usize) -> bool {
        self.makes(Mistake::ReturnedBehind) && self.ways[at].lane.is_direct()
    }

    fn delivered(&mut self, at: usize, run: Run) {
        self.ways[at].lane.delivered(run.count);
        for record in run.first..run.first + run.count {
            let load = self.flight.load(run.slot);
            let line = load.lines[record as usize];
            match std::mem::replace(&mut load.places[record as usize], Place::Done) {
                Place::Owed => {
                    let ticket = load.take_ticket(1);
                    self.settle(ticket, Fate::Delivered);
                }
                Place::InSpool(key) => self.strike(key, line),
                Place::Done => unreachable!("a record has one fate"),
            }
        }
        self.flight.finish(run.slot, run.count);
    }

    fn strike(&mut self, key: Key, line: Line) {
        if !self.makes(Mistake::CopiesKept) || self.dice.once_in(2) {
            self.strike_from(key, line);
        }
    }

    fn strike_from(&mut self, key: Key, line: Line) {
        self.spool.strike(key, line);
        self.settle_floors(key.lane());
    }

    /// Kafka will never take this record.
    fn bury(&mut self, slot: Slot, record: u32) {
        self.counts.buried += 1;
        let load = self.flight.load(slot);
        let line = load.lines[record as usize];
        let duty = match std::mem::replace(&mut load.places[record as usize], Place::Done) {
            Place::Owed => Duty::Ticket(load.take_ticket(1)),
            Place::InSpool(key) => Duty::Entry(key),
            Place::Done => unreachable!("a record has one fate"),
        };
        self.flight.finish(slot, 1);
        self.judge.bury(line);
        self.tell(|| format!("{line:?} is guilty"));
        self.letters.push_back(Letter { line, duty });
    }

    /// The oldest letter is on disk.
    pub(super) fn write_letter(&mut self) {
        let Some(Letter { line, duty }) = self.letters.pop_front() else { return };
        self.dead.push(line);
        match duty {
            Duty::Ticket(ticket) => self.settle(ticket, Fate::DeadLettered),
            Duty::Entry(key) => self.strike_from(key, line),
        }
    }
}

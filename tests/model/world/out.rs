//! What is handed over, and what becomes of it.

use tailspool::lane::{Piece, Refusal};
use tailspool::ledger::Fate;
use tailspool::record::{Run, Slot};

use super::{Duty, Letter, World};
use crate::client::{Outcome, PARTITIONS_MAX};
use crate::flight::{Load, Place};
use crate::line::{LANES, Line};
use crate::spool::Key;
use crate::variant::{Climate, Mistake};

const BATCH_RECORDS_MAX: usize = 3;

impl World {
    /// Hands over what may be handed over of one way.
    pub(super) fn pump(&mut self, at: usize) {
        while !self.client.is_fatal()
            && let Some(piece) = self.ways[at].lane.next_piece()
            && let Some(partition) = self.aim(at, piece)
            && self.has_fit_company(piece)
        {
            let (from, until) = (piece.from as usize, piece.until as usize);
            let lines = &self.flight.load(piece.slot).lines[from..until];
            let handed = self.client.send(partition, piece.slot, piece.from, lines);
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

    /// Where a piece goes. A lane moves only when nothing of it is in flight; where any partition
    /// will do, each block may go to another.
    fn aim(&mut self, at: usize, piece: Piece) -> Option<usize> {
        let way = &mut self.ways[at];
        let is_any = self.climate == Climate::Spread;
        let may_move =
            way.lane.in_flight() == 0 || self.mistake == Some(Mistake::MovesInFlight) || is_any;
        if way.partitions != self.partitions {
            if !may_move {
                return None;
            }
            self.counts.moved += u64::from(way.partitions > 0);
            way.partitions = self.partitions;
        }
        if !is_any {
            return Some((at % LANES + 1) % way.partitions);
        }
        // What is handed over in part goes on to where it was begun.
        let goes_on = way.lane.in_flight() > 0;
        let led = self.flight.load(piece.slot).partition.filter(|_| goes_on);
        let partition = led.unwrap_or_else(|| self.dice.up_to(PARTITIONS_MAX - 1));
        self.flight.load(piece.slot).partition = Some(partition);
        Some(partition)
    }

    pub(super) fn add_partition(&mut self) {
        self.partitions = PARTITIONS_MAX.min(self.partitions + 1);
        self.tell(|| format!("{} partitions", self.partitions));
    }

    /// The partition that something happens to.
    fn some_partition(&mut self) -> usize {
        if self.partitions > 1 { self.dice.up_to(self.partitions - 1) } else { 0 }
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
        let partition = self.some_partition();
        self.client.transmit(partition, count);
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
        let partition = self.some_partition();
        for line in self.client.write(partition, &self.poison, self.climate.gap()) {
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
            let partition = self.some_partition();
            self.client.answer(partition);
        }
    }

    pub(super) fn broker_gives_back(&mut self) {
        if self.is_broker_up {
            let partition = self.some_partition();
            self.client.give_back_one(partition);
        }
    }

    /// Takes in one report.
    pub(super) fn hear(&mut self) {
        let Some(report) = self.client.hear() else { return };
        let Run { slot, first, count } = report.run;
        let (at, seq) = (self.flight.load(slot).way, self.flight.load(slot).seq);
        let piece = Piece { seq, slot, from: first, until: first + count, suspect: false };
        let is_copy = {
            let load = self.flight.load(slot);
            load.block.is_some() && load.places[first as usize] != Place::Owed
        };
        match report.outcome {
            Outcome::Delivered => self.delivered(at, report.run),
            _ if is_copy => {
                self.ways[at].lane.gone(count);
                self.leave(slot, count);
            }
            Outcome::Returned if self.sends_behind(at) => {
                self.ways[at].lane.delivered(count);
                self.ways[at].lane.push(piece);
            }
            Outcome::Returned => {
                if !self.ways[at].lane.came_back(piece) {
                    self.leave(slot, count);
                }
            }
            Outcome::Refused => match self.ways[at].lane.refused(piece) {
                Refusal::Again => {}
                Refusal::InSpool => self.leave(slot, count),
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
        let load = self.flight.finish(run.slot, run.count);
        self.go_back(load);
    }

    /// Records leave memory that the spool is to give back.
    pub(super) fn leave(&mut self, slot: Slot, count: u32) {
        let load = self.flight.leave(slot, count);
        self.go_back(load);
    }

    /// With the last of a load it is known whether replay has passed something of it.
    fn go_back(&mut self, load: Option<Load>) {
        let Some(load) = load.filter(|load| load.is_left_behind) else { return };
        if self.climate != Climate::Spread || self.makes(Mistake::LeftBehindForgotten) {
            return;
        }
        if self.ways[load.way].lane.is_direct() {
            self.detour_in_time(load.way);
        } else {
            self.ways[load.way].is_missed |= self.ways[load.way].loaded.is_some();
        }
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
        let load = self.flight.finish(slot, 1);
        self.go_back(load);
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

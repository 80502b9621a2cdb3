//! What each event does to the state.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

use super::flight::Landed;
use super::outlet::Outlet;
use super::{Note, QUESTION_TAKES, Ship};
use crate::checkpoint::Change;
use crate::clock;
use crate::lane::{Piece, Refusal, Route};
use crate::ledger::{Settlement, Ticket};
use crate::process::Filtered;
use crate::produce::{Cause, Delivered, Report, Verdict};
use crate::record::{Block, Failure, Label, Lineage, LineageId, Run, Slot, SourceId};
use crate::settings::{Acks, Confirm, Partition};
use crate::tail::{self, LostReason, Seen};

impl Ship {
    pub(super) fn apply(&mut self, event: tail::Event) {
        match event {
            tail::Event::Seen(seen) => self.seen(seen),
            tail::Event::Block(block) => self.block(block),
            tail::Event::Gone(source) => self.gone(source),
            tail::Event::Lost { bytes, reason, .. } => self.lost(bytes, reason),
            tail::Event::Skipped { bytes, .. } => self.crew.counters.skipped_bytes.add(bytes),
            tail::Event::Looked { input, ms } => {
                if let Some(input) = self.inputs.get(input) {
                    self.looked.insert(input.id.clone());
                    let input = input.id.clone();
                    self.changes.extend(ms.map(|at_ms| Change::Looked { input, at_ms }));
                }
            }
            tail::Event::Over(lineage) => self.ways.end(lineage),
            tail::Event::AllRead => self.read_all = true,
        }
    }

    fn seen(&mut self, seen: Seen) {
        let source = seen.source;
        if let Some(told) = seen.acknowledged {
            self.told.insert(source, told);
        }
        self.changes.push(Change::Known {
            source,
            lineage: seen.lineage.clone(),
            identity: seen.identity,
            path: seen.path,
            seen_ms: clock::wall_ms(),
        });
        let acknowledged = self.crew.acknowledged.get_mut(&*seen.lineage);
        let floor = acknowledged.and_then(|marks| marks.remove(&source.generation));
        let resumed = self.ledgers.resume(source, seen.from);
        let is_first = resumed.is_some();
        self.moved.extend(resumed.map(|frontier| (source, frontier)));
        if self.ways.of(source.lineage).is_none()
            && let Some(input) = self.inputs.get(seen.input)
        {
            let (rule, confirm) = (input.partition, input.confirm);
            let outlet = self.outlets.number(&input.output);
            let at = self.way(&seen.lineage, &seen.label.topic, outlet, rule, confirm);
            self.ways.assign(source.lineage, at);
            if let Some(way) = self.ways.get_mut(at) {
                way.gate = seen.gate;
            }
            self.belong(at, source.lineage);
        }
        if is_first && seen.is_new {
            self.number(source, &seen.label);
        }
        if let Some(floor) = floor {
            self.resumed.insert(source, seen.from.offset);
            for at in self.left.get(&seen.lineage).into_iter().flatten() {
                if let Some(way) = self.ways.get_mut(*at).filter(|way| way.spooled.records > 0) {
                    way.spooled.floors.insert(source, floor);
                }
            }
        }
    }

    /// The number of a new file is saved with what is saved next.
    fn number(&mut self, source: SourceId, label: &Label) {
        let (next, saved) = (self.saving + 1, self.saved);
        if let Some(way) = self.ways.of(source.lineage).and_then(|at| self.ways.get_mut(at)) {
            way.number(source.generation, next, saved);
            self.are_numbers_awaited |= label.record_id.is_some();
        }
    }

    /// A reader has seen the lineage of a way, and of those that lead to topics it had before.
    fn belong(&mut self, at: usize, lineage: LineageId) {
        let Some(name) = self.ways.get(at).map(|way| way.lineage.clone()) else { return };
        for at in self.left.get(&name).into_iter().flatten().chain([&at]) {
            if let Some(way) = self.ways.get_mut(*at) {
                way.id = Some(lineage);
            }
        }
    }

    /// The way of a lineage to a topic, which an earlier run may have left a backlog on.
    pub(super) fn way(
        &mut self,
        lineage: &Arc<Lineage>,
        topic: &str,
        outlet: usize,
        rule: Partition,
        confirm: Confirm,
    ) -> usize {
        let at = self.ways.find_or_make(lineage, topic, outlet, clock::now());
        if let Some(way) = self.ways.get_mut(at) {
            (way.rule, way.confirm) = (rule, confirm);
            if rule.is_any() {
                way.lane.give_up_order();
            }
        }
        at
    }

    fn gone(&mut self, source: SourceId) {
        self.told.remove(&source);
        let Some(way) = self.ways.of(source.lineage).and_then(|at| self.ways.get(at)) else {
            return;
        };
        let lineage = way.lineage.clone();
        self.changes.push(Change::Gone { source, lineage, at_ms: clock::wall_ms() });
        if self.floor(source).is_some() {
            self.gone.insert(source);
        } else {
            self.ledgers.close(source);
        }
    }

    /// Forgets the ways that nothing is owed on and no reader has a file for.
    pub(super) fn retire(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        // What is being buried settles later, and its place moves then.
        if self.burying > 0 {
            return changes;
        }
        for (way, lineages) in self.ways.take_over(|way| !self.left.contains_key(&way.lineage)) {
            if let Some(lane) = way.spooled.lane {
                self.by_lane.remove(&lane);
            }
            changes.extend(lineages.into_iter().map(|lineage| Change::Over { lineage }));
        }
        changes
    }

    fn lost(&self, bytes: u64, reason: LostReason) {
        let lost = &self.crew.counters.lost_bytes;
        match reason {
            LostReason::Truncated => lost.truncated.add(bytes),
            LostReason::Deleted => lost.deleted.add(bytes),
            LostReason::Damaged => lost.damaged.add(bytes),
        }
    }

    /// Counts what was read.
    fn count(&self, block: &Block) {
        let (counters, tally) = (&self.crew.counters, &block.tally);
        counters.read_bytes.add(block.end.offset.since(block.start.offset));
        counters.read_records.add(u64::from(block.len() + tally.filtered));
        counters.filtered.add(u64::from(tally.filtered));
        counters.dropped.unprocessed.add(u64::from(tally.dropped));
        counters.unparsed_lines.add(u64::from(tally.unparsed));
        counters.malformed_lines.add(u64::from(tally.malformed));
        for failed in &tally.failed {
            let failures = &counters.processor_failures;
            let counter = match failed.failure {
                Failure::NoObject => &failures.parse_json,
                Failure::NoMatch => &failures.parse_regex,
                Failure::NoField | Failure::NoTime => &failures.timestamp,
                Failure::NoRoom => &failures.too_large,
            };
            counter.add(u64::from(failed.count));
        }
    }

    fn block(&mut self, block: Block) {
        self.count(&block);
        let Some(at) = self.ways.of(block.source.lineage) else {
            unreachable!("a source is seen before its first block")
        };
        let records = NonZeroU32::new(block.len()).unwrap_or(NonZeroU32::MIN);
        let ticket = self.ledgers.open(block.source, block.start, block.end, records);
        match Filtered::of(&block, ticket) {
            Ok(proof) => self.settle(proof),
            Err(ticket) => match self.unwanted(&block, at) {
                Some(unwanted) => self.bury_unsent(at, &block, ticket, unwanted),
                None => self.take_in(at, block, ticket),
            },
        }
    }

    /// A block joins its lane: in memory, or in the spool if that is where the lane's end is.
    pub(super) fn take_in(&mut self, at: usize, block: Block, ticket: Ticket) {
        let Some(way) = self.ways.get(at) else { return };
        let (is_direct, is_unconfirmed) = (way.lane.is_direct(), way.is_unconfirmed());
        let partition = if is_direct { self.choose(at, &block, None) } else { None };
        let Some(way) = self.ways.get(at) else { return };
        let target = way.target(partition);
        let is_down = self.shares.is_down(&target);
        let is_tried = way.rule.is_any() && self.shares.is_fit(&target);
        // What goes to a cluster that is away stays in memory until it is back. One partition after
        // the other, it would take all of it, and other clusters would get nothing.
        let is_away = self.outlets.get(way.outlet).is_away() && self.shares.is_any_down(way.outlet);
        if is_direct && !is_unconfirmed && (is_away || is_down && !is_tried) {
            self.go_around(at, partition, "others wait there");
        }
        let Some(way) = self.ways.get_mut(at) else { return };
        if way.lane.route() == Route::Spool {
            way.spooled.replay.is_behind = false;
            self.spool_block(at, block, ticket);
            return self.replay(at);
        }
        let (bytes, until) = (block.cost(), block.len());
        let was_empty = way.lane.is_empty();
        let (slot, seq) = self.flight.board(at, partition, block, ticket);
        if let Some(way) = self.ways.get_mut(at) {
            way.lane.push(Piece { seq, slot, from: 0, until, suspect: false });
            if was_empty {
                way.moved_at = clock::now();
            }
        }
        self.ways.occupy(at);
        self.hold(at, partition, bytes);
        self.pump(at);
    }

    /// Takes in all that the producer has to tell.
    pub(super) fn hear(&mut self) {
        let mut reports = Vec::new();
        for outlet in self.outlets.iter_mut() {
            reports.append(&mut outlet.hear(&self.crew.counters));
        }
        let mut touched = Vec::new();
        for report in reports {
            let at = match report {
                Report::Delivered(proof) => self.delivered(proof),
                Report::Undelivered { run, cause } => self.undelivered(run, cause),
            };
            if touched.last() != Some(&at) {
                touched.push(at);
            }
        }
        for outlet in 0..self.outlets.len() {
            self.hand_on(outlet);
        }
        touched.sort_unstable();
        touched.dedup();
        for at in touched {
            self.pump(at);
            self.replay(at);
        }
        for at in std::mem::take(&mut self.go_alone) {
            self.pump(at);
        }
        if self.outlets.iter_mut().filter_map(Outlet::rebuild).count() > 0 {
            self.pump_all();
        }
    }

    /// Whether the producer of a way's outlet takes nothing any more.
    pub(super) fn is_fatal(&self, at: usize) -> bool {
        self.ways.get(at).is_some_and(|way| self.outlets.get(way.outlet).is_fatal)
    }

    fn delivered(&mut self, proof: Delivered<Run>) -> usize {
        let run = *proof.get();
        let load = self.flight.load(run.slot);
        let (at, partition) = (load.way, load.partition);
        let is_counted = load.unconfirmed() > 0;
        if let Some(way) = self.ways.get_mut(at) {
            way.lane.delivered(run.count);
            way.moved_at = clock::now();
            let (target, outlet) = (way.target(partition), way.outlet);
            self.landed(&target, run);
            self.shares.rose(&target);
            let outlet = self.outlets.get_mut(outlet);
            outlet.is_heard();
            let counters = &self.crew.counters;
            match outlet.kafka.acks {
                _ if is_counted => {}
                Acks::None => counters.unconfirmed.add(u64::from(run.count)),
                Acks::Leader | Acks::All => counters.delivered.add(u64::from(run.count)),
            }
        }
        match self.flight.land(proof) {
            Landed::Settled => {}
            Landed::Fresh(proof) => self.settle(proof),
            Landed::Spooled(proof) => {
                self.crew.counters.replayed.add(u64::from(run.count));
                let entry = proof.get().entry;
                if let Some(way) = self.ways.get_mut(at).filter(|way| way.rule.is_any()) {
                    way.spooled.replay.settle(entry);
                }
                if let Some(spool) = &mut self.spool {
                    spool.remove(proof);
                }
            }
        }
        self.release(run.slot);
        at
    }

    /// A fate is known: the frontier may move.
    pub(super) fn settle(&mut self, proof: impl Settlement) {
        if let Some(frontier) = self.ledgers.settle(proof) {
            self.moved.insert(frontier.source(), frontier);
        }
    }

    /// Gives a slot up that is empty; true if it was.
    pub(super) fn release(&mut self, slot: Slot) -> bool {
        let Some(load) = self.flight.release(slot) else { return false };
        self.free(load.way, load.partition, load.bytes());
        if load.is_replayed()
            && let Some(way) = self.ways.get_mut(load.way)
        {
            way.spooled.replay.bytes -= load.bytes();
        }
        if load.is_left_behind {
            self.go_back(load.way);
        }
        true
    }

    fn undelivered(&mut self, run: Run, cause: Cause) -> usize {
        let load = self.flight.load(run.slot);
        let (at, seq, is_settled) = (load.way, load.seq, load.unconfirmed() > 0);
        let (from, until) = (run.first, run.first + run.count);
        let piece = Piece { seq, slot: run.slot, from, until, suspect: false };
        let Some(target) = self.ways.get(at).map(|way| way.target(load.partition)) else {
            return at;
        };
        self.landed(&target, run);
        if is_settled {
            self.lose(at, run, cause);
            return at;
        }
        let is_copy = self.flight.load(run.slot).block().is_none();
        let Some(way) = self.ways.get_mut(at) else { return at };
        let counters = &self.crew.counters;
        if is_copy {
            way.lane.gone(run.count);
        }
        let is_kept = match cause.verdict() {
            Verdict::Again | Verdict::Rebuild => {
                counters.returned.add(u64::from(run.count));
                let is_kept = !is_copy && way.lane.came_back(piece);
                self.hold_up(at, cause);
                is_kept
            }
            Verdict::Suspect
                if cause.may_be_time() && self.flight.retime(run, clock::unix_ms()) =>
            {
                counters.retimed.add(u64::from(run.count));
                let (lineage, topic) = (&way.lineage, &way.topic);
                if !std::mem::replace(&mut way.is_retimed, true) {
                    tracing::warn!(%lineage, %topic, %cause, "kafka does not take the time of records: they get that of sending");
                }
                way.lane.came_back(piece)
            }
            Verdict::Suspect => {
                counters.suspected.add(u64::from(run.count));
                let refusal = if is_copy { Refusal::InSpool } else { way.lane.refused(piece) };
                match refusal {
                    Refusal::Again => true,
                    Refusal::InSpool => false,
                    Refusal::Guilty => {
                        self.bury(at, run.slot, run.first, cause);
                        true
                    }
                }
            }
        };
        if !is_kept {
            self.flight.leave(run.slot, run.count);
            self.release(run.slot);
        }
        at
    }

    pub(super) fn note(&mut self, note: Note) {
        match note {
            Note::Topic { outlet, name, answer } => {
                let topics = &mut self.outlets.get_mut(outlet).topics;
                if topics.answered(&name, answer, clock::now()) {
                    self.pump_all();
                }
            }
            Note::DeadLettered(proofs) => {
                self.burying -= proofs.len();
                self.crew.counters.dead_lettered.add(proofs.len() as u64);
                for proof in proofs {
                    self.buried(proof);
                }
                self.hand_in_letters();
            }
            Note::DeadLettersFail => {}
            Note::Spool(event) => self.spool_event(event),
            Note::Saved(batches) => {
                self.saved = batches;
                self.stage_numbered();
            }
            Note::SaveFailed => self.crew.counters.checkpoint_failures.add(1),
        }
    }

    /// Asks about topics whose partitions are not known, or not any more.
    pub(super) fn ask(&mut self, now: Instant) {
        for (number, outlet) in self.outlets.iter_mut().enumerate() {
            let Some(producer) = &outlet.producer else { continue };
            for name in outlet.topics.due(now) {
                let (scout, notes) = (producer.scout(), self.notes.clone());
                tokio::task::spawn_blocking(move || {
                    let answer = scout.partitions(&name, QUESTION_TAKES);
                    // Fails only when nobody needs the answer any more.
                    drop(notes.blocking_send(Note::Topic { outlet: number, name, answer }));
                });
            }
        }
    }
}

//! What each event does to the state.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

use super::flight::{Duty, Landed};
use super::outlet::Outlet;
use super::way::Way;
use super::{Note, QUESTION_TAKES, Realm, Ship};
use crate::checkpoint::Change;
use crate::clock;
use crate::dead_letter::{self, DeadLettered, Letter};
use crate::lane::{Piece, Refusal, Route};
use crate::ledger::{Settlement, Ticket};
use crate::process::Filtered;
use crate::produce::{Cause, Delivered, Report, Verdict};
use crate::record::{Block, Lineage, LineageId, RecordId, Run, Slot, SourceId};
use crate::settings::{Acks, LongLine, Output};
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
        let is_new = resumed.is_some();
        self.moved.extend(resumed.map(|frontier| (source, frontier)));
        if self.ways.of(source.lineage).is_none()
            && let Some(input) = self.inputs.get(seen.input)
        {
            let pinned = input.partition.pinned();
            let outlet = self.outlets.number(&input.output);
            let at = self.way(&seen.lineage, &seen.label.topic, outlet, pinned);
            self.ways.assign(source.lineage, at);
            if let Some(way) = self.ways.get_mut(at) {
                way.gate = seen.gate;
            }
            self.belong(at, source.lineage);
        }
        if is_new && seen.label.record_id.is_some() {
            self.await_number(source.lineage);
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

    /// Nothing more is sent of a lineage until the number of its new file is saved.
    fn await_number(&mut self, lineage: LineageId) {
        let next = self.saving + 1;
        if let Some(way) = self.ways.of(lineage).and_then(|at| self.ways.get_mut(at)) {
            way.numbered = Some(next);
            self.are_numbers_awaited = true;
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
        pinned: Option<i32>,
    ) -> usize {
        let at = self.ways.find_or_make(lineage, topic, outlet, clock::now());
        if let Some(way) = self.ways.get_mut(at) {
            way.pinned = pinned;
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

    fn block(&mut self, block: Block) {
        let counters = &self.crew.counters;
        counters.read_bytes.add(block.end.offset.since(block.start.offset));
        counters.read_records.add(u64::from(block.len() + block.tally.filtered));
        counters.filtered.add(u64::from(block.tally.filtered));
        counters.unparsed_lines.add(u64::from(block.tally.unparsed));
        counters.malformed_lines.add(u64::from(block.tally.malformed));
        let Some(at) = self.ways.of(block.source.lineage) else {
            unreachable!("a source is seen before its first block")
        };
        let records = NonZeroU32::new(block.len()).unwrap_or(NonZeroU32::MIN);
        let ticket = self.ledgers.open(block.source, block.start, block.end, records);
        match Filtered::of(&block, ticket) {
            Ok(proof) => self.settle(proof),
            Err(ticket) if self.buries(&block, at) => self.bury_long(at, &block, ticket),
            Err(ticket) => self.take_in(at, block, ticket),
        }
    }

    /// Whether it holds a line of which the operator wants no part sent.
    fn buries(&self, block: &Block, at: usize) -> bool {
        let Some(way) = self.ways.get(at).filter(|_| block.remarks.cut_from.is_some()) else {
            return false;
        };
        let input = self.inputs.iter().find(|input| *input.id == *way.lineage.input);
        input.is_some_and(|input| input.on_long_line == LongLine::DeadLetter)
    }

    /// What was kept of a line that is too long goes to the dead letters.
    fn bury_long(&mut self, at: usize, block: &Block, ticket: Ticket) {
        let Some(way) = self.ways.get(at) else { return };
        let length = block.remarks.cut_from.unwrap_or_default();
        let error = format!("a line of {length} bytes is longer than max_line");
        let output = &self.outlets.get(way.outlet).output;
        let letter = letter(way, output, &self.realm, block, 0, ("LINE_TOO_LONG".into(), error));
        let (lineage, end) = (&way.lineage, letter.end);
        tracing::warn!(%lineage, %end, length, "line longer than max_line goes to the dead letters");
        self.burying += 1;
        self.hand_in(letter, Duty::Fresh(ticket));
    }

    /// A block joins its lane: in memory, or in the spool if that is where the lane's end is.
    pub(super) fn take_in(&mut self, at: usize, block: Block, ticket: Ticket) {
        let Some(way) = self.ways.get(at) else { return };
        if way.lane.is_direct() && self.shares.is_down(&way.target()) {
            self.go_around(at, "others wait there");
        }
        let Some(way) = self.ways.get_mut(at) else { return };
        if way.lane.route() == Route::Spool {
            way.spooled.replay.is_behind = false;
            self.spool_block(at, block, ticket);
            return self.replay(at);
        }
        let (bytes, until) = (block.permit.bytes(), block.len());
        let was_empty = way.lane.is_empty();
        let (slot, seq) = self.flight.board(at, block, ticket);
        if let Some(way) = self.ways.get_mut(at) {
            way.lane.push(Piece { seq, slot, from: 0, until, suspect: false });
            if was_empty {
                way.moved_at = clock::now();
            }
        }
        self.ways.occupy(at);
        self.hold(at, bytes);
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
        let at = self.flight.load(run.slot).way;
        if let Some(way) = self.ways.get_mut(at) {
            way.lane.delivered(run.count);
            way.moved_at = clock::now();
        }
        self.landed(at, run.count);
        if let Some(way) = self.ways.get(at) {
            self.shares.rose(&way.target());
            let outlet = self.outlets.get_mut(way.outlet);
            outlet.is_heard();
            let counters = &self.crew.counters;
            match outlet.kafka.acks {
                Acks::None => counters.unconfirmed.add(u64::from(run.count)),
                Acks::Leader | Acks::All => counters.delivered.add(u64::from(run.count)),
            }
        }
        match self.flight.land(proof) {
            Landed::Fresh(proof) => self.settle(proof),
            Landed::Spooled(proof) => {
                self.crew.counters.replayed.add(u64::from(run.count));
                if let Some(spool) = &mut self.spool {
                    spool.remove(proof);
                }
                self.removed(at, u64::from(run.count));
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
        self.free(load.way, load.bytes());
        if load.is_replayed()
            && let Some(way) = self.ways.get_mut(load.way)
        {
            way.spooled.replay.bytes -= load.bytes();
        }
        true
    }

    fn undelivered(&mut self, run: Run, cause: Cause) -> usize {
        let load = self.flight.load(run.slot);
        let (at, seq) = (load.way, load.seq);
        let (from, until) = (run.first, run.first + run.count);
        let piece = Piece { seq, slot: run.slot, from, until, suspect: false };
        self.landed(at, run.count);
        let Some(way) = self.ways.get_mut(at) else { return at };
        let counters = &self.crew.counters;
        let is_kept = match cause.verdict() {
            Verdict::Again | Verdict::Rebuild => {
                counters.returned.add(u64::from(run.count));
                let is_kept = way.lane.came_back(piece);
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
                match way.lane.refused(piece) {
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

    /// Kafka will never take this record: it goes to the dead letters.
    pub(super) fn bury(&mut self, at: usize, slot: Slot, record: u32, cause: Cause) {
        let Some(way) = self.ways.get(at) else { return };
        let Some(block) = self.flight.load(slot).block() else {
            unreachable!("what was sent alone is in memory")
        };
        let output = &self.outlets.get(way.outlet).output;
        let letter =
            letter(way, output, &self.realm, block, record, (cause.name(), cause.to_string()));
        let (lineage, end, bytes) = (&way.lineage, letter.end, letter.value.len());
        tracing::warn!(%lineage, %end, bytes, %cause, "record goes to the dead letters");
        let duty = self.flight.take(slot, record, 1);
        self.burying += 1;
        self.hand_in(letter, duty);
        self.release(slot);
    }

    /// Hands a letter to those who write it, or keeps it until they can take it.
    fn hand_in(&mut self, letter: Letter, duty: Duty) {
        match self.crew.dead_letters.write(letter, duty) {
            Ok(()) => {}
            Err(
                dead_letter::Refused::Busy(letter, duty)
                | dead_letter::Refused::Stopped(letter, duty),
            ) => self.letters.push_back((letter, duty)),
        }
    }

    fn buried(&mut self, proof: DeadLettered<Duty>) {
        match proof.into_parts() {
            Ok(proof) => self.settle(proof),
            Err(proof) => {
                let at = self.by_lane.get(&proof.get().entry.lane()).copied();
                if let Some(spool) = &mut self.spool {
                    spool.bury(proof);
                }
                if let Some(at) = at {
                    self.removed(at, 1);
                }
            }
        }
    }

    fn hand_in_letters(&mut self) {
        for (letter, duty) in std::mem::take(&mut self.letters) {
            self.hand_in(letter, duty);
        }
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

/// A record of a way, and why it is not sent.
fn letter(
    way: &Way,
    output: &Output,
    realm: &Realm,
    block: &Block,
    record: u32,
    why: (String, String),
) -> Letter {
    let (name, end) = (way.name(realm, block), block.place_of(record));
    let id = block.label.record_id.zip(name);
    let mut headers = block.label.headers.clone();
    if let Some((RecordId::Headers, name)) = id {
        headers.push((RecordId::SOURCE_HEADER.into(), name.to_string().into()));
        headers.push((RecordId::OFFSET_HEADER.into(), end.to_string().into()));
    }
    let own = id.filter(|(by, _)| *by == RecordId::Key).map(|(_, name)| name.key(end).into());
    let (reason, error) = why;
    Letter {
        lineage: (*way.lineage).clone(),
        generation: block.source.generation,
        start: Some(block.start_of(record)),
        end,
        topic: way.topic.to_string(),
        output: output.clone(),
        partition: way.partition,
        reason,
        error,
        value: block.record(record).to_vec(),
        key: own.or_else(|| block.label.key.clone()),
        headers,
        remarks: block.remarks,
        made_ms: Some(block.times.of(record)),
    }
}

//! What Kafka will never take goes to the dead letters.

use super::Ship;
use super::flight::Duty;
use super::way::Way;
use crate::dead_letter::{self, DeadLettered, Letter};
use crate::ledger::Ticket;
use crate::produce::Cause;
use crate::record::{Block, Failure, RecordId, Slot};
use crate::settings::LongLine;
use crate::spool::Share;

/// What a letter takes of memory beside its value, about.
const LETTER_COST: usize = 512;

/// Why a record is not sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unwanted {
    /// Its line has so many bytes.
    TooLong(u64),
    Unprocessed(Failure),
}

impl Ship {
    /// Why the operator wants nothing of a block's one record sent, if so.
    pub(super) fn unwanted(&self, block: &Block, at: usize) -> Option<Unwanted> {
        if let Some(failure) = block.remarks.failed {
            return Some(Unwanted::Unprocessed(failure));
        }
        let length = block.remarks.cut_from?;
        let way = self.ways.get(at)?;
        let input = self.inputs.iter().find(|input| *input.id == *way.lineage.input)?;
        (input.on_long_line == LongLine::DeadLetter).then_some(Unwanted::TooLong(length))
    }

    /// What there is of it goes to the dead letters.
    pub(super) fn bury_unsent(
        &mut self,
        at: usize,
        block: &Block,
        ticket: Ticket,
        unwanted: Unwanted,
    ) {
        let Some(way) = self.ways.get(at) else { return };
        let (lineage, end) = (&way.lineage, block.place_of(0));
        let why = match unwanted {
            Unwanted::TooLong(length) => {
                tracing::warn!(%lineage, %end, length, "line longer than max_line goes to the dead letters");
                let error = format!("a line of {length} bytes is longer than max_line");
                ("LINE_TOO_LONG".into(), error)
            }
            // Who reads it has said so, once.
            Unwanted::Unprocessed(failure) => ("NOT_PROCESSED".into(), failure.to_string()),
        };
        let partition = way.partition.filter(|_| way.rule.is_one());
        let letter = self.letter(way, partition, (block, 0), why);
        self.burying += 1;
        self.hand_in(letter, Duty::Fresh(ticket));
    }

    /// Kafka will never take this record: it goes to the dead letters.
    pub(super) fn bury(&mut self, at: usize, slot: Slot, record: u32, cause: Cause) {
        let Some(way) = self.ways.get(at) else { return };
        let load = self.flight.load(slot);
        let Some(block) = load.block() else { unreachable!("what was sent alone is in memory") };
        let why = (cause.name(), cause.to_string());
        let letter = self.letter(way, load.partition, (block, record), why);
        let (lineage, end, bytes) = (&way.lineage, letter.end, letter.value.len());
        tracing::warn!(%lineage, %end, bytes, %cause, "record goes to the dead letters");
        let duty = self.flight.take(slot, record, 1);
        if let Duty::Spooled(share) = &duty {
            self.dying.insert((share.entry, share.first));
        }
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
            ) => {
                // Its block may be gone from memory by then; while it waits, readers pay for it.
                let bytes = letter.value.len() + LETTER_COST;
                self.letters_bytes += bytes;
                self.letters.push_back((letter, duty, self.crew.budgets.whole().take_now(bytes)));
            }
        }
    }

    pub(super) fn buried(&mut self, proof: DeadLettered<Duty>) {
        match proof.into_parts() {
            Ok(proof) => self.settle(proof),
            Err(proof) => {
                let Share { entry, first, .. } = *proof.get();
                self.dying.remove(&(entry, first));
                let at = self.way_of(entry.lane());
                if let Some(way) = at.and_then(|at| self.ways.get_mut(at)) {
                    way.spooled.replay.settle(entry);
                }
                if let Some(spool) = &mut self.spool {
                    spool.bury(proof);
                }
            }
        }
    }

    pub(super) fn hand_in_letters(&mut self) {
        self.letters_bytes = 0;
        for (letter, duty, permit) in std::mem::take(&mut self.letters) {
            drop(permit);
            self.hand_in(letter, duty);
        }
    }

    /// A record of a way, and why it is not sent.
    fn letter(
        &self,
        way: &Way,
        partition: Option<i32>,
        (block, record): (&Block, u32),
        (reason, error): (String, String),
    ) -> Letter {
        let (name, end) = (way.name(&self.realm, block), block.place_of(record));
        let id = block.label.record_id.zip(name);
        let mut headers = block.label.headers.clone();
        if let Some((RecordId::Headers, name)) = id {
            headers.extend(name.headers(end).map(|(name, value)| (name.into(), value.into())));
        }
        let own = id.filter(|(by, _)| *by == RecordId::Key).map(|(_, name)| name.key(end).into());
        Letter {
            lineage: (*way.lineage).clone(),
            generation: block.source.generation,
            start: Some(block.start_of(record)),
            end,
            topic: way.topic.to_string(),
            output: self.outlets.get(way.outlet).output.clone(),
            partition,
            reason,
            error,
            value: block.record(record).to_vec(),
            key: own.or_else(|| block.label.key.clone()),
            headers,
            remarks: block.remarks,
            made_ms: Some(block.times.of(record)),
        }
    }
}

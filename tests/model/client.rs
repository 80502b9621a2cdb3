//! librdkafka and the partitions of one topic, as far as order and repeats go.
//!
//! A queue that never times out. What the broker has written but not answered for stays queued;
//! a resend of it is de-duplicated, so it is written once for each producer. Records of all lanes
//! that lead to one partition share batches; partitions know nothing of each other.

use std::collections::VecDeque;

use tailspool::record::{Run, Slot};

use crate::line::Line;

/// `max.in.flight.requests.per.connection`.
const BATCHES_MAX: usize = 5;
/// As many as a topic ever has.
pub(crate) const PARTITIONS_MAX: usize = 3;
/// `queue.buffering.max.messages`.
const MESSAGES_MAX: usize = 9;

/// What a refused batch does to those behind it.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Gap {
    /// They are written: `enable.gapless.guarantee=false`.
    Allowed,
    /// The producer turns fatal and hands everything back.
    Fatal,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Outcome {
    Delivered,
    /// Not because of what it is.
    Returned,
    Refused,
}

pub(crate) struct Report {
    pub(crate) run: Run,
    pub(crate) outcome: Outcome,
}

#[derive(Clone, Copy)]
struct Message {
    slot: Slot,
    record: u32,
    line: Line,
}

struct Batch {
    messages: Vec<Message>,
    is_written: bool,
}

/// How far a hand-over came.
pub(crate) struct Handed {
    pub(crate) done: u32,
    /// Those of them that the library does not take.
    pub(crate) refused: Vec<u32>,
    pub(crate) is_full: bool,
}

/// What is on its way to one partition.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<Message>,
    wire: VecDeque<Batch>,
}

#[derive(Default)]
pub(crate) struct Client {
    queues: [Queue; PARTITIONS_MAX],
    reports: VecDeque<Report>,
    is_fatal: bool,
    pub(crate) too_large: Option<Line>,
}

impl Client {
    pub(crate) fn new(too_large: Option<Line>) -> Self {
        Self { too_large, ..Self::default() }
    }

    /// A new producer, while the reports of the old one are still to be heard.
    pub(crate) fn successor(&mut self) -> Self {
        let reports = std::mem::take(&mut self.reports);
        Self { reports, ..Self::new(self.too_large) }
    }

    pub(crate) fn send(
        &mut self,
        partition: usize,
        slot: Slot,
        from: u32,
        lines: &[Line],
    ) -> Handed {
        assert!(!self.is_fatal, "a fatal producer takes nothing");
        let mut handed = Handed { done: 0, refused: Vec::new(), is_full: false };
        for (record, line) in (from..).zip(lines.iter().copied()) {
            if Some(line) == self.too_large {
                handed.refused.push(record);
            } else if self.messages().count() >= MESSAGES_MAX {
                handed.is_full = true;
                return handed;
            } else {
                self.queues[partition].waiting.push_back(Message { slot, record, line });
            }
            handed.done += 1;
        }
        handed
    }

    /// Puts up to `count` records on the wire as one request.
    pub(crate) fn transmit(&mut self, partition: usize, count: usize) {
        let Queue { waiting, wire } = &mut self.queues[partition];
        let count = count.min(waiting.len());
        if wire.len() < BATCHES_MAX && count > 0 {
            let messages = waiting.drain(..count).collect();
            wire.push_back(Batch { messages, is_written: false });
        }
    }

    /// The broker handles the oldest request that it has not. Returns what it wrote.
    pub(crate) fn write(&mut self, partition: usize, poison: &[Line], gap: Gap) -> Vec<Line> {
        let Some(at) = self.unwritten(partition) else { return Vec::new() };
        let batch = &mut self.queues[partition].wire[at];
        if !batch.messages.iter().any(|m| poison.contains(&m.line)) {
            batch.is_written = true;
            return batch.messages.iter().map(|m| m.line).collect();
        }
        self.end(partition, at, Outcome::Refused);
        if gap == Gap::Fatal {
            self.fail();
        }
        Vec::new()
    }

    /// The oldest request that the broker has not handled comes back.
    pub(crate) fn give_back_one(&mut self, partition: usize) {
        if let Some(at) = self.unwritten(partition) {
            self.end(partition, at, Outcome::Returned);
        }
    }

    /// The broker's answer to the oldest request arrives.
    pub(crate) fn answer(&mut self, partition: usize) {
        if self.queues[partition].wire.front().is_some_and(|batch| batch.is_written) {
            self.end(partition, 0, Outcome::Delivered);
        }
    }

    fn unwritten(&self, partition: usize) -> Option<usize> {
        self.queues[partition].wire.iter().position(|batch| !batch.is_written)
    }

    fn end(&mut self, partition: usize, at: usize, outcome: Outcome) {
        let batch = self.queues[partition].wire.remove(at).unwrap();
        self.report(&batch.messages, outcome);
    }

    fn report(&mut self, messages: &[Message], outcome: Outcome) {
        let next = |a: &Message, b: &Message| a.slot == b.slot && a.record + 1 == b.record;
        for run in messages.chunk_by(next) {
            let count = u32::try_from(run.len()).unwrap();
            let run = Run { slot: run[0].slot, first: run[0].record, count };
            self.reports.push_back(Report { run, outcome });
        }
    }

    pub(crate) fn hear(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    pub(crate) fn has_reports(&self) -> bool {
        !self.reports.is_empty()
    }

    pub(crate) fn is_fatal(&self) -> bool {
        self.is_fatal
    }

    /// Takes nothing any more and gives everything back.
    pub(crate) fn fail(&mut self) {
        self.is_fatal = true;
        self.purge();
    }

    /// Gives up on everything, written or not.
    pub(crate) fn purge(&mut self) {
        let messages: Vec<_> = self.messages().copied().collect();
        self.queues = Default::default();
        self.report(&messages, Outcome::Returned);
    }

    fn messages(&self) -> impl Iterator<Item = &Message> {
        self.queues.iter().flat_map(|queue| {
            queue.wire.iter().flat_map(|batch| &batch.messages).chain(&queue.waiting)
        })
    }

    pub(crate) fn unanswered(&self) -> Vec<Line> {
        self.messages().map(|message| message.line).collect()
    }

    /// The requests that the broker may still handle when the client has gone, by partition.
    pub(crate) fn orphans(&self, partitions: usize) -> impl Iterator<Item = VecDeque<Vec<Line>>> {
        self.queues.iter().take(partitions).map(|queue| {
            let unwritten = queue.wire.iter().filter(|batch| !batch.is_written);
            unwritten.map(|batch| batch.messages.iter().map(|m| m.line).collect()).collect()
        })
    }
}

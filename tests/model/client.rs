//! librdkafka and one partition, as far as order and repeats go.
//!
//! A queue that never times out. What the broker has written but not answered for stays queued;
//! a resend of it is de-duplicated, so it is written once for each producer. Records of all lanes
//! share batches.

use std::collections::VecDeque;

use tailspool::record::{Run, Slot};

use crate::line::Line;

/// `max.in.flight.requests.per.connection`.
const BATCHES_MAX: usize = 5;
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

#[derive(Default)]
pub(crate) struct Client {
    waiting: VecDeque<Message>,
    wire: VecDeque<Batch>,
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

    pub(crate) fn send(&mut self, slot: Slot, from: u32, lines: &[Line]) -> Handed {
        assert!(!self.is_fatal, "a fatal producer takes nothing");
        let mut handed = Handed { done: 0, refused: Vec::new(), is_full: false };
        for (record, line) in (from..).zip(lines.iter().copied()) {
            if Some(line) == self.too_large {
                handed.refused.push(record);
            } else if self.messages().count() >= MESSAGES_MAX {
                handed.is_full = true;
                return handed;
            } else {
                self.waiting.push_back(Message { slot, record, line });
            }
            handed.done += 1;
        }
        handed
    }

    /// Puts up to `count` records on the wire as one request.
    pub(crate) fn transmit(&mut self, count: usize) {
        let count = count.min(self.waiting.len());
        if self.wire.len() < BATCHES_MAX && count > 0 {
            let messages = self.waiting.drain(..count).collect();
            self.wire.push_back(Batch { messages, is_written: false });
        }
    }

    /// The broker handles the oldest request that it has not. Returns what it wrote.
    pub(crate) fn write(&mut self, poison: &[Line], gap: Gap) -> Vec<Line> {
        let Some(at) = self.unwritten() else { return Vec::new() };
        if !self.wire[at].messages.iter().any(|m| poison.contains(&m.line)) {
            self.wire[at].is_written = true;
            return self.wire[at].messages.iter().map(|m| m.line).collect();
        }
        self.end(at, Outcome::Refused);
        if gap == Gap::Fatal {
            self.fail();
        }
        Vec::new()
    }

    /// The oldest request that the broker has not handled comes back.
    pub(crate) fn give_back_one(&mut self) {
        if let Some(at) = self.unwritten() {
            self.end(at, Outcome::Returned);
        }
    }

    /// The broker's answer to the oldest request arrives.
    pub(crate) fn answer(&mut self) {
        if self.wire.front().is_some_and(|batch| batch.is_written) {
            self.end(0, Outcome::Delivered);
        }
    }

    fn unwritten(&self) -> Option<usize> {
        self.wire.iter().position(|batch| !batch.is_written)
    }

    fn end(&mut self, at: usize, outcome: Outcome) {
        let batch = self.wire.remove(at).unwrap();
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
        self.wire.clear();
        self.waiting.clear();
        self.report(&messages, Outcome::Returned);
    }

    fn messages(&self) -> impl Iterator<Item = &Message> {
        self.wire.iter().flat_map(|batch| &batch.messages).chain(&self.waiting)
    }

    pub(crate) fn unanswered(&self) -> Vec<Line> {
        self.messages().map(|message| message.line).collect()
    }

    /// The requests that the broker may still handle when the client has gone.
    pub(crate) fn orphans(&self) -> VecDeque<Vec<Line>> {
        let unwritten = self.wire.iter().filter(|batch| !batch.is_written);
        unwritten.map(|batch| batch.messages.iter().map(|m| m.line).collect()).collect()
    }
}

//! Which bytes of a source are still owed, and how far its checkpoint may move.
//!
//! Every byte read is covered by exactly one [`Ticket`], which counts the records it stands for.
//! A record leaves the ledger only inside a [`Settlement`], which only the room that made its
//! fate durable can build. A ticket that is dropped, leaked or lost to a crash stays owed, so
//! the checkpoint stays put.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;

use crate::record::{Mark, Offset, SourceId};

/// The duty to settle some records of one span. Not `Clone`; built only by [`Ledger::open`] and
/// divided only by [`Ticket::take`], so that the records of a span are settled once each.
#[must_use = "an unsettled ticket holds its source's checkpoint back"]
#[derive(Debug)]
pub struct Ticket {
    source: SourceId,
    seq: u64,
    records: u32,
}

impl Ticket {
    pub fn source(&self) -> SourceId {
        self.source
    }

    pub fn records(&self) -> u32 {
        self.records
    }

    /// Parts with the duty for `records` of its records.
    pub fn take(&mut self, records: u32) -> Self {
        assert!(records <= self.records, "a ticket parts only with records it stands for");
        self.records -= records;
        Self { source: self.source, seq: self.seq, records }
    }
}

/// How records were settled; feeds one counter each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Delivered,
    Spooled,
    DeadLettered,
    /// Because the operator does not want such lines.
    Filtered,
    /// Because the operator asked for it.
    Dropped,
    /// Sent, and nobody was to say whether it arrived.
    Unconfirmed,
}

/// Proof that records' fate is durable. Each type that implements it lives in the room that can
/// know, and nobody else can build one.
pub trait Settlement {
    fn into_parts(self) -> (Ticket, Fate);
}

/// The place below which every byte of a source has a durable fate.
///
/// The checkpoints accept nothing else, and only a ledger builds one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frontier {
    source: SourceId,
    mark: Mark,
}

impl Frontier {
    pub fn source(self) -> SourceId {
        self.source
    }

    pub fn mark(self) -> Mark {
        self.mark
    }
}

#[derive(Debug)]
struct Entry {
    end: Mark,
    owed: u32,
}

/// The open tickets of one source.
#[derive(Debug)]
pub struct Ledger {
    source: SourceId,
    opened: Offset,
    settled: Mark,
    seq_first: u64,
    entries: VecDeque<Entry>,
}

impl Ledger {
    pub fn resume(source: SourceId, at: Mark) -> Self {
        // For one: where very many files are new at once, each has one block under way.
        let (opened, entries) = (at.offset, VecDeque::with_capacity(1));
        Self { source, opened, settled: at, seq_first: 0, entries }
    }

    /// Opens a ticket for `records` records, from where the last one ended to `end`, which is the
    /// same place while an older line is not whole. A gap cannot be asked for. The number of open
    /// tickets is bounded by the memory budget.
    pub fn open(&mut self, end: Mark, records: NonZeroU32) -> Ticket {
        assert!(end.offset >= self.opened, "a ticket does not go back");
        let seq = self.seq_first.strict_add(self.entries.len() as u64);
        self.entries.push_back(Entry { end, owed: records.get() });
        self.opened = end.offset;
        Ticket { source: self.source, seq, records: records.get() }
    }

    /// Settles a ticket's records; returns the new frontier when it moved.
    pub fn settle(&mut self, proof: impl Settlement) -> Option<Frontier> {
        let (ticket, _) = proof.into_parts();
        self.settle_ticket(&ticket)
    }

    fn settle_ticket(&mut self, ticket: &Ticket) -> Option<Frontier> {
        assert_eq!(ticket.source, self.source, "a ticket settles in the ledger that opened it");
        let index = usize::try_from(ticket.seq.strict_sub(self.seq_first)).unwrap_or(usize::MAX);
        let Some(entry) = self.entries.get_mut(index) else {
            unreachable!("ticket {} is not open here", ticket.seq)
        };
        assert!(ticket.records <= entry.owed, "a record settles once");
        entry.owed -= ticket.records;
        self.advance()
    }

    pub fn frontier(&self) -> Frontier {
        Frontier { source: self.source, mark: self.settled }
    }

    /// Everything below this offset has been handed a ticket in this run.
    pub fn opened(&self) -> Offset {
        self.opened
    }

    /// Whether every ticket handed out has been settled.
    pub fn is_settled(&self) -> bool {
        self.entries.is_empty()
    }

    fn advance(&mut self) -> Option<Frontier> {
        let before = self.settled;
        while let Some(entry) = self.entries.front().filter(|entry| entry.owed == 0) {
            self.settled = entry.end;
            self.seq_first = self.seq_first.strict_add(1);
            self.entries.pop_front();
        }
        (self.settled != before).then(|| self.frontier())
    }
}

/// The ledgers of all sources.
#[derive(Debug, Default)]
pub struct Ledgers(HashMap<SourceId, Account>);

/// Most sources rest, and there may be very many.
#[derive(Debug)]
enum Account {
    /// Nothing is owed; it goes on here.
    Settled(Mark),
    Open(Box<Ledger>),
    /// No more tickets will be asked for.
    Closing(Box<Ledger>),
}

impl Ledgers {
    /// Opens the ledger of a source that goes on at a place; one that is open stays as it is.
    /// Returns where its frontier stands if it is new.
    pub fn resume(&mut self, source: SourceId, at: Mark) -> Option<Frontier> {
        if self.0.contains_key(&source) {
            return None;
        }
        self.0.insert(source, Account::Settled(at));
        Some(Frontier { source, mark: at })
    }

    /// Opens a ticket for `records` records from `start`, where the last one ended, to `end`.
    pub fn open(
        &mut self,
        source: SourceId,
        start: Mark,
        end: Mark,
        records: NonZeroU32,
    ) -> Ticket {
        let Some(account) = self.0.get_mut(&source) else {
            unreachable!("the ledger of a source is opened before its first ticket")
        };
        if let Account::Settled(at) = account {
            *account = Account::Open(Box::new(Ledger::resume(source, *at)));
        }
        let (Account::Open(ledger) | Account::Closing(ledger)) = account else {
            unreachable!("it was just opened")
        };
        assert_eq!(ledger.opened(), start.offset, "the spans of a source leave no gap");
        ledger.open(end, records)
    }

    /// Settles a ticket's records; returns the new frontier when it moved.
    pub fn settle(&mut self, proof: impl Settlement) -> Option<Frontier> {
        let (ticket, _) = proof.into_parts();
        let source = ticket.source;
        let Some(account) = self.0.get_mut(&source) else {
            unreachable!("a ledger stays until its tickets are settled")
        };
        let (Account::Open(ledger) | Account::Closing(ledger)) = &mut *account else {
            unreachable!("a ledger is open until its tickets are settled")
        };
        let moved = ledger.settle_ticket(&ticket);
        if ledger.is_settled() {
            let mark = ledger.frontier().mark;
            if matches!(account, Account::Closing(_)) {
                self.0.remove(&source);
            } else {
                *account = Account::Settled(mark);
            }
        }
        moved
    }

    /// Where the frontier of a source stands.
    pub fn frontier(&self, source: SourceId) -> Option<Frontier> {
        self.0.get(&source).map(|account| match account {
            Account::Settled(mark) => Frontier { source, mark: *mark },
            Account::Open(ledger) | Account::Closing(ledger) => ledger.frontier(),
        })
    }

    /// Up to where a source has been read in this run.
    pub fn opened(&self, source: SourceId) -> Option<Offset> {
        self.0.get(&source).map(|account| match account {
            Account::Settled(mark) => mark.offset,
            Account::Open(ledger) | Account::Closing(ledger) => ledger.opened(),
        })
    }

    /// Nothing more comes from this source: its ledger goes once everything is settled.
    pub fn close(&mut self, source: SourceId) {
        match self.0.remove(&source) {
            None | Some(Account::Settled(_)) => {}
            Some(Account::Open(ledger) | Account::Closing(ledger)) => {
                self.0.insert(source, Account::Closing(ledger));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Anchor, Generation, LineageId};

    struct Proof(Ticket);

    impl Settlement for Proof {
        fn into_parts(self) -> (Ticket, Fate) {
            (self.0, Fate::Delivered)
        }
    }

    const TWO: NonZeroU32 = NonZeroU32::new(2).unwrap();

    fn at(offset: u64) -> Mark {
        Mark::new(Offset(offset), Anchor(offset))
    }

    fn ledger() -> Ledger {
        let source = SourceId { lineage: LineageId(1), generation: Generation::FIRST };
        Ledger::resume(source, Mark::START)
    }

    #[test]
    fn frontier_waits_for_the_oldest_ticket() {
        let mut ledger = ledger();
        let first = ledger.open(at(10), TWO);
        let second = ledger.open(at(20), TWO);
        assert_eq!(ledger.settle(Proof(second)), None);
        assert_eq!(ledger.settle(Proof(first)).unwrap().mark(), at(20));
        assert!(ledger.is_settled());
    }

    #[test]
    fn frontier_waits_for_the_last_record_of_a_ticket() {
        let mut ledger = ledger();
        let mut ticket = ledger.open(at(10), TWO);
        assert_eq!(ledger.settle(Proof(ticket.take(1))), None);
        assert_eq!(ledger.settle(Proof(ticket)).unwrap().mark(), at(10));
    }

    #[test]
    fn dropped_ticket_holds_the_frontier() {
        let mut ledger = ledger();
        drop(ledger.open(at(10), TWO));
        let second = ledger.open(at(20), TWO);
        assert_eq!(ledger.settle(Proof(second)), None);
        assert_eq!(ledger.frontier().mark(), Mark::START);
    }

    #[test]
    #[should_panic(expected = "parts only with records it stands for")]
    fn ticket_cannot_be_divided_into_more_than_it_is() {
        let mut ticket = ledger().open(at(10), TWO);
        drop(ticket.take(3));
    }
}

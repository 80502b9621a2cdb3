//! The spool: what is durable, what is only staged, and what a crash makes of it.

use std::collections::{BTreeMap, VecDeque};

use tailspool::ledger::Ticket;
use tailspool::record::{Offset, SourceId};

use crate::line::{Line, source_at, sources_of};

const ENTRIES_MAX: usize = 8;

/// Lane, generation and the end of its last record: the order of keys is the order of lanes.
pub(crate) type Key = (SourceId, Offset);

/// The rest of one block.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) lines: Vec<Line>,
    /// When it was staged, everything from here to its end was in it or had a durable fate.
    pub(crate) chain: Offset,
}

impl Entry {
    pub(crate) fn start(&self) -> Offset {
        self.lines[0].start()
    }
}

type Entries = BTreeMap<Key, Entry>;

#[derive(Debug, Clone)]
enum Change {
    Put(Key, Entry),
    Strike(Key, Line),
}

impl Change {
    /// Returns whether something was overwritten.
    fn apply(&self, entries: &mut Entries) -> bool {
        match self {
            Self::Put(key, entry) => entries.insert(*key, entry.clone()).is_some(),
            Self::Strike(key, line) => {
                if let Some(entry) = entries.get_mut(key) {
                    entry.lines.retain(|other| other != line);
                    if entry.lines.is_empty() {
                        entries.remove(key);
                    }
                }
                false
            }
        }
    }
}

#[derive(Default)]
pub(crate) struct Spool {
    durable: Entries,
    visible: Entries,
    staged: VecDeque<(Change, Option<Ticket>)>,
    /// Entries that took the place of others.
    pub(crate) overwritten: u64,
}

impl Spool {
    pub(crate) fn stage(&mut self, key: Key, entry: Entry, ticket: Option<Ticket>) {
        let change = Change::Put(key, entry);
        self.overwritten += u64::from(change.apply(&mut self.visible));
        self.staged.push_back((change, ticket));
    }

    /// Removes one record, whose fate is known.
    pub(crate) fn strike(&mut self, key: Key, line: Line) {
        let change = Change::Strike(key, line);
        change.apply(&mut self.visible);
        self.staged.push_back((change, None));
    }

    /// Makes the first `count` staged changes durable; returns the tickets that this settles.
    pub(crate) fn flush(&mut self, count: usize) -> Vec<Ticket> {
        let mut tickets = Vec::new();
        for (change, ticket) in self.staged.drain(..count) {
            change.apply(&mut self.durable);
            tickets.extend(ticket);
        }
        tickets
    }

    pub(crate) fn staged(&self) -> usize {
        self.staged.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.visible.len() >= ENTRIES_MAX
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.visible.is_empty()
    }

    /// The entries of a lane past `after`, oldest first.
    pub(crate) fn after(
        &self,
        lane: usize,
        after: Option<Key>,
    ) -> impl DoubleEndedIterator<Item = (Key, &Entry)> {
        let (first, last) = (sources_of(lane).next().unwrap(), sources_of(lane).last().unwrap());
        let from = after.unwrap_or((first, Offset::START));
        let all = self.visible.range(from..=(last, Offset(u64::MAX)));
        all.filter(move |(key, _)| Some(**key) != after).map(|(key, entry)| (*key, entry))
    }

    /// Where the oldest entry of a source begins.
    pub(crate) fn oldest(&self, source: SourceId) -> Option<Offset> {
        let all = self.visible.range((source, Offset::START)..=(source, Offset(u64::MAX)));
        all.map(|(_, entry)| entry.start()).min()
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (Key, &Entry)> {
        self.visible.iter().map(|(key, entry)| (*key, entry))
    }

    pub(crate) fn is_flushed(&self, key: Key) -> bool {
        self.durable.contains_key(&key)
    }

    /// What is left of it when the disk has lost some of its entries.
    #[must_use]
    pub(crate) fn damaged(&self, mut is_left: impl FnMut(SourceId) -> bool) -> Self {
        let left = self.durable.iter().filter(|((source, _), _)| is_left(*source));
        let durable: Entries = left.map(|(key, entry)| (*key, entry.clone())).collect();
        let overwritten = self.overwritten;
        Self { visible: durable.clone(), durable, staged: VecDeque::new(), overwritten }
    }

    pub(crate) fn durable_lines(&self) -> impl Iterator<Item = Line> {
        self.durable.values().flat_map(|entry| entry.lines.iter().copied())
    }

    /// What a crash leaves behind, if these of the staged changes have reached the disk.
    #[must_use]
    pub(crate) fn after_crash(&self, mut survives: impl FnMut() -> bool) -> Self {
        let mut durable = self.durable.clone();
        for (change, _) in self.staged.iter().filter(|_| survives()) {
            change.apply(&mut durable);
        }
        let overwritten = self.overwritten;
        Self { visible: durable.clone(), durable, staged: VecDeque::new(), overwritten }
    }

    /// From where each source is read on: past everything that the entries vouch for.
    pub(crate) fn advance(&self, place: usize, accepted: Offset) -> Offset {
        let source = source_at(place);
        let all = self.visible.range((source, Offset::START)..=(source, Offset(u64::MAX)));
        all.fold(
            accepted,
            |at, ((_, end), entry)| {
                if entry.chain <= at { at.max(*end) } else { at }
            },
        )
    }
}

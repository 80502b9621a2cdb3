//! The spool: what is durable, what is only staged, and what a crash makes of it.

use std::collections::{BTreeMap, VecDeque};

use tailspool::ledger::Ticket;
use tailspool::record::{Mark, Offset, SourceId};

use crate::line::{LANES, Line, mark};

const ENTRIES_MAX: usize = 8;

/// The order of keys is the order of replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) source: SourceId,
    /// Not so of what a run left of a file whose number it had not saved: the file has another now.
    pub(crate) is_numbered: bool,
    pub(crate) start: Offset,
    pub(crate) end: Offset,
    /// Counts the puts of all runs.
    pub(crate) seq: u64,
}

impl Key {
    pub(crate) fn lane(self) -> usize {
        self.source.lineage.0 as usize
    }

    /// Whether who has read up to its end has read all of an entry.
    pub(crate) fn is_all_of(self, entry: &Entry) -> bool {
        self.start < self.end && entry.reach <= self.end
    }
}

/// The rest of some records of one block.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) lines: Vec<Line>,
    /// What it held at first.
    pub(crate) all: Vec<Line>,
    /// Where the furthest of its records ended.
    pub(crate) reach: Offset,
    /// When it was staged, everything from here to its end was in it or had a durable fate.
    pub(crate) chain: Offset,
    /// Where it ends reading can go on.
    pub(crate) is_marked: bool,
    /// Where it begins does not say what it comes after.
    pub(crate) is_entangled: bool,
}

type Entries = BTreeMap<Key, Entry>;

#[derive(Debug, Clone)]
enum Change {
    Put(Key, Entry),
    Strike(Key, Line),
    Drop(Key),
}

fn strike(entries: &mut Entries, key: Key, line: Line) {
    if let Some(entry) = entries.get_mut(&key) {
        entry.lines.retain(|other| *other != line);
        if entry.lines.is_empty() {
            entries.remove(&key);
        }
    }
}

/// How the spool's thread goes about its work.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rules {
    /// One write may hold entangled entries with what comes before them.
    pub(crate) writes_entangled: bool,
    /// One write may hold entries of several files of a lane.
    pub(crate) writes_files: bool,
    /// What is put again takes the place of what ends where it begins, too.
    pub(crate) replaces_blind: bool,
}

#[derive(Default)]
pub(crate) struct Spool {
    durable: Entries,
    visible: Entries,
    staged: VecDeque<(Change, Option<Ticket>)>,
    rules: Rules,
    /// The furthest entry of each lane that an earlier run left.
    recovered: [Option<(SourceId, Offset)>; LANES],
}

impl Spool {
    pub(crate) fn with(rules: Rules) -> Self {
        Self { rules, ..Self::default() }
    }

    fn left(&self, durable: Entries) -> Self {
        let mut recovered = [None; LANES];
        for key in durable.keys().filter(|key| key.is_numbered) {
            let reach: &mut Option<_> = &mut recovered[key.lane()];
            *reach = (*reach).max(Some((key.source, key.end)));
        }
        let (visible, staged) = (durable.clone(), VecDeque::new());
        Self { durable, visible, staged, rules: self.rules, recovered }
    }

    /// How far the entries of an earlier run reach.
    pub(crate) fn recovered(&self, lane: usize) -> Option<(SourceId, Offset)> {
        self.recovered[lane]
    }

    pub(crate) fn stage(&mut self, key: Key, entry: Entry, ticket: Option<Ticket>) {
        self.visible.insert(key, entry.clone());
        self.staged.push_back((Change::Put(key, entry), ticket));
    }

    /// Removes one record, whose fate is known.
    pub(crate) fn strike(&mut self, key: Key, line: Line) {
        strike(&mut self.visible, key, line);
        self.staged.push_back((Change::Strike(key, line), None));
    }

    /// Removes an entry of which all was staged again.
    pub(crate) fn supersede(&mut self, key: Key) {
        self.visible.remove(&key);
        self.staged.push_back((Change::Drop(key), None));
    }

    /// An entry is on disk; it takes the place of one that an earlier run left.
    fn store(&mut self, key: Key, mut entry: Entry) {
        for twin in self.twins(key, &entry) {
            self.visible.remove(&twin);
            let twin = self.durable.remove(&twin).unwrap();
            let is_left = |line: &Line| twin.lines.contains(line);
            entry.lines.retain(is_left);
            if let Some(seen) = self.visible.get_mut(&key) {
                seen.lines.retain(is_left);
            }
        }
        if self.visible.get(&key).is_some_and(|seen| seen.lines.is_empty()) {
            self.visible.remove(&key);
        }
        if !entry.lines.is_empty() {
            self.durable.insert(key, entry);
        }
    }

    fn twins(&self, key: Key, entry: &Entry) -> Vec<Key> {
        let is_new = self.recovered[key.lane()] < Some((key.source, key.end));
        if is_new || (key.start == key.end && !self.rules.replaces_blind) {
            return Vec::new();
        }
        let is_twin = |(twin, other): &(&Key, &Entry)| {
            let span = |key: &Key| (key.source, key.is_numbered, key.start, key.end);
            span(twin) == span(&key) && twin.seq != key.seq && other.all == entry.all
        };
        self.durable.iter().filter(is_twin).map(|(twin, _)| *twin).collect()
    }

    /// Makes the first `count` staged changes durable; returns the tickets that this settles.
    pub(crate) fn flush(&mut self, count: usize) -> Vec<Ticket> {
        let mut tickets = Vec::new();
        for (change, ticket) in self.staged.drain(..count).collect::<Vec<_>>() {
            match change {
                Change::Put(key, entry) => self.store(key, entry),
                Change::Strike(key, line) => strike(&mut self.durable, key, line),
                Change::Drop(key) => drop(self.durable.remove(&key)),
            }
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
        let is_next = move |key: &Key| key.lane() == lane && after.is_none_or(|after| *key > after);
        self.entries().filter(move |(key, _)| is_next(key))
    }

    pub(crate) fn entries(&self) -> impl DoubleEndedIterator<Item = (Key, &Entry)> {
        self.visible.iter().map(|(key, entry)| (*key, entry))
    }

    /// What is left of it when the disk has lost some of its entries.
    #[must_use]
    pub(crate) fn damaged(&self, mut is_left: impl FnMut() -> bool) -> Self {
        let left = self.durable.iter().filter(|_| is_left());
        self.left(left.map(|(key, entry)| (*key, entry.clone())).collect())
    }

    pub(crate) fn durable_lines(&self) -> impl Iterator<Item = Line> {
        self.durable.values().flat_map(|entry| entry.lines.iter().copied())
    }

    /// What a crash leaves behind, if the first `count` of the staged changes have reached the disk.
    #[must_use]
    pub(crate) fn after_crash(mut self, count: usize) -> Self {
        drop(self.flush(count));
        let durable = std::mem::take(&mut self.durable);
        self.left(durable)
    }

    /// What a power cut leaves behind while what follows the first `count` staged changes was
    /// written, and had not been synced: any of it.
    #[must_use]
    pub(crate) fn after_power_cut(
        mut self,
        count: usize,
        mut survives: impl FnMut() -> bool,
    ) -> Self {
        drop(self.flush(count));
        let mut last: [Option<SourceId>; LANES] = [None; LANES];
        let mut is_over = [false; LANES];
        for (change, _) in std::mem::take(&mut self.staged) {
            // Marks of what is removed are made after the sync.
            let Change::Put(key, entry) = change else { continue };
            let before = last[key.lane()].replace(key.source);
            let has_other = before.is_some_and(|before| before != key.source);
            let is_behind = before.is_some() && entry.is_entangled;
            is_over[key.lane()] |= (has_other && !self.rules.writes_files)
                || (is_behind && !self.rules.writes_entangled);
            if is_over[key.lane()] {
                continue;
            }
            if survives() {
                self.durable.insert(key, entry);
            }
        }
        let durable = std::mem::take(&mut self.durable);
        self.left(durable)
    }

    /// What the next run finds in it, of files whose numbers were saved and of others.
    #[must_use]
    pub(crate) fn found(mut self, is_numbered: impl Fn(SourceId) -> bool) -> Self {
        let named = |(key, entry): (Key, Entry)| {
            let is_numbered = key.is_numbered && is_numbered(key.source);
            (Key { is_numbered, ..key }, entry)
        };
        let durable = std::mem::take(&mut self.durable).into_iter().map(named).collect();
        self.left(durable)
    }

    /// Whether it holds anything of a source.
    pub(crate) fn covers(&self, source: SourceId) -> bool {
        self.visible.keys().any(|key| key.source == source && key.is_numbered)
    }

    /// From where a source is read on: past everything that the entries vouch for.
    pub(crate) fn advance(&self, source: SourceId, accepted: Mark) -> Mark {
        let (mut reached, mut at) = (accepted.offset, accepted);
        let vouches = |reached: Offset| {
            move |(key, entry): &(Key, &Entry)| {
                let is_its = key.source == source && key.is_numbered;
                is_its && entry.chain <= reached && key.end > reached
            }
        };
        while let Some((key, entry)) = self.entries().find(vouches(reached)) {
            reached = key.end;
            if entry.is_marked && reached > at.offset {
                at = mark(reached);
            }
        }
        at
    }
}

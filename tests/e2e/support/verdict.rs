//! The judge: what of the lines written has arrived, how often and in what order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::lines;

/// How many lines of each file were written: numbers from 0.
pub(crate) type Written = BTreeMap<String, u64>;

#[derive(Default)]
pub(crate) struct Verdict {
    files: BTreeMap<String, Arrived>,
    /// Records that are no line of ours.
    strangers: Vec<String>,
}

#[derive(Default)]
struct Arrived {
    seen: Vec<bool>,
    distinct: u64,
    repeats: u64,
    /// First occurrences of a line after first occurrences of later ones.
    inversions: u64,
    /// The first of them, and the line it should have come before.
    inverted: Option<(u64, u64)>,
    damaged: u64,
    last: u64,
    partitions: BTreeSet<i32>,
}

impl Verdict {
    /// Takes the records of a partition in their order there.
    pub(crate) fn take(&mut self, partition: i32, payload: &[u8]) {
        match lines::parse(payload) {
            None => self.strangers.push(shortened(payload)),
            Some(line) if line.whole => self.file(line.file).take(partition, line.number),
            Some(line) => self.file(line.file).damaged += 1,
        }
    }

    fn file(&mut self, name: &str) -> &mut Arrived {
        if !self.files.contains_key(name) {
            self.files.insert(name.to_owned(), Arrived::default());
        }
        self.files.get_mut(name).expect("just made sure")
    }

    pub(crate) fn repeats(&self) -> u64 {
        self.files.values().map(|file| file.repeats).sum()
    }

    pub(crate) fn inversions(&self) -> u64 {
        self.files.values().map(|file| file.inversions).sum()
    }

    pub(crate) fn damaged(&self) -> u64 {
        self.files.values().map(|file| file.damaged).sum()
    }

    pub(crate) fn strangers(&self) -> &[String] {
        &self.strangers
    }

    /// The numbers of `file` below `count` that have not arrived.
    pub(crate) fn missing(&self, file: &str, count: u64) -> Vec<u64> {
        let seen = self.files.get(file).map_or(&[][..], |file| &file.seen);
        (0..count).filter(|number| !seen.get(index(*number)).copied().unwrap_or(false)).collect()
    }

    pub(crate) fn has(&self, file: &str, number: u64) -> bool {
        let seen = self.files.get(file).and_then(|file| file.seen.get(index(number)));
        seen.copied().unwrap_or(false)
    }

    pub(crate) fn has_all(&self, written: &Written) -> bool {
        let arrived = |name| self.files.get(name).map_or(0, |file: &Arrived| file.distinct);
        written.iter().all(|(name, count)| arrived(name) >= *count)
    }

    /// Every line arrived, in order, whole, and nothing else did.
    pub(crate) fn assert_complete_and_in_order(&self, written: &Written) {
        self.assert_complete(written);
        for name in written.keys().filter(|name| self.files.contains_key(*name)) {
            let partitions = &self.files[name].partitions;
            assert_eq!(partitions.len(), 1, "{name} in more than one partition\n{self}");
        }
        assert_eq!(self.inversions(), 0, "lines out of order\n{self}");
    }

    /// The same in any order, and in any partitions.
    pub(crate) fn assert_complete(&self, written: &Written) {
        for (name, count) in written {
            let missing = self.missing(name, *count);
            let first = &missing[..missing.len().min(10)];
            assert!(
                missing.is_empty(),
                "lost {} lines of {name}, first {first:?}\n{self}",
                missing.len()
            );
        }
        assert_eq!(self.damaged(), 0, "damaged lines\n{self}");
        assert!(self.strangers.is_empty(), "not ours: {:?}\n{self}", self.strangers.first());
        for (name, count) in written.iter().filter(|(_, count)| **count > 0) {
            let file = &self.files[name];
            assert_eq!(file.distinct, *count, "more lines of {name} than were written\n{self}");
        }
    }
}

impl Arrived {
    fn take(&mut self, partition: i32, number: u64) {
        self.partitions.insert(partition);
        let index = index(number);
        if index >= self.seen.len() {
            self.seen.resize(index + 1, false);
        }
        if std::mem::replace(&mut self.seen[index], true) {
            self.repeats += 1;
            return;
        }
        self.distinct += 1;
        if number < self.last {
            self.inversions += 1;
            self.inverted.get_or_insert((number, self.last));
        }
        self.last = self.last.max(number);
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, file) in &self.files {
            writeln!(
                f,
                "  {name}: {} lines, {} repeated, {} out of order, {} damaged, partitions {:?}",
                file.distinct, file.repeats, file.inversions, file.damaged, file.partitions
            )?;
            if let Some((number, last)) = file.inverted {
                writeln!(f, "    line {number} came after line {last}")?;
            }
        }
        write!(f, "  {} records that are not ours", self.strangers.len())
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).expect("a line's number fits in memory")
}

fn shortened(payload: &[u8]) -> String {
    String::from_utf8_lossy(&payload[..payload.len().min(120)]).into_owned()
}

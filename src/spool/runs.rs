//! A set of record numbers, kept as runs: what a put takes out of a block, and which records of
//! an entry have been removed.

use std::ops::Range;

/// Record numbers, ascending, as runs that neither overlap nor touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runs(Vec<Range<u32>>);

impl Runs {
    /// The numbers from 0 up to `count`.
    pub fn all(count: u32) -> Self {
        let mut runs = Self::default();
        runs.insert(0..count);
        runs
    }

    /// Adds `numbers`; returns how many were new.
    pub fn insert(&mut self, numbers: Range<u32>) -> u32 {
        if numbers.start >= numbers.end {
            return 0;
        }
        let from = self.0.partition_point(|run| run.end < numbers.start);
        let to = self.0.partition_point(|run| run.start <= numbers.end);
        let (mut start, mut end, mut known) = (numbers.start, numbers.end, 0);
        for run in self.0.splice(from..to, []) {
            start = start.min(run.start);
            end = end.max(run.end);
            known += run.end - run.start;
        }
        self.0.insert(from, start..end);
        end - start - known
    }

    pub fn contains(&self, number: u32) -> bool {
        self.rank(number).is_some()
    }

    /// The numbers from 0 up to `count` that are not in it.
    #[must_use]
    pub fn others(&self, count: u32) -> Self {
        let starts = std::iter::once(0).chain(self.0.iter().map(|run| run.end));
        let ends = self.0.iter().map(|run| run.start).chain(std::iter::once(count));
        starts.zip(ends).map(|(start, end)| start..end).collect()
    }

    /// How many of the numbers come before `number`, if it is one of them: which record of an
    /// entry a record of its block is.
    pub fn rank(&self, number: u32) -> Option<u32> {
        let mut before = 0;
        for run in &self.0 {
            if run.contains(&number) {
                return Some(before + (number - run.start));
            }
            before += run.end - run.start;
        }
        None
    }

    pub fn count(&self) -> u32 {
        self.0.iter().map(|run| run.end - run.start).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = Range<u32>> + '_ {
        self.0.iter().cloned()
    }

    pub fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        self.iter().flatten()
    }

    pub fn first(&self) -> Option<u32> {
        self.0.first().map(|run| run.start)
    }

    pub fn last(&self) -> Option<u32> {
        self.0.last().map(|run| run.end - 1)
    }
}

impl FromIterator<Range<u32>> for Runs {
    fn from_iter<I: IntoIterator<Item = Range<u32>>>(runs: I) -> Self {
        let mut all = Self::default();
        for run in runs {
            all.insert(run);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_are_a_set(inserts in prop::collection::vec((0_u32..60, 0_u32..8), 0..30)) {
            let mut model = BTreeSet::new();
            let mut runs = Runs::default();
            for (first, count) in inserts {
                let before = model.len();
                model.extend(first..first + count);
                prop_assert_eq!(runs.insert(first..first + count) as usize, model.len() - before);
            }
            let numbers: Vec<u32> = model.iter().copied().collect();
            prop_assert_eq!(runs.numbers().collect::<Vec<_>>(), numbers.clone());
            prop_assert_eq!(runs.count() as usize, model.len());
            prop_assert_eq!((runs.first(), runs.last()),
                (model.first().copied(), model.last().copied()));
            for number in 0..70 {
                let rank = numbers.iter().position(|n| *n == number);
                prop_assert_eq!(runs.rank(number).map(|r| r as usize), rank);
            }
            prop_assert!(runs.0.is_sorted_by(|a, b| a.end < b.start));
        }
    }
}

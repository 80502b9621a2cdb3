//! The checker of files whose lines carry no number: what arrives must be the file's lines, one
//! after the other, begun again at an earlier one only by a daemon that followed a killed one.
//!
//! Lines that are alike cannot be told from each other, so a place is a set of places: all from
//! which the file tells what has arrived since the daemon began.

use std::collections::BTreeSet;
use std::time::Duration;

use super::findings::{Findings, LogFindings, ranges};
use super::given::Given;
use super::line;
use super::witness::Judge;

#[derive(Debug)]
pub(super) struct Followed {
    trails: Vec<Trail>,
    foreign: u64,
}

#[derive(Debug)]
struct Trail {
    topic: String,
    given: Given,
    /// Where the next line may stand; ascending, never empty.
    places: Vec<usize>,
    /// As far as earlier runs of the daemon came.
    base: usize,
    /// Nothing has arrived from this run of the daemon.
    is_fresh: bool,
    records: u64,
    missing: BTreeSet<usize>,
    out_of_order: u64,
    unexplained: u64,
    /// Records after all that is expected, or that fit nowhere.
    beyond: u64,
    foreign: u64,
}

impl Followed {
    /// Files, each with the topic that it alone goes to.
    pub(super) fn new(files: Vec<(String, Given)>) -> Self {
        let trails = files.into_iter().map(|(topic, given)| Trail::new(topic, given)).collect();
        Self { trails, foreign: 0 }
    }

    fn sum(&self, of: impl Fn(&Trail) -> u64) -> u64 {
        self.trails.iter().map(of).sum()
    }
}

impl Judge for Followed {
    fn take(&mut self, topic: &str, payload: &[u8]) {
        match self.trails.iter_mut().find(|trail| trail.topic == topic) {
            Some(trail) => trail.take(payload),
            None => self.foreign += 1,
        }
    }

    fn restarted(&mut self, _down: Duration) {
        for trail in &mut self.trails {
            trail.base = trail.furthest();
            trail.is_fresh = true;
        }
    }

    fn arrived(&self) -> u64 {
        self.sum(Trail::arrived)
    }

    fn repeated(&self) -> u64 {
        self.sum(Trail::repeated)
    }

    fn findings(&self) -> Findings {
        Findings {
            logs: self.trails.iter().map(Trail::findings).collect(),
            foreign: self.foreign + self.sum(Trail::foreign),
            unexplained: self.sum(|trail| trail.unexplained),
            reach: None,
        }
    }
}

impl Trail {
    fn new(topic: String, given: Given) -> Self {
        Self {
            topic,
            given,
            places: vec![0],
            base: 0,
            is_fresh: true,
            records: 0,
            missing: BTreeSet::new(),
            out_of_order: 0,
            unexplained: 0,
            beyond: 0,
            foreign: 0,
        }
    }

    /// All lines before this have arrived or are missing.
    fn furthest(&self) -> usize {
        self.places.last().copied().unwrap_or_default().max(self.base)
    }

    fn arrived(&self) -> u64 {
        (self.furthest() - self.missing.len()) as u64
    }

    fn repeated(&self) -> u64 {
        self.records.saturating_sub(self.arrived() + self.beyond + self.foreign)
    }

    fn foreign(&self) -> u64 {
        // What was written after we looked may arrive, too.
        if self.given.has_grown() { self.foreign } else { self.foreign + self.beyond }
    }

    fn take(&mut self, payload: &[u8]) {
        self.records += 1;
        let hash = line::hash(payload);
        let next: Vec<_> = if std::mem::take(&mut self.is_fresh) {
            self.places_of(hash, payload, 0..=self.furthest())
        } else {
            self.places.iter().copied().filter(|at| self.fits(*at, hash, payload)).collect()
        };
        if next.is_empty() {
            return self.misfit(hash, payload);
        }
        self.go_on_after(next);
    }

    fn go_on_after(&mut self, places: Vec<usize>) {
        self.places = places.into_iter().map(|at| at + 1).collect();
    }

    fn fits(&self, at: usize, hash: u64, payload: &[u8]) -> bool {
        self.given.hashes.get(at) == Some(&hash) || self.finishes(at, payload)
    }

    /// Whether it is the last line, which was not finished when we looked.
    fn finishes(&self, at: usize, payload: &[u8]) -> bool {
        let is_last = at + 1 == self.given.hashes.len();
        is_last && self.given.partial.as_ref().is_some_and(|begun| payload.starts_with(begun))
    }

    fn places_of(
        &self,
        hash: u64,
        payload: &[u8],
        within: std::ops::RangeInclusive<usize>,
    ) -> Vec<usize> {
        within.filter(|at| self.fits(*at, hash, payload)).collect()
    }

    /// It is not what should come next.
    fn misfit(&mut self, hash: u64, payload: &[u8]) {
        let (furthest, end) = (self.furthest(), self.given.hashes.len());
        let late = self.missing.iter().copied().find(|at| self.fits(*at, hash, payload));
        if let Some(at) = late {
            self.missing.remove(&at);
            self.out_of_order += 1;
            return;
        }
        let ahead = (furthest..end).find(|at| self.fits(*at, hash, payload));
        if let Some(at) = ahead {
            self.missing.extend(furthest..at);
            return self.go_on_after(vec![at]);
        }
        let before = match furthest.checked_sub(1) {
            Some(last) => self.places_of(hash, payload, 0..=last),
            None => Vec::new(),
        };
        if !before.is_empty() {
            self.unexplained += 1;
            self.base = furthest;
            return self.go_on_after(before);
        }
        let kind = if furthest == end { &mut self.beyond } else { &mut self.foreign };
        *kind += 1;
    }

    fn findings(&self) -> LogFindings {
        let (furthest, end) = (self.furthest(), self.given.hashes.len());
        let missing = self.missing.iter().copied().chain(furthest..end);
        LogFindings {
            name: self.given.path.display().to_string(),
            expected: end as u64,
            arrived: self.arrived(),
            // Lines of a file that people look at are counted from 1.
            missing: ranges(missing.map(|at| at as u64 + 1)),
            out_of_order: self.out_of_order,
            repeated: self.repeated(),
            damaged: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checker(text: &[u8]) -> (Followed, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("given.log");
        std::fs::write(&path, text).unwrap();
        let given = Given::read(&path, 100).unwrap();
        (Followed::new(vec![("t".to_owned(), given)]), dir)
    }

    /// What is found when these arrive; `|` stands for a kill of the daemon.
    fn found(text: &[u8], arriving: &str) -> Findings {
        let (mut checker, _dir) = checker(text);
        for line in arriving.split(' ') {
            match line {
                "|" => checker.restarted(Duration::ZERO),
                line => checker.take("t", line.as_bytes()),
            }
        }
        checker.findings()
    }

    fn repeated(findings: &Findings) -> (u64, u64) {
        (findings.sum(|log| log.repeated), findings.unexplained)
    }

    #[test]
    fn all_lines_in_order_are_good() {
        let findings = found(b"a\nb\nc\n", "a b c");
        assert!(findings.are_good(), "{findings:?}");
        assert_eq!(repeated(&findings), (0, 0));
        assert!(found(b"a\nb\nc", "a b c").are_good(), "an unfinished line, too");
    }

    #[test]
    fn a_planted_loss_is_found() {
        assert_eq!(
            found(b"a\nb\nc\nd\n", "a d").missing().unwrap().split(' ').next_back(),
            Some("2-3")
        );
        assert_eq!(found(b"a\nb\nc\nd\n", "a b").lost(), 2);
        assert_eq!(found(b"a\nb\nc\nd\n", "b c d").lost(), 1);
        assert_eq!(found(b"a\nb\nc\nd\n", "a b | d").lost(), 1);
    }

    #[test]
    fn a_loss_among_lines_that_are_alike_is_found() {
        assert_eq!(found(b"x\nx\nx\ny\n", "x x y").lost(), 1);
        assert_eq!(found(b"x\ny\nx\nz\nx\n", "x y x x").lost(), 1);
        assert!(!found(b"x\nx\nx\n", "x x").are_good());
    }

    #[test]
    fn a_planted_inversion_is_found() {
        let findings = found(b"a\nb\nc\nd\n", "a c b d");
        assert!(!findings.are_good());
        assert_eq!((findings.lost(), findings.logs[0].out_of_order), (0, 1));
    }

    #[test]
    fn repeats_after_a_kill_are_told_from_others() {
        let findings = found(b"a\nb\nc\nd\n", "a b c | b c d");
        assert!(findings.are_good(), "{findings:?}");
        assert_eq!(repeated(&findings), (2, 0));
        let findings = found(b"a\nb\nc\nd\n", "a b c b c d");
        assert!(findings.are_good(), "{findings:?}");
        assert_eq!(repeated(&findings), (2, 1));
    }

    #[test]
    fn a_place_among_lines_that_are_alike_shows_later() {
        let findings = found(b"x\na\nx\na\nx\nb\n", "x a x a | x a x a x b");
        assert!(findings.are_good(), "{findings:?}");
        assert_eq!(repeated(&findings), (4, 0));
        let findings = found(b"x\na\nx\na\nx\nb\n", "x a x a | x b");
        assert!(findings.are_good() && repeated(&findings) == (0, 0), "{findings:?}");
        assert!(!found(b"x\na\nx\nc\nx\nb\n", "x a | x b").are_good());
    }

    #[test]
    fn what_the_file_does_not_hold_is_foreign_unless_it_has_grown() {
        assert_eq!(found(b"a\nb\n", "a ? b").foreign, 1);
        assert_eq!(found(b"a\nb\n", "a b c").foreign, 1);
        let (mut checker, dir) = checker(b"a\nb");
        std::fs::write(dir.path().join("given.log"), b"a\nbb\nc\n").unwrap();
        for line in ["a", "bb", "c"] {
            checker.take("t", line.as_bytes());
        }
        assert!(checker.findings().are_good(), "{:?}", checker.findings());
        assert_eq!(checker.arrived(), 2);
    }
}

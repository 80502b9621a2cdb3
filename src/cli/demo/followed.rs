//! The checker of files whose lines carry no number: what arrives must be the file's lines, one
//! after the other, begun again at an earlier one only by a daemon that followed a killed one.
//!
//! Lines that are alike cannot be told from each other, so where a daemon began is the first
//! place that fits what has arrived from it; at its end, the last place that does.

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
    /// As far as earlier runs of the daemon came.
    base: usize,
    /// What has arrived without a break from this one, if anything has.
    run: Option<Run>,
    /// This one has sent what comes after all that is expected; nothing of it is looked at.
    is_past: bool,
    records: u64,
    missing: BTreeSet<usize>,
    out_of_order: u64,
    unexplained: u64,
    /// Records after all that is expected.
    beyond: u64,
    foreign: u64,
}

/// Lines that arrived one after the other, from the first place that fits them.
#[derive(Debug, Clone, Copy)]
struct Run {
    start: usize,
    len: usize,
}

impl Run {
    fn end(self) -> usize {
        self.start + self.len
    }
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
            trail.base = trail.settled();
            trail.run = None;
            trail.is_past = false;
        }
    }

    fn arrived(&self) -> u64 {
        self.sum(Trail::arrived)
    }

    fn repeated(&self) -> u64 {
        self.sum(|trail| trail.repeated(trail.arrived()))
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
            base: 0,
            run: None,
            is_past: false,
            records: 0,
            missing: BTreeSet::new(),
            out_of_order: 0,
            unexplained: 0,
            beyond: 0,
            foreign: 0,
        }
    }

    /// All lines before this have arrived or are missing, as far as it is known.
    fn furthest(&self) -> usize {
        self.run.map_or(0, Run::end).max(self.base)
    }

    /// The same, where what is alike is taken for the later.
    fn settled(&self) -> usize {
        let Some(run) = self.run else { return self.base };
        let hashes = &self.given.hashes;
        let arrived = hashes.get(run.start..run.end()).unwrap_or_default();
        let last = places(hashes, arrived).take_while(|at| *at <= self.base.max(run.start)).last();
        last.map_or(self.base, |at| (at + run.len).max(self.base))
    }

    fn arrived(&self) -> u64 {
        (self.furthest() - self.missing.len()) as u64
    }

    fn repeated(&self, arrived: u64) -> u64 {
        self.records.saturating_sub(arrived + self.beyond + self.foreign)
    }

    fn foreign(&self) -> u64 {
        // What was written after we looked may arrive, too.
        if self.given.has_grown() { self.foreign } else { self.foreign + self.beyond }
    }

    fn take(&mut self, payload: &[u8]) {
        self.records += 1;
        if self.is_past {
            self.beyond += 1;
            return;
        }
        let hash = line::hash(payload);
        let next = match self.run {
            None => self.begin(hash, self.base),
            Some(run) if self.fits(run.end(), hash, payload) => {
                Some(Run { len: run.len + 1, ..run })
            }
            Some(run) => self.begin_later(run, hash),
        };
        match next {
            Some(run) => self.run = Some(run),
            None => self.misfit(hash, payload),
        }
    }

    /// Where a daemon may have begun that came after `limit` lines.
    fn begin(&self, hash: u64, limit: usize) -> Option<Run> {
        let start = self.given.hashes.iter().take(limit + 1).position(|known| *known == hash)?;
        Some(Run { start, len: 1 })
    }

    /// Where it may have begun instead, as `hash` does not follow where it was thought to be.
    fn begin_later(&self, run: Run, hash: u64) -> Option<Run> {
        let mut arrived = self.given.hashes.get(run.start..run.end())?.to_vec();
        arrived.push(hash);
        let start = places(&self.given.hashes, &arrived).find(|at| *at > run.start)?;
        (start <= self.base).then_some(Run { start, len: run.len + 1 })
    }

    fn fits(&self, at: usize, hash: u64, payload: &[u8]) -> bool {
        self.given.hashes.get(at) == Some(&hash) || self.finishes(at, payload)
    }

    /// Whether it is the last line, which was not finished when we looked.
    fn finishes(&self, at: usize, payload: &[u8]) -> bool {
        let is_last = at + 1 == self.given.hashes.len();
        is_last && self.given.partial.as_ref().is_some_and(|begun| payload.starts_with(begun))
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
            self.run = Some(Run { start: at, len: 1 });
            return;
        }
        if let Some(run) = self.begin(hash, furthest) {
            self.unexplained += 1;
            self.base = furthest;
            self.run = Some(run);
            return;
        }
        self.is_past = furthest == end;
        let kind = if self.is_past { &mut self.beyond } else { &mut self.foreign };
        *kind += 1;
    }

    fn findings(&self) -> LogFindings {
        let (settled, end) = (self.settled(), self.given.hashes.len());
        let missing = self.missing.iter().copied().chain(settled..end);
        let arrived = (settled - self.missing.len()) as u64;
        LogFindings {
            name: self.given.path.display().to_string(),
            expected: end as u64,
            arrived,
            // Lines of a file that people look at are counted from 1.
            missing: ranges(missing.map(|at| at as u64 + 1)),
            out_of_order: self.out_of_order,
            repeated: self.repeated(arrived),
            damaged: 0,
        }
    }
}

/// Where `wanted`, which is not empty, stands in `text`, ascending; in linear time, whatever is
/// alike in both: Knuth, Morris and Pratt.
fn places<'a>(text: &'a [u64], wanted: &'a [u64]) -> impl Iterator<Item = usize> + 'a {
    let shorter = shorter(wanted);
    let mut fit = 0;
    text.iter().enumerate().filter_map(move |(at, hash)| {
        fit = extend(wanted, &shorter, fit, *hash);
        (fit == wanted.len()).then(|| at + 1 - fit)
    })
}

/// For every beginning of `wanted`, how long the longest shorter one is that it ends with.
fn shorter(wanted: &[u64]) -> Vec<usize> {
    let mut shorter = vec![0; wanted.len().min(1)];
    for hash in wanted.iter().skip(1) {
        let fit = shorter.last().copied().unwrap_or_default();
        let fit = extend(wanted, &shorter, fit, *hash);
        shorter.push(fit);
    }
    shorter
}

/// How long a beginning of `wanted` fits after one more `hash`, if `fit` of it did before.
fn extend(wanted: &[u64], shorter: &[usize], mut fit: usize, hash: u64) -> usize {
    while fit > 0 && wanted.get(fit) != Some(&hash) {
        fit = shorter.get(fit - 1).copied().unwrap_or_default();
    }
    fit + usize::from(wanted.get(fit) == Some(&hash))
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
    fn many_lines_that_are_alike_take_no_longer() {
        let (mut checker, _dir) = checker(&b"x\n".repeat(200_000));
        for _ in 0..2 {
            (0..150_000).for_each(|_| checker.take("t", b"x"));
            checker.restarted(Duration::ZERO);
        }
        let findings = checker.findings();
        assert!(findings.are_good(), "{:?}", findings.missing());
    }

    proptest::proptest! {
        #[test]
        fn places_are_where_it_stands(
            text in proptest::collection::vec(0_u64..3, 0..60),
            wanted in proptest::collection::vec(0_u64..3, 1..5),
        ) {
            let found: Vec<_> = places(&text, &wanted).collect();
            let windows = text.windows(wanted.len()).enumerate();
            let naive: Vec<_> = windows.filter(|(_, w)| *w == wanted).map(|(at, _)| at).collect();
            proptest::prop_assert_eq!(found, naive);
        }
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

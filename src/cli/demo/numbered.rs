//! The checker of lines that carry their log's name and number: each is known by both, and its
//! content by its hash.

use std::time::{Duration, Instant};

use super::findings::{Findings, LogFindings, ranges};
use super::line;
use super::witness::Judge;
use crate::clock;

const NOT_YET: u32 = u32::MAX;

#[derive(Debug)]
pub(super) struct Numbered {
    logs: Vec<Log>,
    began: Instant,
    arrived: u64,
    repeated: u64,
    foreign: u64,
    unexplained: u64,
    /// When the daemon was last killed and started again, if it was.
    last: Option<Gap>,
    reach_ms: Option<u32>,
}

/// From a kill to the next start; milliseconds since the beginning.
#[derive(Debug, Clone, Copy)]
struct Gap {
    killed_ms: u32,
    started_ms: u32,
}

#[derive(Debug)]
struct Log {
    name: &'static str,
    /// Of each line that was written, or is about to be.
    hashes: Vec<u64>,
    /// When each first arrived, in milliseconds since the beginning.
    arrived_ms: Vec<u32>,
    /// All lines before this have arrived.
    frontier: usize,
    /// The highest that has arrived.
    latest: usize,
    arrived: u64,
    repeated: u64,
    out_of_order: u64,
    damaged: u64,
}

impl Numbered {
    pub(super) fn new(names: impl IntoIterator<Item = &'static str>) -> Self {
        let log = |name| Log {
            name,
            hashes: Vec::new(),
            arrived_ms: Vec::new(),
            frontier: 0,
            latest: 0,
            arrived: 0,
            repeated: 0,
            out_of_order: 0,
            damaged: 0,
        };
        Self {
            logs: names.into_iter().map(log).collect(),
            began: clock::now(),
            arrived: 0,
            repeated: 0,
            foreign: 0,
            unexplained: 0,
            last: None,
            reach_ms: None,
        }
    }

    /// Announces the next line of a log. Comes before the line can be read anywhere.
    pub(super) fn expect(&mut self, log: usize, hash: u64) {
        if let Some(log) = self.logs.get_mut(log) {
            log.hashes.push(hash);
            log.arrived_ms.push(NOT_YET);
        }
    }

    /// How many lines of a log, from the first one on, have arrived without a gap.
    pub(super) fn frontier(&self, log: usize) -> u64 {
        self.logs.get(log).map_or(0, |log| log.frontier as u64)
    }

    /// Whether all announced lines have arrived.
    pub(super) fn is_complete(&self) -> bool {
        self.logs.iter().all(|log| log.frontier == log.hashes.len())
    }

    fn now_ms(&self) -> u32 {
        u32::try_from(self.began.elapsed().as_millis()).unwrap_or(NOT_YET - 1)
    }

    /// A line that had arrived at `first_ms` came again.
    fn repeat(&mut self, first_ms: u32) {
        self.repeated += 1;
        match self.last {
            // All that the killed daemon had sent was read before the next one started.
            Some(gap) if first_ms <= gap.started_ms => {
                let age_ms = gap.killed_ms.saturating_sub(first_ms);
                self.reach_ms = self.reach_ms.max(Some(age_ms));
            }
            _ => self.unexplained += 1,
        }
    }
}

impl Log {
    /// When the line first arrived; `None` if that is now.
    fn take(&mut self, number: usize, now_ms: u32) -> Option<u32> {
        let slot = self.arrived_ms.get_mut(number)?;
        if *slot != NOT_YET {
            self.repeated += 1;
            return Some(*slot);
        }
        *slot = now_ms;
        self.arrived += 1;
        self.out_of_order += u64::from(number < self.latest);
        self.latest = self.latest.max(number);
        while self.arrived_ms.get(self.frontier).is_some_and(|ms| *ms != NOT_YET) {
            self.frontier += 1;
        }
        None
    }

    fn findings(&self) -> LogFindings {
        let missing = (0..).zip(&self.arrived_ms).filter(|(_, ms)| **ms == NOT_YET);
        LogFindings {
            name: self.name.to_owned(),
            expected: self.hashes.len() as u64,
            arrived: self.arrived,
            missing: ranges(missing.map(|(number, _)| number)),
            out_of_order: self.out_of_order,
            repeated: self.repeated,
            damaged: self.damaged,
        }
    }
}

impl Judge for Numbered {
    fn take(&mut self, _topic: &str, payload: &[u8]) {
        let now_ms = self.now_ms();
        let known = line::parse(payload).and_then(|(name, number)| {
            let log = self.logs.iter_mut().find(|log| log.name == name)?;
            let number = usize::try_from(number).ok()?;
            let hash = *log.hashes.get(number)?;
            Some((log, number, hash))
        });
        let Some((log, number, hash)) = known else {
            self.foreign += 1;
            return;
        };
        if hash != line::hash(payload) {
            log.damaged += 1;
            return;
        }
        match log.take(number, now_ms) {
            Some(first_ms) => self.repeat(first_ms),
            None => self.arrived += 1,
        }
    }

    fn restarted(&mut self, down: Duration) {
        let started_ms = self.now_ms();
        let down_ms = u32::try_from(down.as_millis()).unwrap_or(u32::MAX);
        self.last = Some(Gap { killed_ms: started_ms.saturating_sub(down_ms), started_ms });
    }

    fn arrived(&self) -> u64 {
        self.arrived
    }

    fn repeated(&self) -> u64 {
        self.repeated
    }

    fn findings(&self) -> Findings {
        Findings {
            logs: self.logs.iter().map(Log::findings).collect(),
            foreign: self.foreign,
            unexplained: self.unexplained,
            reach: self.reach_ms.map(|ms| Duration::from_millis(ms.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::line::{Kind, compose};

    const TIME: &str = "2026-03-01T12:30:00.250Z";

    fn web(number: u64) -> Vec<u8> {
        compose(Kind::Web, number, TIME).into_bytes()
    }

    /// What is found when of ten written lines these arrive, in this order.
    fn found(arriving: &[Vec<u8>]) -> (Numbered, Findings) {
        let mut checker = Numbered::new(["web.log"]);
        (0..10).for_each(|number| checker.expect(0, line::hash(&web(number))));
        for line in arriving {
            checker.take("demo", line);
        }
        let findings = checker.findings();
        (checker, findings)
    }

    fn lines(numbers: &[u64]) -> Vec<Vec<u8>> {
        numbers.iter().map(|number| web(*number)).collect()
    }

    #[test]
    fn all_lines_in_order_are_good() {
        let (checker, findings) = found(&lines(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
        assert!(checker.is_complete() && findings.are_good(), "{findings:?}");
        assert_eq!((checker.arrived(), checker.repeated(), checker.frontier(0)), (10, 0, 10));
    }

    #[test]
    fn a_planted_loss_is_found() {
        let (checker, findings) = found(&lines(&[0, 1, 2, 5, 6, 7, 9]));
        assert!(!checker.is_complete() && !findings.are_good());
        assert_eq!((findings.lost(), checker.frontier(0)), (3, 3));
        assert_eq!(findings.missing().unwrap(), "web.log 3-4, web.log 8");
    }

    #[test]
    fn a_planted_inversion_is_found() {
        let (checker, findings) = found(&lines(&[0, 1, 3, 2, 4, 5, 6, 7, 8, 9]));
        assert!(checker.is_complete() && !findings.are_good());
        assert_eq!((findings.lost(), findings.logs[0].out_of_order), (0, 1));
    }

    #[test]
    fn a_planted_repeat_is_found_and_told_from_those_after_a_kill() {
        let (mut checker, findings) = found(&lines(&[0, 1, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
        assert!(findings.are_good(), "repeats are allowed, not liked");
        assert_eq!((findings.logs[0].repeated, findings.unexplained), (2, 2));
        checker.restarted(Duration::ZERO);
        for line in lines(&[7, 8, 9]) {
            checker.take("demo", &line);
        }
        let findings = checker.findings();
        assert_eq!((findings.logs[0].repeated, findings.unexplained), (5, 2));
        assert!(findings.reach.is_some());
    }

    #[test]
    fn what_is_not_ours_and_what_was_changed_is_found() {
        let mut all = lines(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        all.extend([web(10), compose(Kind::App, 0, TIME).into_bytes(), b"noise".to_vec()]);
        assert_eq!(found(&all).1.foreign, 3);
        let mut damaged = lines(&[0]);
        damaged[0][3] ^= 1;
        let (_, findings) = found(&damaged);
        assert_eq!((findings.logs[0].damaged, findings.lost()), (1, 10));
    }
}

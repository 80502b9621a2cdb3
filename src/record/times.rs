//! When records were made, as Kafka counts it: in milliseconds since 1970.

use std::ops::Range;

/// Lines tell their times to the nanosecond.
pub const NS_PER_MS: i64 = 1_000_000;

/// The times of a block's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Times {
    /// All were read at once.
    Read(i64),
    /// Each has its own.
    Each(Vec<i64>),
}

/// So far from each other times are the same: librdkafka stamps what is handed over in one call
/// with the time of the call, and that is as good as the time of reading.
const ABOUT_MS: u64 = 5_000;
/// How far ahead of its reading a line may claim to have been written. Brokers refuse what is
/// further in the future than this, unless they are told otherwise (`message.timestamp.after.max.ms`).
pub const AHEAD_MS_MAX: i64 = 3_600_000;

impl Times {
    /// When a line was written, if that can be: none is older than the count, and clocks are not
    /// an hour apart.
    pub fn believed(line_ms: i64, read_ms: i64) -> Option<i64> {
        (1..=read_ms.saturating_add(AHEAD_MS_MAX)).contains(&line_ms).then_some(line_ms)
    }

    pub fn of(&self, number: u32) -> i64 {
        match self {
            Self::Read(ms) => *ms,
            Self::Each(all) => all.get(number as usize).copied().unwrap_or_default(),
        }
    }

    /// Those of some records.
    #[must_use]
    pub fn only(&self, numbers: impl Iterator<Item = u32>) -> Self {
        match self {
            Self::Read(ms) => Self::Read(*ms),
            Self::Each(_) => Self::Each(numbers.map(|number| self.of(number)).collect()),
        }
    }

    /// All are as good as this one.
    pub fn are_about(&self, ms: i64) -> bool {
        match self {
            Self::Read(read_ms) => is_about(*read_ms, ms),
            Self::Each(_) => false,
        }
    }

    /// Gives some of `count` records another time. False if they had it before, about.
    pub fn replace(&mut self, numbers: Range<u32>, count: u32, ms: i64) -> bool {
        if numbers.clone().all(|number| is_about(self.of(number), ms)) {
            return false;
        }
        let time = |number| if numbers.contains(&number) { ms } else { self.of(number) };
        *self = Self::Each((0..count).map(time).collect());
        true
    }
}

fn is_about(one: i64, other: i64) -> bool {
    one.abs_diff(other) <= ABOUT_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_broken_clock_says_is_not_believed() {
        let read = 1_700_000_000_000;
        let believed = |line| Times::believed(line, read);
        assert_eq!([believed(1), believed(read)], [Some(1), Some(read)]);
        assert_eq!(believed(read + AHEAD_MS_MAX), Some(read + AHEAD_MS_MAX));
        assert_eq!([0, -5, i64::MIN, read + AHEAD_MS_MAX + 1, i64::MAX].map(believed), [None; 5]);
    }

    #[test]
    fn only_what_differs_is_replaced() {
        let mut times = Times::Each(vec![10, 20, 900_000]);
        assert!(times.replace(1..2, 3, 900_000));
        assert_eq!(times, Times::Each(vec![10, 900_000, 900_000]));
        assert!(!times.replace(1..3, 3, 900_001));
        let mut times = Times::Read(10);
        assert!(times.are_about(5_010) && !times.are_about(5_011));
        assert!(!times.replace(0..3, 3, 11));
        assert!(times.replace(2..3, 3, 900_000));
        assert_eq!(times, Times::Each(vec![10, 10, 900_000]));
    }
}

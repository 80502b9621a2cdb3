//! What a checker found, in words that fit every kind of log.

use std::ops::Range;
use std::time::Duration;

/// Ranges of missing lines that are named; more make nobody wiser.
const NAMED_MAX: usize = 8;

/// The state of one log's lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct LogFindings {
    pub(super) name: String,
    pub(super) expected: u64,
    pub(super) arrived: u64,
    /// Numbers of lines that did not arrive.
    pub(super) missing: Vec<Range<u64>>,
    /// Lines that first came after later ones.
    pub(super) out_of_order: u64,
    /// Lines that came again.
    pub(super) repeated: u64,
    /// Lines that came, but not as they were written.
    pub(super) damaged: u64,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    pub(super) logs: Vec<LogFindings>,
    /// Records that are no line of any log.
    pub(super) foreign: u64,
    /// Repeats that no kill of the daemon explains.
    pub(super) unexplained: u64,
    /// How long before its kill the oldest of the repeated lines had arrived, if that was measured.
    pub(super) reach: Option<Duration>,
}

impl LogFindings {
    pub(super) fn lost(&self) -> u64 {
        self.missing.iter().map(|range| range.end - range.start).sum()
    }
}

impl Findings {
    pub(super) fn sum(&self, of: impl Fn(&LogFindings) -> u64) -> u64 {
        self.logs.iter().map(of).sum()
    }

    pub(super) fn lost(&self) -> u64 {
        self.sum(LogFindings::lost)
    }

    /// Whether everything arrived, whole and in order, and nothing else did.
    pub(super) fn are_good(&self) -> bool {
        let wrong = |log: &LogFindings| log.lost() + log.out_of_order + log.damaged;
        self.sum(wrong) + self.foreign == 0
    }

    /// Which lines are missing: `web.log 17, app.log 4-9`; the first few of them.
    pub(super) fn missing(&self) -> Option<String> {
        let named = |log: &LogFindings| {
            let name = log.name.clone();
            log.missing.iter().map(move |range| (name.clone(), range.clone())).collect::<Vec<_>>()
        };
        let all: Vec<_> = self.logs.iter().flat_map(named).collect();
        let mut parts: Vec<_> = all.iter().take(NAMED_MAX).map(name_range).collect();
        if all.len() > NAMED_MAX {
            parts.push(format!("and {} more gaps", all.len() - NAMED_MAX));
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

fn name_range((name, range): &(String, Range<u64>)) -> String {
    match range.end - range.start {
        1 => format!("{name} {}", range.start),
        _ => format!("{name} {}-{}", range.start, range.end - 1),
    }
}

/// The ranges that ascending numbers make.
pub(super) fn ranges(numbers: impl IntoIterator<Item = u64>) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some(last) if last.end == number => last.end += 1,
            _ => ranges.push(number..number + 1),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_lines_are_named_by_their_ranges() {
        let log = |name: &str, numbers: &[u64]| LogFindings {
            name: name.to_owned(),
            missing: ranges(numbers.iter().copied()),
            ..LogFindings::default()
        };
        let findings =
            Findings { logs: vec![log("a", &[1, 2, 3, 7]), log("b", &[])], ..Findings::default() };
        assert_eq!(findings.missing().unwrap(), "a 1-3, a 7");
        assert_eq!(findings.lost(), 4);
        assert!(!findings.are_good());
    }
}

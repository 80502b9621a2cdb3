//! What happens when: the acts of the show, by how much of its time has passed.

use std::collections::VecDeque;
use std::time::Duration;

/// So many lines a second a person can follow, and a small machine can ship.
const LINES_PER_SECOND: u64 = 12_500;
/// What is more than the usual number of lines is written faster.
const MORE_LINES_PER_SECOND: u64 = 25_000;
const USUAL_LINES: u64 = 100_000;
/// The acts take their time, however few lines there are.
const SPAN_MIN: Duration = Duration::from_secs(5);
const OUTAGE: Duration = Duration::from_secs(6);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Kill the daemon, and rotate a log while it is dead.
    Kill,
    /// Delete a file that the daemon has not finished.
    Delete,
    CutOff,
    Reconnect,
}

pub(super) struct Script {
    span: Duration,
    /// When each is due, in order.
    steps: VecDeque<(Duration, Step)>,
}

impl Script {
    pub(super) fn new(lines: u64) -> Self {
        let usual_ms = lines.min(USUAL_LINES) * 1000 / LINES_PER_SECOND;
        let more_ms = lines.saturating_sub(USUAL_LINES) * 1000 / MORE_LINES_PER_SECOND;
        let writing = Duration::from_millis(usual_ms + more_ms).max(SPAN_MIN);
        let at = |percent: u32| writing * percent / 100;
        let outage = at(80);
        let steps = [
            (at(20), Step::Kill),
            (at(40), Step::Delete),
            (at(60), Step::Kill),
            (outage, Step::CutOff),
            (outage + OUTAGE / 2, Step::Delete),
            (outage + OUTAGE, Step::Reconnect),
        ];
        Self { span: writing + OUTAGE, steps: steps.into() }
    }

    /// How many of `lines` are due at that time.
    pub(super) fn due(&self, lines: u64, elapsed: Duration) -> u64 {
        let (elapsed_ms, span_ms) = (elapsed.min(self.span).as_millis(), self.span.as_millis());
        u64::try_from(u128::from(lines) * elapsed_ms / span_ms.max(1)).unwrap_or(lines)
    }

    /// The step that is due at that time, if there is one.
    pub(super) fn next(&self, elapsed: Duration) -> Option<Step> {
        self.steps.front().filter(|(at, _)| *at <= elapsed).map(|(_, step)| *step)
    }

    /// The step was taken.
    pub(super) fn taken(&mut self) {
        self.steps.pop_front();
    }

    pub(super) fn is_over(&self) -> bool {
        self.steps.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_written_at_a_steady_rate() {
        let script = Script::new(100_000);
        let half = script.span / 2;
        assert_eq!(script.due(100_000, Duration::ZERO), 0);
        assert_eq!(script.due(100_000, half), 50_000);
        assert_eq!(script.due(100_000, 3 * half), 100_000);
        assert!(script.span <= Duration::from_secs(15));
        assert_eq!(Script::new(1).span, Script::new(5000).span);
    }

    #[test]
    fn steps_are_due_one_after_the_other() {
        let mut script = Script::new(100_000);
        assert_eq!(script.next(Duration::ZERO), None);
        let mut steps = Vec::new();
        while let Some(step) = script.next(Duration::MAX) {
            steps.push(step);
            script.taken();
        }
        assert!(script.is_over());
        assert_eq!(steps[..3], [Step::Kill, Step::Delete, Step::Kill]);
        assert_eq!(steps[3..], [Step::CutOff, Step::Delete, Step::Reconnect]);
    }
}

//! Events by what users say their lines look like.

use regex::bytes::Regex;

use super::{ALONE, State, Wrong};
use crate::settings::Multiline;

/// More lines may belong to the event.
const OPEN: State = 1;

#[derive(Debug, Clone)]
pub(super) struct Patterns {
    start: Option<Pattern>,
    continues: Option<Pattern>,
    end: Option<Pattern>,
}

#[derive(Debug, Clone)]
struct Pattern {
    regex: Regex,
    is_negated: bool,
}

impl Pattern {
    fn holds(&self, line: &[u8]) -> bool {
        self.regex.is_match(line) != self.is_negated
    }
}

impl Patterns {
    pub(super) fn new(spec: &Multiline) -> Result<Self, Wrong> {
        let pattern = |key, text: &Option<String>| {
            let regex = text.as_deref().map(Regex::new).transpose();
            let regex = regex.map_err(|reason| Wrong::Pattern { key, reason })?;
            Ok(regex.map(|regex| Pattern { regex, is_negated: spec.negate }))
        };
        Ok(Self {
            start: pattern("start", &spec.start)?,
            continues: pattern("continue", &spec.continues)?,
            end: pattern("end", &spec.end)?,
        })
    }

    /// With `start` alone, the lines before the first start are an event, too. With `start` and
    /// another, what is outside of events is known, and each of its lines stands alone; but lines
    /// that continue something keep together, also when its beginning is missing.
    pub(super) fn first(&self, line: &[u8]) -> State {
        let is_open = match (&self.start, &self.continues, &self.end) {
            (Some(start), Some(continues), _) => start.holds(line) || continues.holds(line),
            (Some(start), None, Some(_)) => start.holds(line),
            _ => true,
        };
        if is_open { OPEN } else { ALONE }
    }

    pub(super) fn next(&self, state: State, line: &[u8]) -> Option<State> {
        let is_joined = match (&self.continues, &self.start) {
            // What continues does so also if it looks like a start: `Caused by:`.
            (Some(continues), _) => continues.holds(line),
            (None, Some(start)) => !start.holds(line),
            (None, None) => true,
        };
        is_joined.then_some(state)
    }

    pub(super) fn closes(&self, line: &[u8]) -> bool {
        self.end.as_ref().is_some_and(|end| end.holds(line))
    }
}

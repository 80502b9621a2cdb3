//! Decides where events of several lines begin and end, one line at a time.
//!
//! Pure. From wherever an event began, the same lines make the same events, whatever came before:
//! a `Flow` knows nothing when an event begins. `docs/multiline.md` says what users are told.

mod patterns;
mod preset;

#[cfg(test)]
mod tests;

use patterns::Patterns;
use preset::Machine;

use crate::settings::Multiline;

/// Why settings make no `Rules`.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    #[error("`{key}` is not a regular expression: {reason}")]
    Pattern { key: &'static str, reason: regex::Error },
    #[error("`multiline` needs `start`, `continue`, `end` or a `preset`")]
    Nothing,
    #[error("`preset` says by itself what `start`, `continue`, `end` and `negate` are")]
    PresetAndPatterns,
    #[error("`negate` turns round one pattern: leave it out, or all but one of them")]
    NegateSeveral,
}

/// How the lines of an input make up events.
#[derive(Debug, Clone)]
pub struct Rules {
    kind: Kind,
    lines_max: usize,
    bytes_max: usize,
}

#[derive(Debug, Clone)]
enum Kind {
    Patterns(Patterns),
    Preset(Machine),
}

/// Where a line can stand within an event; which place means what, each kind of rules knows.
type State = u8;

/// Nothing can follow this line in its event.
const ALONE: State = 0;

/// What is known of the event that is not at its end yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flow {
    lines: usize,
    bytes: usize,
    state: State,
}

/// What a line is to its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Border {
    /// It is the first. The event that is pending, if any, ended before it.
    pub begins: bool,
    /// It is the last. Nothing is pending after it.
    pub ends: bool,
}

impl Rules {
    pub fn new(spec: &Multiline) -> Result<Self, Wrong> {
        let patterns = [&spec.start, &spec.continues, &spec.end];
        let given = patterns.into_iter().flatten().count();
        let kind = match spec.preset {
            Some(_) if given > 0 || spec.negate => return Err(Wrong::PresetAndPatterns),
            Some(preset) => Kind::Preset(Machine::of(preset)?),
            None if given == 0 => return Err(Wrong::Nothing),
            None if given > 1 && spec.negate => return Err(Wrong::NegateSeveral),
            None => Kind::Patterns(Patterns::new(spec)?),
        };
        Ok(Self { kind, lines_max: spec.lines_max.max(1), bytes_max: spec.bytes_max.max(1) })
    }

    fn first(&self, line: &[u8]) -> State {
        match &self.kind {
            Kind::Patterns(patterns) => patterns.first(line),
            Kind::Preset(machine) => machine.first(line),
        }
    }

    /// Where the line stands in the event that has come to `state`; `None` if it is not of it.
    fn next(&self, state: State, line: &[u8]) -> Option<State> {
        match &self.kind {
            Kind::Patterns(patterns) => patterns.next(state, line),
            Kind::Preset(machine) => machine.next(state, line),
        }
    }

    fn closes(&self, line: &[u8]) -> bool {
        match &self.kind {
            Kind::Patterns(patterns) => patterns.closes(line),
            Kind::Preset(_) => false,
        }
    }
}

impl Flow {
    /// Whether there is an event that more lines may belong to.
    pub fn is_pending(&self) -> bool {
        self.lines > 0
    }
}

/// Takes the next line of a stream, given without its end.
pub fn see(rules: &Rules, flow: &mut Flow, line: &[u8]) -> Border {
    // With the newline between it and the line before.
    let joined_bytes = flow.bytes.saturating_add(1).saturating_add(line.len());
    let fits = flow.is_pending() && joined_bytes <= rules.bytes_max;
    let joined = if fits { rules.next(flow.state, line) } else { None };
    *flow = match joined {
        Some(state) => Flow { lines: flow.lines + 1, bytes: joined_bytes, state },
        None => Flow { lines: 1, bytes: line.len(), state: rules.first(line) },
    };
    let is_full = flow.lines >= rules.lines_max || flow.bytes >= rules.bytes_max;
    let ends = flow.state == ALONE || is_full || rules.closes(line);
    if ends {
        *flow = Flow::default();
    }
    Border { begins: joined.is_none(), ends }
}

//! Stack traces of languages whose shape is known: for each a table of what may follow what.
//!
//! Only lines of traces are joined, and any other line is an event at once: waiting for what may
//! follow it would hold back every last line until the timeout. A trace whose beginning is not
//! there keeps together, too.

mod dotnet;
mod go;
mod java;
mod python;
mod ruby;

use regex::bytes::Regex;

use super::{ALONE, State, Wrong};
use crate::settings::Preset;

/// No line of the event has been seen yet.
const NEW: State = ALONE;

const BLANK: &str = r"^\s*$";

/// After a line in one of the places `from`, a line that matches belongs to the same event, and
/// stands at `to`. Of several, the first counts.
#[derive(Debug, Clone, Copy)]
struct Step {
    from: &'static [State],
    line: &'static str,
    to: State,
}

const fn step(from: &'static [State], line: &'static str, to: State) -> Step {
    Step { from, line, to }
}

#[derive(Debug, Clone)]
pub(super) struct Machine {
    steps: Vec<(&'static [State], Regex, State)>,
}

impl Machine {
    pub(super) fn of(preset: Preset) -> Result<Self, Wrong> {
        Self::new(match preset {
            Preset::Java => java::STEPS,
            Preset::Python => python::STEPS,
            Preset::Go => go::STEPS,
            Preset::Ruby => ruby::STEPS,
            Preset::Dotnet => dotnet::STEPS,
        })
    }

    fn new(table: &[Step]) -> Result<Self, Wrong> {
        // Logs are bytes, and traces are ASCII where it matters.
        let compile = |step: &Step| {
            let regex = Regex::new(&format!("(?-u:{})", step.line));
            regex.map(|regex| (step.from, regex, step.to))
        };
        let steps = table.iter().map(compile).collect::<Result<_, _>>();
        let steps = steps.map_err(|reason| Wrong::Pattern { key: "preset", reason })?;
        Ok(Self { steps })
    }

    pub(super) fn first(&self, line: &[u8]) -> State {
        self.next(NEW, line).unwrap_or(ALONE)
    }

    pub(super) fn next(&self, state: State, line: &[u8]) -> Option<State> {
        let from_here = self.steps.iter().filter(|(from, ..)| from.contains(&state));
        let mut taken = from_here.filter(|(_, regex, _)| regex.is_match(line));
        taken.next().map(|(.., to)| *to)
    }
}

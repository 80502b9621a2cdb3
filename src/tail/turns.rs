//! Whose turn it is to be read.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use super::{Event, Tail, Turn};
use crate::budget::Budget;
use crate::settings::Output;

/// Lineages that wait for memory. Each output has its part of it, and who waits for one keeps no
/// other's waiting.
#[derive(Default)]
pub(super) struct Hungry(BTreeMap<Output, Queue>);

/// Who waited first is the first to get some, or large blocks would never get enough.
struct Queue {
    waiting: VecDeque<usize>,
    budget: Budget,
    /// What was left when the first of them did not get any.
    left: usize,
}

impl Hungry {
    /// The first that wait for some output, if there is more for them by now.
    fn fed(&mut self) -> Option<usize> {
        let is_fed = |queue: &Queue| queue.budget.left() > queue.left;
        let (output, queue) = self.0.iter_mut().find(|(_, queue)| is_fed(queue))?;
        let at = queue.waiting.pop_front();
        if queue.waiting.is_empty() {
            let output = output.clone();
            self.0.remove(&output);
        }
        at
    }

    /// There was not enough for it: it is the next one of its output.
    fn starve(&mut self, output: &Output, budget: &Budget, at: usize) {
        let left = budget.left();
        let (waiting, budget) = (VecDeque::new(), budget.clone());
        let new = || Queue { waiting, budget, left };
        let queue = self.0.entry(output.clone()).or_insert_with(new);
        queue.waiting.push_front(at);
        queue.left = left;
    }

    /// Takes it in if others wait for what it would need, behind them.
    fn takes_in(&mut self, output: &Output, at: usize) -> bool {
        let queue = self.0.get_mut(output);
        queue.map(|queue| queue.waiting.push_back(at)).is_some()
    }

    fn len(&self) -> usize {
        self.0.values().map(|queue| queue.waiting.len()).sum()
    }
}

impl<F: FnMut(Event)> Tail<F> {
    /// Reads one block of the lineage whose turn it is; each that has something to read gets one
    /// before any gets a second.
    pub fn turn(&mut self, siblings: impl Fn(usize, &Path) -> Vec<PathBuf>) -> Turn {
        for _ in 0..self.ready.len() + self.hungry.len() {
            let fed = self.hungry.fed();
            let Some(at) = fed.or_else(|| self.ready.pop_front()) else { break };
            let Some(lineage) = self.lineages.get(at) else { continue };
            let Some(input) = self.inputs.get(lineage.input) else { continue };
            if fed.is_none() && self.hungry.takes_in(&input.settings.output, at) {
                continue;
            }
            match self.attempt(at, &siblings) {
                None => self.ready.push_back(at),
                Some(Turn::Worked) => {
                    self.ready.push_back(at);
                    return Turn::Worked;
                }
                Some(Turn::Starved) => self.starve(at),
                Some(Turn::Idle) => {
                    if let Some(lineage) = self.lineages.get_mut(at) {
                        lineage.is_ready = false;
                    }
                }
            }
        }
        let is_idle = self.ready.is_empty() && self.hungry.len() == 0;
        if is_idle { Turn::Idle } else { Turn::Starved }
    }

    fn starve(&mut self, at: usize) {
        let input = self.lineages.get(at).and_then(|lineage| self.inputs.get(lineage.input));
        if let Some(input) = input {
            self.hungry.starve(&input.settings.output, &input.budget, at);
        }
    }

    /// Nothing, if it has to wait for something else than memory.
    fn attempt(
        &mut self,
        at: usize,
        siblings: &impl Fn(usize, &Path) -> Vec<PathBuf>,
    ) -> Option<Turn> {
        let lineage = self.lineages.get(at)?;
        // Known without asking the file system again, as long as others have their turns.
        let waits = lineage.has_unread() && self.is_limited(lineage.input);
        if waits || lineage.gate.is_closed() {
            return None;
        }
        let next = self.next(at);
        if self.is_over_limit(at, &next) || self.is_over_unpacking(at, &next) {
            return None;
        }
        Some(self.advance(at, &next, siblings))
    }
}

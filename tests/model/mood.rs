//! How often each step comes in one walk.
//!
//! Walks whose steps are equally likely hardly ever get far in any direction; each walk has a
//! mood of its own (swarm testing: Groce et al., ISSTA 2012).

use crate::dice::Dice;
use crate::variant::Climate;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Step {
    Read,
    Transmit,
    BrokerWrites,
    BrokerAnswers,
    BrokerGivesBack,
    BrokerComesAndGoes,
    Hear,
    Replay,
    Stow,
    Pump,
    Flush,
    Save,
    WriteLetter,
    Deadline,
    Vanish,
    Stop,
    Purge,
    Fail,
    Crash,
    AddPartition,
}

const STEPS: [(Step, u64); 20] = [
    (Step::Read, 120),
    (Step::Transmit, 48),
    (Step::BrokerWrites, 48),
    (Step::BrokerAnswers, 48),
    (Step::BrokerGivesBack, 8),
    (Step::BrokerComesAndGoes, 12),
    (Step::Hear, 48),
    (Step::Replay, 48),
    (Step::Stow, 12),
    (Step::Pump, 12),
    (Step::Flush, 24),
    (Step::Save, 12),
    (Step::WriteLetter, 12),
    (Step::Deadline, 12),
    (Step::Vanish, 1),
    (Step::Stop, 1),
    (Step::Purge, 1),
    (Step::Fail, 1),
    (Step::Crash, 2),
    (Step::AddPartition, 8),
];

/// How much more often than usual.
const TIMES: [u64; 8] = [0, 1, 1, 1, 3, 3, 3, 9];

pub(crate) struct Mood(Vec<(Step, u64)>);

impl Mood {
    pub(crate) fn new(dice: &mut Dice, climate: Climate) -> Self {
        let may_happen = |step| {
            let is_end = matches!(step, Step::Stop | Step::Purge | Step::Fail | Step::Crash);
            (step != Step::BrokerGivesBack || climate.returns_batches())
                && (!is_end || climate.has_ends())
                && (step != Step::AddPartition || climate == Climate::Moving)
        };
        let steps = STEPS.into_iter().filter(|(step, _)| may_happen(*step));
        Self(steps.map(|(step, weight)| (step, weight * TIMES[dice.up_to(7)])).collect())
    }

    pub(crate) fn next(&self, dice: &mut Dice) -> Step {
        let mut left = dice.below(self.0.iter().map(|(_, weight)| weight).sum::<u64>().max(1));
        for (step, weight) in &self.0 {
            if left < *weight {
                return *step;
            }
            left -= weight;
        }
        Step::Read
    }
}

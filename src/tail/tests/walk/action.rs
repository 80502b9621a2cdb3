//! What may happen, and how often.

use proptest::prelude::*;

use super::super::packer::Packer;

/// Small enough that whole files are shorter than an anchor's window.
pub(super) const TINY_CELL: usize = 8;
/// More than an anchor's window, so that one cell is enough to recognise a file.
pub(super) const SMALL_CELL: usize = 72;
/// More than a head, so that a file is recognised by it as soon as it holds anything.
pub(super) const LARGE_CELL: usize = 1100;

/// What holds for a whole walk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    pub(super) cell: usize,
    /// Each new file begins with the same lines, of so many bytes.
    pub(super) header: usize,
    pub(super) names: Names,
}

/// What a rotated file is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    Numbered,
    Dated,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Write {
        cells: usize,
        ended: bool,
    },
    Look,
    Glance,
    Turns(usize),
    Wait(u64),
    Gate(bool),
    Restart,
    /// What Kafka acknowledged, per source a choice among the ends of its blocks, is saved.
    Save(usize),
    Crash,
}

#[derive(Debug, Clone)]
pub(super) enum Action {
    Step(Step),
    /// Renames the chain; with `create` the writer goes on in a new file at once.
    Rotate {
        create: bool,
    },
    /// Several rotations that nobody looks at, so many cells in each file.
    Storm(Vec<usize>),
    /// The writer opens the name again.
    Reopen,
    CopyTruncate {
        half: Vec<Step>,
        copied: Vec<Step>,
    },
    Truncate,
    /// Truncated, and longer again than it was before anybody looks.
    Regrow(usize),
    Delete,
    /// Deleted, and made anew with so many cells before anybody looks.
    Recreate(usize),
    DeleteOldest,
    /// One of the rotated files is compressed, beside the original, which is then removed.
    Compress {
        which: usize,
        packer: Packer,
        /// Made under a name of no log's, as kubelets do.
        aside: bool,
        half: Vec<Step>,
        packed: Vec<Step>,
    },
    /// Renamed to what nobody matches.
    Away,
    /// What was renamed away last gets the name back, if it is free.
    Back,
    /// A second name for the file that has the name.
    Link,
    Settle,
}

pub(super) fn manner() -> impl Strategy<Value = Manner> {
    let cell = prop::sample::select(vec![TINY_CELL, SMALL_CELL, LARGE_CELL]);
    let header = prop::sample::select(vec![0, 0, 40, 3000]);
    let names = prop::sample::select(vec![Names::Numbered, Names::Dated]);
    (cell, header, names).prop_map(|(cell, header, names)| Manner { cell, header, names })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..5_usize, prop::bool::weighted(0.8)).prop_map(|(cells, ended)| Step::Write { cells, ended }),
        3 => Just(Step::Look),
        2 => Just(Step::Glance),
        4 => (1..6_usize).prop_map(Step::Turns),
        1 => prop::sample::select(vec![1, 2, 6, 70]).prop_map(Step::Wait),
        1 => any::<bool>().prop_map(Step::Gate),
        1 => Just(Step::Restart),
        2 => (0..8_usize).prop_map(Step::Save),
        1 => Just(Step::Crash),
    ]
}

pub(super) fn action() -> impl Strategy<Value = Action> {
    let steps = || prop::collection::vec(step(), 0..4);
    prop_oneof![
        16 => step().prop_map(Action::Step),
        2 => any::<bool>().prop_map(|create| Action::Rotate { create }),
        1 => prop::collection::vec(0..4_usize, 2..4).prop_map(Action::Storm),
        1 => Just(Action::Reopen),
        1 => (steps(), steps()).prop_map(|(half, copied)| Action::CopyTruncate { half, copied }),
        1 => Just(Action::Truncate),
        1 => (1..4_usize).prop_map(Action::Regrow),
        1 => Just(Action::Delete),
        1 => (1..4_usize).prop_map(Action::Recreate),
        1 => Just(Action::DeleteOldest),
        3 => (0..4_usize, packer(), any::<bool>(), steps(), steps()).prop_map(
            |(which, packer, aside, half, packed)| {
                Action::Compress { which, packer, aside, half, packed }
            }
        ),
        1 => Just(Action::Away),
        1 => Just(Action::Back),
        1 => Just(Action::Link),
        1 => Just(Action::Settle),
    ]
}

fn packer() -> impl Strategy<Value = Packer> {
    prop::sample::select(vec![Packer::Gzip, Packer::GzipOwnTime, Packer::Zstd])
}

//! Backtraces of Ruby, in both orders, and those that Rails writes.
//!
//! Ruby prints an exception's cause like another exception, and so it is another event.

use super::{BLANK, NEW, State, Step, step};

const HEAD: State = 1;
const FRAMES: State = 2;
/// The line of code, and the marks below it, that an empty line parts from the message.
const GAP: State = 3;
const CODE: State = 4;
const NOTES: State = 5;
/// The most recent call comes last.
const REVERSED: State = 6;
const RAILS: State = 7;

const HEADER: &str = r"^\S.*?:\d+:in [`'].*?'(?:: |\s*$)";

pub(super) const STEPS: &[Step] = &[
    step(&[NEW, REVERSED], HEADER, HEAD),
    step(&[NEW], r"Traceback \(most recent call last\):\s*$", REVERSED),
    step(&[REVERSED], r"^\s+(?:\d+: )?from ", REVERSED),
    step(&[NEW, HEAD, FRAMES, NOTES], r"^\s+from \S.*:\d+", FRAMES),
    step(&[HEAD, FRAMES, REVERSED], r"^\s+\.\.\. ?\d+ levels\.\.\.", FRAMES),
    step(&[HEAD, NOTES], r"^Did you mean\?", NOTES),
    step(&[HEAD], BLANK, GAP),
    step(&[GAP], r"\S", CODE),
    step(&[CODE], r"^\s*[\^~]+\s*$", NOTES),
    step(&[NOTES], r"^ {4}\s*\S", NOTES),
    step(&[NOTES], BLANK, NOTES),
    step(&[NEW], r"(?:^|[\s\]])(?:[A-Z]\w*::)*[A-Z]\w* \(.*\):\s*$", RAILS),
    step(&[RAILS], BLANK, RAILS),
    step(&[RAILS], r"^\s+\d+: |^\S.*:\d+:in [`']", RAILS),
];

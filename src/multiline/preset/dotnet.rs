//! Exceptions of .NET, with inner and aggregated ones, and its console logger, which indents.

use super::{BLANK, NEW, State, Step, step};

/// An exception was named.
const HEAD: State = 1;
const FRAMES: State = 2;
/// One of an aggregate's exceptions is at its end.
const CLOSED: State = 3;
const CONSOLE: State = 4;

pub(super) const STEPS: &[Step] = &[
    step(&[HEAD, FRAMES, CLOSED], r"<---\s*$", CLOSED),
    step(&[NEW, HEAD, FRAMES, CLOSED], r"^\s+at \S", FRAMES),
    step(&[NEW, HEAD, FRAMES, CLOSED], r"^\s*---> ", HEAD),
    step(&[NEW, HEAD, FRAMES, CLOSED], r"^\s*--- End of .*---", FRAMES),
    step(&[CLOSED], BLANK, CLOSED),
    // A stack overflow.
    step(&[FRAMES], r"^Repeat \d+ times:|^-{32}", FRAMES),
    step(&[NEW], r"^(?:trce|dbug|info|warn|fail|crit): ", CONSOLE),
    step(&[CONSOLE], r"^ {6}", CONSOLE),
    step(&[NEW], r"^Unhandled [eE]xception[.:]|^(?:Fatal error|Process terminated)\. ", HEAD),
    step(&[NEW], r"^Stack overflow\.", HEAD),
    step(&[NEW], r"Exception(?: \([^)]*\))?(?::|\s*$)", HEAD),
    step(&[NEW], r"^(?:[A-Z]\w*\.)+[A-Z]\w*: ", HEAD),
];

//! Panics and fatal errors of Go, with the dumps of goroutines that empty lines part.

use super::{ALONE, BLANK, NEW, State, Step, step};

const HEAD: State = 1;
const FRAMES: State = 2;
/// An empty line, after which another goroutine may follow.
const GAP: State = 3;
const REGISTERS: State = 4;

pub(super) const STEPS: &[Step] = &[
    step(&[NEW], r"^(?:panic|fatal error|SIG[A-Z]+): |^unexpected fault address ", HEAD),
    step(&[NEW], r"^runtime: goroutine stack exceeds |http: panic serving ", HEAD),
    // A value of several lines, and a panic during another, are indented.
    step(&[HEAD], r"^\t", HEAD),
    step(&[HEAD], r"^(?:\[signal |fatal error: |runtime: |PC=0x|signal arrived )", HEAD),
    step(&[NEW, HEAD, GAP], r"^goroutine \d+ (?:[^\[\]]* )?\[[^\]]*\]:\s*$", FRAMES),
    step(&[GAP], r"^runtime stack:\s*$", FRAMES),
    step(&[FRAMES], r"^\t\S", FRAMES),
    step(&[FRAMES], r"^created by \S|^[^\s(]\S*\(.*\)\s*$", FRAMES),
    step(&[FRAMES], r"^\.\.\..*frames elided", FRAMES),
    step(&[HEAD, FRAMES], BLANK, GAP),
    step(&[GAP, REGISTERS], r"^[a-z][a-z0-9]{1,7} +0x[0-9a-f]+\s*$", REGISTERS),
    step(&[GAP, FRAMES, REGISTERS], r"^exit status \d+\s*$", ALONE),
];

//! Tracebacks of Python, with chained exceptions and exception groups.

use super::{BLANK, NEW, State, Step, step};

const FRAMES: State = 1;
/// The line that names the exception was there.
const FINAL: State = 2;
/// An empty line, after which a chained exception may follow.
const GAP: State = 3;
const CHAINED: State = 4;
const GROUP: State = 5;

pub(super) const STEPS: &[Step] = &[
    step(
        &[NEW, CHAINED],
        r"^\s*\+ Exception Group Traceback \(most recent call last\):\s*$",
        GROUP,
    ),
    step(&[NEW, CHAINED], r"Traceback \(most recent call last\):\s*$", FRAMES),
    // A syntax error in the program itself has no other beginning.
    step(&[NEW], r#"^\s+File "[^"]*", line \d+"#, FRAMES),
    step(&[FRAMES], r"^\s+\S", FRAMES),
    step(&[FRAMES], r"^[A-Za-z_][\w.<>]*(?::|:\s.*)?\s*$", FINAL),
    step(&[GROUP], r"^\s*[|+]|^\s+\S", GROUP),
    // What libraries print below the name: indented, or after marks of their own.
    step(&[FINAL], r"^\s+\S", FINAL),
    step(&[FINAL], r"^(?:\[SQL: |\[parameters: |\(Background on this error at: )", FINAL),
    step(&[FINAL], r"^(?:DETAIL|HINT|CONTEXT|LINE \d+): ", FINAL),
    step(&[FINAL, GROUP], BLANK, GAP),
    step(
        &[GAP],
        r"^(?:During handling of the above exception, another exception occurred|The above exception was the direct cause of the following exception):\s*$",
        CHAINED,
    ),
    step(&[CHAINED], BLANK, CHAINED),
];

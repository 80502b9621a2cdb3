//! Traces of the JVM: Java, Kotlin, Scala.

use super::{NEW, State, Step, step};

/// An exception was named.
const HEAD: State = 1;
const FRAMES: State = 2;

pub(super) const STEPS: &[Step] = &[
    step(&[NEW, HEAD, FRAMES], r"^\s+at \S", FRAMES),
    step(&[NEW, HEAD, FRAMES], r"^\s*\.\.\. \d+ (?:more|common frames omitted)", FRAMES),
    step(&[NEW, HEAD, FRAMES], r"^\s*(?:Caused by|Wrapped by|Suppressed): ", HEAD),
    step(&[HEAD, FRAMES], r"^\s*\[?CIRCULAR REFERENCE:", FRAMES),
    step(&[FRAMES], r"^\s+\(Coroutine boundary\)", FRAMES),
    // `RemoteException: …; nested exception is: `, and the nested one on a line of its own.
    step(&[HEAD], r"^\s+(?:[A-Za-z_]\w*\.)+[\w$]+(?::|\s*$)", HEAD),
    step(&[NEW], r#"^Exception in thread ""#, HEAD),
    step(&[NEW], r"^(?:[a-z_]\w*\.)+[A-Z][\w$]*(?::|\s*$)", HEAD),
    // Also at the end of a log line that says more.
    step(&[NEW], r"(?:Exception|Error|Throwable)(?::|\s*$)", HEAD),
];

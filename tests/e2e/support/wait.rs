//! The one place that lets time pass: tests wait for a condition, never for a time.

use std::thread;
use std::time::Duration;

use tailspool::clock;

/// Long enough for anything that works, on a busy machine too.
pub(crate) const GENEROUS: Duration = Duration::from_secs(90);

const STEP: Duration = Duration::from_millis(20);

/// What `look` finds, or `None` when it has found nothing within `limit`.
pub(crate) fn poll<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let started = clock::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if started.elapsed() > limit {
            return None;
        }
        thread::sleep(STEP);
    }
}

/// What `look` finds; the test fails if that takes longer than `limit`.
pub(crate) fn wait_for<T>(what: &str, limit: Duration, look: impl FnMut() -> Option<T>) -> T {
    poll(limit, look).unwrap_or_else(|| panic!("waited {limit:?} in vain for: {what}"))
}

pub(crate) fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    wait_for(what, limit, || holds().then_some(()));
}

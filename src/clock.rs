//! The one place that asks what time it is.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// For every deadline and age: never jumps.
#[allow(clippy::disallowed_methods, reason = "the one place")]
pub fn now() -> Instant {
    #[cfg(test)]
    return Instant::now() + ahead::of_thread();
    #[cfg(not(test))]
    Instant::now()
}

/// How long ago `earlier` was.
pub fn since(earlier: Instant) -> Duration {
    now().saturating_duration_since(earlier)
}

#[cfg(test)]
pub(crate) use ahead::advance;

/// For what people and files are told: may jump.
#[allow(clippy::disallowed_methods, reason = "the one place")]
pub fn wall() -> SystemTime {
    SystemTime::now()
}

/// Wall time in milliseconds since 1970, as Kafka and our files count it.
pub fn wall_ms() -> u64 {
    millis(wall())
}

/// The same as a record of Kafka has it.
pub fn unix_ms() -> i64 {
    wall_ms().cast_signed()
}

/// A wall time in milliseconds since 1970; 0 for anything before.
pub fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Lets a test's own thread be ahead of time. The wall is left alone: files are born by it.
#[cfg(test)]
mod ahead {
    use std::cell::Cell;
    use std::time::Duration;

    thread_local! {
        static AHEAD: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }

    pub(super) fn of_thread() -> Duration {
        AHEAD.get()
    }

    pub(crate) fn advance(by: Duration) {
        AHEAD.set(AHEAD.get() + by);
    }
}

//! What cannot be read: said once, and tried again after a while.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::lineage::Lineage;
use super::source::Source;
use super::{Step, descriptors};
use crate::clock;

/// How long after a failure opening or reading is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// Since when it cannot be read, and when it was last tried.
pub(super) struct Failing {
    since: Instant,
    tried_at: Instant,
}

impl Source {
    pub(super) fn failed(&mut self) {
        let now = clock::now();
        let failing = &mut self.seldom.note().failing;
        failing.get_or_insert(Failing { since: now, tried_at: now }).tried_at = now;
    }

    pub(super) fn worked(&mut self) {
        if let Some(facts) = self.seldom.noted() {
            facts.failing = None;
        }
    }

    /// How long it could not be read by now, while it is not to be tried again yet.
    pub(super) fn failing_for(&self) -> Option<Duration> {
        let Failing { since, tried_at } = *self.seldom.failing.as_ref()?;
        (clock::since(tried_at) < RETRY).then(|| clock::since(since))
    }
}

pub(super) fn failed(lineage: &mut Lineage, position: usize, error: io::Error) -> Step {
    let Some(source) = lineage.sources.get_mut(position) else { return Step::Worked };
    if descriptors::is_shortage(&error) {
        return Step::Short;
    }
    source.failed();
    if error.kind() == io::ErrorKind::NotFound {
        return Step::Missing;
    }
    let path = source.path.to_path_buf();
    say_unreadable(lineage, &[(path, error)]);
    Step::Worked
}

pub(super) fn say_unreadable(lineage: &mut Lineage, errors: &[(PathBuf, io::Error)]) {
    match errors.first() {
        Some((path, error)) if !lineage.is_unreadable => {
            tracing::warn!(path = %path.display(), %error, "cannot read a file; it is tried again");
            lineage.is_unreadable = true;
        }
        Some(_) => {}
        None => lineage.is_unreadable = false,
    }
}

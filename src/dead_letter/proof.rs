//! What the dead letters prove.

use crate::ledger::{Fate, Settlement, Ticket};

/// What `T` stood for is in the dead letters, and synced.
///
/// ```compile_fail,E0423
/// use tailspool::dead_letter::DeadLettered;
/// let forged = DeadLettered(());
/// ```
#[must_use]
#[derive(Debug)]
pub struct DeadLettered<T>(T);

impl<T> DeadLettered<T> {
    pub fn get(&self) -> &T {
        &self.0
    }

    pub fn into_inner(self) -> T {
        self.0
    }

    /// The same proof for what the token turns out to stand for.
    pub(crate) fn map<U>(self, part: impl FnOnce(T) -> U) -> DeadLettered<U> {
        DeadLettered(part(self.0))
    }

    /// Only after the sync.
    pub(super) fn synced(token: T) -> Self {
        Self(token)
    }

    /// For the tests of rooms that take this proof.
    #[cfg(test)]
    pub(crate) fn forged(load: T) -> Self {
        Self(load)
    }
}

impl Settlement for DeadLettered<Ticket> {
    fn into_parts(self) -> (Ticket, Fate) {
        (self.0, Fate::DeadLettered)
    }
}

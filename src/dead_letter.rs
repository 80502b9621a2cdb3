//! Records that Kafka will never take, kept where a person can read them.

use crate::ledger::{Fate, Settlement, Ticket};

/// What `T` stood for is in the dead letters, and synced.
#[must_use]
#[derive(Debug)]
pub struct DeadLettered<T>(T);

impl<T> DeadLettered<T> {
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl Settlement for DeadLettered<Ticket> {
    fn into_parts(self) -> (Ticket, Fate) {
        (self.0, Fate::DeadLettered)
    }
}

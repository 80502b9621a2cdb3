//! What a delivery report proves, what a hand-over, and about which records.

use crate::ledger::{Fate, Settlement, Ticket};
use crate::record::Run;

/// The broker has acknowledged what `T` stands for. Built only from a delivery report.
///
/// ```compile_fail,E0423
/// use tailspool::produce::Delivered;
/// let forged = Delivered(());
/// ```
#[must_use]
#[derive(Debug)]
pub struct Delivered<T>(T);

impl<T> Delivered<T> {
    pub fn get(&self) -> &T {
        &self.0
    }

    pub fn into_inner(self) -> T {
        self.0
    }

    /// For the tests of rooms that take this proof.
    #[cfg(test)]
    pub(crate) fn forged(load: T) -> Self {
        Self(load)
    }
}

impl Delivered<Run> {
    pub(super) fn reported(run: Run) -> Self {
        Self(run)
    }

    /// Uses up the proof for a run in favour of what rode in its slot. Only the flight table,
    /// which knows what that is, calls this.
    pub(crate) fn carry<T>(Self(_): Self, load: T) -> Delivered<T> {
        Delivered(load)
    }
}

/// These records were handed over, and are to count as sent. Built only from a hand-over.
///
/// ```compile_fail,E0423
/// use tailspool::produce::Unconfirmed;
/// fn forge(ticket: tailspool::ledger::Ticket) -> Unconfirmed {
///     Unconfirmed(ticket)
/// }
/// ```
#[must_use]
#[derive(Debug)]
pub struct Unconfirmed(Ticket);

impl Unconfirmed {
    pub(super) fn taken(ticket: Ticket) -> Self {
        Self(ticket)
    }
}

impl Settlement for Unconfirmed {
    fn into_parts(self) -> (Ticket, Fate) {
        (self.0, Fate::Unconfirmed)
    }
}

impl Settlement for Delivered<Ticket> {
    fn into_parts(self) -> (Ticket, Fate) {
        (self.0, Fate::Delivered)
    }
}

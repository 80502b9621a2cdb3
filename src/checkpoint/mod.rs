//! Where each source's place is kept over restarts, crashes and power cuts.
//!
//! A log of lines that each stand for themselves: a save appends what changed, a torn last line
//! is harmless, a damaged one costs that line, and a person can read it all. A place is only ever
//! taken from a [`Frontier`](crate::ledger::Frontier), so it cannot run ahead of what is durable.

mod change;
mod line;
mod log;
mod places;
mod recovery;
mod store;
mod writer;

#[cfg(test)]
mod tests;

pub use change::{Change, Forgotten, Restored, Saved};
pub use log::OpenError;
pub use store::{Checkpoints, SaveError, Settled, read_only};
pub use writer::{Refused, SaveReport, Writer};

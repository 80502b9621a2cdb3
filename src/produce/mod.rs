//! The only room that speaks to Kafka, and the only one that learns what became of a record.
//!
//! Records go in by the block ([`Producer::send`]) with a plain integer each; reports come back
//! as runs of such integers ([`Producer::hear`]), already counted together.

mod cause;
mod client;
mod context;
mod embedded;
mod hand_over;
mod loans;
mod login;
mod native;
mod proof;
mod properties;
mod questions;
mod reach;
mod sender;
mod statistics;
mod survey;
mod tap;
#[cfg(test)]
mod tests;
mod token;
mod trouble;

pub use cause::{Cause, Verdict};
pub use client::{CreateError, Handed, Producer, Scout, refusals};
pub use embedded::{Embedded, EmbeddedError};
pub use login::{LoginError, lacks_token};
pub use proof::{Delivered, Unconfirmed};
pub use questions::Unanswered;
pub use reach::{Certificate, Contact, ReachError, certificates_in, certificates_of, reach};
pub use sender::{Returned, Sender, Sent};
pub use statistics::Throttled;
pub use survey::{Survey, Written};
pub use tap::{Tap, TapError, Tapped};
pub use trouble::Trouble;

use crate::record::Run;
pub use properties::RECORD_OVERHEAD_BYTES;

/// What became of consecutive records of one slot.
#[must_use]
#[derive(Debug)]
pub enum Report {
    Delivered(Delivered<Run>),
    Undelivered { run: Run, cause: Cause },
}

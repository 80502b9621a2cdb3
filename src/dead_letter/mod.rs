//! Records that Kafka will never take, kept where a person can read them.
//!
//! One JSON object a line, in `dead-letters/dead-letters.jsonl`. A record counts as settled once
//! its line is synced; when there is no room it stays owed. Nothing is ever dropped here.

mod file;
mod letter;
mod proof;
mod reader;
mod writer;

#[cfg(test)]
mod tests;

pub use file::WriteError;
pub use letter::{Letter, Stored, Summary};
pub use proof::DeadLettered;
pub use reader::{Found, Listing, ReadError, Reader, ls, read};
pub use writer::{Refused, Report, Writer};

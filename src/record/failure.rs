//! What processors could not do.

use std::fmt;

use super::Offset;

/// Why a processor made nothing of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// `parse_json`: it is no object.
    NoObject,
    /// `parse_regex`: it does not match.
    NoMatch,
    /// `timestamp`: there is no such field.
    NoField,
    /// `timestamp`: what is there is no time, or not in this format.
    NoTime,
    /// What was found in it does not fit into a record beside it.
    NoRoom,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoObject => "parse_json: it is not a JSON object",
            Self::NoMatch => "parse_regex: the pattern does not match",
            Self::NoField => "timestamp: there is no such field",
            Self::NoTime => "timestamp: the field holds no time of this format",
            Self::NoRoom => "its fields do not fit into a record beside it",
        })
    }
}

/// Messages that a processor failed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed {
    pub failure: Failure,
    pub count: u32,
    /// Where the first of them begins.
    pub first: Offset,
}

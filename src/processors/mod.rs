//! What the processors of an input make of a message: fields beside it, and its time.
//!
//! Pure: whenever a message is read, the same becomes of it. Only a time without its year depends
//! on when that is, and nothing else depends on the time.

mod fields;
mod pattern;
#[cfg(test)]
mod tests;
mod timestamp;

use thiserror::Error;

pub use fields::{Fields, Value};
pub use pattern::Pattern;
use timestamp::Timestamp;
pub use timestamp::{Form, Zone};

use crate::record::Failure;
use crate::settings::{self, OnError};

/// Why a setting cannot be used. A configuration that was checked has none such.
#[derive(Debug, Error)]
pub enum Unusable {
    #[error("is not a regular expression: {0}")]
    Pattern(#[from] regex::Error),
    #[error("has no group with a name, `(?P<name>…)`, and gives no field")]
    NoGroup,
    #[error("is none of rfc3339, unix, unix_ms, a pattern such as %Y-%m-%d %H:%M:%S")]
    Form,
    #[error("can never give a time: {0}")]
    NoTime(String),
    #[error("is no time zone that this machine knows (tzdata)")]
    Zone,
}

/// Those of an input, compiled, in their order.
#[derive(Debug)]
pub struct Processors(Vec<Processor>);

#[derive(Debug)]
struct Processor {
    action: Action,
    on_error: OnError,
}

#[derive(Debug)]
enum Action {
    ParseJson,
    ParseRegex(Pattern),
    Timestamp(Timestamp),
}

/// A message.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    pub text: &'a [u8],
    /// There was more of it. What fails then is no fault of its own.
    pub is_cut: bool,
    /// When it was read, in nanoseconds since 1970.
    pub read_ns: i64,
}

/// What became of a message.
#[derive(Debug, Default)]
pub struct Processed<'a> {
    pub fields: Fields<'a>,
    /// What it says of when it was written, in nanoseconds since 1970.
    pub time_ns: Option<i64>,
    pub lot: Lot,
}

/// Whether a message becomes a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lot {
    #[default]
    Kept,
    Dropped,
    /// It goes to the dead letters.
    Buried(Failure),
}

impl Processors {
    pub fn of(settings: &[settings::Processor]) -> Result<Self, Unusable> {
        let processor = |settings: &settings::Processor| {
            let action = match &settings.action {
                settings::Action::ParseJson => Action::ParseJson,
                settings::Action::ParseRegex { pattern } => {
                    Action::ParseRegex(Pattern::new(pattern)?)
                }
                settings::Action::Timestamp { field, format, timezone } => {
                    let (form, zone) = (Form::new(format)?, Zone::new(timezone)?);
                    Action::Timestamp(Timestamp::new(field, form, zone))
                }
            };
            Ok(Processor { action, on_error: settings.on_error })
        };
        settings.iter().map(processor).collect::<Result<_, _>>().map(Self)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes a message through all of them, or up to the one that fails on it and has it go
    /// elsewhere.
    pub fn run<'a>(&'a self, given: &Given<'a>, mut fail: impl FnMut(Failure)) -> Processed<'a> {
        let mut made = Processed::default();
        for Processor { action, on_error } in &self.0 {
            let Err(failure) = action.apply(given, &mut made) else { continue };
            fail(failure);
            made.lot = match on_error {
                OnError::Drop if !given.is_cut => Lot::Dropped,
                OnError::DeadLetter if !given.is_cut => Lot::Buried(failure),
                OnError::Keep | OnError::Drop | OnError::DeadLetter => continue,
            };
            break;
        }
        made
    }
}

impl Action {
    fn apply<'a>(&'a self, given: &Given<'a>, made: &mut Processed<'a>) -> Result<(), Failure> {
        match self {
            Self::ParseJson => made.fields.add_json(given.text),
            Self::ParseRegex(pattern) => pattern.find(given.text, &mut made.fields),
            Self::Timestamp(timestamp) => {
                made.time_ns = Some(timestamp.read(&made.fields, given.read_ns)?);
                Ok(())
            }
        }
    }
}

//! What is done with the lines of an input: its settings, compiled.

use regex::bytes::RegexSet;
use thiserror::Error;

use super::join::Message;

use crate::container::Dialect;
use crate::decode::Encoding;
use crate::frame::{self, Delimiter, Rule};
use crate::multiline::{self, Rules};
use crate::processors::{Given, Processed, Processors, Unusable};
use crate::record::{Failure, Stream};
use crate::settings::{Format, Input, LongLine, Value};

/// What a line may take in its file beside what it becomes: framing of containers, all its
/// characters escaped or two bytes wide.
const FRAMED_MAX: usize = 6;
const FRAMING: usize = 64 * 1024;

/// A setting that cannot be compiled. A configuration that was checked has none.
#[derive(Debug, Error)]
pub enum RecipeError {
    #[error("use the pattern: {0}")]
    Pattern(#[from] regex::Error),
    #[error(transparent)]
    Multiline(#[from] multiline::Wrong),
    #[error("use a processor: it {0}")]
    Processor(#[from] Unusable),
}

/// One for all files of an input.
#[derive(Debug)]
pub struct Recipe {
    pub(super) encoding: Encoding,
    pub(super) dialect: Option<Dialect>,
    pub(super) multiline: Option<Rules>,
    pub(super) stream: Option<Stream>,
    include: Option<RegexSet>,
    exclude: RegexSet,
    skip_empty: bool,
    processors: Processors,
    /// Values are not messages.
    is_wrapped: bool,
    /// The most bytes of a record.
    pub(super) record_max: usize,
    pub(super) on_long_line: LongLine,
}

impl Recipe {
    /// Whether a pattern can be used.
    pub fn pattern(text: &str) -> Result<(), regex::Error> {
        regex::bytes::Regex::new(text).map(drop)
    }

    /// Nothing if the lines of an input are its records as they are.
    pub fn of(input: &Input, encoding: Encoding) -> Result<Option<Self>, RecipeError> {
        let dialect = match input.format {
            Format::Text | Format::Json => None,
            Format::Cri => Some(Dialect::Cri),
            Format::Docker => Some(Dialect::Docker),
            Format::Container => Some(Dialect::Detect),
        };
        let include = &input.include_lines;
        let recipe = Self {
            encoding,
            dialect,
            multiline: input.multiline.as_ref().map(Rules::new).transpose()?,
            stream: input.stream,
            include: (!include.is_empty()).then(|| RegexSet::new(include)).transpose()?,
            exclude: RegexSet::new(&input.exclude_lines)?,
            skip_empty: input.skip_empty,
            processors: Processors::of(&input.processors)?,
            is_wrapped: input.value != Value::Raw,
            record_max: input.max_line_bytes,
            on_long_line: input.on_long_line,
        };
        Ok((!recipe.is_plain()).then_some(recipe))
    }

    fn is_plain(&self) -> bool {
        let has_lines = self.dialect.is_none() && self.multiline.is_none();
        let wants_all = self.include.is_none() && self.exclude.is_empty() && !self.skip_empty;
        let are_bare = self.processors.is_empty() && !self.is_wrapped;
        has_lines && wants_all && self.encoding.is_utf8() && are_bare
    }

    /// How lines of an input are found in its files.
    pub fn rule(input: &Input, encoding: Encoding, recipe: Option<&Self>) -> Rule {
        let is_newline = input.delimiter == "\n";
        let carriage_return = if is_newline { encoding.delimiter("\r") } else { None };
        // What was checked can be written.
        let delimiter = encoding.delimiter(&input.delimiter).unwrap_or_else(|| b"\n".to_vec());
        let carriage_return = carriage_return.unwrap_or_default();
        let delimiter = Delimiter::new(delimiter, carriage_return, encoding.unit());
        let most = input.max_line_bytes;
        // Lines that are taken apart may be longer than what becomes of them.
        let line_max = recipe.map_or(most, |_| most.saturating_mul(FRAMED_MAX) + FRAMING);
        Rule { line_max, on_long_line: input.on_long_line, delimiter }
    }

    /// Whether a record takes more than the bytes of a line.
    pub(super) fn wants(&self, text: &[u8]) -> bool {
        let is_included = self.include.as_ref().is_none_or(|include| include.is_match(text));
        is_included && !(self.skip_empty && text.is_empty()) && !self.exclude.is_match(text)
    }

    /// What the processors make of a message, or of as much of it as a record may have.
    pub(super) fn process<'a>(
        &'a self,
        message: &'a Message<'_>,
        read_ns: i64,
        fail: impl FnMut(Failure),
    ) -> Processed<'a> {
        if self.processors.is_empty() {
            return Processed::default();
        }
        let (text, most) = (&*message.text, self.record_max);
        let kept = if text.len() > most { frame::whole_characters(text, most) } else { text.len() };
        let text = text.get(..kept).unwrap_or_default();
        let is_cut = message.length > kept as u64;
        self.processors.run(&Given { text, is_cut, read_ns }, fail)
    }

    /// The most that is kept of a message that waits. What is to be split is kept whole: its parts
    /// and its lines are bounded otherwise.
    pub(super) fn keep_max(&self) -> usize {
        match self.on_long_line {
            LongLine::Split => usize::MAX,
            // One more, so that it is known to be too long.
            LongLine::Truncate | LongLine::DeadLetter => self.record_max + 1,
        }
    }
}

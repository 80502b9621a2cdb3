//! Records as they come out of an assembly, on their way into blocks.

use std::ops::Range;

use super::join::Message;
use super::recipe::Recipe;
use crate::encode::{Encoder, Told, Written};
use crate::frame;
use crate::processors::{Lot, Processed};
use crate::record::{Ahead, Failure, Offset, Remarks, Stream, Tally};
use crate::settings::LongLine;

/// What becomes of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) encoder: Option<&'a Encoder>,
    pub(super) stream: Option<Stream>,
    /// When it was read.
    pub(super) read_ns: i64,
    /// What processors made of it.
    pub(super) processed: &'a Processed<'a>,
}

/// Where reading goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub offset: Offset,
    pub ahead: Ahead,
}

/// One record: `bytes[from..to]` of its [`Out`].
#[derive(Debug, Clone, Copy)]
pub struct Made {
    pub from: usize,
    pub to: usize,
    /// Where it ends in the source. The parts of a message that was split end just before its end.
    pub end: Offset,
    /// Where reading goes on after it.
    pub place: Place,
    pub remarks: Remarks,
    /// When it was written, if its line says so.
    pub time_ns: Option<i64>,
    /// Which of a container's outputs it came from.
    pub stream: Option<Stream>,
}

/// What came out.
#[derive(Debug, Default)]
pub struct Out {
    pub bytes: Vec<u8>,
    pub records: Vec<Made>,
    pub tally: Tally,
}

impl Out {
    /// The records in runs that may be one block each: what there is to be said of one is true of
    /// no other, and, if it matters, all came from one stream.
    pub fn runs(&self, by_stream: bool) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        let mut last: Option<&Made> = None;
        for (at, made) in self.records.iter().enumerate() {
            let joins = |last: &Made| {
                let are_bare = last.remarks.is_empty() && made.remarks.is_empty();
                are_bare && (!by_stream || last.stream == made.stream)
            };
            match runs.last_mut().filter(|_| last.is_some_and(joins)) {
                Some(run) => run.end = at + 1,
                None => runs.push(at..at + 1),
            }
            last = Some(made);
        }
        runs
    }

    /// A message becomes a record, or several: reading goes on at `before` until the last of them,
    /// and at `after` then.
    pub(super) fn push(
        &mut self,
        shape: &Shape<'_>,
        message: &Message<'_>,
        before: Place,
        after: Place,
    ) {
        let most = shape.recipe.record_max;
        let first = self.records.len();
        let mut rest = &*message.text;
        loop {
            let is_long = rest.len() > most;
            let piece = if is_long { frame::whole_characters(rest, most) } else { rest.len() };
            let (text, _) = rest.split_at(piece);
            let from = self.bytes.len();
            let kept = self.write(shape, message, text);
            let left = rest.get(kept..).unwrap_or_default();
            let is_split = shape.recipe.on_long_line == LongLine::Split && kept > 0;
            let goes_on = is_split && !left.is_empty();
            let is_cut = !is_split && (message.length > most as u64 || !left.is_empty());
            let remarks = Remarks {
                cut_from: is_cut.then_some(message.length),
                unfinished: message.is_unfinished && !goes_on,
                failed: match shape.processed.lot {
                    Lot::Buried(failure) => Some(failure),
                    Lot::Kept | Lot::Dropped => None,
                },
            };
            self.records.push(Made {
                from,
                to: self.bytes.len(),
                end: message.end,
                place: if goes_on { before } else { after },
                remarks,
                time_ns: shape.processed.time_ns.or(message.time_ns),
                stream: shape.stream,
            });
            if !goes_on {
                break;
            }
            rest = left;
        }
        // Each part has an end of its own, just before that of the last one. There are fewer of them
        // than bytes in a line, so no other record ends there.
        let parts = self.records.get_mut(first..).unwrap_or_default();
        for (part, later) in parts.iter_mut().rev().zip(0..) {
            part.end = Offset(message.end.0.saturating_sub(later));
        }
    }

    /// Appends the value; returns how much of the text is in it.
    fn write(&mut self, shape: &Shape<'_>, message: &Message<'_>, text: &[u8]) -> usize {
        let Some(encoder) = shape.encoder else {
            self.bytes.extend_from_slice(text);
            return text.len();
        };
        let Shape { stream, read_ns, processed: Processed { fields, time_ns, .. }, .. } = *shape;
        let time_ns = time_ns.or(message.time_ns).unwrap_or(read_ns);
        // Of what is split, the rest follows.
        let is_cut =
            shape.recipe.on_long_line != LongLine::Split && (message.length > text.len() as u64);
        let (start, is_event) = (message.start, message.is_event);
        let told = Told { message: text, fields, start, time_ns, stream, is_event, is_cut };
        let Written { kept, is_foreign, lacks_fields } = encoder.push(&mut self.bytes, &told);
        self.tally.unparsed += u32::from(is_foreign);
        if lacks_fields {
            self.tally.fail(Failure::NoRoom, start);
        }
        kept
    }
}

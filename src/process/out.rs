//! Records as they come out of an assembly, on their way into blocks.

use std::ops::Range;

use super::join::Message;
use super::recipe::Recipe;
use crate::frame::Delimiter;
use crate::record::{Ahead, Offset, Remarks, Tally};
use crate::settings::LongLine;

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
    /// no other.
    pub fn runs(&self) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        let mut is_open = false;
        for (at, made) in self.records.iter().enumerate() {
            match runs.last_mut().filter(|_| is_open && made.remarks.is_empty()) {
                Some(run) => run.end = at + 1,
                None => runs.push(at..at + 1),
            }
            is_open = made.remarks.is_empty();
        }
        runs
    }

    /// A message becomes a record, or several: reading goes on at `before` until the last of them,
    /// and at `place` after it.
    pub(super) fn push(
        &mut self,
        recipe: &Recipe,
        message: &Message<'_>,
        before: Place,
        place: Place,
    ) {
        let (text, most) = (&*message.text, recipe.record_max);
        if message.length <= most as u64 {
            return self.put(text, message, message.end, place, None);
        }
        let piece = |rest: &[u8]| Delimiter::newline().piece(rest, most);
        if recipe.on_long_line != LongLine::Split {
            let kept = text.get(..piece(text)).unwrap_or(text);
            return self.put(kept, message, message.end, place, Some(message.length));
        }
        let mut rest = text;
        while rest.len() > most {
            let (kept, more) = rest.split_at(piece(rest));
            // Each a name of its own, below that of the last one.
            let left = more.len().div_ceil(most) as u64;
            let end = Offset(message.end.0.saturating_sub(left).max(message.start.0 + 1));
            self.put(kept, message, end, before, None);
            rest = more;
        }
        self.put(rest, message, message.end, place, None);
    }

    fn put(
        &mut self,
        text: &[u8],
        message: &Message<'_>,
        end: Offset,
        place: Place,
        cut_from: Option<u64>,
    ) {
        let from = self.bytes.len();
        self.bytes.extend_from_slice(text);
        let to = self.bytes.len();
        let Message { is_unfinished: unfinished, time_ns, .. } = *message;
        let remarks = Remarks { cut_from, unfinished };
        self.records.push(Made { from, to, end, place, remarks, time_ns });
    }
}

//! From lines as they lie in a file to records: decoded, without their container's framing, parts
//! joined, events put together, without what nobody wants, with what processors find in them.
//!
//! Pure. What is not whole yet is kept here, within bounds, and can be thrown away at any time:
//! reading again from [`Assembly::place`] brings it back, and no record twice.

mod join;
mod out;
mod recipe;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use join::{Join, Message};
use out::Shape;
pub use out::{Made, Out, Place};
pub use recipe::{Recipe, RecipeError};

use crate::container::{self, Line};
use crate::decode::Decoded;
use crate::encode::Encoder;
use crate::ledger::{Fate, Settlement, Ticket};
use crate::multiline::{self, Flow};
use crate::processors::Lot;
use crate::record::{Ahead, Block, Mark, Offset, Remarks, Stream, Tally};
use crate::settings::LongLine;

/// Proof that a span of a file holds only lines that the operator does not want, or that are in
/// records already.
#[derive(Debug)]
pub struct Filtered(Ticket);

impl Filtered {
    /// The proof, if `block` is such a span and `ticket` its duty.
    pub fn of(block: &Block, ticket: Ticket) -> Result<Self, Ticket> {
        if block.is_empty() && block.source == ticket.source() {
            Ok(Self(ticket))
        } else {
            Err(ticket)
        }
    }
}

impl Settlement for Filtered {
    fn into_parts(self) -> (Ticket, Fate) {
        (self.0, Fate::Filtered)
    }
}

/// A line as it lies in its file, the delimiter taken off.
#[derive(Debug, Clone, Copy)]
pub struct Raw<'a> {
    pub bytes: &'a [u8],
    pub start: Offset,
    pub end: Offset,
    /// What is to be said of it already.
    pub remarks: Remarks,
}

/// What is to be given up waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// More lines of an event.
    Events,
    /// The rest of lines, too.
    All,
}

/// What one source has been read of and is not in a record yet.
#[derive(Debug)]
pub struct Assembly {
    recipe: Arc<Recipe>,
    encoder: Option<Arc<Encoder>>,
    streams: [Join; 2],
    /// When what is fed was read.
    read_ns: i64,
    /// What earlier runs made records of.
    skip: Ahead,
    out: Out,
}

impl Assembly {
    /// Goes on at a place; lines are fed from its offset on.
    pub fn resume(recipe: Arc<Recipe>, encoder: Option<Arc<Encoder>>, at: Mark) -> Self {
        let streams = at.ahead.0.map(Join::after);
        Self { recipe, encoder, streams, read_ns: 0, skip: at.ahead, out: Out::default() }
    }

    /// What is fed from now on was read at this time, in milliseconds since 1970.
    pub fn read_at(&mut self, ms: u64) {
        self.read_ns = i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    }

    /// Takes the next line. What is whole now is there to be taken.
    pub fn feed(&mut self, raw: &Raw<'_>) {
        let encoding = self.recipe.encoding;
        let is_head = raw.start == Offset::START && !encoding.is_utf8();
        let bytes = if is_head { encoding.without_bom(raw.bytes) } else { raw.bytes };
        let Decoded { text, is_malformed } = encoding.line(bytes);
        self.out.tally.malformed += u32::from(is_malformed);
        let parsed = self.recipe.dialect.map(|dialect| container::parse(&text, dialect));
        let (line, is_foreign) = match parsed {
            Some(Some(line)) => (line, false),
            Some(None) => (plain(&text), true),
            None => (plain(&text), false),
        };
        let at = index(line.stream);
        if self.skip.0.get(at).is_some_and(|done| raw.end <= *done) {
            return;
        }
        self.out.tally.unparsed += u32::from(is_foreign);
        if !is_foreign && self.recipe.stream.is_some_and(|wanted| wanted != line.stream) {
            self.out.tally.filtered += 1;
            return;
        }
        let message = Message {
            length: raw.remarks.cut_from.unwrap_or(line.message.len() as u64),
            text: line.message,
            start: raw.start,
            end: raw.end,
            time_ns: line.time_ns,
            is_unfinished: raw.remarks.unfinished,
            is_event: false,
        };
        self.piece(at, message, line.is_partial && !raw.remarks.unfinished);
    }

    /// A line that its container's runtime may have parted.
    fn piece(&mut self, at: usize, message: Message<'_>, is_partial: bool) {
        let keep = self.recipe.keep_max();
        let Some(join) = self.streams.get_mut(at) else { return };
        let is_full = |piece: &Message<'_>| {
            let length = piece.length + message.length;
            self.recipe.on_long_line == LongLine::Split && length > self.recipe.record_max as u64
        };
        if let Some(full) = join.piece.take_if(|piece| is_full(piece)) {
            self.message(at, full);
        }
        let Some(join) = self.streams.get_mut(at) else { return };
        if !is_partial && join.piece.is_none() {
            return self.message(at, message);
        }
        match &mut join.piece {
            Some(piece) => piece.add(b"", &message, keep),
            none @ None => *none = Some(message.kept(keep)),
        }
        if !is_partial && let Some(whole) = join.piece.take() {
            self.message(at, whole);
        }
    }

    /// A whole line, that may be one of several that make an event.
    fn message(&mut self, at: usize, message: Message<'_>) {
        let recipe = Arc::clone(&self.recipe);
        let Some(rules) = &recipe.multiline else {
            let fed = message.end;
            return self.emit(at, &message, fed);
        };
        let Some(join) = self.streams.get_mut(at) else { return };
        let border = multiline::see(rules, &mut join.flow, &message.text);
        if border.begins
            && let Some(event) = join.event.take()
        {
            self.emit(at, &event, message.start);
        }
        let Some(join) = self.streams.get_mut(at) else { return };
        let fed = message.end;
        match &mut join.event {
            Some(event) => event.add(b"\n", &message, recipe.keep_max()),
            none @ None => *none = Some(message.kept(recipe.keep_max())),
        }
        if border.ends
            && let Some(event) = join.event.take()
        {
            self.emit(at, &event, fed);
        }
    }

    /// What was whole has been read up to `fed`.
    fn emit(&mut self, at: usize, message: &Message<'_>, fed: Offset) {
        let before = self.place(message.start);
        if let Some(join) = self.streams.get_mut(at) {
            join.emitted = message.end;
        }
        if !self.recipe.wants(&message.text) {
            self.out.tally.filtered += 1;
            return;
        }
        let after = self.place(fed);
        let (read_ns, tally) = (self.read_ns, &mut self.out.tally);
        let fail = |failure| tally.fail(failure, message.start);
        let processed = self.recipe.process(message, read_ns, fail);
        if processed.lot == Lot::Dropped {
            tally.filtered += 1;
            tally.dropped += 1;
            return;
        }
        let shape = Shape {
            recipe: &self.recipe,
            encoder: self.encoder.as_deref(),
            stream: self.recipe.dialect.and(STREAMS.get(at).copied()),
            read_ns,
            processed: &processed,
        };
        self.out.push(&shape, message, before, after);
    }

    /// Makes records of what would wait for more, the older first.
    pub fn flush(&mut self, what: Flush) {
        if what == Flush::All {
            for at in self.order(|join| join.piece.as_ref()) {
                let piece = self.streams.get_mut(at).and_then(|join| join.piece.take());
                if let Some(piece) = piece {
                    self.message(at, Message { is_unfinished: true, ..piece });
                }
            }
        }
        for at in self.order(|join| join.event.as_ref()) {
            let Some(join) = self.streams.get_mut(at) else { continue };
            join.flow = Flow::default();
            if let Some(event) = join.event.take() {
                let fed = event.end;
                self.emit(at, &event, fed);
            }
        }
    }

    /// The streams, by where something of them begins.
    fn order(&self, of: impl Fn(&Join) -> Option<&Message<'static>>) -> [usize; 2] {
        let [first, second] =
            self.streams.each_ref().map(|join| of(join).map(|message| message.start));
        if second < first { [1, 0] } else { [0, 1] }
    }

    /// From where to read again when all up to `fed` was: the beginning of what is not whole.
    pub fn place(&self, fed: Offset) -> Place {
        let begins = self.streams.iter().filter_map(Join::begins);
        let offset = begins.fold(fed, Offset::min);
        let ahead = |join: &Join| if join.emitted > offset { join.emitted } else { Offset::START };
        Place { offset, ahead: Ahead(self.streams.each_ref().map(ahead)) }
    }

    /// What came out since this was last asked.
    pub fn take(&mut self) -> Out {
        std::mem::take(&mut self.out)
    }

    /// Puts back what could not be told yet: no records.
    pub fn put_back(&mut self, tally: Tally) {
        self.out.tally = tally;
    }

    /// Whether lines wait for more lines of their event.
    pub fn has_event(&self) -> bool {
        self.streams.iter().any(|join| join.event.is_some())
    }

    /// Whether anything waits for more.
    pub fn is_pending(&self) -> bool {
        self.streams.iter().any(|join| join.begins().is_some())
    }

    /// The memory that what waits takes.
    pub fn bytes(&self) -> usize {
        self.streams.iter().map(Join::bytes).sum()
    }
}

fn plain(text: &[u8]) -> Line<'_> {
    let message = Cow::Borrowed(text);
    Line { message, stream: Stream::Stdout, time_ns: None, is_partial: false }
}

const STREAMS: [Stream; 2] = [Stream::Stdout, Stream::Stderr];

fn index(stream: Stream) -> usize {
    match stream {
        Stream::Stdout => 0,
        Stream::Stderr => 1,
    }
}

//! The next block of a source.

use std::io;
use std::sync::Arc;

use super::content::Content;
use super::hole::{self, Hole};
use super::identity;
use super::source::Source;
use crate::budget::{Budget, Permit};
use crate::clock;
use crate::frame::{self, Rule, Stop};
use crate::process::{Flush, Raw};
use crate::record::{Anchor, Block, Buffer, Mark, Offset, Remarks, Slice, Tally, Times};
use crate::settings::LongLine;

/// The most bytes of one read, and so of one block that is not a single long line.
pub(super) const READ_MAX: usize = 256 * 1024;
/// Reads do not get smaller than 4 KiB.
const HALVINGS_MAX: u8 = 6;
const READ_MIN: usize = READ_MAX >> HALVINGS_MAX;
/// A read asks for eight times its bytes, as if they were very short lines. That is an eighth of what
/// its budget can have at most, which the ship leaves free of what it cannot get back.
const REACH_PER_BYTE: usize = 64;
/// How much of a long line is searched for its end in one turn.
pub(super) const SEARCH_MAX: usize = 4 * 1024 * 1024;
/// What any record costs beside its bytes: librdkafka's share, and our slice and its proof.
const RECORD_COST: usize = 192 + Block::RECORD_BYTES;

/// What one attempt to read a block brought.
#[derive(Debug)]
pub(super) enum Read {
    Block(Box<Block>),
    /// What became whole, in order; nothing, if all of it waits for more.
    Blocks(Vec<Block>),
    /// Progress, but no block yet: a long line is being searched for its end.
    Searching,
    /// Nothing whole is left; there may be the beginning of a line.
    AtEnd,
    /// The memory budget is used up.
    Starved,
    /// The file is not what it was: truncated, perhaps written again.
    Truncated,
}

/// Lines as they lie in the file, one behind the other from where reading stands.
struct Lines {
    bytes: Vec<u8>,
    lines: Vec<Slice>,
    /// How many bytes of the file they stand for.
    consumed: u64,
    /// What is to be said of the one line.
    remarks: Remarks,
}

/// The most records of a block made from so many bytes. Bounds what empty lines cost, so that
/// it can be paid before they are counted.
fn records_max(bytes: usize) -> usize {
    64 + bytes / 32
}

/// How often a read is halved and still holds so many bytes. What stands behind a line that is cut
/// is read again: it is to be little.
fn halvings(bytes: usize) -> u8 {
    let fits = |halvings: &u8| READ_MAX >> halvings >= bytes;
    (1..=HALVINGS_MAX).rev().find(fits).unwrap_or(0)
}

impl Source {
    /// Reads on. The file must be open, and [`Source::refresh`]ed.
    pub(super) fn read(&mut self, rule: &Rule, budget: &Budget) -> io::Result<Read> {
        if !self.is_intact()? {
            return Ok(Read::Truncated);
        }
        self.reads();
        self.wake();
        match self.seldom.hole {
            _ if !self.has_news() => Ok(Read::AtEnd),
            Hole::Open(_) => self.pass_hole(rule),
            _ if self.searched > self.text_start() => self.search(rule, budget),
            Hole::None | Hole::Over(_) => self.read_lines(rule, budget),
        }
    }

    /// What there is of a line whose end will not come.
    pub(super) fn read_partial(&mut self, rule: &Rule, budget: &Budget) -> io::Result<Read> {
        if !self.is_intact()? {
            return Ok(Read::Truncated);
        }
        self.reads();
        if self.wake() {
            return Ok(Read::Searching);
        }
        if self.unread() == 0 {
            return Ok(self.give_out(Flush::All, budget));
        }
        let mut read = self.long_line(rule, budget, self.unread(), false)?;
        if let Read::Blocks(blocks) = &mut read
            && let Read::Blocks(last) = self.give_out(Flush::All, budget)
        {
            blocks.extend(last);
        }
        Ok(read)
    }

    /// What would wait for more lines of its event will not.
    pub(super) fn end_events(&mut self, _: &Rule, budget: &Budget) -> io::Result<Read> {
        if !self.is_intact()? {
            return Ok(Read::Truncated);
        }
        Ok(self.give_out(Flush::Events, budget))
    }

    fn read_lines(&mut self, rule: &Rule, budget: &Budget) -> io::Result<Read> {
        let most = READ_MAX >> self.halvings;
        let most = most.min(budget.reach() / REACH_PER_BYTE).max(READ_MIN);
        let want = usize::try_from(self.unread()).unwrap_or(most).min(most);
        // What each carries may cost far more than it does itself.
        let most = (records_max(want) * RECORD_COST / self.record_cost()).max(1);
        let Some(permit) = budget.try_take(self.cost(want, most)) else {
            return Ok(Read::Starved);
        };
        let mut bytes = self.bytes(self.text_start(), want)?;
        if self.meets_hole(&bytes, rule)? {
            return self.pass_hole(rule);
        }
        let mut records = Vec::new();
        let framed = frame::lines(&bytes, rule, most, &mut records);
        hole::up_to_hole(&bytes, rule, &mut records);
        self.halvings = match framed.stop {
            Stop::Long { whole, .. } => halvings(whole),
            Stop::End => self.halvings.saturating_sub(1),
        };
        if records.is_empty() {
            return match framed.stop {
                Stop::Long { length, whole } => self.cut(rule, length as u64, whole as u64, permit),
                Stop::End => {
                    self.searched = self.text_start() + bytes.len() as u64;
                    let more = bytes.len() == want && self.size > self.searched;
                    Ok(if more { Read::Searching } else { Read::AtEnd })
                }
            };
        }
        let consumed = records.last().map_or(0, |last| last.end);
        bytes.truncate(usize::try_from(consumed).unwrap_or(framed.consumed));
        // What is not used of a buffer would be paid for until the block has settled.
        if bytes.capacity() > 2 * bytes.len() {
            bytes.shrink_to_fit();
        }
        let lines = Lines { bytes, lines: records, consumed, remarks: Remarks::default() };
        self.take(lines, permit)
    }

    /// Looks for the end of a line that did not fit into one read, or was not there yet.
    fn search(&mut self, rule: &Rule, budget: &Budget) -> io::Result<Read> {
        let until = self.size.min(self.searched + SEARCH_MAX as u64);
        while self.searched < until {
            let from = rule.delimiter.search_from(self.searched - self.text_start());
            let from = self.text_start() + from;
            let want = usize::try_from(until - from).unwrap_or(READ_MAX).min(READ_MAX);
            let bytes = self.bytes(from, want)?;
            if let Some(delimiter) = rule.delimiter.find(&bytes) {
                let end = from + delimiter as u64;
                return self.long_line(rule, budget, end - self.text_start(), true);
            }
            let searched = from + bytes.len() as u64;
            if searched <= self.searched {
                break;
            }
            self.searched = searched;
            let length = self.searched - self.text_start();
            if rule.on_long_line == LongLine::Split && length > frame::split_above(rule) as u64 {
                return self.long_line(rule, budget, length, false);
            }
        }
        Ok(if self.size > self.searched { Read::Searching } else { Read::AtEnd })
    }

    /// The next `length` bytes are a line, or the beginning of one that has not `ended`.
    fn long_line(
        &mut self,
        rule: &Rule,
        budget: &Budget,
        length: u64,
        ended: bool,
    ) -> io::Result<Read> {
        let kept = usize::try_from(length).unwrap_or(usize::MAX).min(rule.line_max);
        let Some(permit) = budget.try_take(self.cost(kept, 1)) else {
            return Ok(Read::Starved);
        };
        let text = if ended { self.without_return(rule, length)? } else { length };
        if text > rule.line_max as u64 && rule.on_long_line == LongLine::Split {
            return self.one(rule, rule.line_max as u64, None, permit);
        }
        let delimiter = if ended { rule.delimiter.width() as u64 } else { 0 };
        self.cut(rule, text, length + delimiter, permit)
    }

    /// The length of a line without the carriage return that belongs to its delimiter.
    fn without_return(&self, rule: &Rule, length: u64) -> io::Result<u64> {
        let tail = length.min(8);
        let end =
            self.bytes(self.text_start() + length - tail, usize::try_from(tail).unwrap_or(8))?;
        Ok(length - (end.len() - rule.delimiter.trim(&end, end.len())) as u64)
    }

    /// One line as one record, cut if it is longer than it may be.
    fn cut(&mut self, rule: &Rule, length: u64, whole: u64, permit: Permit) -> io::Result<Read> {
        let cut_from = (length > rule.line_max as u64).then_some(length);
        // A line that has its end is longer in the file than in its record.
        let remarks = Remarks { cut_from, unfinished: whole == length, ..Remarks::default() };
        self.one(rule, length, Some((whole, remarks)), permit)
    }

    /// The next `length` bytes are a line, of which no more is taken than may be. It stands for
    /// `whole` bytes of the file; if that is not said, for what is taken.
    fn one(
        &mut self,
        rule: &Rule,
        length: u64,
        whole: Option<(u64, Remarks)>,
        permit: Permit,
    ) -> io::Result<Read> {
        let kept = usize::try_from(length).unwrap_or(usize::MAX).min(rule.line_max);
        // One more, to see whether a character ends there.
        let mut bytes = self.bytes(self.text_start(), kept + 1)?;
        if bytes.len() < kept {
            return Ok(Read::Truncated);
        }
        let is_piece = whole.is_none_or(|(_, remarks)| remarks.cut_from.is_some());
        let kept = if is_piece { rule.delimiter.piece(&bytes, kept) } else { kept };
        bytes.truncate(kept);
        if rule.delimiter.find(&bytes).is_some() {
            // What was searched is no longer what is there.
            self.search_again();
            self.is_stirred = true;
            return Ok(Read::Searching);
        }
        let (consumed, remarks) = whole.unwrap_or((kept as u64, Remarks::default()));
        let to = u32::try_from(kept).unwrap_or(u32::MAX);
        let lines = vec![Slice { from: 0, to, end: consumed }];
        self.take(Lines { bytes, lines, consumed, remarks }, permit)
    }

    /// Makes a block of lines, or what the input's recipe makes of them.
    fn take(&mut self, mut lines: Lines, permit: Permit) -> io::Result<Read> {
        let start = self.at;
        let (hole, text) = (self.seldom.hole.len(), Offset(self.text_start()));
        let Some(anchor) = self.anchor_after(&lines.bytes, text, lines.consumed)? else {
            return Ok(Read::Truncated);
        };
        let end = Mark::new(text.advance(lines.consumed), anchor);
        // A hole is settled along with the line behind it.
        lines.lines.iter_mut().for_each(|line| line.end += hole);
        if hole > 0 {
            self.seldom.note().skipped += hole;
        }
        let Some(assembly) = &mut self.assembly else {
            self.advance(end);
            return Ok(Read::Block(Box::new(self.block(lines, start, end, permit))));
        };
        let mut from = start.offset;
        for line in &lines.lines {
            let end = start.offset.advance(line.end);
            let bytes = lines.bytes.get(line.from as usize..line.to as usize);
            let bytes = bytes.unwrap_or_default();
            assembly.feed(&Raw { bytes, start: from, end, remarks: lines.remarks });
            from = end;
        }
        self.advance(end);
        Ok(Read::Blocks(self.blocks(Some((text, &lines.bytes)), permit)))
    }

    /// What waits does so no longer.
    fn give_out(&mut self, what: Flush, budget: &Budget) -> Read {
        let cost = self.cost(self.pending_bytes(), 1);
        let Some(assembly) = &mut self.assembly else { return Read::AtEnd };
        let Some(permit) = budget.try_take(cost) else {
            return Read::Starved;
        };
        assembly.flush(what);
        Read::Blocks(self.blocks(None, permit))
    }

    fn block(&self, lines: Lines, start: Mark, end: Mark, mut permit: Permit) -> Block {
        let Lines { bytes, lines: records, remarks, .. } = lines;
        permit.resize(self.cost(bytes.capacity(), records.len()));
        let bytes = Arc::new(Buffer::new(bytes, &mut permit));
        let (source, read_at) = (self.id, self.read_at().unwrap_or_else(clock::now));
        let (is_ragged, tally) = (false, Tally::default());
        let label = self.label.clone();
        let times = Times::Read(clock::unix_ms());
        Block {
            source,
            start,
            end,
            bytes,
            records,
            is_ragged,
            tally,
            label,
            remarks,
            times,
            read_at,
            permit,
        }
    }

    /// What a block of its records costs.
    pub(super) fn cost(&self, bytes: usize, records: usize) -> usize {
        Block::OVERHEAD_BYTES + bytes + records * self.record_cost()
    }

    /// What one of its records costs beside its bytes.
    fn record_cost(&self) -> usize {
        RECORD_COST + self.label.cost()
    }

    /// The anchor of the place `consumed` bytes on; none if the file ends before it.
    fn anchor_after(
        &self,
        bytes: &[u8],
        start: Offset,
        consumed: u64,
    ) -> io::Result<Option<Anchor>> {
        let covered = usize::try_from(consumed).ok().and_then(|end| bytes.get(..end));
        if let Some(before) = covered
            && before.len() >= Anchor::WINDOW
        {
            return Ok(Some(identity::anchor_of(before)));
        }
        let Some(file) = &self.file else { return Ok(None) };
        identity::anchor_at(file, start.advance(consumed))
    }

    /// The first two bytes of the file, if it has so many.
    pub(super) fn begins(&self) -> Option<[u8; 2]> {
        self.bytes(0, 2).ok()?.try_into().ok()
    }

    /// Up to `want` bytes from `offset`; fewer only at the end of the file.
    pub(super) fn bytes(&self, offset: u64, want: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(want);
        let file = match self.content() {
            Some(Content::Plain(file)) => file,
            Some(content @ Content::Packed(_)) => {
                bytes.resize(want, 0);
                let read = content.read_up_to(&mut bytes, offset)?;
                bytes.truncate(read);
                return Ok(bytes);
            }
            None => return Ok(bytes),
        };
        while bytes.len() < want {
            let at = offset + bytes.len() as u64;
            match rustix::io::pread(file, rustix::buffer::spare_capacity(&mut bytes), at) {
                Ok(0) => break,
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        bytes.truncate(want);
        Ok(bytes)
    }
}

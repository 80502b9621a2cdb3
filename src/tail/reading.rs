//! The next block of a source.

use std::io;

use memchr::memchr;

use super::identity;
use super::source::Source;
use crate::budget::{Budget, Permit};
use crate::clock;
use crate::frame::{self, Rule, Stop};
use crate::record::{Anchor, Block, Mark, Offset, Remarks, Slice};
use crate::settings::LongLine;

/// The most bytes of one read, and so of one block that is not a single long line.
const READ_MAX: usize = 256 * 1024;
/// How much of a long line is searched for its end in one turn.
const SEARCH_MAX: usize = 4 * 1024 * 1024;
/// What any record costs beside its bytes: librdkafka's share, and our slice and its proof.
const RECORD_COST: usize = 192 + 24;

/// What one attempt to read a block brought.
#[derive(Debug)]
pub(super) enum Read {
    Block(Block),
    /// Progress, but no block yet: a long line is being searched for its end.
    Searching,
    /// Nothing whole is left; there may be the beginning of a line.
    AtEnd,
    /// The memory budget is used up.
    Starved,
    /// The file is not what it was: truncated, perhaps written again.
    Truncated,
}

/// The most records of a block made from so many bytes. Bounds what empty lines cost, so that
/// it can be paid before they are counted.
fn records_max(bytes: usize) -> usize {
    64 + bytes / 32
}

impl Source {
    /// Reads on. The file must be open, and [`Source::refresh`]ed.
    pub(super) fn read(&mut self, rule: Rule, budget: &Budget) -> io::Result<Read> {
        if !self.is_intact()? {
            return Ok(Read::Truncated);
        }
        self.read_at = Some(clock::now());
        match self.searched > self.at.offset.0 {
            _ if !self.has_news() => Ok(Read::AtEnd),
            true => self.search(rule, budget),
            false => self.read_lines(rule, budget),
        }
    }

    /// What there is of a line whose end will not come.
    pub(super) fn read_partial(&mut self, rule: Rule, budget: &Budget) -> io::Result<Read> {
        if !self.is_intact()? {
            return Ok(Read::Truncated);
        }
        self.read_at = Some(clock::now());
        self.long_line(rule, budget, self.unread(), false)
    }

    fn read_lines(&mut self, rule: Rule, budget: &Budget) -> io::Result<Read> {
        let want = usize::try_from(self.unread()).unwrap_or(READ_MAX).min(READ_MAX);
        // What each carries may cost far more than it does itself.
        let most = (records_max(want) * RECORD_COST / self.record_cost()).max(1);
        let Some(permit) = budget.try_take(2 * want + most * self.record_cost()) else {
            return Ok(Read::Starved);
        };
        let mut bytes = self.bytes(self.at.offset.0, want)?;
        let mut records = Vec::new();
        let framed = frame::lines(&bytes, rule, most, &mut records);
        if records.is_empty() {
            return match framed.stop {
                Stop::Long { length, whole } => self.cut(rule, length as u64, whole as u64, permit),
                Stop::End => {
                    self.searched = self.at.offset.0 + bytes.len() as u64;
                    let more = bytes.len() == want && self.size > self.searched;
                    Ok(if more { Read::Searching } else { Read::AtEnd })
                }
            };
        }
        bytes.truncate(framed.consumed);
        // What is not used of a buffer would be paid for until the block has settled.
        if bytes.capacity() > 2 * bytes.len() {
            bytes.shrink_to_fit();
        }
        self.block(bytes, records, framed.consumed as u64, Remarks::default(), permit)
    }

    /// Looks for the end of a line that did not fit into one read, or was not there yet.
    fn search(&mut self, rule: Rule, budget: &Budget) -> io::Result<Read> {
        let until = self.size.min(self.searched + SEARCH_MAX as u64);
        while self.searched < until {
            let want = usize::try_from(until - self.searched).unwrap_or(READ_MAX).min(READ_MAX);
            let bytes = self.bytes(self.searched, want)?;
            if let Some(newline) = memchr(b'\n', &bytes) {
                let end = self.searched + newline as u64;
                return self.long_line(rule, budget, end - self.at.offset.0, true);
            }
            if bytes.is_empty() {
                break;
            }
            self.searched += bytes.len() as u64;
            let length = self.searched - self.at.offset.0;
            // One byte more than a piece must be there: see `frame`.
            if rule.on_long_line == LongLine::Split && length > rule.line_max as u64 + 1 {
                return self.long_line(rule, budget, length, false);
            }
        }
        Ok(if self.size > self.searched { Read::Searching } else { Read::AtEnd })
    }

    /// The next `length` bytes are a line, or the beginning of one that has not `ended`.
    fn long_line(
        &mut self,
        rule: Rule,
        budget: &Budget,
        length: u64,
        ended: bool,
    ) -> io::Result<Read> {
        let kept = usize::try_from(length).unwrap_or(usize::MAX).min(rule.line_max);
        let Some(permit) = budget.try_take(2 * kept + self.record_cost()) else {
            return Ok(Read::Starved);
        };
        let text = match length.checked_sub(1).filter(|_| ended) {
            Some(last) if self.bytes(self.at.offset.0 + last, 1)? == b"\r" => last,
            _ => length,
        };
        if text > rule.line_max as u64 && rule.on_long_line == LongLine::Split {
            let kept = rule.line_max;
            return self.one(kept, kept as u64, Remarks::default(), permit);
        }
        self.cut(rule, text, length + u64::from(ended), permit)
    }

    /// One line as one record, cut if it is longer than it may be.
    fn cut(&mut self, rule: Rule, length: u64, whole: u64, permit: Permit) -> io::Result<Read> {
        let cut_from = (length > rule.line_max as u64).then_some(length);
        let kept = usize::try_from(length).unwrap_or(usize::MAX).min(rule.line_max);
        // A line that has its end is longer in the file than in its record.
        let remarks = Remarks { cut_from, unfinished: whole == length };
        self.one(kept, whole, remarks, permit)
    }

    /// A block of one record: the next `kept` bytes, standing for `whole` bytes of the file.
    fn one(
        &mut self,
        kept: usize,
        whole: u64,
        remarks: Remarks,
        permit: Permit,
    ) -> io::Result<Read> {
        let bytes = self.bytes(self.at.offset.0, kept)?;
        if bytes.len() < kept {
            return Ok(Read::Truncated);
        }
        if memchr(b'\n', &bytes).is_some() {
            // What was searched is no longer what is there.
            self.searched = self.at.offset.0;
            self.is_stirred = true;
            return Ok(Read::Searching);
        }
        let to = u32::try_from(kept).unwrap_or(u32::MAX);
        let records = vec![Slice { from: 0, to, end: whole }];
        self.block(bytes, records, whole, remarks, permit)
    }

    fn block(
        &mut self,
        bytes: Vec<u8>,
        records: Vec<Slice>,
        consumed: u64,
        remarks: Remarks,
        mut permit: Permit,
    ) -> io::Result<Read> {
        let start = self.at;
        let Some(anchor) = self.anchor_after(&bytes, start.offset, consumed)? else {
            return Ok(Read::Truncated);
        };
        let end = Mark { offset: start.offset.advance(consumed), anchor };
        self.advance(end);
        permit.resize(bytes.capacity() + bytes.len() + records.len() * self.record_cost());
        let read_at = self.read_at.unwrap_or_else(clock::now);
        let (source, label) = (self.id, self.label.clone());
        let block = Block { source, start, end, bytes, records, label, remarks, read_at, permit };
        Ok(Read::Block(block))
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

    /// Up to `want` bytes from `offset`; fewer only at the end of the file.
    fn bytes(&self, offset: u64, want: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(want);
        let Some(file) = &self.file else { return Ok(bytes) };
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

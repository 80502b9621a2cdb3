//! NULs that nobody wrote: what is left where a file was truncated under a writer that kept its
//! offset, or was made longer before it is written.
//!
//! [`HOLE_MIN`] NULs or more where a line begins are a hole. One that something follows is passed
//! over; at the end of a file nothing is there yet. It goes by the bytes alone, so that a copy,
//! or the same file read again, makes the same records; what the file system knows of holes only
//! saves reading them. NULs inside a line, and fewer of them, are a line's.

use std::io;
use std::os::fd::AsFd as _;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::Event;
use super::content::Content;
use super::reading::{READ_MAX, Read, SEARCH_MAX};
use super::source::Source;
use crate::frame::Rule;
use crate::record::Slice;

/// More than any line begins with by itself: UTF-32 and lengths before binary records have up
/// to seven. Fewer stay in front of a line, which harms nobody.
pub(super) const HOLE_MIN: usize = 64;

/// What is known of the NULs at a source's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Hole {
    #[default]
    None,
    /// So many by now, up to what was searched: too few, or more may follow.
    Open(u64),
    /// So many, and then something else.
    Over(u64),
}

impl Hole {
    /// What is passed over.
    pub(super) fn len(self) -> u64 {
        match self {
            Self::Open(nuls) if nuls < HOLE_MIN as u64 => 0,
            Self::None => 0,
            Self::Open(nuls) | Self::Over(nuls) => nuls,
        }
    }
}

impl Source {
    /// Where the text of the next record begins: our place, or behind the hole there.
    pub(super) fn text_start(&self) -> u64 {
        self.at.offset.0 + self.seldom.hole.len()
    }

    /// What was passed over since this was last asked.
    pub(super) fn skipped(&mut self) -> Option<Event> {
        if self.seldom.skipped == 0 {
            return None;
        }
        let bytes = std::mem::take(&mut self.seldom.note().skipped);
        tracing::info!(path = %self.path.display(), bytes, "a hole in a file was passed over");
        Some(Event::Skipped { source: self.id, bytes })
    }

    /// Forgets what was found behind our place.
    pub(super) fn search_again(&mut self) {
        self.searched = self.at.offset.0;
        if let Some(facts) = self.seldom.noted() {
            facts.hole = Hole::None;
        }
    }

    /// Whether `bytes`, which stand at our place, may begin with a hole.
    pub(super) fn meets_hole(&self, bytes: &[u8], rule: &Rule) -> io::Result<bool> {
        Ok(self.seldom.hole == Hole::None
            && may_be_hole(bytes)
            && !rule.delimiter.is_nul()
            && self.is_at_line_start(rule)?)
    }

    /// What was left unfinished may have been taken for a line of its own.
    fn is_at_line_start(&self, rule: &Rule) -> io::Result<bool> {
        let width = rule.delimiter.width();
        let Some(before) = self.at.offset.0.checked_sub(width as u64) else {
            return Ok(self.at.offset.0 == 0);
        };
        Ok(rule.delimiter.ends(&self.bytes(before, width)?))
    }

    /// Looks for the end of the NULs at our place.
    pub(super) fn pass_hole(&mut self, rule: &Rule) -> io::Result<Read> {
        let start = self.at.offset.0;
        let mut at = match self.seldom.hole {
            Hole::Open(nuls) => start + nuls,
            Hole::None | Hole::Over(_) => start,
        };
        let mut left = SEARCH_MAX;
        while left > 0 && at < self.size {
            at = self.data_from(at)?.min(self.size);
            let want = usize::try_from(self.size - at).unwrap_or(left).min(left).min(READ_MAX);
            let bytes = self.bytes(at, want)?;
            let nuls = nuls_of(&bytes);
            at += nuls as u64;
            if nuls < bytes.len() {
                return Ok(self.found_end(rule.delimiter.in_step(at - start)));
            }
            if nuls < want {
                break;
            }
            left -= nuls;
        }
        self.seldom.note().hole = Hole::Open(at - start);
        self.searched = at;
        Ok(if at < self.size { Read::Searching } else { Read::AtEnd })
    }

    fn found_end(&mut self, nuls: u64) -> Read {
        self.search_again();
        if nuls >= HOLE_MIN as u64 {
            self.seldom.note().hole = Hole::Over(nuls);
            self.searched = self.text_start();
        }
        Read::Searching
    }

    /// The next place from `offset` on that is not a hole to the file system: the end of the file
    /// if there is none, `offset` itself where that cannot be told.
    fn data_from(&self, offset: u64) -> io::Result<u64> {
        // What was compressed has no holes left, only NULs.
        let Some(Content::Plain(file)) = self.content() else { return Ok(offset) };
        match rustix::fs::seek(file.as_fd(), SeekFrom::Data(offset)) {
            Ok(data) => Ok(data.max(offset)),
            Err(Errno::NXIO) => Ok(self.size.max(offset)),
            Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(offset),
            Err(error) => Err(error.into()),
        }
    }
}

/// Leaves out the records from the first on that may begin with a hole; the next read begins
/// there.
pub(super) fn up_to_hole(bytes: &[u8], rule: &Rule, records: &mut Vec<Slice>) {
    let begins_with_nul = |slice: &Slice| bytes.get(slice.from as usize) == Some(&0);
    let is_hole = |slice: &Slice| {
        let from = slice.from as usize;
        rule.delimiter.ends(bytes.get(..from).unwrap_or_default())
            && may_be_hole(bytes.get(from..).unwrap_or_default())
            && !rule.delimiter.is_nul()
    };
    if let Some(first) = records.iter().position(|slice| begins_with_nul(slice) && is_hole(slice)) {
        records.truncate(first);
    }
}

/// Enough NULs, or nothing else up to the end.
fn may_be_hole(bytes: &[u8]) -> bool {
    let first = bytes.get(..bytes.len().min(HOLE_MIN)).unwrap_or_default();
    !first.is_empty() && nuls_of(first) == first.len()
}

fn nuls_of(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len())
}

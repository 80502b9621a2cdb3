//! One file being read: where reading stands, and the next block.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use memchr::memchr;
use rustix::fs::OFlags;

use super::identity;
use crate::budget::{Budget, Permit};
use crate::clock;
use crate::frame::{self, Rule, Stop};
use crate::record::{Anchor, Block, Identity, Mark, Offset, Slice, SourceId};
use crate::settings::LongLine;

/// The most bytes of one read, and so of one block that is not a single long line.
const READ_MAX: usize = 256 * 1024;
/// The most records of one block: bounds what a file of empty lines costs.
const RECORDS_MAX: usize = 8192;
/// How much of a long line is searched for its end in one turn.
const SEARCH_MAX: usize = 4 * 1024 * 1024;
/// A file that rested this long may have been truncated and written again meanwhile.
const RESTED: Duration = Duration::from_millis(100);
/// What one record costs beside its bytes: librdkafka's share, and our slice and its proof.
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

pub(super) struct Source {
    pub(super) id: SourceId,
    pub(super) identity: Identity,
    pub(super) path: PathBuf,
    pub(super) file: Option<File>,
    /// Everything before it is in a block.
    pub(super) at: Mark,
    /// There is no newline between `at` and here.
    searched: u64,
    /// The size when last looked at.
    pub(super) size: u64,
    /// No name leads to it any more.
    pub(super) unlinked: bool,
    /// Its name was seen to lead to it at the last reconciliation.
    pub(super) located: bool,
    pub(super) told: bool,
    pub(super) grown_at: Instant,
    read_at: Instant,
}

impl Source {
    pub(super) fn new(id: SourceId, identity: Identity, path: PathBuf, at: Mark) -> Self {
        let now = clock::now();
        Self {
            id,
            identity,
            path,
            file: None,
            at,
            searched: at.offset.0,
            size: at.offset.0,
            unlinked: false,
            located: false,
            told: false,
            grown_at: now,
            read_at: now,
        }
    }

    /// Bytes of it that are in no block yet.
    pub(super) fn unread(&self) -> u64 {
        self.size.saturating_sub(self.at.offset.0)
    }

    /// Whether reading would find bytes that were not searched yet.
    pub(super) fn has_news(&self) -> bool {
        self.size > self.searched || self.size < self.at.offset.0
    }

    /// The beginning of a line whose end has not been written.
    pub(super) fn has_partial(&self) -> bool {
        self.unread() > 0 && !self.has_news()
    }

    /// Takes note of a size.
    pub(super) fn saw(&mut self, size: u64) {
        if size != self.size {
            self.size = size;
            self.grown_at = clock::now();
        }
    }

    /// Looks at the open file again. A closed one keeps what was last seen.
    pub(super) fn refresh(&mut self) {
        let Some(meta) = self.file.as_ref().and_then(|file| file.metadata().ok()) else { return };
        self.unlinked = meta.nlink() == 0;
        self.saw(meta.len());
    }

    /// Opens it, if it is not open; an error if what is there now is another file.
    pub(super) fn open(&mut self) -> io::Result<()> {
        if self.file.is_some() {
            return Ok(());
        }
        let file = open(&self.path)?;
        if !identity::of(&file.metadata()?).is_same_file(&self.identity) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "another file has its name now"));
        }
        self.file = Some(file);
        // What may have happened while it was closed is found before the next read.
        self.read_at = clock::now().checked_sub(RESTED).unwrap_or(self.read_at);
        Ok(())
    }

    /// Goes on in another file with the same content: the copy that a truncation left behind.
    pub(super) fn move_to(&mut self, file: File, path: PathBuf, size: u64) -> io::Result<()> {
        let id = identity::of(&file.metadata()?);
        self.identity =
            Identity { head_len: self.identity.head_len, head_hash: self.identity.head_hash, ..id };
        self.path = path;
        self.file = Some(file);
        self.searched = self.at.offset.0;
        self.unlinked = false;
        self.saw(size);
        Ok(())
    }

    /// Lets the head grow with the file; true if it did.
    pub(super) fn grow_head(&mut self) -> io::Result<bool> {
        let Some(file) = &self.file else { return Ok(false) };
        let known = u64::from(self.identity.head_len);
        if known >= u64::from(Identity::HEAD_MAX) || self.size <= known {
            return Ok(false);
        }
        let (len, hash) = identity::head(file, Identity::HEAD_MAX)?;
        let grown = len > self.identity.head_len;
        (self.identity.head_len, self.identity.head_hash) = (len, hash);
        Ok(grown)
    }

    /// Whether the open file still is what was read of it, as far as it can be told: what
    /// stands before our place does so every time, the head after a rest.
    fn is_intact(&self) -> io::Result<bool> {
        let Some(file) = &self.file else { return Ok(true) };
        let rested = clock::since(self.read_at) >= RESTED;
        Ok(self.size >= self.at.offset.0
            && identity::holds(file, self.at)?
            && (!rested || identity::begins_alike(file, &self.identity)?))
    }

    /// Reads on. The file must be open, and [`Source::refresh`]ed.
    pub(super) fn read(&mut self, rule: Rule, budget: &Budget) -> io::Result<Read> {
        if !self.is_intact()? {
            return Ok(Read::Truncated);
        }
        self.read_at = clock::now();
        if !self.has_news() {
            return Ok(Read::AtEnd);
        }
        if self.searched > self.at.offset.0 {
            return self.search(rule, budget);
        }
        self.read_lines(rule, budget)
    }

    fn read_lines(&mut self, rule: Rule, budget: &Budget) -> io::Result<Read> {
        let want = usize::try_from(self.unread()).unwrap_or(READ_MAX).min(READ_MAX);
        // A guess at the number of records; corrected once they are counted.
        let Some(mut permit) = budget.try_take(2 * want + (want / 64 + 1) * RECORD_COST) else {
            return Ok(Read::Starved);
        };
        let bytes = self.bytes(self.at.offset.0, want)?;
        let mut records = Vec::with_capacity(want / 64 + 1);
        let framed = frame::lines(&bytes, rule, RECORDS_MAX, &mut records);
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
        permit.resize(bytes.capacity() + bytes.len() + records.len() * RECORD_COST);
        self.block(bytes, records, framed.consumed as u64, None, permit).map(Read::Block)
    }

    /// Looks for the end of a line that did not fit into one read.
    fn search(&mut self, rule: Rule, budget: &Budget) -> io::Result<Read> {
        let until = self.size.min(self.searched + SEARCH_MAX as u64);
        while self.searched < until {
            let want = usize::try_from(until - self.searched).unwrap_or(READ_MAX).min(READ_MAX);
            let bytes = self.bytes(self.searched, want)?;
            if let Some(newline) = memchr(b'\n', &bytes) {
                let end = self.searched + newline as u64;
                return self.long_line(rule, budget, end - self.at.offset.0, 1);
            }
            if bytes.is_empty() {
                break;
            }
            self.searched += bytes.len() as u64;
            let length = self.searched - self.at.offset.0;
            if rule.on_long_line == LongLine::Split && length > rule.line_max as u64 + 1 {
                return self.long_line(rule, budget, length, 0);
            }
        }
        Ok(if self.size > self.searched { Read::Searching } else { Read::AtEnd })
    }

    /// A line of `length` bytes and a delimiter, none if its end is not there yet.
    fn long_line(
        &mut self,
        rule: Rule,
        budget: &Budget,
        length: u64,
        delimiter: u64,
    ) -> io::Result<Read> {
        let line_max = rule.line_max as u64;
        if length > line_max + 1 && rule.on_long_line == LongLine::Split {
            let Some(permit) = take_for_one(budget, rule.line_max) else {
                return Ok(Read::Starved);
            };
            return self.one(rule.line_max, line_max, None, permit);
        }
        let kept = usize::try_from(length.min(line_max + 1)).unwrap_or(rule.line_max);
        let Some(permit) = take_for_one(budget, kept) else { return Ok(Read::Starved) };
        let last = self.bytes(self.at.offset.0 + length.saturating_sub(1), 1)?;
        let whole = length + delimiter;
        let length = length - u64::from(delimiter > 0 && last == b"\r");
        if length > line_max && rule.on_long_line == LongLine::Split {
            return self.one(rule.line_max, line_max, None, permit);
        }
        self.cut(rule, length, whole, permit)
    }

    /// One line as one record, cut if it is longer than it may be.
    fn cut(&mut self, rule: Rule, length: u64, whole: u64, permit: Permit) -> io::Result<Read> {
        let cut_from = (length > rule.line_max as u64).then_some(length);
        let kept = usize::try_from(length).unwrap_or(usize::MAX).min(rule.line_max);
        self.one(kept, whole, cut_from, permit)
    }

    /// What there is of a line whose end will not come.
    pub(super) fn read_partial(&mut self, rule: Rule, budget: &Budget) -> io::Result<Read> {
        let length = self.unread();
        self.long_line(rule, budget, length, 0)
    }

    /// A block of one record: the next `kept` bytes, standing for `whole` bytes of the file.
    fn one(
        &mut self,
        kept: usize,
        whole: u64,
        cut_from: Option<u64>,
        mut permit: Permit,
    ) -> io::Result<Read> {
        let bytes = self.bytes(self.at.offset.0, kept)?;
        if bytes.len() < kept {
            return Ok(Read::Truncated);
        }
        let to = u32::try_from(kept).unwrap_or(u32::MAX);
        permit.resize(2 * bytes.capacity() + RECORD_COST);
        let records = vec![Slice { from: 0, to, end: whole }];
        self.block(bytes, records, whole, cut_from, permit).map(Read::Block)
    }

    fn block(
        &mut self,
        bytes: Vec<u8>,
        records: Vec<Slice>,
        consumed: u64,
        cut_from: Option<u64>,
        permit: Permit,
    ) -> io::Result<Block> {
        let start = self.at;
        let end = Mark {
            offset: start.offset.advance(consumed),
            anchor: self.anchor_after(&bytes, start.offset, consumed)?,
        };
        self.at = end;
        self.searched = end.offset.0;
        Ok(Block {
            source: self.id,
            start,
            end,
            bytes,
            records,
            cut_from,
            read_at: self.read_at,
            permit,
        })
    }

    fn anchor_after(&self, bytes: &[u8], start: Offset, consumed: u64) -> io::Result<Anchor> {
        let covered = usize::try_from(consumed).ok().and_then(|end| bytes.get(..end));
        if let Some(before) = covered
            && before.len() >= Anchor::WINDOW
        {
            return Ok(identity::anchor_of(before));
        }
        let Some(file) = &self.file else { return Ok(Anchor::NONE) };
        let anchor = identity::anchor_at(file, start.advance(consumed))?;
        anchor.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter"))
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

fn take_for_one(budget: &Budget, bytes: usize) -> Option<Permit> {
    budget.try_take(2 * bytes + RECORD_COST)
}

/// Opens a log file for reading: never waits for a FIFO, never becomes our terminal, and is not
/// led elsewhere by a symbolic link.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(file)
}

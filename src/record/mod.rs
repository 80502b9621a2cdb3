//! The words the whole program shares: where bytes came from and what rides together.

mod failure;
mod name;
mod times;

use std::fmt;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

pub use self::failure::{Failed, Failure};
pub use self::name::{RecordId, SourceName};
pub use self::times::{AHEAD_MS_MAX, NS_PER_MS, Times};
use crate::budget::Permit;

/// One input's file name as it was matched: the file, those rotated away from it and those that
/// will follow it. What order is promised for, and what names a place in the checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lineage {
    /// One text for all of an input.
    pub input: Arc<str>,
    pub path: PathBuf,
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.input, self.path.display())
    }
}

/// The number of a [`Lineage`] in this run of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineageId(pub u32);

/// Counts the files of a lineage, oldest first. A truncated file goes on as its own successor,
/// so that offsets never go backwards. Numbers are not used twice, restarts included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

impl Generation {
    pub const FIRST: Self = Self(0);

    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.strict_add(1))
    }

    /// The same of a number that may come from a file: never panics.
    #[must_use]
    pub fn after(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// One generation of one lineage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId {
    pub lineage: LineageId,
    pub generation: Generation,
}

/// A byte position inside one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(pub u64);

impl Offset {
    pub const START: Self = Self(0);

    #[must_use]
    pub fn advance(self, len: u64) -> Self {
        Self(self.0.strict_add(len))
    }

    /// The bytes from `earlier` to here.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.strict_sub(earlier.0)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The hash of the up to [`Anchor::WINDOW`] bytes just before a place. A file that no longer has
/// them there is another file, or was truncated and has grown again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Anchor(pub u64);

impl Anchor {
    pub const WINDOW: usize = 64;
    /// The anchor of an empty window.
    pub const NONE: Self = Self(0);
}

/// What tells a file from all others while it keeps its name or loses it: the inode number, the
/// time of birth that tells it from those who had the number before, and how its content begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    pub dev: u64,
    pub ino: u64,
    /// Nanoseconds since 1970; not every file system keeps it.
    pub born_ns: Option<u64>,
    /// How many bytes `head_hash` covers; grows with the file up to [`Identity::HEAD_MAX`].
    pub head_len: u32,
    pub head_hash: u64,
}

impl Identity {
    pub const HEAD_MAX: u32 = 1024;

    /// Whether both are the same file to the file system. A device's number may change over a
    /// restart, so it does not count where there is a time of birth.
    pub fn is_same_file(&self, other: &Self) -> bool {
        let born = match (self.born_ns, other.born_ns) {
            (Some(a), Some(b)) => a == b,
            _ => self.dev == other.dev,
        };
        self.ino == other.ino && born
    }
}

/// A place in a source that can be found again, and recognised: where reading goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark {
    pub offset: Offset,
    pub anchor: Anchor,
    pub ahead: Ahead,
}

impl Mark {
    pub const START: Self = Self::new(Offset::START, Anchor::NONE);

    pub const fn new(offset: Offset, anchor: Anchor) -> Self {
        Self { offset, anchor, ahead: Ahead::NONE }
    }

    /// The one of two places in one source that reading comes to first.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        // Only the streams that wait for no older line are ahead, and they do not go back.
        let order = |mark: &Self| (mark.offset, mark.ahead.0.into_iter().max());
        if order(&other) < order(&self) { other } else { self }
    }
}

/// Which of a container's outputs a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// What was made records of beyond a place, because a line of another stream that begins there
/// was not whole yet: for each stream (standard output, standard error) where the last record
/// ended. Lines of that stream up to there are not read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ahead(pub [Offset; 2]);

impl Ahead {
    pub const NONE: Self = Self([Offset::START; 2]);
}

/// One record of a block: `bytes[from..to]`, ending in the source, its delimiter included,
/// `end` bytes after the block's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    pub from: u32,
    pub to: u32,
    pub end: u64,
}

/// What is counted while records are made of lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Records that were none because the operator does not want them.
    pub filtered: u32,
    /// Those of them that a processor failed on.
    pub dropped: u32,
    /// Lines that are not in the format they should have; they are records as they are.
    pub unparsed: u32,
    /// Lines that are not in the encoding they should have.
    pub malformed: u32,
    /// What processors failed on, by what they failed at.
    pub failed: Vec<Failed>,
}

impl Tally {
    /// A processor failed on the message that begins there.
    pub fn fail(&mut self, failure: Failure, at: Offset) {
        match self.failed.iter_mut().find(|failed| failed.failure == failure) {
            Some(failed) => failed.count += 1,
            None => self.failed.push(Failed { failure, count: 1, first: at }),
        }
    }
}

/// Where the records of a lineage go, and what each carries beside its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub topic: Arc<str>,
    pub key: Option<Vec<u8>>,
    /// In the order in which they are sent.
    pub headers: Vec<(String, Vec<u8>)>,
    /// How each says which one it is.
    pub record_id: Option<RecordId>,
    /// The label of records that came from a container's standard error, if that is another. It
    /// has the same topic.
    pub of_stderr: Option<Arc<Label>>,
}

impl Label {
    /// What librdkafka keeps of a record's headers beside their names and values: for all of them,
    /// and for each (`docs/design.md`, Memory).
    const LIST_BYTES: usize = 96;
    const HEADER_BYTES: usize = 72;
    /// Lengths of name and value as they go over the wire, at most.
    const FRAMING_BYTES: usize = 10;

    /// Nothing but a topic.
    pub fn to(topic: Arc<str>) -> Self {
        Self { topic, key: None, headers: Vec::new(), record_id: None, of_stderr: None }
    }

    /// What a header takes of a request.
    pub fn header_len(name: &str, value_len: usize) -> usize {
        name.len() + value_len + Self::FRAMING_BYTES
    }

    /// Memory that it takes of the client library for each record.
    pub fn cost(&self) -> usize {
        let header =
            |(name, value): &(String, Vec<u8>)| name.len() + value.len() + Self::HEADER_BYTES;
        let id = match self.record_id {
            None => 0,
            Some(RecordId::Key) => RecordId::Key.len_max(),
            Some(RecordId::Headers) => RecordId::Headers.len_max() + 2 * Self::HEADER_BYTES,
        };
        let has_list = !self.headers.is_empty() || self.record_id == Some(RecordId::Headers);
        let list = if has_list { Self::LIST_BYTES } else { 0 };
        let headers = self.headers.iter().map(header).sum::<usize>();
        self.key.as_ref().map_or(0, Vec::len) + list + headers + id
    }
}

/// What is to be said about the one record of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Remarks {
    /// Its length in the source, if it was cut to `max_line`.
    pub cut_from: Option<u64>,
    /// Its line had no end when it was given up waiting for one.
    pub unfinished: bool,
    /// It is not to be sent: a processor failed on it, and the operator wants such to be kept as
    /// dead letters.
    pub failed: Option<Failure>,
}

impl Remarks {
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// The bytes that records lie in. They are paid for as long as anybody holds them: the block, the
/// client library, the spool.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    permit: Permit,
}

impl Buffer {
    /// Takes out of `permit` what the bytes cost.
    pub fn new(bytes: Vec<u8>, permit: &mut Permit) -> Self {
        let permit = permit.split(bytes.capacity());
        Self { bytes, permit }
    }

    /// Memory that is paid for it.
    pub fn cost(&self) -> usize {
        self.permit.bytes()
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Whole records of one read of one source, handed on as one: one buffer, one ticket. One permit
/// pays for what the buffer does not.
#[derive(Debug)]
pub struct Block {
    pub source: SourceId,
    pub start: Mark,
    pub end: Mark,
    pub bytes: Arc<Buffer>,
    /// In the order in which they became whole. None if there were only lines that the operator
    /// does not want.
    pub records: Vec<Slice>,
    /// Reading again from where a record ended would not do, because another was begun before it:
    /// only the end of the whole block is a place to go on from.
    pub is_ragged: bool,
    /// What else there is to be said of the lines it stands for.
    pub tally: Tally,
    pub label: Arc<Label>,
    /// Not empty only if it holds one record.
    pub remarks: Remarks,
    pub times: Times,
    pub read_at: Instant,
    /// For all but its buffer.
    pub permit: Permit,
}

impl Block {
    /// Memory that any takes, however little is in it: itself, its places in lane, ledger and
    /// flight, the smallest pieces that a heap has. `docs/benchmarks.md` has what was measured.
    pub const OVERHEAD_BYTES: usize = 1024;

    /// Memory that a record takes of ours beside its bytes, a time of its own included.
    pub const RECORD_BYTES: usize = 24;

    /// The bytes of record `number`; empty if there is no such record.
    pub fn record(&self, number: u32) -> &[u8] {
        let slice = self.records.get(number as usize);
        slice.and_then(|s| self.bytes.get(s.from as usize..s.to as usize)).unwrap_or_default()
    }

    /// Where reading goes on to find record `number`.
    pub fn start_of(&self, number: u32) -> Offset {
        number.checked_sub(1).map_or(self.start.offset, |before| self.end_of(before))
    }

    /// Where reading goes on after record `number`.
    pub fn end_of(&self, number: u32) -> Offset {
        match self.records.get(number as usize) {
            None => self.end.offset,
            Some(_) if number.strict_add(1) == self.len() => self.end.offset,
            Some(_) if self.is_ragged => self.start.offset,
            Some(slice) => self.start.offset.advance(slice.end),
        }
    }

    /// Where record `number` itself ends in the source; what it is known by.
    pub fn place_of(&self, number: u32) -> Offset {
        let slice = self.records.get(number as usize);
        slice.map_or(self.end.offset, |s| self.start.offset.advance(s.end))
    }

    /// Memory that is paid for it.
    pub fn cost(&self) -> usize {
        self.permit.bytes() + self.bytes.cost()
    }

    /// How many records it holds.
    pub fn len(&self) -> u32 {
        u32::try_from(self.records.len()).unwrap_or(u32::MAX)
    }

    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

/// The plain integer that rides through the client library in place of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u32);

/// Consecutive records of what rides in one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub slot: Slot,
    pub first: u32,
    pub count: u32,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::clock;

    /// A place before which one stream's records were made up to `ahead`.
    pub(crate) fn mark(offset: u64, ahead: u64) -> Mark {
        let ahead = Ahead([Offset(ahead), Offset::START]);
        Mark { ahead, ..Mark::new(Offset(offset), Anchor(offset)) }
    }

    pub(crate) fn buffer(bytes: &[u8]) -> Arc<Buffer> {
        let mut permit = Budget::new(1, || {}).take_now(bytes.len());
        Arc::new(Buffer::new(bytes.to_vec(), &mut permit))
    }

    /// A block of one-letter records that end there.
    pub(crate) fn block(start: Mark, end: Mark, ends: &[u64]) -> Block {
        let slice = |(from, end): (u32, &u64)| Slice {
            from,
            to: from + 1,
            end: Offset(*end).since(start.offset),
        };
        Block {
            source: SourceId { lineage: LineageId(0), generation: Generation::FIRST },
            start,
            end,
            bytes: buffer(&b"abcdefghij"[..ends.len()]),
            records: (0..).zip(ends).map(slice).collect(),
            is_ragged: false,
            tally: Tally::default(),
            label: Arc::new(Label::to("t".into())),
            remarks: Remarks::default(),
            times: Times::Read(1),
            read_at: clock::now(),
            permit: Budget::new(1, || {}).take_now(1),
        }
    }

    #[test]
    fn a_block_ends_where_its_last_record_does_and_what_no_record_was_made_of() {
        let whole = block(mark(0, 0), mark(50, 0), &[10, 40]);
        assert_eq!([0, 1, 2].map(|n| whole.end_of(n).0), [10, 50, 50]);
        let ragged = Block { is_ragged: true, ..block(mark(20, 0), mark(30, 90), &[40, 90]) };
        assert_eq!([0, 1].map(|n| ragged.end_of(n).0), [20, 30]);
    }

    #[test]
    fn one_record_ahead_of_an_older_line_brings_its_block_no_further() {
        let block = block(mark(20, 0), mark(20, 90), &[90]);
        assert_eq!((block.start_of(0).0, block.end_of(0).0, block.place_of(0).0), (20, 20, 90));
    }

    #[test]
    fn of_two_places_at_one_offset_the_one_with_less_ahead_is_earlier() {
        let places = [mark(10, 0), mark(20, 0), mark(20, 50), mark(20, 90), mark(30, 0)];
        for (at, place) in places.iter().enumerate() {
            for later in places.iter().skip(at) {
                assert_eq!([place.earlier(*later), later.earlier(*place)], [*place; 2]);
            }
        }
    }
}

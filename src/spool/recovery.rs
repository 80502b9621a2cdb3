//! Making the index say what the segments say: at the start, and when the index has failed.
//!
//! Segments are the truth. A segment that the index has followed to its end is believed from the
//! index alone; of one that has grown only the rest is read; any doubt, and all of it is.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::block::{Header, Parsed, tombstone};
use super::entry::{At, Key, Place};
use super::error::{IndexError, OpenError};
use super::index::{Change, Found, Index, Note};
use super::lane::LaneHash;
use super::load::set_aside;
use super::reserve::Reserve;
use super::runs::Runs;
use super::segment::{self, FILE_HEADER_LEN, FileHeader};
use super::survey::{State, Survey, Tally, survey};
use super::walk::{Payload, Step, Walk, header_bytes};

/// What a rebuild may rely on, and what it has to mend.
pub(super) enum Mode {
    /// A previous run has ended, somehow.
    Starting,
    /// The segments are whole up to these lengths; we wrote them.
    Running { lens: BTreeMap<u64, u64> },
}

/// A segment on its way into the index.
struct Segment {
    file: File,
    /// Unknown if its first bytes are damaged.
    nonce: Option<u64>,
    len: u64,
}

type Segments = BTreeMap<u64, Segment>;

/// Finds what the previous run has left in `dir`.
pub(super) fn recover(dir: &Path, reserve: &Reserve) -> Result<State, OpenError> {
    let numbers = segment::numbers(dir).map_err(OpenError::at(dir))?;
    refuse_newer(dir, &numbers)?;
    let next_number = numbers.last().map_or(1, |last| last + 1);
    if numbers.is_empty() && !dir.join("state").exists() {
        return Ok(State::empty(next_number));
    }
    let (mut index, found) = Index::open(dir, reserve);
    let mut quarantined = found == Found::Quarantined;
    let none = HashMap::new();
    for _ in 0..2 {
        let error = match rebuild(dir, &mut index, &none, &Mode::Starting) {
            Ok(survey) => return Ok(State::new(index, survey, next_number, quarantined)),
            Err(error) => error,
        };
        index.abandon(&error, dir);
        quarantined = true;
        index = Index::open(dir, reserve).0;
    }
    let mut index = Index::in_memory(dir);
    let failed = |error| OpenError::Io { path: dir.to_owned(), source: io::Error::other(error) };
    let survey = rebuild(dir, &mut index, &none, &Mode::Starting).map_err(failed)?;
    Ok(State::new(index, survey, next_number, true))
}

/// Looks at all of them before anything is touched.
fn refuse_newer(dir: &Path, numbers: &[u64]) -> Result<(), OpenError> {
    for number in numbers {
        let header = segment::open(dir, *number).and_then(|file| segment::read_header(&file));
        // One that cannot be read is left alone later, too.
        if let Ok(FileHeader::Newer { format }) = header {
            let path = segment::path(dir, *number);
            return Err(OpenError::Newer { path, found: format, known: segment::FORMAT });
        }
    }
    Ok(())
}

/// Makes `index` say what the segments in `dir` say. `progress` is what is known of records
/// removed, beside what the index knows.
pub(super) fn rebuild(
    dir: &Path,
    index: &mut Index,
    progress: &HashMap<Key, Runs>,
    mode: &Mode,
) -> Result<Survey, IndexError> {
    let mut rebuild = Rebuild {
        dir: dir.to_owned(),
        index,
        kept: progress.clone(),
        payload: if matches!(mode, Mode::Starting) { Payload::Verify } else { Payload::Trust },
        changes: Vec::new(),
        named: HashSet::new(),
        tally: Tally::default(),
    };
    let mut segments = rebuild.open_segments(mode);
    let starts = rebuild.distrust(&segments)?;
    for (number, from) in starts {
        let Some(segment) = segments.get_mut(&number) else { continue };
        let walked = rebuild.follow(number, segment, from, mode)?;
        if walked.is_err() {
            // Not deleted, and not counted on: perhaps the next start can read it.
            rebuild.tally.lost = true;
            segments.remove(&number);
        }
    }
    rebuild.apply()?;
    let tally = rebuild.tally;
    let opened = segments.into_iter().map(|(number, s)| (number, (s.nonce.unwrap_or(0), s.len)));
    survey(index, &opened.collect(), tally)
}

struct Rebuild<'a> {
    dir: PathBuf,
    index: &'a mut Index,
    /// What is removed of entries whose place in the index is not believed.
    kept: HashMap<Key, Runs>,
    payload: Payload,
    changes: Vec<Change>,
    named: HashSet<LaneHash>,
    tally: Tally,
}

/// What the index says about a segment.
#[derive(Default)]
struct Said {
    live: u64,
    end: u64,
}

impl Rebuild<'_> {
    fn open_segments(&mut self, mode: &Mode) -> Segments {
        let numbers = match mode {
            Mode::Starting => segment::numbers(&self.dir).unwrap_or_default(),
            Mode::Running { lens } => lens.keys().copied().collect(),
        };
        let mut segments = Segments::new();
        for number in numbers {
            match open_segment(&self.dir, number, mode) {
                Ok(segment) => drop(segments.insert(number, segment)),
                Err(_) => self.tally.lost = true,
            }
        }
        segments
    }

    /// Takes out of the index what cannot be believed; returns from where on each segment has to
    /// be read.
    fn distrust(&mut self, segments: &Segments) -> Result<BTreeMap<u64, u64>, IndexError> {
        let notes = self.index.notes()?;
        let mut said: BTreeMap<u64, Said> = BTreeMap::new();
        self.index.each(|_, place| {
            let said = said.entry(place.at.segment).or_default();
            said.live += 1;
            said.end = said.end.max(place.at.position + u64::from(place.len));
        })?;
        let none = Said::default();
        let start = |(number, segment): (&u64, &Segment)| {
            let said = said.get(number).unwrap_or(&none);
            let believed = notes.get(number).filter(|note| is_believable(note, said, segment));
            (*number, believed.map_or(FILE_HEADER_LEN, |note| note.indexed_up_to))
        };
        let starts: BTreeMap<u64, u64> = segments.iter().map(start).collect();
        let gone = |number: &u64| !segments.contains_key(number);
        let shrunk = |(number, segment)| notes.get(number).is_some_and(|n| has_shrunk(n, segment));
        self.tally.lost |= segments.iter().any(shrunk) || said.keys().any(gone);
        self.forget_unbelieved(&starts)?;
        self.changes.extend(notes.into_keys().filter(gone).map(Change::SegmentGone));
        Ok(starts)
    }

    /// Takes the entries out whose segments are gone, or are read from the beginning.
    fn forget_unbelieved(&mut self, starts: &BTreeMap<u64, u64>) -> Result<(), IndexError> {
        let (changes, kept) = (&mut self.changes, &mut self.kept);
        self.index.each(|key, place| {
            if starts.get(&place.at.segment).is_none_or(|from| *from == FILE_HEADER_LEN) {
                changes.push(Change::Removed(key));
                if !place.removed.is_empty() {
                    kept.entry(key).or_insert(place.removed);
                }
            }
        })?;
        self.apply()
    }

    /// Reads a segment from `from` on into the index.
    fn follow(
        &mut self,
        number: u64,
        segment: &mut Segment,
        from: u64,
        mode: &Mode,
    ) -> Result<io::Result<()>, IndexError> {
        let mut walk = Walk::new(&segment.file, number, from, segment.len, self.payload);
        let mut torn = None;
        loop {
            match walk.step() {
                Err(error) => return Ok(Err(error)),
                Ok(None) => break,
                Ok(Some(Step::Block { position, parsed })) => {
                    self.enter(At { segment: number, position }, &parsed)?;
                }
                Ok(Some(Step::Damaged { from, to, header })) => {
                    self.damaged(&segment.file, At { segment: number, position: from }, to, header);
                }
                Ok(Some(Step::Torn { from })) => torn = Some(from),
            }
        }
        if let (Some(torn), Mode::Starting) = (torn, mode) {
            self.tally.torn_bytes += segment.len - torn;
            segment.len = torn;
        }
        let grown = segment.len > from || torn.is_some();
        if grown && matches!(mode, Mode::Starting) {
            // What was found may be in the page cache only, and is about to be relied on.
            return Ok(segment.file.set_len(segment.len).and_then(|()| segment.file.sync_data()));
        }
        Ok(Ok(()))
    }

    fn enter(&mut self, at: At, parsed: &Parsed) -> Result<(), IndexError> {
        if parsed.dead {
            return Ok(());
        }
        let key = Key::of(&parsed.header);
        let known = self.index.get(key)?;
        if known.as_ref().is_some_and(|known| known.at > at) {
            // Copied forward, before a crash could delete this one.
            return Ok(());
        }
        let kept = self.kept.get(&key).cloned();
        let removed = kept.or(known.map(|known| known.removed)).unwrap_or_default();
        let place = Place::of(at, parsed, removed);
        if place.records_left() == 0 {
            return Ok(());
        }
        if self.named.insert(key.hash) {
            self.changes.push(Change::Lane(key.hash, Arc::clone(&parsed.header.lane)));
        }
        self.changes.push(Change::Entry(key, place));
        if self.changes.len() >= 256 { self.apply() } else { Ok(()) }
    }

    fn damaged(&mut self, file: &File, at: At, to: u64, header: Option<Box<Header>>) {
        set_aside(&self.dir, file, at, to - at.position);
        self.tally.damaged_blocks += 1;
        let Some(header) = header else { return };
        self.tally.damaged_records += u64::from(header.records);
        // Counted once: the next time it is known to be dead.
        drop(bury(file, at));
    }

    fn apply(&mut self) -> Result<(), IndexError> {
        self.index.apply(&std::mem::take(&mut self.changes))
    }
}

/// Whether a segment is what the index knows, but for what was appended since.
fn is_believable(note: &Note, said: &Said, segment: &Segment) -> bool {
    Some(note.nonce) == segment.nonce
        && note.live == said.live
        && said.end <= note.indexed_up_to
        && (FILE_HEADER_LEN..=segment.len).contains(&note.indexed_up_to)
}

/// Whether a segment that held records ends before where it was synced.
fn has_shrunk(note: &Note, segment: &Segment) -> bool {
    let same = Some(note.nonce) == segment.nonce;
    same && note.live > 0 && note.indexed_up_to > segment.len
}

fn open_segment(dir: &Path, number: u64, mode: &Mode) -> io::Result<Segment> {
    let file = segment::open(dir, number)?;
    let nonce = match segment::read_header(&file)? {
        FileHeader::Known { nonce } => Some(nonce),
        FileHeader::Damaged | FileHeader::Newer { .. } => None,
    };
    let len = match mode {
        Mode::Starting => fs::File::metadata(&file)?.len(),
        Mode::Running { lens } => lens.get(&number).copied().unwrap_or(0),
    };
    Ok(Segment { file, nonce, len: len.max(FILE_HEADER_LEN) })
}

/// Writes the tombstone into the header of the block at `at`. One that is damaged needs none, and
/// its length may point into the block behind it.
pub(super) fn bury(file: &File, at: At) -> io::Result<()> {
    let Some(header) = header_bytes(file, at.position, u64::MAX)? else { return Ok(()) };
    let is_whole = Header::parse(&header, at).is_some();
    match tombstone(&header).filter(|_| is_whole) {
        Some(grave) => file.write_all_at(&grave, at.position + header.len() as u64 - 4),
        None => Ok(()),
    }
}

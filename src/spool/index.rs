//! Which blocks are where, in the order of replay: the one place that speaks to sled.
//!
//! It may be deleted, damaged or rolled back at any time, and is made again from the segments
//! then. Where sled cannot be opened at all, a map in memory takes its place until the spool is
//! next empty. `docs/design.md` names sled's traps; this file steps around them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};

use super::entry::{Key, Place};
use super::error::IndexError;
use super::lane::{Lane, LaneHash};
use super::reserve::Reserve;
use super::wire::Reader;

/// Another layout is thrown away: the segments hold everything.
const FORMAT: [u8; 1] = [1];
/// What sled counts is bytes on disk; in memory it is several times as much. With this 100,000
/// entries cost 11 MB; with four times as much 22, and nothing is faster.
const CACHE_BYTES: u64 = 2 << 20;
/// sled collects its garbage only where it flushes by itself.
const FLUSH_EVERY_MS: u64 = 500;
/// Batches of a thousand and more leak.
const BATCH_MAX: usize = 256;

const META: &[u8] = b"m";
const LANE: u8 = b'l';
const SEGMENT: u8 = b's';
const ENTRY: u8 = b'b';

/// How far the index has followed a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) nonce: u64,
    /// Everything before this is synced, and in the index if it lives.
    pub(super) indexed_up_to: u64,
    pub(super) live: u64,
}

pub(super) enum Change {
    Entry(Key, Place),
    Removed(Key),
    Lane(LaneHash, Arc<Lane>),
    Segment(u64, Note),
    SegmentGone(u64),
}

pub(super) struct Index {
    store: Store,
    dir: PathBuf,
    #[cfg(test)]
    failing: bool,
}

enum Store {
    Sled(sled::Db),
    Memory(BTreeMap<Vec<u8>, Vec<u8>>),
}

/// What became of the index that was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Whole,
    /// Damaged: set aside, and a new one begun.
    Quarantined,
}

type Flow = Result<ControlFlow<()>, IndexError>;

impl Index {
    /// Whether somebody still has the index below `dir` open, a process that is ending for
    /// example. sled says nothing of that but a text, as if it were damaged.
    pub(super) fn is_held(dir: &Path) -> bool {
        // What cannot be read is for `open` to tell.
        let Ok(file) = fs::File::open(dir.join("state").join("db")) else { return false };
        let tried = flock(&file, FlockOperation::NonBlockingLockShared);
        // By itself: a child that is only just being born may have the file, too.
        tried.and_then(|()| flock(&file, FlockOperation::Unlock))
            == Err(rustix::io::Errno::WOULDBLOCK)
    }

    /// Opens the index below `dir`. Whatever is in the way is set aside.
    pub(super) fn open(dir: &Path, reserve: &Reserve) -> (Self, Found) {
        let state = dir.join("state");
        let open = || open_sled(&state).map(Store::Sled);
        let opened = open().or_else(|error| match error {
            IndexError::Full => {
                reserve.release();
                open()
            }
            IndexError::Damaged(_) => Err(error),
        });
        let (store, found) = match opened {
            Ok(store) => (store, Found::Whole),
            Err(IndexError::Full) => (Store::Memory(BTreeMap::new()), Found::Whole),
            Err(IndexError::Damaged(_)) => {
                let store = quarantine(dir).and_then(|()| open());
                (store.unwrap_or(Store::Memory(BTreeMap::new())), Found::Quarantined)
            }
        };
        (Self::with(store, state), found)
    }

    pub(super) fn in_memory(dir: &Path) -> Self {
        Self::with(Store::Memory(BTreeMap::new()), dir.join("state"))
    }

    fn with(store: Store, dir: PathBuf) -> Self {
        Self {
            store,
            dir,
            #[cfg(test)]
            failing: false,
        }
    }

    /// The next call is to fail.
    #[cfg(test)]
    pub(super) fn fail_next(&mut self) {
        self.failing = true;
    }

    /// Closes the index and deletes it.
    pub(super) fn discard(self) -> io::Result<()> {
        drop(self.store);
        remove_dir(&self.dir)
    }

    /// Gives up an index that has failed, and gets its files out of the next one's way. Should
    /// that fail, the next one fails to open too, and memory takes over.
    pub(super) fn abandon(self, error: &IndexError, dir: &Path) {
        match error {
            // What it holds is the space that is missing.
            IndexError::Full => drop(self.discard()),
            // A panic may have left locks behind that dropping it would wait for.
            IndexError::Damaged(_) => {
                std::mem::forget(self.store);
                drop(quarantine(dir));
            }
        }
    }

    pub(super) fn get(&self, key: Key) -> Result<Option<Place>, IndexError> {
        #[cfg(test)]
        if self.failing {
            return Err(garbled());
        }
        let key = entry_key(key);
        let value = match &self.store {
            Store::Memory(map) => map.get(&key).cloned(),
            Store::Sled(db) => guard(|| db.get(&key))?.map(|value| value.to_vec()),
        };
        value.map(|value| Place::from_bytes(&value).ok_or_else(garbled)).transpose()
    }

    /// The entry of a lane that follows `after`, or its first.
    pub(super) fn next(
        &self,
        lane: LaneHash,
        after: Option<Key>,
    ) -> Result<Option<(Key, Place)>, IndexError> {
        let mut next = None;
        let prefix = [&[ENTRY], lane.0.as_slice()].concat();
        self.visit(&prefix, after.map(entry_key).as_deref(), &mut |key, value| {
            next = Some(parse_entry(key, value)?);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(next)
    }

    /// The entries that cover what `key` covers, with another sequence number.
    pub(super) fn twins(&self, key: Key) -> Result<Vec<(Key, Place)>, IndexError> {
        let mut twins = Vec::new();
        let bytes = entry_key(key);
        let prefix = bytes.get(..bytes.len() - 8).unwrap_or(&bytes);
        self.visit(prefix, None, &mut |found, value| {
            twins.push(parse_entry(found, value)?);
            Ok(ControlFlow::Continue(()))
        })?;
        twins.retain(|(twin, _)| twin.seq != key.seq);
        Ok(twins)
    }

    /// Shows every entry, in key order.
    pub(super) fn each(&self, mut seen: impl FnMut(Key, Place)) -> Result<(), IndexError> {
        self.visit(&[ENTRY], None, &mut |key, value| {
            let (key, place) = parse_entry(key, value)?;
            seen(key, place);
            Ok(ControlFlow::Continue(()))
        })
    }

    pub(super) fn notes(&self) -> Result<BTreeMap<u64, Note>, IndexError> {
        let mut notes = BTreeMap::new();
        self.visit(&[SEGMENT], None, &mut |key, value| {
            let number = Reader(key.get(1..).unwrap_or_default()).array().map(u64::from_be_bytes);
            notes.insert(number.ok_or_else(garbled)?, parse_note(value).ok_or_else(garbled)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(notes)
    }

    pub(super) fn lanes(&self) -> Result<Vec<Lane>, IndexError> {
        let mut lanes = Vec::new();
        self.visit(&[LANE], None, &mut |_, value| {
            lanes.push(Lane::from_bytes(value).ok_or_else(garbled)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(lanes)
    }

    /// Makes the changes, in this order as far as a crash can tell: batch by batch.
    pub(super) fn apply(&mut self, changes: &[Change]) -> Result<(), IndexError> {
        for chunk in changes.chunks(BATCH_MAX) {
            let raw = chunk.iter().map(raw_change);
            match &mut self.store {
                Store::Memory(map) => raw.for_each(|(key, value)| match value {
                    Some(value) => drop(map.insert(key, value)),
                    None => drop(map.remove(&key)),
                }),
                Store::Sled(db) => apply_batch(db, raw)?,
            }
        }
        Ok(())
    }

    /// Hands everything to the kernel: safe from a kill, not from a power cut.
    pub(super) fn flush(&self) -> Result<(), IndexError> {
        match &self.store {
            Store::Memory(_) => Ok(()),
            Store::Sled(db) => guard(|| db.flush()).map(drop),
        }
    }

    /// Bytes of its files.
    pub(super) fn disk_bytes(&self) -> u64 {
        match &self.store {
            Store::Memory(_) => 0,
            Store::Sled(_) => dir_bytes(&self.dir),
        }
    }

    /// Shows what begins with `prefix`, all of it or what follows `after`.
    fn visit(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        seen: &mut dyn FnMut(&[u8], &[u8]) -> Flow,
    ) -> Result<(), IndexError> {
        let from = after.map_or(Included(prefix), Excluded);
        let mut take = |key: &[u8], value: &[u8]| {
            if key.starts_with(prefix) { seen(key, value) } else { Ok(ControlFlow::Break(())) }
        };
        match &self.store {
            Store::Memory(map) => {
                for (key, value) in map.range::<[u8], _>((from, Unbounded)) {
                    if take(key, value)?.is_break() {
                        break;
                    }
                }
                Ok(())
            }
            Store::Sled(db) => visit_sled(db, (from, Unbounded), &mut take),
        }
    }
}

fn visit_sled(
    db: &sled::Db,
    range: (std::ops::Bound<&[u8]>, std::ops::Bound<&[u8]>),
    take: &mut dyn FnMut(&[u8], &[u8]) -> Flow,
) -> Result<(), IndexError> {
    let mut pairs = db.range::<&[u8], _>(range);
    while let Some((key, value)) = guard(|| pairs.next().transpose())? {
        if take(&key, &value)?.is_break() {
            break;
        }
    }
    Ok(())
}

fn apply_batch(
    db: &sled::Db,
    raw: impl Iterator<Item = (Vec<u8>, Option<Vec<u8>>)>,
) -> Result<(), IndexError> {
    let mut batch = sled::Batch::default();
    for (key, value) in raw {
        match value {
            Some(value) => batch.insert(key, value),
            None => batch.remove(key),
        }
    }
    guard(|| db.apply_batch(batch))
}

fn raw_change(change: &Change) -> (Vec<u8>, Option<Vec<u8>>) {
    match change {
        Change::Entry(key, place) => (entry_key(*key), Some(place.to_bytes())),
        Change::Removed(key) => (entry_key(*key), None),
        Change::Lane(hash, lane) => ([&[LANE], hash.0.as_slice()].concat(), Some(lane.to_bytes())),
        Change::Segment(number, note) => (segment_key(*number), Some(note_bytes(note))),
        Change::SegmentGone(number) => (segment_key(*number), None),
    }
}

fn entry_key(key: Key) -> Vec<u8> {
    [&[ENTRY], key.to_bytes().as_slice()].concat()
}

fn segment_key(number: u64) -> Vec<u8> {
    [&[SEGMENT], number.to_be_bytes().as_slice()].concat()
}

fn parse_entry(key: &[u8], value: &[u8]) -> Result<(Key, Place), IndexError> {
    let key = key.get(1..).and_then(Key::from_bytes);
    key.zip(Place::from_bytes(value)).ok_or_else(garbled)
}

fn note_bytes(note: &Note) -> Vec<u8> {
    [note.nonce, note.indexed_up_to, note.live].map(u64::to_le_bytes).concat()
}

fn parse_note(bytes: &[u8]) -> Option<Note> {
    let mut reader = Reader(bytes);
    let (nonce, indexed_up_to) = (reader.u64()?, reader.u64()?);
    Some(Note { nonce, indexed_up_to, live: reader.u64()? })
}

fn garbled() -> IndexError {
    IndexError::Damaged("an entry does not make sense".into())
}

fn open_sled(state: &Path) -> Result<sled::Db, IndexError> {
    remove_half_made(state).map_err(IndexError::from)?;
    let config = sled::Config::new()
        .path(state)
        .mode(sled::Mode::HighThroughput)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(Some(FLUSH_EVERY_MS));
    let db = guard(|| config.open())?;
    match guard(|| check_sled(&db)) {
        Ok(()) => Ok(db),
        Err(IndexError::Full) => Err(IndexError::Full),
        Err(error) => {
            // See `Index::abandon`.
            std::mem::forget(db);
            Err(error)
        }
    }
}

/// Reads everything once: damage that only shows when a page is read shows now.
fn check_sled(db: &sled::Db) -> sled::Result<()> {
    for pair in db.iter() {
        pair?;
    }
    let format = db.get(META)?;
    if format.as_deref().is_none_or(|found| found != FORMAT) {
        db.clear()?;
        db.insert(META, &FORMAT)?;
    }
    Ok(())
}

/// A snapshot that a kill left unfinished would make every later open fail (sled #1527).
fn remove_half_made(state: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(state) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "generating") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Sets the index aside, where a person can look at it, in place of the last such one.
fn quarantine(dir: &Path) -> Result<(), IndexError> {
    let (state, bad) = (dir.join("state"), dir.join("state.bad"));
    remove_dir(&bad).and_then(|()| fs::rename(state, bad)).map_err(IndexError::from)
}

pub(super) fn remove_dir(dir: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(dir) {
        Ok(meta) if !meta.is_dir() => fs::remove_file(dir),
        _ => fs::remove_dir_all(dir),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Bytes of the files in `dir`; what vanishes meanwhile counts nothing.
pub(super) fn dir_bytes(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
}

/// Calls sled, which panics where it should return an error.
fn guard<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, IndexError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(IndexError::from),
        Err(_) => Err(IndexError::Damaged("sled panicked".into())),
    }
}

impl From<sled::Error> for IndexError {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(error) => error.into(),
            other @ (sled::Error::CollectionNotFound(_)
            | sled::Error::Unsupported(_)
            | sled::Error::ReportableBug(_)
            | sled::Error::Corruption { .. }) => Self::Damaged(other.to_string()),
        }
    }
}

impl From<io::Error> for IndexError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::StorageFull {
            Self::Full
        } else {
            Self::Damaged(error.to_string())
        }
    }
}

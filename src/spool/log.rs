//! The end of the log: blocks are written behind the last one and synced, or not there at all.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::block::{Draft, Parsed};
use super::entry::At;
use super::error::AppendError;
use super::segment::{self, FILE_HEADER_LEN};

pub(super) struct Log {
    dir: PathBuf,
    segment_len_max: u64,
    next_number: u64,
    active: Option<Active>,
    #[cfg(test)]
    pub(super) faults: Faults,
}

/// What the next attempts are to fail at.
#[cfg(test)]
#[derive(Default)]
pub(super) struct Faults {
    pub(super) writes: u32,
    pub(super) syncs: u32,
    /// How; for want of room if it is not said.
    pub(super) kind: Option<std::io::ErrorKind>,
}

struct Active {
    number: u64,
    nonce: u64,
    file: File,
    /// Up to here everything is written and synced.
    len: u64,
}

/// Blocks that have become durable, all in one segment.
#[derive(Debug)]
pub(super) struct Appended {
    pub(super) segment: u64,
    pub(super) nonce: u64,
    pub(super) blocks: Vec<(At, Parsed)>,
    /// The segment's length now.
    pub(super) len: u64,
}

impl Log {
    pub(super) fn new(dir: &Path, segment_len_max: u64, next_number: u64) -> Self {
        Self {
            dir: dir.to_owned(),
            segment_len_max,
            next_number,
            active: None,
            #[cfg(test)]
            faults: Faults::default(),
        }
    }

    /// The number of the segment that is being appended to.
    pub(super) fn active(&self) -> Option<u64> {
        self.active.as_ref().map(|active| active.number)
    }

    /// Ends the segment; the next block goes into a new one.
    pub(super) fn seal(&mut self) {
        self.active = None;
    }

    /// Writes and syncs the first of `drafts`, as many as fit into one segment and at least one.
    /// After an error none of them count as written.
    pub(super) fn append(&mut self, drafts: &[&Draft]) -> Result<Appended, AppendError> {
        let first_len = drafts.first().map_or(0, |draft| draft.len());
        let len_max = self.segment_len_max;
        let fresh = self.open_for(first_len)?;
        let (segment, start) = (fresh.number, fresh.len);
        let (mut bytes, mut blocks) = (Vec::new(), Vec::new());
        for draft in drafts {
            let position = start + bytes.len() as u64;
            if !blocks.is_empty() && position + draft.len() > len_max {
                break;
            }
            let at = At { segment, position };
            blocks.push((at, draft.write(at, &mut bytes)));
        }
        self.write(&bytes)?;
        self.sync()?;
        let Some(active) = &mut self.active else { unreachable!("it has just been synced") };
        active.len = start + bytes.len() as u64;
        Ok(Appended { segment, nonce: active.nonce, blocks, len: active.len })
    }

    /// The segment in which a block of `len` bytes goes.
    fn open_for(&mut self, len: u64) -> Result<&Active, AppendError> {
        let fits = |active: &Active| {
            active.len == FILE_HEADER_LEN || active.len + len <= self.segment_len_max
        };
        let active = match self.active.take().filter(fits) {
            Some(active) => active,
            None => self.create()?,
        };
        Ok(self.active.insert(active))
    }

    fn create(&mut self) -> Result<Active, AppendError> {
        let number = self.next_number;
        // Counted even if it fails: what is left of the attempt may hold the name.
        self.next_number += 1;
        let failed = AppendError::at("create", &segment::path(&self.dir, number));
        let (file, nonce) = segment::create(&self.dir, number).map_err(failed)?;
        Ok(Active { number, nonce, file, len: FILE_HEADER_LEN })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), AppendError> {
        let Some(active) = &self.active else { unreachable!("it has just been opened") };
        let written = active.file.write_all_at(bytes, active.len);
        #[cfg(test)]
        let written = written.and(fault(&mut self.faults.writes, self.faults.kind));
        let Err(error) = written else { return Ok(()) };
        let failed = AppendError::at("write to", &segment::path(&self.dir, active.number));
        // Part of it may be there: a later block must not land behind that. And should there be no
        // later block, nobody would know of a segment that has none.
        if active.len == FILE_HEADER_LEN || active.file.set_len(active.len).is_err() {
            self.give_up();
        }
        Err(failed(error))
    }

    /// After a failed sync nobody can tell what of the tail is on the disk, and a second sync
    /// would claim it is: the segment ends before it, and the blocks are written elsewhere.
    fn sync(&mut self) -> Result<(), AppendError> {
        let Some(active) = &self.active else { unreachable!("it has just been written to") };
        let synced = active.file.sync_data();
        #[cfg(test)]
        let synced = synced.and(fault(&mut self.faults.syncs, self.faults.kind));
        let Err(error) = synced else { return Ok(()) };
        let failed = AppendError::at("sync", &segment::path(&self.dir, active.number));
        self.give_up();
        Err(failed(error))
    }

    /// Ends the segment where it was last known to be good. Should that fail too, the rest is
    /// found again at the next start: copies, no loss.
    fn give_up(&mut self) {
        let Some(active) = self.active.take() else { return };
        if active.len == FILE_HEADER_LEN {
            drop(fs::remove_file(segment::path(&self.dir, active.number)));
        } else {
            drop(active.file.set_len(active.len));
        }
    }
}

#[cfg(test)]
fn fault(left: &mut u32, kind: Option<std::io::ErrorKind>) -> std::io::Result<()> {
    match left.checked_sub(1) {
        None => Ok(()),
        Some(less) => {
            *left = less;
            Err(kind.unwrap_or(std::io::ErrorKind::StorageFull).into())
        }
    }
}

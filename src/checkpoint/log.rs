//! The log on disk: read back, appended to, and rewritten whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::line::{Line, VERSION};
use super::recovery::{RecoverError, Recovered, recover};
use crate::clock;
use crate::state_dir::{self, AppendFile};

const DIR: &str = "checkpoints";
const NAME: &str = "checkpoints.log";
const NAME_NEW: &str = "checkpoints.log.new";

/// A log this short is read in milliseconds: not worth a rewrite.
const REWRITE_ABOVE_BYTES: u64 = 1 << 20;
/// Rewritten when three quarters are superseded, a rewrite costs a third of a byte for each byte
/// that was appended.
const REWRITE_ABOVE_TIMES: u64 = 4;
/// So much is put on disk at a time.
const PIECE_BYTES: usize = 1 << 20;
/// And so much read.
const READ_BYTES: usize = 64 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("use {}: written by a newer tailspool (format {found}, this one knows {known})",
        path.display())]
    Newer { path: PathBuf, found: u32, known: u32 },
    #[error("use {}", path.display())]
    Unusable { path: PathBuf, source: io::Error },
}

#[derive(Debug)]
pub(super) struct Log {
    dir: PathBuf,
    /// None as long as there is no log that may be appended to.
    file: Option<AppendFile>,
    /// What the log holds must not be read again.
    superseded: bool,
    /// Damaged lines that are in no other file yet.
    damaged: Vec<u8>,
    /// The length at which the log is outgrown.
    len_max: u64,
}

/// Reads the log below `state_dir` without touching it; none if there is no log.
pub(super) fn read(state_dir: &Path) -> Result<Option<Recovered>, OpenError> {
    let path = state_dir.join(DIR).join(NAME);
    let log = match File::open(&path) {
        Ok(log) => BufReader::with_capacity(READ_BYTES, log),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(OpenError::Unusable { path, source }),
    };
    match recover(log) {
        Ok(recovered) => Ok(Some(recovered)),
        Err(RecoverError::Newer { found }) => Err(OpenError::Newer { path, found, known: VERSION }),
        Err(RecoverError::Unreadable(source)) => Err(OpenError::Unusable { path, source }),
    }
}

impl Log {
    /// Opens the log to go on after what was `recovered` from it. Changes nothing in it yet.
    pub(super) fn open(state_dir: &Path, recovered: Option<&Recovered>) -> Result<Self, OpenError> {
        let dir = state_dir.join(DIR);
        let open = || {
            state_dir::create(&dir)?;
            recovered.map(|found| AppendFile::open(&dir.join(NAME), found.end)).transpose()
        };
        let unusable = |source| OpenError::Unusable { path: dir.join(NAME), source };
        let file = open().map_err(unusable)?;
        let damaged = recovered.map(|found| found.damaged.clone()).unwrap_or_default();
        Ok(Self { dir, file, superseded: false, damaged, len_max: 0 })
    }

    pub(super) fn path(&self) -> PathBuf {
        self.dir.join(NAME)
    }

    pub(super) fn must_rewrite(&self) -> bool {
        self.file.is_none() || self.superseded
    }

    /// Whether most of the log is superseded.
    pub(super) fn is_outgrown(&self) -> bool {
        self.file.as_ref().is_some_and(|file| file.len() > self.len_max)
    }

    /// What the log holds must not be read again: nothing is appended until it was rewritten.
    pub(super) fn supersede(&mut self) {
        self.superseded = true;
    }

    /// Takes note of what a rewrite would come to.
    pub(super) fn measure(&mut self, lines: impl Iterator<Item = Line>) -> io::Result<()> {
        let mut len = 0;
        in_pieces(lines, |piece| {
            len += piece.len() as u64;
            Ok(())
        })?;
        self.limit(len);
        Ok(())
    }

    /// Lets the log grow on, because it could not be rewritten.
    pub(super) fn put_off_rewrite(&mut self) {
        let len = self.file.as_ref().map_or(0, AppendFile::len);
        self.len_max = len.saturating_add(REWRITE_ABOVE_BYTES);
    }

    /// Afterwards the lines are durable; after an error the first of them may be.
    pub(super) fn append(&mut self, lines: impl Iterator<Item = Line>) -> io::Result<()> {
        assert!(!self.must_rewrite(), "a superseded log is not appended to");
        match &mut self.file {
            Some(file) => in_pieces(lines, |piece| file.append(piece)),
            None => Ok(()),
        }
    }

    /// Puts a new log in place of the old one, in one step. Damaged lines are set aside first.
    pub(super) fn rewrite(&mut self, lines: impl Iterator<Item = Line>) -> io::Result<()> {
        self.set_aside()?;
        let new = self.dir.join(NAME_NEW);
        let mut len = 0;
        let mut file = create(&new)?;
        in_pieces(lines, |piece| {
            len += piece.len() as u64;
            file.write_all(piece)
        })?;
        file.sync_all()?;
        fs::rename(&new, self.path())?;
        // The old one is out of sight, but until the directory is synced it may come back.
        self.file = None;
        self.file = Some(AppendFile::open(&self.path(), len)?);
        self.superseded = false;
        self.limit(len);
        Ok(())
    }

    fn limit(&mut self, live: u64) {
        self.len_max = REWRITE_ABOVE_BYTES.max(live.saturating_mul(REWRITE_ABOVE_TIMES));
    }

    fn set_aside(&mut self) -> io::Result<()> {
        if !self.damaged.is_empty() {
            let name = format!("checkpoints.damaged-{}", clock::wall_ms());
            write_durably(&self.dir.join(name), &self.damaged)?;
            self.damaged.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
impl Log {
    pub(super) fn file(&mut self) -> &mut AppendFile {
        self.file.as_mut().unwrap()
    }
}

/// Lines as bytes, many at a time: all of them at once may take more memory than all else.
fn in_pieces(
    lines: impl Iterator<Item = Line>,
    mut put: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    for line in lines {
        line.write(&mut bytes)?;
        if bytes.len() >= PIECE_BYTES {
            put(&bytes)?;
            bytes.clear();
        }
    }
    if bytes.is_empty() { Ok(()) } else { put(&bytes) }
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

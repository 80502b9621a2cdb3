//! The lines that could not be delivered, as they were read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::Access;
use thiserror::Error;

#[derive(Debug, Error)]
#[error("keep undelivered lines in {}: {error}", path.display())]
pub(in crate::cli) struct KeepError {
    path: PathBuf,
    error: io::Error,
}

pub(super) struct Undelivered<'a> {
    path: &'a Path,
    /// Once there is a line for it.
    file: Option<BufWriter<File>>,
    kept: Kept,
}

/// How many there are, and why.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) count: u64,
    pub(super) reasons: BTreeMap<String, u64>,
}

impl<'a> Undelivered<'a> {
    /// Fails if it could not be written: that is to be known before anything is read.
    pub(super) fn new(path: &'a Path) -> Result<Self, KeepError> {
        let new = Self { path, file: None, kept: Kept::default() };
        new.try_path().map_err(|error| new.failed(error))?;
        Ok(new)
    }

    fn try_path(&self) -> io::Result<()> {
        if self.path.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let dir = self.path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let is_there = self.path.exists();
        let path = if is_there { self.path } else { dir.unwrap_or(Path::new(".")) };
        Ok(rustix::fs::access(path, Access::WRITE_OK)?)
    }

    fn failed(&self, error: io::Error) -> KeepError {
        KeepError { path: self.path.to_owned(), error }
    }

    pub(super) fn keep(&mut self, line: &[u8], why: &str) -> Result<(), KeepError> {
        self.write(line).map_err(|error| self.failed(error))?;
        self.kept.count += 1;
        match self.kept.reasons.get_mut(why) {
            Some(count) => *count += 1,
            None => {
                self.kept.reasons.insert(why.to_owned(), 1);
            }
        }
        Ok(())
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            // Somebody's lines of an earlier time stay.
            none => none
                .insert(BufWriter::new(File::options().append(true).create(true).open(self.path)?)),
        };
        file.write_all(line)?;
        if !line.ends_with(b"\n") {
            file.write_all(b"\n")?;
        }
        Ok(())
    }

    /// On disk when it returns.
    pub(super) fn close(&mut self) -> Result<Kept, KeepError> {
        let closed = match &mut self.file {
            Some(file) => file.flush().and_then(|()| file.get_ref().sync_all()),
            None => Ok(()),
        };
        closed.map_err(|error| self.failed(error))?;
        Ok(std::mem::take(&mut self.kept))
    }
}

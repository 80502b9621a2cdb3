//! The lines that could not be delivered, as they were read.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::Access;
use thiserror::Error;

use crate::clock;
use crate::produce::RECORD_OVERHEAD_BYTES;

/// So much is written at a time.
const PIECE_BYTES: usize = 64 << 10;
/// Between two tries to write where the first did not work.
const RETRY: Duration = Duration::from_millis(100);

#[derive(Debug, Error)]
#[error("keep undelivered lines in {}: {error}", path.display())]
pub(in crate::cli) struct KeepError {
    path: PathBuf,
    error: io::Error,
}

/// A line of the input, with its end.
#[derive(Debug)]
pub(super) struct Numbered {
    /// Counted from 1.
    pub(super) number: u64,
    pub(super) text: Box<[u8]>,
}

impl Numbered {
    /// What it takes of memory.
    pub(super) fn weight(&self) -> usize {
        // Once here and once in the client.
        2 * self.text.len() + RECORD_OVERHEAD_BYTES
    }
}

/// Has each line until its file does.
pub(super) struct Undelivered<'a> {
    path: &'a Path,
    /// Once there is a line for it.
    file: Option<File>,
    held: VecDeque<Numbered>,
    held_bytes: usize,
    failing: Option<Failing>,
    /// How many there are, wherever, and why.
    pub(super) count: u64,
    pub(super) reasons: BTreeMap<String, u64>,
}

/// The file cannot be written.
struct Failing {
    error: io::Error,
    since: Instant,
    tried_at: Instant,
    is_said: bool,
}

impl<'a> Undelivered<'a> {
    /// Fails if it could not be written: that is to be known before anything is read.
    pub(super) fn new(path: &'a Path) -> Result<Self, KeepError> {
        let new = Self {
            path,
            file: None,
            held: VecDeque::new(),
            held_bytes: 0,
            failing: None,
            count: 0,
            reasons: BTreeMap::new(),
        };
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

    pub(super) fn keep(&mut self, line: Numbered, why: &str) {
        self.held_bytes += line.weight();
        self.held.push_back(line);
        self.count += 1;
        match self.reasons.get_mut(why) {
            Some(count) => *count += 1,
            None => {
                self.reasons.insert(why.to_owned(), 1);
            }
        }
        if self.held_bytes >= PIECE_BYTES {
            self.write();
        }
    }

    /// Writes what it has, unless that has just failed; what is not written stays.
    pub(super) fn write(&mut self) {
        if self.failing.as_ref().is_some_and(|last| clock::since(last.tried_at) < RETRY) {
            return;
        }
        let Err(error) = self.append() else {
            self.failing = None;
            return;
        };
        let now = clock::now();
        match &mut self.failing {
            Some(last) => (last.error, last.tried_at) = (error, now),
            none => *none = Some(Failing { error, since: now, tried_at: now, is_said: false }),
        }
    }

    fn append(&mut self) -> io::Result<()> {
        while !self.held.is_empty() {
            let file = match &mut self.file {
                Some(file) => file,
                // Somebody's lines of an earlier time stay.
                none => none.insert(File::options().append(true).create(true).open(self.path)?),
            };
            let (mut piece, mut lines) = (Vec::new(), 0);
            for line in &self.held {
                piece.extend_from_slice(&line.text);
                if !line.text.ends_with(b"\n") {
                    piece.push(b'\n');
                }
                lines += 1;
                if piece.len() >= PIECE_BYTES {
                    break;
                }
            }
            append(file, &piece)?;
            self.held_bytes -= self.held.drain(..lines).map(|line| line.weight()).sum::<usize>();
        }
        Ok(())
    }

    /// What takes memory, for it is not in the file.
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// For how long the file could not be written, if so.
    pub(super) fn fails_for(&self) -> Option<Duration> {
        self.failing.as_ref().map(|failing| clock::since(failing.since))
    }

    /// That the file cannot be written, and why, if nobody has asked yet.
    pub(super) fn complaint(&mut self) -> Option<String> {
        let failing = self.failing.as_mut().filter(|failing| !failing.is_said)?;
        failing.is_said = true;
        let (path, error) = (self.path.display(), &failing.error);
        Some(format!("cannot keep undelivered lines in {path}: {error}; tried again for a while"))
    }

    /// What is in the file is on disk when it returns.
    pub(super) fn sync(&self) -> Result<(), KeepError> {
        match self.file.as_ref().map_or(Ok(()), File::sync_all) {
            // What is no regular file has no disk.
            Err(error) if error.kind() != io::ErrorKind::InvalidInput => Err(self.failed(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Why there are lines that are not in the file, and their numbers: `line 3`, `lines 3, 5 to 8`.
    pub(super) fn nowhere(&self) -> Option<(u64, String, &io::Error)> {
        let Failing { error, .. } = self.failing.as_ref()?;
        let mut numbers: Vec<u64> = self.held.iter().map(|line| line.number).collect();
        numbers.sort_unstable();
        Some((numbers.len() as u64, spans(&numbers), error))
    }
}

/// All of it, or nothing.
fn append(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    // Others may append to it, too. Where there are no locks they had better not.
    file.lock().ok();
    let end = file.metadata()?.len();
    let written = file.write_all(bytes);
    if written.is_err() {
        // What is no regular file has no length.
        file.set_len(end).ok();
    }
    file.unlock().ok();
    written
}

fn spans(numbers: &[u64]) -> String {
    let runs = numbers.chunk_by(|one, next| one + 1 == *next);
    let shown = runs.filter_map(|run| match run {
        [one] => Some(one.to_string()),
        [first, .., last] => Some(format!("{first} to {last}")),
        [] => None,
    });
    let noun = if numbers.len() == 1 { "line" } else { "lines" };
    format!("{noun} {}", shown.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u64) -> Numbered {
        Numbered { number, text: format!("line {number}").into_bytes().into() }
    }

    #[test]
    fn what_is_not_in_the_file_is_named() {
        let mut undelivered = Undelivered::new(Path::new("/dev/full")).unwrap();
        assert!(undelivered.nowhere().is_none());
        for number in [7, 1, 2, 3, 9, 8, 12] {
            undelivered.keep(line(number), "too large");
        }
        undelivered.write();
        let (count, lines, error) = undelivered.nowhere().unwrap();
        assert_eq!((count, lines.as_str()), (7, "lines 1 to 3, 7 to 9, 12"));
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(undelivered.complaint().unwrap().contains("/dev/full"));
        assert!(undelivered.complaint().is_none(), "said once");
    }

    #[test]
    fn who_does_not_want_what_is_left_need_not_keep_it() {
        let mut undelivered = Undelivered::new(Path::new("/dev/null")).unwrap();
        undelivered.keep(line(1), "too large");
        undelivered.write();
        undelivered.sync().unwrap();
        assert!(undelivered.nowhere().is_none() && undelivered.count == 1);
    }

    #[test]
    fn what_was_there_stays_and_each_line_has_an_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("undelivered");
        std::fs::write(&path, "earlier\n").unwrap();
        let mut undelivered = Undelivered::new(&path).unwrap();
        undelivered.keep(line(1), "too large");
        undelivered.write();
        undelivered.sync().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"earlier\nline 1\n");
        assert!(undelivered.nowhere().is_none() && undelivered.held_bytes() == 0);
        assert_eq!((undelivered.count, undelivered.reasons["too large"]), (1, 1));
    }
}

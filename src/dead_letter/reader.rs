//! Reads the dead letters back, for people: whatever is whole, whatever became of the rest.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use super::file::{DIR, NAME};
use super::letter::{Stored, Summary};

/// No line of ours is as long: bounds what a file without line breaks makes us hold.
const LINE_BYTES_MAX: u64 = 64 << 20;

#[derive(Debug, thiserror::Error)]
#[error("read the dead letters in {}", path.display())]
pub struct ReadError {
    path: PathBuf,
    source: io::Error,
}

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Letter(Box<Stored>),
    /// Torn by a crash (its record was owed, and written again), or damaged since.
    NotWhole {
        /// Where in the file it begins.
        at: u64,
        bytes: u64,
    },
}

/// What there is, oldest first.
#[derive(Debug, Default)]
pub struct Listing {
    pub letters: Vec<Summary>,
    /// Lines that are not whole.
    pub not_whole: u64,
}

/// Reads all letters below `state_dir`, one at a time, oldest first; none if there is no file.
/// Touches nothing, and needs no lock: what a daemon is just writing is left out.
pub fn read(state_dir: &Path) -> Result<Reader, ReadError> {
    let path = state_dir.join(DIR).join(NAME);
    let file = match File::open(&path) {
        Ok(file) => Some(BufReader::new(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(ReadError { path, source }),
    };
    Ok(Reader { path, file, at: 0 })
}

/// Lists all letters below `state_dir`, without their values.
pub fn ls(state_dir: &Path) -> Result<Listing, ReadError> {
    let mut listing = Listing::default();
    for found in read(state_dir)? {
        match found? {
            Found::Letter(stored) => listing.letters.push(stored.summary()),
            Found::NotWhole { .. } => listing.not_whole += 1,
        }
    }
    Ok(listing)
}

/// The letters of a file. Ends after the first error.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    file: Option<BufReader<File>>,
    at: u64,
}

impl Iterator for Reader {
    type Item = Result<Found, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let file = self.file.as_mut()?;
        let mut line = Vec::new();
        if let Err(source) = file.take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            self.file = None;
            return Some(Err(ReadError { path: self.path.clone(), source }));
        }
        let (at, bytes) = (self.at, line.len() as u64);
        self.at = self.at.strict_add(bytes);
        let terminated = line.pop_if(|last| *last == b'\n').is_some();
        match Stored::read(&line) {
            Some(stored) => Some(Ok(Found::Letter(Box::new(stored)))),
            None if terminated || bytes == LINE_BYTES_MAX => {
                Some(Ok(Found::NotWhole { at, bytes }))
            }
            // The end, or a line that is not all there yet.
            None => None,
        }
    }
}

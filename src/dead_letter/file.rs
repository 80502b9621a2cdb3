//! The file the letters are in. It is opened anew for each append: a person may move it away,
//! cut it or mend it while the daemon runs.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::state_dir::{self, AppendFile};

pub(super) const DIR: &str = "dead-letters";
pub(super) const NAME: &str = "dead-letters.jsonl";

#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("write dead letters: {} has reached its max_size of {len_max} bytes", path.display())]
    Full { path: PathBuf, len_max: u64 },
    #[error("write dead letters to {}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// The file, open for one append.
pub(super) struct LetterFile {
    file: AppendFile,
    path: PathBuf,
    len_max: u64,
    /// What is there ends in the middle of a line.
    torn: bool,
}

impl LetterFile {
    /// Opens the file below `state_dir`; makes it if it is not there.
    pub(super) fn open(state_dir: &Path, len_max: u64) -> Result<Self, WriteError> {
        let dir = state_dir.join(DIR);
        let path = dir.join(NAME);
        let open = || {
            state_dir::create(&dir)?;
            let (len, torn) = end(&path)?;
            Ok((AppendFile::open(&path, len)?, torn))
        };
        match open() {
            Ok((file, torn)) => Ok(Self { file, path, len_max, torn }),
            Err(source) => Err(WriteError::Io { path, source }),
        }
    }

    /// How many bytes may still be appended.
    pub(super) fn room(&self) -> u64 {
        self.len_max.saturating_sub(self.file.len()).saturating_sub(u64::from(self.torn))
    }

    pub(super) fn full(self) -> WriteError {
        WriteError::Full { path: self.path, len_max: self.len_max }
    }

    /// Appends whole lines. Afterwards they are durable; after an error they are not there. A
    /// torn line keeps its bytes, and gets its break.
    pub(super) fn append(mut self, mut lines: Vec<u8>) -> Result<(), WriteError> {
        if self.torn {
            lines.insert(0, b'\n');
        }
        self.file.append(&lines).map_err(|source| WriteError::Io { path: self.path, source })
    }
}

/// The file's length, and whether its last line lacks its break.
fn end(path: &Path) -> io::Result<(u64, bool)> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((0, false)),
        Err(error) => return Err(error),
    };
    let len = file.metadata()?.len();
    let Some(last) = len.checked_sub(1) else { return Ok((0, false)) };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    Ok((len, byte != *b"\n"))
}

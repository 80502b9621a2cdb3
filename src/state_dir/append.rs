//! A file that only grows, by pieces that are there as a whole and durably, or not at all.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Its length is what we know to be good, not what the file system says: a write that failed
/// may have left bytes behind, and those are cut off before the next one.
#[derive(Debug)]
pub struct AppendFile {
    file: File,
    len: u64,
    /// There may be bytes beyond `len`.
    overhang: bool,
}

impl AppendFile {
    /// Opens `path` to go on after its first `len` bytes; creates it if it is not there.
    /// Afterwards its name and what is in it are durable. What lies beyond `len` is cut off by
    /// the first append.
    pub fn open(path: &Path, len: u64) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(path)?;
        // Also when it was there: a crash may have come between a write and its sync, and what
        // was read back must not go with a power cut later on.
        file.sync_data()?;
        if let Some(dir) = path.parent() {
            super::sync(dir)?;
        }
        let overhang = file.metadata()?.len() > len;
        Ok(Self { file, len, overhang })
    }

    /// The bytes of the file that are whole, durable and ours.
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends `bytes` and waits until the disk has them. After an error the file is as it was:
    /// cut back at once if that works, else before the next append.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.cut_back()?;
        let written = self.file.write_all_at(bytes, self.len).and_then(|()| self.file.sync_data());
        let Err(error) = written else {
            self.len = self.len.strict_add(bytes.len() as u64);
            return Ok(());
        };
        self.overhang = true;
        if let Err(cut) = self.cut_back() {
            tracing::debug!(error = %cut, "a failed write is cut off later");
        }
        Err(error)
    }

    fn cut_back(&mut self) -> io::Result<()> {
        if self.overhang {
            self.file.set_len(self.len)?;
            self.overhang = false;
        }
        Ok(())
    }
}

#[cfg(test)]
impl AppendFile {
    /// Makes every write and every cut fail, and leaves `litter` behind as a torn write would.
    pub(crate) fn break_off(&mut self, path: &Path, litter: &[u8]) {
        self.file.write_all_at(litter, self.len).unwrap();
        self.file = File::open(path).unwrap();
    }

    pub(crate) fn mend(&mut self, path: &Path) {
        self.file = OpenOptions::new().write(true).open(path).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_failed_write_left_behind_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mut file = AppendFile::open(&path, 0).unwrap();
        file.append(b"one\n").unwrap();
        file.break_off(&path, b"two, but only half of it and more");
        assert!(file.append(b"two\n").is_err());
        assert_eq!(file.len(), 4);
        file.mend(&path);
        file.append(b"2\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one\n2\n");
    }

    #[test]
    fn what_lies_beyond_the_good_part_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, b"one\ntorn").unwrap();
        let mut file = AppendFile::open(&path, 4).unwrap();
        file.append(b"two\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one\ntwo\n");
    }
}

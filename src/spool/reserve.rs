//! A file that holds room on the disk for the moment there is none: opening sled needs some.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};

pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
}

/// As measured: enough for sled to open, write its snapshot and go on.
const BYTES_MAX: u64 = 8 << 20;
/// Less would not open sled.
const BYTES_MIN: u64 = 2 << 20;

impl Reserve {
    /// A sixty-fourth of a spool of `disk_max` bytes; nothing where that is too little to help.
    pub(super) fn new(dir: &Path, disk_max: u64) -> Self {
        let bytes = Some((disk_max / 64).min(BYTES_MAX)).filter(|bytes| *bytes >= BYTES_MIN);
        Self { path: dir.join("reserve"), bytes: bytes.unwrap_or(0) }
    }

    /// Takes the room if it is not taken yet. Without it the spool works all the same.
    pub(super) fn ensure(&self) {
        if self.bytes > 0 && self.held() < self.bytes && self.allocate().is_err() {
            self.release();
        }
    }

    fn allocate(&self) -> io::Result<()> {
        let file = File::create(&self.path)?;
        Ok(fallocate(&file, FallocateFlags::empty(), 0, self.bytes)?)
    }

    /// Gives the room back to whoever needs it most.
    pub(super) fn release(&self) {
        // Not there, or not to be removed: either way there is nothing to gain.
        drop(fs::remove_file(&self.path));
    }

    /// Bytes of the file.
    pub(super) fn held(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |meta| meta.len())
    }

    /// What must stay free on the disk beside the spool.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_spools_reserve_nothing() {
        let dir = tempfile::tempdir().unwrap();
        Reserve::new(dir.path(), 16 << 20).ensure();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let reserve = Reserve::new(dir.path(), 1 << 30);
        reserve.ensure();
        assert_eq!(reserve.held(), 8 << 20);
        reserve.release();
        assert_eq!(reserve.held(), 0);
    }
}

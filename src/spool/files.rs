//! The few segment files that are open for reading, so that a large spool needs few descriptors.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::segment;

pub(super) struct Files {
    dir: PathBuf,
    /// The last used comes last.
    open: Vec<(u64, Arc<File>)>,
}

/// Lanes replay from one or two segments at a time.
const OPEN_MAX: usize = 8;

impl Files {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), open: Vec::new() }
    }

    pub(super) fn get(&mut self, number: u64) -> io::Result<Arc<File>> {
        let found = self.open.iter().position(|(open, _)| *open == number);
        let (_, file) = match found {
            Some(index) => self.open.remove(index),
            None => (number, Arc::new(segment::open(&self.dir, number)?)),
        };
        self.open.push((number, Arc::clone(&file)));
        if self.open.len() > OPEN_MAX {
            self.open.remove(0);
        }
        Ok(file)
    }

    /// Closes what would keep a deleted segment's bytes on the disk.
    pub(super) fn forget(&mut self, number: u64) {
        self.open.retain(|(open, _)| *open != number);
    }
}

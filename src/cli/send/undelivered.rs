//! The lines that could not be delivered, as they were read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

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
    pub(super) fn new(path: &'a Path) -> Self {
        Self { path, file: None, kept: Kept::default() }
    }

    pub(super) fn keep(&mut self, line: &[u8], why: &str) -> io::Result<()> {
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
        self.kept.count += 1;
        match self.kept.reasons.get_mut(why) {
            Some(count) => *count += 1,
            None => {
                self.kept.reasons.insert(why.to_owned(), 1);
            }
        }
        Ok(())
    }

    /// On disk when it returns.
    pub(super) fn close(&mut self) -> io::Result<Kept> {
        if let Some(file) = &mut self.file {
            file.flush()?;
            file.get_ref().sync_all()?;
        }
        Ok(std::mem::take(&mut self.kept))
    }
}

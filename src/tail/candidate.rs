//! A file that may be of a lineage, and has not been met under its identity.

use std::cmp::Reverse;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::source::Home;
use super::{identity, source};
use crate::record::Identity;

/// A file born or written to this much before the last look counts as new since: file systems
/// take their times from a clock that may stand still for some milliseconds.
const SLACK_MS: i128 = 100;

/// It was seen, but not opened yet.
pub(super) struct Sighting {
    pub(super) path: PathBuf,
    pub(super) meta: Metadata,
    pub(super) identity: Identity,
    pub(super) home: Home,
    /// It is one of ours that was empty, or holds something else now; its file if it is open.
    pub(super) is_ours: bool,
    pub(super) file: Option<File>,
}

/// It was opened.
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    pub(super) meta: Metadata,
    /// Without its head.
    pub(super) identity: Identity,
    pub(super) home: Home,
    pub(super) file: File,
}

impl Sighting {
    /// Looks at a path; nothing if no regular file is there.
    pub(super) fn at(path: &Path) -> io::Result<Option<Self>> {
        let meta = match std::fs::symlink_metadata(path) {
            Ok(meta) if meta.is_file() => meta,
            Ok(_) => return Ok(None),
            Err(error) if source::is_absence(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let (path, identity) = (path.to_owned(), identity::of(&meta));
        Ok(Some(Self { path, meta, identity, home: Home::Named, is_ours: false, file: None }))
    }

    /// What one of ours holds now that it was truncated, although it has no name any more.
    pub(super) fn of_orphan(file: File, path: PathBuf) -> io::Result<Self> {
        let meta = file.metadata()?;
        let (identity, file) = (identity::of(&meta), Some(file));
        Ok(Self { path, meta, identity, home: Home::Nameless, is_ours: true, file })
    }

    /// Opens it, unless it is; nothing if it is not there any more.
    pub(super) fn open(&self) -> io::Result<Option<Candidate>> {
        let file = match &self.file {
            Some(file) => file.try_clone(),
            None => source::open(&self.path),
        };
        match file {
            Ok(file) => {
                let (path, meta, home) = (self.path.clone(), file.metadata()?, self.home);
                let candidate = Candidate { path, identity: identity::of(&meta), meta, home, file };
                Ok(Some(candidate).filter(|c| c.identity.is_same_file(&self.identity)))
            }
            Err(error) if source::is_absence(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Neither its name nor its content was there when all was last looked at. What was born
    /// since but last written to before is a copy, or was unpacked.
    pub(super) fn is_young(&self, looked_ms: Option<u64>) -> bool {
        let Some(looked_ms) = looked_ms else { return true };
        let modified_ms = self.modified_ms();
        let born_ms = self.identity.born_ns.map_or(modified_ms, |ns| i128::from(ns / 1_000_000));
        born_ms.min(modified_ms) + SLACK_MS >= i128::from(looked_ms)
    }

    /// When it was last written to, in wall milliseconds.
    pub(super) fn modified_ms(&self) -> i128 {
        i128::from(self.meta.mtime()) * 1000 + i128::from(self.meta.mtime_nsec()) / 1_000_000
    }

    /// Sorts files of one lineage oldest first. Those of the same tick of the file system's clock
    /// go by name: `.2` is older than `.1`, and one date than another.
    pub(super) fn age(&self) -> impl Ord + use<> {
        let name = self.path.file_name().unwrap_or_default().as_bytes();
        let is_digit = |byte: &&u8| byte.is_ascii_digit();
        let digits = name.get(name.len() - name.iter().rev().take_while(is_digit).count()..);
        let number = digits.filter(|digits| digits.len() < 6).and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            digits.parse().ok()
        });
        let written = (self.meta.mtime(), self.meta.mtime_nsec());
        (written, self.identity.born_ns, Reverse(number.unwrap_or(0_u32)), name.to_vec())
    }
}

impl Candidate {
    /// Whether it holds the beginning of `original`, or all of it. Long files are compared in
    /// places.
    pub(super) fn is_copy_of(&self, original: &File) -> io::Result<bool> {
        let len = self.meta.len();
        Ok(len > 0
            && len <= original.metadata()?.len()
            && identity::same_beginning(&self.file, original, len)?)
    }
}

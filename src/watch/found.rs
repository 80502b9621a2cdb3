//! What a walk of the globs brings back.

use std::io;
use std::path::{Path, PathBuf};

use super::sibling::Compressed;

/// A regular file that an input's globs match, or one rotated away from such a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    pub input: usize,
    /// As matched, or beside what was matched.
    pub path: PathBuf,
    /// Where to open it if that is elsewhere: a path that goes through no symbolic link.
    pub real: Option<PathBuf>,
    /// The live name whose lineage it belongs to, if it is not itself live. That name may have no
    /// file at the moment.
    pub sibling_of: Option<PathBuf>,
    /// By its name.
    pub compressed: Option<Compressed>,
}

impl Found {
    /// The path to open it by.
    pub fn real(&self) -> &Path {
        self.real.as_deref().unwrap_or(&self.path)
    }
}

/// Something that an input's globs reach and that cannot be shipped.
#[derive(Debug)]
pub struct ScanProblem {
    pub input: usize,
    pub path: PathBuf,
    pub error: ScanError,
}

#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The link that is not trusted, which may be one further on.
    #[error("symbolic link outside follow_symlinks: {}", .0.display())]
    Untrusted(PathBuf),
    #[error("not a regular file")]
    NotRegular,
    #[error("cannot be looked into: {0}")]
    Unreachable(#[from] io::Error),
}

/// What a walk met.
#[derive(Debug, Default)]
pub struct Scan {
    /// In no order; each path once for each input.
    pub found: Vec<Found>,
    /// Only what the scan before did not meet.
    pub problems: Vec<ScanProblem>,
    /// Directories of inputs that could not be looked into this time.
    pub unseen: Vec<(usize, PathBuf)>,
}

impl Scan {
    /// May `path` be there although it was not found?
    pub fn may_miss(&self, input: usize, path: &Path) -> bool {
        self.unseen.iter().any(|(of, dir)| *of == input && path.starts_with(dir))
    }
}

//! What can go wrong, by operation.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::usage::Refusal;

/// Why the spool cannot be opened. A damaged spool is not among the reasons.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("use the spool {}: another process holds it", path.display())]
    Locked { path: PathBuf },
    #[error("read {}: written by a newer version (format {found}, known is {known})", path.display())]
    Newer { path: PathBuf, found: u32, known: u32 },
    #[error("use the spool's {}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl OpenError {
    pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// Why blocks did not become durable. All of them stay with the caller.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {}", path.display())]
pub(super) struct AppendError {
    pub(super) doing: &'static str,
    pub(super) path: PathBuf,
    pub(super) source: io::Error,
}

impl AppendError {
    pub(super) fn at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self { doing, path, source }
    }

    pub(super) fn refusal(&self) -> Refusal {
        let kind = self.source.kind();
        let is_full = matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
        if is_full { Refusal::Full } else { Refusal::Failing }
    }
}

/// Why the index cannot go on. It is thrown away then and made again from the segments.
#[derive(Debug, thiserror::Error)]
pub(super) enum IndexError {
    #[error("the spool's index is damaged: {0}")]
    Damaged(String),
    #[error("no space left for the spool's index")]
    Full,
}

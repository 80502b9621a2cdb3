//! One daemon at a time in a state directory.
//!
//! The lock is the kernel's: it goes with the process that held it, however that ends.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

const NAME: &str = "lock";

/// The state directory is ours for as long as this lives.
#[must_use = "the directory is free again once the lock is dropped"]
#[derive(Debug)]
pub struct Lock {
    _held: File,
}

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("use the state directory {}", path.display())]
    Unusable { path: PathBuf, source: io::Error },
    #[error("use the state directory {}: held by another tailspool{}", path.display(), by(*pid))]
    Held { path: PathBuf, pid: Option<u32> },
}

fn by(pid: Option<u32>) -> String {
    pid.map(|pid| format!(", process {pid}")).unwrap_or_default()
}

impl Lock {
    /// Makes the directory if need be, and takes its lock without waiting. Afterwards the file
    /// `lock` in it holds our process id, for people and for [`LockError::Held`].
    pub fn acquire(state_dir: &Path) -> Result<Self, LockError> {
        let unusable = |source| LockError::Unusable { path: state_dir.to_owned(), source };
        super::create(state_dir).map_err(unusable)?;
        let path = state_dir.join(NAME);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(unusable)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(LockError::Held { path: state_dir.to_owned(), pid: holder(&path) });
            }
            Err(errno) => return Err(unusable(errno.into())),
        }
        note_pid(&file);
        Ok(Self { _held: file })
    }
}

fn holder(path: &Path) -> Option<u32> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// A full disk must not keep the daemon from starting: what is written here only informs.
fn note_pid(mut file: &File) {
    let noted = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    if let Err(error) = noted {
        tracing::debug!(%error, "process id not noted in the lock file");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_daemon_learns_who_holds_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::acquire(dir.path()).unwrap();
        let second = Lock::acquire(dir.path()).unwrap_err();
        let LockError::Held { pid, .. } = &second else { panic!("{second}") };
        assert_eq!(*pid, Some(std::process::id()));
        assert!(second.to_string().contains("held by another tailspool, process "));
        drop(first);
        drop(Lock::acquire(dir.path()).unwrap());
    }

    #[test]
    fn a_directory_that_cannot_be_is_not_a_directory_that_is_held() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "").unwrap();
        let error = Lock::acquire(&path).unwrap_err();
        assert!(matches!(error, LockError::Unusable { .. }), "{error}");
    }
}

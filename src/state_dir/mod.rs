//! The directory in which everything survives a restart: made, locked, and written to in the one
//! way that holds when the power is cut or the disk is full.

mod append;
mod lock;
#[cfg(test)]
pub(crate) mod small_disk;

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

pub use append::AppendFile;
pub use lock::{Lock, LockError};

/// Makes `path` and what is missing above it, for this user alone (mode 0700). Afterwards it is
/// there, and stays there over a power cut.
pub fn create(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = parent_of(path);
    create(parent)?;
    match DirBuilder::new().mode(0o700).create(path) {
        // Somebody else made it in between; or it is a file, and its user will be told so.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync(parent),
    }
}

/// Makes the names in a directory durable. Without it a file that was created or renamed may be
/// gone after a power cut, whatever was synced into it.
pub fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn missing_directories_are_made_for_this_user_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        create(&path).unwrap();
        create(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_file_in_the_way_is_an_error_of_whoever_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "").unwrap();
        assert!(create(&path.join("below")).is_err());
    }
}

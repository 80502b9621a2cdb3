//! Directories as the kernel lists them: opened without following links, read without a system
//! call or an allocation for each name.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, RawDir, ResolveFlags};
use rustix::io::Errno;

/// Some hundred names a system call.
pub(super) const LISTING_BYTES: usize = 32 * 1024;

/// The names of the regular files in a directory that `wanted` says yes to.
pub(super) fn regular_files(
    dir: &Path,
    wanted: impl Fn(&OsStr) -> bool,
) -> io::Result<Vec<OsString>> {
    let fd = open_dir(dir, OFlags::RDONLY)?;
    let mut listing = Vec::with_capacity(LISTING_BYTES);
    let mut entries = RawDir::new(&fd, listing.spare_capacity_mut());
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        let regular = match entry.file_type() {
            FileType::RegularFile => true,
            FileType::Unknown => fs::symlink_metadata(dir.join(name)).is_ok_and(|f| f.is_file()),
            FileType::Directory
            | FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice => false,
        };
        if regular && wanted(name) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// Opens a directory by a path that must not go through symbolic links.
pub(super) fn open_dir(path: &Path, access: OFlags) -> io::Result<OwnedFd> {
    let flags = access | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let opened = rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS);
    match opened {
        // Before Linux 5.6, or forbidden by an older sandbox: only the last component is guarded.
        Err(Errno::NOSYS | Errno::PERM) => Ok(rustix::fs::openat(CWD, path, flags, Mode::empty())?),
        opened => Ok(opened?),
    }
}

/// It was there when its parent was listed. The next scan sees what it has become.
pub(super) fn vanished(error: &io::Error) -> bool {
    let gone = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|code| gone.contains(&code))
}

//! Seats: the directories that are watched, one watch for each inode, under whatever names it is
//! reached. Where the kernel gives no watch, or one that is blind, the inputs concerned are polled.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::{ErrorKind, RecommendedWatcher, RecursiveMode, Watcher};
use rustix::fs::{fstat, fstatfs};

use super::notes::{Notes, Target};
use super::pattern::At;

/// Whether changes of an input's files are told, or have to be looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    Notify,
    Poll(PollReason),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PollReason {
    /// `fs.inotify.max_user_instances`, or no descriptor left.
    NoWatcher(String),
    /// `fs.inotify.max_user_watches`.
    NoWatchLeft,
    /// What others write there is not told.
    BlindFileSystem(&'static str),
    /// A directory may be passed but not watched, say.
    Refused(String),
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Notify => f.write_str("notify"),
            Self::Poll(reason) => write!(f, "poll: {reason}"),
        }
    }
}

impl fmt::Display for PollReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoWatcher(why) => {
                write!(f, "no inotify instance ({why}; raise fs.inotify.max_user_instances)")
            }
            Self::NoWatchLeft => {
                f.write_str("no inotify watch left (raise fs.inotify.max_user_watches)")
            }
            Self::BlindFileSystem(name) => write!(f, "inotify is blind on {name}"),
            Self::Refused(why) => write!(f, "a directory cannot be watched: {why}"),
        }
    }
}

/// File systems that others write to without this kernel knowing, from `linux/magic.h` and the
/// file systems' own sources.
const BLIND: [(u64, &str); 11] = [
    (0x6969, "NFS"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x517B, "SMB"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9p"),
    (0x00C3_6400, "Ceph"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "AFS"),
    (0x0BD0_0BD0, "Lustre"),
    (0x786F_4256, "vboxsf"),
];

/// Every so many scans each watch is set again, which changes nothing where it still is: notify
/// does not tell when one ended with an unmount.
const REASSURE_SCANS: u64 = 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Inode {
    device: u64,
    number: u64,
}

#[derive(Debug)]
struct Seat {
    /// The name the watch was set by, and events come with.
    path: PathBuf,
    watched: bool,
    blind: Option<&'static str>,
    scan: u64,
}

pub(super) struct Seats {
    notes: Arc<Notes>,
    watcher: Option<RecommendedWatcher>,
    by_inode: HashMap<Inode, Seat>,
    by_path: HashMap<PathBuf, Inode>,
    scan: u64,
    /// Why no more watches are asked for in this scan.
    spent: Option<PollReason>,
    modes: Vec<Mode>,
    /// What this scan found so far.
    polled: Vec<Option<PollReason>>,
}

impl Seats {
    pub(super) fn new(notes: Arc<Notes>, inputs: usize) -> Self {
        Self {
            notes,
            watcher: None,
            by_inode: HashMap::new(),
            by_path: HashMap::new(),
            scan: 0,
            spent: None,
            modes: vec![Mode::Notify; inputs],
            polled: vec![None; inputs],
        }
    }

    pub(super) fn mode(&self, input: usize) -> Mode {
        self.modes.get(input).cloned().unwrap_or(Mode::Notify)
    }

    pub(super) fn watched(&self) -> usize {
        self.by_inode.values().filter(|seat| seat.watched).count()
    }

    /// Before a scan: forgets the watches that notify lost, and tries again for a watcher.
    pub(super) fn begin(&mut self) {
        self.scan = self.scan.strict_add(1);
        self.spent = None;
        self.polled.fill(None);
        let (gone, doubt) = self.notes.take_gone();
        for path in gone {
            // notify dropped what was below, too.
            let below: Vec<_> =
                self.by_path.keys().filter(|known| known.starts_with(&path)).cloned().collect();
            for path in below {
                self.vacate(&path);
            }
        }
        if doubt || self.scan.is_multiple_of(REASSURE_SCANS) {
            self.by_inode.values_mut().for_each(|seat| seat.watched = false);
        }
        if self.watcher.is_none() {
            self.hire();
        }
    }

    fn hire(&mut self) {
        let notes = Arc::clone(&self.notes);
        match notify::recommended_watcher(move |event| notes.hear(event)) {
            Ok(watcher) => {
                self.watcher = Some(watcher);
                self.by_inode.values_mut().for_each(|seat| seat.watched = false);
            }
            Err(error) => self.spent = Some(PollReason::NoWatcher(error.to_string())),
        }
    }

    /// After a scan: lets go of what it did not meet and says which inputs' mode has changed.
    /// `ids` are theirs.
    pub(super) fn end(&mut self, ids: &[String]) {
        let left = self.by_inode.values().filter(|seat| seat.scan != self.scan);
        let left: Vec<_> = left.map(|seat| seat.path.clone()).collect();
        for path in left {
            self.vacate(&path);
        }
        self.notes.keep_only(self.scan);
        for ((mode, polled), input) in self.modes.iter_mut().zip(&mut self.polled).zip(ids) {
            let now = polled.take().map_or(Mode::Notify, Mode::Poll);
            if *mode == now {
                continue;
            }
            match &now {
                Mode::Notify => tracing::info!(input, "watching again"),
                Mode::Poll(reason) => tracing::warn!(input, %reason, "polling instead of watching"),
            }
            *mode = now;
        }
    }

    /// Has the directory `fd`, whose path without links is `real`, watched before it returns.
    /// Globs reach it as `view`.
    pub(super) fn occupy(
        &mut self,
        fd: &OwnedFd,
        real: &Path,
        view: &Path,
        states: &[At],
        inputs: impl Iterator<Item = usize>,
    ) -> io::Result<()> {
        let (inode, path) = self.sit(fd, real)?;
        self.notes.add_view(&path, view, states, self.scan);
        self.watch(inode, inputs);
        Ok(())
    }

    /// The same for a directory that only matters for a file which a link leads to.
    pub(super) fn occupy_target(
        &mut self,
        fd: &OwnedFd,
        real: &Path,
        target: Target,
    ) -> io::Result<()> {
        let (inode, path) = self.sit(fd, real)?;
        let input = target.input;
        self.notes.add_target(&path, target, self.scan);
        self.watch(inode, std::iter::once(input));
        Ok(())
    }

    /// Finds or makes the seat of a directory; it is known by the returned path.
    fn sit(&mut self, fd: &OwnedFd, real: &Path) -> io::Result<(Inode, PathBuf)> {
        let here = fstat(fd)?;
        let inode = Inode { device: here.st_dev, number: here.st_ino };
        if let Some(seat) = self.by_inode.get(&inode)
            && seat.path != real
            && !leads_to(&seat.path, inode)
        {
            let moved = seat.path.clone();
            self.vacate(&moved);
        }
        if let Some(other) = self.by_path.get(real)
            && *other != inode
        {
            self.vacate(real);
        }
        if let Some(seat) = self.by_inode.get_mut(&inode) {
            seat.scan = self.scan;
            return Ok((inode, seat.path.clone()));
        }
        let path = real.to_path_buf();
        let seat = Seat { path: path.clone(), watched: false, blind: blind(fd), scan: self.scan };
        self.by_inode.insert(inode, seat);
        self.by_path.insert(path.clone(), inode);
        Ok((inode, path))
    }

    fn watch(&mut self, inode: Inode, inputs: impl Iterator<Item = usize>) {
        let Some(seat) = self.by_inode.get(&inode) else { return };
        let (watched, blind, path) = (seat.watched, seat.blind, seat.path.clone());
        let refused = if watched { None } else { self.set_watch(inode, &path) };
        let reason = blind.map(PollReason::BlindFileSystem).or(refused);
        if let Some(reason) = reason {
            for input in inputs {
                if let Some(polled) = self.polled.get_mut(input) {
                    polled.get_or_insert_with(|| reason.clone());
                }
            }
        }
    }

    fn set_watch(&mut self, inode: Inode, path: &Path) -> Option<PollReason> {
        if self.spent.is_some() {
            return self.spent.clone();
        }
        let reason = match self.ask(|watcher| watcher.watch(path, RecursiveMode::NonRecursive))? {
            Ok(()) => {
                self.by_inode.entry(inode).and_modify(|seat| seat.watched = true);
                return None;
            }
            Err(error) => match error.kind {
                // It has just gone; its parent's watch or the next scan will tell.
                ErrorKind::PathNotFound => return None,
                ErrorKind::MaxFilesWatch => PollReason::NoWatchLeft,
                ErrorKind::Io(error) => return Some(PollReason::Refused(error.to_string())),
                ErrorKind::Generic(_) | ErrorKind::WatchNotFound | ErrorKind::InvalidConfig(_) => {
                    PollReason::Refused(error.to_string())
                }
            },
        };
        self.spent = Some(reason.clone());
        Some(reason)
    }

    /// notify panics here when its thread has died; it is then left behind for a new one.
    fn ask(
        &mut self,
        question: impl FnOnce(&mut RecommendedWatcher) -> notify::Result<()>,
    ) -> Option<notify::Result<()>> {
        let watcher = self.watcher.as_mut()?;
        let answer = catch_unwind(AssertUnwindSafe(|| question(watcher)));
        if answer.is_err() {
            self.spent = Some(PollReason::NoWatcher("notify's thread has died".to_owned()));
            // Its drop would panic, too.
            if let Some(dead) = self.watcher.take() {
                std::mem::forget(dead);
            }
        }
        Some(answer.unwrap_or_else(|_| Err(notify::Error::generic("notify's thread has died"))))
    }

    /// Watches what no scan has met.
    #[cfg(test)]
    pub(super) fn gain(&mut self, path: &Path) {
        let answer = self.ask(|watcher| watcher.watch(path, RecursiveMode::NonRecursive));
        assert!(answer.is_some_and(|answer| answer.is_ok()));
    }

    /// As when the kernel ended a watch and the event was lost.
    #[cfg(test)]
    pub(super) fn lose(&mut self, path: &Path) {
        assert!(self.ask(|watcher| watcher.unwatch(path)).is_some_and(|answer| answer.is_ok()));
    }

    fn vacate(&mut self, path: &Path) {
        if let Some(inode) = self.by_path.remove(path) {
            self.by_inode.remove(&inode);
        }
        // That it is not watched any more is the usual case here.
        if let Some(Err(error)) = self.ask(|watcher| watcher.unwatch(path)) {
            tracing::trace!(%error, "the watch was gone");
        }
    }
}

fn leads_to(path: &Path, inode: Inode) -> bool {
    fs::symlink_metadata(path)
        .is_ok_and(|found| found.dev() == inode.device && found.ino() == inode.number)
}

fn blind(fd: impl AsFd) -> Option<&'static str> {
    named(u64::try_from(fstatfs(fd).ok()?.f_type & 0xFFFF_FFFF).ok()?)
}

/// The file system with this magic number, if it is blind.
fn named(kind: u64) -> Option<&'static str> {
    BLIND.iter().find(|(magic, _)| *magic == kind).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_that_others_write_to_are_polled() {
        for (kind, name) in [(0x6969, "NFS"), (0x6573_5546, "FUSE"), (0xFF53_4D42, "CIFS")] {
            assert_eq!(named(kind), Some(name));
        }
        let (ext4, tmpfs, overlay) = (0xEF53, 0x0102_1994, 0x794C_7630);
        for kind in [ext4, tmpfs, overlay] {
            assert_eq!(named(kind), None);
        }
    }
}

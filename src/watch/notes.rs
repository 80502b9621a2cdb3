//! What notify has said since it was last asked. Heard on notify's thread: it only takes notes,
//! each path once and no more than a cap, and never blocks on anything but another note taker.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::event::{ModifyKind, RenameMode};
use notify::{Event, EventKind};

use super::pattern::{At, Patterns};
use super::sibling;

/// Over this many changed paths a scan is cheaper than to look at each.
const NOTED_MAX: usize = 4096;

/// A watched directory under one of the names that globs reach it by.
#[derive(Debug)]
pub(super) struct View {
    pub(super) dir: PathBuf,
    pub(super) states: Vec<At>,
    scan: u64,
}

/// A file that a symbolic link leads to: its name in a watched directory, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) name: OsString,
    pub(super) input: usize,
    pub(super) link: PathBuf,
}

/// Why a directory is watched, so that only what matters there is noted.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub(super) views: Vec<View>,
    pub(super) targets: Vec<(Target, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hint {
    Changed,
    /// Its permissions, perhaps: it may be readable now.
    Altered,
    Arrived,
    Left,
}

/// A path, and whether it may have become something else than a plain file.
pub(super) type Noted = HashMap<PathBuf, bool>;

#[derive(Default)]
struct Inner {
    noted: Noted,
    /// Watched directories that went away or were replaced: notify has dropped their watch, or may
    /// drop the one that was set again since.
    gone: HashSet<PathBuf>,
    /// Events were lost, so any watch may be gone.
    doubt: bool,
    rescan: bool,
    overflows: u64,
    places: HashMap<PathBuf, Place>,
}

pub(super) struct Notes {
    patterns: Arc<Patterns>,
    wake: Box<dyn Fn() + Send + Sync>,
    inner: Mutex<Inner>,
}

impl Notes {
    pub(super) fn new(patterns: Arc<Patterns>, wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self { patterns, wake: Box::new(wake), inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The callback of notify.
    pub(super) fn hear(&self, event: notify::Result<Event>) {
        if self.lock().hear(&self.patterns, event) {
            (self.wake)();
        }
    }

    /// The paths noted and whether a scan is due; both are forgotten here.
    pub(super) fn take(&self) -> (Noted, bool) {
        let mut inner = self.lock();
        (std::mem::take(&mut inner.noted), std::mem::take(&mut inner.rescan))
    }

    /// Which watches are gone, and whether any other may be; both are forgotten here.
    pub(super) fn take_gone(&self) -> (HashSet<PathBuf>, bool) {
        let mut inner = self.lock();
        (std::mem::take(&mut inner.gone), std::mem::take(&mut inner.doubt))
    }

    pub(super) fn overflows(&self) -> u64 {
        self.lock().overflows
    }

    /// Looks at the place of a watched directory. No note is taken meanwhile.
    pub(super) fn at_place<T>(&self, dir: &Path, look: impl FnOnce(&Place) -> T) -> Option<T> {
        self.lock().places.get(dir).map(look)
    }

    /// From now on what happens in the watched `dir` matters as `view` says.
    pub(super) fn add_view(&self, dir: &Path, view: &Path, states: &[At], scan: u64) {
        let mut inner = self.lock();
        let views = &mut inner.place(dir).views;
        if let Some(known) = views.iter_mut().find(|known| known.dir == view) {
            known.states.clear();
            known.states.extend_from_slice(states);
            known.scan = scan;
        } else {
            let (dir, states) = (view.to_path_buf(), states.to_vec());
            views.push(View { dir, states, scan });
        }
    }

    /// From now on changes of this file in the watched `dir` are changes of a link to it.
    pub(super) fn add_target(&self, dir: &Path, target: Target, scan: u64) {
        let mut inner = self.lock();
        let place = inner.place(dir);
        match place.targets.iter_mut().find(|(known, _)| *known == target) {
            Some((_, seen)) => *seen = scan,
            None => place.targets.push((target, scan)),
        }
    }

    /// Drops what the scan of this number has not seen.
    pub(super) fn keep_only(&self, scan: u64) {
        self.lock().places.retain(|_, place| {
            place.views.retain(|view| view.scan == scan);
            place.targets.retain(|(_, seen)| *seen == scan);
            !place.views.is_empty() || !place.targets.is_empty()
        });
    }

    #[cfg(test)]
    pub(super) fn noted(&self) -> usize {
        self.lock().noted.len()
    }
}

impl Inner {
    fn place(&mut self, dir: &Path) -> &mut Place {
        if !self.places.contains_key(dir) {
            self.places.insert(dir.to_path_buf(), Place::default());
        }
        self.places.entry(dir.to_path_buf()).or_default()
    }

    /// Whether there is anything new.
    fn hear(&mut self, patterns: &Patterns, event: notify::Result<Event>) -> bool {
        let Ok(event) = event else {
            self.doubt = true;
            return self.want_rescan();
        };
        // An overflow names no path, so it must be asked for first.
        if event.need_rescan() {
            self.overflows = self.overflows.saturating_add(1);
            self.doubt = true;
            return self.want_rescan();
        }
        let Some(hint) = hint(event.kind) else { return false };
        let mut new = false;
        for path in event.paths {
            new |= self.note(patterns, path, hint);
        }
        new
    }

    fn want_rescan(&mut self) -> bool {
        !std::mem::replace(&mut self.rescan, true)
    }

    fn note(&mut self, patterns: &Patterns, path: PathBuf, hint: Hint) -> bool {
        if self.places.contains_key(&path) {
            if matches!(hint, Hint::Arrived | Hint::Left) {
                self.gone.insert(path);
            }
            return self.want_rescan();
        }
        let arrived = matches!(hint, Hint::Arrived | Hint::Altered);
        if let Some(known) = self.noted.get_mut(&path) {
            *known |= arrived;
            return false;
        }
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return false };
        let Some(place) = self.places.get(dir) else { return false };
        if !place.concerns(patterns, name, arrived) {
            return false;
        }
        if self.noted.len() >= NOTED_MAX {
            self.noted.clear();
            return self.want_rescan();
        }
        self.noted.insert(path, arrived);
        true
    }
}

impl Place {
    fn concerns(&self, patterns: &Patterns, name: &OsStr, arrived: bool) -> bool {
        let states = |view: &View| {
            patterns.may_take(&view.states, name)
                || arrived && patterns.may_descend(&view.states, name)
        };
        self.views.iter().any(states)
            || self.targets.iter().any(|(target, _)| sibling::extends(name, &target.name))
    }
}

fn hint(kind: EventKind) -> Option<Hint> {
    match kind {
        // Our own reading makes the former, and whoever writes also modifies; the halves of the
        // latter are told one by one, too.
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => None,
        EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From)) => {
            Some(Hint::Left)
        }
        EventKind::Create(_) | EventKind::Modify(ModifyKind::Name(_)) => Some(Hint::Arrived),
        EventKind::Modify(ModifyKind::Metadata(_)) => Some(Hint::Altered),
        EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any | ModifyKind::Other)
        | EventKind::Any
        | EventKind::Other => Some(Hint::Changed),
    }
}

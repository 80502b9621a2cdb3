//! Finds the files of the inputs and says where something may have changed.
//!
//! A walk of the globs ([`Watch::scan`]) is the truth; notify is a hint that makes the truth come
//! sooner. Log files are neither opened nor told apart here: that is for `tail`.

mod found;
mod known;
mod link;
mod listing;
mod notes;
mod pattern;
mod seat;
mod sibling;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::mem::{self, Discriminant};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::found::{Found, Scan, ScanError, ScanProblem};
pub use self::pattern::GlobError;
pub use self::seat::{Mode, PollReason};
pub use self::sibling::{Compressed, compressed};

use self::known::Known;
use self::link::Trust;
use self::notes::{Notes, Place};
use self::pattern::Patterns;
use self::seat::Seats;
use self::walk::Walk;
use crate::settings::Input;

/// A lineage with which something may have happened: the live name's file or one rotated away
/// from it was written to, made, renamed, removed. There need not be a file of that name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Touched {
    pub input: usize,
    pub path: PathBuf,
    /// As in [`Found`].
    pub real: Option<PathBuf>,
}

/// What notify has said since it was last asked.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Each lineage once.
    pub touched: Vec<Touched>,
    /// Anything may have changed: a scan is due, and a look at every file known.
    pub rescan: bool,
}

/// The inputs' files, found and watched.
pub struct Watch {
    ids: Vec<String>,
    follow: Vec<Vec<PathBuf>>,
    patterns: Arc<Patterns>,
    notes: Arc<Notes>,
    seats: Seats,
    known: Known,
    said: HashSet<(usize, PathBuf, Discriminant<ScanError>)>,
}

impl Watch {
    /// Nothing is looked at before the first [`Watch::scan`]. `wake` is called from notify's
    /// thread when there is something new to ask [`Watch::changes`] for; it must not block.
    pub fn new(
        inputs: &[Input],
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, GlobError> {
        let patterns = Arc::new(Patterns::new(inputs)?);
        let notes = Arc::new(Notes::new(Arc::clone(&patterns), wake));
        Ok(Self {
            ids: inputs.iter().map(|input| input.id.clone()).collect(),
            follow: Trust::roots(inputs),
            seats: Seats::new(Arc::clone(&notes), inputs.len()),
            known: Known::new(patterns.inputs()),
            patterns,
            notes,
            said: HashSet::new(),
        })
    }

    /// Walks all globs of all inputs and watches every directory on the way that may hold matches
    /// or become the way to some. Afterwards every file that is there was found, or will be told.
    pub fn scan(&mut self) -> Scan {
        let trust = Trust::new(&self.follow, &self.patterns);
        self.seats.begin();
        let walk = Walk::new(&self.patterns, &trust, &mut self.seats, &mut self.known);
        let mut scan = walk.run();
        self.seats.end(&self.ids);
        self.keep_new(&mut scan.problems);
        scan
    }

    fn keep_new(&mut self, problems: &mut Vec<ScanProblem>) {
        let key = |problem: &ScanProblem| {
            (problem.input, problem.path.clone(), mem::discriminant(&problem.error))
        };
        let now = problems.iter().map(key).collect();
        let before = mem::replace(&mut self.said, now);
        problems.retain(|problem| !before.contains(&key(problem)));
    }

    /// What notify has said since the last call.
    pub fn changes(&mut self) -> Changes {
        let (noted, mut rescan) = self.notes.take();
        let mut touched = BTreeSet::new();
        for (path, arrived) in noted {
            let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { continue };
            let kind = arrived.then(|| fs::symlink_metadata(&path).ok()).flatten();
            let kind = kind.map(|found| found.file_type());
            let look = |place: &Place| {
                if kind.is_some_and(|kind| kind.is_dir()) {
                    let mut views = place.views.iter();
                    return views.any(|view| self.patterns.may_descend(&view.states, name));
                }
                self.touch(place, dir, name, &mut touched);
                // Only a scan follows links.
                kind.is_some_and(|kind| kind.is_symlink())
            };
            rescan |= self.notes.at_place(dir, look).unwrap_or(false);
        }
        Changes { touched: touched.into_iter().collect(), rescan }
    }

    /// The lineages that the file `name` in the watched directory `dir` may be of.
    fn touch(&self, place: &Place, dir: &Path, name: &OsStr, touched: &mut BTreeSet<Touched>) {
        let (mut taken, mut rotated) = (Vec::new(), Vec::new());
        for view in &place.views {
            self.patterns.takes(&view.states, name, &mut taken);
            self.patterns.takes_rotated(&view.states, name, &taken, &mut rotated);
            for input in taken.iter().chain(&rotated).copied() {
                let live = self.known.live_in(input, &view.dir);
                let rule = self.patterns.rule(input);
                let owner = if taken.contains(&input) {
                    Some(rule.owner_of_matched(name, &live).unwrap_or(name))
                } else {
                    let matched = |head: &OsStr| self.patterns.takes_in(&view.states, input, head);
                    rule.owner_of_other(name, &live).or_else(|| rule.likely_owner(name, matched))
                };
                let Some(owner) = owner else { continue };
                let elsewhere = (view.dir != dir).then(|| dir.join(owner));
                let target = self.known.target(input, &view.dir, owner).map(Path::to_path_buf);
                let (path, real) = (view.dir.join(owner), target.or(elsewhere));
                touched.insert(Touched { input, path, real });
            }
        }
        for (target, _) in &place.targets {
            if sibling::extends(name, &target.name) {
                let (input, path) = (target.input, target.link.clone());
                touched.insert(Touched { input, path, real: Some(dir.join(&target.name)) });
            }
        }
    }

    /// The inputs whose globs take this path, in order.
    pub fn matching(&self, path: &Path) -> Vec<usize> {
        self.patterns.matching(path)
    }

    /// What was rotated away from the live name `path`, which need have no file at the moment.
    /// In no order.
    pub fn siblings(&self, input: usize, path: &Path) -> io::Result<Vec<Found>> {
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(Vec::new());
        };
        if let Some(target) = self.known.target(input, dir, name) {
            return walk::beside_target(&self.patterns, input, path, target);
        }
        self.beside(input, dir, name)
    }

    fn beside(&self, input: usize, dir: &Path, live: &OsStr) -> io::Result<Vec<Found>> {
        let real = fs::canonicalize(dir)?;
        let rule = self.patterns.rule(input);
        let names = self.known.live_in(input, dir).and(live);
        let mut found = Vec::new();
        for name in listing::regular_files(&real, |name| rule.may_continue(name, live))? {
            let path = dir.join(&name);
            let owner = walk::owner(&self.patterns, input, &path, &names);
            if owner.is_some_and(|owner| owner == live) {
                let real = (real != dir).then(|| real.join(&name));
                let (sibling_of, compressed) = (Some(dir.join(live)), compressed(&name));
                found.push(Found { input, path, real, sibling_of, compressed });
            }
        }
        Ok(found)
    }

    /// `path` is a live name of before a restart: what is beside it is its, even if it has no
    /// file now.
    pub fn know(&mut self, input: usize, path: &Path) {
        if let (Some(dir), Some(name)) = (path.parent(), path.file_name())
            && self.patterns.matching(path).contains(&input)
            && !self.known.contains(input, dir, name)
        {
            self.known.add(input, dir, name, None);
        }
    }

    /// `path` is live no more, unless a scan finds it again.
    pub fn forget(&mut self, input: usize, path: &Path) {
        if let (Some(dir), Some(name)) = (path.parent(), path.file_name()) {
            self.known.forget(input, dir, name);
        }
    }

    /// How the input is watched, as the last scan found it.
    pub fn mode(&self, input: usize) -> Mode {
        self.seats.mode(input)
    }

    /// How many directories are watched.
    pub fn watched(&self) -> usize {
        self.seats.watched()
    }

    /// How often the kernel lost events because nobody fetched them in time.
    pub fn overflows(&self) -> u64 {
        self.notes.overflows()
    }
}

//! What is beside a live name, and who has the name, at one moment. Files that are renamed while
//! they are listed and looked at can hide, or seem older than they are; then what follows them
//! would be read first.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use super::candidate::{SLACK_MS, rests_since};
use super::identity;
use super::source::is_absence;

/// A log that is rotated faster than it can be looked at cannot be waited for.
const AGAIN_MAX: usize = 100;

pub(super) struct Beside {
    pub(super) live: Option<Metadata>,
    /// By name. Without what cannot be looked at, or went since it was listed.
    siblings: Vec<(PathBuf, Option<Metadata>)>,
    /// What cannot be looked at.
    pub(super) failed: Vec<(PathBuf, io::Error)>,
}

impl Beside {
    /// Looks at what was listed, now that `live` is behind the name.
    pub(super) fn of(live: Option<Metadata>, mut listed: Vec<PathBuf>) -> Self {
        listed.sort_unstable();
        let mut failed = Vec::new();
        let siblings = listed.into_iter().map(|path| {
            let meta = look(&path, &mut failed);
            (path, meta)
        });
        let siblings = siblings.collect();
        Self { live, siblings, failed }
    }

    /// Lists and looks until twice nothing has changed.
    pub(super) fn now(live: &Path, list: impl Fn() -> Vec<PathBuf>) -> Self {
        Self::once(live, &list).settled(live, None, list)
    }

    fn once(live: &Path, list: impl Fn() -> Vec<PathBuf>) -> Self {
        // Who has the name comes first: what it is followed by meanwhile is seen the next time.
        let mut failed = Vec::new();
        let meta = look(live, &mut failed);
        let mut beside = Self::of(meta, list());
        beside.failed.append(&mut failed);
        beside
    }

    /// The same as of one moment; of `listed_ms`, if nothing was renamed since, for whoever looks
    /// at very many has listed them all at once.
    pub(super) fn settled(
        mut self,
        live: &Path,
        listed_ms: Option<u64>,
        list: impl Fn() -> Vec<PathBuf>,
    ) -> Self {
        if listed_ms.is_some_and(|listed_ms| self.is_settled_since(listed_ms)) {
            return self;
        }
        for _ in 0..AGAIN_MAX {
            let before = std::mem::replace(&mut self, Self::once(live, &list));
            if self.is_as(&before) {
                break;
            }
        }
        self
    }

    pub(super) fn siblings(&self) -> impl Iterator<Item = (&PathBuf, Option<&Metadata>)> {
        self.siblings.iter().map(|(path, meta)| (path, meta.as_ref()))
    }

    /// What has a name beside the live one.
    pub(super) fn at(&self, path: &Path) -> Option<&Metadata> {
        let at = self.siblings.binary_search_by(|(known, _)| known.as_path().cmp(path)).ok()?;
        self.siblings.get(at)?.1.as_ref()
    }

    /// The same files under the same names.
    fn is_as(&self, other: &Self) -> bool {
        let is_same = |one: Option<&Metadata>, other: Option<&Metadata>| match (one, other) {
            (Some(one), Some(other)) => identity::of(one).is_same_file(&identity::of(other)),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        is_same(self.live.as_ref(), other.live.as_ref())
            && self.siblings.len() == other.siblings.len()
            && self
                .siblings()
                .zip(other.siblings())
                .all(|((path, meta), (other, was))| path == other && is_same(meta, was))
    }

    /// Whoever has the name was there before; and what is beside it was not renamed.
    fn is_settled_since(&self, listed_ms: u64) -> bool {
        let live = self.live.as_ref().map(identity::of);
        let born_ns = live.and_then(|live| live.born_ns);
        live.is_some()
            && born_ns.is_none_or(|born_ns| born_ns / 1_000_000 + SLACK_MS < listed_ms)
            && self
                .siblings()
                .all(|(_, meta)| meta.is_some_and(|meta| rests_since(meta, listed_ms)))
    }
}

fn look(path: &Path, failed: &mut Vec<(PathBuf, io::Error)>) -> Option<Metadata> {
    match std::fs::symlink_metadata(path) {
        Ok(meta) => Some(meta),
        Err(error) => {
            if !is_absence(&error) {
                failed.push((path.to_owned(), error));
            }
            None
        }
    }
}

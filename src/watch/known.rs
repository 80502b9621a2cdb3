//! The live names of every input: those it matched that are nobody's rotated file. They stay known
//! while their file is gone, so that what was rotated away in between still has its place.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::sibling::Live;

/// The live names of one directory.
#[derive(Debug, Clone, Default)]
struct Names {
    all: HashSet<Box<OsStr>>,
    /// Where those lead that are symbolic links; nearly always there are none.
    links: HashMap<Box<OsStr>, PathBuf>,
}

/// Bounded by what was matched and not yet forgotten.
#[derive(Debug, Default)]
pub(super) struct Known {
    inputs: Vec<HashMap<PathBuf, Names>>,
}

/// The live names of one directory of one input, and one more that is taken to be live.
pub(super) struct LiveIn<'a> {
    names: Option<&'a Names>,
    also: Option<&'a OsStr>,
}

impl Known {
    pub(super) fn new(inputs: usize) -> Self {
        Self { inputs: vec![HashMap::new(); inputs] }
    }

    pub(super) fn add(&mut self, input: usize, dir: &Path, name: &OsStr, target: Option<&Path>) {
        let Some(dirs) = self.inputs.get_mut(input) else { return };
        if !dirs.contains_key(dir) {
            dirs.insert(dir.to_path_buf(), Names::default());
        }
        let Some(names) = dirs.get_mut(dir) else { return };
        if !names.all.contains(name) {
            names.all.insert(name.into());
        }
        match target {
            Some(target) if names.links.get(name).is_some_and(|known| known == target) => {}
            Some(target) => drop(names.links.insert(name.into(), target.to_path_buf())),
            None => drop(names.links.remove(name)),
        }
    }

    pub(super) fn forget(&mut self, input: usize, dir: &Path, name: &OsStr) {
        let Some(dirs) = self.inputs.get_mut(input) else { return };
        let Some(names) = dirs.get_mut(dir) else { return };
        names.all.remove(name);
        names.links.remove(name);
        if names.all.is_empty() {
            dirs.remove(dir);
        }
    }

    fn names(&self, input: usize, dir: &Path) -> Option<&Names> {
        self.inputs.get(input)?.get(dir)
    }

    pub(super) fn live_in(&self, input: usize, dir: &Path) -> LiveIn<'_> {
        LiveIn { names: self.names(input, dir), also: None }
    }

    pub(super) fn contains(&self, input: usize, dir: &Path, name: &OsStr) -> bool {
        self.live_in(input, dir).has(name)
    }

    /// Where the symbolic link of this live name led when it was last followed.
    pub(super) fn target(&self, input: usize, dir: &Path, name: &OsStr) -> Option<&Path> {
        self.names(input, dir)?.links.get(name).map(PathBuf::as_path)
    }
}

impl<'a> LiveIn<'a> {
    pub(super) fn and(self, name: &'a OsStr) -> Self {
        Self { also: Some(name), ..self }
    }
}

impl Live for LiveIn<'_> {
    fn has(&self, name: &OsStr) -> bool {
        self.also == Some(name) || self.names.is_some_and(|names| names.all.contains(name))
    }

    fn all(&self) -> impl Iterator<Item = &OsStr> {
        self.names.into_iter().flat_map(|names| &names.all).map(AsRef::as_ref).chain(self.also)
    }
}

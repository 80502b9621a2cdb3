//! All lineages, by number and by name, and those of them that time matters to.

use std::borrow::Borrow;
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use super::lineage::Lineage;
use crate::record::{self, Generation, Label, LineageId};

/// A number is used again once its lineage is over; its [`LineageId`] is not.
pub(super) struct Lineages {
    all: Vec<Option<Lineage>>,
    free: Vec<usize>,
    /// Of each input.
    by_name: Vec<HashMap<Name, usize>>,
    ids: u32,
    awake: BTreeSet<usize>,
}

/// A lineage's name, to be found by its path.
struct Name(Arc<record::Lineage>);

impl Borrow<OsStr> for Name {
    fn borrow(&self) -> &OsStr {
        self.0.path.as_os_str()
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.0.path.as_os_str() == other.0.path.as_os_str()
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.path.as_os_str().hash(state);
    }
}

impl Lineages {
    pub(super) fn new(inputs: usize) -> Self {
        let by_name = std::iter::repeat_with(HashMap::new).take(inputs).collect();
        Self { all: Vec::new(), free: Vec::new(), by_name, ids: 0, awake: BTreeSet::new() }
    }

    pub(super) fn get(&self, at: usize) -> Option<&Lineage> {
        self.all.get(at)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut Lineage> {
        self.all.get_mut(at)?.as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Lineage> {
        self.all.iter().flatten()
    }

    /// Numbers are below this.
    pub(super) fn end(&self) -> usize {
        self.all.len()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len() - self.free.len()
    }

    pub(super) fn find(&self, input: usize, path: &Path) -> Option<usize> {
        self.by_name.get(input)?.get(path.as_os_str()).copied()
    }

    /// None only after four billion of them.
    pub(super) fn add(
        &mut self,
        input: usize,
        name: Arc<record::Lineage>,
        label: Arc<Label>,
        next: Generation,
    ) -> Option<usize> {
        let id = LineageId(self.ids);
        self.ids = self.ids.checked_add(1)?;
        let lineage = Lineage::new(id, input, name.clone(), label, next);
        let at = self.free.pop().unwrap_or(self.all.len());
        match self.all.get_mut(at) {
            Some(place) => *place = Some(lineage),
            None => self.all.push(Some(lineage)),
        }
        self.by_name.get_mut(input)?.insert(Name(name), at);
        Some(at)
    }

    pub(super) fn remove(&mut self, at: usize) -> Option<Lineage> {
        let lineage = self.all.get_mut(at)?.take()?;
        self.free.push(at);
        self.by_name.get_mut(lineage.input)?.remove(lineage.name.path.as_os_str());
        Some(lineage)
    }

    /// Time matters to it, until it is found asleep.
    pub(super) fn rouse(&mut self, at: usize) {
        self.awake.insert(at);
    }

    /// It need not be looked at any more if it is asleep.
    pub(super) fn lull(&mut self, at: usize) {
        if self.get(at).is_some_and(Lineage::is_asleep) {
            self.awake.remove(&at);
        }
    }

    /// All that are awake; [`Lineages::rouse`] those that stay so.
    pub(super) fn take_awake(&mut self) -> BTreeSet<usize> {
        std::mem::take(&mut self.awake)
    }

    pub(super) fn awake(&self) -> impl Iterator<Item = (usize, &Lineage)> {
        self.awake.iter().filter_map(|at| Some((*at, self.get(*at)?)))
    }
}

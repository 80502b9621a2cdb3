//! All lineages, by number and by name, and those of them that time matters to.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::sync::Arc;

use hashbrown::HashTable;

use super::lineage::Lineage;
use crate::record::{self, Generation, Label, LineageId};

/// A number is used again once its lineage is over; its [`LineageId`] is not.
#[derive(Default)]
pub(super) struct Lineages {
    all: Vec<Option<Lineage>>,
    free: Vec<usize>,
    /// By input and path: the numbers alone, as the lineages have their names.
    by_name: HashTable<u32>,
    hasher: RandomState,
    ids: u32,
    awake: BTreeSet<usize>,
}

impl Lineages {
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
        let key = (input, path.as_os_str());
        let is_it = |at: &u32| self.get(*at as usize).is_some_and(|one| one.key() == key);
        self.by_name.find(self.hasher.hash_one(key), is_it).map(|at| *at as usize)
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
        let lineage = Lineage::new(id, input, name, label, next);
        let hash = self.hasher.hash_one(lineage.key());
        let at = self.free.pop().unwrap_or(self.all.len());
        match self.all.get_mut(at) {
            Some(place) => *place = Some(lineage),
            None => self.all.push(Some(lineage)),
        }
        let (all, hasher) = (&self.all, &self.hasher);
        let hash_of = |at: &u32| {
            let lineage = all.get(*at as usize).and_then(Option::as_ref);
            lineage.map_or(0, |lineage| hasher.hash_one(lineage.key()))
        };
        self.by_name.insert_unique(hash, short(at), hash_of);
        Some(at)
    }

    pub(super) fn remove(&mut self, at: usize) -> Option<Lineage> {
        let lineage = self.all.get_mut(at)?.take()?;
        self.free.push(at);
        let hash = self.hasher.hash_one(lineage.key());
        let entry = self.by_name.find_entry(hash, |known| *known == short(at));
        if let Ok(entry) = entry {
            entry.remove();
        }
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

/// There are no more of them at once than there are numbers for in all.
fn short(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

//! All lineages, by number and by name, and those of them that time matters to.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::lineage::Lineage;
use crate::record::{self, Generation, Label, LineageId};
use crate::roll::Roll;

/// A number is used again once its lineage is over; its [`LineageId`] is not.
#[derive(Default)]
pub(super) struct Lineages {
    all: Roll<Lineage>,
    ids: u32,
    awake: BTreeSet<usize>,
}

impl Lineages {
    pub(super) fn get(&self, at: usize) -> Option<&Lineage> {
        self.all.get(at)
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut Lineage> {
        self.all.get_mut(at)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Lineage> {
        self.all.iter().map(|(_, lineage)| lineage)
    }

    /// Numbers are below this.
    pub(super) fn end(&self) -> usize {
        self.all.end()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn find(&self, input: usize, path: &Path) -> Option<usize> {
        self.all.find(&(input, path.as_os_str()))
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
        Some(self.all.add(Lineage::new(id, input, name, label, next)))
    }

    pub(super) fn remove(&mut self, at: usize) -> Option<Lineage> {
        self.all.remove(at)
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

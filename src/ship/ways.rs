//! All ways, by number, by name and by the lineage that readers know them as. A number is used
//! again once its way is over.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use super::share::Target;
use super::way::Way;
use crate::record::{Lineage, LineageId};
use crate::roll::Roll;

#[derive(Debug, Default)]
pub(super) struct Ways {
    all: Roll<Way>,
    by_lineage: HashMap<LineageId, u32>,
    /// Numbers that the lineages of a few ways had before their files went and came again.
    former: HashMap<usize, Vec<LineageId>>,
    /// Topics that ways lead to: one text for all of them.
    topics: BTreeSet<Arc<str>>,
    /// Ways that have something under way. The others cost no time.
    busy: BTreeSet<usize>,
    /// Ways whose readers have nothing more for them.
    ending: BTreeSet<usize>,
}

impl Ways {
    pub(super) fn get(&self, at: usize) -> Option<&Way> {
        self.all.get(at)
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut Way> {
        self.all.get_mut(at)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Way> {
        self.all.iter().map(|(_, way)| way)
    }

    pub(super) fn numbers(&self) -> Vec<usize> {
        self.all.iter().map(|(at, _)| at).collect()
    }

    /// The way that a lineage of this run takes.
    pub(super) fn of(&self, lineage: LineageId) -> Option<usize> {
        self.by_lineage.get(&lineage).map(|at| *at as usize)
    }

    pub(super) fn leading_to(&self, target: &Target) -> Vec<usize> {
        self.all.iter().filter(|(_, way)| way.leads_to(target)).map(|(at, _)| at).collect()
    }

    /// The way of a lineage to a topic, which an earlier run may have left a backlog on.
    pub(super) fn find_or_make(
        &mut self,
        lineage: &Arc<Lineage>,
        topic: &str,
        outlet: usize,
        now: Instant,
    ) -> usize {
        if let Some(at) = self.all.find(&(&**lineage, topic, outlet)) {
            return at;
        }
        let topic = self.topics.get(topic).cloned().unwrap_or_else(|| topic.into());
        self.topics.insert(topic.clone());
        self.all.add(Way::new(lineage.clone(), topic, outlet, now))
    }

    /// From now on a lineage takes this way.
    pub(super) fn assign(&mut self, lineage: LineageId, at: usize) {
        self.by_lineage.insert(lineage, short(at));
        self.ending.remove(&at);
        if let Some(before) = self.get_mut(at).and_then(|way| way.id.replace(lineage)) {
            self.former.entry(at).or_default().push(before);
        }
    }

    /// Something is under way there.
    pub(super) fn occupy(&mut self, at: usize) {
        self.busy.insert(at);
    }

    pub(super) fn busy(&self) -> impl Iterator<Item = &Way> {
        self.busy.iter().filter_map(|at| self.get(*at))
    }

    /// The busy ways; those that turn out to be idle are left out from now on.
    pub(super) fn take_busy(&mut self) -> Vec<usize> {
        let all = &mut self.all;
        self.busy.retain(|at| all.get_mut(*at).is_some_and(|way| !way.lane.rests()));
        self.busy.iter().copied().collect()
    }

    /// A lineage has no file any more, and will be another if it gets one.
    pub(super) fn end(&mut self, lineage: LineageId) {
        if let Some(at) = self.of(lineage)
            && self.get(at).is_some_and(|way| way.id == Some(lineage))
        {
            self.ending.insert(at);
        }
    }

    /// Takes out the ways that are over, with all numbers that readers knew their lineages by;
    /// nothing of them is owed or in memory.
    pub(super) fn take_over(
        &mut self,
        may_go: impl Fn(&Way) -> bool,
    ) -> Vec<(Way, Vec<LineageId>)> {
        let is_over = |at: &usize| self.get(*at).is_none_or(|way| way.is_over() && may_go(way));
        let over: Vec<usize> = self.ending.iter().copied().filter(is_over).collect();
        over.into_iter().filter_map(|at| self.remove(at)).collect()
    }

    fn remove(&mut self, at: usize) -> Option<(Way, Vec<LineageId>)> {
        self.ending.remove(&at);
        self.busy.remove(&at);
        let way = self.all.remove(at)?;
        let mut numbers = self.former.remove(&at).unwrap_or_default();
        numbers.extend(way.id);
        for lineage in &numbers {
            self.by_lineage.remove(lineage);
        }
        Some((way, numbers))
    }
}

/// There are no more of them at once than there are numbers for lineages.
fn short(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

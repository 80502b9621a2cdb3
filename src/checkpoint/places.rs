//! The state that the log stands for, in memory: changed by lines when it is read back, and by
//! changes afterwards, to the same effect.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use super::change::{Forgotten, Saved};
use super::line::Line;
use crate::record::{Generation, Identity, Lineage, Mark};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places {
    /// Each with at least one source. Not in order: to compare two paths is slow.
    lineages: HashMap<Arc<Lineage>, Files>,
    /// One text for all lineages of an input.
    inputs: BTreeSet<Arc<str>>,
    looks: BTreeMap<String, u64>,
    /// Above every number of the lineages that were forgotten. One number for all of them, or
    /// a host whose containers come and go would be remembered for ever.
    floor: Generation,
    /// When lines were last found damaged.
    damaged_ms: Option<u64>,
    /// When all of this was begun.
    pub(super) born_ms: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Files {
    next: Generation,
    /// Oldest first; nearly always one.
    sources: Vec<Place>,
}

/// A [`Saved`] without what its lineage tells: there may be many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    generation: Generation,
    identity: Identity,
    accepted: Mark,
    seen_ms: u64,
    seldom: Option<Box<Seldom>>,
}

/// What is to be said of few places only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Seldom {
    /// Where it was last seen, if that is not the lineage's path.
    now: Option<PathBuf>,
    /// If that is not the accepted one: while something of it is in the spool.
    acknowledged: Option<Mark>,
    gone_ms: Option<u64>,
}

impl Place {
    fn new(generation: Generation, identity: Identity, accepted: Mark, seen_ms: u64) -> Self {
        Self { generation, identity, accepted, seen_ms, seldom: None }
    }

    fn of(saved: Saved) -> (Arc<Lineage>, Self) {
        let mut place = Self::new(saved.generation, saved.identity, saved.accepted, saved.seen_ms);
        place.change(|seldom| seldom.gone_ms = saved.gone_ms);
        place.found(saved.path, &saved.lineage);
        place.move_to(saved.accepted, saved.acknowledged);
        (saved.lineage, place)
    }

    fn saved(&self, lineage: &Arc<Lineage>) -> Saved {
        Saved {
            lineage: lineage.clone(),
            generation: self.generation,
            identity: self.identity,
            path: self.now().unwrap_or(&lineage.path).to_owned(),
            accepted: self.accepted,
            acknowledged: self.acknowledged(),
            seen_ms: self.seen_ms,
            gone_ms: self.gone_ms(),
        }
    }

    fn now(&self) -> Option<&PathBuf> {
        self.seldom.as_ref()?.now.as_ref()
    }

    fn gone_ms(&self) -> Option<u64> {
        self.seldom.as_ref()?.gone_ms
    }

    pub(super) fn accepted(&self) -> Mark {
        self.accepted
    }

    pub(super) fn acknowledged(&self) -> Mark {
        let seldom = self.seldom.as_ref();
        seldom.and_then(|seldom| seldom.acknowledged).unwrap_or(self.accepted)
    }

    pub(super) fn move_to(&mut self, accepted: Mark, acknowledged: Mark) {
        self.accepted = accepted;
        let acknowledged = Some(acknowledged).filter(|mark| *mark != accepted);
        self.change(|seldom| seldom.acknowledged = acknowledged);
    }

    /// No file with its identity is found any more. Keeps the first such time.
    pub(super) fn lose(&mut self, at_ms: u64) {
        self.change(|seldom| seldom.gone_ms = seldom.gone_ms.or(Some(at_ms)));
    }

    /// Whether that is news.
    fn found(&mut self, path: PathBuf, lineage: &Lineage) -> bool {
        let now = Some(path).filter(|path| *path != lineage.path);
        let is_news = self.now() != now.as_ref();
        self.change(|seldom| seldom.now = now);
        is_news
    }

    fn change(&mut self, change: impl FnOnce(&mut Seldom)) {
        let mut seldom = self.seldom.take().map_or_else(Seldom::default, |seldom| *seldom);
        change(&mut seldom);
        self.seldom = (seldom != Seldom::default()).then(|| Box::new(seldom));
    }

    /// Whether nothing of it can be wanted any more if it vanished before `before_ms`.
    fn is_past(&self, before_ms: u64) -> bool {
        let is_acknowledged = self.acknowledged() == self.accepted;
        self.gone_ms().is_some_and(|gone| gone < before_ms) && is_acknowledged
    }
}

impl Files {
    fn lines(&self, lineage: &Arc<Lineage>) -> impl Iterator<Item = Line> {
        let sources = self.sources.iter();
        let sources = sources.map(|place| Line::Source(Box::new(place.saved(lineage))));
        let rest = (!self.is_told_by_last())
            .then(|| Line::Lineage { lineage: (**lineage).clone(), next: self.next });
        sources.chain(rest)
    }

    /// The next number is the one after the last source's.
    fn is_told_by_last(&self) -> bool {
        self.sources.last().is_some_and(|last| last.generation.after() == self.next)
    }

    fn find(&self, generation: Generation) -> Result<usize, usize> {
        self.sources.binary_search_by_key(&generation, |place| place.generation)
    }

    fn put(&mut self, place: Place) {
        self.next = self.next.max(place.generation.after());
        match self.find(place.generation) {
            Ok(at) => {
                if let Some(known) = self.sources.get_mut(at) {
                    *known = place;
                }
            }
            Err(at) => {
                self.sources.reserve_exact(1);
                self.sources.insert(at, place);
            }
        }
    }
}

impl Default for Places {
    fn default() -> Self {
        let (lineages, inputs, looks) = (HashMap::new(), BTreeSet::new(), BTreeMap::new());
        let floor = Generation::FIRST;
        Self { lineages, inputs, looks, floor, damaged_ms: None, born_ms: None }
    }
}

impl Places {
    /// Applies what a line says; a later one supersedes an earlier.
    pub(super) fn apply(&mut self, line: Line) {
        match line {
            Line::Header { born_ms, .. } => self.born_ms = self.born_ms.or(born_ms),
            Line::Source(saved) => self.put(*saved),
            Line::Forgotten { lineage, generation } => self.forget(&lineage, generation),
            Line::Lineage { lineage, next } => self.count_to(&lineage, next),
            Line::Floor { next } => self.floor = self.floor.max(next),
            Line::Look { input, at_ms } => self.look(input, at_ms),
            Line::Damaged { at_ms } => self.damaged_ms = Some(at_ms),
        }
    }

    pub(super) fn put(&mut self, saved: Saved) {
        let (mut lineage, place) = Place::of(saved);
        if let Some(lineage) = Arc::get_mut(&mut lineage) {
            let known = self.inputs.get(&lineage.input).unwrap_or(&lineage.input).clone();
            self.inputs.insert(known.clone());
            lineage.input = known;
        }
        self.files(&lineage).put(place);
    }

    /// A file was seen. One that is known keeps its place, a new one begins at its start. Whether
    /// that is worth saving: more than its time is new.
    pub(super) fn see(
        &mut self,
        lineage: &Arc<Lineage>,
        generation: Generation,
        identity: Identity,
        path: PathBuf,
        seen_ms: u64,
    ) -> bool {
        let files = self.files(lineage);
        let known = files.find(generation).ok().and_then(|at| files.sources.get_mut(at));
        if let Some(place) = known {
            let is_other = place.identity != identity || place.gone_ms().is_some();
            (place.identity, place.seen_ms) = (identity, seen_ms);
            place.change(|seldom| seldom.gone_ms = None);
            return place.found(path, lineage) || is_other;
        }
        let mut place = Place::new(generation, identity, Mark::START, seen_ms);
        place.found(path, lineage);
        files.put(place);
        true
    }

    fn files(&mut self, lineage: &Arc<Lineage>) -> &mut Files {
        let files = Files { next: self.floor, sources: Vec::new() };
        self.lineages.entry(lineage.clone()).or_insert(files)
    }

    pub(super) fn look(&mut self, input: String, at_ms: u64) {
        self.looks.insert(input, at_ms);
    }

    pub(super) fn saved(&self, lineage: &Lineage, generation: Generation) -> Option<Saved> {
        let (lineage, files) = self.lineages.get_key_value(lineage)?;
        Some(files.sources.get(files.find(generation).ok()?)?.saved(lineage))
    }

    pub(super) fn get_mut(
        &mut self,
        lineage: &Lineage,
        generation: Generation,
    ) -> Option<&mut Place> {
        let files = self.lineages.get_mut(lineage)?;
        let at = files.find(generation).ok()?;
        files.sources.get_mut(at)
    }

    /// No number below `next` is free any more. Comes after the lineage's sources; should none of
    /// them have been readable, the floor remembers.
    pub(super) fn count_to(&mut self, lineage: &Lineage, next: Generation) {
        let counted = self.lineages.get_mut(lineage).map_or(&mut self.floor, |l| &mut l.next);
        *counted = next.max(*counted);
    }

    /// What says so.
    pub(super) fn count(&self, lineage: &Lineage) -> Line {
        match self.lineages.get(lineage) {
            Some(files) => Line::Lineage { lineage: lineage.clone(), next: files.next },
            None => Line::Floor { next: self.floor },
        }
    }

    /// Drops a source; its number stays used.
    pub(super) fn forget(&mut self, lineage: &Lineage, generation: Generation) {
        let Some(files) = self.lineages.get_mut(lineage) else {
            self.floor = self.floor.max(generation.after());
            return;
        };
        files.next = files.next.max(generation.after());
        files.sources.retain(|place| place.generation != generation);
        if files.sources.is_empty() {
            self.floor = self.floor.max(files.next);
            self.lineages.remove(lineage);
        }
    }

    /// Drops what vanished before `before_ms` and of which nothing is owed.
    pub(super) fn forget_past(&mut self, before_ms: u64) -> Vec<Forgotten> {
        self.damaged_ms = self.damaged_ms.filter(|at| *at >= before_ms);
        let past = self.places().filter(|(_, place)| place.is_past(before_ms));
        let forgotten: Vec<_> = past
            .map(|(lineage, place)| Forgotten {
                lineage: (**lineage).clone(),
                generation: place.generation,
            })
            .collect();
        for Forgotten { lineage, generation } in &forgotten {
            self.forget(lineage, *generation);
        }
        forgotten
    }

    /// What was lost may have used numbers that nobody remembers: counting goes on from the
    /// clock's seconds, which no count of files has reached.
    pub(super) fn note_damage(&mut self, now_ms: u64) {
        let beyond = Generation(now_ms / 1000);
        self.damaged_ms = Some(now_ms);
        self.floor = self.floor.max(beyond);
        for files in self.lineages.values_mut() {
            files.next = files.next.max(beyond);
        }
    }

    /// The shortest log that leads here.
    pub(super) fn lines(&self) -> impl Iterator<Item = Line> {
        let damaged = self.damaged_ms.map(|at_ms| Line::Damaged { at_ms });
        let looks = self.looks.iter();
        let looks = looks.map(|(input, &at_ms)| Line::Look { input: input.clone(), at_ms });
        // The floor comes last, or the lineages before it would count on from it.
        std::iter::once(Line::header(self.born_ms))
            .chain(damaged)
            .chain(self.lineages.iter().flat_map(|(lineage, files)| files.lines(lineage)))
            .chain(looks)
            .chain(std::iter::once(Line::Floor { next: self.floor }))
    }

    fn places(&self) -> impl Iterator<Item = (&Arc<Lineage>, &Place)> {
        let lineages = self.lineages.iter();
        lineages.flat_map(|(lineage, files)| files.sources.iter().map(move |s| (lineage, s)))
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = Saved> {
        self.places().map(|(lineage, place)| place.saved(lineage))
    }

    /// The numbers of next files, of those lineages whose last source does not tell.
    pub(super) fn counted(&self) -> impl Iterator<Item = (&Lineage, Generation)> {
        let counted = self.lineages.iter().filter(|(_, files)| !files.is_told_by_last());
        counted.map(|(lineage, files)| (&**lineage, files.next))
    }

    pub(super) fn has(&self, lineage: &Lineage) -> bool {
        self.lineages.contains_key(lineage)
    }

    pub(super) fn looks(&self) -> &BTreeMap<String, u64> {
        &self.looks
    }

    pub(super) fn floor(&self) -> Generation {
        self.floor
    }

    pub(super) fn damaged_ms(&self) -> Option<u64> {
        self.damaged_ms
    }
}

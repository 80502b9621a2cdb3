//! Which lineage a name or a file belongs to. A second name of a file is not a second log.

use std::collections::HashMap;
use std::fs::Metadata;
use std::path::Path;
use std::sync::Arc;

use super::source::Name;
use super::{Event, Known, KnownSource, Look, Tail, identity};
use crate::encode::Encoder;
use crate::record::{self, Generation, Identity, SourceId};
use crate::settings;
use crate::template::Origin;

/// Lineages of an earlier run that were not looked at in this one, by name. Not a map: one that is
/// emptied takes two sizes at once whenever it shrinks, just when this run takes the most.
pub(super) struct Past {
    all: Vec<(Arc<record::Lineage>, Option<Left>)>,
    left: usize,
}

/// What is left of one: what its next file is numbered, and its files. Nearly all have one, which
/// is kept in place: pieces by the hundred thousand would leave holes in the heap that nobody else
/// fits into.
pub(super) struct Left {
    next_generation: Generation,
    before: Box<[KnownSource]>,
    last: Option<KnownSource>,
}

impl Left {
    fn sources(&self) -> impl Iterator<Item = &KnownSource> {
        self.before.iter().chain(&self.last)
    }
}

impl Past {
    pub(super) fn new(lineages: Vec<Known>) -> Self {
        let part = |mut known: Known| {
            let last = known.sources.pop();
            let (next_generation, before) = (known.next_generation, known.sources.into());
            (known.lineage, Some(Left { next_generation, before, last }))
        };
        let mut all: Vec<_> = lineages.into_iter().map(part).collect();
        all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Self { left: all.len(), all }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &Arc<record::Lineage>> {
        self.iter().map(|(name, _)| name)
    }

    fn iter(&self) -> impl Iterator<Item = (&Arc<record::Lineage>, &Left)> {
        self.all.iter().filter_map(|(name, left)| Some((name, left.as_ref()?)))
    }

    fn take(&mut self, name: &record::Lineage) -> Option<(Arc<record::Lineage>, Left)> {
        let at = self.all.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        let (name, left) = self.all.get_mut(at)?;
        let taken = (name.clone(), left.take()?);
        self.left -= 1;
        if self.left < self.all.len() / 4 * 3 {
            self.all.retain(|(_, left)| left.is_some());
            self.all.shrink_to_fit();
        }
        Some(taken)
    }
}

/// Gives back, a few times while it is emptied, what a map took: that may be much.
fn shrink<K: Eq + std::hash::Hash, V>(map: &mut HashMap<K, V>) {
    if map.len() < map.capacity() / 2 {
        map.shrink_to_fit();
    }
}

/// Of each input, by inode number: who follows, or did in an earlier run. Asked, not trusted:
/// numbers are used again.
#[derive(Default)]
pub(super) struct Owners(Vec<OfInput>);

#[derive(Default)]
struct OfInput {
    lineages: HashMap<u64, u32>,
    /// Lineages that were not looked at in this run yet.
    known: HashMap<u64, Arc<record::Lineage>>,
}

enum Owner {
    Lineage(usize),
    Known(Arc<record::Lineage>),
}

impl Owners {
    pub(super) fn of_earlier_run(inputs: &[settings::Input], past: &Past) -> Self {
        let mut all: Vec<_> = inputs.iter().map(|_| OfInput::default()).collect();
        for (lineage, left) in past.iter() {
            let of = inputs.iter().zip(&mut all).find(|(input, _)| *input.id == *lineage.input);
            let Some((_, of)) = of else { continue };
            for source in left.sources() {
                of.known.insert(source.identity.ino, lineage.clone());
            }
        }
        Self(all)
    }

    /// A lineage has no part in a file any more.
    pub(super) fn remove(&mut self, input: usize, identity: &Identity, lineage: usize) {
        let Some(of) = self.0.get_mut(input) else { return };
        if of.lineages.get(&identity.ino).is_some_and(|owner| *owner as usize == lineage) {
            of.lineages.remove(&identity.ino);
        }
    }

    pub(super) fn insert(&mut self, input: usize, identity: &Identity, lineage: usize) {
        let Some(of) = self.0.get_mut(input) else { return };
        of.known.remove(&identity.ino);
        shrink(&mut of.known);
        // There are no more of them at once than there are numbers for in all.
        of.lineages.insert(identity.ino, u32::try_from(lineage).unwrap_or(u32::MAX));
    }

    fn get(&self, input: usize, identity: &Identity) -> Option<Owner> {
        let of = self.0.get(input)?;
        let lineage = of.lineages.get(&identity.ino).map(|at| Owner::Lineage(*at as usize));
        lineage.or_else(|| of.known.get(&identity.ino).cloned().map(Owner::Known))
    }
}

impl<F: FnMut(Event)> Tail<F> {
    /// Whether the file that a name leads to is followed under another name of the same input:
    /// then it is told of, and is nothing to this one. It may have been renamed from there, or
    /// have both names.
    pub(super) fn follows_elsewhere(
        &mut self,
        look: Look<'_>,
        real: &Path,
        meta: &Metadata,
    ) -> Option<Identity> {
        let met = identity::of(meta);
        let at = self.owner(look, &met)?;
        let lineage = self.lineages.get_mut(at).filter(|lineage| lineage.name.path != look.path)?;
        let source = lineage.sources.iter_mut().find(|source| source.is_it(&met))?;
        let mut seen = None::<SourceId>;
        if *source.path == *real || source.is_at_path() == Some(false) {
            seen = source.found(real.to_owned(), meta).then_some(source.id);
            source.name = Name::Matched;
        } else {
            source.saw(meta);
        }
        lineage.events(seen.as_slice(), Vec::new()).into_iter().for_each(&mut self.emit);
        self.make_ready(at);
        Some(met)
    }

    fn owner(&mut self, look: Look<'_>, met: &Identity) -> Option<usize> {
        match self.owners.get(look.input, met)? {
            Owner::Lineage(at) => Some(at),
            Owner::Known(name) if name.path == look.path => None,
            Owner::Known(name) => {
                self.lineage(Look { path: &name.path, real: None, ..look }, false)
            }
        }
    }

    /// The lineage of a name; made if it `exists`, or is known of an earlier run.
    pub(super) fn lineage(&mut self, look: Look<'_>, exists: bool) -> Option<usize> {
        let Look { input, path, real, .. } = look;
        if let Some(at) = self.lineages.find(input, path) {
            return Some(at);
        }
        let is_asking = self.is_removing();
        let settings = self.inputs.get_mut(input)?;
        let name = record::Lineage { input: settings.id.clone(), path: path.to_owned() };
        let (name, known) = match self.known.take(&name) {
            Some((name, known)) => (name, Some(known)),
            None => (Arc::new(name), None),
        };
        if known.is_none() && !exists {
            return None;
        }
        // A link that is gone still says what it led to.
        let last = known.as_ref().and_then(|left| left.last.as_ref());
        let real = real.or(last.map(|source| source.now.as_deref().unwrap_or(path)));
        let (label, looked_ms) = (settings.label(&name, real), settings.looked.ms);
        let encoder = Encoder::of(&settings.settings, &Origin::of(path, real)).map(Arc::new);
        let next = known.as_ref().map_or(self.floor, |left| left.next_generation);
        let at = self.lineages.add(input, name, label, next)?;
        let lineage = self.lineages.get_mut(at)?;
        lineage.encoder = encoder;
        lineage.is_asking = is_asking;
        if let Some(left) = known {
            for source in left.sources() {
                self.owners.insert(input, &source.identity, at);
            }
            lineage.restore(left.before.into_iter().chain(left.last), looked_ms);
        }
        Some(at)
    }
}

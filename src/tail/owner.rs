//! Which lineage a name or a file belongs to. A second name of a file is not a second log.

use std::collections::HashMap;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::source::Name;
use super::{Event, Known, Look, Tail, identity};
use crate::encode::Encoder;
use crate::record::{self, Identity, SourceId};
use crate::settings;
use crate::template::Origin;

/// By input and inode number: who follows, or did in an earlier run. Asked, not trusted: numbers
/// are used again.
#[derive(Default)]
pub(super) struct Owners(HashMap<(usize, u64), Owner>);

#[derive(Clone)]
enum Owner {
    Lineage(usize),
    /// It was not looked at in this run yet.
    Known(PathBuf),
}

impl Owners {
    pub(super) fn of_earlier_run(inputs: &[settings::Input], lineages: &[Known]) -> Self {
        let mut owners = Self::default();
        for Known { lineage, sources, .. } in lineages {
            let Some(input) = inputs.iter().position(|input| input.id == lineage.input) else {
                continue;
            };
            for source in sources {
                let owner = Owner::Known(lineage.path.clone());
                owners.0.insert((input, source.identity.ino), owner);
            }
        }
        owners
    }

    /// A lineage has no part in a file any more.
    pub(super) fn remove(&mut self, input: usize, identity: &Identity, lineage: usize) {
        let key = (input, identity.ino);
        if matches!(self.0.get(&key), Some(Owner::Lineage(owner)) if *owner == lineage) {
            self.0.remove(&key);
        }
    }

    pub(super) fn insert(&mut self, input: usize, identity: &Identity, lineage: usize) {
        self.0.insert((input, identity.ino), Owner::Lineage(lineage));
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
        if source.path == real || source.is_at_path() == Some(false) {
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
        match self.owners.0.get(&(look.input, met.ino)).cloned()? {
            Owner::Lineage(at) => Some(at),
            Owner::Known(path) if path == look.path => None,
            Owner::Known(path) => self.lineage(Look { path: &path, real: None, ..look }, false),
        }
    }

    /// The lineage of a name; made if it `exists`, or is known of an earlier run.
    pub(super) fn lineage(&mut self, look: Look<'_>, exists: bool) -> Option<usize> {
        let Look { input, path, real, .. } = look;
        if let Some(at) = self.lineages.find(input, path) {
            return Some(at);
        }
        let settings = self.inputs.get_mut(input)?;
        let name = record::Lineage { input: settings.settings.id.clone(), path: path.to_owned() };
        let known = self.known.remove(&name);
        if self.known.is_empty() {
            // After the first look: what it took may be much.
            self.known = HashMap::new();
        }
        if known.is_none() && !exists {
            return None;
        }
        // A link that is gone still says what it led to.
        let last = known.as_ref().and_then(|known| known.sources.last());
        let real = real.or(last.map(|source| source.path.as_path()));
        let label = settings.label(&name, real);
        let encoder = Encoder::of(&settings.settings, &Origin::of(path, real)).map(Arc::new);
        let next = known.as_ref().map_or(self.floor, |known| known.next_generation);
        let at = self.lineages.add(input, name, label, next)?;
        let lineage = self.lineages.get_mut(at)?;
        lineage.encoder = encoder;
        if let Some(known) = known {
            for source in &known.sources {
                self.owners.insert(input, &source.identity, at);
            }
            lineage.restore(known.sources);
        }
        Some(at)
    }
}

//! Which lineage follows a file, so that a second name of it is not a second log.

use std::collections::HashMap;
use std::fs::Metadata;
use std::path::{Path, PathBuf};

use super::source::Name;
use super::{Event, Known, Look, Tail, identity};
use crate::record::{Identity, SourceId};

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
    pub(super) fn of_earlier_run(&mut self, input: usize, known: &Known) {
        for source in &known.sources {
            let owner = Owner::Known(known.lineage.path.clone());
            self.0.insert((input, source.identity.ino), owner);
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
            Owner::Known(path) => self.lineage(look.input, &path, false),
        }
    }
}

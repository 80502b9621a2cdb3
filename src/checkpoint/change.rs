//! What is kept of each source, and what can be said about it.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use super::places::Places;
use crate::ledger::Frontier;
use crate::record::{Generation, Identity, Lineage, LineageId, Mark, SourceId};

/// What is known of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    pub lineage: Arc<Lineage>,
    pub generation: Generation,
    pub identity: Identity,
    /// Where the file was last seen; not the lineage's path any more once it was rotated.
    pub path: PathBuf,
    /// Below it every byte has a durable fate: acknowledged, spooled, dead-lettered.
    pub accepted: Mark,
    /// Below it the spool is not needed any more. Never beyond `accepted`. Where to resume when
    /// the spool was lost.
    pub acknowledged: Mark,
    /// Wall time of the last sighting, in milliseconds since 1970.
    pub seen_ms: u64,
    /// Since when no file with this identity is found, in milliseconds since 1970.
    pub gone_ms: Option<u64>,
}

/// One thing to be saved. Several about one source in one save become durable together.
#[derive(Debug, Clone)]
pub enum Change {
    /// A file is there. Says which lineage `source` stands for in this run, as [`Change::Gone`]
    /// does; one of them comes before the first [`Change::Moved`] of a source. A source without
    /// a place begins at its start: one that begins elsewhere is sent with its `Moved`.
    Known {
        source: SourceId,
        lineage: Arc<Lineage>,
        identity: Identity,
        path: PathBuf,
        seen_ms: u64,
    },
    /// A source's place. May go back, as it must when the spool was lost.
    Moved { frontier: Frontier, acknowledged: Mark },
    /// No file with the identity of this source is found any more. Keeps the first such time.
    Gone { source: SourceId, lineage: Arc<Lineage>, at_ms: u64 },
    /// This number of a lineage is not used any more: nothing more is said about its sources.
    Over { lineage: LineageId },
    /// All files of an input have been looked at.
    Looked { input: String, at_ms: u64 },
    /// What the spool held of a source of an earlier run, which no reader has found again, is
    /// delivered: all that was accepted is acknowledged.
    Drained { lineage: Lineage, generation: Generation },
    /// What the spool held of a source is damaged: it goes back to what was acknowledged, for the
    /// next start to read it again. No [`Change::Moved`] of it may follow in this run.
    FellBack { lineage: Lineage, generation: Generation },
    /// No number of a lineage below `next` is free, whether or not its sources are known.
    Counted { lineage: Lineage, next: Generation },
    /// A source is not wanted any more. Its number is not used again.
    Forget { lineage: Lineage, generation: Generation },
}

/// A source that was dropped because it had been gone for long and nothing of it was owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    pub lineage: Lineage,
    pub generation: Generation,
}

/// What the last run knew.
#[derive(Debug, Clone)]
pub struct Restored {
    /// By lineage, oldest generation first.
    pub sources: Vec<Saved>,
    /// When all files of an input were last looked at, in milliseconds since 1970.
    pub looks: BTreeMap<String, u64>,
    /// Lines that could not be read: set aside, or left where they were if that failed.
    pub damaged_lines: u64,
    /// When the checkpoints were begun, in milliseconds since 1970.
    pub born_ms: u64,
    /// Dropped on opening.
    pub forgotten: Vec<Forgotten>,
    /// Where it is not the number after the last source's.
    next: HashMap<Lineage, Generation>,
    floor: Generation,
    damaged: bool,
}

impl Restored {
    pub(super) fn new(places: &Places, damaged_lines: u64, forgotten: Vec<Forgotten>) -> Self {
        let mut sources: Vec<_> = places.sources().collect();
        sources.sort_by(|a, b| (&a.lineage, a.generation).cmp(&(&b.lineage, b.generation)));
        Self {
            sources,
            looks: places.looks().clone(),
            born_ms: places.born_ms.unwrap_or_default(),
            damaged_lines,
            forgotten,
            next: places.counted().map(|(lineage, next)| (lineage.clone(), next)).collect(),
            floor: places.floor(),
            damaged: places.damaged_ms().is_some(),
        }
    }

    /// The number of the next file of a lineage: never given out before.
    pub fn next_generation(&self, lineage: &Lineage) -> Generation {
        let of_lineage = self.sources.partition_point(|saved| *saved.lineage <= *lineage);
        let last = self.sources.get(..of_lineage).and_then(<[_]>::last);
        let last = last.filter(|saved| *saved.lineage == *lineage);
        last.map_or(self.floor, |last| self.next_after(lineage, last.generation))
    }

    /// The same, of a lineage whose last source has this number.
    pub fn next_after(&self, lineage: &Lineage, last: Generation) -> Generation {
        self.next.get(lineage).copied().unwrap_or_else(|| last.after())
    }

    /// No number of a lineage below `next` is free, as others know. Returns whether that is new.
    pub fn count_to(&mut self, lineage: &Lineage, next: Generation) -> bool {
        if self.next_generation(lineage) >= next {
            return false;
        }
        if self.sources.binary_search_by_key(&lineage, |saved| &*saved.lineage).is_ok() {
            self.next.insert(lineage.clone(), next);
        } else {
            self.floor = next;
        }
        true
    }

    /// Where a lineage of which nothing is known begins to count.
    pub fn floor(&self) -> Generation {
        self.floor
    }

    /// Whether an input starts for the very first time. Never after damage: what was lost may
    /// have been its places, and to skip a file then would be to lose it.
    pub fn is_first_start(&self, input: &str) -> bool {
        let known = self.sources.iter().any(|saved| *saved.lineage.input == *input);
        !known && !self.looks.contains_key(input) && !self.damaged
    }
}

//! The state that the log stands for, in memory: changed by lines when it is read back, and by
//! changes afterwards, to the same effect.

use std::collections::{BTreeMap, HashMap};

use super::change::{Forgotten, Saved};
use super::line::Line;
use crate::record::{Generation, Lineage};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places {
    /// Each with at least one source. Not in order: to compare two paths is slow.
    lineages: HashMap<Lineage, Files>,
    looks: BTreeMap<String, u64>,
    /// Above every number of the lineages that were forgotten. One number for all of them, or
    /// a host whose containers come and go would be remembered for ever.
    floor: Generation,
    /// When lines were last found damaged.
    damaged_ms: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Files {
    next: Generation,
    sources: BTreeMap<Generation, Saved>,
}

impl Default for Places {
    fn default() -> Self {
        let (lineages, looks) = (HashMap::new(), BTreeMap::new());
        Self { lineages, looks, floor: Generation::FIRST, damaged_ms: None }
    }
}

impl Places {
    /// Applies what a line says; a later one supersedes an earlier.
    pub(super) fn apply(&mut self, line: Line) {
        match line {
            Line::Header { .. } => {}
            Line::Source(saved) => self.put(*saved),
            Line::Forgotten { lineage, generation } => self.forget(&lineage, generation),
            Line::Lineage { lineage, next } => self.count_to(&lineage, next),
            Line::Floor { next } => self.floor = self.floor.max(next),
            Line::Look { input, at_ms } => self.look(input, at_ms),
            Line::Damaged { at_ms } => self.damaged_ms = Some(at_ms),
        }
    }

    pub(super) fn put(&mut self, saved: Saved) {
        let files = Files { next: self.floor, sources: BTreeMap::new() };
        let files = self.lineages.entry(saved.lineage.clone()).or_insert(files);
        files.next = files.next.max(after(saved.generation));
        files.sources.insert(saved.generation, saved);
    }

    pub(super) fn look(&mut self, input: String, at_ms: u64) {
        self.looks.insert(input, at_ms);
    }

    pub(super) fn get(&self, lineage: &Lineage, generation: Generation) -> Option<&Saved> {
        self.lineages.get(lineage)?.sources.get(&generation)
    }

    pub(super) fn get_mut(
        &mut self,
        lineage: &Lineage,
        generation: Generation,
    ) -> Option<&mut Saved> {
        self.lineages.get_mut(lineage)?.sources.get_mut(&generation)
    }

    /// No number below `next` is free any more. Comes after the lineage's sources; should none of
    /// them have been readable, the floor remembers.
    fn count_to(&mut self, lineage: &Lineage, next: Generation) {
        let counted = self.lineages.get_mut(lineage).map_or(&mut self.floor, |l| &mut l.next);
        *counted = next.max(*counted);
    }

    /// Drops a source; its number stays used.
    pub(super) fn forget(&mut self, lineage: &Lineage, generation: Generation) {
        let Some(files) = self.lineages.get_mut(lineage) else {
            self.floor = self.floor.max(after(generation));
            return;
        };
        files.next = files.next.max(after(generation));
        files.sources.remove(&generation);
        if files.sources.is_empty() {
            self.floor = self.floor.max(files.next);
            self.lineages.remove(lineage);
        }
    }

    /// Drops what vanished before `before_ms` and of which nothing is owed.
    pub(super) fn forget_past(&mut self, before_ms: u64) -> Vec<Forgotten> {
        self.damaged_ms = self.damaged_ms.filter(|at| *at >= before_ms);
        let past = self.sources().filter(|saved| saved.is_past(before_ms));
        let forgotten: Vec<_> = past
            .map(|saved| Forgotten { lineage: saved.lineage.clone(), generation: saved.generation })
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
    pub(super) fn lines(&self) -> Vec<Line> {
        let mut lines = vec![Line::header()];
        lines.extend(self.damaged_ms.map(|at_ms| Line::Damaged { at_ms }));
        for (lineage, files) in &self.lineages {
            lines.extend(files.sources.values().map(|saved| Line::Source(Box::new(saved.clone()))));
            if files.sources.keys().next_back().map(|last| after(*last)) != Some(files.next) {
                lines.push(Line::Lineage { lineage: lineage.clone(), next: files.next });
            }
        }
        let looks = self.looks.iter();
        lines.extend(looks.map(|(input, &at_ms)| Line::Look { input: input.clone(), at_ms }));
        // Last, or the lineages above would count on from it.
        lines.push(Line::Floor { next: self.floor });
        lines
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = &Saved> {
        self.lineages.values().flat_map(|files| files.sources.values())
    }

    /// Each lineage with the number of its next file.
    pub(super) fn lineages(&self) -> impl Iterator<Item = (&Lineage, Generation)> {
        self.lineages.iter().map(|(lineage, files)| (lineage, files.next))
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

/// The number after `generation`, which may come from a file: never panics.
fn after(generation: Generation) -> Generation {
    Generation(generation.0.saturating_add(1))
}

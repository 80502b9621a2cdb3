//! The places of all sources, and what of them the log does not say yet.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::change::{Change, Forgotten, Restored};
use super::line::Line;
use super::log::{self, Log, OpenError};
use super::places::Places;
use crate::clock;
use crate::ledger::Frontier;
use crate::record::{Generation, Lineage, LineageId, Mark, SourceId};

#[derive(Debug, thiserror::Error)]
#[error("save the checkpoints in {}", path.display())]
pub struct SaveError {
    path: PathBuf,
    source: io::Error,
}

/// What a save brought about besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Dropped, because they vanished long ago and nothing of them is owed.
    pub forgotten: Vec<Forgotten>,
    /// Where a lineage of which nothing is known begins to count.
    pub floor: Generation,
}

/// What a line is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Subject {
    Source(Arc<Lineage>, Generation),
    Look(String),
    /// The number of its next file.
    Count(Arc<Lineage>),
}

/// The checkpoints of one state directory, whose [`Lock`](crate::state_dir::Lock) is held by
/// whoever has them.
#[derive(Debug)]
pub struct Checkpoints {
    log: Log,
    places: Places,
    unsaved: HashSet<Subject>,
    names: HashMap<LineageId, Arc<Lineage>>,
    forget_after: Duration,
    forgotten: Vec<Forgotten>,
}

/// What the checkpoints below `state_dir` say. Touches nothing, and needs no lock: a daemon may
/// be writing them.
pub fn read_only(state_dir: &Path) -> Result<Restored, OpenError> {
    let found = log::read(state_dir)?.unwrap_or_default();
    Ok(Restored::new(&found.places, found.damaged_lines, Vec::new()))
}

impl Checkpoints {
    /// Opens the checkpoints below `state_dir`; makes them if there are none.
    ///
    /// What vanished more than `forget_after` ago and of which nothing is owed is dropped, now
    /// and whenever the log is rewritten. Damaged lines are copied to `checkpoints.damaged-<ms>`,
    /// counted and warned of. A full disk is no error here: saves fail until there is room.
    pub fn open(state_dir: &Path, forget_after: Duration) -> Result<(Self, Restored), OpenError> {
        let found = log::read(state_dir)?;
        let log = Log::open(state_dir, found.as_ref())?;
        let found = found.unwrap_or_default();
        let mut opened = Self {
            log,
            places: found.places,
            unsaved: HashSet::new(),
            names: HashMap::new(),
            forget_after,
            forgotten: Vec::new(),
        };
        opened.note_damage(found.damaged_lines);
        opened.forget_past();
        let is_dated = opened.places.born_ms.is_some();
        opened.places.born_ms.get_or_insert_with(clock::wall_ms);
        opened
            .tidy(found.intact && is_dated)
            .map_err(|source| OpenError::Unusable { path: opened.log.path(), source })?;
        let forgotten = std::mem::take(&mut opened.forgotten);
        let restored = Restored::new(&opened.places, found.damaged_lines, forgotten);
        Ok((opened, restored))
    }

    /// Applies `changes` and saves them. Afterwards they are durable, and so is whatever an
    /// earlier save left over. After an error nothing but freshness is lost, until a later save.
    pub fn save(
        &mut self,
        changes: impl IntoIterator<Item = Change>,
    ) -> Result<Settled, SaveError> {
        self.apply(changes);
        self.flush()
    }

    /// Applies `changes` in memory only.
    pub fn apply(&mut self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            match change {
                Change::Known { source, lineage, identity, path, seen_ms } => {
                    self.names.insert(source.lineage, lineage.clone());
                    let generation = source.generation;
                    if self.places.see(&lineage, generation, identity, path, seen_ms) {
                        self.unsaved.insert(Subject::Source(lineage, generation));
                    }
                }
                Change::Moved { frontier, acknowledged } => self.move_to(frontier, acknowledged),
                Change::Gone { source, lineage, at_ms } => self.note_gone(source, lineage, at_ms),
                Change::Over { lineage } => drop(self.names.remove(&lineage)),
                Change::Looked { input, at_ms } => {
                    self.places.look(input.clone(), at_ms);
                    self.unsaved.insert(Subject::Look(input));
                }
                Change::Drained { lineage, generation } => {
                    if let Some(saved) = self.places.get_mut(&lineage, generation) {
                        saved.move_to(saved.accepted(), saved.accepted());
                        self.unsaved.insert(Subject::Source(lineage.into(), generation));
                    }
                }
                Change::FellBack { lineage, generation } => self.send_back(lineage, generation),
                Change::Counted { lineage, next } => {
                    self.places.count_to(&lineage, next);
                    self.unsaved.insert(Subject::Count(lineage.into()));
                }
                Change::Forget { lineage, generation } => {
                    self.places.forget(&lineage, generation);
                    self.unsaved.insert(Subject::Source(lineage.into(), generation));
                }
            }
        }
    }

    /// Saves what was applied and is not saved yet.
    pub fn flush(&mut self) -> Result<Settled, SaveError> {
        let saved = if self.log.must_rewrite() { self.rewrite() } else { self.append() };
        saved.map_err(|source| SaveError { path: self.log.path(), source })?;
        if self.log.is_outgrown() {
            self.forget_past();
            if let Err(error) = self.rewrite() {
                tracing::warn!(%error, "checkpoints not rewritten; tried again later");
                self.log.put_off_rewrite();
            }
        }
        let forgotten = std::mem::take(&mut self.forgotten);
        Ok(Settled { forgotten, floor: self.places.floor() })
    }

    /// Sends sources back to what was acknowledged, because the spool that held the rest is
    /// lost. Comes before anything new is spooled: a later start could not tell any more what
    /// the new spool never held.
    pub fn fall_back(
        &mut self,
        sources: impl IntoIterator<Item = (Lineage, Generation)>,
    ) -> Result<Settled, SaveError> {
        for (lineage, generation) in sources {
            self.send_back(lineage, generation);
        }
        self.flush()
    }

    fn send_back(&mut self, lineage: Lineage, generation: Generation) {
        let Some(saved) = self.places.get_mut(&lineage, generation) else { return };
        saved.move_to(saved.acknowledged(), saved.acknowledged());
        self.log.supersede();
        self.unsaved.insert(Subject::Source(lineage.into(), generation));
    }

    /// Whether everything that was applied is durable.
    pub fn is_saved(&self) -> bool {
        self.unsaved.is_empty() && !self.log.must_rewrite()
    }

    fn move_to(&mut self, frontier: Frontier, acknowledged: Mark) {
        let (source, accepted) = (frontier.source(), frontier.mark());
        assert!(acknowledged.offset <= accepted.offset, "what is acknowledged is accepted");
        let Some(lineage) = self.names.get(&source.lineage) else {
            unreachable!("a source is known before it moves: {source:?}")
        };
        let Some(saved) = self.places.get_mut(lineage, source.generation) else {
            unreachable!("a source is known before it moves: {source:?} of {lineage}")
        };
        if (accepted, acknowledged) == (saved.accepted(), saved.acknowledged()) {
            // As after every start, of all files that nothing has come to.
            return;
        }
        if accepted.offset < saved.accepted().offset
            || acknowledged.offset < saved.acknowledged().offset
        {
            // Were the line that says so damaged, an earlier one would put the place too far.
            self.log.supersede();
        }
        saved.move_to(accepted, acknowledged);
        self.unsaved.insert(Subject::Source(lineage.clone(), source.generation));
    }

    fn note_gone(&mut self, source: SourceId, lineage: Arc<Lineage>, at_ms: u64) {
        if let Some(saved) = self.places.get_mut(&lineage, source.generation) {
            saved.lose(at_ms);
            self.unsaved.insert(Subject::Source(lineage.clone(), source.generation));
        }
        self.names.insert(source.lineage, lineage);
    }

    fn append(&mut self) -> io::Result<()> {
        let (log, places) = (&mut self.log, &self.places);
        log.append(self.unsaved.iter().filter_map(|about| line(places, about)))?;
        // The first save of a run may be of very many.
        self.unsaved = HashSet::new();
        Ok(())
    }

    fn rewrite(&mut self) -> io::Result<()> {
        self.log.rewrite(self.places.lines())?;
        self.unsaved.clear();
        self.names.retain(|_, lineage| self.places.has(lineage));
        Ok(())
    }

    fn forget_past(&mut self) {
        let age_ms = u64::try_from(self.forget_after.as_millis()).unwrap_or(u64::MAX);
        let forgotten = self.places.forget_past(clock::wall_ms().saturating_sub(age_ms));
        self.forgotten.extend(forgotten);
    }

    /// Rewrites the log, if it is not as we would have written it.
    fn tidy(&mut self, intact: bool) -> io::Result<()> {
        self.log.measure(self.places.lines())?;
        if intact && self.forgotten.is_empty() && !self.log.is_outgrown() {
            return Ok(());
        }
        match self.rewrite() {
            Err(error) if is_full(&error) => {
                tracing::warn!(%error, "disk full: checkpoints are saved when there is room");
                Ok(())
            }
            done => done,
        }
    }

    fn note_damage(&mut self, lines: u64) {
        if lines > 0 {
            self.places.note_damage(clock::wall_ms());
            let path = self.log.path();
            let path = path.display();
            tracing::warn!(lines, %path, "damaged checkpoints; what is whole is kept");
        }
    }
}

fn line(places: &Places, about: &Subject) -> Option<Line> {
    match about {
        Subject::Source(lineage, generation) => {
            let generation = *generation;
            Some(match places.saved(lineage, generation) {
                Some(saved) => Line::Source(Box::new(saved)),
                None => Line::Forgotten { lineage: (**lineage).clone(), generation },
            })
        }
        Subject::Look(input) => {
            let at_ms = *places.looks().get(input)?;
            Some(Line::Look { input: input.clone(), at_ms })
        }
        Subject::Count(lineage) => Some(places.count(lineage)),
    }
}

#[cfg(test)]
impl Checkpoints {
    pub(super) fn log(&mut self) -> &mut Log {
        &mut self.log
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

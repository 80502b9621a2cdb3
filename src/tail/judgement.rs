//! What a file is that has not been met under its identity: a copy, the rest of what was lost,
//! or a generation of its own.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;

use super::candidate::{Candidate, Sighting};
use super::content::Content;
use super::identity;
use super::inquiry::Judged;
use super::lineage::Lineage;
use super::reconcile::{From, Outcome};
use super::source::{Home, Likeness, Source};
use super::whereabouts::Whereabouts;
use crate::record::{Anchor, Identity, Mark, Offset, SourceId};

/// Files that are no part of the lineage are remembered up to this many; what is beyond goes by
/// its age alone.
const STRANGERS_MAX: usize = 1000;

/// What a candidate has to do with those we know.
enum Kin {
    None,
    /// A copy of a file that can still be read.
    Copy,
    /// A copy of what was read, and nothing more.
    Past,
    /// It holds what is unread of a source whose own file no longer does.
    Rest(usize),
}

impl Lineage {
    /// Decides what a sibling is, and takes it in at `at` if it is of this lineage. `new` says
    /// from where it is read if it is like no other; nothing if it was judged before.
    pub(super) fn judge(
        &mut self,
        sighting: &Sighting,
        at: usize,
        new: Option<From>,
        outcome: &mut Outcome,
    ) -> Judged {
        if new.is_none() && !self.sources.iter().any(Source::is_homeless) {
            self.ignore(sighting.identity);
            return Judged::Done;
        }
        if sighting.is_packed() {
            return self.judge_packed(sighting, at, new, outcome);
        }
        let judged = sighting.open().and_then(|candidate| {
            let Some(candidate) = candidate else { return Ok(None) };
            let kin = self.kin(&candidate)?;
            Ok(Some((candidate, kin)))
        });
        match (judged, new) {
            (Ok(None), _) => {}
            (Ok(Some((candidate, Kin::Rest(at)))), _) => self.continue_in(at, candidate, outcome),
            // It becomes a source, or it would not be recognised after a restart.
            (Ok(Some((candidate, Kin::Past))), _) => {
                self.adopt(candidate, at, From::End, outcome);
            }
            (Ok(Some((candidate, Kin::None))), Some(new)) => {
                self.adopt(candidate, at, new, outcome);
            }
            (Ok(Some(_)), _) => self.ignore(sighting.identity),
            (Err(error), _) => outcome.errors.push((sighting.path.clone(), error)),
        }
        Judged::Done
    }

    pub(super) fn ignore(&mut self, identity: Identity) {
        if self.strangers.len() < STRANGERS_MAX {
            self.strangers.push(identity);
        }
    }

    /// Compares a file with those we know: with what can be read of them, or with what is
    /// remembered of those that are lost.
    fn kin(&mut self, candidate: &Candidate) -> io::Result<Kin> {
        if candidate.meta.len() == 0 {
            return Ok(Kin::None);
        }
        let live_path = self.live_path().to_owned();
        for (at, source) in self.sources.iter_mut().enumerate().rev() {
            if source.is_blank() || source.identity.is_same_file(&candidate.identity) {
                continue;
            }
            if !source.is_homeless() {
                // Copies are made of what has the name, not of what was rotated away: there, one
                // that begins alike may be a successor with the same lines.
                let is_rotated = source.home == Home::Named && *source.path != *live_path;
                if !is_rotated && is_copy(candidate, source)? {
                    return Ok(Kin::Copy);
                }
                // While they were compared, the original may have been truncated.
                if is_rotated || !was_truncated(source) {
                    continue;
                }
                source.home = Home::Taken;
            }
            let is_taken = source.home == Home::Taken;
            // A copy was complete before its original was truncated.
            if is_taken && !source.outdates(&candidate.meta) {
                continue;
            }
            match source.was(candidate)? {
                // A file that just is not there proves little, so the anchor must prove more.
                Likeness::Whole if is_taken || source.at.offset.0 >= Anchor::WINDOW as u64 => {
                    return Ok(Kin::Rest(at));
                }
                Likeness::Shorter if is_taken => return Ok(Kin::Past),
                Likeness::Whole | Likeness::Shorter | Likeness::None => {}
            }
        }
        Ok(Kin::None)
    }

    pub(super) fn continue_in(&mut self, at: usize, copy: Candidate, outcome: &mut Outcome) {
        let Some(source) = self.sources.get_mut(at) else { return };
        let path = copy.path.clone();
        match source.move_to(copy) {
            Ok(()) => outcome.seen.push(source.id),
            Err(error) => outcome.errors.push((path, error)),
        }
    }

    /// The file that has the name is new to us. Of one that is read from its end on, the last
    /// line is taken whole.
    pub(super) fn adopt_live(&mut self, live: Candidate, new: From, outcome: &mut Outcome) {
        let from = match new {
            From::Beginning => Ok(Mark::START),
            From::End => last_line_start(&live),
        };
        self.adopt_from(live, self.sources.len(), from, outcome);
    }

    /// A file's content is new to us: it becomes a generation of its own.
    pub(super) fn adopt(
        &mut self,
        candidate: Candidate,
        at: usize,
        new: From,
        outcome: &mut Outcome,
    ) -> &mut Source {
        let from = match new {
            From::Beginning => Ok(Mark::START),
            From::End => mark_at(&candidate.file, Offset(candidate.meta.len())),
        };
        self.adopt_from(candidate, at, from, outcome)
    }

    pub(super) fn adopt_from(
        &mut self,
        candidate: Candidate,
        at: usize,
        from: io::Result<Mark>,
        outcome: &mut Outcome,
    ) -> &mut Source {
        let id = SourceId { lineage: self.id, generation: self.next_generation };
        self.next_generation = id.generation.next();
        let returned = self.departed.welcome(&candidate);
        let from = returned.and_then(|returned| returned.map_or(from, Ok));
        let path = candidate.path;
        let from = from.unwrap_or_else(|error| {
            tracing::warn!(%error, path = %path.display(), "cannot read the end of a file; it is read whole");
            Mark::START
        });
        let is_at = Whereabouts::new(self.name.clone(), Some(path.clone()));
        let mut source = Source::new(id, candidate.identity, is_at, from, self.label.clone());
        source.file = Some(candidate.file);
        source.found(path, &candidate.meta);
        source.home = candidate.home;
        // Its head and its end are taken down. If that fails, so will reading it.
        let known = source.grow_head().and_then(|_| source.verify());
        source.rest_packed();
        if let Err(error) = known.or_else(later) {
            tracing::debug!(%error, path = %source.path.display(), "cannot read a file's head");
        }
        outcome.seen.push(id);
        // Nearly all lineages have one.
        self.sources.reserve_exact(1);
        self.sources.insert_mut(at, source)
    }
}

fn was_truncated(source: &mut Source) -> bool {
    source.refresh();
    source.is_stirred && matches!(source.verify(), Ok(false))
}

/// What is compressed may need more than one turn.
fn later(error: io::Error) -> io::Result<bool> {
    if error.kind() == io::ErrorKind::WouldBlock { Ok(true) } else { Err(error) }
}

/// Whether a candidate was copied from a source that can be read.
fn is_copy(candidate: &Candidate, source: &mut Source) -> io::Result<bool> {
    // What is not there now cannot be compared.
    if source.open().is_err() {
        return Ok(false);
    }
    source.file.as_ref().map_or(Ok(false), |original| candidate.is_copy_of(original))
}

/// A place in a file; its start if the file ends before it.
fn mark_at(file: &Content, offset: Offset) -> io::Result<Mark> {
    let anchor = identity::anchor_at(file, offset)?;
    Ok(anchor.map_or(Mark::START, |anchor| Mark::new(offset, anchor)))
}

/// Where the last line of a file begins, as far as it is within reach.
fn last_line_start(candidate: &Candidate) -> io::Result<Mark> {
    if let Some(packed) = candidate.file.packed() {
        // Only at the very first start, and nothing but unpacking tells where it ends.
        while packed.end().is_none() {
            packed.reach(u64::MAX).or_else(|error| later(error).map(drop))?;
        }
        return mark_at(&candidate.file, Offset(packed.extent()));
    }
    let mut bytes = vec![0; 64 * 1024];
    let size = candidate.meta.len();
    let from = size.saturating_sub(bytes.len() as u64);
    let read = candidate.file.read_up_to(&mut bytes, from)?;
    let newline = bytes.get(..read).and_then(|bytes| memchr::memrchr(b'\n', bytes));
    let offset = match newline {
        Some(at) => from + at as u64 + 1,
        None if from == 0 => 0,
        None => size,
    };
    mark_at(&candidate.file, Offset(offset))
}

impl Source {
    /// Whether a file of these times was last written to before this one was.
    fn outdates(&self, meta: &Metadata) -> bool {
        (meta.mtime(), meta.mtime_nsec()) <= self.modified
    }
}

//! What a file is that has not been met under its identity: a copy, the rest of what was lost,
//! or a generation of its own.

use std::collections::VecDeque;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;

use super::candidate::{self, Candidate, Sighting, Stamp};
use super::content::Content;
use super::identity;
use super::lineage::Lineage;
use super::opened::Open;
use super::reconcile::{From, Outcome};
use super::source::{Home, Likeness, Source};
use super::whereabouts::Whereabouts;
use crate::record::{Anchor, Identity, Mark, Offset, SourceId};

/// Files that are no part of the lineage are remembered up to this many; what is beyond goes by
/// its age alone.
pub(super) const STRANGERS_MAX: usize = 1000;

/// A sibling that is no part of the lineage: a copy of what can be read, or older than it.
pub(super) struct Stranger {
    pub(super) identity: Identity,
    /// Of whom it is a copy, as long as it looks like this.
    copy_of: Option<(SourceId, Stamp)>,
}

impl Stranger {
    pub(super) fn copy_of(&self, sighting: &Sighting) -> Option<SourceId> {
        self.copy_of.filter(|(_, stamp)| *stamp == sighting.stamp()).map(|(source, _)| source)
    }

    /// It is that file, and looked otherwise.
    pub(super) fn was(&self, sighting: &Sighting) -> bool {
        self.identity.is_same_file(&sighting.identity) && self.copy_of(sighting).is_none()
    }
}

/// What is known of a sibling before it is looked into.
pub(super) struct Prior<'a> {
    /// From where it is read if it is like no other; nothing if it was judged before.
    pub(super) new: Option<From>,
    /// It is a copy of this one, and so the rest of no other.
    pub(super) copy_of: Option<SourceId>,
    /// What comes after it, and is not judged yet.
    pub(super) later: &'a VecDeque<Sighting>,
}

impl Prior<'_> {
    /// Whether what is unread of a source is looked for in it.
    pub(super) fn may_be_rest_of(&self, source: &Source) -> bool {
        source.is_homeless() && self.copy_of.is_none_or(|original| original == source.id)
    }
}

/// What a sibling has to do with those we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kin {
    None,
    /// A copy of a file that can still be read; of which of ours, if it is one already.
    Copy(Option<SourceId>),
    /// A copy of what was read, which ends there.
    Past(Mark),
    /// It holds what is unread of a source whose own file no longer does.
    Rest(SourceId),
    /// Compressed, it ends in the middle, and may not be all there yet.
    Unfinished,
}

/// Whether a sibling's place in the order is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judged {
    Done,
    /// It is being looked into; what is younger has to wait.
    Later,
    /// It has lost its name since it was seen: what is younger may be seen too early.
    Moved,
}

impl Lineage {
    /// Decides what a sibling is, and takes it in at `at` if it is of this lineage.
    pub(super) fn judge(
        &mut self,
        sighting: &Sighting,
        at: usize,
        prior: &Prior<'_>,
        outcome: &mut Outcome,
    ) -> Judged {
        if prior.new.is_none() && !self.sources.iter().any(|known| prior.may_be_rest_of(known)) {
            self.ignore(sighting.identity, prior.copy_of.map(|of| (of, sighting.stamp())));
            return Judged::Done;
        }
        let judged = sighting.open().and_then(|candidate| {
            let Some(candidate) = candidate else { return Ok(sighting.is_over()) };
            let kin = match candidate.file.packed() {
                Some(_) => self.kin_of_packed(&candidate, prior)?,
                None => Some(self.kin(&candidate, prior)?),
            };
            let Some(kin) = kin else { return Ok(Judged::Later) };
            self.take_in(candidate, kin, at, prior.new, outcome);
            Ok(Judged::Done)
        });
        judged.unwrap_or_else(|error| {
            outcome.errors.push((sighting.path.clone(), error));
            Judged::Done
        })
    }

    fn take_in(
        &mut self,
        candidate: Candidate,
        kin: Kin,
        at: usize,
        new: Option<From>,
        outcome: &mut Outcome,
    ) {
        if kin == Kin::Unfinished && self.waits_for(&candidate) {
            return;
        }
        self.unfinished.retain(|known| !known.is(&candidate.identity));
        if let Kin::Rest(id) = kin
            && let Some(at) = self.sources.iter().position(|source| source.id == id)
        {
            return self.continue_in(at, candidate, outcome);
        }
        let identity = candidate.identity;
        let from = match (kin, new) {
            // It becomes a source, or it would not be recognised after a restart.
            (Kin::Past(end), _) => Ok(end),
            (Kin::Copy(of), _) => {
                let stamp = candidate::stamp_of(&candidate.meta);
                self.ignore(identity, of.map(|of| (of, stamp)));
                return;
            }
            (_, Some(From::Beginning)) => Ok(Mark::START),
            // It goes on where it was left, however old it says to be.
            (_, Some(From::End)) if self.departed.has(&identity) => Ok(Mark::START),
            // More may come to it, but not to what is compressed.
            (_, Some(From::End)) if candidate.file.packed().is_none() => mark_at_end(&candidate),
            (_, Some(From::End) | None) => {
                self.ignore(identity, None);
                return;
            }
        };
        self.adopt_from(candidate, at, from, outcome);
    }

    /// Remembers what is no part of the lineage, if not too much is. Returns whether it does.
    pub(super) fn ignore(
        &mut self,
        identity: Identity,
        copy_of: Option<(SourceId, Stamp)>,
    ) -> bool {
        self.unfinished.retain(|known| !known.is(&identity));
        let has_room = self.strangers.len() < STRANGERS_MAX;
        if has_room {
            self.strangers.push(Stranger { identity, copy_of });
        }
        has_room
    }

    /// Compares a file with those we know: with what can be read of them, or with what is
    /// remembered of those that are lost. Of several that are lost it is the rest of the one that
    /// was read the furthest.
    fn kin(&mut self, candidate: &Candidate, prior: &Prior<'_>) -> io::Result<Kin> {
        if candidate.meta.len() == 0 {
            return Ok(Kin::None);
        }
        let live_path = self.live_path().to_owned();
        let (mut rest, mut is_past) = (None::<(Offset, SourceId)>, false);
        for source in self.sources.iter_mut().rev() {
            if source.is_blank() || source.identity.is_same_file(&candidate.identity) {
                continue;
            }
            if !source.is_homeless() {
                // Copies are made of what has the name, not of what was rotated away: there, one
                // that begins alike may be a successor with the same lines.
                let is_rotated = source.home == Home::Named && *source.path != *live_path;
                if is_rotated || rest.is_some() {
                    continue;
                }
                if is_copy(candidate, source)? {
                    return Ok(Kin::Copy(Some(source.id)));
                }
                // While they were compared, the original may have been truncated.
                if !was_truncated(source) {
                    continue;
                }
                source.mark_taken();
            }
            let is_taken = source.home == Home::Taken;
            // A copy was complete before its original was truncated.
            let is_too_late = is_taken && !source.outdates(&candidate.meta);
            if is_too_late || !prior.may_be_rest_of(source) {
                continue;
            }
            let at = source.at.offset;
            match source.was(candidate)? {
                // A file that just is not there proves little, so the anchor must prove more.
                Likeness::Whole if is_taken || at.0 >= Anchor::WINDOW as u64 => {
                    if rest.is_none_or(|(furthest, _)| furthest < at) {
                        rest = Some((at, source.id));
                    }
                }
                Likeness::Shorter => is_past |= is_taken,
                Likeness::Whole | Likeness::None => {}
            }
        }
        Ok(match rest {
            Some((_, source)) => Kin::Rest(source),
            None if is_past => Kin::Past(mark_at_end(candidate)?),
            None => Kin::None,
        })
    }

    pub(super) fn continue_in(&mut self, at: usize, copy: Candidate, outcome: &mut Outcome) {
        let Some(source) = self.sources.get_mut(at) else { return };
        let path = copy.path.clone();
        match source.move_to(copy) {
            Ok(()) => outcome.seen.push(source.id),
            Err(error) => outcome.errors.push((path, error)),
        }
        source.rest_packed();
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
    pub(super) fn adopt_from(
        &mut self,
        candidate: Candidate,
        at: usize,
        from: io::Result<Mark>,
        outcome: &mut Outcome,
    ) {
        let id = SourceId { lineage: self.id, generation: self.next_generation };
        self.next_generation = id.generation.next();
        let is_settled = self.departed.is_settled(&candidate);
        let returned = self.departed.welcome(&candidate);
        let from = returned.and_then(|returned| returned.map_or(from, Ok));
        let path = candidate.path;
        let from = from.unwrap_or_else(|error| {
            tracing::warn!(%error, path = %path.display(), "cannot read the end of a file; it is read whole");
            Mark::START
        });
        let is_at = Whereabouts::new(self.name.clone(), Some(path.clone()));
        let mut source = Source::new(id, candidate.identity, is_at, from, self.label.clone());
        source.file = Some(Open::new(candidate.file).into());
        source.found(path, &candidate.meta);
        (source.home, source.is_new) = (candidate.home, true);
        if is_settled {
            source.wrote_off();
        }
        // Its head and its end are taken down. If that fails, so will reading it.
        let known = source.grow_head().and_then(|_| source.verify());
        source.rest_packed();
        if let Err(error) = known.or_else(later) {
            tracing::debug!(%error, path = %source.path.display(), "cannot read a file's head");
        }
        outcome.seen.push(id);
        // Nearly all lineages have one.
        self.sources.reserve_exact(1);
        self.sources.insert(at, source);
    }
}

pub(super) fn was_truncated(source: &mut Source) -> bool {
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

fn mark_at_end(candidate: &Candidate) -> io::Result<Mark> {
    mark_at(&candidate.file, Offset(candidate.meta.len()))
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
    /// Its file was found to hold something else. That may have been just now: what is copied of
    /// it is older than how it looks by then, and not than how it looked when last asked.
    pub(super) fn mark_taken(&mut self) {
        if let Some(file) = &self.file {
            file.await_truncation();
        }
        self.refresh();
        self.home = Home::Taken;
    }

    /// Whether a file of these times was last written to before this one was.
    fn outdates(&self, meta: &Metadata) -> bool {
        (meta.mtime(), meta.mtime_nsec()) <= self.modified
    }
}

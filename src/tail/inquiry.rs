//! What a compressed sibling is of those we know. Its head tells whom it may be; only unpacking it
//! tells whether it is, so that goes on a piece at a time, and nothing of the lineage is read
//! meanwhile: what comes first is not known yet.

use std::io;
use std::time::Instant;

use super::beside::Beside;
use super::candidate::{self, Candidate, Sighting, Stamp};
use super::content::Content;
use super::identity;
use super::judgement::{Kin, Prior};
use super::lineage::Lineage;
use super::packed::{End, Packed, WORK_MAX};
use super::reconcile::From;
use super::source::{Home, Source};
use super::unpacking::FINAL;
use crate::clock;
use crate::record::{Anchor, Identity, Mark, Offset, SourceId};

/// How much is compared at once.
const PIECE: usize = 256 * 1024;

/// A compressed file that begins like some we know.
pub(super) struct Inquiry {
    identity: Identity,
    stamp: Stamp,
    content: Content,
    /// The newest first.
    suspects: Vec<Suspect>,
    /// So far all suspects agree with it.
    at: u64,
    answer: Option<Kin>,
}

enum Suspect {
    /// It is compared byte by byte; one of ours, if it is one already.
    Readable {
        source: Option<SourceId>,
        content: Content,
    },
    Lost(Lost),
}

/// What is remembered of one that cannot be read.
struct Lost {
    source: SourceId,
    at: Mark,
    marks: Vec<Mark>,
    /// Its head was found.
    has_head: bool,
    is_taken: bool,
    /// Its name was that of the compressed file, without what compressing adds.
    is_namesake: bool,
}

/// A compressed file that cannot be judged before it changes.
pub(super) struct Unfinished {
    identity: Identity,
    stamp: Stamp,
    since: Instant,
}

impl Unfinished {
    fn of(candidate: &Candidate) -> Self {
        let (identity, stamp) = (candidate.identity, stamp(candidate));
        Self { identity, stamp, since: clock::now() }
    }

    pub(super) fn is(&self, identity: &Identity) -> bool {
        self.identity.is_same_file(identity)
    }

    /// It is as it was when it could not be judged, and has not been so for long.
    fn waits(&self, stamp: Stamp) -> bool {
        self.stamp == stamp && clock::since(self.since) < FINAL
    }
}

impl Lineage {
    /// As [`Lineage::kin`], for a compressed file; nothing while that is being looked into.
    pub(super) fn kin_of_packed(
        &mut self,
        candidate: &Candidate,
        prior: &Prior<'_>,
    ) -> io::Result<Option<Kin>> {
        let stamp = stamp(candidate);
        if self.unfinished.iter().any(|known| known.is(&candidate.identity) && known.waits(stamp)) {
            return Ok(Some(Kin::Unfinished));
        }
        let asked = self.inquiry.take_if(|inquiry| inquiry.is_about(candidate));
        let inquiry = match asked {
            Some(inquiry) => inquiry,
            None => match self.inquire(candidate, prior)? {
                Ok(kin) => return Ok(Some(kin)),
                Err(mut inquiry) => {
                    if inquiry.run()?.is_none() {
                        // From here on it takes its turn.
                        inquiry.rest();
                    }
                    Box::new(inquiry)
                }
            },
        };
        let answer = inquiry.answer;
        if answer.is_none() {
            self.inquiry = Some(inquiry);
        }
        Ok(answer)
    }

    /// Whether one that ends in the middle may still be going on: it does as long as what it is
    /// made of is there.
    pub(super) fn waits_for(&mut self, candidate: &Candidate) -> bool {
        let original = candidate.path.with_extension("");
        let is_original = |source: &Source| source.home == Home::Named && *source.path == *original;
        let has_original = self.sources.iter().any(is_original);
        let now = Unfinished::of(candidate);
        let Some(known) = self.unfinished.iter_mut().find(|known| known.is(&candidate.identity))
        else {
            self.unfinished.push(now);
            return true;
        };
        if known.stamp != now.stamp {
            *known = now;
        }
        has_original || known.waits(known.stamp)
    }

    /// Whom the head leaves as possible; the answer if nobody, or if there is proof enough.
    fn inquire(
        &mut self,
        candidate: &Candidate,
        prior: &Prior<'_>,
    ) -> io::Result<Result<Kin, Inquiry>> {
        let (head_len, head_hash) = identity::head(&candidate.file, Identity::HEAD_MAX)?;
        if head_len == 0 {
            let end = candidate.file.packed().and_then(Packed::end);
            // There is nothing in it.
            let is_whole = end == Some(End::Whole);
            return Ok(Ok(if is_whole { Kin::Copy(None) } else { Kin::Unfinished }));
        }
        let head = Identity { head_len, head_hash, ..candidate.identity };
        let mut suspects = readable_later(prior, &head)?;
        let live = self.live_path().to_owned();
        for source in self.sources.iter_mut().rev() {
            if source.is_blank() || source.identity.is_same_file(&candidate.identity) {
                continue;
            }
            if source.is_homeless() {
                if is_finished_in(source, candidate)? {
                    return Ok(Ok(Kin::Copy(Some(source.id))));
                }
                if prior.may_be_rest_of(source) {
                    suspects.extend(lost(source, candidate, prior.new)?.map(Suspect::Lost));
                }
            } else if may_be_made_of(source, candidate, &live) {
                let Some(suspect) = readable(source, &head)? else { continue };
                if says_it_is(source, candidate)? {
                    return Ok(Ok(Kin::Copy(Some(source.id))));
                }
                suspects.push(suspect);
            }
        }
        let is_of_use = |suspect: &Suspect| prior.new.is_some() || suspect.lost().is_some();
        if !suspects.iter().any(is_of_use) {
            return Ok(Ok(Kin::None));
        }
        Ok(Err(Inquiry {
            identity: candidate.identity,
            stamp: stamp(candidate),
            content: candidate.file.reopen()?,
            suspects,
            at: 0,
            answer: None,
        }))
    }

    /// Looks into a compressed file a piece further. True if all is to be looked at again.
    pub(super) fn examine(&mut self) -> bool {
        let Some(inquiry) = &mut self.inquiry else { return true };
        match inquiry.run() {
            Ok(answer) => answer.is_some(),
            Err(error) => {
                tracing::debug!(%error, "cannot look into a compressed file");
                self.inquiry = None;
                true
            }
        }
    }

    /// Whether something compressed is to be looked into before anything is read.
    pub(super) fn is_inquiring(&self) -> bool {
        self.inquiry.as_ref().is_some_and(|inquiry| inquiry.answer.is_none())
    }

    /// Whether compressed files may still turn out to be what we look for.
    pub(super) fn awaits_packed(&self) -> bool {
        self.inquiry.is_some()
            || self.unfinished.iter().any(|known| clock::since(known.since) < FINAL)
    }

    pub(super) fn forget_unfinished(&mut self, there: &[Sighting]) {
        let is_there =
            |known: &Unfinished| there.iter().any(|sighting| known.is(&sighting.identity));
        self.unfinished.retain(is_there);
    }

    /// Whether a compressed file that could not be judged can be now: it has changed, or will
    /// not any more.
    pub(super) fn is_packed_due(&mut self, beside: &Beside) -> bool {
        if self.unfinished.is_empty() {
            return false;
        }
        let seen: Vec<Sighting> = sightings(beside).collect();
        let find = |known: &Unfinished| seen.iter().find(|sighting| known.is(&sighting.identity));
        let is_due = |seen: &Sighting, known: &Unfinished| !known.waits(seen.stamp());
        self.unfinished.iter().any(|known| find(known).is_none_or(|seen| is_due(seen, known)))
    }

    /// Whether one that was given up has been written to since.
    pub(super) fn is_taken_up(&self, beside: &Beside) -> bool {
        let is_it = |seen: Sighting| {
            let mut strangers = self.strangers.iter();
            self.departed.has(&seen.identity) && strangers.any(|known| known.was(&seen))
        };
        !self.departed.is_empty() && sightings(beside).any(is_it)
    }
}

fn sightings(beside: &Beside) -> impl Iterator<Item = Sighting> {
    beside.siblings().filter_map(|(path, meta)| Sighting::of(path, meta?))
}

fn stamp(candidate: &Candidate) -> Stamp {
    candidate::stamp_of(&candidate.meta)
}

/// A homeless source that was read to the end it was last seen to have, and a file that says to
/// be just that: same head, same time to the nanosecond, same length.
fn is_finished_in(source: &Source, candidate: &Candidate) -> io::Result<bool> {
    Ok(source.home != Home::Taken
        && source.unread() == 0
        && identity::begins_alike(&candidate.file, &source.identity)?
        && says_it_is(source, candidate)?)
}

/// Whether time and length say that a compressed file was made of a source as it is. Neither
/// counts alone: a length may be that of the last member only, a time that of a tick.
fn says_it_is(source: &Source, candidate: &Candidate) -> io::Result<bool> {
    let (_, seconds, nanoseconds) = stamp(candidate);
    if nanoseconds == 0 || source.modified != (seconds, nanoseconds) {
        return Ok(false);
    }
    let said = candidate.file.packed().map(Packed::said).transpose()?.flatten();
    Ok(said.is_some_and(|said| said.may_be(source.size)))
}

/// Copies are made of what has the name and of what lost every name; of what was rotated away
/// only under its own name. Others that begin alike may be successors with the same lines.
fn may_be_made_of(source: &Source, candidate: &Candidate, live: &std::path::Path) -> bool {
    let is_rotated = source.is_rotated_from(live);
    !source.is_packed() && (!is_rotated || candidate.path.with_extension("") == *source.path)
}

/// Something if what can be read of a source begins like the head.
fn readable(source: &mut Source, head: &Identity) -> io::Result<Option<Suspect>> {
    // What is not there now cannot be compared.
    if source.open().is_err() {
        return Ok(None);
    }
    let Some(file) = &source.file else { return Ok(None) };
    let is_alike = identity::head(file, head.head_len)? == (head.head_len, head.head_hash);
    let content = is_alike.then(|| file.reopen()).transpose()?;
    Ok(content.map(|content| Suspect::Readable { source: Some(source.id), content }))
}

/// The same of what has lost its name before it could be judged.
fn readable_later(prior: &Prior<'_>, head: &Identity) -> io::Result<Vec<Suspect>> {
    let mut found = Vec::new();
    for sighting in prior.later.iter().filter(|later| later.home == Home::Nameless) {
        let Some(Candidate { file: content, .. }) = sighting.open()? else { continue };
        let is_alike = identity::head(&content, head.head_len)? == (head.head_len, head.head_hash);
        if is_alike && content.packed().is_none() {
            found.push(Suspect::Readable { source: None, content });
        }
    }
    Ok(found)
}

/// Something if a file begins like a source whose own is lost. What can be read of a lost one
/// that was read for less than an anchor proves little: such a file is read whole, if it is new.
fn lost(source: &Source, candidate: &Candidate, new: Option<From>) -> io::Result<Option<Lost>> {
    let is_taken = source.home == Home::Taken;
    // Of what was not read at all nothing is passed over.
    let is_weak = (1..Anchor::WINDOW as u64).contains(&source.at.offset.0);
    if is_weak && !is_taken && new.is_some() {
        return Ok(None);
    }
    let mut head = [0; Identity::HEAD_MAX as usize];
    let head = head.get_mut(..source.identity.head_len as usize).unwrap_or_default();
    // What is shorter than the head is compared by marks alone.
    let has_head = !head.is_empty() && candidate.file.read_up_to(head, 0)? == head.len();
    let is_alike = !has_head || identity::begins_alike(&candidate.file, &source.identity)?;
    Ok(is_alike.then(|| Lost {
        source: source.id,
        at: source.at,
        marks: source.marks(),
        has_head,
        is_taken,
        is_namesake: candidate.path.with_extension("") == *source.path,
    }))
}

impl Inquiry {
    pub(super) fn packed(&self) -> Option<&Packed> {
        self.content.packed()
    }

    pub(super) fn is_unpacking(&self) -> bool {
        self.packed().is_some_and(Packed::is_busy)
    }

    /// Frees what unpacking needs.
    fn rest(&self) {
        if let Some(packed) = self.packed() {
            packed.rest();
        }
    }

    fn is_about(&self, candidate: &Candidate) -> bool {
        self.identity.is_same_file(&candidate.identity) && self.stamp == stamp(candidate)
    }

    /// As much as one turn may take.
    fn run(&mut self) -> io::Result<Option<Kin>> {
        let until = self.at + WORK_MAX;
        while self.answer.is_none() && self.at < until {
            match self.step() {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(self.answer)
    }

    fn step(&mut self) -> io::Result<()> {
        let Some(packed) = self.content.packed() else {
            self.answer = Some(Kin::None);
            return Ok(());
        };
        packed.keep_from(self.at.saturating_sub(Anchor::WINDOW as u64));
        packed.reach(self.at + PIECE as u64)?;
        let mut bytes = vec![0; PIECE];
        let read = self.content.read_up_to(&mut bytes, self.at)?;
        let (from, to) = (self.at, self.at + read as u64);
        let piece = bytes.get(..read).unwrap_or_default();
        let mut theirs = Vec::new();
        let mut failed = None;
        self.suspects.retain(|suspect| {
            let agrees = suspect.agrees(&self.content, piece, from, to, &mut theirs);
            agrees.unwrap_or_else(|error| {
                failed = Some(error);
                true
            })
        });
        if let Some(error) = failed {
            return Err(error);
        }
        self.at = to;
        self.answer = match packed.end() {
            _ if self.suspects.is_empty() => Some(Kin::None),
            Some(end) if to == packed.extent() => Some(self.conclude(end)?),
            Some(_) | None if self.readable().is_some() => None,
            Some(_) | None => self.proven(false).map(Kin::Rest),
        };
        Ok(())
    }

    fn lost(&self) -> impl Iterator<Item = &Lost> {
        self.suspects.iter().filter_map(Suspect::lost)
    }

    /// The lost one that has most in common with it, once there is nothing left to be compared.
    /// Of those that have the same the oldest: it is looked for first.
    fn proven(&self, is_end: bool) -> Option<SourceId> {
        if !is_end
            && self.lost().any(|lost| lost.marks.last().is_some_and(|mark| mark.offset.0 > self.at))
        {
            return None;
        }
        let is_proven = |lost: &&Lost| lost.at.offset.0 <= self.at && lost.has_proof(self.at);
        let proven = self.lost().filter(is_proven);
        proven
            .max_by_key(|lost| (lost.agrees_to(self.at), lost.is_namesake))
            .map(|lost| lost.source)
    }

    /// One that can be read and says so, which is worth more than what is remembered.
    fn readable(&self) -> Option<Kin> {
        self.suspects.iter().find_map(|suspect| match suspect {
            Suspect::Readable { source, .. } => Some(Kin::Copy(*source)),
            Suspect::Lost(_) => None,
        })
    }

    /// What it is, now that all there is of it was looked at.
    fn conclude(&self, end: End) -> io::Result<Kin> {
        if let Some(copy) = self.readable() {
            return Ok(if end == End::Short { Kin::Unfinished } else { copy });
        }
        if let Some(source) = self.proven(true) {
            return Ok(Kin::Rest(source));
        }
        if end == End::Short {
            return Ok(Kin::Unfinished);
        }
        if !self.lost().any(|lost| lost.is_taken && lost.has_proof(self.at)) {
            return Ok(Kin::None);
        }
        let offset = Offset(self.at);
        let anchor = identity::anchor_at(&self.content, offset)?;
        Ok(anchor.map_or(Kin::None, |anchor| Kin::Past(Mark::new(offset, anchor))))
    }
}

impl Suspect {
    fn lost(&self) -> Option<&Lost> {
        match self {
            Self::Readable { .. } => None,
            Self::Lost(lost) => Some(lost),
        }
    }

    /// Whether it has the same from `from` to `to`, as far as that can be told.
    fn agrees(
        &self,
        content: &Content,
        piece: &[u8],
        from: u64,
        to: u64,
        theirs: &mut Vec<u8>,
    ) -> io::Result<bool> {
        match self {
            Self::Readable { content, .. } => {
                theirs.resize(piece.len(), 0);
                Ok(content.read_up_to(theirs, from)? == piece.len() && theirs == piece)
            }
            Self::Lost(Lost { marks, .. }) => {
                let is_here = |mark: &&Mark| from < mark.offset.0 && mark.offset.0 <= to;
                for mark in marks.iter().filter(is_here) {
                    if !identity::holds(content, *mark)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }
}

impl Lost {
    /// Whether anything was compared by the time `at` was reached.
    fn has_proof(&self, at: u64) -> bool {
        // All files of a lineage may have the same head.
        self.marks.first().map_or(self.has_head, |mark| mark.offset.0 <= at)
    }

    /// The last place up to `at` that is remembered of it.
    fn agrees_to(&self, at: u64) -> Offset {
        let last = self.marks.iter().rfind(|mark| mark.offset.0 <= at);
        last.map_or(Offset::START, |mark| mark.offset)
    }
}

//! What a compressed sibling is of those we know. Its head tells whom it may be; only unpacking it
//! tells whether it is, so that goes on a piece at a time, and nothing of the lineage is read
//! meanwhile: what comes first is not known yet.

use std::io;
use std::time::Instant;

use super::candidate::{Candidate, Sighting};
use super::content::Content;
use super::identity;
use super::lineage::Lineage;
use super::packed::{End, Packed, WORK_MAX};
use super::reconcile::{From, Outcome};
use super::source::{Home, Source};
use super::unpacking::FINAL;
use crate::clock;
use crate::record::{Anchor, Identity, Mark, Offset, SourceId};

/// How much is compared at once.
const PIECE: usize = 256 * 1024;

/// Length and time of a file on the disk.
type Stamp = (u64, i64, i64);

/// A compressed file that begins like some we know.
pub(super) struct Inquiry {
    identity: Identity,
    stamp: Stamp,
    content: Content,
    suspects: Vec<Suspect>,
    /// So far all suspects agree with it.
    at: u64,
    answer: Option<Answer>,
}

struct Suspect {
    source: SourceId,
    how: How,
}

enum How {
    /// Byte by byte.
    Readable(Content),
    /// By what is remembered of it.
    Lost { at: Mark, marks: Vec<Mark>, has_head: bool, is_taken: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Nobody we know.
    None,
    /// Of what can be read.
    Copy,
    /// Of what was read, to there.
    Past(Mark),
    Rest(SourceId),
    /// It ends in the middle, and may not be all there yet.
    Unfinished,
}

/// A compressed file that cannot be judged before it changes.
pub(super) struct Unfinished {
    identity: Identity,
    stamp: Stamp,
    since: Instant,
}

impl Unfinished {
    /// It is as it was when it could not be judged, and has not been so for long.
    fn waits(&self, sighting: &Sighting) -> bool {
        self.stamp == sighting.stamp() && clock::since(self.since) < FINAL
    }
}

/// Whether a sibling's place in the order is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judged {
    Done,
    /// It is being looked into; what is younger has to wait.
    Later,
}

impl Lineage {
    /// As [`Lineage::judge`], for a compressed file.
    pub(super) fn judge_packed(
        &mut self,
        sighting: &Sighting,
        at: usize,
        new: Option<From>,
        outcome: &mut Outcome,
    ) -> Judged {
        let is_it = |identity: &Identity| identity.is_same_file(&sighting.identity);
        let waiting = self.unfinished.iter().find(|known| is_it(&known.identity));
        if waiting.is_some_and(|known| known.waits(sighting)) {
            return Judged::Done;
        }
        let is_final = waiting.is_some_and(|known| known.stamp == sighting.stamp());
        let asked = self
            .inquiry
            .take_if(|inquiry| is_it(&inquiry.identity) && inquiry.stamp == sighting.stamp());
        let asked = match asked {
            Some(inquiry) if inquiry.answer.is_none() => {
                self.inquiry = Some(inquiry);
                return Judged::Later;
            }
            asked => asked.and_then(|inquiry| inquiry.answer),
        };
        let judged = sighting.open().and_then(|candidate| {
            let Some(candidate) = candidate else { return Ok(Judged::Done) };
            let answer = match asked {
                Some(answer) => answer,
                None => match self.inquire(&candidate, new)? {
                    Ok(answer) => answer,
                    Err(mut inquiry) => {
                        let Some(answer) = inquiry.run()? else {
                            // From here on it takes its turn.
                            inquiry.rest();
                            self.inquiry = Some(Box::new(inquiry));
                            return Ok(Judged::Later);
                        };
                        answer
                    }
                },
            };
            self.settle(candidate, answer, at, new, is_final, outcome);
            Ok(Judged::Done)
        });
        judged.unwrap_or_else(|error| {
            outcome.errors.push((sighting.path.clone(), error));
            Judged::Done
        })
    }

    fn settle(
        &mut self,
        candidate: Candidate,
        answer: Answer,
        at: usize,
        new: Option<From>,
        is_final: bool,
        outcome: &mut Outcome,
    ) {
        let identity = candidate.identity;
        if answer == Answer::Unfinished && !is_final {
            let stamp = stamp(&candidate);
            self.unfinished.retain(|known| !known.identity.is_same_file(&identity));
            return self.unfinished.push(Unfinished { identity, stamp, since: clock::now() });
        }
        self.unfinished.retain(|known| !known.identity.is_same_file(&identity));
        let rest = match answer {
            Answer::Rest(id) => self.sources.iter().position(|source| source.id == id),
            Answer::None | Answer::Copy | Answer::Past(_) | Answer::Unfinished => None,
        };
        match (answer, new) {
            (Answer::Rest(_), _) if rest.is_some() => {
                self.continue_in(rest.unwrap_or_default(), candidate, outcome);
            }
            (Answer::Past(end), _) => {
                self.adopt_from(candidate, at, Ok(end), outcome);
            }
            (Answer::None | Answer::Rest(_) | Answer::Unfinished, Some(From::Beginning)) => {
                self.adopt_from(candidate, at, Ok(Mark::START), outcome);
            }
            // What is there at the very first look and not wanted.
            (Answer::None | Answer::Rest(_) | Answer::Unfinished, Some(From::End) | None)
            | (Answer::Copy, _) => self.ignore(identity),
        }
    }

    /// Whom the head leaves as possible; the answer if nobody, or if there is proof enough.
    fn inquire(
        &mut self,
        candidate: &Candidate,
        new: Option<From>,
    ) -> io::Result<Result<Answer, Inquiry>> {
        let (head_len, head_hash) = identity::head(&candidate.file, Identity::HEAD_MAX)?;
        if head_len == 0 {
            let end = candidate.file.packed().and_then(Packed::end);
            // There is nothing in it.
            let is_whole = end == Some(End::Whole);
            return Ok(Ok(if is_whole { Answer::Copy } else { Answer::Unfinished }));
        }
        let head = Identity { head_len, head_hash, ..candidate.identity };
        let mut suspects = Vec::new();
        let live = self.live_path().to_owned();
        for source in self.sources.iter_mut().rev() {
            if source.is_blank() || source.identity.is_same_file(&candidate.identity) {
                continue;
            }
            if source.is_homeless() {
                if is_finished_in(source, candidate)? {
                    return Ok(Ok(Answer::Copy));
                }
                suspects.extend(lost(source, candidate, new)?);
            } else if new.is_some() && may_be_made_of(source, candidate, &live) {
                let Some(suspect) = readable(source, &head)? else { continue };
                if says_it_is(source, candidate)? {
                    return Ok(Ok(Answer::Copy));
                }
                suspects.push(suspect);
            }
        }
        if suspects.is_empty() {
            return Ok(Ok(Answer::None));
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
        let is_there = |known: &Unfinished| {
            there.iter().any(|sighting| sighting.identity.is_same_file(&known.identity))
        };
        self.unfinished.retain(is_there);
    }

    /// Whether a compressed file that could not be judged can be now: it has changed, or will
    /// not any more.
    pub(super) fn is_packed_due(&mut self, siblings: &[std::path::PathBuf]) -> bool {
        if self.unfinished.is_empty() {
            return false;
        }
        let seen: Vec<Sighting> =
            siblings.iter().filter_map(|path| Sighting::at(path).ok().flatten()).collect();
        let find = |known: &Unfinished| {
            seen.iter().find(|sighting| sighting.identity.is_same_file(&known.identity))
        };
        self.unfinished.iter().any(|known| find(known).is_none_or(|seen| !known.waits(seen)))
    }
}

fn stamp(candidate: &Candidate) -> Stamp {
    super::candidate::stamp_of(&candidate.meta)
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
    let theirs = identity::head(file, head.head_len)?;
    let is_alike = theirs == (head.head_len, head.head_hash);
    let how = is_alike.then(|| file.reopen().map(How::Readable)).transpose()?;
    Ok(how.map(|how| Suspect { source: source.id, how }))
}

/// Something if a file begins like a source whose own is lost. What can be read of a lost one
/// that was read for less than an anchor proves little: such a file is read whole, if it is new.
fn lost(source: &Source, candidate: &Candidate, new: Option<From>) -> io::Result<Option<Suspect>> {
    let is_taken = source.home == Home::Taken;
    // Of what was not read at all nothing is passed over.
    let is_weak = (1..Anchor::WINDOW as u64).contains(&source.at.offset.0);
    if is_weak && !is_taken && new.is_some() {
        return Ok(None);
    }
    let (at, marks) = (source.at, source.marks());
    let mut head = [0; Identity::HEAD_MAX as usize];
    let head = head.get_mut(..source.identity.head_len as usize).unwrap_or_default();
    // What is shorter than the head is compared by marks alone.
    let has_head = !head.is_empty() && candidate.file.read_up_to(head, 0)? == head.len();
    let is_alike = !has_head || identity::begins_alike(&candidate.file, &source.identity)?;
    let how = How::Lost { at, marks, has_head, is_taken };
    Ok(is_alike.then_some(Suspect { source: source.id, how }))
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

    /// As much as one turn may take.
    fn run(&mut self) -> io::Result<Option<Answer>> {
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
            self.answer = Some(Answer::None);
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
            _ if self.suspects.is_empty() => Some(Answer::None),
            Some(end) if to == packed.extent() => Some(self.conclude(end)?),
            Some(_) | None if self.may_be_copy() => None,
            Some(_) | None => self.proven(None).map(Answer::Rest),
        };
        Ok(())
    }

    /// The first lost one of which every mark was found; all that are there, at the end.
    fn proven(&self, end: Option<End>) -> Option<SourceId> {
        let is_proven = |suspect: &&Suspect| match &suspect.how {
            How::Readable(_) => false,
            How::Lost { at, marks, .. } => {
                let last = marks.last().map_or(0, |mark| mark.offset.0);
                let is_enough = end.is_some() || last <= self.at;
                at.offset.0 <= self.at && is_enough && suspect.has_proof(self.at)
            }
        };
        self.suspects.iter().find(is_proven).map(|suspect| suspect.source)
    }

    /// All that can be read says so, which is worth more than what is remembered.
    fn may_be_copy(&self) -> bool {
        self.suspects.iter().any(|suspect| matches!(suspect.how, How::Readable(_)))
    }

    /// What it is, now that all there is of it was looked at.
    fn conclude(&self, end: End) -> io::Result<Answer> {
        if self.may_be_copy() {
            return Ok(if end == End::Short { Answer::Unfinished } else { Answer::Copy });
        }
        if let Some(source) = self.proven(Some(end)) {
            return Ok(Answer::Rest(source));
        }
        if end == End::Short {
            return Ok(Answer::Unfinished);
        }
        let is_past = |suspect: &Suspect| match &suspect.how {
            How::Readable(_) => false,
            How::Lost { is_taken, .. } => *is_taken && suspect.has_proof(self.at),
        };
        if !self.suspects.iter().any(is_past) {
            return Ok(Answer::None);
        }
        let offset = Offset(self.at);
        let anchor = identity::anchor_at(&self.content, offset)?;
        Ok(anchor.map_or(Answer::None, |anchor| Answer::Past(Mark::new(offset, anchor))))
    }
}

impl Suspect {
    /// Whether anything was compared by the time `at` was reached.
    fn has_proof(&self, at: u64) -> bool {
        match &self.how {
            How::Readable(_) => true,
            // All files of a lineage may have the same head.
            How::Lost { marks, has_head, .. } => {
                marks.first().map_or(*has_head, |mark| mark.offset.0 <= at)
            }
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
        match &self.how {
            How::Readable(file) => {
                theirs.resize(piece.len(), 0);
                Ok(file.read_up_to(theirs, from)? == piece.len() && theirs == piece)
            }
            How::Lost { marks, .. } => {
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

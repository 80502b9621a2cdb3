//! Who is who: brings a lineage up to date with what its directory holds.

use std::collections::VecDeque;
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::LostReason;
use super::beside::Beside;
use super::candidate::{self, Sighting};
use super::judgement::{Judged, Prior, STRANGERS_MAX, Stranger, was_truncated};
use super::lineage::Lineage;
use super::source::{Home, Source};
use crate::record::{Identity, SourceId};

/// From where a file that is new to us is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    Beginning,
    End,
}

/// What those who look know of earlier looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Since {
    /// When all of the input was last looked at, in wall milliseconds. What is older was judged
    /// then.
    pub(super) looked_ms: Option<u64>,
    pub(super) new: From,
    /// What was last written before this is not begun, in wall milliseconds.
    pub(super) ignored_ms: Option<u64>,
}

impl Since {
    /// From where a file that is new to us is read.
    fn new_from(&self, found: &Sighting) -> From {
        match self.ignored_ms {
            Some(ignored_ms) if found.modified_ms() < i128::from(ignored_ms) => From::End,
            _ => self.new,
        }
    }
}

/// What must be told.
#[derive(Default)]
pub(super) struct Outcome {
    /// New, or known better than before.
    pub(super) seen: Vec<SourceId>,
    /// Nothing is to be had from them any more.
    pub(super) ended: Vec<(Source, LostReason)>,
    pub(super) errors: Vec<(PathBuf, io::Error)>,
    /// Files were renamed while they were judged: all is to be looked at again.
    pub(super) is_outdated: bool,
}

impl Lineage {
    /// Finds every file again, takes in those that are new, and lets go of those that are gone.
    pub(super) fn reconcile(&mut self, mut beside: Beside, since: Since) -> Outcome {
        let mut outcome = Outcome::default();
        for source in self.sources.iter_mut().filter(|source| source.home == Home::Named) {
            source.home = Home::Nameless;
        }
        for (path, error) in beside.failed.drain(..) {
            self.cannot_meet(path, error, &mut outcome);
        }
        let live = self.meet_live(beside.live.as_ref(), &mut outcome);
        let is_live_known = self.has_live && live.is_none();
        let siblings = beside.siblings();
        let mut unknown: Vec<Sighting> =
            siblings.filter_map(|(path, meta)| self.meet(path, meta?, &mut outcome)).collect();
        self.sources.iter_mut().for_each(meet_nameless);
        unknown.extend(self.sources.iter_mut().filter_map(|source| orphan(source, &mut outcome)));
        self.meet_held(live.as_ref(), &mut unknown);
        self.forget_unfinished(&unknown);
        candidate::sort(&mut unknown);
        let strangers = self.strangers.take();
        let mut unknown = VecDeque::from(unknown);
        while let Some(sighting) = unknown.pop_front() {
            let is_it = |known: &Identity| known.is_same_file(&sighting.identity);
            let is_live = live.as_ref().is_some_and(|live| is_it(&live.identity));
            if is_live || self.position(&sighting.identity).is_some() {
                // A second name of the same file.
                continue;
            }
            let stranger = strangers.iter().find(|known| is_it(&known.identity));
            let copy_of = stranger.and_then(|known| known.copy_of(&sighting));
            let is_new = sighting.is_ours
                || self.departed.has(&sighting.identity) && copy_of.is_none()
                || sighting.is_young(since.looked_ms) && stranger.is_none();
            let new = if sighting.is_ours { From::Beginning } else { since.new_from(&sighting) };
            let at = self.sources.len() - usize::from(is_live_known);
            let prior = Prior { new: is_new.then_some(new), copy_of, later: &unknown };
            let judged = self.judge(&sighting, at, &prior, &mut outcome);
            if judged != Judged::Done {
                unknown.push_front(sighting);
                self.hold(unknown.into_iter().chain(live), strangers, &mut outcome);
                outcome.is_outdated = judged == Judged::Moved;
                return outcome;
            }
        }
        self.inquiry = None;
        if let Some(live) = live {
            let new = since.new_from(&live);
            self.take_live(&live, new, &mut outcome);
        }
        self.bury(&mut outcome);
        self.listing = outcome.errors.is_empty().then(|| self.listing_of(&beside));
        outcome
    }

    /// Nothing is judged, read or given up before it is known what the first of these is.
    fn hold(
        &mut self,
        unknown: impl Iterator<Item = Sighting>,
        strangers: Vec<Stranger>,
        outcome: &mut Outcome,
    ) {
        for sighting in unknown {
            let path = sighting.path.clone();
            match sighting.hold() {
                Ok(held) => self.held.push(held),
                Err(error) => outcome.errors.push((path, error)),
            }
        }
        let room = STRANGERS_MAX.saturating_sub(self.strangers.len());
        self.strangers.extend(strangers.into_iter().take(room));
        self.listing = None;
    }

    /// Adds what was held and is not met under any name; the rest gets its place among that.
    fn meet_held(&mut self, live: Option<&Sighting>, unknown: &mut Vec<Sighting>) {
        for (rank, mut held) in self.held.take().into_iter().enumerate() {
            let is_it = |identity: &Identity| identity.is_same_file(&held.identity);
            if let Some(met) = unknown.iter_mut().find(|met| is_it(&met.identity)) {
                met.rank = rank;
            } else if held.file.is_some()
                && !live.is_some_and(|live| is_it(&live.identity))
                && !self.sources.iter().any(|source| is_it(&source.identity))
            {
                (held.home, held.rank) = (Home::Nameless, rank);
                unknown.push(held);
            }
        }
    }

    /// A source's file was truncated. What had not been read of it may stand in a copy beside
    /// it; the file itself goes on as a new generation.
    pub(super) fn truncated(&mut self, at: usize, beside: Beside, since: Since) -> Outcome {
        if let Some(source) = self.sources.get_mut(at) {
            source.mark_taken();
        }
        self.reconcile(beside, since)
    }

    /// Whether a file was truncated that was not found to be before. What was copied of it may have
    /// come after all was listed.
    pub(super) fn finds_truncated(&mut self) -> bool {
        let mut found = false;
        let can_be = |source: &&mut Source| {
            let is_read = !source.is_blank() && !source.is_packed();
            source.home != Home::Taken && source.file.is_some() && is_read
        };
        for source in self.sources.iter_mut().filter(can_be) {
            if was_truncated(source) {
                source.mark_taken();
                found = true;
            }
        }
        found
    }

    /// A listing as one number, in whatever order it comes: its names, and who is behind those
    /// that are not our files'.
    pub(super) fn listing_of(&self, beside: &Beside) -> u64 {
        let is_ours = |path: &Path| {
            self.sources.iter().any(|source| source.home == Home::Named && *source.path == *path)
        };
        let number = |(path, meta): (&PathBuf, Option<&Metadata>)| {
            let name = xxh3_64(path.as_os_str().as_bytes());
            let who = meta.filter(|_| !is_ours(path));
            who.map_or(name, |meta| name.rotate_left(1) ^ meta.ino())
        };
        beside.siblings().map(number).fold(0, u64::wrapping_add)
    }

    fn position(&self, identity: &Identity) -> Option<usize> {
        self.sources.iter().position(|source| source.is_it(identity))
    }

    /// Looks at the file that has the name. One that is known becomes the last of the list: it
    /// may have got its name back.
    fn meet_live(&mut self, meta: Option<&Metadata>, outcome: &mut Outcome) -> Option<Sighting> {
        let path = self.live_path().to_owned();
        let live = meta.and_then(|meta| self.meet(&path, meta, outcome));
        let known = self.sources.iter().position(|source| self.is_live(source));
        if let Some(at) = known {
            let source = self.sources.remove(at);
            self.sources.push(source);
        }
        self.has_live = live.is_some() || known.is_some();
        live
    }

    /// What cannot be looked at may be what it was.
    fn cannot_meet(&mut self, path: PathBuf, error: io::Error, outcome: &mut Outcome) {
        if let Some(source) = self.sources.iter_mut().find(|source| *source.path == *path) {
            source.home = Home::Named;
            source.failed();
        }
        outcome.errors.push((path, error));
    }

    /// Who was seen under a name; nothing if that is no file, or one that is known and still what
    /// it was.
    fn meet(&mut self, path: &Path, meta: &Metadata, outcome: &mut Outcome) -> Option<Sighting> {
        let mut sighting = Sighting::of(path, meta)?;
        if self.foreign.as_ref().is_some_and(|foreign| foreign.is_same_file(&sighting.identity)) {
            return None;
        }
        if let Some(at) = self.position(&sighting.identity) {
            self.meet_known(at, &sighting, outcome)?;
        }
        let was = self.sources.iter_mut().find(|source| {
            source.home == Home::Taken && source.identity.is_same_file(&sighting.identity)
        });
        if let Some(source) = was {
            sighting.is_ours = true;
            sighting.file = source.take_content();
        }
        Some(sighting)
    }

    /// Takes note of where a source's file is. Something if it is not what it was.
    fn meet_known(&mut self, at: usize, sighting: &Sighting, outcome: &mut Outcome) -> Option<()> {
        let has_name = sighting.path == self.live_path();
        let source = self.sources.get_mut(at)?;
        if source.home == Home::Named {
            // A second name of the same file.
            return None;
        }
        if source.found(sighting.path.clone(), &sighting.meta) {
            outcome.seen.push(source.id);
        }
        if source.is_packed() {
            // Reading finds out what it is, even if it has no name by then.
            if source.is_stirred
                && let Err(error) = source.open()
            {
                outcome.errors.push((sighting.path.clone(), error));
            }
            return None;
        }
        if source.is_blank() && source.size > 0 && !has_name {
            // While it was empty nobody could tell what it is.
            source.renounce();
            return Some(());
        }
        if source.is_stirred && matches!(source.verify(), Ok(false)) {
            source.mark_taken();
            return Some(());
        }
        None
    }

    fn take_live(&mut self, live: &Sighting, new: From, outcome: &mut Outcome) {
        match live.open() {
            Ok(Some(candidate)) => {
                let new = if live.is_ours { From::Beginning } else { new };
                self.adopt_live(candidate, new, outcome);
            }
            Ok(None) => {
                self.has_live = false;
                outcome.is_outdated |= live.is_over() == Judged::Moved;
            }
            Err(error) => {
                self.has_live = false;
                outcome.errors.push((live.path.clone(), error));
            }
        }
    }

    /// Takes out those whose files hold something else now, and those whose files are gone: not
    /// open, and twice not found.
    fn bury(&mut self, outcome: &mut Outcome) {
        let is_awaited = self.awaits_packed();
        let is_over = |source: &mut Source| {
            let was = source.home;
            if is_awaited {
                // Of others the rest may turn up.
                return was == Home::Taken && source.is_blank();
            }
            if matches!(was, Home::Nameless | Home::Missing) && source.file.is_none() {
                let is_gone = source.is_at_path() == Some(false);
                source.home = if is_gone { Home::Missing } else { Home::Nameless };
            }
            // A file that is being renamed can hide from a listing once.
            was == Home::Taken || was == Home::Missing && source.home == Home::Missing
        };
        for mut source in self.sources.extract_if(.., is_over) {
            source.give_up();
            self.departed.take_leave(&source);
            let reason = match source.home {
                Home::Taken => LostReason::Truncated,
                Home::Named | Home::Nameless | Home::Missing => LostReason::Deleted,
            };
            outcome.ended.push((source, reason));
        }
    }
}

/// A file that was not found may be where it was, under a name that is not asked for here. Or it
/// may have been truncated before it lost its name.
fn meet_nameless(source: &mut Source) {
    if source.home == Home::Nameless
        && source.has_matched_name()
        && source.is_at_path() == Some(true)
    {
        source.home = Home::Named;
    }
    if source.home == Home::Nameless && source.file.is_some() {
        source.refresh();
        if source.is_stirred && !source.is_packed() && matches!(source.verify(), Ok(false)) {
            source.mark_taken();
        }
    }
}

/// What a source that was truncated holds now, if it has no name but is open.
fn orphan(source: &mut Source, outcome: &mut Outcome) -> Option<Sighting> {
    let content = if source.home == Home::Taken { source.take_content() } else { None };
    match Sighting::of_orphan(content?, source.path.to_path_buf()) {
        Ok(sighting) => Some(sighting),
        Err(error) => {
            outcome.errors.push((source.path.to_path_buf(), error));
            None
        }
    }
}

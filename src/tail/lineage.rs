//! One lineage: the files that had its name, oldest first, and who follows whom.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::event::Gate;
use super::identity;
use super::source::{self, Source};
use crate::clock;
use crate::record::{self, Generation, Identity, LineageId, Mark, Offset, SourceId};

/// A file born this much before the last look counts as born after it: file systems take their
/// time of birth from a clock that may stand still for some milliseconds.
const BIRTH_SLACK_MS: u64 = 1000;
/// Files that are no part of the lineage are remembered up to this many.
const STRANGERS_MAX: usize = 1000;
/// How long a rotated file must rest before the beginning of a line at its end counts as a line.
const ROTATED_REST: Duration = Duration::from_secs(1);

pub(super) struct Lineage {
    pub(super) id: LineageId,
    pub(super) input: usize,
    pub(super) name: Arc<record::Lineage>,
    pub(super) gate: Arc<Gate>,
    /// Where the file with the name is opened: no symbolic link leads there.
    live_path: PathBuf,
    /// Oldest first; the last one has the name, or had it last.
    pub(super) sources: Vec<Source>,
    next_generation: Generation,
    /// Wall time of the last look; siblings born before it have been judged.
    looked_ms: Option<u64>,
    is_reconciled: bool,
    /// Siblings that are not of this lineage: copies of what was read, or older than it.
    strangers: Vec<Identity>,
    /// Siblings that cannot be judged yet: empty, or copies being made.
    undecided: Vec<Identity>,
    /// Its name leads to a file.
    pub(super) has_live: bool,
    /// Said once that it cannot be read.
    pub(super) unreadable: bool,
    pub(super) is_ready: bool,
}

/// A file beside a lineage's name that may have had it.
struct Candidate {
    path: PathBuf,
    file: File,
    identity: Identity,
    size: u64,
    modified_ns: i128,
}

/// Whether a file is a copy of one that we know.
enum Copy {
    Of(usize),
    /// Perhaps, once it is complete.
    Unclear,
    No,
}

/// From where a file that is new to us is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    Beginning,
    End,
}

impl Lineage {
    pub(super) fn new(
        id: LineageId,
        input: usize,
        name: record::Lineage,
        next_generation: Generation,
        looked_ms: Option<u64>,
    ) -> Self {
        Self {
            live_path: name.path.clone(),
            id,
            input,
            name: Arc::new(name),
            gate: Arc::default(),
            sources: Vec::new(),
            next_generation,
            looked_ms,
            is_reconciled: false,
            strangers: Vec::new(),
            undecided: Vec::new(),
            has_live: false,
            unreadable: false,
            is_ready: false,
        }
    }

    /// A source from an earlier run, oldest first. Where it is now is for the first look to say.
    pub(super) fn restore(
        &mut self,
        generation: Generation,
        identity: Identity,
        at: Mark,
        path: PathBuf,
    ) {
        let id = SourceId { lineage: self.id, generation };
        self.sources.push(Source::new(id, identity, path, at));
    }

    /// The file that has the lineage's name now, if it is known.
    fn live(&self) -> Option<&Source> {
        self.sources.last().filter(|_| self.has_live)
    }

    fn position(&self, identity: &Identity) -> Option<usize> {
        // The newest first: after a truncation the same file stands for two generations.
        self.sources.iter().rposition(|source| source.identity.is_same_file(identity))
    }

    /// Its name leads here now.
    pub(super) fn leads_to(&mut self, path: &Path) {
        if self.live_path != path {
            self.live_path = path.to_owned();
        }
    }

    pub(super) fn live_path(&self) -> &Path {
        &self.live_path
    }

    pub(super) fn has_undecided(&self) -> bool {
        !self.undecided.is_empty()
    }

    /// Whether its name leads to another file than at the last look.
    pub(super) fn has_changed(&self, live: Option<&Metadata>) -> bool {
        let same = match (self.live(), live) {
            (Some(source), Some(meta)) => identity::of(meta).is_same_file(&source.identity),
            (None, None) => true,
            _ => false,
        };
        !same || !self.is_reconciled
    }

    /// Brings the list up to date with what the directory holds. Returns the positions of the
    /// sources that are new or have moved.
    pub(super) fn reconcile(
        &mut self,
        siblings: &[PathBuf],
        new: From,
        errors: &mut Vec<(PathBuf, io::Error)>,
    ) -> Vec<SourceId> {
        let began_ms = clock::wall_ms();
        let mut changed = Vec::new();
        self.sources.iter_mut().for_each(|source| source.located = false);
        let live = self.examine(&self.live_path, errors);
        let mut strangers = Vec::new();
        for path in siblings {
            let Some(candidate) = self.examine(path, errors) else { continue };
            match self.position(&candidate.identity) {
                Some(at) => self.found(at, candidate, &mut changed),
                None => strangers.push(candidate),
            }
        }
        strangers.sort_by_key(|candidate| candidate.modified_ns);
        self.undecided.clear();
        let at_end = self.live_is(live.as_ref());
        for candidate in strangers {
            self.judge(candidate, at_end, new, &mut changed);
        }
        self.take_live(live, new, &mut changed);
        self.looked_ms = Some(began_ms);
        self.is_reconciled = true;
        changed
    }

    /// Looks at the sizes of rotated files that are closed: somebody may still write to them.
    pub(super) fn look_at_closed(&mut self) {
        for source in self.sources.iter_mut().filter(|source| source.file.is_none()) {
            if let Ok(meta) = std::fs::metadata(&source.path)
                && identity::of(&meta).is_same_file(&source.identity)
            {
                source.saw(meta.len());
            }
        }
    }

    /// Takes out those whose files are gone: not open, and not where they were last seen.
    pub(super) fn take_missing(&mut self) -> Vec<Source> {
        let is_missing = |source: &mut Source| {
            let elsewhere = || {
                let meta = std::fs::metadata(&source.path);
                meta.is_ok_and(|meta| identity::of(&meta).is_same_file(&source.identity))
            };
            source.file.is_none() && !source.located && !elsewhere()
        };
        self.sources.extract_if(.., is_missing).collect()
    }

    /// Whether the file with the name is the last of the list already.
    fn live_is(&self, live: Option<&Candidate>) -> bool {
        let Some(live) = live else { return false };
        self.sources.last().is_some_and(|last| last.identity.is_same_file(&live.identity))
    }

    fn found(&mut self, at: usize, candidate: Candidate, changed: &mut Vec<SourceId>) {
        let Some(source) = self.sources.get_mut(at) else { return };
        source.saw(candidate.size);
        source.located = true;
        if source.path != candidate.path || self.looked_ms.is_none_or(|_| !source.told) {
            source.told = true;
            source.path = candidate.path;
            changed.push(source.id);
        }
    }

    fn take_live(&mut self, live: Option<Candidate>, new: From, changed: &mut Vec<SourceId>) {
        self.has_live = live.is_some();
        let Some(candidate) = live else { return };
        match self.position(&candidate.identity) {
            Some(at) => {
                self.found(at, candidate, changed);
                // It may have got its name back.
                let source = self.sources.remove(at);
                self.sources.push(source);
            }
            None => {
                let at = self.sources.len();
                self.adopt(candidate, at, new, changed);
            }
        }
    }

    /// Decides what a sibling is that we have not met under this identity.
    fn judge(
        &mut self,
        candidate: Candidate,
        live_is_last: bool,
        new: From,
        changed: &mut Vec<SourceId>,
    ) {
        if self.strangers.iter().any(|known| known.is_same_file(&candidate.identity)) {
            return;
        }
        if !self.is_young(&candidate) || new == From::End {
            return self.ignore(&candidate);
        }
        if candidate.size == 0 {
            return self.undecided.push(candidate.identity);
        }
        match self.copy_of(&candidate) {
            Copy::Of(at) if self.needs_copy(at) => self.continue_in(at, candidate, changed),
            Copy::Of(_) => self.ignore(&candidate),
            Copy::Unclear => self.undecided.push(candidate.identity),
            Copy::No => {
                let at = self.sources.len() - usize::from(live_is_last && !self.sources.is_empty());
                self.adopt(candidate, at, From::Beginning, changed);
            }
        }
    }

    fn ignore(&mut self, candidate: &Candidate) {
        if self.strangers.len() < STRANGERS_MAX {
            self.strangers.push(candidate.identity);
        }
    }

    /// Born since the last look, or not judged at it.
    fn is_young(&self, candidate: &Candidate) -> bool {
        let Some(looked_ms) = self.looked_ms else { return true };
        let born_ms = match candidate.identity.born_ns {
            Some(ns) => i128::from(ns / 1_000_000),
            None => candidate.modified_ns / 1_000_000,
        };
        born_ms + i128::from(BIRTH_SLACK_MS) >= i128::from(looked_ms)
    }

    /// Compares a file with those we have read from: head and what stands before our place.
    fn copy_of(&self, candidate: &Candidate) -> Copy {
        let mut verdict = Copy::No;
        for (at, source) in self.sources.iter().enumerate().rev() {
            let known = &source.identity;
            if known.head_len == 0 || candidate.size == 0 {
                continue;
            }
            if candidate.size < source.at.offset.0 {
                if self.is_prefix(candidate, source).unwrap_or(false) {
                    verdict = Copy::Unclear;
                }
                continue;
            }
            let alike = identity::begins_alike(&candidate.file, known).unwrap_or(false)
                && identity::holds(&candidate.file, source.at).unwrap_or(false);
            if alike && source.at.offset > Offset::START {
                return Copy::Of(at);
            }
        }
        verdict
    }

    /// Whether the candidate's end stands at the same place in the source's file.
    fn is_prefix(&self, candidate: &Candidate, source: &Source) -> io::Result<bool> {
        let Some(file) = &source.file else { return Ok(false) };
        let end = Offset(candidate.size);
        let theirs = identity::anchor_at(&candidate.file, end)?;
        Ok(theirs.is_some() && theirs == identity::anchor_at(file, end)?)
    }

    /// Whether a source's own file no longer holds what was not read of it.
    fn needs_copy(&self, at: usize) -> bool {
        let Some(source) = self.sources.get(at) else { return false };
        match source::open(&source.path).and_then(|file| {
            let meta = file.metadata()?;
            let same = identity::of(&meta).is_same_file(&source.identity);
            Ok(same && meta.len() >= source.at.offset.0 && identity::holds(&file, source.at)?)
        }) {
            Ok(intact) => !intact,
            Err(_) => source.file.is_none(),
        }
    }

    fn continue_in(&mut self, at: usize, candidate: Candidate, changed: &mut Vec<SourceId>) {
        let Some(source) = self.sources.get_mut(at) else { return };
        match source.move_to(candidate.file, candidate.path, candidate.size) {
            Ok(()) => changed.push(source.id),
            Err(error) => {
                tracing::warn!(%error, path = %source.path.display(), "cannot read on in a copy")
            }
        }
    }

    /// A file's content is new to us: it becomes a generation of its own.
    fn adopt(&mut self, candidate: Candidate, at: usize, from: From, changed: &mut Vec<SourceId>) {
        let id = self.take_generation();
        let mark = match from {
            From::Beginning => Mark::START,
            From::End => last_line_start(&candidate.file, candidate.size).unwrap_or(Mark::START),
        };
        let mut source = Source::new(id, candidate.identity, candidate.path, mark);
        source.saw(candidate.size);
        source.located = true;
        source.file = Some(candidate.file);
        if let Err(error) = source.grow_head() {
            tracing::debug!(%error, path = %source.path.display(), "cannot read the head of a file");
        }
        changed.push(id);
        self.sources.insert(at, source);
    }

    pub(super) fn take_generation(&mut self) -> SourceId {
        let generation = self.next_generation;
        self.next_generation = generation.next();
        SourceId { lineage: self.id, generation }
    }

    /// Opens a file and asks who it is. What cannot be opened is reported and looked at again.
    fn examine(&self, path: &Path, errors: &mut Vec<(PathBuf, io::Error)>) -> Option<Candidate> {
        let result = source::open(path).and_then(|file| {
            let meta = file.metadata()?;
            Ok(Candidate {
                path: path.to_owned(),
                identity: identity::of(&meta),
                size: meta.len(),
                modified_ns: i128::from(meta.mtime()) * 1_000_000_000
                    + i128::from(meta.mtime_nsec()),
                file,
            })
        });
        match result {
            Ok(candidate) => Some(candidate),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                errors.push((path.to_owned(), error));
                None
            }
        }
    }

    /// A source's file was truncated. What had not been read of it may stand in a copy beside
    /// it; the file itself goes on as a new generation. Returns what must be told.
    pub(super) fn truncated(&mut self, at: usize, siblings: &[PathBuf]) -> Truncation {
        let mut changed = Vec::new();
        let copy = siblings.iter().find_map(|path| {
            let candidate = self.examine(path, &mut Vec::new())?;
            let known = self.position(&candidate.identity).is_some();
            matches!(self.copy_of(&candidate), Copy::Of(found) if found == at && !known)
                .then_some(candidate)
        });
        let Some(old) = self.sources.get_mut(at) else { return Truncation::default() };
        let (path, file, mut identity) = (old.path.clone(), old.file.take(), old.identity);
        (identity.head_len, identity.head_hash) = (0, 0);
        let (unread, gone) = (old.unread(), old.id);
        let mut truncation = Truncation::default();
        match copy {
            Some(candidate) => self.continue_in(at, candidate, &mut changed),
            None => {
                self.sources.remove(at);
                truncation.lost_bytes = unread;
                truncation.gone = Some(gone);
            }
        }
        let id = self.take_generation();
        let mut source = Source::new(id, identity, path, Mark::START);
        source.file = file;
        source.refresh();
        if let Err(error) = source.grow_head() {
            tracing::debug!(%error, path = %source.path.display(), "cannot read the head of a file");
        }
        changed.push(id);
        let at = if truncation.gone.is_some() { at } else { at + 1 };
        self.sources.insert(at.min(self.sources.len()), source);
        truncation.changed = changed;
        truncation
    }

    /// The source to read from next, if any has something to read. A later file is read only
    /// when those before it were read to their ends after it was seen to hold something.
    pub(super) fn next_source(&mut self) -> Next {
        // The newest first, so that an older one is looked at after its successor.
        self.sources.iter_mut().rev().for_each(Source::refresh);
        for at in 0..self.sources.len() {
            let followed = self.sources.iter().skip(at + 1).any(|later| later.size > 0);
            let Some(source) = self.sources.get(at) else { break };
            if source.has_news() {
                return Next::Read(at);
            }
            if source.has_partial() && followed {
                let rest = clock::since(source.grown_at);
                return match ROTATED_REST.checked_sub(rest) {
                    None | Some(Duration::ZERO) => Next::Finish(at),
                    Some(left) => Next::Wait(left),
                };
            }
        }
        Next::Idle
    }
}

/// What becomes of a truncated source.
#[derive(Debug, Default)]
pub(super) struct Truncation {
    pub(super) changed: Vec<SourceId>,
    pub(super) gone: Option<SourceId>,
    pub(super) lost_bytes: u64,
}

/// What a lineage wants done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Read(usize),
    /// Its last line will not be finished: send it as it is.
    Finish(usize),
    /// Nothing before this has passed.
    Wait(Duration),
    Idle,
}

/// Where the last line of a file begins, as far as it is within reach.
fn last_line_start(file: &File, size: u64) -> io::Result<Mark> {
    use std::os::unix::fs::FileExt as _;
    let mut bytes = vec![0; 64 * 1024];
    let from = size.saturating_sub(bytes.len() as u64);
    let read = file.read_at(&mut bytes, from)?;
    let newline = bytes.get(..read).and_then(|bytes| memchr::memrchr(b'\n', bytes));
    let offset = newline.map_or(size, |at| from + at as u64 + 1);
    let offset = Offset(if from == 0 && newline.is_none() { 0 } else { offset });
    let anchor = identity::anchor_at(file, offset)?;
    Ok(anchor.map_or(Mark::START, |anchor| Mark { offset, anchor }))
}

//! Reads files: recognises them whatever name they have, and turns what they hold into blocks.
//!
//! Promises: every byte of a file is in one block, blocks of a lineage leave in the order in
//! which they were written, and nothing is read that the memory budget has no room for. Where
//! files are, and when to look again, is for the caller to say.

mod event;
mod identity;
mod lineage;
mod source;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use event::{Event, Gate, LostReason, Seen};
use lineage::{From, Lineage, Next};
use source::{Read, Source};

use crate::budget::Budget;
use crate::clock;
use crate::frame::Rule;
use crate::record::{self, Generation, Identity, LineageId, Mark};
use crate::settings::{self, StartAt};

/// How long the file of a deleted name is kept open without a successor, at most.
const DELETED_REST: Duration = Duration::from_secs(60);
/// How long it must rest before the beginning of a line at its end counts as a line.
const PARTIAL_REST: Duration = Duration::from_secs(5);
/// How many files at rest may stay open; what is beyond is opened again when it grows.
const RESTING_OPEN_MAX: usize = 512;

/// What is known of a lineage from an earlier run.
#[derive(Debug, Clone)]
pub struct Known {
    pub lineage: record::Lineage,
    pub next_generation: Generation,
    /// Oldest first.
    pub sources: Vec<KnownSource>,
}

#[derive(Debug, Clone)]
pub struct KnownSource {
    pub generation: Generation,
    pub identity: Identity,
    pub path: PathBuf,
    /// From where to read on.
    pub at: Mark,
}

/// What an earlier run left.
#[derive(Debug, Clone)]
pub struct Restored {
    pub lineages: Vec<Known>,
    /// By input id: when all of it was last looked at, in wall milliseconds.
    pub looked_ms: HashMap<String, u64>,
    /// Where a lineage of which nothing is known begins to count its files.
    pub floor: Generation,
}

/// What reading is to do at the end of what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Wait for more.
    Follow,
    /// Take unfinished lines as they are, and say so.
    AtEnd,
}

/// What a turn brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    Worked,
    /// There is more to read, but no memory, or the way out is closed.
    Starved,
    Idle,
}

/// Where to look, and how closely.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    pub input: usize,
    /// The lineage's name.
    pub path: &'a Path,
    /// Where to open it, if a trusted symbolic link leads elsewhere.
    pub real: Option<&'a Path>,
    /// Also at what was rotated away, and at names that have no file.
    pub thorough: bool,
}

struct Input {
    settings: settings::Input,
    rule: Rule,
    /// When all of it was last looked at before this run, or never.
    looked_ms: Option<u64>,
    /// The first look of this run is not complete yet.
    is_first_look: bool,
}

/// All files being read.
pub struct Tail<F> {
    inputs: Vec<Input>,
    lineages: Vec<Lineage>,
    by_name: HashMap<(usize, PathBuf), usize>,
    known: HashMap<record::Lineage, Known>,
    ready: VecDeque<usize>,
    floor: Generation,
    budget: Budget,
    ending: Ending,
    emit: F,
}

impl<F: FnMut(Event)> Tail<F> {
    /// `emit` may wait; while it does, nothing is read.
    pub fn new(
        inputs: &[settings::Input],
        restored: Restored,
        budget: Budget,
        ending: Ending,
        emit: F,
    ) -> Self {
        let input = |settings: &settings::Input| Input {
            rule: Rule { line_max: settings.max_line_bytes, on_long_line: settings.on_long_line },
            looked_ms: restored.looked_ms.get(&settings.id).copied(),
            is_first_look: true,
            settings: settings.clone(),
        };
        Self {
            inputs: inputs.iter().map(input).collect(),
            lineages: Vec::new(),
            by_name: HashMap::new(),
            floor: restored.floor,
            known: restored.lineages.into_iter().map(|k| (k.lineage.clone(), k)).collect(),
            ready: VecDeque::new(),
            budget,
            ending,
            emit,
        }
    }

    /// Looks at a lineage's name, whether there is a file now or not. `siblings` lists the files
    /// beside it that may have had the name; it is asked only if that matters.
    pub fn look(&mut self, look: Look<'_>, siblings: impl FnOnce() -> Vec<PathBuf>) {
        let real = look.real.unwrap_or(look.path);
        let live = std::fs::metadata(real).ok().filter(Metadata::is_file);
        let exists = live.is_some() || look.thorough;
        let Some(at) = self.lineage(look.input, look.path, exists) else { return };
        let Some(lineage) = self.lineages.get_mut(at) else { return };
        lineage.leads_to(real);
        let undecided = look.thorough && lineage.has_undecided();
        if undecided || lineage.has_changed(live.as_ref()) {
            self.reconcile(at, &siblings());
        } else {
            if let (Some(source), Some(meta)) = (lineage.sources.last_mut(), live) {
                source.saw(meta.len());
            }
            if look.thorough {
                lineage.look_at_closed();
            }
        }
        self.make_ready(at);
    }

    /// Says that everything an input matches has been looked at, beginning at `ms`.
    pub fn looked(&mut self, input: usize, ms: u64) {
        if let Some(input) = self.inputs.get_mut(input) {
            input.is_first_look = false;
            input.looked_ms = Some(ms);
        }
        (self.emit)(Event::Looked { input, ms });
    }

    /// Names of one input that are not `there` any more: of this run's lineages and of those
    /// from earlier runs.
    pub fn absent(&self, input: usize, there: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
        let Some(id) = self.inputs.get(input).map(|input| &input.settings.id) else {
            return Vec::new();
        };
        let here = self.lineages.iter().map(|lineage| &*lineage.name);
        let all = here.chain(self.known.keys()).filter(|name| name.input == *id);
        all.map(|name| name.path.clone()).filter(|path| !there(path)).collect()
    }

    /// How many files are open, and how many lineages there are.
    pub fn counts(&self) -> (usize, usize) {
        let sources = self.lineages.iter().flat_map(|lineage| &lineage.sources);
        (sources.filter(|source| source.file.is_some()).count(), self.lineages.len())
    }

    fn lineage(&mut self, input: usize, path: &Path, exists: bool) -> Option<usize> {
        if let Some(at) = self.by_name.get(&(input, path.to_owned())) {
            return Some(*at);
        }
        let settings = self.inputs.get(input)?;
        let name = record::Lineage { input: settings.settings.id.clone(), path: path.to_owned() };
        let known = self.known.remove(&name);
        if known.is_none() && !exists {
            return None;
        }
        let at = self.lineages.len();
        let id = LineageId(u32::try_from(at).ok()?);
        let next = known.as_ref().map_or(self.floor, |known| known.next_generation);
        let mut lineage = Lineage::new(id, input, name, next, settings.looked_ms);
        for source in known.into_iter().flat_map(|known| known.sources) {
            lineage.restore(source.generation, source.identity, source.at, source.path);
        }
        self.lineages.push(lineage);
        self.by_name.insert((input, path.to_owned()), at);
        Some(at)
    }

    fn reconcile(&mut self, at: usize, siblings: &[PathBuf]) {
        let Some(lineage) = self.lineages.get_mut(at) else { return };
        let Some(input) = self.inputs.get(lineage.input) else { return };
        // What was there at the very first look of all may be left out.
        let ends = input.settings.start_at == StartAt::End;
        let new = match ends && input.is_first_look && input.looked_ms.is_none() {
            true => From::End,
            false => From::Beginning,
        };
        let mut errors = Vec::new();
        let changed = lineage.reconcile(siblings, new, &mut errors);
        let missing = lineage.take_missing();
        say_unreadable(lineage, &errors);
        for id in changed {
            self.tell_seen(at, id);
        }
        for source in missing {
            self.lose(&source, source.unread(), LostReason::Deleted);
            (self.emit)(Event::Gone(source.id));
        }
    }

    fn tell_seen(&mut self, at: usize, id: record::SourceId) {
        let Some(lineage) = self.lineages.get(at) else { return };
        let Some(source) = lineage.sources.iter().find(|source| source.id == id) else { return };
        (self.emit)(Event::Seen(Seen {
            source: id,
            input: lineage.input,
            lineage: lineage.name.clone(),
            identity: source.identity,
            path: source.path.clone(),
            from: source.at,
            gate: lineage.gate.clone(),
        }));
    }

    fn lose(&mut self, source: &Source, bytes: u64, reason: LostReason) {
        if bytes > 0 {
            let path = source.path.display();
            tracing::error!(%path, bytes, reason = reason.name(), "bytes were lost before they could be read");
            (self.emit)(Event::Lost { source: source.id, bytes, reason });
        }
    }

    fn make_ready(&mut self, at: usize) {
        if let Some(lineage) = self.lineages.get_mut(at).filter(|lineage| !lineage.is_ready) {
            lineage.is_ready = true;
            self.ready.push_back(at);
        }
    }

    /// Reads one block of the lineage whose turn it is; each that has something to read gets one
    /// before any gets a second.
    pub fn turn(&mut self, siblings: impl Fn(usize, &Path) -> Vec<PathBuf>) -> Turn {
        for _ in 0..self.ready.len() {
            let Some(at) = self.ready.pop_front() else { break };
            let Some(lineage) = self.lineages.get_mut(at) else { continue };
            if lineage.gate.is_closed() {
                self.ready.push_back(at);
                continue;
            }
            match self.advance(at, &siblings) {
                Turn::Worked => {
                    self.ready.push_back(at);
                    return Turn::Worked;
                }
                Turn::Starved => {
                    self.ready.push_front(at);
                    return Turn::Starved;
                }
                Turn::Idle => {
                    if let Some(lineage) = self.lineages.get_mut(at) {
                        lineage.is_ready = false;
                    }
                }
            }
        }
        if self.ready.is_empty() { Turn::Idle } else { Turn::Starved }
    }

    fn advance(&mut self, at: usize, siblings: &impl Fn(usize, &Path) -> Vec<PathBuf>) -> Turn {
        let Some(lineage) = self.lineages.get_mut(at) else { return Turn::Idle };
        let Some(input) = self.inputs.get(lineage.input) else { return Turn::Idle };
        let (position, finish) = match lineage.next_source() {
            Next::Read(position) => (position, false),
            Next::Finish(position) => (position, true),
            Next::Wait(_) | Next::Idle => return Turn::Idle,
        };
        let rule = input.rule;
        let Some(source) = lineage.sources.get_mut(position) else { return Turn::Idle };
        let read = source.open().and_then(|()| match finish {
            true => source.read_partial(rule, &self.budget),
            false => source.read(rule, &self.budget),
        });
        match read {
            Ok(Read::Block(block)) => self.deliver(at, position, block),
            Ok(Read::Searching) => Turn::Worked,
            // The next look decides whether there is a successor to go on with.
            Ok(Read::AtEnd) => Turn::Worked,
            Ok(Read::Starved) => Turn::Starved,
            Ok(Read::Truncated) => self.truncated(at, position, siblings),
            Err(error) => self.unreadable(at, position, &error),
        }
    }

    fn deliver(&mut self, at: usize, position: usize, block: record::Block) -> Turn {
        let id = block.source;
        let source = self.lineages.get_mut(at).and_then(|l| l.sources.get_mut(position));
        if source.is_some_and(|source| source.grow_head().unwrap_or(false)) {
            self.tell_seen(at, id);
        }
        (self.emit)(Event::Block(block));
        Turn::Worked
    }

    fn truncated(
        &mut self,
        at: usize,
        position: usize,
        siblings: &impl Fn(usize, &Path) -> Vec<PathBuf>,
    ) -> Turn {
        let Some(lineage) = self.lineages.get_mut(at) else { return Turn::Idle };
        tracing::info!(lineage = %lineage.name, "file was truncated");
        let beside = siblings(lineage.input, &lineage.name.path);
        let truncation = lineage.truncated(position, &beside);
        for id in truncation.changed {
            self.tell_seen(at, id);
        }
        if let Some(id) = truncation.gone {
            if truncation.lost_bytes > 0 {
                let bytes = truncation.lost_bytes;
                tracing::error!(bytes, "bytes were lost: truncated before they could be read");
                (self.emit)(Event::Lost { source: id, bytes, reason: LostReason::Truncated });
            }
            (self.emit)(Event::Gone(id));
        }
        Turn::Worked
    }

    /// It cannot be read now: said once, and tried again at the next look.
    fn unreadable(&mut self, at: usize, position: usize, error: &io::Error) -> Turn {
        let Some(lineage) = self.lineages.get_mut(at) else { return Turn::Idle };
        let path = lineage.sources.get(position).map(|source| source.path.clone());
        if error.kind() == io::ErrorKind::NotFound {
            // Renamed or deleted meanwhile: the next reconciliation finds out which.
            lineage.has_live = false;
        } else if let Some(path) = path {
            say_unreadable(lineage, &[(path, io::Error::new(error.kind(), error.to_string()))]);
        }
        Turn::Idle
    }

    /// What only time brings: unfinished lines that will stay so, files to close. Call it about
    /// once a second.
    pub fn sweep(&mut self) {
        let mut open = self.counts().0;
        for at in 0..self.lineages.len() {
            self.sweep_one(at, &mut open);
        }
    }

    fn sweep_one(&mut self, at: usize, open: &mut usize) {
        let Some(lineage) = self.lineages.get_mut(at) else { return };
        let Some(input) = self.inputs.get(lineage.input) else { return };
        let (close_inactive, partial) =
            (input.settings.close_inactive, input.settings.partial_timeout);
        let rule = input.rule;
        let mut position = 0;
        let mut is_due = matches!(lineage.next_source(), Next::Read(_) | Next::Finish(_));
        while let Some(source) = lineage.sources.get_mut(position) {
            let rest = clock::since(source.grown_at);
            let limit =
                if source.unlinked { PARTIAL_REST.min(close_inactive) } else { Duration::MAX };
            let finished = partial.unwrap_or(Duration::MAX).min(limit);
            if source.has_partial() && rest >= finished {
                let read = source.open().and_then(|()| source.read_partial(rule, &self.budget));
                if let Ok(Read::Block(block)) = read {
                    (self.emit)(Event::Block(block));
                }
            }
            let Some(source) = lineage.sources.get_mut(position) else { break };
            let at_rest = source.unread() == 0 && source.file.is_some();
            if at_rest && source.unlinked && rest >= close_inactive.min(DELETED_REST) {
                let gone = lineage.sources.remove(position);
                *open -= 1;
                (self.emit)(Event::Gone(gone.id));
                continue;
            }
            if at_rest && !source.unlinked && (rest >= close_inactive || *open > RESTING_OPEN_MAX) {
                source.file = None;
                *open -= 1;
            }
            is_due |= source.has_news();
            position += 1;
        }
        if is_due {
            self.make_ready(at);
        }
    }

    /// With [`Ending::AtEnd`]: takes unfinished last lines too, and says that all is read.
    /// Call it when turns bring nothing more. Returns false while memory is lacking.
    pub fn finish(&mut self) -> bool {
        if self.ending == Ending::Follow {
            return true;
        }
        for at in 0..self.lineages.len() {
            let Some(lineage) = self.lineages.get_mut(at) else { continue };
            let Some(input) = self.inputs.get(lineage.input) else { continue };
            let rule = input.rule;
            for source in &mut lineage.sources {
                while source.unread() > 0 {
                    let read = source.open().and_then(|()| source.read_partial(rule, &self.budget));
                    match read {
                        Ok(Read::Block(block)) => (self.emit)(Event::Block(block)),
                        Ok(Read::Starved) => return false,
                        Ok(_) | Err(_) => break,
                    }
                }
            }
        }
        (self.emit)(Event::AllRead);
        true
    }
}

fn say_unreadable(lineage: &mut Lineage, errors: &[(PathBuf, io::Error)]) {
    match errors.first() {
        Some((path, error)) if !lineage.unreadable => {
            tracing::warn!(path = %path.display(), %error, "cannot read a file; it is tried again");
            lineage.unreadable = true;
        }
        Some(_) => {}
        None => lineage.unreadable = false,
    }
}

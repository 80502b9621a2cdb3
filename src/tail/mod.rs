//! Reads files: recognises them whatever name they have, and turns what they hold into blocks.
//!
//! Promises: every byte of a file is in one block, blocks of a lineage leave in the order in
//! which they were written, and nothing is read that the memory budget has no room for. Where
//! files are, and when to look again, is for the caller to say.

mod assembling;
mod beside;
mod candidate;
mod content;
mod departed;
mod descriptors;
mod event;
mod failing;
mod gzip;
mod hole;
mod identity;
mod input;
mod inquiry;
mod judgement;
mod limit;
mod lineage;
mod lineages;
mod manner;
mod opened;
mod owner;
mod packed;
mod rare;
mod reading;
mod reconcile;
mod removal;
mod seldom;
mod source;
mod sweep;
#[cfg(test)]
mod tests;
mod turns;
mod unpack;
mod unpacking;
mod whereabouts;

use std::collections::{HashMap, VecDeque};
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use beside::Beside;
use descriptors::Descriptors;
pub use event::{Acknowledged, Event, Gate, LostReason, Seen};
use failing::{failed, say_unreadable};
use input::{Input, Looked};
use limit::Limit;
use lineage::{Again, Lineage, Next, Patience};
use lineages::Lineages;
use manner::Manners;
use owner::{Owners, Past};
use reading::Read;
use reconcile::{From, Outcome, Since};
use source::Source;
pub use source::is_absence;
use turns::Hungry;

use crate::budget::{Budget, Budgets};
use crate::clock;
use crate::frame::Rule;
use crate::record::{self, Generation, Identity, Mark};
use crate::settings::{self, Output, StartAt};
use crate::template::Labeller;

/// How long a file that cannot be read holds up those that came after it.
const FAILING_HOLDS: Duration = Duration::from_mins(1);

/// The share of the memory budget that lines may take on top of it while they are not whole.
const PENDING_SHARE: usize = 8;

/// What is known of a lineage from an earlier run.
#[derive(Debug, Clone)]
pub struct Known {
    pub lineage: Arc<record::Lineage>,
    pub next_generation: Generation,
    /// Oldest first.
    pub sources: Vec<KnownSource>,
}

#[derive(Debug, Clone)]
pub struct KnownSource {
    pub generation: Generation,
    pub identity: Identity,
    /// Where it was, if not under the lineage's name.
    pub now: Option<PathBuf>,
    /// From where to read on.
    pub at: Mark,
    /// It was not found any more. Should it come back, it is not read again.
    pub is_gone: bool,
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
    /// When what is beside it was listed, if that was earlier: in wall milliseconds.
    pub listed_ms: Option<u64>,
}

/// All files being read.
pub struct Tail<F> {
    inputs: Vec<Input>,
    lineages: Lineages,
    descriptors: Descriptors,
    known: Past,
    owners: Owners,
    ready: VecDeque<usize>,
    hungry: Hungry,
    floor: Generation,
    /// The most that lines may take that are not whole.
    pending_max: usize,
    ending: Ending,
    /// At least what lines take that are not whole, of all files.
    pending: usize,
    /// All whole lines were read once; the unfinished ones are taken now.
    is_finishing: bool,
    emit: F,
}

impl<F: FnMut(Event)> Tail<F> {
    /// `emit` may wait; while it does, nothing is read.
    pub fn new(
        inputs: &[settings::Input],
        restored: Restored,
        budgets: &Budgets<Output>,
        ending: Ending,
        emit: F,
    ) -> Self {
        let input = |settings: &settings::Input| Input {
            id: settings.id.as_str().into(),
            limit: Limit::new(settings.rate_limit, clock::now()),
            manners: Manners::of(settings),
            labeller: Labeller::new(&settings.labels),
            has_too_many_topics: false,
            failures: Vec::new(),
            looked: Looked { ms: restored.looked_ms.get(&settings.id).copied(), at: None },
            is_first_look: true,
            budget: budgets.of(&settings.output).clone(),
            settings: settings.clone(),
        };
        let known = Past::new(restored.lineages);
        Self {
            inputs: inputs.iter().map(input).collect(),
            lineages: Lineages::default(),
            descriptors: Descriptors::new(),
            floor: restored.floor,
            owners: Owners::of_earlier_run(inputs, &known),
            known,
            ready: VecDeque::new(),
            hungry: Hungry::default(),
            pending_max: budgets.whole().limit() / PENDING_SHARE,
            ending,
            pending: 0,
            is_finishing: false,
            emit,
        }
    }

    /// Looks at a lineage's name, whether there is a file now or not. `siblings` lists the files
    /// beside it that may have had the name; it is asked only if that matters.
    pub fn look(&mut self, look: Look<'_>, siblings: impl Fn() -> Vec<PathBuf>) {
        let real = look.real.unwrap_or(look.path);
        let live = match std::fs::symlink_metadata(real) {
            // Where it leads, and whether it may, is for the next scan to say.
            Ok(meta) if meta.is_symlink() => return,
            Ok(meta) => Some(meta).filter(Metadata::is_file),
            Err(error) if is_absence(&error) => None,
            Err(error) => return self.cannot_look(look, error),
        };
        let foreign = live.as_ref().and_then(|meta| self.follows_elsewhere(look, real, meta));
        let live = live.filter(|_| foreign.is_none());
        let exists = live.is_some() || look.thorough;
        let Some(at) = self.lineage(look, exists) else { return };
        let Some(lineage) = self.lineages.get_mut(at) else { return };
        lineage.leads_to(real);
        lineage.departed.expire();
        lineage.foreign = foreign.map(Box::new);
        let has_changed = lineage.has_changed(live.as_ref(), look.thorough);
        if has_changed || look.thorough {
            let beside = Beside::of(live, siblings());
            if has_changed || !lineage.is_as_it_was(&beside) {
                let beside = beside.settled(real, look.listed_ms, &siblings);
                self.reconcile(at, beside, siblings);
            } else {
                lineage.events(&[], Vec::new()).into_iter().for_each(&mut self.emit);
            }
        }
        self.count_open(at);
        self.make_ready(at);
    }

    /// What cannot be looked at is not gone.
    fn cannot_look(&mut self, look: Look<'_>, error: io::Error) {
        let known = self.lineages.find(look.input, look.path);
        if let Some(lineage) = known.and_then(|at| self.lineages.get_mut(at)) {
            say_unreadable(lineage, &[(look.path.to_owned(), error)]);
        }
    }

    /// Says that what an input matches has been looked at: all of it, beginning at `ms`, or
    /// without what could not be looked into.
    pub fn looked(&mut self, input: usize, ms: Option<u64>) {
        // What is not judged yet must not count as old after a restart.
        let is_open = |lineage: &Lineage| lineage.input == input && lineage.awaits_packed();
        let ms = ms.filter(|_| !self.lineages.iter().any(is_open));
        if let Some(input) = self.inputs.get_mut(input) {
            input.is_first_look = false;
            input.looked = ms.map_or(input.looked, Looked::since);
        }
        (self.emit)(Event::Looked { input, ms });
    }

    /// Names of one input that are not `there` any more: of this run's lineages that have files
    /// still, or had something beside them, and of those from earlier runs.
    pub fn absent(&self, input: usize, there: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
        let Some(id) = self.inputs.get(input).map(|input| &input.id) else {
            return Vec::new();
        };
        let with_files = self.lineages.iter().filter(|lineage| lineage.has_files());
        let here = with_files.map(|lineage| &lineage.name);
        let all = here.chain(self.known.names()).filter(|name| name.input == *id);
        all.filter(|name| !there(&name.path)).map(|name| name.path.clone()).collect()
    }

    /// How many files are open, and how many lineages there are.
    pub fn counts(&self) -> (usize, usize) {
        let sources = self.lineages.iter().flat_map(|lineage| &lineage.sources);
        (sources.filter(|source| source.file.is_some()).count(), self.lineages.len())
    }

    fn since(&self, input: usize) -> Since {
        let Some(input) = self.inputs.get(input) else {
            return Since { looked_ms: None, new: From::Beginning, ignored_ms: None };
        };
        // What was there at the very first look of all may be left out.
        let ends = input.settings.start_at == StartAt::End;
        let is_first = input.is_first_look && input.looked.ms.is_none();
        let new = if ends && is_first { From::End } else { From::Beginning };
        let ignored_ms = input.settings.ignore_older.map(|age| {
            let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
            clock::wall_ms().saturating_sub(age_ms)
        });
        Since { looked_ms: input.looked.ms, new, ignored_ms }
    }

    fn reconcile(&mut self, at: usize, mut beside: Beside, list: impl Fn() -> Vec<PathBuf>) {
        self.make_room();
        let Some(input) = self.lineages.get(at).map(|lineage| lineage.input) else { return };
        let since = self.since(input);
        let Some(lineage) = self.lineages.get_mut(at) else { return };
        while lineage.finds_truncated() {
            beside = Beside::now(lineage.live_path(), &list);
        }
        let outcome = lineage.reconcile(beside, since);
        self.tell(at, outcome);
    }

    fn tell(&mut self, at: usize, mut outcome: Outcome) {
        let errors = outcome.errors.len();
        outcome.errors.retain(|(_, error)| !descriptors::is_shortage(error));
        let is_short = outcome.errors.len() < errors;
        if is_short {
            self.run_short();
        }
        let Some(lineage) = self.lineages.get_mut(at) else { return };
        lineage.again = match outcome.is_outdated {
            _ if is_short => Again::Soon,
            true => Again::Now,
            false => Again::Asked,
        };
        for (source, _) in &mut outcome.ended {
            self.owners.remove(lineage.input, &source.identity, at);
            let Some(input) = self.inputs.get_mut(lineage.input) else { continue };
            let blocks = source.last_words(&input.budget);
            blocks.iter().for_each(|block| input.say_failures(&source.path, &block.tally));
            blocks.into_iter().map(Event::Block).for_each(&mut self.emit);
        }
        for source in lineage.sources.iter().filter(|source| outcome.seen.contains(&source.id)) {
            self.owners.insert(lineage.input, &source.identity, at);
        }
        say_unreadable(lineage, &outcome.errors);
        lineage.events(&outcome.seen, outcome.ended).into_iter().for_each(&mut self.emit);
    }

    fn make_ready(&mut self, at: usize) {
        let Some(lineage) = self.lineages.get_mut(at).filter(|lineage| !lineage.is_asleep()) else {
            return;
        };
        if !std::mem::replace(&mut lineage.is_ready, true) {
            self.ready.push_back(at);
        }
        self.lineages.rouse(at);
    }

    fn patience(&self, input: usize) -> Patience {
        if self.is_finishing {
            let none = Duration::ZERO;
            return Patience { partial: none, event: none, may_wake: true, failing: none };
        }
        let settings = self.inputs.get(input).map(|input| &input.settings);
        let partial = settings.and_then(|settings| settings.partial_timeout);
        let multiline = settings.and_then(|settings| settings.multiline.as_ref());
        Patience {
            partial: partial.unwrap_or(Duration::MAX),
            event: multiline.map_or(Duration::MAX, |multiline| multiline.timeout),
            may_wake: self.pending <= self.pending_max,
            failing: FAILING_HOLDS,
        }
    }

    fn next(&mut self, at: usize) -> Next {
        let Some(input) = self.lineages.get(at).map(|lineage| lineage.input) else {
            return Next::Idle;
        };
        let patience = self.patience(input);
        self.lineages.get_mut(at).map_or(Next::Idle, |lineage| lineage.next(patience))
    }

    fn advance(
        &mut self,
        at: usize,
        next: &Next,
        siblings: &impl Fn(usize, &Path) -> Vec<PathBuf>,
    ) -> Turn {
        self.bound_pending(at);
        let (position, step) = match *next {
            Next::Idle => return Turn::Idle,
            Next::Reconcile => (0, Step::Missing),
            Next::Examine => (0, self.examine(at)),
            Next::Read(position) => (position, self.read(at, position, Source::read)),
            Next::Finish(position) => (position, self.read(at, position, Source::read_partial)),
            Next::EndEvents(position) => (position, self.read(at, position, Source::end_events)),
        };
        self.count_open(at);
        let Some(lineage) = self.lineages.get(at) else { return Turn::Idle };
        match step {
            Step::Worked => {}
            Step::Starved => return Turn::Starved,
            Step::Short => {
                self.count_open(at);
                if !self.run_short() {
                    self.fail(at, position);
                }
            }
            Step::Missing => {
                let (input, name) = (lineage.input, lineage.name.clone());
                let list = || siblings(input, &name.path);
                let beside = Beside::now(lineage.live_path(), list);
                self.reconcile(at, beside, list);
            }
            Step::Truncated => {
                tracing::info!(lineage = %lineage.name, "file was truncated");
                let list = || siblings(lineage.input, &lineage.name.path);
                let beside = Beside::now(lineage.live_path(), list);
                self.truncated(at, position, beside);
            }
        }
        self.count_open(at);
        Turn::Worked
    }

    fn fail(&mut self, at: usize, position: usize) {
        let source = self.lineages.get_mut(at).and_then(|one| one.sources.get_mut(position));
        source.into_iter().for_each(Source::failed);
    }

    /// Reads from one source and passes on what that brings.
    fn read(&mut self, at: usize, position: usize, read: ReadHow) -> Step {
        let source = self.lineages.get(at).and_then(|lineage| lineage.sources.get(position));
        if source.is_some_and(|source| source.file.is_none()) {
            self.make_room();
        }
        let Some(lineage) = self.lineages.get_mut(at) else { return Step::Worked };
        let Some(input) = self.inputs.get_mut(lineage.input) else { return Step::Worked };
        let Some(source) = lineage.sources.get_mut(position) else { return Step::Worked };
        let waited = source.pending_bytes();
        let read = source.open().and_then(|()| {
            let rule = input.manners.apply(source, lineage.encoder.as_ref());
            read(source, rule, &input.budget)
        });
        self.pending = (self.pending + source.pending_bytes()).saturating_sub(waited);
        let step = match read {
            Ok(Read::Block(block)) => {
                input.limit.pay_for(&block);
                (self.emit)(Event::Block(*block));
                Step::Worked
            }
            Ok(Read::Blocks(blocks)) => {
                for block in &blocks {
                    input.limit.pay_for(block);
                    input.say_failures(&source.path, &block.tally);
                }
                blocks.into_iter().map(Event::Block).for_each(&mut self.emit);
                Step::Worked
            }
            Ok(Read::Searching | Read::AtEnd) => Step::Worked,
            Ok(Read::Starved) => return Step::Starved,
            Ok(Read::Truncated) => return Step::Truncated,
            // Compressed, and not unpacked as far as that: it will be, a piece at a time.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Step::Worked,
            Err(error) => return failed(lineage, position, error),
        };
        source.worked();
        let skipped = source.skipped();
        let is_grown = source.grow_head().unwrap_or(false);
        let seen = is_grown.then_some(source.id);
        let events = lineage.events(seen.as_slice(), Vec::new());
        skipped.into_iter().chain(events).for_each(&mut self.emit);
        step
    }

    fn truncated(&mut self, at: usize, position: usize, beside: Beside) {
        self.make_room();
        let Some(input) = self.lineages.get(at).map(|lineage| lineage.input) else { return };
        let since = self.since(input);
        let Some(lineage) = self.lineages.get_mut(at) else { return };
        let outcome = lineage.truncated(position, beside, since);
        self.tell(at, outcome);
    }
}

type ReadHow = fn(&mut Source, &Rule, &Budget) -> io::Result<Read>;

/// What became of one thing to do.
enum Step {
    Worked,
    Starved,
    /// There is no descriptor left.
    Short,
    /// The file is not where it was.
    Missing,
    Truncated,
}

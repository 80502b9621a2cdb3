//! The reading thread: where `watch` says something changed, `tail` looks and reads.

use std::cell::Cell;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};
use std::{io, panic};

use tokio::sync::mpsc;

use super::outbox::Outbox;
use crate::budget::Budgets;
use crate::clock;
use crate::heap;
use crate::settings::{Input, Output};
use crate::tail::{self, Ending, Look, Restored, Tail, Turn};
use crate::watch::{Compressed, Found, GlobError, Mode, Watch};

/// How often everything is looked at although nothing was heard: hints get lost. Less often where
/// there is so much that it would take more than a thousandth of the time.
const SCAN_EVERY: Pace =
    Pace { at_least: Duration::from_mins(1), at_most: Duration::from_secs(10), part: 1000 };
/// The same where no hints come.
const POLL_EVERY: Pace =
    Pace { at_least: Duration::from_secs(10), at_most: Duration::from_secs(1), part: 50 };
/// How long a scan may keep what was heard waiting.
const SCAN_AT_ONCE: Duration = Duration::from_millis(1);
/// How long what is to be read may keep a scan waiting.
const ATTENDED_AT_MOST: Duration = Duration::from_millis(10);
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// How often memory is given back until all was read once, or for so long: tables that grow leave
/// behind what they outgrew, megabytes at a time where there are very many files.
const GIVE_BACK_EVERY: Duration = Duration::from_millis(500);
const START_TAKES: Duration = Duration::from_mins(1);

/// How often something is done that takes time itself.
struct Pace {
    at_least: Duration,
    at_most: Duration,
    /// What it takes is one in so many of all time.
    part: u32,
}

impl Pace {
    fn every(&self, takes: Duration) -> Duration {
        (takes * self.part).clamp(self.at_most, self.at_least)
    }
}

/// Wakes the reading thread, from before it runs until after it has ended.
#[derive(Clone, Default)]
pub(super) struct Waker(Arc<OnceLock<Thread>>);

impl Waker {
    pub(super) fn wake(&self) {
        if let Some(thread) = self.0.get() {
            thread.unpark();
        }
    }
}

/// The running thread.
pub(super) struct Reader {
    thread: JoinHandle<()>,
    stop: Arc<AtomicBool>,
    waker: Waker,
}

impl Reader {
    pub(super) fn start(
        inputs: &[Input],
        restored: Restored,
        budgets: Budgets<Output>,
        ending: Ending,
        files_max: usize,
        waker: Waker,
        events: mpsc::Sender<Vec<tail::Event>>,
    ) -> Result<Self, StartError> {
        let woken = waker.clone();
        let watch = Watch::new(inputs, move || woken.wake())?;
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, own) = (stop.clone(), waker.clone());
        let inputs = inputs.to_vec();
        let thread = thread::Builder::new().name("reader".to_owned()).spawn(move || {
            own.0.get_or_init(thread::current);
            let outbox = Outbox::new(events);
            let told = outbox.clone();
            let emit = move |event| told.put(event);
            let mut tail = Tail::new(&inputs, restored, &budgets, ending, emit);
            tail.open_at_most(files_max);
            let heard = outbox.clone();
            let is_stopped = move || stopped.load(Ordering::Acquire) || !heard.is_heard();
            let mut round = Round::new(watch, tail, inputs.len(), ending, outbox, is_stopped);
            round.run();
        })?;
        Ok(Self { thread, stop, waker })
    }

    /// Something that stops the reading, from any thread.
    pub(super) fn stopper(&self) -> impl Fn() + Send + Sync + 'static {
        let (stop, waker) = (self.stop.clone(), self.waker.clone());
        move || {
            stop.store(true, Ordering::Release);
            waker.wake();
        }
    }

    /// Stops it and waits; a panic in the thread goes on here.
    pub(super) fn join(self) {
        self.stopper()();
        if let Err(cause) = self.thread.join() {
            panic::resume_unwind(cause);
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Watch(#[from] GlobError),
    #[error("start the reading thread: {0}")]
    Thread(#[from] io::Error),
}

struct Round<F, S> {
    watch: Watch,
    tail: Tail<F>,
    inputs: usize,
    ending: Ending,
    outbox: Outbox,
    is_stopped: S,
    /// A scan is due whatever the time is.
    wants_scan: bool,
    started: Instant,
    is_starting: bool,
    given_back: Instant,
    scanned: Instant,
    /// What the last scan took, without what was done in between.
    scan_took: Duration,
    swept: Instant,
    /// Of files that are compressed in a way we cannot undo.
    has_warned: bool,
}

impl<F: FnMut(tail::Event), S: Fn() -> bool> Round<F, S> {
    fn new(
        watch: Watch,
        tail: Tail<F>,
        inputs: usize,
        ending: Ending,
        outbox: Outbox,
        is_stopped: S,
    ) -> Self {
        let (scanned, swept) = (clock::now(), clock::now());
        Self {
            watch,
            tail,
            inputs,
            ending,
            outbox,
            is_stopped,
            wants_scan: true,
            started: scanned,
            is_starting: true,
            given_back: scanned,
            scanned,
            scan_took: Duration::ZERO,
            swept,
            has_warned: false,
        }
    }

    fn run(&mut self) {
        // With many files what was read of the checkpoints is much.
        heap::give_back();
        for input in 0..self.inputs {
            for path in self.tail.absent(input, |_| false) {
                self.watch.know(input, &path);
            }
        }
        while !(self.is_stopped)() {
            self.hear();
            if self.wants_scan || self.scanned.elapsed() >= self.scan_every() {
                self.outbox.send();
                self.scan();
                self.scanned = clock::now();
            }
            self.sweep();
            let turn = self.turn();
            self.give_back(turn);
            match turn {
                Turn::Worked => {}
                // If it is not finished, there is more to read.
                Turn::Idle if self.ending == Ending::AtEnd => {
                    if self.tail.finish() {
                        break;
                    }
                }
                Turn::Idle | Turn::Starved => self.rest(),
            }
        }
        self.outbox.send();
    }

    /// Looks where notify says that something happened.
    fn hear(&mut self) {
        let changes = self.watch.changes();
        for touched in &changes.touched {
            self.look(touched.input, &touched.path, touched.real.as_deref());
        }
        self.wants_scan |= changes.rescan;
    }

    fn sweep(&mut self) {
        if self.swept.elapsed() < SWEEP_EVERY {
            return;
        }
        self.outbox.send();
        for (input, lineage) in self.tail.sweep() {
            self.watch.forget(input, &lineage.path);
        }
        self.swept = clock::now();
    }

    fn turn(&mut self) -> Turn {
        let watch = &self.watch;
        self.tail.turn(|input, path| siblings(watch, input, path))
    }

    fn scan_every(&self) -> Duration {
        let polls = |input| matches!(self.watch.mode(input), Mode::Poll(_));
        let pace = if (0..self.inputs).any(polls) { POLL_EVERY } else { SCAN_EVERY };
        pace.every(self.scan_took)
    }

    fn rest(&self) {
        self.outbox.send();
        let scan = self.scan_every().saturating_sub(self.scanned.elapsed());
        let sweep = SWEEP_EVERY.saturating_sub(self.swept.elapsed());
        let limited = self.tail.limited_for().unwrap_or(Duration::MAX);
        thread::park_timeout(scan.min(sweep).min(limited).max(Duration::from_millis(1)));
    }

    fn look(&mut self, input: usize, path: &Path, real: Option<&Path>) {
        let (watch, look) =
            (&self.watch, Look { input, path, real, thorough: false, listed_ms: None });
        self.tail.look(look, || siblings(watch, input, path));
    }

    /// Looks at everything there is, and at everything there was. What was heard, and what was
    /// found, is not kept waiting by the rest.
    fn scan(&mut self) {
        let began_ms = clock::wall_ms();
        let mut busy = Busy::since(clock::now());
        self.wants_scan = false;
        let mut scan = self.watch.scan();
        for problem in &scan.problems {
            let path = problem.path.display();
            tracing::warn!(%path, error = %problem.error, "a file that matches cannot be shipped");
        }
        self.warn_of_unreadable(&scan.found);
        let mut there = Names::default();
        let is_whole = Whole(Cell::new(true));
        let found = std::mem::take(&mut scan.found);
        for Members { input, path, real, siblings: listed } in Lineages::of(found) {
            there.insert(input, &path);
            let (watch, listed_ms) = (&self.watch, Some(began_ms));
            let real = real.as_deref();
            let look = Look { input, path: &path, real, thorough: true, listed_ms };
            // What is asked for again is wanted as it is now.
            let listed = Cell::new(Some(listed));
            let siblings = || listed.take().unwrap_or_else(|| is_whole.list(watch, input, &path));
            self.tail.look(look, siblings);
            if !self.attend(&mut busy) {
                return;
            }
        }
        for input in 0..self.inputs {
            // What could not be looked into is not gone.
            let is_there = |path: &Path| there.contains(input, path) || scan.may_miss(input, path);
            for path in self.tail.absent(input, is_there) {
                if !self.watch.matching(&path).contains(&input) {
                    // The configuration does not want it any more.
                    continue;
                }
                let (watch, look) = (
                    &self.watch,
                    Look { input, path: &path, real: None, thorough: true, listed_ms: None },
                );
                self.tail.look(look, || is_whole.list(watch, input, &path));
                if !self.attend(&mut busy) {
                    return;
                }
            }
            // What is born and rotated where we could not look must not count as old later.
            let is_complete =
                is_whole.0.get() && scan.unseen.iter().all(|(unseen, _)| *unseen != input);
            self.tail.looked(input, is_complete.then_some(began_ms));
        }
        self.scan_took = busy.pause();
    }

    fn warn_of_unreadable(&mut self, found: &[Found]) {
        let unreadable = found.iter().find(|found| !is_readable(found));
        if let Some(found) = unreadable.filter(|_| !self.has_warned) {
            self.has_warned = true;
            let path = found.path.display();
            tracing::warn!(%path, "files compressed with bzip2 or xz are not read");
        }
    }

    /// Within a scan: sees to what else there is to do, if that has waited. False if that is to
    /// stop.
    fn attend(&mut self, busy: &mut Busy) -> bool {
        if busy.since.elapsed() >= SCAN_AT_ONCE {
            busy.pause();
            self.hear();
            self.sweep();
            let began = clock::now();
            while began.elapsed() < ATTENDED_AT_MOST && self.turn() == Turn::Worked {}
            self.outbox.send();
            self.give_back(Turn::Worked);
            busy.since = clock::now();
        }
        !(self.is_stopped)()
    }

    /// At the start, what that no longer takes.
    fn give_back(&mut self, turn: Turn) {
        let is_due = turn == Turn::Idle || self.given_back.elapsed() >= GIVE_BACK_EVERY;
        if self.is_starting && is_due {
            heap::give_back();
            self.given_back = clock::now();
            self.is_starting = turn != Turn::Idle && self.started.elapsed() < START_TAKES;
        }
    }
}

/// How long something took that was interrupted now and then.
struct Busy {
    since: Instant,
    before: Duration,
}

impl Busy {
    fn since(since: Instant) -> Self {
        Self { since, before: Duration::ZERO }
    }

    fn pause(&mut self) -> Duration {
        self.before += self.since.elapsed();
        self.before
    }
}

/// What a scan found, a live name and what is beside it at a time. What was looked at is given
/// back at once: there may be very much of it.
struct Lineages(Vec<Found>);

struct Members {
    input: usize,
    path: PathBuf,
    real: Option<PathBuf>,
    siblings: Vec<PathBuf>,
}

/// The input and live name.
fn owner(found: &Found) -> (usize, &OsStr) {
    let name = found.sibling_of.as_ref().unwrap_or(&found.path);
    (found.input, name.as_os_str())
}

impl Lineages {
    fn of(mut found: Vec<Found>) -> Self {
        found.retain(is_readable);
        found.sort_unstable_by(|a, b| owner(a).cmp(&owner(b)));
        Self(found)
    }
}

impl Iterator for Lineages {
    type Item = Members;

    fn next(&mut self) -> Option<Members> {
        let (input, name) = owner(self.0.last()?);
        let path = PathBuf::from(name);
        let mut members = Members { input, path, real: None, siblings: Vec::new() };
        let is_member = |found: &mut Found| owner(found) == (input, members.path.as_os_str());
        while let Some(found) = self.0.pop_if(is_member) {
            if found.sibling_of.is_none() {
                members.real = found.real;
            } else {
                members.siblings.push(found.real.unwrap_or(found.path));
            }
        }
        if self.0.len() < self.0.capacity() / 2 {
            self.0.shrink_to_fit();
        }
        Some(members)
    }
}

/// A set of names that takes little memory: their hashes, which nobody can foresee.
#[derive(Default)]
struct Names {
    hashes: HashSet<u64>,
    state: RandomState,
}

impl Names {
    fn insert(&mut self, input: usize, path: &Path) {
        self.hashes.insert(self.state.hash_one((input, path.as_os_str())));
    }

    fn contains(&self, input: usize, path: &Path) -> bool {
        self.hashes.contains(&self.state.hash_one((input, path.as_os_str())))
    }
}

fn is_readable(found: &Found) -> bool {
    match found.compressed {
        None | Some(Compressed::Gzip | Compressed::Zstd) => true,
        Some(Compressed::Bzip2 | Compressed::Xz) => false,
    }
}

/// Whether all that was asked for in a scan could be listed.
struct Whole(Cell<bool>);

impl Whole {
    fn list(&self, watch: &Watch, input: usize, path: &Path) -> Vec<PathBuf> {
        let listed = watch.siblings(input, path);
        // A directory that is gone holds nothing.
        let is_listed = listed.as_ref().err().is_none_or(tail::is_absence);
        self.0.set(self.0.get() && is_listed);
        readable(path, listed)
    }
}

/// Files beside a live name that may have had it.
fn siblings(watch: &Watch, input: usize, path: &Path) -> Vec<PathBuf> {
    readable(path, watch.siblings(input, path))
}

fn readable(path: &Path, listed: io::Result<Vec<Found>>) -> Vec<PathBuf> {
    match listed {
        Ok(found) => {
            found.iter().filter(|found| is_readable(found)).map(|f| f.real().to_owned()).collect()
        }
        Err(error) => {
            tracing::debug!(path = %path.display(), %error, "cannot list a file's siblings");
            Vec::new()
        }
    }
}

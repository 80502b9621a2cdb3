//! The reading thread: where `watch` says something changed, `tail` looks and reads.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};
use std::{io, panic};

use tokio::sync::mpsc;

use crate::budget::Budget;
use crate::clock;
use crate::settings::Input;
use crate::tail::{self, Ending, Look, Restored, Tail, Turn};
use crate::watch::{Found, GlobError, Mode, Scan, Watch};

/// How often everything is looked at although nothing was heard: hints get lost.
const SCAN_EVERY: Duration = Duration::from_secs(10);
/// The same where no hints come.
const POLL_EVERY: Duration = Duration::from_secs(1);
const SWEEP_EVERY: Duration = Duration::from_secs(1);

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
        budget: Budget,
        ending: Ending,
        waker: Waker,
        events: mpsc::Sender<tail::Event>,
    ) -> Result<Self, StartError> {
        let woken = waker.clone();
        let watch = Watch::new(inputs, move || woken.wake())?;
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, own) = (stop.clone(), waker.clone());
        let inputs = inputs.to_vec();
        let thread = thread::Builder::new().name("reader".to_owned()).spawn(move || {
            own.0.get_or_init(thread::current);
            let is_heard = Arc::new(AtomicBool::new(true));
            let heard = is_heard.clone();
            // Waits while the other side is behind; fails only once it has gone.
            let emit = move |event| {
                if events.blocking_send(event).is_err() {
                    heard.store(false, Ordering::Relaxed);
                }
            };
            let tail = Tail::new(&inputs, restored, budget, ending, emit);
            let mut round = Round { watch, tail, inputs: inputs.len(), ending };
            round.run(|| stopped.load(Ordering::Acquire) || !is_heard.load(Ordering::Relaxed));
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

struct Round<F> {
    watch: Watch,
    tail: Tail<F>,
    inputs: usize,
    ending: Ending,
}

impl<F: FnMut(tail::Event)> Round<F> {
    fn run(&mut self, is_stopped: impl Fn() -> bool) {
        for input in 0..self.inputs {
            for path in self.tail.absent(input, |_| false) {
                self.watch.know(input, &path);
            }
        }
        self.scan();
        let (mut scanned, mut swept) = (clock::now(), clock::now());
        while !is_stopped() {
            let changes = self.watch.changes();
            for touched in &changes.touched {
                self.look(touched.input, &touched.path, touched.real.as_deref());
            }
            if changes.rescan || scanned.elapsed() >= self.scan_every() {
                self.scan();
                scanned = clock::now();
            }
            if swept.elapsed() >= SWEEP_EVERY {
                self.tail.sweep();
                swept = clock::now();
            }
            let watch = &self.watch;
            let turn = self.tail.turn(|input, path| siblings(watch, input, path));
            match turn {
                Turn::Worked => {}
                // If it is not finished, there is more to read.
                Turn::Idle if self.ending == Ending::AtEnd => {
                    if self.tail.finish() {
                        return;
                    }
                }
                Turn::Idle | Turn::Starved => self.rest(scanned, swept),
            }
        }
    }

    fn scan_every(&self) -> Duration {
        let polls = |input| matches!(self.watch.mode(input), Mode::Poll(_));
        if (0..self.inputs).any(polls) { POLL_EVERY } else { SCAN_EVERY }
    }

    fn rest(&self, scanned: Instant, swept: Instant) {
        let scan = self.scan_every().saturating_sub(scanned.elapsed());
        let sweep = SWEEP_EVERY.saturating_sub(swept.elapsed());
        let limited = self.tail.limited_for().unwrap_or(Duration::MAX);
        thread::park_timeout(scan.min(sweep).min(limited).max(Duration::from_millis(1)));
    }

    fn look(&mut self, input: usize, path: &Path, real: Option<&Path>) {
        let (watch, look) = (&self.watch, Look { input, path, real, thorough: false });
        self.tail.look(look, || siblings(watch, input, path));
    }

    /// Looks at everything there is, and at everything there was.
    fn scan(&mut self) {
        let began_ms = clock::wall_ms();
        let scan = self.watch.scan();
        for problem in &scan.problems {
            let path = problem.path.display();
            tracing::warn!(%path, error = %problem.error, "a file that matches cannot be shipped");
        }
        let lineages = Lineages::of(&scan);
        for ((input, path), found) in &lineages.0 {
            let look = Look { input: *input, path, real: found.real, thorough: true };
            self.tail.look(look, || found.siblings.clone());
        }
        for input in 0..self.inputs {
            // What could not be looked into is not gone.
            let is_there =
                |path: &Path| lineages.0.contains_key(&(input, path)) || scan.may_miss(input, path);
            for path in self.tail.absent(input, is_there) {
                if !self.watch.matching(&path).contains(&input) {
                    // The configuration does not want it any more.
                    continue;
                }
                let (watch, look) =
                    (&self.watch, Look { input, path: &path, real: None, thorough: true });
                self.tail.look(look, || siblings(watch, input, &path));
            }
            // What is born and rotated where we could not look must not count as old later.
            let is_complete = scan.unseen.iter().all(|(unseen, _)| *unseen != input);
            self.tail.looked(input, is_complete.then_some(began_ms));
        }
    }
}

/// What a scan found, by input and live name.
#[derive(Default)]
struct Lineages<'a>(HashMap<(usize, &'a Path), Members<'a>>);

#[derive(Default)]
struct Members<'a> {
    real: Option<&'a Path>,
    siblings: Vec<PathBuf>,
}

impl<'a> Lineages<'a> {
    fn of(scan: &'a Scan) -> Self {
        let mut lineages = Self::default();
        for found in &scan.found {
            let name = found.sibling_of.as_deref().unwrap_or(&found.path);
            let members = lineages.0.entry((found.input, name)).or_default();
            if found.sibling_of.is_none() {
                members.real = found.real.as_deref();
            } else if is_readable(found) {
                members.siblings.push(found.real().to_owned());
            }
        }
        lineages
    }
}

/// Compressed files are copies of what was read before they were made.
fn is_readable(found: &Found) -> bool {
    found.compressed.is_none()
}

/// Files beside a live name that may have had it.
fn siblings(watch: &Watch, input: usize, path: &Path) -> Vec<PathBuf> {
    match watch.siblings(input, path) {
        Ok(found) => {
            found.iter().filter(|found| is_readable(found)).map(|f| f.real().to_owned()).collect()
        }
        Err(error) => {
            tracing::debug!(path = %path.display(), %error, "cannot list a file's siblings");
            Vec::new()
        }
    }
}

//! The reading thread: where `watch` says something changed, `tail` looks and reads.

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
use crate::tail::{self, Ending, Restored, Tail, Turn};
use crate::watch::{Mode, Watch, WatchError};

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
    Watch(#[from] WatchError),
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
        self.scan();
        let (mut scanned, mut swept) = (clock::now(), clock::now());
        while !is_stopped() {
            let changes = self.watch.changes();
            for path in &changes.paths {
                self.touch(path);
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
                Turn::Idle if self.ending == Ending::AtEnd && self.tail.finish() => return,
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
        thread::park_timeout(scan.min(sweep).max(Duration::from_millis(1)));
    }

    /// Looks at everything there is, and at everything there was.
    fn scan(&mut self) {
        let began_ms = clock::wall_ms();
        let scan = self.watch.scan();
        for found in &scan.found {
            let watch = &self.watch;
            self.tail.look(found.input, &found.path, false, || siblings(watch, found.input, &found.path));
        }
        for input in 0..self.inputs {
            let found = scan.found.iter().filter(|found| found.input == input);
            let there = found.map(|found| found.path.as_path()).collect();
            for path in self.tail.absent(input, &there) {
                let watch = &self.watch;
                self.tail.look(input, &path, false, || siblings(watch, input, &path));
            }
            self.tail.looked(input, began_ms);
        }
    }

    /// Looks at whatever a changed path may be part of.
    fn touch(&mut self, path: &Path) {
        let watch = &self.watch;
        for input in watch.matching(path) {
            self.tail.look(input, path, false, || siblings(watch, input, path));
        }
        for input in 0..self.inputs {
            for name in watch.lineage_names(input, path) {
                if self.tail.has(input, &name) {
                    self.tail.look(input, &name, true, || siblings(watch, input, &name));
                }
            }
        }
    }
}

/// Files beside a matched name that may have had it, without what is compressed.
fn siblings(watch: &Watch, input: usize, path: &Path) -> Vec<PathBuf> {
    match watch.siblings(input, path) {
        Ok(found) => {
            found.into_iter().filter(|s| s.compressed.is_none()).map(|s| s.path).collect()
        }
        Err(error) => {
            tracing::debug!(path = %path.display(), %error, "cannot list a file's siblings");
            Vec::new()
        }
    }
}

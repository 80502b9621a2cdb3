//! The thread that saves checkpoints, so that nobody who moves records waits for a disk.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::change::Change;
use super::store::{Checkpoints, Settled};
use crate::clock;

/// Batches that wait while one is being saved. When that many do, the next is handed back, and
/// its owner sends it along with what comes after.
const BATCHES_MAX: usize = 4;
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// What became of a try to save.
#[derive(Debug)]
pub enum SaveReport {
    /// The first `batches` that were sent in this run are durable.
    Saved { batches: u64, settled: Settled },
    /// Nothing but freshness is lost; it is tried again, with what came in since.
    Failed { error: String },
}

/// A batch that was not taken.
#[derive(Debug)]
pub enum Refused {
    /// To be sent again later.
    Busy(Vec<Change>),
    /// The thread has died of a broken promise.
    Stopped(Vec<Change>),
}

/// The way to the thread that owns the [`Checkpoints`].
#[derive(Debug)]
pub struct Writer {
    batches: SyncSender<Vec<Change>>,
    thread: JoinHandle<bool>,
}

impl Writer {
    /// Starts the thread. `report` is called from it, once after each try to save.
    pub fn start(
        checkpoints: Checkpoints,
        report: impl Fn(SaveReport) + Send + 'static,
    ) -> io::Result<Self> {
        let (batches, received) = sync_channel(BATCHES_MAX);
        let saver = Saver { checkpoints, report, taken: 0, failing: None };
        let thread = Builder::new().name("checkpoint".to_owned());
        let thread = thread.spawn(move || saver.run(&received))?;
        Ok(Self { batches, thread })
    }

    /// Sends a batch on its way, without waiting. Batches become durable in the order sent.
    pub fn send(&self, changes: Vec<Change>) -> Result<(), Refused> {
        self.batches.try_send(changes).map_err(|error| match error {
            TrySendError::Full(changes) => Refused::Busy(changes),
            TrySendError::Disconnected(changes) => Refused::Stopped(changes),
        })
    }

    /// Saves `last` and what else is left, trying once, and waits for it. Whether all that was
    /// sent is durable.
    #[must_use = "what is not saved is read again"]
    pub fn close(self, last: Vec<Change>) -> bool {
        // Refused only by a thread that has died, and then joining says so.
        drop(self.batches.send(last));
        drop(self.batches);
        self.thread.join().unwrap_or(false)
    }
}

struct Saver<R> {
    checkpoints: Checkpoints,
    report: R,
    taken: u64,
    failing: Option<Failing>,
}

/// Since the last try failed.
struct Failing {
    retry_at: Instant,
    pause: Duration,
}

impl<R: Fn(SaveReport)> Saver<R> {
    fn run(mut self, batches: &Receiver<Vec<Change>>) -> bool {
        loop {
            match self.receive(batches) {
                Ok(changes) => self.take(changes),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            while let Ok(changes) = batches.try_recv() {
                self.take(changes);
            }
            if self.failing.as_ref().is_none_or(|failing| failing.retry_at <= clock::now()) {
                self.save();
            }
        }
        if !self.checkpoints.is_saved() {
            self.save();
        }
        self.checkpoints.is_saved()
    }

    fn receive(&self, batches: &Receiver<Vec<Change>>) -> Result<Vec<Change>, RecvTimeoutError> {
        match &self.failing {
            None => batches.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(failing) => {
                let pause = failing.retry_at.saturating_duration_since(clock::now());
                batches.recv_timeout(pause)
            }
        }
    }

    fn take(&mut self, changes: Vec<Change>) {
        self.checkpoints.apply(changes);
        self.taken += 1;
    }

    fn save(&mut self) {
        match self.checkpoints.flush() {
            Ok(settled) => {
                if self.failing.take().is_some() {
                    tracing::info!("checkpoints are saved again");
                }
                (self.report)(SaveReport::Saved { batches: self.taken, settled });
            }
            Err(error) => {
                let error = chain(&error);
                if self.failing.is_none() {
                    tracing::warn!(%error, "checkpoints not saved; tried again until they are");
                }
                let last = self.failing.as_ref().map(|failing| failing.pause);
                let pause = last.map_or(RETRY_FIRST, |last| RETRY_MAX.min(last * 2));
                self.failing = Some(Failing { retry_at: clock::now() + pause, pause });
                (self.report)(SaveReport::Failed { error });
            }
        }
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

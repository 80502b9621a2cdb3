//! The thread that writes dead letters: many of them, one sync.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::file::{LetterFile, WriteError};
use super::letter::Letter;
use super::proof::DeadLettered;
use crate::budget::{Budget, Permit};
use crate::clock;
use crate::settings::DeadLetters;

/// What may wait to be written: it is held beside the record's own budget. One letter that is
/// larger goes alone.
const WAITING_BYTES_MAX: usize = 8 << 20;
/// What a letter takes besides its value, key and headers, roughly.
const LETTER_BYTES: usize = 512;
/// Enough to make a sync worth it, little enough to keep the buffer small.
const GROUP_BYTES: usize = 1 << 20;
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// What became of letters that were handed over.
#[derive(Debug)]
pub enum Report<T> {
    /// In the file, and synced; in the order handed over.
    Written(Vec<DeadLettered<T>>),
    /// Nothing is lost: `waiting` letters are kept, and tried again until they are written.
    Failed { error: WriteError, waiting: usize },
}

/// A letter that was not taken. Its record is owed as before.
#[derive(Debug)]
pub enum Refused<T> {
    /// As much waits as may: to be handed over again after the next [`Report::Written`].
    Busy(Letter, T),
    /// The thread has died of a broken promise.
    Stopped(Letter, T),
}

/// The way to the thread that writes the letters. A token `T` stands for the duty to settle what
/// the letter holds.
#[derive(Debug)]
pub struct Writer<T> {
    // No bound of its own: what is in it has been paid for from `waiting`.
    letters: Sender<Pending<T>>,
    waiting: Waiting,
    thread: JoinHandle<Vec<T>>,
}

struct Waiting(Budget);

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Waiting({} bytes)", self.0.used())
    }
}

#[derive(Debug)]
struct Pending<T> {
    letter: Letter,
    time_ms: u64,
    token: T,
    /// Given back when the letter is written.
    _permit: Permit,
}

impl<T: Send + 'static> Writer<T> {
    /// Starts the thread. `report` is called from it, once after each try to write. The file is
    /// made when the first letter comes.
    pub fn start(
        state_dir: PathBuf,
        settings: &DeadLetters,
        report: impl Fn(Report<T>) + Send + 'static,
    ) -> io::Result<Self> {
        let (letters, received) = channel();
        let (pending, failing) = (VecDeque::new(), None);
        let len_max = settings.max_size_bytes;
        let scribe = Scribe { state_dir, len_max, report, pending, failing };
        let thread = Builder::new().name("dead-letter".to_owned());
        let thread = thread.spawn(move || scribe.run(&received))?;
        Ok(Self { letters, waiting: Waiting(Budget::new(WAITING_BYTES_MAX, || {})), thread })
    }

    /// Hands a letter over, without waiting. Its proof comes with a report.
    #[allow(clippy::result_large_err, reason = "what is refused is handed back")]
    pub fn write(&self, letter: Letter, token: T) -> Result<(), Refused<T>> {
        let Some(permit) = self.waiting.0.try_take(LETTER_BYTES + letter.len()) else {
            return Err(Refused::Busy(letter, token));
        };
        let pending = Pending { letter, time_ms: clock::wall_ms(), token, _permit: permit };
        self.letters.send(pending).map_err(|unsent| {
            let Pending { letter, token, .. } = unsent.0;
            Refused::Stopped(letter, token)
        })
    }

    /// Writes what is left, trying once, and waits for it. The tokens of what could not be
    /// written come back, owed as before; none do if the thread has died.
    #[must_use = "what could not be written is owed"]
    pub fn close(self) -> Vec<T> {
        drop(self.letters);
        self.thread.join().unwrap_or_default()
    }
}

struct Scribe<T, R> {
    state_dir: PathBuf,
    len_max: u64,
    report: R,
    pending: VecDeque<Pending<T>>,
    failing: Option<Failing>,
}

/// Since the last try failed.
struct Failing {
    retry_at: Instant,
    pause: Duration,
}

impl<T, R: Fn(Report<T>)> Scribe<T, R> {
    fn run(mut self, letters: &Receiver<Pending<T>>) -> Vec<T> {
        loop {
            match self.receive(letters) {
                Ok(letter) => self.pending.push_back(letter),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.pending.extend(letters.try_iter());
            if self.failing.as_ref().is_none_or(|failing| failing.retry_at <= clock::now()) {
                self.write_all();
            }
        }
        self.write_all();
        self.pending.into_iter().map(|pending| pending.token).collect()
    }

    fn receive(&self, letters: &Receiver<Pending<T>>) -> Result<Pending<T>, RecvTimeoutError> {
        match &self.failing {
            None => letters.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(failing) => {
                letters.recv_timeout(failing.retry_at.saturating_duration_since(clock::now()))
            }
        }
    }

    fn write_all(&mut self) {
        while !self.pending.is_empty() {
            match self.write_group() {
                Ok(written) => self.succeed(written),
                Err(error) => return self.fail(error),
            }
        }
    }

    /// Writes as many letters as one sync is for, and as there is room for.
    fn write_group(&mut self) -> Result<Vec<DeadLettered<T>>, WriteError> {
        let file = LetterFile::open(&self.state_dir, self.len_max)?;
        let mut lines = Vec::new();
        let mut count = 0;
        for Pending { letter, time_ms, .. } in &self.pending {
            let line = letter.line(*time_ms);
            let len = lines.len().strict_add(line.len());
            if len as u64 > file.room() || (len > GROUP_BYTES && count > 0) {
                break;
            }
            lines.extend(line);
            count += 1;
        }
        if count == 0 {
            return Err(file.full());
        }
        file.append(lines)?;
        Ok(self.pending.drain(..count).map(|done| DeadLettered::synced(done.token)).collect())
    }

    fn succeed(&mut self, written: Vec<DeadLettered<T>>) {
        if self.failing.take().is_some() {
            tracing::info!("dead letters are written again");
        }
        (self.report)(Report::Written(written));
    }

    fn fail(&mut self, error: WriteError) {
        let waiting = self.pending.len();
        if self.failing.is_none() {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, cause, waiting, "dead letters not written; their records wait");
        }
        let last = self.failing.as_ref().map(|failing| failing.pause);
        let pause = last.map_or(RETRY_FIRST, |last| RETRY_MAX.min(last * 2));
        self.failing = Some(Failing { retry_at: clock::now() + pause, pause });
        (self.report)(Report::Failed { error, waiting });
    }
}

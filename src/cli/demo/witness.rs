//! The consumer that reads along on a thread of its own and hands every record to a checker.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Error;
use super::findings::Findings;
use crate::produce::{Tap, TapError};

const WAIT: Duration = Duration::from_millis(20);

/// Decides whether what arrives is what was written.
pub(super) trait Judge: Send + 'static {
    /// Takes a topic's records in their order.
    fn take(&mut self, topic: &str, payload: &[u8]);
    /// The daemon was killed `down` ago, all that it had sent has been taken, and it starts again.
    fn restarted(&mut self, down: Duration);
    /// Lines that have arrived, each counted once.
    fn arrived(&self) -> u64;
    fn repeated(&self) -> u64;
    fn findings(&self) -> Findings;
}

pub(super) struct Witness<J> {
    judge: Arc<Mutex<J>>,
    news: Arc<News>,
    thread: Option<JoinHandle<Result<(), TapError>>>,
}

/// What passes between the two threads.
#[derive(Default)]
struct News {
    stop: AtomicBool,
    /// How often it was asked whether all has been read, and the last question that found so.
    asked: AtomicU64,
    answered: AtomicU64,
}

impl<J: Judge> Witness<J> {
    pub(super) fn start(mut tap: Tap, judge: J) -> io::Result<Self> {
        let judge = Arc::new(Mutex::new(judge));
        let news = Arc::new(News::default());
        let (to, told) = (judge.clone(), news.clone());
        let thread = thread::Builder::new().name("witness".to_owned());
        let thread = thread.spawn(move || read_along(&mut tap, &to, &told))?;
        Ok(Self { judge, news, thread: Some(thread) })
    }

    pub(super) fn judge(&self) -> MutexGuard<'_, J> {
        lock(&self.judge)
    }

    /// Asks whether the topics have been read to their present ends; [`Witness::has_read`]
    /// answers.
    pub(super) fn ask(&self) -> u64 {
        self.news.asked.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Whether all that was there when the question was asked has been judged.
    pub(super) fn has_read(&self, question: u64) -> bool {
        self.news.answered.load(Ordering::Acquire) >= question
    }

    /// An error once the reading has ended by itself.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        match self.thread.take_if(|thread| thread.is_finished()) {
            Some(thread) => join(thread),
            None => Ok(()),
        }
    }

    /// Ends the reading, and what was found.
    pub(super) fn findings(mut self) -> Result<Findings, Error> {
        self.news.stop.store(true, Ordering::Release);
        self.thread.take().map_or(Ok(()), join)?;
        Ok(self.judge().findings())
    }
}

impl<J> Drop for Witness<J> {
    fn drop(&mut self) {
        self.news.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // Whoever drops it has no use for what it found.
            drop(thread.join());
        }
    }
}

fn join(thread: JoinHandle<Result<(), TapError>>) -> Result<(), Error> {
    match thread.join() {
        Ok(result) => Ok(result?),
        Err(cause) => std::panic::resume_unwind(cause),
    }
}

fn lock<J>(judge: &Mutex<J>) -> MutexGuard<'_, J> {
    judge.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read_along<J: Judge>(tap: &mut Tap, judge: &Mutex<J>, news: &News) -> Result<(), TapError> {
    while !news.stop.load(Ordering::Acquire) {
        let asked = news.asked.load(Ordering::Acquire);
        let taken = tap.take(WAIT, |record| lock(judge).take(record.topic, record.payload))?;
        // Asking costs a round trip to every partition.
        if taken == 0 && asked > news.answered.load(Ordering::Acquire) && tap.is_at_end() {
            news.answered.store(asked, Ordering::Release);
        }
    }
    Ok(())
}

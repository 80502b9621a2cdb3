//! An application that logs: numbered lines at a steady rate, and rotation by renaming.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tailspool::clock;

use super::lines;

const TICK: Duration = Duration::from_millis(10);

/// How an application writes its log.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) lines_per_second: u64,
    /// NAME becomes NAME.1 after so many lines; older ones move up. None is ever removed.
    pub(crate) rotate_every: u64,
}

pub(crate) struct Writer {
    name: String,
    written: Arc<AtomicU64>,
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Writer {
    pub(crate) fn start(path: &Path, plan: Plan) -> Self {
        Self::reaping(path, plan, |_| false)
    }

    /// After each rotation, those rotated files are deleted of which `may_go` says so.
    pub(crate) fn reaping(
        path: &Path,
        plan: Plan,
        may_go: impl FnMut(&Path) -> bool + Send + 'static,
    ) -> Self {
        let written = Arc::new(AtomicU64::new(0));
        let (stop, stopped) = channel();
        let mut log = Log::create(path, plan.rotate_every);
        log.may_go = Box::new(may_go);
        let count = Arc::clone(&written);
        let thread = thread::spawn(move || log.keep_writing(&plan, &count, &stopped));
        Self { name: name_of(path), written, stop, thread }
    }

    /// Lines that are completely written; they carry the numbers below it.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Ends the log after a whole line; what it is called in its lines, and how many it has.
    pub(crate) fn stop(self) -> (String, u64) {
        drop(self.stop);
        self.thread.join().expect("the writer has not panicked");
        let written = self.written.load(Ordering::Acquire);
        (self.name, written)
    }
}

/// A log and the numbers of its lines, written by hand where a test wants to say when.
pub(crate) struct Log {
    path: PathBuf,
    name: String,
    file: File,
    next: u64,
    rotate_every: u64,
    may_go: Box<dyn FnMut(&Path) -> bool + Send>,
}

impl Log {
    pub(crate) fn create(path: &Path, rotate_every: u64) -> Self {
        let (name, file) = (name_of(path), open(path));
        let may_go = Box::new(|_: &Path| false);
        Self { path: path.to_owned(), name, file, next: 0, rotate_every, may_go }
    }

    /// A log that rotates only when told.
    pub(crate) fn by_hand(path: &Path) -> Self {
        Self::create(path, u64::MAX)
    }

    pub(crate) fn name(&self) -> String {
        self.name.clone()
    }

    pub(crate) fn count(&self) -> u64 {
        self.next
    }

    pub(crate) fn write(&mut self, mut count: u64) {
        while count > 0 {
            let room = self.rotate_every - self.next % self.rotate_every;
            let now = count.min(room);
            self.append(now);
            count -= now;
            if now == room {
                self.rotate();
            }
        }
    }

    /// In two pieces, so that a reader meets unfinished lines.
    fn append(&mut self, count: u64) {
        let text = lines::lines(&self.name, self.next..self.next + count);
        let (head, tail) = text.split_at(text.len() - text.len() / 3);
        self.file.write_all(head.as_bytes()).expect("a log can be written");
        self.file.write_all(tail.as_bytes()).expect("a log can be written");
        self.next += count;
    }

    pub(crate) fn rotate(&mut self) {
        let oldest =
            (1..u32::MAX).find(|age| !self.aged(*age).exists()).expect("rotated files are finite");
        for age in (1..oldest).rev() {
            fs::rename(self.aged(age), self.aged(age + 1)).expect("a log can be renamed");
        }
        fs::rename(&self.path, self.aged(1)).expect("a log can be renamed");
        self.file = open(&self.path);
        self.reap();
    }

    /// Where something older than a gap is left, it keeps its age.
    fn reap(&mut self) {
        const AGES: u32 = 200;
        for path in (1..AGES).map(|age| self.aged(age)).collect::<Vec<_>>() {
            if path.exists() && (self.may_go)(&path) {
                fs::remove_file(path).expect("a log can be deleted");
            }
        }
    }

    /// Deletes the log and whatever it was rotated to; it goes on as a new file.
    pub(crate) fn vanish(&mut self) {
        let aged = (1..).map(|age| self.aged(age)).take_while(|path| path.exists());
        for path in aged.chain([self.path.clone()]) {
            fs::remove_file(path).expect("a log can be deleted");
        }
    }

    /// The application opens its log again.
    pub(crate) fn reopen(&mut self) {
        self.file = open(&self.path);
    }

    fn aged(&self, age: u32) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(format!(".{age}"));
        path.into()
    }

    fn keep_writing(&mut self, plan: &Plan, written: &AtomicU64, stopped: &Receiver<()>) {
        let started = clock::now();
        while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            let elapsed_ms = u64::try_from(started.elapsed().as_millis()).expect("tests are short");
            let due = elapsed_ms * plan.lines_per_second / 1000;
            self.write(due.saturating_sub(self.next));
            written.store(self.next, Ordering::Release);
        }
    }
}

fn open(path: &Path) -> File {
    OpenOptions::new().append(true).create(true).open(path).expect("a log can be opened")
}

fn name_of(path: &Path) -> String {
    path.file_name().expect("a log has a name").to_string_lossy().into_owned()
}

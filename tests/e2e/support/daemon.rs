//! The program under test, as a process: what it says, how it ends, what it takes.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::Signal;

use super::children::{Power, end, guarded, signal, spawn};
use super::wait::{GENEROUS, wait_for};

const BINARY: &str = env!("CARGO_BIN_EXE_tailspool");

pub(crate) struct Daemon {
    child: Child,
    out: Ear,
    err: Ear,
}

/// How a process ended, and what it had said.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Finished {
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    #[track_caller]
    pub(crate) fn assert_code(&self, code: i32) {
        assert_eq!(
            self.code(),
            Some(code),
            "{}\nstdout:\n{}\nstderr:\n{}",
            self.status,
            self.out,
            self.err
        );
    }
}

impl Daemon {
    pub(crate) fn start<S: AsRef<str>>(arguments: &[S]) -> Self {
        Self::start_with(Power::AsWeAre, arguments)
    }

    pub(crate) fn start_with<S: AsRef<str>>(power: Power, arguments: &[S]) -> Self {
        let mut command = guarded(BINARY, power);
        command.args(arguments.iter().map(AsRef::as_ref));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawn(command);
        let out = Ear::at(child.stdout.take().expect("piped"));
        let err = Ear::at(child.stderr.take().expect("piped"));
        Self { child, out, err }
    }

    /// All lines so far, standard error last.
    pub(crate) fn said(&self) -> Vec<String> {
        let mut lines = self.out.lines();
        lines.extend(self.err.lines());
        lines
    }

    /// The first line that fits.
    pub(crate) fn hears(&mut self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        wait_for(what, GENEROUS, || {
            let found = self.said().into_iter().find(|line| fits(line));
            assert!(found.is_some() || self.runs(), "it ended and never said: {what}");
            found
        })
    }

    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked").is_none()
    }

    pub(crate) fn kill(mut self) {
        end(&mut self.child);
    }

    pub(crate) fn terminate(&self) {
        signal(&self.child, Signal::TERM);
    }

    /// SIGTERM, and the end.
    pub(crate) fn stop(self) -> Finished {
        self.terminate();
        self.finish(Duration::from_secs(30))
    }

    pub(crate) fn finish(mut self, limit: Duration) -> Finished {
        let status = wait_for("the end of tailspool", limit, || {
            self.child.try_wait().expect("a child can be asked")
        });
        Finished { status, out: self.out.until_closed(), err: self.err.until_closed() }
    }

    /// Peak resident memory.
    pub(crate) fn peak_bytes(&self) -> u64 {
        self.status("VmHWM:") * 1024
    }

    pub(crate) fn resident_bytes(&self) -> u64 {
        self.status("VmRSS:") * 1024
    }

    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("it runs").count()
    }

    fn status(&self, key: &str) -> u64 {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line =
            status.lines().find_map(|line| line.strip_prefix(key)).expect("a live process has it");
        line.trim().trim_end_matches(" kB").parse().expect("a number of kB")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.runs() {
            end(&mut self.child);
        }
        if thread::panicking() {
            let said = self.said();
            let recent = &said[said.len().saturating_sub(60)..];
            eprintln!("tailspool {} said:\n{}", self.child.id(), recent.join("\n"));
        }
    }
}

/// Listens to one pipe, so that it never fills.
struct Ear {
    lines: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Ear {
    fn at(pipe: impl Read + Send + 'static) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&lines);
        let thread = thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                let text = String::from_utf8_lossy(&line).into_owned();
                into.lock().expect("nobody panics with it").push(text);
            }
        });
        Self { lines, thread: Some(thread) }
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("nobody panics with it").clone()
    }

    fn until_closed(&mut self) -> String {
        if let Some(thread) = self.thread.take() {
            thread.join().expect("listening does not panic");
        }
        self.lines().join("\n")
    }
}

//! The program under test, as a process: what it says, how it ends, what it takes.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::Signal;

use super::children::{Power, end, guarded, signal, spawn};
use super::wait::{GENEROUS, wait_for};

/// What cargo has just built, or the program that `TAILSPOOL_BIN` names: an installed one, say.
pub(crate) fn binary() -> OsString {
    std::env::var_os("TAILSPOOL_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_tailspool").into())
}

pub(crate) struct Daemon {
    child: Child,
    ears: Ears,
    listening: Vec<JoinHandle<()>>,
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
        let mut command = guarded(binary(), power);
        command.args(arguments.iter().map(AsRef::as_ref));
        Self::of(command, Stdio::null())
    }

    /// With `input` as its standard input.
    pub(crate) fn start_fed<S: AsRef<str>>(input: impl Into<Stdio>, arguments: &[S]) -> Self {
        let mut command = guarded(binary(), Power::AsWeAre);
        command.args(arguments.iter().map(AsRef::as_ref));
        Self::of(command, input.into())
    }

    /// Started by a program that limits it: `prlimit`, say, with its arguments.
    pub(crate) fn start_under<S: AsRef<str>>(wrapper: &[&str], arguments: &[S]) -> Self {
        let (program, rest) = wrapper.split_first().expect("a program");
        let mut command = guarded(program, Power::AsWeAre);
        command.args(rest).arg(binary()).args(arguments.iter().map(AsRef::as_ref));
        Self::of(command, Stdio::null())
    }

    fn of(mut command: Command, input: Stdio) -> Self {
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawn(command);
        let ears = Ears::default();
        let out = ears.listen(Pipe::Out, child.stdout.take().expect("piped"));
        let err = ears.listen(Pipe::Err, child.stderr.take().expect("piped"));
        Self { child, ears, listening: vec![out, err] }
    }

    /// All lines so far, of both pipes.
    pub(crate) fn said(&self) -> Vec<String> {
        self.ears.heard().iter().map(|(_, line)| line.clone()).collect()
    }

    /// The first line that fits.
    pub(crate) fn hears(&mut self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        self.hears_after(0, what, fits)
    }

    /// The first line that fits, those that were said earlier left out.
    pub(crate) fn hears_after(
        &mut self,
        earlier: usize,
        what: &str,
        fits: impl Fn(&str) -> bool,
    ) -> String {
        wait_for(what, GENEROUS, || {
            let found = self.said().into_iter().skip(earlier).find(|line| fits(line));
            assert!(found.is_some() || self.runs(), "it ended and never said: {what}");
            found
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
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

    /// It does not run until [`Daemon::resume`], while others go on.
    pub(crate) fn pause(&self) {
        signal(&self.child, Signal::STOP);
    }

    pub(crate) fn resume(&self) {
        signal(&self.child, Signal::CONT);
    }

    /// SIGHUP: read the configuration again.
    pub(crate) fn hang_up(&self) {
        signal(&self.child, Signal::HUP);
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
        for listening in self.listening.drain(..) {
            listening.join().expect("listening does not panic");
        }
        Finished { status, out: self.ears.of(Pipe::Out), err: self.ears.of(Pipe::Err) }
    }

    /// Peak resident memory.
    pub(crate) fn peak_bytes(&self) -> u64 {
        self.status("VmHWM:") * 1024
    }

    pub(crate) fn resident_bytes(&self) -> u64 {
        self.status("VmRSS:") * 1024
    }

    /// What it has read of files and all else.
    pub(crate) fn read_bytes(&self) -> u64 {
        let counts = fs::read_to_string(format!("/proc/{}/io", self.id()));
        let counts = counts.expect("it runs");
        let read = counts.lines().find_map(|line| line.strip_prefix("rchar: "));
        read.and_then(|read| read.parse().ok()).expect("what was read is counted")
    }

    /// Whether it has this file open.
    pub(crate) fn holds(&self, path: &Path) -> bool {
        let Ok(sought) = fs::metadata(path) else { return false };
        let open = fs::read_dir(format!("/proc/{}/fd", self.id())).expect("it runs");
        let mut open = open.flatten().filter_map(|entry| fs::metadata(entry.path()).ok());
        open.any(|meta| (meta.dev(), meta.ino()) == (sought.dev(), sought.ino()))
    }

    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.id())).expect("it runs").count()
    }

    fn status(&self, key: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("it runs");
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
            eprintln!("tailspool {} said:\n{}", self.id(), recent.join("\n"));
        }
    }
}

/// Listens to both pipes, so that neither fills; keeps what comes in the order it comes.
#[derive(Clone, Default)]
struct Ears(Arc<Mutex<Vec<(Pipe, String)>>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pipe {
    Out,
    Err,
}

impl Ears {
    fn listen(&self, pipe: Pipe, bytes: impl Read + Send + 'static) -> JoinHandle<()> {
        let ears = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(bytes).split(b'\n').map_while(Result::ok) {
                ears.heard().push((pipe, String::from_utf8_lossy(&line).into_owned()));
            }
        })
    }

    fn heard(&self) -> MutexGuard<'_, Vec<(Pipe, String)>> {
        self.0.lock().expect("nobody panics with it")
    }

    fn of(&self, pipe: Pipe) -> String {
        let heard = self.heard();
        let lines = heard.iter().filter(|(from, _)| *from == pipe).map(|(_, line)| line.as_str());
        lines.collect::<Vec<_>>().join("\n")
    }
}

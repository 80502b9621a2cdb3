//! The daemon, as a process of its own that can be killed.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Error;
use super::stage::Stage;
use super::writer::FileId;
use crate::clock;

/// How a daemon asked to stop is waited for: its grace, and something for a slow machine.
const STOPS_WITHIN: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Of its log, in an error.
const LAST_WORDS_MAX: usize = 600;

/// Until when a daemon runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    Stopped,
    /// All there is has been shipped.
    Shipped,
}

/// A running daemon; killed when dropped.
pub(super) struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    pub(super) fn start(stage: &Stage, until: Until) -> Result<Self, Error> {
        let log = stage.daemon_log();
        let start = || {
            let stderr = OpenOptions::new().append(true).create(true).open(&log)?;
            let mut command = Command::new(std::env::current_exe()?);
            command.arg("demo-daemon").arg("--config").arg(stage.config());
            if until == Until::Shipped {
                command.arg("--once");
            }
            // Ctrl-C on the terminal is for us to act on.
            command.process_group(0);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn()
        };
        Ok(Self { child: start().map_err(Error::Spawn)?, log })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// With `kill -9`.
    pub(super) fn kill(mut self) -> Result<(), Error> {
        self.child.kill().map_err(Error::Spawn)?;
        self.child.wait().map_err(Error::Spawn)?;
        Ok(())
    }

    /// Asks it to stop; an error unless it then says that nothing is left to be shipped.
    pub(super) fn stop(mut self) -> Result<(), Error> {
        if let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM).map_err(|error| Error::Spawn(error.into()))?;
        }
        let asked: Instant = clock::now();
        while asked.elapsed() < STOPS_WITHIN {
            if self.has_finished()? {
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Err(Error::Hangs { log: self.log.clone() })
    }

    /// Whether it has exited, having done all; an error if it has exited otherwise.
    pub(super) fn has_finished(&mut self) -> Result<bool, Error> {
        match self.child.try_wait().map_err(Error::Spawn)? {
            None => Ok(false),
            Some(status) if status.success() => Ok(true),
            Some(status) => Err(Error::Died { how: how(status), last: self.last_words() }),
        }
    }

    /// An error if it is not running any more.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        if self.has_finished()? {
            return Err(Error::Died { how: "0".to_owned(), last: self.last_words() });
        }
        Ok(())
    }

    /// Whether it has this file open, as far as the system tells.
    pub(super) fn holds(&self, id: FileId) -> bool {
        let Ok(links) = fs::read_dir(format!("/proc/{}/fd", self.pid())) else { return false };
        let is_it = |link: io::Result<fs::DirEntry>| {
            let meta = link.and_then(|link| fs::metadata(link.path()));
            meta.is_ok_and(|meta| FileId::of(&meta) == id)
        };
        links.into_iter().any(is_it)
    }

    fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let last = text.char_indices().rev().take(LAST_WORDS_MAX).last();
        text.get(last.map_or(0, |(at, _)| at)..).unwrap_or_default().trim_end().to_owned()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have exited already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => code.to_string(),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown status".to_owned(),
    }
}

//! `tailspool demo`: the whole story in one command. A Kafka in this process, a daemon in another
//! that is killed and started again, and a consumer that checks every line.

mod child;
mod display;
mod findings;
mod followed;
mod given;
mod life;
mod line;
mod numbered;
mod replay;
mod script;
mod show;
mod stage;
mod summary;
mod witness;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Signal, set_parent_process_death_signal};
use thiserror::Error;

use super::exit::{Exit, Failure};
use super::interrupt::Interrupt;
use super::{DemoArgs, RunArgs};
use crate::produce::{CreateError, EmbeddedError, TapError};
use given::Given;
use stage::{LINE_MAX, Stage};

/// When nothing has arrived for this long, nothing will.
const PATIENCE: Duration = Duration::from_secs(30);

/// The demo could not come to a verdict.
#[derive(Debug, Error)]
pub(in crate::cli) enum Error {
    #[error("cannot read {}: {error}", path.display())]
    Given { path: PathBuf, error: io::Error },
    #[error("cannot ship {}: a configuration names files in UTF-8", .0.display())]
    Name(PathBuf),
    #[error("cannot make a temporary directory: {0}")]
    TempDir(io::Error),
    #[error("cannot use {}: {error}", dir.display())]
    Stage { dir: PathBuf, error: io::Error },
    #[error("cannot {0}")]
    Kafka(#[from] CreateError),
    #[error("cannot {0}")]
    Embedded(#[from] EmbeddedError),
    #[error("cannot {0}")]
    Tap(#[from] TapError),
    #[error("cannot run the daemon: {0}")]
    Spawn(io::Error),
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    #[error("the daemon exited with {how}; its log ends:\n{last}")]
    Died { how: String, last: String },
    #[error("the daemon does not stop; its log is {}", log.display())]
    Hangs { log: PathBuf },
    #[error("interrupted before all was shipped")]
    Interrupted,
    #[error("cannot write what happened: {0}")]
    Output(#[from] io::Error),
}

impl Error {
    pub(in crate::cli) fn exit(&self) -> Exit {
        match self {
            Self::Name(_) => Exit::Configuration,
            Self::Interrupted => Exit::Unsent,
            Self::Died { .. } | Self::Hangs { .. } => Exit::Bug,
            Self::Given { .. }
            | Self::TempDir(_)
            | Self::Stage { .. }
            | Self::Kafka(_)
            | Self::Embedded(_)
            | Self::Tap(_)
            | Self::Spawn(_)
            | Self::Thread(_)
            | Self::Output(_) => Exit::Io,
        }
    }

    /// Whether what is left behind may tell why.
    fn leaves_traces(&self) -> bool {
        matches!(self, Self::Tap(_) | Self::Died { .. } | Self::Hangs { .. })
    }
}

pub(super) fn demo(args: &DemoArgs) -> Result<Exit, Failure> {
    let given = args.paths.iter().map(|path| given(path)).collect::<Result<Vec<_>, _>>()?;
    let interrupt = Interrupt::listen().map_err(Error::Thread)?;
    let mut stage = Stage::new()?;
    let verdict = if given.is_empty() {
        show::play(&stage, &interrupt, args.lines)
    } else {
        replay::play(&stage, &interrupt, given)
    };
    let is_bad = match &verdict {
        Ok(exit) => *exit != Exit::Done,
        Err(error) => error.leaves_traces(),
    };
    if is_bad {
        stage.keep();
        let told =
            format!("tailspool: what happened can be looked into: {}", stage.dir().display());
        // The verdict matters more than where it comes from.
        drop(io::Write::write_all(&mut io::stderr(), format!("{told}\n").as_bytes()));
    }
    Ok(verdict?)
}

fn given(path: &Path) -> Result<Given, Error> {
    Given::read(path, LINE_MAX).map_err(|error| Error::Given { path: path.to_owned(), error })
}

/// The daemon that a demo runs: ends with it, however that ends.
pub(super) fn daemon(args: &RunArgs) -> Result<Exit, Failure> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| Error::Spawn(error.into()))?;
    super::run::run(args)
}

fn check(interrupt: &Interrupt) -> Result<(), Error> {
    if interrupt.is_asked() { Err(Error::Interrupted) } else { Ok(()) }
}

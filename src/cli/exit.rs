//! Exit codes, after sysexits, and the failures that lead to them.

use std::io;
use std::process::ExitCode;

use thiserror::Error;

use super::{demo, send};
use crate::checkpoint::OpenError;
use crate::config::LoadError;
use crate::daemon::StartError;
use crate::dead_letter;
use crate::produce::CreateError;
use crate::spool;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    /// What was asked for was found to be bad.
    Verdict = 1,
    Usage = 64,
    Configuration = 65,
    Unreachable = 69,
    Bug = 70,
    State = 73,
    Io = 74,
    Unsent = 75,
    NewerState = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command could not do what it was asked.
#[derive(Debug, Error)]
pub(super) enum Failure {
    #[error("{0}")]
    Configuration(#[from] LoadError),
    #[error("{}", chain(.0))]
    Start(#[from] StartError),
    #[error("cannot {}", chain(.0))]
    DeadLetters(#[from] dead_letter::ReadError),
    #[error("cannot {}", chain(.0))]
    Spool(#[from] spool::OpenError),
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Client(CreateError),
    #[error("cannot {0}")]
    Undelivered(#[from] send::KeepError),
    #[error("cannot {0}")]
    Input(#[from] send::ReadError),
    #[error("cannot write the answer: {0}")]
    Output(#[from] io::Error),
    #[error("cannot start: {0}")]
    Runtime(io::Error),
    #[error("{}", chain(.0))]
    Demo(#[from] demo::Error),
}

impl Failure {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Demo(error) => error.exit(),
            Self::Usage(_) => Exit::Usage,
            Self::Configuration(_)
            | Self::Client(_)
            | Self::Start(StartError::Kafka(CreateError::Client(_))) => Exit::Configuration,
            Self::Start(
                StartError::Checkpoints(OpenError::Newer { .. })
                | StartError::Spool(spool::OpenError::Newer { .. }),
            ) => Exit::NewerState,
            Self::Start(
                StartError::State(_)
                | StartError::Checkpoints(_)
                | StartError::Save(_)
                | StartError::Spool(_),
            ) => Exit::State,
            Self::Start(StartError::Kafka(_) | StartError::Reader(_) | StartError::Thread(_))
            | Self::DeadLetters(_)
            | Self::Spool(_)
            | Self::Undelivered(_)
            | Self::Input(_)
            | Self::Output(_)
            | Self::Runtime(_) => Exit::Io,
        }
    }
}

/// An error with everything that caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.ends_with(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        cause = error.source();
    }
    text
}

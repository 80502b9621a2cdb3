//! The daemon's life over its deaths: started, killed, started again.

use std::time::{Duration, Instant};

use super::Error;
use super::child::{Daemon, Until};
use super::stage::Stage;
use super::witness::{Judge, Witness};
use crate::clock;

/// How long it stays dead, so that a person notices and a log grows.
const DEAD_FOR: Duration = Duration::from_millis(700);

pub(super) struct Life {
    until: Until,
    state: State,
    pub(super) kills: u64,
}

enum State {
    Up(Daemon),
    Dead {
        since: Instant,
        question: Option<u64>,
    },
    /// It has exited, having done all.
    Over,
}

impl Life {
    pub(super) fn begin(stage: &Stage, until: Until) -> Result<Self, Error> {
        Ok(Self { until, state: State::Up(Daemon::start(stage, until)?), kills: 0 })
    }

    pub(super) fn daemon(&self) -> Option<&Daemon> {
        match &self.state {
            State::Up(daemon) => Some(daemon),
            State::Dead { .. } | State::Over => None,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Looks after a running daemon; an error if it has exited and should not have.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        let State::Up(daemon) = &mut self.state else { return Ok(()) };
        match self.until {
            Until::Stopped => daemon.check(),
            Until::Shipped => {
                if daemon.has_finished()? {
                    self.state = State::Over;
                }
                Ok(())
            }
        }
    }

    /// Kills a running daemon with `kill -9`.
    pub(super) fn kill(&mut self) -> Result<(), Error> {
        let dead = State::Dead { since: clock::now(), question: None };
        if let State::Up(daemon) = std::mem::replace(&mut self.state, dead) {
            daemon.kill()?;
            self.kills += 1;
        }
        Ok(())
    }

    /// Starts a killed one again, once it has been dead for a while and all that it had sent has
    /// been judged; true if that is now.
    pub(super) fn revive<J: Judge>(
        &mut self,
        stage: &Stage,
        witness: &Witness<J>,
    ) -> Result<bool, Error> {
        let State::Dead { since, question } = &mut self.state else { return Ok(false) };
        let since = *since;
        if since.elapsed() < DEAD_FOR {
            return Ok(false);
        }
        let question = *question.get_or_insert_with(|| witness.ask());
        if !witness.has_read(question) {
            return Ok(false);
        }
        witness.judge().restarted(since.elapsed());
        self.state = State::Up(Daemon::start(stage, self.until)?);
        Ok(true)
    }

    /// Ends it in good order.
    pub(super) fn stop(&mut self) -> Result<(), Error> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Up(daemon) => daemon.stop(),
            State::Dead { .. } | State::Over => Ok(()),
        }
    }
}

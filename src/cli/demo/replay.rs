//! The show with given files: shipped as they are, by a daemon that is killed on the way.

use std::thread;
use std::time::{Duration, Instant};

use super::super::interrupt::Interrupt;
use super::child::Until;
use super::display::{Act, Display, Numbers, Tone, count};
use super::followed::Followed;
use super::given::Given;
use super::life::Life;
use super::stage::Stage;
use super::summary;
use super::witness::{Judge as _, Witness};
use super::{Error, Exit};
use crate::clock;
use crate::produce::{CreateError, Embedded, Tap};

/// Often, so that a daemon is killed before it has shipped a small file.
const TICK: Duration = Duration::from_millis(2);
/// What an answer to the daemon takes. With the batches of the configuration this is about 6 MB
/// a second, of which the embedded Kafka holds at least half a second for the consumer.
const ANSWER_TAKES: Duration = Duration::from_millis(20);
/// The daemon is killed when this part of all lines has arrived, in percent.
const KILLED_AT: [u64; 2] = [20, 60];

struct Replay<'a> {
    stage: &'a Stage,
    interrupt: &'a Interrupt,
    // In the order in which they have to end.
    display: Display,
    life: Life,
    witness: Witness<Followed>,
    _kafka: Embedded,
    total: u64,
    kills_due: Vec<u64>,
    /// Records so far, and when the last of them came.
    taken: u64,
    taken_at: Instant,
}

pub(super) fn play(stage: &Stage, interrupt: &Interrupt, given: Vec<Given>) -> Result<Exit, Error> {
    let mut replay = Replay::open(stage, interrupt, given)?;
    while !replay.life.is_over() && replay.taken_at.elapsed() <= super::PATIENCE {
        replay.step()?;
        thread::sleep(TICK);
    }
    replay.close()
}

impl<'a> Replay<'a> {
    fn open(
        stage: &'a Stage,
        interrupt: &'a Interrupt,
        mut given: Vec<Given>,
    ) -> Result<Self, Error> {
        // Twice the same file would be once the same file.
        given.sort_by(|a, b| a.path.cmp(&b.path));
        given.dedup_by(|a, b| a.path == b.path);
        let total = given.iter().map(|given| given.hashes.len() as u64).sum();
        let what = given.len() as u64;
        let named = (1..).zip(given).map(|(number, given)| (format!("demo-{number}"), given));
        let files: Vec<_> = named.collect();
        let topics: Vec<_> = files.iter().map(|(topic, _)| topic.clone()).collect();
        let kafka = Embedded::start().map_err(CreateError::from)?;
        for topic in &topics {
            kafka.create_topic(topic, 1)?;
        }
        kafka.pace(&topics, ANSWER_TAKES)?;
        let servers = kafka.bootstrap_servers();
        stage.configure_given(&servers, &files)?;
        let tap = Tap::open(&servers, &topics)?;
        let witness = Witness::start(tap, Followed::new(files)).map_err(Error::Thread)?;
        let replay = Self {
            stage,
            interrupt,
            display: Display::new(&Numbers { total, ..Numbers::default() }),
            life: Life::begin(stage, Until::Shipped)?,
            witness,
            _kafka: kafka,
            total,
            kills_due: KILLED_AT.iter().rev().map(|part| (total * part / 100).max(1)).collect(),
            taken: 0,
            taken_at: clock::now(),
        };
        let (lines, files) = (count(total, "line"), count(what, "file"));
        replay.display.line(&format!(
            "{lines} of {files}, a daemon that ships them, and a consumer that checks every one\n"
        ))?;
        replay.say(Tone::Good, '●', "kafka", format!("3 brokers in this process: {servers}"))?;
        replay.say_started("started")?;
        Ok(replay)
    }

    fn step(&mut self) -> Result<(), Error> {
        super::check(self.interrupt)?;
        self.witness.check()?;
        self.life.check()?;
        let (arrived, repeated) = {
            let judge = self.witness.judge();
            (judge.arrived(), judge.repeated())
        };
        if arrived + repeated != self.taken {
            (self.taken, self.taken_at) = (arrived + repeated, clock::now());
        }
        if self.kills_due.last().is_some_and(|due| *due <= arrived) && self.life.daemon().is_some()
        {
            self.kills_due.pop();
            self.life.kill()?;
            let what = format!("killed (kill -9) when {} had arrived", count(arrived, "line"));
            self.say(Tone::Bad, '✗', "daemon", what)?;
        }
        if self.life.revive(self.stage, &self.witness)? {
            self.say_started("started again")?;
        }
        let numbers = Numbers { total: self.total, arrived, repeated, ..Numbers::default() };
        self.display.tick(|| numbers)?;
        Ok(())
    }

    fn say(&self, tone: Tone, sign: char, who: &str, what: String) -> Result<(), Error> {
        Ok(self.display.act(&Act { tone, sign, who: who.to_owned(), what })?)
    }

    fn say_started(&self, how: &str) -> Result<(), Error> {
        let pid = self.life.daemon().map_or(0, super::child::Daemon::pid);
        self.say(Tone::Good, '▶', "daemon", format!("{how}, process {pid}"))
    }

    fn close(mut self) -> Result<Exit, Error> {
        let what = if self.life.is_over() { "has shipped all it found" } else { "is stuck" };
        self.say(Tone::Plain, '■', "daemon", what.to_owned())?;
        let question = self.witness.ask();
        while !self.witness.has_read(question) {
            super::check(self.interrupt)?;
            self.witness.check()?;
            thread::sleep(TICK);
        }
        let kills = self.life.kills;
        let findings = self.witness.findings()?;
        summary::tell(&mut self.display, &findings, Vec::new(), kills)?;
        Ok(if findings.are_good() { Exit::Done } else { Exit::Verdict })
    }
}

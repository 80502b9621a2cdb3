//! The show with logs of our own: written, rotated and deleted here, shipped by a daemon that is
//! killed now and then.

use std::thread;
use std::time::{Duration, Instant};

use super::super::interrupt::Interrupt;
use super::child::Until;
use super::display::{Act, Display, Numbers, Tone, count};
use super::life::Life;
use super::line::Kind;
use super::numbered::Numbered;
use super::script::{Script, Step};
use super::stage::Stage;
use super::summary::{self, Column};
use super::witness::{Judge as _, Witness};
use super::writer::Writer;
use super::{Error, Exit};
use crate::clock;
use crate::produce::{CreateError, Embedded, Tap};

const TOPIC: &str = "demo";
const PARTITIONS: i32 = 4;
const TICK: Duration = Duration::from_millis(20);
/// Lines that may be on their way: the embedded Kafka keeps 100,000 records a partition, and all
/// logs may share one.
const BACKLOG_MAX: u64 = 60_000;
/// How often the spool is looked into.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Rotated files that a log keeps.
const KEPT: usize = 2;

struct Show<'a> {
    stage: &'a Stage,
    interrupt: &'a Interrupt,
    // In the order in which they have to end.
    display: Display,
    life: Life,
    witness: Witness<Numbered>,
    kafka: Embedded,
    writer: Writer,
    script: Script,
    began: Instant,
    /// Deleted files, by log and the lines before their ends: only the running daemon still has
    /// them, so it must live until it has shipped them.
    doomed: Vec<(usize, u64)>,
    total: u64,
    arrived: u64,
    arrived_at: Instant,
    spooled: u64,
    looked_at: Instant,
}

pub(super) fn play(stage: &Stage, interrupt: &Interrupt, lines: u64) -> Result<Exit, Error> {
    let mut show = Show::open(stage, interrupt, lines)?;
    while !show.is_over() {
        show.step()?;
        thread::sleep(TICK);
    }
    show.close()
}

impl<'a> Show<'a> {
    fn open(stage: &'a Stage, interrupt: &'a Interrupt, lines: u64) -> Result<Self, Error> {
        let kafka = Embedded::start().map_err(CreateError::from)?;
        kafka.create_topic(TOPIC, PARTITIONS)?;
        let servers = kafka.bootstrap_servers();
        stage.configure(&servers, TOPIC)?;
        let writer = Writer::new(&stage.logs(), lines).map_err(|error| stage.error(error))?;
        let tap = Tap::open(&servers, &[TOPIC.to_owned()])?;
        let judge = Numbered::new(Kind::ALL.map(Kind::name));
        let witness = Witness::start(tap, judge).map_err(Error::Thread)?;
        let numbers = Numbers { total: lines, written: Some(0), ..Numbers::default() };
        let show = Self {
            stage,
            interrupt,
            display: Display::new(&numbers),
            life: Life::begin(stage, Until::Stopped)?,
            witness,
            kafka,
            writer,
            script: Script::new(lines),
            began: clock::now(),
            doomed: Vec::new(),
            total: lines,
            arrived: 0,
            arrived_at: clock::now(),
            spooled: 0,
            looked_at: clock::now(),
        };
        show.display.line(&format!(
            "{} into 4 logs, a daemon that ships them, and a consumer that checks every one\n",
            count(lines, "line")
        ))?;
        show.say(Tone::Good, '●', "kafka", format!("3 brokers in this process: {servers}"))?;
        show.say_started("started")?;
        Ok(show)
    }

    fn step(&mut self) -> Result<(), Error> {
        super::check(self.interrupt)?;
        self.witness.check()?;
        self.life.check()?;
        self.write()?;
        self.rotate_grown()?;
        self.retire_old()?;
        if self.life.revive(self.stage, &self.witness)? {
            self.say_started("started again")?;
        }
        self.release()?;
        if let Some(step) = self.script.next(self.began.elapsed())
            && self.take(step)?
        {
            self.script.taken();
        }
        self.look()
    }

    /// Notes what has arrived, and shows it.
    fn look(&mut self) -> Result<(), Error> {
        let (arrived, repeated) = {
            let judge = self.witness.judge();
            (judge.arrived(), judge.repeated())
        };
        if arrived > self.arrived || self.life.daemon().is_none() {
            self.arrived_at = clock::now();
        }
        self.arrived = arrived;
        let (total, written) = (self.total, Some(self.writer.written));
        if self.looked_at.elapsed() >= LOOK_EVERY {
            self.look_into_spool()?;
        }
        let spooled = self.spooled;
        self.display.tick(|| Numbers { total, written, arrived, repeated, spooled })?;
        Ok(())
    }

    /// Says when lines begin to wait in the spool, and when none does any more.
    fn look_into_spool(&mut self) -> Result<(), Error> {
        self.looked_at = clock::now();
        let before = std::mem::replace(&mut self.spooled, self.stage.spooled());
        match (before, self.spooled) {
            (0, 1..) => {
                self.say(Tone::Change, '◆', "spool", "lines wait on disk from now on".to_owned())
            }
            (1.., 0) => self.say(Tone::Good, '◇', "spool", "empty again".to_owned()),
            _ => Ok(()),
        }
    }

    fn is_over(&self) -> bool {
        let is_told = self.writer.is_done() && self.script.is_over();
        is_told && self.life.daemon().is_some() && (self.is_complete() || self.is_hopeless())
    }

    fn is_complete(&self) -> bool {
        self.witness.judge().is_complete()
    }

    fn is_hopeless(&self) -> bool {
        self.arrived_at.elapsed() > super::PATIENCE
    }

    fn write(&mut self) -> Result<(), Error> {
        let due = self.script.due(self.total, self.began.elapsed());
        let due = due.min(self.arrived + BACKLOG_MAX);
        {
            let mut judge = self.witness.judge();
            self.writer.compose(due, |log, hash| judge.expect(log, hash));
        }
        self.writer.flush().map_err(|error| self.stage.error(error))
    }

    fn rotate_grown(&mut self) -> Result<(), Error> {
        self.writer.to_rotate().into_iter().try_for_each(|log| self.rotate(log))
    }

    fn rotate(&mut self, log: usize) -> Result<(), Error> {
        let dead = self.life.daemon().is_none();
        let Some(log) = self.writer.logs.get_mut(log) else { return Ok(()) };
        log.rotate().map_err(|error| self.stage.error(error))?;
        let name = log.kind.name();
        let while_dead = if dead { ", while nobody is reading" } else { "" };
        let what = format!("rotated to {name}.1 after {}{while_dead}", count(log.lines, "line"));
        self.say(Tone::Plain, '↻', name, what)
    }

    /// Deletes what is more than a log keeps: what has been shipped, and what has not as long as
    /// the daemon holds it open.
    fn retire_old(&mut self) -> Result<(), Error> {
        for number in 0..self.writer.logs.len() {
            let Some(log) = self.writer.logs.get_mut(number) else { break };
            let Some(oldest) = log.rotated.len().checked_sub(1).filter(|at| *at >= KEPT) else {
                continue;
            };
            let Some(old) = log.rotated.get(oldest) else { continue };
            let until = old.until;
            if self.witness.judge().frontier(number) < until {
                if !self.life.daemon().is_some_and(|daemon| daemon.holds(old.id)) {
                    continue;
                }
                self.doomed.push((number, until));
            }
            log.delete(oldest).map_err(|error| self.stage.error(error))?;
        }
        Ok(())
    }

    /// Says of deleted files that all of them has arrived.
    fn release(&mut self) -> Result<(), Error> {
        let judge = self.witness.judge();
        let has_arrived = |(log, until): &mut (usize, u64)| judge.frontier(*log) >= *until;
        let arrived: Vec<_> = self.doomed.extract_if(.., has_arrived).collect();
        drop(judge);
        for (log, _) in arrived {
            let name = self.writer.logs.get(log).map_or("", |log| log.kind.name());
            self.say(Tone::Good, '✓', name, "all of the deleted file has arrived".to_owned())?;
        }
        Ok(())
    }

    /// Takes a step of the script; false if it has to wait.
    fn take(&mut self, step: Step) -> Result<bool, Error> {
        match step {
            Step::Kill => self.kill(),
            Step::Delete => self.delete_unread(),
            Step::CutOff => self.cut_off(),
            Step::Reconnect => self.reconnect(),
        }
    }

    fn kill(&mut self) -> Result<bool, Error> {
        // What is deleted lives on in the daemon alone.
        if !self.doomed.is_empty() || self.life.daemon().is_none() {
            return Ok(false);
        }
        self.life.kill()?;
        let on_the_way = self.writer.written.saturating_sub(self.witness.judge().arrived());
        let what = format!("killed (kill -9), {} on the way", count(on_the_way, "line"));
        self.say(Tone::Bad, '✗', "daemon", what)?;
        self.rotate(if self.life.kills == 1 { 2 } else { 0 })?;
        Ok(true)
    }

    /// Rotates the second log and deletes what was rotated at once.
    fn delete_unread(&mut self) -> Result<bool, Error> {
        const LOG: usize = 1;
        let Some(log) = self.writer.logs.get_mut(LOG) else { return Ok(true) };
        let live = log.id().map_err(|error| self.stage.error(error))?;
        if !self.life.daemon().is_some_and(|daemon| daemon.holds(live)) {
            return Ok(false);
        }
        log.rotate().and_then(|()| log.delete(0)).map_err(|error| self.stage.error(error))?;
        let (name, until) = (log.kind.name(), log.lines);
        self.doomed.push((LOG, until));
        let unread = until.saturating_sub(self.witness.judge().frontier(LOG));
        let what = format!("rotated and deleted at once, {} on the way", count(unread, "line"));
        self.say(Tone::Change, '✂', name, what)?;
        Ok(true)
    }

    fn cut_off(&mut self) -> Result<bool, Error> {
        if self.life.daemon().is_none() {
            return Ok(false);
        }
        self.kafka.cut_off()?;
        self.say(Tone::Bad, '✗', "kafka", "all brokers cut off".to_owned())?;
        Ok(true)
    }

    fn reconnect(&mut self) -> Result<bool, Error> {
        self.kafka.reconnect()?;
        self.arrived_at = clock::now();
        let waiting = self.writer.written.saturating_sub(self.arrived);
        let what = format!("brokers are back, {} are waiting", count(waiting, "line"));
        self.say(Tone::Good, '●', "kafka", what)?;
        Ok(true)
    }

    fn say(&self, tone: Tone, sign: char, who: &str, what: String) -> Result<(), Error> {
        Ok(self.display.act(&Act { tone, sign, who: who.to_owned(), what })?)
    }

    fn say_started(&self, how: &str) -> Result<(), Error> {
        let pid = self.life.daemon().map_or(0, super::child::Daemon::pid);
        self.say(Tone::Good, '▶', "daemon", format!("{how}, process {pid}"))
    }

    fn close(mut self) -> Result<Exit, Error> {
        let stopped = self.life.stop();
        self.look_into_spool()?;
        self.say(Tone::Plain, '■', "daemon", "stopped".to_owned())?;
        self.read_rest()?;
        if self.is_complete() {
            // Otherwise what is missing says more.
            stopped?;
        }
        let kills = self.life.kills;
        let findings = self.witness.findings()?;
        let logs = &self.writer.logs;
        let more = vec![
            Column { title: "rotated", numbers: logs.iter().map(|log| log.rotations).collect() },
            Column { title: "deleted", numbers: logs.iter().map(|log| log.deletions).collect() },
        ];
        summary::tell(&mut self.display, &findings, more, kills)?;
        Ok(if findings.are_good() { Exit::Done } else { Exit::Verdict })
    }

    /// Whatever else is there counts, too.
    fn read_rest(&mut self) -> Result<(), Error> {
        let question = self.witness.ask();
        while !self.witness.has_read(question) {
            super::check(self.interrupt)?;
            self.witness.check()?;
            thread::sleep(TICK);
        }
        let seconds = self.display.elapsed().as_secs_f32();
        self.say(Tone::Plain, '✓', "consumer", format!("read to the end after {seconds:.1} s"))
    }
}

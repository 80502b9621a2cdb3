//! The daemon's core in the middle of everything that can happen to it.

mod end;
mod out;
mod read;
mod spool;

use std::collections::{BTreeMap, VecDeque};

use tailspool::lane::Lane;
use tailspool::ledger::{Fate, Frontier, Ledgers, Settlement, Ticket};
use tailspool::record::{Mark, Offset, SourceId};

use crate::client::Client;
use crate::dice::Dice;
use crate::files::Files;
use crate::flight::Flight;
use crate::judge::{Flaw, Judge};
use crate::line::{
    GENERATIONS, LANES, LINES, LINES_PER_SOURCE, Line, SOURCES, lines_before, place_of, source_at,
};
use crate::mood::{Mood, Step};
use crate::spool::{Key, Spool};
use crate::variant::{Climate, Mistake};

/// Enough rounds with a healthy broker for anything that goes on at all.
const ROUNDS_MAX: u32 = 600;

/// The model stands for every room that can know a fate, so it may give any proof.
struct Proof(Ticket, Fate);

impl Settlement for Proof {
    fn into_parts(self) -> (Ticket, Fate) {
        (self.0, self.1)
    }
}

/// A lane and what the joint keeps beside it.
#[derive(Default)]
struct Way {
    lane: Lane,
    /// Up to here the spool's entries have been loaded.
    loaded: Option<Key>,
    /// Blocks that wait for room in the spool, behind all of it.
    held: VecDeque<Held>,
    /// Where the newest entry of each source ends that was staged since the lane was direct.
    staged_to: [Option<Offset>; GENERATIONS],
}

struct Held {
    lines: Vec<Line>,
    ticket: Ticket,
}

/// A record that is being written to the dead letters.
struct Letter {
    line: Line,
    duty: Duty,
}

/// What ends when a letter is written.
enum Duty {
    Ticket(Ticket),
    Entry(Key),
}

/// The two places in a source's checkpoint.
#[derive(Clone, Copy)]
struct Saved {
    /// Everything below it has a durable fate.
    accepted: Offset,
    /// The same without the spool.
    acknowledged: Offset,
}

#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) crashes: u64,
    pub(crate) stops: u64,
    pub(crate) producers: u64,
    pub(crate) vanished: u64,
    pub(crate) detours: u64,
    pub(crate) replayed: u64,
    pub(crate) held: u64,
    pub(crate) recognised: u64,
    pub(crate) buried: u64,
    pub(crate) spools_lost: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.crashes += other.crashes;
        self.stops += other.stops;
        self.producers += other.producers;
        self.vanished += other.vanished;
        self.detours += other.detours;
        self.replayed += other.replayed;
        self.held += other.held;
        self.recognised += other.recognised;
        self.buried += other.buried;
        self.spools_lost += other.spools_lost;
    }
}

pub(crate) struct World {
    climate: Climate,
    mistake: Option<Mistake>,
    dice: Dice,
    mood: Mood,
    /// Whether the walk is told as it goes.
    is_told: bool,
    pub(crate) counts: Counts,
    judge: Judge,
    // Outside the daemon.
    files: Files,
    is_broker_up: bool,
    poison: Vec<Line>,
    orphans: Vec<VecDeque<Vec<Line>>>,
    // On disk. The spool keeps apart what is durable.
    saved: [Saved; SOURCES],
    dead: Vec<Line>,
    spool: Spool,
    // In memory.
    /// The ways of both lanes; behind them those that only a mistake uses.
    ways: [Way; LANES * 2],
    flight: Flight,
    client: Client,
    ledgers: Ledgers,
    frontiers: BTreeMap<SourceId, Frontier>,
    letters: VecDeque<Letter>,
    /// What the spool vouched for when this run began.
    had: Vec<(SourceId, Offset, Offset)>,
}

impl World {
    pub(crate) fn new(
        seed: u64,
        climate: Climate,
        mistake: Option<Mistake>,
        is_told: bool,
    ) -> Self {
        let mut dice = Dice::new(seed);
        let mood = Mood::new(&mut dice, climate);
        let (poison, too_large) = (climate.poison(&mut dice), climate.too_large(&mut dice));
        let saved = Saved { accepted: Offset::START, acknowledged: Offset::START };
        let mut ledgers = Ledgers::default();
        for place in 0..SOURCES {
            ledgers.resume(source_at(place), Mark::START);
        }
        Self {
            climate,
            mistake,
            dice,
            mood,
            is_told,
            counts: Counts::default(),
            judge: Judge::new(),
            files: Files::new(),
            is_broker_up: true,
            poison,
            orphans: Vec::new(),
            saved: [saved; SOURCES],
            dead: Vec::new(),
            spool: Spool::default(),
            ways: Default::default(),
            flight: Flight::default(),
            client: Client::new(too_large),
            ledgers,
            frontiers: BTreeMap::new(),
            letters: VecDeque::new(),
            had: Vec::new(),
        }
    }

    pub(crate) fn step(&mut self) {
        let lane = self.dice.up_to(LANES - 1);
        match self.mood.next(&mut self.dice) {
            Step::Read => self.read(lane),
            Step::Transmit => self.transmit(),
            Step::BrokerWrites => self.broker_writes(),
            Step::BrokerAnswers => self.broker_answers(),
            Step::BrokerGivesBack => self.broker_gives_back(),
            Step::BrokerComesAndGoes => self.is_broker_up = !self.dice.once_in(2),
            Step::Hear => self.hear(),
            Step::Replay => self.replay(lane),
            Step::Stow => self.stow(lane),
            Step::Pump => self.pump_all(),
            Step::Flush => {
                let count = self.dice.up_to(self.spool.staged());
                self.flush(count);
            }
            Step::Save => self.save(),
            Step::WriteLetter => self.write_letter(),
            Step::Deadline => self.deadline(lane),
            Step::Vanish => self.vanish(lane),
            Step::Stop => self.stop(),
            Step::Purge => self.purge(),
            Step::Fail => self.fail(),
            Step::Crash => self.crash(),
        }
    }

    /// A healthy broker until nothing is left to do.
    pub(crate) fn settle_down(&mut self) {
        self.is_broker_up = true;
        for _ in 0..ROUNDS_MAX {
            if !self.has_work() {
                return;
            }
            for lane in 0..LANES {
                self.read(lane);
                self.replay(lane);
                self.stow(lane);
            }
            self.pump_all();
            self.transmit();
            self.broker_writes();
            self.broker_answers();
            while self.client.has_reports() {
                self.hear();
            }
            self.flush(self.spool.staged());
            self.write_letter();
            self.save();
        }
    }

    /// All that is wrong with the walk.
    pub(crate) fn flaws(&self) -> Vec<Flaw> {
        let is_poison = |line| self.poison.contains(&line) || self.client.too_large == Some(line);
        let is_missing = |line: Line| {
            let is_due = self.files.has(line.source()) || self.judge.is_owed(line);
            is_due && !self.judge.is_written(line) && !self.dead.contains(&line)
        };
        let has_files = |lane| Line::all().all(|l| l.lane() != lane || self.files.has(l.source()));
        let inverted = || (0..LANES).filter(|lane| self.judge.is_inverted(*lane));
        [
            (Flaw::Lost, Line::all().any(is_missing)),
            (Flaw::Early, self.judge.early),
            (Flaw::Stuck, self.has_work()),
            (Flaw::Inverted, inverted().next().is_some()),
            (Flaw::InvertedWithFiles, inverted().any(has_files)),
            (Flaw::Repeated, self.judge.has_repeats()),
            (Flaw::Inexcusable, self.judge.has_inexcusable()),
            (Flaw::InnocentDead, self.dead.iter().any(|line| !is_poison(*line))),
            (Flaw::BuriedTwice, self.judge.is_buried_twice()),
            (Flaw::Overwritten, self.spool.overwritten > 0),
        ]
        .into_iter()
        .filter_map(|(flaw, is_there)| is_there.then_some(flaw))
        .collect()
    }

    /// Whether there is something that is neither delivered nor buried nor saved.
    fn has_work(&self) -> bool {
        let is_behind = |place: usize| {
            let is_short = lines_before(self.saved[place].accepted) < LINES_PER_SOURCE;
            self.files.has(source_at(place)) && is_short
        };
        let is_unread = |lane| self.files.unfinished(lane).is_some();
        (0..SOURCES).any(is_behind)
            || (0..LANES).any(is_unread)
            || !self.spool.is_empty()
            || !self.flight.is_empty()
            || !self.letters.is_empty()
            || self.client.is_fatal()
    }

    fn tell(&self, event: impl FnOnce() -> String) {
        if self.is_told {
            println!("{}", event());
        }
    }

    fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn settle(&mut self, ticket: Ticket, fate: Fate) {
        if let Some(frontier) = self.ledgers.settle(Proof(ticket, fate)) {
            self.frontiers.insert(frontier.source(), frontier);
        }
    }

    /// Writes the checkpoints.
    fn save(&mut self) {
        for (source, frontier) in std::mem::take(&mut self.frontiers) {
            self.saved[place_of(source)].accepted = frontier.mark().offset;
        }
        for (place, saved) in self.saved.iter_mut().enumerate() {
            let oldest = self.spool.oldest(source_at(place));
            saved.acknowledged = oldest.map_or(saved.accepted, |at| at.min(saved.accepted));
        }
        let mut spooled = [false; LINES];
        self.spool.durable_lines().for_each(|line| spooled[line.0] = true);
        for line in Line::all() {
            let saved = self.saved[place_of(line.source())];
            let is_done = self.judge.is_written(line) || self.dead.contains(&line);
            if line.end() <= saved.accepted && !self.spools_lost_with(line) {
                self.judge.early |= !is_done && !spooled[line.0];
                self.judge.owe(line);
            }
            if line.end() <= saved.acknowledged {
                self.judge.early |= !is_done && !self.spools_lost_with(line);
            }
        }
    }

    /// Whether a line went with a lost spool, after its file.
    fn spools_lost_with(&self, line: Line) -> bool {
        self.counts.spools_lost > 0 && !self.files.has(line.source())
    }
}

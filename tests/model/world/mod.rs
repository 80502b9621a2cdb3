//! The daemon's core in the middle of everything that can happen to it.

mod end;
mod out;
mod read;
mod spool;

use std::collections::{BTreeMap, VecDeque};

use tailspool::lane::Lane;
use tailspool::ledger::{Fate, Frontier, Ledgers, Settlement, Ticket};
use tailspool::record::{Mark, Offset, SourceId};

use crate::client::{Client, PARTITIONS_MAX};
use crate::dice::Dice;
use crate::files::Files;
use crate::flight::Flight;
use crate::judge::{Flaw, Judge};
use crate::line::{
    GENERATIONS, LANES, LINES, LINES_PER_SOURCE, Line, SOURCES, lines_before, place_of, source_at,
};
use crate::mood::{Mood, Step};
use crate::spool::{Key, Rules, Spool};
use crate::texture::{Read, Texture};
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
    /// How many partitions it chooses from; 0: it has not asked yet.
    partitions: usize,
    /// Up to here the spool's entries have been loaded.
    loaded: Option<Key>,
    /// Something was staged that comes before that.
    is_missed: bool,
    /// A detour waits until the numbers of its files are saved.
    is_due: bool,
    /// Blocks that wait for room in the spool, behind all of it.
    held: VecDeque<Held>,
    /// The furthest place staged or recovered.
    reach: Option<(SourceId, Offset)>,
    /// What the next put of each source is chained to.
    chains: [Option<Offset>; GENERATIONS],
    /// Where what may still have to be replayed of each source begins.
    floors: [Option<Mark>; GENERATIONS],
}

struct Held {
    read: Read,
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
    accepted: Mark,
    /// The same without the spool.
    acknowledged: Mark,
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
    pub(crate) superseded: u64,
    pub(crate) ragged: u64,
    pub(crate) buried: u64,
    pub(crate) spools_lost: u64,
    pub(crate) moved: u64,
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
        self.superseded += other.superseded;
        self.ragged += other.ragged;
        self.buried += other.buried;
        self.spools_lost += other.spools_lost;
        self.moved += other.moved;
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
    texture: Texture,
    is_ragged: bool,
    is_broker_up: bool,
    poison: Vec<Line>,
    orphans: Vec<VecDeque<Vec<Line>>>,
    /// Of the topic.
    partitions: usize,
    // On disk. The spool keeps apart what is durable.
    saved: [Saved; SOURCES],
    /// Files whose numbers are saved.
    numbered: [bool; SOURCES],
    dead: Vec<Line>,
    spool: Spool,
    // In memory.
    /// The ways of both lanes; behind them those that only a mistake uses.
    ways: [Way; LANES * 2],
    flight: Flight,
    client: Client,
    ledgers: Ledgers,
    frontiers: BTreeMap<SourceId, Frontier>,
    /// Files that this run has found.
    seen: [bool; SOURCES],
    letters: VecDeque<Letter>,
    /// The restart at which a part of the spool was first found to be lost.
    damaged_at: Option<u64>,
    /// From where this run reads on what earlier runs left in the spool.
    resumed: [Option<Mark>; SOURCES],
    /// Of the first entry of this run, and of the next.
    first_seq: u64,
    seq: u64,
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
        let is_ragged = dice.once_in(2);
        let texture = if is_ragged { Texture::ragged(&mut dice) } else { Texture::plain() };
        let saved = Saved { accepted: Mark::START, acknowledged: Mark::START };
        let are_known = !dice.once_in(4);
        let mut ledgers = Ledgers::default();
        for place in 0..SOURCES {
            ledgers.resume(source_at(place), Mark::START);
        }
        let mut ways: [Way; LANES * 2] = Default::default();
        if climate == Climate::Spread {
            ways.iter_mut().for_each(|way| way.lane.give_up_order());
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
            texture,
            is_ragged,
            is_broker_up: true,
            poison,
            orphans: Vec::new(),
            partitions: if climate == Climate::Spread { PARTITIONS_MAX } else { 1 },
            saved: [saved; SOURCES],
            numbered: [are_known; SOURCES],
            dead: Vec::new(),
            spool: Spool::with(Rules {
                writes_entangled: mistake == Some(Mistake::EntangledTogether),
                writes_files: mistake == Some(Mistake::FilesTogether),
                replaces_blind: mistake == Some(Mistake::BlindReplaced),
            }),
            ways,
            flight: Flight::default(),
            client: Client::new(too_large),
            ledgers,
            frontiers: BTreeMap::new(),
            seen: [false; SOURCES],
            letters: VecDeque::new(),
            damaged_at: None,
            resumed: [None; SOURCES],
            first_seq: 0,
            seq: 0,
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
            Step::AddPartition => self.add_partition(),
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
            for _ in 0..self.partitions {
                self.transmit();
                self.broker_writes();
                self.broker_answers();
            }
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
        let mut records = self.texture.records();
        let has_files = |lane| Line::all().all(|l| l.lane() != lane || self.files.has(l.source()));
        // What is left of a damaged spool may be sent before what is read again: of what is
        // ragged, or when it comes to another restart before all of it is.
        let is_first = |damaged| !self.is_ragged && damaged == self.restarts();
        let keeps_order = self.damaged_at.is_none_or(is_first);
        let inverted = || (0..LANES).filter(|lane| self.judge.is_inverted(*lane));
        [
            (Flaw::Lost, records.any(is_missing)),
            (Flaw::Halved, self.files.has_halved),
            (Flaw::Early, self.judge.early),
            (Flaw::Stuck, self.has_work()),
            (Flaw::Inverted, inverted().next().is_some()),
            (Flaw::InvertedWithFiles, keeps_order && inverted().any(has_files)),
            (Flaw::Repeated, self.judge.has_repeats()),
            (Flaw::Inexcusable, self.judge.has_inexcusable()),
            (Flaw::InnocentDead, self.dead.iter().any(|line| !is_poison(*line))),
            (Flaw::BuriedTwice, self.judge.is_buried_twice()),
        ]
        .into_iter()
        .filter_map(|(flaw, is_there)| is_there.then_some(flaw))
        .collect()
    }

    /// Whether there is something that is neither delivered nor buried nor saved.
    fn has_work(&self) -> bool {
        let is_behind = |place: usize| {
            let is_short = lines_before(self.saved[place].accepted.offset) < LINES_PER_SOURCE;
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

    fn restarts(&self) -> u64 {
        self.counts.crashes + self.counts.stops
    }

    fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn settle(&mut self, ticket: Ticket, fate: Fate) {
        let before = self.ledgers.frontier(ticket.source()).map(|before| before.mark().offset);
        let moved = self.ledgers.settle(Proof(ticket, fate));
        let by_offset = self.makes(Mistake::FrontierByOffset);
        let is_told = |now: &Frontier| !by_offset || before != Some(now.mark().offset);
        if let Some(frontier) = moved.filter(is_told) {
            self.frontiers.insert(frontier.source(), frontier);
        }
    }

    /// Writes which files there are. What waited for it takes its detour.
    fn save_numbers(&mut self) {
        for (numbered, seen) in self.numbered.iter_mut().zip(self.seen) {
            *numbered |= seen;
        }
        for at in 0..LANES {
            if std::mem::take(&mut self.ways[at].is_due) && self.ways[at].lane.is_direct() {
                self.detour(at);
            }
        }
    }

    /// Writes the checkpoints.
    fn save(&mut self) {
        self.save_numbers();
        for (source, frontier) in std::mem::take(&mut self.frontiers) {
            let accepted = frontier.mark();
            let acknowledged = self.acknowledged(source, accepted);
            self.saved[place_of(source)] = Saved { accepted, acknowledged };
        }
        let mut spooled = [false; LINES];
        self.spool.durable_lines().for_each(|line| spooled[line.0] = true);
        for line in self.texture.records() {
            let saved = self.saved[place_of(line.source())];
            let is_done = self.judge.is_written(line) || self.dead.contains(&line);
            if self.texture.is_below(line, saved.accepted) && !self.spools_lost_with(line) {
                self.judge.early |= !is_done && !spooled[line.0];
                self.judge.owe(line);
            }
            if self.texture.is_below(line, saved.acknowledged) {
                self.judge.early |= !is_done && !self.spools_lost_with(line);
            }
        }
    }

    fn acknowledged(&self, source: SourceId, accepted: Mark) -> Mark {
        let generation = usize::try_from(source.generation.0).unwrap();
        let floor = self.ways[source.lineage.0 as usize].floors[generation].unwrap_or(accepted);
        match self.mistake {
            Some(Mistake::FloorNotKept) if floor.offset >= accepted.offset => accepted,
            Some(Mistake::FloorByOffset) if floor.offset <= accepted.offset => floor,
            _ => accepted.earlier(floor),
        }
    }

    /// Whether a line went with a lost spool, after its file.
    fn spools_lost_with(&self, line: Line) -> bool {
        self.counts.spools_lost > 0 && !self.files.has(line.source())
    }
}

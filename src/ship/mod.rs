//! The only owner of delivery state: takes one event at a time and applies it without waiting.
//!
//! A block comes in from the readers and gets a ticket; its records are handed over, reported,
//! handed over again if they came back, buried if Kafka will never take them. Each fate is a
//! proof; proofs move frontiers, and frontiers are what the checkpoints get.

mod aim;
mod apply;
mod bury;
mod detour;
mod flight;
mod outlet;
mod replay;
mod room;
mod send;
mod share;
mod throttle;
mod topics;
mod unconfirmed;
mod way;
mod ways;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::future::{Future, pending};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::budget::{Budgets, Permit};
use crate::checkpoint::{self, Change};
use crate::clock;
use crate::dead_letter::{self, DeadLettered, Letter};
use crate::ledger::{Frontier, Ledgers};
use crate::metrics::Counters;
use crate::produce::{Cause, CreateError};
use crate::record::{Generation, Lineage, Mark, Offset, SourceId};
use crate::settings::{self, Confirm, Output, Settings, WhenFull};
use crate::spool::{self, EntryId, Spool};
use crate::tail;
pub use flight::Duty;
use flight::Flight;
use outlet::Outlets;
use room::count_given_up;
use share::Shares;
use way::Way;
use ways::Ways;

/// How often what only time brings is looked after.
const TICK: Duration = Duration::from_millis(100);
/// How long what came back rests before it is handed over again.
const RETURNED_RESTS: Duration = Duration::from_millis(250);
/// How long a question to the cluster may take.
const QUESTION_TAKES: Duration = Duration::from_secs(5);
/// Events applied between two looks at the producer.
const EVENTS_AT_ONCE: usize = 64;
/// The share of the memory budget that is kept for giving back what is in the spool, so that it
/// cannot be starved by those who wait for it to become empty.
const REPLAY_SHARE: usize = 8;
/// How long putting what is in memory into the spool may take at the end.
const STORING_TAKES: Duration = Duration::from_secs(3);
/// How long saving the numbers of files may take before that.
const NUMBERING_TAKES: Duration = Duration::from_millis(500);
/// With more changes than this the checkpoints are saved before their time: after a start there
/// may be very many.
const CHANGES_MAX: usize = 4096;
/// How often deadlines are looked at.
const DEADLINES_EVERY: Duration = Duration::from_millis(500);

/// What other threads tell. They wait when the channel is full, which it is only while this one
/// is behind.
#[derive(Debug)]
pub enum Note {
    Topic {
        outlet: usize,
        name: String,
        answer: Result<u32, Cause>,
    },
    DeadLettered(Vec<DeadLettered<Duty>>),
    DeadLettersFail,
    /// So many batches of changes are durable.
    Saved(u64),
    SaveFailed,
    Spool(spool::Event),
}

/// Up to where sources are acknowledged, by name.
pub type Acknowledged = HashMap<Lineage, HashMap<Generation, Mark>>;

/// What tells sources of this daemon from those of any other.
#[derive(Debug, Clone)]
pub struct Realm {
    pub host: String,
    /// When its state directory was begun, in milliseconds since 1970.
    pub born_ms: u64,
}

/// Whom the ship hands what it knows to.
pub struct Crew {
    pub checkpoints: checkpoint::Writer,
    pub dead_letters: dead_letter::Writer<Duty>,
    /// None if the operator wants none; then files are the only buffer.
    pub spool: Option<(Spool, spool::Recovered)>,
    /// What of earlier runs' sources is acknowledged, where the spool holds more of them.
    pub acknowledged: Acknowledged,
    /// What the readers pay from.
    pub budgets: Budgets<Output>,
    /// Wakes the readers after their gates were opened.
    pub wake: Arc<dyn Fn() + Send + Sync>,
    pub counters: Arc<Counters>,
}

/// How a voyage ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Blocks that have a record without a fate.
    pub unsent: usize,
    /// Records that are in the spool.
    pub backlog: u64,
    /// All that was settled is in the checkpoints.
    pub is_saved: bool,
    /// Stopped because of a mistake of ours.
    pub is_broken: bool,
    /// With [`tail::Ending::AtEnd`]: all there was has been read.
    pub read_all: bool,
}

#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a state of its own, set and left by its own events"
)]
pub struct Ship {
    inputs: Vec<settings::Input>,
    realm: Realm,
    checkpoint_interval: Duration,
    outlets: Outlets,
    crew: Crew,
    notes: mpsc::Sender<Note>,
    ways: Ways,
    by_lane: HashMap<spool::LaneId, usize>,
    /// Ways on which earlier runs left a backlog; of a lineage several, if its topic changed.
    left: HashMap<Arc<Lineage>, Vec<usize>>,
    ledgers: Ledgers,
    flight: Flight,
    shares: Shares,
    /// Topics, by outlet, of which it was said that what counted as sent came back.
    lost_unconfirmed: HashSet<(usize, Arc<str>)>,
    /// Ways with suspects to whose partitions nothing is in flight any more.
    go_alone: Vec<usize>,
    moved: BTreeMap<SourceId, Frontier>,
    changes: Vec<Change>,
    saved_at: Instant,
    /// Batches of changes that were handed over to be saved, and those that are durable.
    saving: u64,
    saved: u64,
    /// Something waits until the numbers of files are saved.
    are_numbers_awaited: bool,
    read_all: bool,
    /// Letters whose writing has not been confirmed.
    burying: usize,
    /// Their records, of those that the spool has: it is not to give them back meanwhile.
    dying: BTreeSet<(EntryId, u32)>,
    /// Letters that the writer has no room for yet.
    letters: VecDeque<(Letter, Duty, Permit)>,
    letters_bytes: usize,
    spool: Option<Spool>,
    when_full: WhenFull,
    stall_after: Duration,
    is_spool_full: bool,
    /// Lines that there was no room for, and that have not been spoken of.
    newest_dropped: u64,
    /// Puts that are not known to be stored, and blocks that the spool has no room for.
    unstored: usize,
    held: usize,
    /// Sources whose files are gone, and of which something is still in the spool.
    gone: HashSet<SourceId>,
    /// From where sources that earlier runs left in the spool are read on.
    resumed: HashMap<SourceId, Offset>,
    /// Sources that the next start reads again from what was acknowledged.
    fallen: HashSet<SourceId>,
    /// Who wants to know up to where a source is acknowledged; none if no input removes files.
    told: HashMap<SourceId, Arc<tail::Acknowledged>>,
    /// Inputs all of which has been looked at in this run.
    looked: HashSet<String>,
    deadlines_at: Instant,
    /// Questions to the spool that are not answered.
    asked: usize,
    is_stopping: bool,
    /// What is handed over now would be lost with the producers, or repeat.
    is_arriving: bool,
    /// A thread that we cannot do without has died.
    is_broken: bool,
}

impl Ship {
    /// Must be called inside a tokio runtime.
    pub fn new(
        settings: &Settings,
        realm: Realm,
        mut crew: Crew,
        notes: mpsc::Sender<Note>,
    ) -> Result<Self, CreateError> {
        crew.counters.begin_run();
        let (spool, recovered) = crew.spool.take().unzip();
        let mut ship = Self {
            outlets: Outlets::new(settings, recovered.as_ref())?,
            inputs: settings.inputs.clone(),
            realm,
            checkpoint_interval: settings.checkpoint_interval,
            crew,
            notes,
            ways: Ways::default(),
            by_lane: HashMap::new(),
            left: HashMap::new(),
            ledgers: Ledgers::default(),
            flight: Flight::default(),
            // One dead partition leaves three quarters to the others.
            shares: Shares::new(settings.kafka.buffer_memory_bytes / 4),
            lost_unconfirmed: HashSet::new(),
            go_alone: Vec::new(),
            moved: BTreeMap::new(),
            changes: Vec::new(),
            saved_at: clock::now(),
            saving: 0,
            saved: 0,
            are_numbers_awaited: false,
            read_all: false,
            burying: 0,
            dying: BTreeSet::new(),
            letters: VecDeque::new(),
            letters_bytes: 0,
            spool,
            when_full: settings.spool.when_full,
            stall_after: settings.spool.stall_after,
            is_spool_full: false,
            newest_dropped: 0,
            unstored: 0,
            held: 0,
            gone: HashSet::new(),
            fallen: HashSet::new(),
            resumed: HashMap::new(),
            told: HashMap::new(),
            looked: HashSet::new(),
            deadlines_at: clock::now(),
            asked: 0,
            is_stopping: false,
            is_arriving: false,
            is_broken: false,
        };
        if let Some(recovered) = recovered {
            ship.recover(&recovered);
        }
        Ok(ship)
    }

    /// Ships until everything there was is shipped (with [`tail::Ending::AtEnd`]) or until
    /// `stop` completes; then until what was read has a fate, or `late` completes. What has none
    /// by then goes to the spool, or stays owed.
    pub async fn run(
        mut self,
        mut events: mpsc::Receiver<Vec<tail::Event>>,
        mut notes: mpsc::Receiver<Note>,
        stop: impl Future<Output = ()>,
        late: impl Future<Output = ()>,
    ) -> Arrival {
        tokio::pin!(stop, late);
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut readers_there = true;
        while !self.is_broken && !self.is_done(readers_there) {
            tokio::select! {
                biased;
                () = &mut stop, if !self.is_stopping => self.is_stopping = true,
                () = &mut late, if self.is_stopping => break,
                () = self.outlets.readable() => self.hear(),
                Some(note) = notes.recv() => self.note(note),
                batch = receive(&mut events, readers_there) => {
                    readers_there = batch.is_some();
                    let mut batch = batch.unwrap_or_default();
                    let mut applied = 0;
                    while !batch.is_empty() {
                        applied += batch.len();
                        batch.into_iter().for_each(|event| self.apply(event));
                        let goes_on = applied < EVENTS_AT_ONCE;
                        batch = goes_on.then(|| events.try_recv().ok()).flatten().unwrap_or_default();
                    }
                    self.spur();
                }
                _ = tick.tick() => self.tick(),
            }
            self.outlets.hurry();
        }
        self.is_arriving = true;
        self.give_up(&mut notes).await;
        self.arrive(notes).await
    }

    /// Batches must not wait for more where nothing more is read, nor where reading waits for memory
    /// that they take.
    fn spur(&mut self) {
        let is_last = self.is_stopping || self.read_all;
        for outlet in self.outlets.iter_mut() {
            let room = self.shares.room(self.crew.budgets.of(&outlet.output));
            outlet.hurries |= is_last || room.is_some_and(|bytes| !outlet.batches(bytes));
        }
    }

    /// What has no fate yet goes to the spool; waits until it is safe there.
    async fn give_up(&mut self, notes: &mut mpsc::Receiver<Note>) {
        if self.spool.is_none() || self.flight.fresh_count() + self.unstored + self.held == 0 {
            return;
        }
        self.is_stopping = true;
        self.hear();
        self.save_numbers(notes).await;
        for at in self.ways.numbers() {
            if self.ways.get(at).is_some_and(|way| !way.is_unconfirmed()) {
                self.detour(at);
            }
        }
        self.store_held();
        let stored = async {
            while self.unstored > 0 {
                let Some(note) = notes.recv().await else { break };
                self.note(note);
            }
        };
        if tokio::time::timeout(STORING_TAKES, stored).await.is_err() {
            tracing::error!("not everything could be put into the spool in time; it stays owed");
        }
    }

    /// Waits for the numbers of files that something is to be staged of. Should they not be saved in
    /// time it is staged all the same: better to be repeated than lost with its file.
    async fn save_numbers(&mut self, notes: &mut mpsc::Receiver<Note>) {
        let numbered = async {
            while self.ways.busy().any(|way| !way.are_numbered(self.saved)) {
                self.save();
                let Some(note) = notes.recv().await else { break };
                self.note(note);
            }
        };
        drop(tokio::time::timeout(NUMBERING_TAKES, numbered).await);
    }

    /// All there was has been read and has a fate.
    fn is_done(&self, readers_there: bool) -> bool {
        let is_all_read = !readers_there || self.read_all;
        let is_settled = self.flight.is_empty() && self.burying + self.unstored + self.held == 0;
        // On the way out what is in the spool may stay there.
        is_all_read && is_settled && (self.is_stopping || self.is_spool_empty())
    }

    /// What waits for an output that is not there is not waited for.
    fn is_spool_empty(&self) -> bool {
        let is_led = |way: &&Way| self.outlets.get(way.outlet).producer.is_some();
        self.ways.iter().filter(is_led).all(|way| way.spooled.records == 0)
    }

    fn tick(&mut self) {
        let now = clock::now();
        self.hear();
        self.ask(now);
        let lingers = |way: &&Way| way.confirm == Confirm::Sync && way.lane.in_flight() > 0;
        for way in self.ways.busy().filter(lingers) {
            self.outlets.get_mut(way.outlet).hurries = true;
        }
        let replaying = self.ways.busy().filter(|way| way.lane.may_replay());
        self.outlets.count_replaying(replaying.map(|way| way.outlet));
        self.pump_all();
        self.make_room();
        self.spur();
        if now.duration_since(self.deadlines_at) >= DEADLINES_EVERY {
            self.deadlines_at = now;
            self.watch_deadlines(now);
            self.count_stranded();
        }
        let is_due = now.duration_since(self.saved_at) >= self.checkpoint_interval;
        if is_due
            || self.are_numbers_awaited
            || self.changes.len() + self.moved.len() >= CHANGES_MAX
        {
            self.save();
        }
    }

    /// Sends what moved since the last time to the checkpoints, unless they are still busy.
    fn save(&mut self) {
        self.saved_at = clock::now();
        let mut changes = std::mem::take(&mut self.changes);
        let mut moved = std::mem::take(&mut self.moved);
        moved.retain(|source, _| !self.fallen.contains(source));
        let moved = moved.into_values();
        changes.extend(moved.map(|frontier| {
            let floor = self.floor(frontier.source());
            let acknowledged =
                floor.map_or(frontier.mark(), |floor| frontier.mark().earlier(floor));
            if let Some(told) = self.told.get(&frontier.source()) {
                told.tell(acknowledged.offset);
            }
            Change::Moved { frontier, acknowledged }
        }));
        // Last: nothing may be said about them afterwards.
        changes.extend(self.retire());
        if changes.is_empty() {
            return;
        }
        match self.crew.checkpoints.send(changes) {
            Ok(()) => {
                self.saving += 1;
                self.are_numbers_awaited = false;
            }
            // In front of what comes next: a later change about a source supersedes.
            Err(checkpoint::Refused::Busy(changes)) => self.changes = changes,
            Err(checkpoint::Refused::Stopped(_)) => {
                tracing::error!("the checkpoints' thread died: stopping");
                self.is_broken = true;
            }
        }
    }

    /// Takes in what has been told, saves what has moved. Records without a fate stay owed.
    async fn arrive(mut self, mut notes: mpsc::Receiver<Note>) -> Arrival {
        self.hear();
        while let Ok(note) = notes.try_recv() {
            self.note(note);
        }
        self.save();
        self.say_dropped();
        self.say_unconfirmed();
        // What a full spool held back is as good as unread.
        let unsent = self.flight.fresh_count() + self.unstored;
        let Self { crew, changes, outlets, read_all, spool, is_broken, .. } = self;
        let counters = Arc::clone(&crew.counters);
        let mut closing = tokio::task::spawn_blocking(move || {
            // What comes back was not written; it stays owed and is refused again.
            drop(crew.dead_letters.close());
            let spool::Rest { records, unstored } = spool.map(Spool::close).unwrap_or_default();
            if unstored > 0 {
                tracing::error!(
                    unstored,
                    "some lines could not be put into the spool; they stay owed"
                );
            }
            let is_saved = crew.checkpoints.close(changes);
            drop(outlets);
            (is_saved, records + unstored)
        });
        // What is stored from here on is found at the next start; what is given up counts in this run.
        let told = |note| {
            if let Note::Spool(event) = note {
                count_given_up(&counters, &event);
            }
        };
        let closed = loop {
            tokio::select! {
                Some(note) = notes.recv() => told(note),
                closed = &mut closing => break closed,
            }
        };
        while let Ok(note) = notes.try_recv() {
            told(note);
        }
        let (is_saved, backlog) = closed.unwrap_or_default();
        Arrival { unsent, backlog, is_saved, is_broken, read_all }
    }
}

async fn receive<T>(events: &mut mpsc::Receiver<T>, there: bool) -> Option<T> {
    if there { events.recv().await } else { pending().await }
}

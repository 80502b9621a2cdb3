//! The only owner of delivery state: takes one event at a time and applies it without waiting.
//!
//! A block comes in from the readers and gets a ticket; its records are handed over, reported,
//! handed over again if they came back, buried if Kafka will never take them. Each fate is a
//! proof; proofs move frontiers, and frontiers are what the checkpoints get.

mod apply;
mod flight;
mod topics;
mod way;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::{Future, pending};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::checkpoint::{self, Change};
use crate::clock;
use crate::dead_letter::{self, DeadLettered, Letter};
use crate::ledger::{Frontier, Ledgers, Settlement, Ticket};
use crate::metrics::Counters;
use crate::produce::{Cause, CreateError, Producer};
use crate::record::{Block, LineageId, SourceId};
use crate::settings::{self, Settings};
use crate::tail::{self, Seen};
use flight::Flight;
use topics::Topics;
use way::Way;

/// How often what only time brings is looked after.
const TICK: Duration = Duration::from_millis(100);
/// How long what came back rests before it is handed over again.
const RETURNED_RESTS: Duration = Duration::from_millis(250);
/// How long a question to the cluster may take.
const QUESTION_TAKES: Duration = Duration::from_secs(5);
/// Events applied between two looks at the producer.
const EVENTS_AT_ONCE: usize = 64;

/// What other threads tell. They wait when the channel is full, which it is only while this one
/// is behind.
#[derive(Debug)]
pub enum Note {
    Topic { name: String, answer: Result<u32, Cause> },
    DeadLettered(Vec<DeadLettered<Ticket>>),
    DeadLettersFail,
    Saved { batches: u64 },
    SaveFailed,
}

/// Whom the ship hands what it knows to.
pub struct Crew {
    pub checkpoints: checkpoint::Writer,
    pub dead_letters: dead_letter::Writer<Ticket>,
    /// Wakes the readers after their gates were opened.
    pub wake: Arc<dyn Fn() + Send + Sync>,
    pub counters: Arc<Counters>,
}

/// How a voyage ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Blocks that have a record without a fate.
    pub unsent: usize,
    /// All that was settled is in the checkpoints.
    pub is_saved: bool,
    /// With [`tail::Ending::AtEnd`]: all there was has been read.
    pub read_all: bool,
}


pub struct Ship {
    kafka: settings::Kafka,
    inputs: Vec<settings::Input>,
    host: String,
    checkpoint_interval: Duration,
    producer: Producer,
    crew: Crew,
    notes: mpsc::Sender<Note>,
    ways: Vec<Way>,
    by_lineage: HashMap<LineageId, usize>,
    ledgers: Ledgers,
    flight: Flight,
    topics: Topics,
    /// Memory held per topic and partition, or per topic while that is not known.
    shares: HashMap<(Arc<str>, i32), usize>,
    share_max: usize,
    moved: BTreeMap<SourceId, Frontier>,
    changes: Vec<Change>,
    saved_at: Instant,
    batches_sent: u64,
    batches_saved: u64,
    is_reachable: bool,
    /// Why a broker does not let us in, as said last.
    refusal: Option<String>,
    /// The producer takes nothing any more and is replaced once it has given everything back.
    is_fatal: bool,
    read_all: bool,
    /// Letters whose writing has not been confirmed.
    burying: usize,
    /// Letters that the writer has no room for yet.
    letters: VecDeque<(Letter, Ticket)>,
}

impl Ship {
    /// Must be called inside a tokio runtime.
    pub fn new(
        settings: &Settings,
        host: String,
        crew: Crew,
        notes: mpsc::Sender<Note>,
    ) -> Result<Self, CreateError> {
        Ok(Self {
            producer: Producer::new(&settings.kafka)?,
            kafka: settings.kafka.clone(),
            inputs: settings.inputs.clone(),
            host,
            checkpoint_interval: settings.checkpoint_interval,
            crew,
            notes,
            ways: Vec::new(),
            by_lineage: HashMap::new(),
            ledgers: Ledgers::default(),
            flight: Flight::default(),
            topics: Topics::default(),
            shares: HashMap::new(),
            // One dead partition leaves three quarters to the others.
            share_max: settings.kafka.buffer_memory_bytes / 4,
            moved: BTreeMap::new(),
            changes: Vec::new(),
            saved_at: clock::now(),
            batches_sent: 0,
            batches_saved: 0,
            is_reachable: true,
            refusal: None,
            is_fatal: false,
            read_all: false,
            burying: 0,
            letters: VecDeque::new(),
        })
    }

    /// Ships until the readers have gone and everything they read has a fate, or until `until`
    /// says that it has been long enough. What has no fate then stays owed.
    pub async fn run(
        mut self,
        mut events: mpsc::Receiver<tail::Event>,
        mut notes: mpsc::Receiver<Note>,
        until: impl Future<Output = ()>,
    ) -> Arrival {
        tokio::pin!(until);
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut readers_there = true;
        while !self.is_done(readers_there) {
            tokio::select! {
                biased;
                () = &mut until => break,
                () = self.producer.readable() => self.hear(),
                Some(note) = notes.recv() => self.note(note),
                event = receive(&mut events, readers_there) => {
                    readers_there = event.is_some();
                    event.into_iter().for_each(|event| self.apply(event));
                    for _ in 0..EVENTS_AT_ONCE {
                        let Ok(event) = events.try_recv() else { break };
                        self.apply(event);
                    }
                }
                _ = tick.tick() => self.tick(),
            }
        }
        self.arrive(notes).await
    }

    /// All there was has been read and has a fate.
    fn is_done(&self, readers_there: bool) -> bool {
        (!readers_there || self.read_all) && self.flight.is_empty() && self.burying == 0
    }

    fn tick(&mut self) {
        let now = clock::now();
        self.hear();
        self.ask(now);
        self.pump_all();
        if now.duration_since(self.saved_at) >= self.checkpoint_interval {
            self.save();
        }
    }

    /// Sends what moved since the last time to the checkpoints, unless they are still busy.
    fn save(&mut self) {
        self.saved_at = clock::now();
        let mut changes = std::mem::take(&mut self.changes);
        let moved = std::mem::take(&mut self.moved).into_values();
        changes.extend(
            moved.map(|frontier| Change::Moved { frontier, acknowledged: frontier.mark() }),
        );
        if changes.is_empty() {
            return;
        }
        match self.crew.checkpoints.send(changes) {
            Ok(()) => self.batches_sent += 1,
            Err(checkpoint::Refused::Busy(changes) | checkpoint::Refused::Stopped(changes)) => {
                // In front of what comes next: a later change about a source supersedes.
                self.changes = changes;
            }
        }
    }

    /// Takes in what has been told, saves what has moved. Records without a fate stay owed.
    async fn arrive(mut self, mut notes: mpsc::Receiver<Note>) -> Arrival {
        self.hear();
        while let Ok(note) = notes.try_recv() {
            self.note(note);
        }
        // From here on nobody listens; those who would tell do not wait for it.
        drop(notes);
        self.save();
        let Self { crew, changes, producer, flight, read_all, .. } = self;
        let unsent = flight.len();
        let closing = tokio::task::spawn_blocking(move || {
            // What comes back was not written; it stays owed and is refused again.
            drop(crew.dead_letters.close());
            let is_saved = crew.checkpoints.close(changes);
            drop(producer);
            is_saved
        });
        let is_saved = closing.await.unwrap_or(false);
        Arrival { unsent, is_saved, read_all }
    }
}

async fn receive(events: &mut mpsc::Receiver<tail::Event>, there: bool) -> Option<tail::Event> {
    if there { events.recv().await } else { pending().await }
}

//! Records that are not known to be delivered, kept on disk in order until they are.
//!
//! They lie compressed and checksummed in append-only segments; an index that may be lost at any
//! time knows their order. A record counts as spooled only after its segment is synced. All disk
//! work is done by one thread; `docs/design.md` has the layouts and what is assumed of disks.

mod account;
mod block;
mod commit;
mod coverage;
mod entry;
mod error;
mod files;
mod forward;
mod index;
mod keeper;
mod lane;
mod list;
mod load;
mod log;
mod payload;
mod recovery;
mod remove;
mod reserve;
mod runs;
mod segment;
mod surrender;
mod survey;
mod upkeep;
mod usage;
mod walk;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

pub use self::coverage::Coverage;
pub use self::entry::{EntryId, Share};
pub use self::error::OpenError;
pub use self::lane::{Lane, LaneId};
pub use self::list::{Listed, list};
pub use self::runs::Runs;
pub use self::survey::{Backlog, Recovered, Stretch};
pub use self::usage::Usage;

use self::commit::Pending;
use self::keeper::{Command, Keeper, Limits};
use self::usage::Gauge;
use crate::clock;
use crate::dead_letter::DeadLettered;
use crate::ledger::{Fate, Settlement, Ticket};
use crate::produce::Delivered;
use crate::record::{Ahead, Anchor, Block, Generation, Label, Mark, Offset, Remarks, Slice, Times};
use crate::settings;

/// Some records of one block, all of one lane.
#[derive(Debug)]
pub struct Put {
    pub lane: LaneId,
    pub block: Arc<Block>,
    /// Which of its records: at least one.
    pub records: Runs,
    /// The place from which every byte of the source up to this put had a durable fate elsewhere
    /// when it was staged: for who has everything up to there, with this put everything up to its
    /// end is accepted. [`Put::UNCHAINED`] where that cannot be said.
    pub chain: Offset,
    /// Where its records go, if they were sent before.
    pub partition: Option<i32>,
    /// The duty for exactly these records.
    pub ticket: Ticket,
}

impl Put {
    pub const UNCHAINED: Offset = Offset(u64::MAX);

    /// From where reading goes on to find its first record to where it does after its last one.
    fn span(&self) -> (Offset, Offset) {
        let start =
            self.records.first().map_or(self.block.start.offset, |n| self.block.start_of(n));
        let end = self.records.last().map_or(self.block.end.offset, |n| self.block.end_of(n));
        (start, end)
    }

    /// Whether what was made records of before it may end beyond where it begins: its place alone
    /// does not say what it comes after.
    fn is_entangled(&self) -> bool {
        self.block.is_ragged || self.block.start.ahead != Ahead::NONE
    }

    fn reaches_end(&self) -> bool {
        self.records.last().is_some_and(|last| last + 1 == self.block.len())
    }

    fn start_anchor(&self) -> Option<Anchor> {
        (self.records.first() == Some(0)).then_some(self.block.start.anchor)
    }

    /// Nothing if reading could not go on there: what lies ahead of the place is not stored, and
    /// a line that was half behind it would lose that half.
    fn end_anchor(&self) -> Option<Anchor> {
        let end = self.block.end;
        (self.reaches_end() && end.ahead == Ahead::NONE).then_some(end.anchor)
    }
}

/// Proof that records are on disk, and synced.
///
/// ```compile_fail,E0423
/// use tailspool::spool::Spooled;
/// fn forge(ticket: tailspool::ledger::Ticket) -> Spooled {
///     Spooled(ticket)
/// }
/// ```
#[must_use]
#[derive(Debug)]
pub struct Spooled(Ticket);

impl Spooled {
    /// How many records it is about.
    pub fn records(&self) -> u32 {
        self.0.records()
    }
}

impl Settlement for Spooled {
    fn into_parts(self) -> (Ticket, Fate) {
        (self.0, Fate::Spooled)
    }
}

/// Proof that records were dropped because the operator asked for that when the spool is full.
#[must_use]
#[derive(Debug)]
pub struct Dropped(Ticket);

impl Settlement for Dropped {
    fn into_parts(self) -> (Ticket, Fate) {
        (self.0, Fate::Dropped)
    }
}

/// An entry read back.
#[derive(Debug)]
pub struct Loaded {
    pub id: EntryId,
    /// Of the places where it starts and ends, known where a block did.
    pub start_anchor: Option<Anchor>,
    pub end_anchor: Option<Anchor>,
    pub partition: Option<i32>,
    pub label: Arc<Label>,
    pub remarks: Remarks,
    pub times: Times,
    /// When it was staged, in milliseconds since 1970.
    pub staged_ms: u64,
    pub bytes: Vec<u8>,
    /// All its records, slices of `bytes`; their ends count from [`EntryId::start`].
    pub records: Vec<Slice>,
    /// Which of them need not be sent again.
    pub removed: Runs,
}

impl Loaded {
    pub fn start(&self) -> Option<Mark> {
        self.start_anchor.map(|anchor| Mark::new(self.id.start, anchor))
    }

    pub fn end(&self) -> Option<Mark> {
        self.end_anchor.map(|anchor| Mark::new(self.id.end, anchor))
    }

    /// Whether who has read up to its end has read all of it: no record ends beyond that, because
    /// an older line was not whole, and it does not end where it begins.
    pub fn is_self_contained(&self) -> bool {
        let mut ends = self.records.iter().map(|slice| self.id.start.advance(slice.end));
        self.id.start < self.id.end && ends.all(|end| end <= self.id.end)
    }
}

/// What the spool's thread has to say. Of one lane, in the order it was asked.
#[derive(Debug)]
pub enum Event {
    /// These puts are on disk and synced.
    Stored { proofs: Vec<(Spooled, EntryId)> },
    /// Answers [`Spool::load`].
    Loaded(Box<Loaded>),
    /// Answers [`Spool::load`]: nothing follows.
    NoMore { lane: LaneId },
    /// There is room again, after [`Spool::has_room`] said there is none.
    Freed,
    /// So many records have left these lanes: removed, or staged again. None is counted twice, nor
    /// in one of the next three.
    Removed { records: Vec<(LaneId, u64)> },
    /// So many records were to be removed after they had been given up: they were on their way,
    /// and have got where they were to go.
    Late { records: u64 },
    /// The oldest have been given up, as `when_full: drop_oldest` asks: once for each lane that lost
    /// records.
    Dropped { lane: LaneId, records: u64, bytes: u64 },
    /// These have reached `max_age`, and are gone.
    Expired { lane: LaneId, records: u64 },
    /// An entry cannot be read, and was set aside.
    Damaged { lane: LaneId, generation: Generation, records: u64 },
    /// Nothing can be stored, for this reason. Said once; tried again until it works.
    Failing(String),
    /// It works again.
    Mended,
    /// The index failed, and was made again: removals that were not flushed may come back.
    Reindexed(String),
    /// The thread has panicked. Nothing will be stored any more.
    Died,
}

/// What is left in the spool at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rest {
    pub records: u64,
    /// Records that could not be stored; their tickets stay owed.
    pub unstored: u64,
}

/// The spool, as its one owner holds it. None of its calls waits for the disk.
pub struct Spool {
    lanes: HashMap<Arc<Lane>, LaneId>,
    /// The furthest place staged or recovered of each lane, by number.
    reaches: Vec<Option<(Generation, Offset)>>,
    /// Of the first entry staged in this run, and of the next.
    first_seq: u64,
    next_seq: u64,
    gauge: Arc<Gauge>,
    /// Not bounded: puts are, by the memory budget, and everything else by what is in flight.
    commands: Sender<Command>,
    thread: Option<JoinHandle<u64>>,
}

/// What a block's header and its place in the index cost, about.
const ENTRY_OVERHEAD_BYTES: u64 = 400;

impl Spool {
    /// Opens the spool in `dir`, which is made if need be, and finds what a previous run has
    /// left. `copies_bytes_max` is what may have to be copied out of memory when Kafka goes away:
    /// so much room is kept for that. `events` is called on the spool's thread.
    pub fn open(
        dir: &Path,
        settings: &settings::Spool,
        copies_bytes_max: u64,
        events: impl Fn(Event) + Send + Sync + 'static,
    ) -> Result<(Self, Recovered), OpenError> {
        let limits = Limits::new(settings, copies_bytes_max);
        let (mut spool, keeper, inbox, recovered) = Self::prepare(dir, limits, Box::new(events))?;
        let run = move || keeper.run(&inbox);
        let thread = std::thread::Builder::new().name("spool".into()).spawn(run);
        spool.thread = Some(thread.map_err(OpenError::at(dir))?);
        Ok((spool, recovered))
    }

    /// Everything but the thread.
    fn prepare(
        dir: &Path,
        limits: Limits,
        events: Box<dyn Fn(Event) + Send>,
    ) -> Result<(Self, Keeper, Receiver<Command>, Recovered), OpenError> {
        let (keeper, recovered) = Keeper::open(dir, limits, events)?;
        let (commands, inbox) = channel();
        let mut spool = Self {
            lanes: HashMap::new(),
            reaches: Vec::new(),
            first_seq: keeper.next_seq(),
            next_seq: keeper.next_seq(),
            gauge: keeper.gauge(),
            commands,
            thread: None,
        };
        for backlog in &recovered.lanes {
            let id = spool.lane(backlog.lane.clone());
            assert_eq!(id, backlog.id, "lanes are numbered alike on both sides");
            let last = backlog.sources.last();
            spool.reach(id, last.map(|stretch| (stretch.generation, stretch.end)));
        }
        Ok((spool, keeper, inbox, recovered))
    }

    /// The number of `lane` in this run: the same for the same lane.
    pub fn lane(&mut self, lane: Lane) -> LaneId {
        if let Some(id) = self.lanes.get(&lane) {
            return *id;
        }
        let lane = Arc::new(lane);
        let id = LaneId(wire::len32(self.lanes.len()));
        self.lanes.insert(Arc::clone(&lane), id);
        self.reaches.push(None);
        self.send(Command::Lane(lane));
        id
    }

    /// Takes records in. They are not safe, and their ticket stays open, until
    /// [`Event::Stored`]. Never refuses: what is in memory must find room.
    pub fn stage(&mut self, put: Put) -> EntryId {
        assert!(!put.records.is_empty(), "a put holds records");
        assert_eq!(put.records.count(), put.ticket.records(), "a put's ticket is for its records");
        let (start, end) = put.span();
        let generation = put.block.source.generation;
        let id = EntryId { lane: put.lane, generation, start, end, seq: self.next_seq };
        self.next_seq += 1;
        self.reach(put.lane, Some((generation, end)));
        let slices = put.records.numbers().map(|number| put.block.record(number).len() as u64);
        let bytes = slices.sum::<u64>() + put.block.label.cost() as u64 + ENTRY_OVERHEAD_BYTES;
        self.gauge.stage(bytes);
        self.send(Command::Put(Box::new(Pending::new(id, put, bytes, clock::wall_ms()))));
        id
    }

    /// Whether more than copies of what is in memory may come in. After a no,
    /// [`Event::Freed`] follows in time.
    pub fn has_room(&self) -> bool {
        self.gauge.has_room()
    }

    /// Whether what ends at `end` may come in: where there is no room, still what is not past
    /// the lane's last entry. That is being read again after a crash, and refused it would hold
    /// back the replay that makes room.
    pub fn admits(&self, lane: LaneId, generation: Generation, end: Offset) -> bool {
        let reach = self.reaches.get(lane.0 as usize).copied().flatten();
        reach.is_some_and(|reach| (generation, end) <= reach) || self.has_room()
    }

    /// Whether there is no room however little what is staged will take: what waits for some waits
    /// until something is removed or dropped. A disk that fails for another reason than want of
    /// room makes nothing full.
    pub fn is_full(&self) -> bool {
        self.gauge.is_full()
    }

    /// Drops records that there is no room for, as `when_full: drop_newest` asks. If the spool is
    /// not full, the ticket comes back.
    pub fn drop_newest(&self, ticket: Ticket) -> Result<Dropped, Ticket> {
        if self.is_full() { Ok(Dropped(ticket)) } else { Err(ticket) }
    }

    /// Asks for the entry of `lane` that follows `after` in order of replay, or for its first.
    pub fn load(&mut self, lane: LaneId, after: Option<EntryId>) {
        self.send(Command::Load { lane, after });
    }

    /// Removes delivered records; with its last record the entry goes. A crash before the next
    /// flush may bring them back: repeats.
    pub fn remove(&mut self, proof: Delivered<Share>) {
        self.send(Command::Remove(proof.into_inner()));
    }

    /// Removes records that have become dead letters.
    pub fn bury(&mut self, proof: DeadLettered<Share>) {
        self.send(Command::Remove(proof.into_inner()));
    }

    /// Whether an entry comes from an earlier run.
    pub fn was_recovered(&self, entry: EntryId) -> bool {
        entry.seq < self.first_seq
    }

    /// Removes an entry of `records` records that were staged again, or sent.
    pub fn supersede(&mut self, entry: EntryId, records: u32) {
        assert!(self.was_recovered(entry), "only what an earlier run left can be read again");
        self.send(Command::Remove(Share { entry, first: 0, count: records }));
    }

    /// Asks for room, for who was told by [`Spool::has_room`] that there is none, as
    /// `when_full: drop_oldest` has it: if the spool is full when this is heard, the oldest segment
    /// is given up, which [`Event::Dropped`] says. Should that not do, it is to be asked for again.
    pub fn make_room(&mut self) {
        self.send(Command::MakeRoom);
    }

    pub fn usage(&self) -> Usage {
        self.gauge.usage()
    }

    /// Stores what is staged, flushes, and ends the thread.
    pub fn close(mut self) -> Rest {
        let unstored = self.join();
        Rest { records: self.usage().records, unstored }
    }

    fn join(&mut self) -> u64 {
        self.send(Command::Close);
        let joined = self.thread.take().map(JoinHandle::join);
        // A panic was reported as `Died`: what it took along is owed, and not counted here.
        joined.and_then(Result::ok).unwrap_or(0)
    }

    fn reach(&mut self, lane: LaneId, place: Option<(Generation, Offset)>) {
        if let Some(reach) = self.reaches.get_mut(lane.0 as usize) {
            *reach = (*reach).max(place);
        }
    }

    fn send(&self, command: Command) {
        // Without its thread nothing is stored any more, and everything staged stays owed.
        drop(self.commands.send(command));
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.join();
    }
}

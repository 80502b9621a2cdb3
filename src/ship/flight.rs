//! What each integer handed to the client library stands for.

use std::ops::Range;
use std::sync::Arc;

use crate::budget::Permit;
use crate::dead_letter::DeadLettered;
use crate::ledger::Ticket;
use crate::produce::{Delivered, RECORD_OVERHEAD_BYTES};
use crate::record::{Block, Buffer, Run, Slot};
use crate::spool::{EntryId, Runs, Share};

/// A block on its way.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) way: usize,
    /// Where it goes, once that is known.
    pub(super) partition: Option<i32>,
    /// Its place in the order of its lane.
    pub(super) seq: u64,
    /// How many of its records wait or are in flight.
    left: u32,
    /// How many are in flight.
    in_flight: u32,
    /// Some of it is to be given back by the spool.
    pub(super) is_left_behind: bool,
    /// Records that have had another time than their own.
    retimed: Runs,
    cargo: Cargo,
}

#[derive(Debug)]
enum Cargo {
    /// Nowhere else: its duty is open.
    Fresh { block: Block, ticket: Ticket, settled: Runs },
    /// In the spool too, each run of records as an entry; of what is in flight only its place
    /// there is needed.
    Copied { entries: Vec<(Range<u32>, EntryId)>, held: Held },
    /// Sent, and nobody waits for more: what librdkafka has of it takes memory.
    Unconfirmed { held: Held },
    /// Given back by the spool, which keeps it until it is delivered.
    Replayed { entry: EntryId, block: Block },
}

/// What librdkafka has of a block that is elsewhere.
#[derive(Debug)]
struct Held {
    /// It reads from there.
    bytes: Arc<Buffer>,
    permit: Permit,
}

/// What a report settles.
#[derive(Debug)]
pub(super) enum Landed {
    /// Nothing: it counted as sent before.
    Settled,
    Fresh(Delivered<Ticket>),
    Spooled(Delivered<Share>),
}

/// What a dead letter settles.
#[derive(Debug)]
pub enum Duty {
    Fresh(Ticket),
    Spooled(Share),
}

/// Adjacent records as they go into the spool.
pub(super) struct Spilled {
    pub(super) block: Arc<Block>,
    pub(super) records: Range<u32>,
    pub(super) ticket: Ticket,
}

impl DeadLettered<Duty> {
    /// The proof for a ticket, or else for a share of a spooled entry.
    pub(super) fn into_parts(self) -> Result<DeadLettered<Ticket>, DeadLettered<Share>> {
        match self.get() {
            Duty::Fresh(_) => Ok(self.map(|duty| match duty {
                Duty::Fresh(ticket) => ticket,
                Duty::Spooled(_) => unreachable!("it was looked at just now"),
            })),
            Duty::Spooled(share) => {
                let share = *share;
                Err(self.map(|_| share))
            }
        }
    }
}

/// All blocks on their way, by slot.
#[derive(Debug, Default)]
pub(super) struct Flight {
    /// Each apart, so that many at once leave nothing behind.
    loads: Vec<Option<Box<Load>>>,
    free: Vec<Slot>,
    boarded: u64,
}

impl Flight {
    /// Takes in a block just read.
    pub(super) fn board(
        &mut self,
        way: usize,
        partition: Option<i32>,
        block: Block,
        ticket: Ticket,
    ) -> (Slot, u64) {
        let left = ticket.records();
        let cargo = Cargo::Fresh { block, ticket, settled: Runs::default() };
        self.place(way, partition, left, cargo)
    }

    /// Takes in what the spool gave back; `left` of its records are to be sent.
    pub(super) fn board_replayed(
        &mut self,
        way: usize,
        partition: Option<i32>,
        (entry, block): (EntryId, Block),
        left: u32,
    ) -> (Slot, u64) {
        self.place(way, partition, left, Cargo::Replayed { entry, block })
    }

    /// A slot is used again only after its last record has left it, so every report finds what
    /// it is about.
    fn place(
        &mut self,
        way: usize,
        partition: Option<i32>,
        left: u32,
        cargo: Cargo,
    ) -> (Slot, u64) {
        let seq = self.boarded;
        self.boarded = seq.strict_add(1);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.loads.push(None);
            Slot(u32::try_from(self.loads.len() - 1).unwrap_or(u32::MAX))
        });
        if let Some(place) = self.loads.get_mut(slot.0 as usize) {
            let load = Load {
                way,
                partition,
                seq,
                left,
                in_flight: 0,
                is_left_behind: false,
                retimed: Runs::default(),
                cargo,
            };
            *place = Some(Box::new(load));
        }
        (slot, seq)
    }

    /// librdkafka has so many more of its records. Returns the memory that is handed now and was not
    /// before.
    pub(super) fn hand(&mut self, slot: Slot, count: u32) -> usize {
        let load = self.load_mut(slot);
        let before = load.handed_bytes();
        load.in_flight += count;
        load.handed_bytes() - before
    }

    /// librdkafka has so many less of its records. Returns the memory that is handed no more.
    pub(super) fn landed(&mut self, slot: Slot, count: u32) -> usize {
        let load = self.load_mut(slot);
        let before = load.handed_bytes();
        load.in_flight -= count;
        before - load.handed_bytes()
    }

    /// It goes there, from now on.
    pub(super) fn lead(&mut self, slot: Slot, partition: i32) {
        self.load_mut(slot).partition = Some(partition);
    }

    pub(super) fn load(&self, slot: Slot) -> &Load {
        let load = self.loads.get(slot.0 as usize).and_then(Option::as_deref);
        let Some(load) = load else { unreachable!("slot {} is in use until it is empty", slot.0) };
        load
    }

    fn load_mut(&mut self, slot: Slot) -> &mut Load {
        let load = self.loads.get_mut(slot.0 as usize).and_then(Option::as_deref_mut);
        let Some(load) = load else { unreachable!("slot {} is in use until it is empty", slot.0) };
        load
    }

    /// Turns a report about a run of records into the proof for what they settle.
    pub(super) fn land(&mut self, proof: Delivered<Run>) -> Landed {
        let run = *proof.get();
        if self.load(run.slot).unconfirmed() > 0 {
            self.done(run.slot, run.count);
            return Landed::Settled;
        }
        match self.take(run.slot, run.first, run.count) {
            Duty::Fresh(ticket) => Landed::Fresh(Delivered::carry(proof, ticket)),
            Duty::Spooled(share) => Landed::Spooled(Delivered::carry(proof, share)),
        }
    }

    /// The duty for consecutive records, which leave the slot with it.
    pub(super) fn take(&mut self, slot: Slot, first: u32, count: u32) -> Duty {
        let load = self.load_mut(slot);
        load.left -= count;
        match &mut load.cargo {
            Cargo::Fresh { ticket, settled, .. } => {
                settled.insert(first..first + count);
                Duty::Fresh(ticket.take(count))
            }
            Cargo::Copied { entries, .. } => {
                let Some((run, entry)) = entries.iter().find(|(run, _)| run.contains(&first))
                else {
                    unreachable!("what was in flight was copied")
                };
                Duty::Spooled(Share { entry: *entry, first: first - run.start, count })
            }
            Cargo::Replayed { entry, .. } => Duty::Spooled(Share { entry: *entry, first, count }),
            Cargo::Unconfirmed { .. } => unreachable!("nothing is owed of what counts as sent"),
        }
    }

    /// Gives records a new time. False if all were given one before, whatever it was, or had this
    /// one, about, or are not in memory.
    pub(super) fn retime(&mut self, run: Run, ms: i64) -> bool {
        let (load, numbers) = (self.load_mut(run.slot), run.first..run.first + run.count);
        match &mut load.cargo {
            Cargo::Fresh { block, .. } | Cargo::Replayed { block, .. } => {
                let count = block.len();
                load.retimed.insert(numbers.clone()) > 0 && block.times.replace(numbers, count, ms)
            }
            Cargo::Copied { .. } | Cargo::Unconfirmed { .. } => false,
        }
    }

    /// The duty for `count` records that were handed over just now, if nobody is to wait for more.
    /// They stay in the slot until librdkafka is done with them.
    pub(super) fn forget(&mut self, slot: Slot, count: u32) -> Option<Ticket> {
        match &mut self.load_mut(slot).cargo {
            Cargo::Fresh { ticket, .. } => Some(ticket.take(count)),
            Cargo::Copied { .. } | Cargo::Replayed { .. } | Cargo::Unconfirmed { .. } => None,
        }
    }

    /// A load all of which counts as sent leaves what librdkafka holds behind. Returns how much
    /// memory that makes free.
    pub(super) fn let_go(&mut self, slot: Slot) -> Option<usize> {
        let load = self.loads.get_mut(slot.0 as usize)?.as_mut()?;
        let held_before = load.bytes();
        let Cargo::Fresh { block, ticket, .. } = &mut load.cargo else { return None };
        if load.left == 0 || ticket.records() > 0 {
            return None;
        }
        load.cargo = Cargo::Unconfirmed { held: Held::of(block, load.left) };
        Some(held_before - load.bytes())
    }

    /// Records leave the slot for the spool, which has them.
    pub(super) fn leave(&mut self, slot: Slot, count: u32) {
        self.load_mut(slot).is_left_behind |= count > 0;
        self.done(slot, count);
    }

    /// Records leave the slot, and nothing more is to be done about them.
    pub(super) fn done(&mut self, slot: Slot, count: u32) {
        self.load_mut(slot).left -= count;
    }

    /// Whether something of an entry waits or is in flight.
    pub(super) fn has(&self, entry: EntryId) -> bool {
        self.iter().any(|load| match &load.cargo {
            Cargo::Copied { entries, .. } => entries.iter().any(|(_, id)| *id == entry),
            Cargo::Replayed { entry: id, .. } => *id == entry,
            Cargo::Fresh { .. } | Cargo::Unconfirmed { .. } => false,
        })
    }

    /// The fresh loads of a way, oldest first.
    pub(super) fn fresh(&self, way: usize) -> Vec<Slot> {
        let loads =
            self.loads.iter().zip(0..).filter_map(|(load, slot)| Some((load.as_ref()?, slot)));
        let of_way = loads.filter(|(load, _)| load.way == way && load.is_fresh());
        let mut found: Vec<_> = of_way.map(|(load, slot)| (load.seq, Slot(slot))).collect();
        found.sort_unstable_by_key(|(seq, _)| *seq);
        found.into_iter().map(|(_, slot)| slot).collect()
    }

    /// Makes a fresh load one that the spool has. What it leaves behind is what librdkafka holds.
    pub(super) fn spill(&mut self, slot: Slot, mut stage: impl FnMut(Spilled) -> EntryId) {
        let Some(mut load) = self.loads.get_mut(slot.0 as usize).and_then(Option::take) else {
            return;
        };
        load.cargo = match load.cargo {
            Cargo::Fresh { mut block, mut ticket, settled } => {
                let unsettled = settled.others(block.len());
                let held = Held::of(&mut block, load.left);
                // What only waited will not be librdkafka's.
                let records = block.records.len() * Block::RECORD_BYTES;
                block.permit.resize(Block::OVERHEAD_BYTES / 2 + records);
                let block = Arc::new(block);
                let mut put = |records: Range<u32>| {
                    let ticket = ticket.take(records.end - records.start);
                    stage(Spilled { block: Arc::clone(&block), records, ticket })
                };
                let entries = unsettled.iter().map(|run| (run.clone(), put(run))).collect();
                Cargo::Copied { entries, held }
            }
            other @ (Cargo::Copied { .. } | Cargo::Replayed { .. } | Cargo::Unconfirmed { .. }) => {
                other
            }
        };
        if let Some(place) = self.loads.get_mut(slot.0 as usize) {
            *place = Some(load);
        }
    }

    /// Gives the slot up if nothing is left in it; what it held in memory is free then.
    pub(super) fn release(&mut self, slot: Slot) -> Option<Load> {
        let place = self.loads.get_mut(slot.0 as usize)?;
        let load = place.take_if(|load| load.left == 0)?;
        self.free.push(slot);
        Some(*load)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Load> {
        self.loads.iter().filter_map(Option::as_deref)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.loads.len() == self.free.len()
    }

    /// Blocks that are nowhere else.
    pub(super) fn fresh_count(&self) -> usize {
        self.iter().filter(|load| load.is_fresh()).count()
    }
}

impl Held {
    /// With so many records in flight. Half of what a block takes in any case is the load.
    fn of(block: &mut Block, in_flight: u32) -> Self {
        let records = in_flight as usize * (RECORD_OVERHEAD_BYTES + block.label.cost());
        let permit = block.permit.split(Block::OVERHEAD_BYTES / 2 + records);
        Self { bytes: Arc::clone(&block.bytes), permit }
    }

    fn cost(&self) -> usize {
        self.permit.bytes() + self.bytes.cost()
    }
}

impl Load {
    pub(super) fn is_fresh(&self) -> bool {
        matches!(self.cargo, Cargo::Fresh { .. })
    }

    pub(super) fn is_replayed(&self) -> bool {
        matches!(self.cargo, Cargo::Replayed { .. })
    }

    /// Records that count as sent and are not reported.
    pub(super) fn unconfirmed(&self) -> u32 {
        match &self.cargo {
            Cargo::Unconfirmed { .. } => self.left,
            Cargo::Fresh { ticket, .. } => self.left - ticket.records(),
            Cargo::Copied { .. } | Cargo::Replayed { .. } => 0,
        }
    }

    /// The records, unless only librdkafka and the spool have them.
    pub(super) fn block(&self) -> Option<&Block> {
        match &self.cargo {
            Cargo::Fresh { block, .. } | Cargo::Replayed { block, .. } => Some(block),
            Cargo::Copied { .. } | Cargo::Unconfirmed { .. } => None,
        }
    }

    /// librdkafka has some of it, and has had it since it was read.
    pub(super) fn is_handed(&self) -> bool {
        self.in_flight > 0 && !self.is_replayed()
    }

    fn handed_bytes(&self) -> usize {
        if self.is_handed() { self.bytes() } else { 0 }
    }

    /// Memory it holds.
    pub(super) fn bytes(&self) -> usize {
        match &self.cargo {
            Cargo::Fresh { block, .. } | Cargo::Replayed { block, .. } => block.cost(),
            Cargo::Copied { held, .. } | Cargo::Unconfirmed { held } => held.cost(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::budget::Budget;
    use crate::ledger::Ledgers;
    use crate::record::tests::{block, mark};
    use crate::record::{Generation, Mark, Offset};

    /// A block of three records on its way.
    fn under_way() -> (Flight, Slot) {
        board(block(mark(0, 0), mark(30, 0), &[10, 20, 30]))
    }

    fn board(block: Block) -> (Flight, Slot) {
        let mut ledgers = Ledgers::default();
        ledgers.resume(block.source, Mark::START);
        let records = NonZeroU32::new(block.len()).unwrap();
        let ticket = ledgers.open(block.source, block.start, block.end, records);
        let mut flight = Flight::default();
        let (slot, _) = flight.board(0, None, block, ticket);
        (flight, slot)
    }

    /// Where answers took longer than times may differ, it went again and again.
    #[test]
    fn a_record_gets_another_time_once() {
        let (mut flight, slot) = under_way();
        let run = |first, count| Run { slot, first, count };
        assert!(flight.retime(run(0, 2), 100_000));
        assert!(!flight.retime(run(1, 1), 200_000));
        assert!(flight.retime(run(0, 3), 200_000), "the third had none yet");
        assert!(!flight.retime(run(0, 3), 300_000));
    }

    #[test]
    fn what_leaves_for_the_spool_pays_only_for_that_and_for_what_librdkafka_has() {
        let budget = Budget::new(1 << 20, || {});
        let per_record = RECORD_OVERHEAD_BYTES + Block::RECORD_BYTES;
        let permit = budget.take_now(Block::OVERHEAD_BYTES + 3 * per_record);
        let (mut flight, slot) =
            board(Block { permit, ..block(mark(0, 0), mark(30, 0), &[10, 20, 30]) });
        flight.leave(slot, 2);
        let mut staged = Vec::new();
        flight.spill(slot, |spilled| {
            staged.push(spilled);
            EntryId::forged(Generation::FIRST, Offset::START, Offset(30))
        });
        let of_ours = 3 * Block::RECORD_BYTES;
        assert_eq!(budget.used(), Block::OVERHEAD_BYTES + of_ours + RECORD_OVERHEAD_BYTES);
        drop(staged);
        assert_eq!(budget.used(), Block::OVERHEAD_BYTES / 2 + RECORD_OVERHEAD_BYTES);
    }

    #[test]
    fn a_load_takes_no_more_than_is_paid_for_it() {
        assert!(size_of::<Load>() <= Block::OVERHEAD_BYTES / 2, "{}", size_of::<Load>());
    }
}

//! What each integer handed to the client library stands for.

use crate::ledger::Ticket;
use crate::produce::Delivered;
use crate::record::{Block, Run, Slot};

/// A block on its way, until each of its records has a fate.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) lane: usize,
    /// Its place in the order of its lane.
    pub(super) seq: u64,
    pub(super) block: Block,
    ticket: Ticket,
}

/// All blocks on their way, by slot.
#[derive(Debug, Default)]
pub(super) struct Flight {
    loads: Vec<Option<Load>>,
    free: Vec<Slot>,
    boarded: u64,
}

impl Flight {
    /// Takes a block in; a slot is used again only after its last record has a fate, so every
    /// report finds what it is about.
    pub(super) fn board(&mut self, lane: usize, block: Block, ticket: Ticket) -> (Slot, u64) {
        let seq = self.boarded;
        self.boarded = seq.strict_add(1);
        let load = Some(Load { lane, seq, block, ticket });
        let slot = self.free.pop().unwrap_or_else(|| {
            self.loads.push(None);
            Slot(u32::try_from(self.loads.len() - 1).unwrap_or(u32::MAX))
        });
        if let Some(place) = self.loads.get_mut(slot.0 as usize) {
            *place = load;
        }
        (slot, seq)
    }

    pub(super) fn load(&self, slot: Slot) -> &Load {
        let load = self.loads.get(slot.0 as usize).and_then(Option::as_ref);
        let Some(load) = load else { unreachable!("slot {} is in use until its last report", slot.0) };
        load
    }

    /// Turns a report about a run of records into the proof for their tickets.
    pub(super) fn land(&mut self, proof: Delivered<Run>) -> Delivered<Ticket> {
        let run = *proof.get();
        let ticket = self.take(run.slot, run.count);
        Delivered::carry(proof, ticket)
    }

    /// The duty for `count` of a slot's records.
    pub(super) fn take(&mut self, slot: Slot, count: u32) -> Ticket {
        let load = self.loads.get_mut(slot.0 as usize).and_then(Option::as_mut);
        let Some(load) = load else { unreachable!("slot {} is in use until its last report", slot.0) };
        load.ticket.take(count)
    }

    /// Gives the slot up if all duties of its block have been taken; what it held in memory is
    /// free then.
    pub(super) fn release(&mut self, slot: Slot) -> Option<Load> {
        let place = self.loads.get_mut(slot.0 as usize)?;
        let load = place.take_if(|load| load.ticket.records() == 0)?;
        self.free.push(slot);
        Some(load)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn len(&self) -> usize {
        self.loads.len() - self.free.len()
    }

    /// When the oldest block on its way was read.
    pub(super) fn oldest(&self) -> Option<&Load> {
        self.loads.iter().flatten().min_by_key(|load| load.seq)
    }
}

//! Room in the spool: what waits for some, and what goes where the operator wants it so.

use super::Ship;
use crate::ledger::Ticket;
use crate::metrics::Counters;
use crate::record::Block;
use crate::settings::WhenFull;
use crate::spool::{Event, Spool};

impl Ship {
    pub(super) fn hold_back(&mut self, at: usize, block: Block, ticket: Ticket) {
        self.held += 1;
        let Some(way) = self.ways.get_mut(at) else { return };
        way.spooled.held.push_back((block, ticket));
        way.gate.close();
    }

    pub(super) fn admits(&self, at: usize, block: &Block) -> bool {
        let (Some(spool), Some(way)) = (&self.spool, self.ways.get(at)) else { return false };
        match way.spooled.lane {
            // What begins before the lane's end is being read again.
            Some(lane) => {
                spool.admits(lane, block.source.generation, block.start.offset.advance(1))
            }
            None => spool.has_room(),
        }
    }

    /// What waits for room in a full spool waits no longer than the operator wants it to.
    pub(super) fn make_room(&mut self) {
        let is_full = |spool: &Spool| !spool.has_room() && spool.is_full();
        if self.held == 0 || !self.spool.as_ref().is_some_and(is_full) {
            return;
        }
        self.say_full();
        match (self.when_full, &mut self.spool) {
            (WhenFull::DropOldest, Some(spool)) => spool.make_room(),
            (WhenFull::DropNewest, _) => self.drop_held(),
            _ => {}
        }
    }

    fn drop_held(&mut self) {
        let waits = |at: &usize| self.ways.get(*at).is_some_and(|way| !way.spooled.held.is_empty());
        for at in self.ways.numbers().into_iter().filter(waits).collect::<Vec<_>>() {
            let Some(way) = self.ways.get_mut(at) else { continue };
            let held = std::mem::take(&mut way.spooled.held);
            self.held -= held.len();
            for (block, ticket) in held {
                if let Some(ticket) = self.drop_newest(at, &block, ticket) {
                    self.hold_back(at, block, ticket);
                }
            }
            self.open_gate(at);
        }
    }

    /// Drops what a full spool has no room for, where the operator wants it so. Else the ticket
    /// comes back.
    pub(super) fn drop_newest(
        &mut self,
        at: usize,
        block: &Block,
        ticket: Ticket,
    ) -> Option<Ticket> {
        if self.when_full != WhenFull::DropNewest || self.admits(at, block) {
            return Some(ticket);
        }
        let Some(spool) = &self.spool else { return Some(ticket) };
        let records = u64::from(ticket.records());
        match spool.drop_newest(ticket) {
            Ok(proof) => {
                self.settle(proof);
                self.say_full();
                self.newest_dropped += records;
                self.crew.counters.dropped.spool.add(records);
                None
            }
            Err(ticket) => Some(ticket),
        }
    }

    /// There is room in the spool again.
    pub(super) fn take_in_held(&mut self) {
        for at in self.ways.numbers() {
            if self.stow(at) {
                self.open_gate(at);
            } else if self.ways.get(at).is_some_and(|way| !way.spooled.is_due) {
                return;
            }
        }
        if std::mem::take(&mut self.is_spool_full) {
            self.say_dropped();
            tracing::info!("there is room in the spool: reading goes on");
        }
    }

    /// Puts what a way holds back into the spool. Returns whether all of it may go.
    pub(super) fn stow(&mut self, at: usize) -> bool {
        while let Some(way) = self.ways.get(at)
            && let Some((block, _)) = way.spooled.held.front()
        {
            let generation = block.source.generation;
            if !self.admits(at, block) || !self.may_stage(at, generation) {
                return false;
            }
            self.stage_held(at);
        }
        true
    }

    fn stage_held(&mut self, at: usize) {
        let held = self.ways.get_mut(at).and_then(|way| way.spooled.held.pop_front());
        if let Some((block, ticket)) = held {
            self.held -= 1;
            self.stage_whole(at, block, ticket);
        }
    }

    /// At the end, what is held back takes the room that is kept for what is in memory: its file
    /// may be gone. What does not fit stays owed.
    pub(super) fn store_held(&mut self) {
        let Some(usage) = self.spool.as_ref().map(Spool::usage) else { return };
        let mut room = usage.limit.saturating_sub(usage.bytes);
        for at in self.ways.numbers() {
            while let Some(way) = self.ways.get(at)
                && let Some((block, _)) = way.spooled.held.front()
                && let Some(left) = room.checked_sub(block.bytes.len() as u64)
            {
                room = left;
                self.stage_held(at);
            }
        }
        if self.held > 0 {
            let blocks = self.held;
            tracing::warn!(blocks, "the spool is full: what was read stays owed by its file");
        }
    }

    fn say_full(&mut self) {
        if std::mem::replace(&mut self.is_spool_full, true) {
            return;
        }
        let limit = self.spool.as_ref().map(|spool| spool.usage().limit);
        match self.when_full {
            WhenFull::Block => {
                tracing::error!(limit, "the spool is full: reading stops until there is room");
            }
            WhenFull::DropOldest => {
                tracing::error!(limit, "the spool is full: its oldest lines are dropped");
            }
            WhenFull::DropNewest => {
                tracing::error!(limit, "the spool is full: lines are dropped until there is room");
            }
        }
    }

    /// Says how many lines there was no room for, since it was said last.
    pub(super) fn say_dropped(&mut self) {
        let records = std::mem::take(&mut self.newest_dropped);
        if records > 0 {
            tracing::warn!(records, "newest lines dropped before the full spool, as configured");
        }
    }
}

/// Says and counts what the spool has given up.
pub(super) fn count_given_up(counters: &Counters, event: &Event) {
    let dropped = &counters.dropped;
    if let Event::Dropped { records, bytes, .. } = *event {
        tracing::warn!(records, bytes, "oldest lines dropped from the full spool, as configured");
        dropped.spool.add(records);
    } else if let Event::Expired { records, .. } = *event {
        tracing::warn!(records, "lines dropped from the spool at max_age, as configured");
        dropped.spool.add(records);
    } else if let Event::Late { records } = *event {
        dropped.late.add(records);
    }
}

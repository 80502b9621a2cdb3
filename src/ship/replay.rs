//! The way back from the spool: what is given back when, and when a lane is direct again.

use std::sync::Arc;

use super::{REPLAY_SHARE, Ship};
use crate::clock;
use crate::lane::Piece;
use crate::record::{Anchor, Block, Buffer, Generation, Mark, Offset, Tally};
use crate::spool::{self, Loaded};

/// Questions to the spool that are not answered, of all ways: what may come on top of the budget.
const ASKED_AT_ONCE: usize = 4;
/// What an entry being given back takes of memory beside its bytes, for each record.
const RECORD_COST: usize = crate::produce::RECORD_OVERHEAD_BYTES + Block::RECORD_BYTES;

impl Ship {
    /// Asks for the next of a way's backlog, if it may be given back now.
    pub(super) fn replay(&mut self, at: usize) {
        if self.is_stopping || self.is_fatal(at) || self.partitions(at).is_none() {
            return;
        }
        // What is refused of it would only wait in memory for the dead letters to be written.
        if self.letters_bytes >= self.crew.budgets.whole().limit() / REPLAY_SHARE {
            return;
        }
        let now = clock::now();
        let is_waited_for = self.is_waited_for(at);
        let (Some(spool), Some(way)) = (&mut self.spool, self.ways.get_mut(at)) else { return };
        if !way.lane.may_replay() || is_waited_for || way.rests(now) {
            return;
        }
        let spooled = &mut *way.spooled;
        let replay = &mut spooled.replay;
        // An equal part for each, or one dead partition would hold what others need; but one
        // entry for each in any case, so that none waits for ever.
        let outlet = self.outlets.get(way.outlet);
        let (used, limit) = (outlet.replay_budget.used(), outlet.replay_budget.limit());
        let has_part = replay.bytes < limit / outlet.replaying.max(1) && used < limit;
        let has_place = has_part || (replay.bytes == 0 && used < 2 * limit);
        if let Some(lane) = spooled.lane
            && has_place
            && !replay.is_behind
            && replay.asked.is_none()
            && self.asked < ASKED_AT_ONCE
        {
            self.asked += 1;
            replay.asked = Some(spooled.puts);
            spool.load(lane, replay.cursor);
        }
    }

    /// Whether others have something under way where it would go, and nobody gets through.
    fn is_waited_for(&self, at: usize) -> bool {
        let Some(way) = self.ways.get(at) else { return false };
        if way.rule.is_any() {
            return !self.has_elsewhere(at);
        }
        self.shares.is_waited_for(&way.target(way.partition))
    }

    pub(super) fn loaded(&mut self, loaded: Box<Loaded>) {
        self.asked -= 1;
        let Some(at) = self.way_of(loaded.id.lane()) else { return };
        let Some(way) = self.ways.get_mut(at) else { return };
        // If it took the detour again meanwhile, the oldest entry is asked for instead; and if
        // something of it has settled since it was read, it is asked for again.
        let settled = std::mem::take(&mut way.spooled.replay.settled);
        let answered = way.spooled.replay.answered();
        if answered.is_none() || !way.lane.may_replay() || settled.contains(&loaded.id) {
            return self.replay(at);
        }
        if way.rule.is_any() && self.flight.has(loaded.id) {
            // Should it come back, it is gone back for.
            way.spooled.replay.cursor = Some(loaded.id);
            self.replay(at);
        } else if !self.is_past(at, loaded.id.generation(), loaded.id.end()) {
            // What is read meanwhile may come before it, so it is asked for again then.
            if let Some(way) = self.ways.get_mut(at) {
                way.spooled.replay.is_behind = true;
            }
        } else if self.was_read_again(at, &loaded) {
            self.supersede(at, &loaded);
        } else {
            self.give_back(at, *loaded);
        }
    }

    /// Whether an entry of an earlier run lies where this run has read again: beyond a hole that
    /// a power cut tore into the spool.
    fn was_read_again(&self, at: usize, loaded: &Loaded) -> bool {
        let (Some(spool), Some(way)) = (&self.spool, self.ways.get(at)) else { return false };
        let source = way.source(loaded.id.generation());
        let resumed = self.resumed.get(&source).is_some_and(|from| loaded.id.start() >= *from);
        // Of any other, some may lie ahead of where reading went on, or of where it has come.
        let resumed = resumed && loaded.is_self_contained();
        let opened = self.ledgers.opened(source).is_some_and(|to| to >= loaded.id.end());
        spool.was_recovered(loaded.id) && resumed && opened
    }

    /// What was read again has been staged again; the older entry would repeat it.
    fn supersede(&mut self, at: usize, loaded: &Loaded) {
        let (Some(spool), Some(way)) = (&mut self.spool, self.ways.get_mut(at)) else { return };
        let records = u32::try_from(loaded.records.len()).unwrap_or(u32::MAX);
        spool.supersede(loaded.id, records);
        way.lane.drain();
        self.replay(at);
    }

    fn give_back(&mut self, at: usize, loaded: Loaded) {
        let Some(way) = self.ways.get(at) else { return };
        let source = way.source(loaded.id.generation());
        let replay_budget = self.outlets.get(way.outlet).replay_budget.clone();
        let record_cost = RECORD_COST + loaded.label.cost();
        let cost =
            Block::OVERHEAD_BYTES + loaded.bytes.capacity() + loaded.records.len() * record_cost;
        let mut permit = replay_budget.take_now(cost);
        let start = loaded.start().unwrap_or(Mark::new(loaded.id.start(), Anchor::NONE));
        let block = Block {
            source,
            start,
            end: Mark::new(loaded.id.end(), Anchor::NONE),
            bytes: Arc::new(Buffer::new(loaded.bytes, &mut permit)),
            records: loaded.records,
            is_ragged: false,
            tally: Tally::default(),
            label: loaded.label,
            remarks: loaded.remarks,
            times: loaded.times,
            read_at: clock::now(),
            permit,
        };
        let dying = self.dying.range((loaded.id, 0)..=(loaded.id, u32::MAX));
        let mut settled = loaded.removed;
        for (_, record) in dying {
            settled.insert(*record..*record + 1);
        }
        let wanted = settled.others(block.len());
        let Some(way) = self.ways.get_mut(at) else { return };
        way.lane.drain();
        way.spooled.replay.cursor = Some(loaded.id);
        if wanted.is_empty() {
            return self.replay(at);
        }
        let held = block.cost();
        way.spooled.replay.bytes += held;
        let partition = self.choose(at, &block, None);
        let cargo = (loaded.id, block);
        let (slot, seq) = self.flight.board_replayed(at, partition, cargo, wanted.count());
        let Some(way) = self.ways.get_mut(at) else { return };
        for run in wanted.iter() {
            way.lane.push(Piece { seq, slot, from: run.start, until: run.end, suspect: false });
        }
        self.hold(at, partition, held);
        self.pump(at);
        self.replay(at);
    }

    /// Nothing follows in the spool: what is read next may follow at once, unless something was
    /// staged since the question.
    pub(super) fn no_more(&mut self, lane: spool::LaneId) {
        self.asked -= 1;
        let Some(at) = self.way_of(lane) else { return };
        let Some(way) = self.ways.get_mut(at) else { return };
        let asked = way.spooled.replay.answered();
        let is_all = asked == Some(way.spooled.puts) && way.spooled.unstored == 0;
        if is_all && way.lane.may_replay() && way.spooled.replay.is_missed {
            // What is on its way would be given back a second time.
            let is_idle = way.lane.is_empty() && way.spooled.replay.bytes == 0;
            if is_idle || way.rule.is_any() {
                way.spooled.replay.start_over();
                self.replay(at);
            }
        } else if is_all && way.lane.may_replay() {
            way.lane.backlog_loaded();
            way.spooled.is_due = false;
            let held = std::mem::take(&mut way.spooled.held);
            self.held -= held.len();
            tracing::info!(lineage = %way.lineage, topic = %way.topic, "lines go to kafka directly again");
            self.open_gate(at);
            for (block, ticket) in held {
                self.take_in(at, block, ticket);
            }
            self.settle_floors(at);
        } else {
            self.replay(at);
        }
    }

    /// Whether replay may send what ends at `end`: never past what the reader of a file that is
    /// there has read again.
    fn is_past(&self, at: usize, generation: Generation, end: Offset) -> bool {
        let Some(way) = self.ways.get(at) else { return true };
        let source = way.source(generation);
        match self.ledgers.opened(source) {
            Some(opened) => opened >= end || self.gone.contains(&source),
            // Not found by the first look at everything: gone.
            None => self.has_looked(&way.lineage.input),
        }
    }

    fn has_looked(&self, input: &str) -> bool {
        self.looked.contains(input) || self.inputs.iter().all(|known| known.id != input)
    }
}

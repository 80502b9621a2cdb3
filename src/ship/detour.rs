//! The way through the spool: when to take it, and what goes in.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::Ship;
use super::flight::Spilled;
use super::room::count_given_up;
use crate::checkpoint::Change;
use crate::ledger::Ticket;
use crate::record::{Block, Generation, Mark, Slot, SourceId};
use crate::settings::{Confirm, Partition};
use crate::spool::{self, Event, Put};

impl Ship {
    /// Takes in what earlier runs left in the spool: each lane with a backlog starts in detour.
    pub(super) fn recover(&mut self, recovered: &spool::Recovered) {
        for backlog in &recovered.lanes {
            let lineage = Arc::new(backlog.lane.lineage.clone());
            let input = self.inputs.iter().find(|input| *input.id == *lineage.input);
            let rule = input.map_or(Partition::File, |input| input.partition);
            let confirm = input.map_or(Confirm::Async, |input| input.confirm);
            let outlet = self.outlets.number(&backlog.lane.output);
            let at = self.way(&lineage, &backlog.lane.topic, outlet, rule, confirm);
            let Some(way) = self.ways.get_mut(at) else { continue };
            way.lane.begin_with_backlog();
            way.spooled.lane = Some(backlog.id);
            way.spooled.records = backlog.records;
            self.by_lane.insert(backlog.id, at);
            self.left.entry(lineage).or_default().push(at);
            self.ways.occupy(at);
        }
        self.count_stranded();
        for outlet in self.outlets.iter().filter(|outlet| outlet.producer.is_none()) {
            let output = &outlet.output;
            tracing::error!(%output, "lines in the spool are for an output that is not configured; they wait until it is");
        }
    }

    /// Records that wait for an output that is not there.
    pub(super) fn count_stranded(&self) {
        let stranded = &self.crew.counters.stranded;
        // There may be very many ways, and hardly ever such an output.
        if self.outlets.iter().all(|outlet| outlet.producer.is_some()) {
            return stranded.set(0);
        }
        let ways = self.ways.iter().filter(|way| self.outlets.get(way.outlet).producer.is_none());
        stranded.set(ways.map(|way| way.spooled.records).sum());
    }

    /// Detours lanes whose oldest record is too old, or that stand still while memory is full.
    pub(super) fn watch_deadlines(&mut self, now: Instant) {
        if self.spool.is_none() {
            return;
        }
        let mut oldest: HashMap<(usize, Option<i32>), Instant> = HashMap::new();
        for load in self.flight.iter().filter(|load| load.is_fresh()) {
            let Some(block) = load.block() else { continue };
            let known = oldest.entry((load.way, load.partition)).or_insert(block.read_at);
            *known = block.read_at.min(*known);
        }
        for ((at, partition), read_at) in oldest {
            let Some(way) = self.ways.get(at).filter(|way| !way.is_unconfirmed()) else { continue };
            let outlet = self.outlets.get(way.outlet);
            // Who is told to wait is not late: the time counts from the end of that.
            let throttled = outlet.throttled_until(&way.topic, partition);
            let since = throttled.map_or(read_at, |until| until.max(read_at));
            let stalls = now.saturating_duration_since(way.moved_at.max(since)) >= self.stall_after;
            let is_late = now.saturating_duration_since(since) >= outlet.kafka.delivery_timeout;
            let is_short = || self.crew.budgets.of(&outlet.output).is_short();
            if is_late || (stalls && (way.gate.is_closed() || is_short())) {
                let why = if is_late { "delivery.timeout.ms" } else { "stall_after" };
                self.go_around(at, partition, why);
            }
        }
    }

    /// Gives up waiting for what a way leads to. Until something is acknowledged there, nothing
    /// more is handed over by others either: what librdkafka keeps takes memory, and while their
    /// share of that is used up nobody would read their files.
    pub(super) fn go_around(&mut self, at: usize, partition: Option<i32>, why: &'static str) {
        let Some(way) = self.ways.get(at) else { return };
        let target = way.target(partition);
        let is_first = self.shares.fell(target.clone());
        // It may lead to several that it waits for.
        if way.lane.is_direct() {
            if !way.spooled.is_due {
                tracing::warn!(lineage = %way.lineage, topic = %way.topic, why, "lines go to the spool");
            }
            if self.may_detour(at) {
                self.detour(at);
            }
        }
        // Gates that lead to where nobody gets through are not closed any more.
        let opened = if is_first { self.ways.leading_to(&target) } else { vec![at] };
        for at in opened {
            self.open_gate(at);
        }
    }

    /// Puts everything of a way into the spool. What librdkafka has stays there, too: only it
    /// knows what the broker has, and delivers the rest in order.
    pub(super) fn detour(&mut self, at: usize) {
        let Some(way) = self.ways.get_mut(at) else { return };
        let mut waiting = HashMap::new();
        // First of all, so that nothing read later overtakes what is in flight.
        let pieces = way.lane.detour();
        way.spooled.replay.start_over();
        way.spooled.is_due = false;
        self.ways.occupy(at);
        for piece in pieces {
            if self.flight.load(piece.slot).is_fresh() {
                *waiting.entry(piece.slot).or_insert(0) += piece.len();
            } else {
                self.flight.leave(piece.slot, piece.len());
                self.release(piece.slot);
            }
        }
        for slot in self.flight.fresh(at) {
            self.spill(at, slot, waiting.remove(&slot).unwrap_or(0));
        }
        // Suspects are in the spool now; nobody need wait for them.
        self.join(at);
    }

    /// The last of a load has left memory, and some of it is to be given back by the spool. In order
    /// that has its turn in any case; where order is given up, replay may have passed it.
    pub(super) fn go_back(&mut self, at: usize) {
        let Some(way) = self.ways.get_mut(at).filter(|way| way.rule.is_any()) else { return };
        if way.is_unconfirmed() {
            return;
        }
        if way.lane.is_direct() {
            if self.may_detour(at) {
                self.detour(at);
            }
        } else {
            let replay = &mut way.spooled.replay;
            replay.is_missed |= replay.cursor.is_some();
        }
    }

    /// A fresh load goes to the spool; what waited of it leaves memory.
    fn spill(&mut self, at: usize, slot: Slot, waiting: u32) {
        let load = self.flight.load(slot);
        let (partition, is_handed, held_before) = (load.partition, load.is_handed(), load.bytes());
        self.flight.leave(slot, waiting);
        let mut flight = std::mem::take(&mut self.flight);
        flight.spill(slot, |spilled| self.stage(at, partition, spilled));
        self.flight = flight;
        let less = held_before - self.flight.load(slot).bytes();
        self.shrank(at, partition, is_handed, less);
        self.release(slot);
    }

    /// Hands records to the spool's thread. They settle once they are stored.
    fn stage(&mut self, at: usize, partition: Option<i32>, spilled: Spilled) -> spool::EntryId {
        let (Some(spool), Some(way)) = (&mut self.spool, self.ways.get_mut(at)) else {
            unreachable!("nothing takes the detour without a spool")
        };
        let Spilled { block, records, ticket } = spilled;
        let spooled = &mut way.spooled;
        let lane = *spooled.lane.get_or_insert_with(|| {
            let (lineage, topic) = ((*way.lineage).clone(), way.topic.to_string());
            let output = self.outlets.get(way.outlet).output.clone();
            let lane = spool.lane(spool::Lane { lineage, topic, output });
            self.by_lane.insert(lane, at);
            lane
        });
        let chain = spooled.chain(&block, &records);
        // A letter that is not written yet leaves a gap that nobody has closed.
        let chain = if self.burying > 0 { Put::UNCHAINED } else { chain };
        spooled.floors.entry(block.source).or_insert(block.start);
        spooled.records += u64::from(ticket.records());
        spooled.unstored += 1;
        spooled.puts += 1;
        self.unstored += 1;
        let records = std::iter::once(records).collect();
        let entry = spool.stage(Put { lane, block, records, chain, partition, ticket });
        spooled.replay.staged(entry);
        entry
    }

    /// A block read while its lane is on the detour.
    pub(super) fn spool_block(&mut self, at: usize, mut block: Block, ticket: Ticket) {
        // librdkafka will not see it for now.
        let records = block.records.len() * Block::RECORD_BYTES;
        block.permit.resize(Block::OVERHEAD_BYTES + records);
        let is_first = self.ways.get(at).is_some_and(|way| way.spooled.held.is_empty());
        if is_first && self.may_stage(at, block.source.generation) && self.admits(at, &block) {
            return self.stage_whole(at, block, ticket);
        }
        if let Some(ticket) = self.drop_newest(at, &block, ticket) {
            self.hold_back(at, block, ticket);
        }
    }

    pub(super) fn stage_whole(&mut self, at: usize, block: Block, ticket: Ticket) {
        let records = 0..block.len();
        self.stage(at, None, Spilled { block: Arc::new(block), records, ticket });
    }

    /// Numbers of files were saved: what waited for that goes to the spool.
    pub(super) fn stage_numbered(&mut self) {
        for at in self.ways.take_busy() {
            let Some(way) = self.ways.get_mut(at).filter(|way| way.spooled.is_due) else {
                continue;
            };
            way.spooled.is_due = false;
            if way.lane.is_direct() {
                if !way.lane.is_empty() && self.may_detour(at) {
                    self.detour(at);
                }
            } else if self.stow(at) {
                self.open_gate(at);
            }
        }
    }

    /// Whether something of a file may be staged now. If not, it will be once the number of the
    /// file is saved.
    pub(super) fn may_stage(&mut self, at: usize, generation: Generation) -> bool {
        let Some(way) = self.ways.get_mut(at) else { return false };
        let is_numbered = way.is_numbered(generation, self.saved);
        if !is_numbered {
            way.spooled.is_due = true;
            self.are_numbers_awaited |= !way.are_numbered(self.saving);
        }
        is_numbered
    }

    /// The same of all that is only in memory.
    fn may_detour(&mut self, at: usize) -> bool {
        if self.ways.get(at).is_none_or(|way| way.are_numbered(self.saved)) {
            return true;
        }
        let fresh = self.flight.fresh(at);
        let blocks = fresh.into_iter().filter_map(|slot| self.flight.load(slot).block());
        let newest = blocks.map(|block| block.source.generation).max();
        newest.is_none_or(|newest| self.may_stage(at, newest))
    }

    /// Records have left the spool, as it says itself: several may want one removed.
    pub(super) fn removed(&mut self, at: usize, records: u64) {
        let Some(way) = self.ways.get_mut(at) else { return };
        way.spooled.records = way.spooled.records.saturating_sub(records);
        self.settle_floors(at);
    }

    /// Once a way's backlog is empty, what was accepted of its sources is acknowledged, too.
    pub(super) fn settle_floors(&mut self, at: usize) {
        let Some(way) = self.ways.get_mut(at) else { return };
        if way.spooled.records > 0 {
            return;
        }
        way.spooled.chains.clear();
        let lineage = way.lineage.clone();
        let floors = std::mem::take(&mut way.spooled.floors);
        let left = self.left.get(&lineage).into_iter().flatten();
        if left.filter_map(|at| self.ways.get(*at)).all(|way| way.spooled.records == 0) {
            for (generation, _) in self.crew.acknowledged.remove(&*lineage).into_iter().flatten() {
                let lineage = (*lineage).clone();
                self.changes.push(Change::Drained { lineage, generation });
            }
        }
        for (source, _) in floors {
            if let Some(frontier) = self.ledgers.frontier(source) {
                self.moved.insert(source, frontier);
            }
            if self.floor(source).is_none() && self.gone.remove(&source) {
                self.ledgers.close(source);
            }
        }
    }

    /// Where what may still have to be replayed of a source begins, whatever topic it is for.
    pub(super) fn floor(&self, source: SourceId) -> Option<Mark> {
        let at = self.ways.of(source.lineage)?;
        let left = self.left.get(&self.ways.get(at)?.lineage).into_iter().flatten();
        let ways = left.chain([&at]).filter_map(|at| self.ways.get(*at));
        let floors = ways.filter_map(|way| way.spooled.floors.get(&source));
        floors.copied().reduce(Mark::earlier)
    }

    pub(super) fn spool_event(&mut self, event: Event) {
        count_given_up(&self.crew.counters, &event);
        match event {
            Event::Stored { proofs } => self.stored(proofs),
            Event::Loaded(loaded) => self.loaded(loaded),
            Event::NoMore { lane } => self.no_more(lane),
            Event::Freed => self.take_in_held(),
            Event::Removed { records } => {
                for (lane, records) in records {
                    if let Some(at) = self.way_of(lane) {
                        self.removed(at, records);
                    }
                }
            }
            Event::Dropped { lane, records, .. } | Event::Expired { lane, records } => {
                if let Some(at) = self.way_of(lane) {
                    self.removed(at, records);
                }
            }
            Event::Late { .. } => {}
            Event::Damaged { lane, generation, records } => {
                self.damaged(lane, generation, records);
            }
            Event::Failing(reason) => {
                tracing::error!(reason, "cannot write to the spool; trying again");
            }
            Event::Mended => tracing::info!("the spool can be written to"),
            Event::Reindexed(reason) => tracing::warn!(reason, "the spool's index was made again"),
            Event::Died => {
                tracing::error!("the spool's thread died: stopping");
                self.is_broken = true;
            }
        }
    }

    fn stored(&mut self, proofs: Vec<(spool::Spooled, spool::EntryId)>) {
        let mut touched = Vec::new();
        for (proof, entry) in proofs {
            self.crew.counters.spooled.add(u64::from(proof.records()));
            self.settle(proof);
            self.unstored -= 1;
            if let Some(at) = self.way_of(entry.lane())
                && let Some(way) = self.ways.get_mut(at)
            {
                way.spooled.unstored -= 1;
                touched.push(at);
            }
        }
        touched.sort_unstable();
        touched.dedup();
        for at in touched {
            self.replay(at);
        }
    }

    /// The file may still have them: its place goes back to what was acknowledged, and stays
    /// there for the next start. Until then what was read of it counts as read.
    fn damaged(&mut self, lane: spool::LaneId, generation: Generation, records: u64) {
        let Some(at) = self.way_of(lane) else { return };
        let Some(way) = self.ways.get(at) else { return };
        let lineage = (*way.lineage).clone();
        tracing::error!(%lineage, records, "lines in the spool are damaged: set aside; the next start reads them again if their file is there");
        self.fallen.insert(way.source(generation));
        self.changes.push(Change::FellBack { lineage, generation });
        self.removed(at, records);
    }

    pub(super) fn way_of(&self, lane: spool::LaneId) -> Option<usize> {
        self.by_lane.get(&lane).copied()
    }
}

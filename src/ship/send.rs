//! Hands over what may be handed over, to where it leads.

use super::RETURNED_RESTS;
use super::Ship;
use super::share::Target;
use super::way::Way;
use crate::clock;
use crate::lane::Piece;
use crate::produce::{Cause, Handed};
use crate::record::{Run, Slot};
use crate::settings::Confirm;

/// Until librdkafka has so many eighths of what an output may have of memory, it gets one more
/// block, which may take another. What it has of a cluster that is away stays with it: so much is
/// left that what is read then can still go to the spool.
const HANDED_TO_ANY: usize = 5;

/// The same where nothing is in flight: others may have all that, and get nothing through.
const HANDED_TO_IDLE: usize = 6;

impl Ship {
    /// Hands over what may be handed over of one way.
    pub(super) fn pump(&mut self, at: usize) {
        while !(self.is_arriving || self.is_fatal(at))
            && let Some(piece) = self.next_piece(at)
            && let Some(partition) = self.aim(at, piece.slot)
            && let Some(target) = self.ways.get(at).map(|way| way.target(Some(partition)))
            && self.shares.may_go(&target, at, piece.suspect)
            && self.may_hand(at, piece.slot, &target)
        {
            let Some(block) = self.flight.load(piece.slot).block() else {
                unreachable!("what waits is in memory")
            };
            let (from, until) = (piece.from, piece.until);
            let Some(way) = self.ways.get(at) else { return };
            let name = way.name(&self.realm, block);
            let Some(producer) = &mut self.outlets.get_mut(way.outlet).producer else {
                unreachable!("nothing leads to partitions of an output that is not there")
            };
            let handed = producer.send(partition, piece.slot, block, name, from..until);
            self.shares.handed(target, handed.taken());
            self.handed(at, piece, &handed);
            for (record, cause) in handed.refused {
                self.bury(at, piece.slot, record, cause);
            }
            self.let_go(at, partition, piece.slot);
            if let Some(cause) = handed.stopped {
                return self.hold_up(at, cause);
            }
        }
        self.join(at);
    }

    /// Whether librdkafka may have something of what is in a slot; if not, the way waits in line.
    fn may_hand(&mut self, at: usize, slot: Slot, target: &Target) -> bool {
        let load = self.flight.load(slot);
        let may = load.is_handed()
            || !load.is_fresh()
            || self.takes_more(target.0, HANDED_TO_ANY)
            || (self.shares.is_idle(target) && self.takes_more(target.0, HANDED_TO_IDLE));
        if !may
            && let Some(way) = self.ways.get_mut(at)
            && !std::mem::replace(&mut way.is_in_line, true)
        {
            self.outlets.get_mut(target.0).line.push_back(at);
        }
        may
    }

    /// Whether librdkafka has less than so many eighths of what an output may have of memory.
    fn takes_more(&self, outlet: usize, eighths: usize) -> bool {
        let outlet = self.outlets.get(outlet);
        outlet.handed < self.crew.budgets.of(&outlet.output).reach() / 8 * eighths
    }

    /// Those who wait for librdkafka to have less go on, as far as it may have more, in their order.
    pub(super) fn hand_on(&mut self, outlet: usize) {
        while self.takes_more(outlet, HANDED_TO_ANY)
            && let Some(at) = self.outlets.get_mut(outlet).line.pop_front()
        {
            if let Some(way) = self.ways.get_mut(at) {
                way.is_in_line = false;
            }
            self.pump(at);
        }
    }

    fn next_piece(&mut self, at: usize) -> Option<Piece> {
        let may_go = |way: &&mut Way| !way.rests(clock::now());
        let way = self.ways.get_mut(at).filter(may_go)?;
        let waits = way.confirm == Confirm::Sync && way.lane.in_flight() > 0;
        let piece = if waits { None } else { way.lane.next_piece() }?;
        let block = self.flight.load(piece.slot).block()?;
        let is_named = block.label.record_id.is_some();
        let is_early = is_named && !way.is_numbered(block.source.generation, self.saved);
        (!is_early).then_some(piece)
    }

    /// A piece of a way was handed over, as far as that came.
    fn handed(&mut self, at: usize, piece: Piece, handed: &Handed) {
        let taken = handed.taken();
        let Some(way) = self.ways.get_mut(at) else { return };
        way.lane.handed(handed.done, taken);
        let outlet = self.outlets.get_mut(way.outlet);
        outlet.handed += self.flight.hand(piece.slot, taken);
        match way.confirm {
            Confirm::Async => {}
            // It would wait for others that it keeps from coming.
            Confirm::Sync => outlet.hurries |= taken > 0,
            Confirm::None => {
                let ticket = (taken > 0).then(|| self.flight.forget(piece.slot, taken));
                if let Some(ticket) = ticket.flatten() {
                    self.crew.counters.unconfirmed.add(u64::from(taken));
                    self.settle(handed.unconfirmed(ticket));
                }
            }
        }
    }

    /// What counts as sent as a whole leaves memory, but for what librdkafka has of it.
    fn let_go(&mut self, at: usize, partition: i32, slot: Slot) {
        if let Some(bytes) = self.flight.let_go(slot) {
            let is_handed = self.flight.load(slot).is_handed();
            self.shrank(at, Some(partition), is_handed, bytes);
        }
    }

    /// Lets the others of a partition go on, if this way has nothing to send alone.
    pub(super) fn join(&mut self, at: usize) {
        if self.ways.get(at).is_some_and(|way| way.lane.has_suspects()) {
            return;
        }
        if let Some(target) = self.shares.join(at) {
            for other in self.ways.leading_to(&target) {
                self.pump(other);
            }
        }
    }

    /// Records are in flight no more.
    pub(super) fn landed(&mut self, target: &Target, run: Run) {
        self.outlets.get_mut(target.0).handed -= self.flight.landed(run.slot, run.count);
        self.go_alone.extend(self.shares.landed(target, run.count));
    }

    pub(super) fn pump_all(&mut self) {
        for at in self.ways.take_busy() {
            if self.ways.get(at).is_some_and(|way| !way.lane.is_empty()) {
                self.pump(at);
            }
            if let Some(way) = self.ways.get_mut(at).filter(|way| !way.lane.is_direct()) {
                // The reader may have found that a file is gone.
                way.spooled.replay.is_behind = false;
                self.replay(at);
            }
        }
    }

    /// Why a way cannot go on, and until when.
    pub(super) fn hold_up(&mut self, at: usize, cause: Cause) {
        let now = clock::now();
        let Some(way) = self.ways.get_mut(at) else { return };
        way.rests_until = Some(now + RETURNED_RESTS);
        match cause {
            Cause::Missing(_) | Cause::Unauthorized(_) => {
                self.outlets.get_mut(way.outlet).topics.doubt(&way.topic, cause, now);
            }
            Cause::Fatal(_) => self.outlets.get_mut(way.outlet).fail(cause),
            Cause::Purged | Cause::Passing(_) | Cause::Misconfigured(_) | Cause::Refused(_) => {
                tracing::debug!(topic = %way.topic, %cause, "hand-over stopped");
            }
        }
    }
}

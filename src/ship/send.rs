//! Hands over what may be handed over, to where it leads, within its share of memory.

use super::RETURNED_RESTS;
use super::Ship;
use super::share::Target;
use crate::produce::Cause;
use crate::{clock, partition};

impl Ship {
    /// Counts memory against the share of a way's partition; a share that is used up closes the
    /// gates of those that lead there directly: what is read of others goes to the spool.
    pub(super) fn hold(&mut self, at: usize, bytes: usize) {
        let Some(way) = self.ways.get_mut(at) else { return };
        way.bytes += bytes;
        let target = way.target();
        // Where nobody gets through, what is read goes around.
        let is_full = self.shares.hold(target.clone(), bytes) && !self.shares.is_down(&target);
        if is_full && way.lane.is_direct() {
            way.gate.close();
        }
    }

    pub(super) fn free(&mut self, at: usize, bytes: usize) {
        let Some(way) = self.ways.get_mut(at) else { return };
        way.bytes -= bytes;
        let target = way.target();
        if self.shares.free(&target, bytes) {
            for at in self.leading_to(&target) {
                self.open_gate(at);
            }
        }
    }

    pub(super) fn leading_to(&self, target: &Target) -> Vec<usize> {
        self.ways.leading_to(target)
    }

    /// Lets a way's reader go on, unless it waits for room in the spool.
    pub(super) fn open_gate(&self, at: usize) {
        if let Some(way) = self.ways.get(at)
            && way.spooled.held.is_empty()
            && way.gate.open()
        {
            (self.crew.wake)();
        }
    }

    /// Hands over what may be handed over of one way.
    pub(super) fn pump(&mut self, at: usize) {
        while !self.is_fatal(at)
            && let Some(partition) = self.partition(at)
            && let Some(way) = self.ways.get_mut(at)
            && !way.rests(clock::now())
            && way.is_numbered(self.saved)
            && let Some(piece) = way.lane.next_piece()
            && self.shares.may_go(way.target(), at, piece.suspect)
        {
            let Some(block) = self.flight.load(piece.slot).block() else {
                unreachable!("what waits is in memory")
            };
            let (from, until) = (piece.from, piece.until);
            let name = way.name(&self.realm, block);
            let Some(producer) = &mut self.outlets.get_mut(way.outlet).producer else {
                unreachable!("nothing leads to partitions of an output that is not there")
            };
            let handed = producer.send(partition, piece.slot, block, name, from..until);
            let taken = handed.done - u32::try_from(handed.refused.len()).unwrap_or(u32::MAX);
            way.lane.handed(handed.done, taken);
            self.shares.handed(way.target(), taken);
            for (record, cause) in handed.refused {
                self.bury(at, piece.slot, record, cause);
            }
            if let Some(cause) = handed.stopped {
                return self.hold_up(at, cause);
            }
        }
        self.join(at);
    }

    /// Lets the others of a partition go on, if this way has nothing to send alone.
    pub(super) fn join(&mut self, at: usize) {
        let Some(way) = self.ways.get(at).filter(|way| !way.lane.has_suspects()) else { return };
        let target = way.target();
        if self.shares.join(&target, at) {
            for other in self.leading_to(&target) {
                self.pump(other);
            }
        }
    }

    /// Records of a way are in flight no more.
    pub(super) fn landed(&mut self, at: usize, records: u32) {
        let Some(way) = self.ways.get(at) else { return };
        self.go_alone.extend(self.shares.landed(&way.target(), records));
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

    /// Where a way leads. A way with nothing on it may be led elsewhere: partitions were added.
    pub(super) fn partition(&mut self, at: usize) -> Option<i32> {
        let way = self.ways.get(at)?;
        if way.lane.in_flight() > 0 {
            return way.partition;
        }
        let count = self.outlets.get_mut(way.outlet).partitions(&way.topic)?;
        let chosen = match way.pinned {
            Some(number) => number,
            None => partition::of_lineage(&self.realm.host, &way.lineage, count),
        };
        if way.partition != Some(chosen) {
            self.lead(at, chosen);
        }
        Some(chosen)
    }

    fn lead(&mut self, at: usize, partition: i32) {
        let Some(bytes) = self.ways.get(at).map(|way| way.bytes) else { return };
        self.free(at, bytes);
        if let Some(way) = self.ways.get_mut(at) {
            way.partition = Some(partition);
        }
        // Its new share may have room; if not, holding closes it again.
        self.open_gate(at);
        self.hold(at, bytes);
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

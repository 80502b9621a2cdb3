//! Where what is read goes: which partition of its topic, and what leads there has of memory.

use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU32;
use std::sync::Arc;

use super::Ship;
use crate::partition::{self, Spread};
use crate::record::{Block, Slot};
use crate::settings::Partition;

impl Ship {
    /// Out of how many partitions a way may choose now. Order holds only if everything that was
    /// sent to one is acknowledged before what comes next goes to another. So when partitions were
    /// added, nothing is handed over until nothing is in flight, unless order is given up.
    pub(super) fn partitions(&mut self, at: usize) -> Option<NonZeroU32> {
        let way = self.ways.get_mut(at)?;
        let known = self.outlets.get_mut(way.outlet).partitions(&way.topic);
        let is_ordered = matches!(way.rule, Partition::File | Partition::Key);
        if way.lane.in_flight() > 0 && (is_ordered || known.is_none()) {
            let moves = known.is_some() && known != way.count;
            return way.count.filter(|_| !moves);
        }
        if way.count != known {
            way.count = known;
            way.home = match (way.rule, known) {
                (Partition::File, Some(count)) => {
                    Some(partition::of_lineage(&self.realm.host, &way.lineage, count))
                }
                (rule, _) => rule.pinned(),
            };
            // Nobody need wait for where it was to go before.
            way.partition = way.home;
            self.open_gate(at);
        }
        known
    }

    /// Where a block goes; `led`: where it was to go up to now.
    pub(super) fn choose(&mut self, at: usize, block: &Block, led: Option<i32>) -> Option<i32> {
        let count = self.partitions(at)?;
        let way = self.ways.get(at)?;
        match way.rule {
            Partition::Number(_) | Partition::File => way.home,
            // Without one it is as if it were empty; the configuration sees to it that there is.
            Partition::Key => {
                Some(partition::of_key(block.label.key.as_deref().unwrap_or_default(), count))
            }
            rule @ (Partition::Sticky | Partition::RoundRobin | Partition::Random) => {
                let (topic, shares) = (&way.topic, &self.shares);
                let fits = |number: i32| shares.is_fit(&way.target(Some(number)));
                let is_there = |number: &i32| u32::try_from(*number).is_ok_and(|n| n < count.get());
                // What is in flight of it is counted there.
                let stays =
                    |number: &i32| way.lane.in_flight() > 0 || (is_there(number) && fits(*number));
                if let Some(number) = led.filter(stays) {
                    return Some(number);
                }
                let outlet = self.outlets.get_mut(way.outlet);
                let batch_bytes = outlet.kafka.batch_size_bytes;
                let new = || Spread::new(RandomState::new().hash_one(topic), batch_bytes);
                let spread = outlet.spreads.entry(Arc::clone(topic)).or_insert_with(new);
                Some(spread.choose(rule, count, block.bytes.len(), fits))
            }
        }
    }

    /// Where what waits in a slot goes now.
    pub(super) fn aim(&mut self, at: usize, slot: Slot) -> Option<i32> {
        // Taken out for as long as others of us are asked.
        let mut flight = std::mem::take(&mut self.flight);
        let load = flight.load(slot);
        let Some(block) = load.block() else { unreachable!("what waits is in memory") };
        let (led, bytes) = (load.partition, load.bytes());
        let chosen = self.choose(at, block, led);
        if let Some(number) = chosen.filter(|_| chosen != led) {
            if led.is_none()
                && let Some(way) = self.ways.get(at)
            {
                // Where nobody knew where to go, nobody waits any more.
                self.shares.rose(&way.target(None));
            }
            flight.lead(slot, number);
            self.free(at, led, bytes);
            // Its new share may have room; if not, holding closes it again.
            self.open_gate(at);
            self.hold(at, chosen, bytes);
        }
        self.flight = flight;
        chosen
    }

    /// Counts memory against the share of a partition. One that is used up closes the gates of
    /// those that lead there directly: what is read of others goes to the spool.
    pub(super) fn hold(&mut self, at: usize, partition: Option<i32>, bytes: usize) {
        let Some(way) = self.ways.get_mut(at) else { return };
        way.bytes += bytes;
        way.partition = partition;
        let target = way.target(partition);
        // Where nobody gets through, what is read goes around; but what counts as sent waits.
        let goes_around = self.shares.is_down(&target) && !way.is_unconfirmed();
        let is_full = self.shares.hold(target, bytes) && !goes_around;
        if is_full && way.lane.is_direct() && !self.has_elsewhere(at) {
            self.close_gate(at);
        }
    }

    pub(super) fn free(&mut self, at: usize, partition: Option<i32>, bytes: usize) {
        let Some(way) = self.ways.get_mut(at) else { return };
        way.bytes -= bytes;
        let target = way.target(partition);
        if self.shares.free(&target, bytes) {
            for at in self.ways.leading_to(&target) {
                self.open_gate(at);
            }
        }
    }

    /// A load takes so much less memory.
    pub(super) fn shrank(
        &mut self,
        at: usize,
        partition: Option<i32>,
        is_handed: bool,
        bytes: usize,
    ) {
        if let Some(way) = self.ways.get(at).filter(|_| is_handed) {
            self.outlets.get_mut(way.outlet).handed -= bytes;
        }
        self.free(at, partition, bytes);
    }

    /// Whether what is read next may go to a partition that has room.
    pub(super) fn has_elsewhere(&self, at: usize) -> bool {
        let Some(way) = self.ways.get(at).filter(|way| way.rule.is_any()) else { return false };
        let count = way.count.and_then(|count| i32::try_from(count.get()).ok());
        (0..count.unwrap_or_default()).any(|number| self.shares.is_fit(&way.target(Some(number))))
    }

    fn close_gate(&self, at: usize) {
        if let Some(way) = self.ways.get(at) {
            way.gate.close();
        }
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
}

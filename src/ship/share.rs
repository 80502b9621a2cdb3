//! What leads to one partition has in common: a share of memory, and batches.

use std::collections::HashMap;
use std::sync::Arc;

use crate::budget::Budget;

/// An outlet's number, a topic, and one of its partitions; none while it is not known.
pub(super) type Target = (usize, Arc<str>, Option<i32>);

#[derive(Debug, Default)]
struct Share {
    bytes: usize,
    /// Records handed over whose outcome is not known, of all lanes.
    in_flight: u64,
    /// A lane that leads there has waited too long, and nothing was acknowledged since.
    is_down: bool,
    /// The way that sends suspects: in company of others' records a refusal says nothing.
    alone: Option<usize>,
}

impl Share {
    /// It has used up the most memory that one may have.
    fn is_full(&self, bytes_max: usize) -> bool {
        self.bytes >= bytes_max
    }
}

/// What all shares take of memory.
#[derive(Debug)]
struct Memory {
    /// The most of one: a dead partition must leave some to the others.
    bytes_max: usize,
    /// How many shares have some.
    in_use: usize,
    /// How many have used up theirs.
    full: usize,
}

impl Memory {
    /// A share has so much from now on; returns whether it was used up before, and is now.
    fn assign(&mut self, share: &mut Share, bytes: usize) -> (bool, bool) {
        let (was_in_use, was_full) = (share.bytes > 0, share.is_full(self.bytes_max));
        share.bytes = bytes;
        let (is_in_use, is_full) = (share.bytes > 0, share.is_full(self.bytes_max));
        self.in_use = self.in_use + usize::from(is_in_use) - usize::from(was_in_use);
        self.full = self.full + usize::from(is_full) - usize::from(was_full);
        (was_full, is_full)
    }
}

/// All partitions that something leads to.
#[derive(Debug)]
pub(super) struct Shares {
    shares: HashMap<Target, Share>,
    /// Where each way with suspects keeps others waiting: one partition at a time, or two ways could
    /// wait for each other.
    alone: HashMap<usize, Target>,
    memory: Memory,
}

impl Shares {
    pub(super) fn new(bytes_max: usize) -> Self {
        let memory = Memory { bytes_max, in_use: 0, full: 0 };
        Self { shares: HashMap::new(), alone: HashMap::new(), memory }
    }

    /// What a partition has of memory, if reading waits for some.
    pub(super) fn room(&self, budget: &Budget) -> Option<usize> {
        if self.memory.full > 0 {
            return Some(self.memory.bytes_max);
        }
        budget.is_short().then(|| budget.limit() / self.memory.in_use.max(1))
    }

    /// Counts memory in; true if the share is used up.
    pub(super) fn hold(&mut self, target: Target, bytes: usize) -> bool {
        let share = self.shares.entry(target).or_default();
        let held = share.bytes + bytes;
        let (_, is_full) = self.memory.assign(share, held);
        is_full
    }

    pub(super) fn is_full(&self, target: &Target) -> bool {
        self.shares.get(target).is_some_and(|share| share.is_full(self.memory.bytes_max))
    }

    /// It has room, and lets through what is sent there, or nothing is.
    pub(super) fn is_fit(&self, target: &Target) -> bool {
        !self.is_full(target) && !self.is_waited_for(target)
    }

    /// Counts memory out; true if the share was used up and is not any more.
    pub(super) fn free(&mut self, target: &Target, bytes: usize) -> bool {
        let Some(share) = self.shares.get_mut(target) else { return false };
        let held = share.bytes - bytes;
        let (was_full, is_full) = self.memory.assign(share, held);
        was_full && !is_full
    }

    pub(super) fn handed(&mut self, target: Target, records: u32) {
        self.shares.entry(target).or_default().in_flight += u64::from(records);
    }

    /// Returns the way that has waited for nothing to be in flight there, once nothing is.
    pub(super) fn landed(&mut self, target: &Target, records: u32) -> Option<usize> {
        let share = self.shares.get_mut(target)?;
        share.in_flight -= u64::from(records);
        share.alone.filter(|_| share.in_flight == 0)
    }

    /// A lane that leads there has waited too long.
    /// Returns whether it is the first.
    pub(super) fn fell(&mut self, target: Target) -> bool {
        !std::mem::replace(&mut self.shares.entry(target).or_default().is_down, true)
    }

    /// Something was acknowledged there.
    pub(super) fn rose(&mut self, target: &Target) {
        if let Some(share) = self.shares.get_mut(target) {
            share.is_down = false;
        }
    }

    pub(super) fn is_down(&self, target: &Target) -> bool {
        self.shares.get(target).is_some_and(|share| share.is_down)
    }

    /// Nothing is in flight there, and nobody has found that nothing gets through.
    pub(super) fn is_idle(&self, target: &Target) -> bool {
        self.shares.get(target).is_none_or(|share| share.in_flight == 0 && !share.is_down)
    }

    /// Of any partition that an outlet leads to.
    pub(super) fn is_any_down(&self, outlet: usize) -> bool {
        self.shares.iter().any(|((to, ..), share)| *to == outlet && share.is_down)
    }

    /// Whether to wait for what others have handed over before giving back more.
    pub(super) fn is_waited_for(&self, target: &Target) -> bool {
        self.shares.get(target).is_some_and(|share| share.is_down && share.in_flight > 0)
    }

    /// Whether way `at` may hand over now. Suspects wait until nothing is in flight, and keep
    /// others waiting meanwhile.
    pub(super) fn may_go(&mut self, target: &Target, at: usize, is_suspect: bool) -> bool {
        if !is_suspect || self.alone.get(&at).is_some_and(|there| there != target) {
            self.join(at);
        }
        let share = self.shares.entry(target.clone()).or_default();
        if share.alone.is_some_and(|other| other != at) {
            return false;
        }
        if is_suspect {
            share.alone = Some(at);
            self.alone.insert(at, target.clone());
        }
        !is_suspect || share.in_flight == 0
    }

    /// Way `at` has nothing to send alone there, now; returns where others may have waited for
    /// that.
    pub(super) fn join(&mut self, at: usize) -> Option<Target> {
        let target = self.alone.remove(&at)?;
        if let Some(share) = self.shares.get_mut(&target) {
            share.alone = None;
        }
        Some(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(partition: i32) -> Target {
        (0, "t".into(), Some(partition))
    }

    #[test]
    fn room_is_told_of_while_reading_waits_for_it() {
        let (budget, mut shares) = (Budget::new(100, || {}), Shares::new(40));
        let held = [0, 1].map(|partition| {
            shares.hold(target(partition), 10);
            budget.try_take(10)
        });
        assert_eq!(shares.room(&budget), None);
        assert!(budget.try_take(90).is_none());
        assert_eq!(shares.room(&budget), Some(50));
        shares.hold(target(0), 30);
        assert_eq!(shares.room(&budget), Some(40), "one has used up its share");
        shares.free(&target(0), 40);
        assert_eq!(shares.room(&budget), Some(100), "the other is alone");
        drop(held);
        assert_eq!(shares.room(&budget), None);
    }

    /// What is in flight to two partitions, of nobody who has suspects.
    fn shares() -> Shares {
        let mut shares = Shares::new(100);
        shares.handed(target(0), 1);
        shares.handed(target(1), 1);
        shares
    }

    #[test]
    fn others_wait_for_a_suspect_and_it_for_them() {
        let mut shares = shares();
        assert!(!shares.may_go(&target(0), 7, true));
        assert!(!shares.may_go(&target(0), 8, false));
        assert_eq!(shares.landed(&target(0), 1), Some(7));
        assert!(shares.may_go(&target(0), 7, true));
        assert_eq!(shares.join(7), Some(target(0)));
        assert!(shares.may_go(&target(0), 8, false));
    }

    /// Each would wait for ever.
    #[test]
    fn two_with_suspects_for_two_partitions_do_not_wait_for_each_other() {
        let mut shares = shares();
        shares.may_go(&target(0), 7, true);
        shares.may_go(&target(1), 8, true);
        shares.landed(&target(0), 1);
        shares.landed(&target(1), 1);
        // What comes first now is for the other partition.
        assert!(!shares.may_go(&target(1), 7, true));
        assert!(shares.may_go(&target(0), 8, true));
        assert!(shares.may_go(&target(1), 7, true));
    }

    /// It was led elsewhere, and nobody could send to where it had been.
    #[test]
    fn nobody_waits_where_a_suspect_was_to_go_before() {
        let mut shares = Shares::new(100);
        assert!(shares.may_go(&target(0), 7, true));
        assert!(shares.may_go(&target(1), 7, true));
        assert!(shares.may_go(&target(0), 8, false));
    }
}

//! What leads to one partition has in common: a share of memory, and batches.

use std::collections::HashMap;
use std::sync::Arc;

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

/// All partitions that something leads to.
#[derive(Debug)]
pub(super) struct Shares {
    shares: HashMap<Target, Share>,
    /// The most memory of one: a dead partition must leave some to the others.
    bytes_max: usize,
}

impl Shares {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { shares: HashMap::new(), bytes_max }
    }

    /// Counts memory in; true if the share is used up.
    pub(super) fn hold(&mut self, target: Target, bytes: usize) -> bool {
        let share = self.shares.entry(target).or_default();
        share.bytes += bytes;
        share.bytes >= self.bytes_max
    }

    /// Counts memory out; true if the share was used up and is not any more.
    pub(super) fn free(&mut self, target: &Target, bytes: usize) -> bool {
        let Some(share) = self.shares.get_mut(target) else { return false };
        let was_full = share.bytes >= self.bytes_max;
        share.bytes -= bytes;
        was_full && share.bytes < self.bytes_max
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

    /// Whether to wait for what others have handed over before giving back more.
    pub(super) fn is_waited_for(&self, target: &Target) -> bool {
        self.shares.get(target).is_some_and(|share| share.is_down && share.in_flight > 0)
    }

    /// Whether way `at` may hand over now. Suspects wait until nothing is in flight, and keep
    /// others waiting meanwhile.
    pub(super) fn may_go(&mut self, target: Target, at: usize, is_suspect: bool) -> bool {
        let share = self.shares.entry(target).or_default();
        match share.alone {
            Some(other) if other != at => false,
            _ if is_suspect => {
                share.alone = Some(at);
                share.in_flight == 0
            }
            _ => {
                share.alone = None;
                true
            }
        }
    }

    /// Way `at` has nothing to send alone, now; true if others waited for that.
    pub(super) fn join(&mut self, target: &Target, at: usize) -> bool {
        let share = self.shares.get_mut(target);
        share.is_some_and(|share| share.alone.take_if(|way| *way == at).is_some())
    }
}

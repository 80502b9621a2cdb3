//! One lineage's way out: its lane, where that leads, and what it holds in memory.

use std::sync::Arc;
use std::time::Instant;

use crate::lane::Lane;
use crate::record::Lineage;
use crate::tail::Gate;

#[derive(Debug)]
pub(super) struct Way {
    pub(super) lineage: Arc<Lineage>,
    pub(super) topic: Arc<str>,
    /// Fixed by the configuration; otherwise host, input and path decide.
    pub(super) pinned: Option<i32>,
    /// Where it leads now. Chosen at the first send and again only when nothing is under way.
    pub(super) partition: Option<i32>,
    pub(super) lane: Lane,
    pub(super) gate: Arc<Gate>,
    /// Memory held by its blocks.
    pub(super) bytes: usize,
    /// Nothing is handed over before this.
    pub(super) rests_until: Option<Instant>,
}

impl Way {
    pub(super) fn new(
        lineage: Arc<Lineage>,
        topic: &str,
        pinned: Option<i32>,
        gate: Arc<Gate>,
    ) -> Self {
        Self {
            lineage,
            topic: topic.into(),
            pinned,
            partition: None,
            lane: Lane::default(),
            gate,
            bytes: 0,
            rests_until: None,
        }
    }

    pub(super) fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| until > now)
    }
}

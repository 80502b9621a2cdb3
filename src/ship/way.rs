//! One lineage's way out: its lane, where that leads, what it holds in memory and in the spool.

use std::collections::{HashMap, VecDeque};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use super::share::Target;
use crate::lane::Lane;
use crate::ledger::Ticket;
use crate::record::{Block, Generation, Lineage, LineageId, Mark, Offset, SourceId};
use crate::spool::{EntryId, LaneId};
use crate::tail::Gate;

#[derive(Debug)]
pub(super) struct Way {
    pub(super) lineage: Arc<Lineage>,
    /// Its number, once a reader has seen a file of it.
    pub(super) id: Option<LineageId>,
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
    /// When the broker last acknowledged something, or there was nothing to acknowledge.
    pub(super) moved_at: Instant,
    pub(super) spooled: Seldom,
}

/// What most ways never have costs no more than a pointer.
#[derive(Debug, Default)]
pub(super) struct Seldom(Option<Box<Spooled>>);

impl Deref for Seldom {
    type Target = Spooled;

    fn deref(&self) -> &Spooled {
        static NOTHING: LazyLock<Spooled> = LazyLock::new(Spooled::default);
        self.0.as_deref().unwrap_or(&NOTHING)
    }
}

impl DerefMut for Seldom {
    fn deref_mut(&mut self) -> &mut Spooled {
        self.0.get_or_insert_default()
    }
}

/// What of a way is in the spool.
#[derive(Debug, Default)]
pub(super) struct Spooled {
    pub(super) lane: Option<LaneId>,
    /// Records, staged or stored, without those that have been removed.
    pub(super) records: u64,
    /// Puts that are not known to be stored.
    pub(super) unstored: usize,
    /// Puts so far: tells whether anything was staged since a question was asked.
    pub(super) puts: u64,
    /// What was staged last, for each source of this run.
    pub(super) staged_to: HashMap<Generation, Staged>,
    /// Where what may still have to be replayed begins, for each source.
    pub(super) floors: HashMap<SourceId, Mark>,
    pub(super) replay: Replay,
    /// Blocks that the spool has no room for; they come after all that is in it.
    pub(super) held: VecDeque<(Block, Ticket)>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Staged {
    pub(super) end: Offset,
    /// It ended where it began.
    pub(super) blind: bool,
}

impl Replay {
    /// The next one begins at the oldest entry.
    pub(super) fn start_over(&mut self) {
        self.cursor = None;
        self.is_behind = false;
        self.is_stale = self.asked.is_some();
    }

    /// The answer has come; what was asked for it, unless it is of no interest any more.
    pub(super) fn answered(&mut self) -> Option<u64> {
        let asked = self.asked.take();
        let is_stale = std::mem::take(&mut self.is_stale);
        asked.filter(|_| !is_stale)
    }
}

#[derive(Debug, Default)]
pub(super) struct Replay {
    /// The last entry taken from the spool since the detour; none before the first.
    pub(super) cursor: Option<EntryId>,
    /// An answer is awaited; `puts` as it was when it was asked for.
    pub(super) asked: Option<u64>,
    /// The answer awaited is to a question that is of no interest any more.
    pub(super) is_stale: bool,
    /// The next entry is one that the reader has not come to again.
    pub(super) is_behind: bool,
    /// Memory held by entries that were given back.
    pub(super) bytes: usize,
}

impl Way {
    pub(super) fn new(lineage: Arc<Lineage>, topic: Arc<str>, now: Instant) -> Self {
        Self {
            lineage,
            id: None,
            topic,
            pinned: None,
            partition: None,
            lane: Lane::default(),
            gate: Arc::default(),
            bytes: 0,
            rests_until: None,
            moved_at: now,
            spooled: Seldom::default(),
        }
    }

    /// Where it leads.
    pub(super) fn target(&self) -> Target {
        (self.topic.clone(), self.partition)
    }

    pub(super) fn leads_to(&self, (topic, partition): &Target) -> bool {
        self.partition == *partition && self.topic == *topic
    }

    /// One of its sources; what no reader has seen is like nothing a reader has.
    pub(super) fn source(&self, generation: Generation) -> SourceId {
        SourceId { lineage: self.id.unwrap_or(LineageId(u32::MAX)), generation }
    }

    /// Nothing of it is owed, in memory or in the spool.
    pub(super) fn is_over(&self) -> bool {
        let spooled = &self.spooled;
        let is_sent = self.lane.is_empty() && self.lane.is_direct() && self.bytes == 0;
        let is_drained = spooled.records == 0 && spooled.unstored == 0 && spooled.held.is_empty();
        is_sent && is_drained && spooled.floors.is_empty() && spooled.replay.asked.is_none()
    }

    pub(super) fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| until > now)
    }
}

//! One lineage's way out: its lane, where that leads, what it holds in memory and in the spool.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;
use std::ops::{Deref, DerefMut, Range};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use super::Realm;
use super::share::Target;
use crate::lane::Lane;
use crate::ledger::Ticket;
use crate::record::{
    Ahead, Block, Generation, Lineage, LineageId, Mark, Offset, SourceId, SourceName,
};
use crate::roll::Keyed;
use crate::settings::{Confirm, Partition};
use crate::spool::{EntryId, LaneId, Put};
use crate::tail::Gate;

#[derive(Debug)]
pub(super) struct Way {
    pub(super) lineage: Arc<Lineage>,
    /// Its number, once a reader has seen a file of it.
    pub(super) id: Option<LineageId>,
    pub(super) topic: Arc<str>,
    /// The number of its outlet.
    pub(super) outlet: usize,
    /// What decides which partition its records go to.
    pub(super) rule: Partition,
    pub(super) confirm: Confirm,
    /// Out of how many partitions. Taken in at the first send, and again only when nothing is in
    /// flight.
    pub(super) count: Option<NonZeroU32>,
    /// Where all of it goes, if that is one: decided when the number of partitions was taken in.
    pub(super) home: Option<i32>,
    /// Where its last block was led.
    pub(super) partition: Option<i32>,
    pub(super) lane: Lane,
    pub(super) gate: Arc<Gate>,
    /// Memory held by its blocks.
    pub(super) bytes: usize,
    /// Nothing is handed over before this.
    pub(super) rests_until: Option<Instant>,
    /// When the broker last acknowledged something, or there was nothing to acknowledge.
    pub(super) moved_at: Instant,
    /// The first of its files whose number may not be saved, and the batch of changes that the
    /// numbers are in; batch 0 if there is none.
    numbered: (Generation, u64),
    /// It was said that times of its records were replaced.
    pub(super) is_retimed: bool,
    /// It waits for librdkafka to have less.
    pub(super) is_in_line: bool,
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
    /// What the next put of each source of this run is chained to.
    pub(super) chains: HashMap<Generation, Offset>,
    /// Where what may still have to be replayed begins, for each source.
    pub(super) floors: HashMap<SourceId, Mark>,
    pub(super) replay: Replay,
    /// Something waits until the number of its file is saved: what is held, or a detour.
    pub(super) is_due: bool,
    /// Blocks that may not go into the spool yet; they come after all that is in it.
    pub(super) held: VecDeque<(Block, Ticket)>,
}

impl Spooled {
    /// What a put of these records of a block is chained to. Nothing may be taken to be there but
    /// what is in it, was delivered, or is in the put before it: all else may be damaged one day.
    pub(super) fn chain(&mut self, block: &Block, records: &Range<u32>) -> Offset {
        let start = block.start_of(records.start);
        let end = block.end_of(records.end.saturating_sub(1));
        // Of what brings its source no further no place can tell that it is there.
        let next = if start == end { Put::UNCHAINED } else { end };
        let before = self.chains.insert(block.source.generation, next);
        match before {
            // Nor of what lies ahead.
            _ if block.start.ahead != Ahead::NONE => Put::UNCHAINED,
            Some(before) => before,
            None => block.start.offset,
        }
    }
}

impl Replay {
    /// The next one begins at the oldest entry.
    pub(super) fn start_over(&mut self) {
        self.cursor = None;
        self.is_behind = false;
        self.is_missed = false;
        self.is_stale = self.asked.is_some();
    }

    /// An entry was staged. The next ones may have been given back before one that is older: a file
    /// was read again whose successor is in the spool.
    pub(super) fn staged(&mut self, entry: EntryId) {
        self.is_missed |= self.cursor.is_some_and(|cursor| entry < cursor);
    }

    /// Something of an entry has settled.
    pub(super) fn settle(&mut self, entry: EntryId) {
        if self.asked.is_some() && self.settled.last() != Some(&entry) {
            self.settled.push(entry);
        }
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
    /// Something was staged that comes before the cursor.
    pub(super) is_missed: bool,
    /// Memory held by entries that were given back.
    pub(super) bytes: usize,
    /// Entries of which something settled while the answer is awaited: what it brings may still
    /// have that.
    pub(super) settled: Vec<EntryId>,
}

impl Keyed for Way {
    type Key<'a> = (&'a Lineage, &'a str, usize);

    fn key(&self) -> (&Lineage, &str, usize) {
        (&self.lineage, &self.topic, self.outlet)
    }
}

impl Way {
    pub(super) fn new(lineage: Arc<Lineage>, topic: Arc<str>, outlet: usize, now: Instant) -> Self {
        Self {
            lineage,
            id: None,
            topic,
            outlet,
            rule: Partition::File,
            confirm: Confirm::Async,
            count: None,
            home: None,
            partition: None,
            lane: Lane::default(),
            gate: Arc::default(),
            bytes: 0,
            rests_until: None,
            moved_at: now,
            numbered: (Generation::FIRST, 0),
            is_retimed: false,
            is_in_line: false,
            spooled: Seldom::default(),
        }
    }

    /// Where something of it goes.
    pub(super) fn target(&self, partition: Option<i32>) -> Target {
        (self.outlet, self.topic.clone(), partition)
    }

    /// Whether something of it may go there.
    pub(super) fn leads_to(&self, (outlet, topic, partition): &Target) -> bool {
        let is_there = self.outlet == *outlet && self.topic == *topic;
        is_there && (self.partition == *partition || !self.rule.is_one())
    }

    /// What is read of it does not go to the spool, whatever becomes of Kafka: it counts as sent
    /// once it is handed over. Only what waits behind a backlog of earlier runs is different.
    pub(super) fn is_unconfirmed(&self) -> bool {
        self.confirm == Confirm::None && self.lane.is_direct()
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

    /// What the records of a block call their source, if they do.
    pub(super) fn name(&self, realm: &Realm, block: &Block) -> Option<SourceName> {
        block.label.record_id?;
        let Realm { host, born_ms } = realm;
        Some(SourceName::of(host, *born_ms, &self.lineage, block.source.generation))
    }

    /// A new file was found; its number is in that batch of changes.
    pub(super) fn number(&mut self, generation: Generation, batch: u64, saved: u64) {
        let first = if self.are_numbered(saved) { generation } else { self.numbered.0 };
        self.numbered = (first.min(generation), batch);
    }

    /// Whether the number of a file is saved, as the first `saved` batches of changes are. Before
    /// it is, nothing of the file is staged, and no record sent that says which it is: after a
    /// crash the file may have another number, and another file may have this one.
    pub(super) fn is_numbered(&self, generation: Generation, saved: u64) -> bool {
        self.are_numbered(saved) || generation < self.numbered.0
    }

    /// Whether the numbers of all its files are saved.
    pub(super) fn are_numbered(&self, saved: u64) -> bool {
        self.numbered.1 <= saved
    }

    pub(super) fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::{block, mark};

    /// There may be a hundred thousand of them; `docs/benchmarks.md` has what they come to.
    #[test]
    fn a_way_at_rest_takes_little() {
        assert!(size_of::<Way>() <= 160, "{}", size_of::<Way>());
    }

    /// Entries of one lane, in order of replay.
    fn entries() -> [EntryId; 3] {
        [10, 20, 30].map(|end| EntryId::forged(Generation::FIRST, Offset(0), Offset(end)))
    }

    /// It stayed in the spool until the next detour.
    #[test]
    fn what_is_staged_before_what_was_given_back_is_missed() {
        let [early, given, later] = entries();
        let mut replay = Replay { cursor: Some(given), ..Replay::default() };
        replay.staged(later);
        assert!(!replay.is_missed);
        replay.staged(early);
        assert!(replay.is_missed);
        replay.start_over();
        assert!(!replay.is_missed);
        replay.staged(early);
        assert!(!replay.is_missed);
    }

    /// What the whole of each block is chained to.
    fn chains(blocks: &[Block]) -> Vec<Offset> {
        let mut spooled = Spooled::default();
        blocks.iter().map(|block| spooled.chain(block, &(0..block.len()))).collect()
    }

    /// What was left of a damaged spool vouched for what was not.
    #[test]
    fn the_first_put_of_a_detour_vouches_only_for_itself() {
        let first = block(mark(50, 0), mark(60, 0), &[60]);
        let second = block(mark(60, 0), mark(70, 0), &[70]);
        assert_eq!(chains(&[first, second]), [Offset(50), Offset(60)]);
    }

    #[test]
    fn nothing_is_chained_to_what_no_place_can_tell_of() {
        let blind = block(mark(20, 0), mark(20, 90), &[90]);
        let ahead = block(mark(20, 90), mark(100, 0), &[95, 100]);
        let next = block(mark(100, 0), mark(110, 0), &[110]);
        assert_eq!(chains(&[blind, ahead, next]), [Offset(20), Put::UNCHAINED, Offset(100)]);
        let ahead = block(mark(20, 90), mark(100, 0), &[95, 100]);
        assert_eq!(chains(&[ahead]), [Put::UNCHAINED]);
        // The parts of a long line: a record, and no progress, and nothing ahead.
        let part = block(mark(20, 0), mark(20, 0), &[30]);
        let rest = block(mark(20, 0), mark(40, 0), &[40]);
        assert_eq!(chains(&[part, rest]), [Offset(20), Put::UNCHAINED]);
    }
}

//! Storing: what is staged is compressed, written and synced; only then is it proven.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::account::Account;
use super::block::{Draft, Header};
use super::entry::{EntryId, Key, Place};
use super::error::AppendError;
use super::index::Change;
use super::keeper::{Keeper, Trouble};
use super::lane::LaneId;
use super::log::Appended;
use super::payload::Form;
use super::runs::Runs;
use super::segment::FILE_HEADER_LEN;
use super::{Event, Put, Spooled, payload};
use crate::clock;
use crate::record::Generation;

/// A put on its way to the disk.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) id: EntryId,
    pub(super) put: Put,
    /// What it counts as while it is staged.
    bytes: u64,
    pub(super) wall_ms: u64,
    draft: Option<Draft>,
    /// Which of its records have been removed before they were stored.
    pub(super) removed: Runs,
}

impl Pending {
    pub(super) fn new(id: EntryId, put: Put, bytes: u64, wall_ms: u64) -> Self {
        Self { id, put, bytes, wall_ms, draft: None, removed: Runs::default() }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// What one write and one sync take at most, uncompressed: bounds the memory for it.
const COMMIT_BYTES_MAX: u64 = 4 << 20;
/// Of more than these the next commits look after.
const PASSED_OVER_MAX: usize = 1024;
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

impl Keeper {
    /// Stores everything that is staged. What the disk refuses stays staged, and is tried again.
    pub(super) fn commit(&mut self) {
        if self.trouble.as_ref().is_some_and(|trouble| clock::now() < trouble.retry_at) {
            return;
        }
        let mut has_dropped = false;
        while !self.pending.is_empty() {
            let Err(error) = self.commit_some() else {
                has_dropped = false;
                continue;
            };
            // A segment at each attempt: where that does not help the next one waits.
            has_dropped = !has_dropped && self.gives_way_to(&error);
            if !has_dropped {
                return self.fail(&error);
            }
        }
        if self.trouble.take().is_some() {
            self.tell(Event::Mended);
        }
    }

    fn fail(&mut self, error: &AppendError) {
        let wait = match &self.trouble {
            Some(trouble) => trouble.wait.saturating_mul(2).min(RETRY_MAX),
            None => RETRY_MIN,
        };
        let trouble = Trouble { retry_at: clock::now() + wait, wait, refusal: error.refusal() };
        if self.trouble.replace(trouble).is_none() {
            self.tell(Event::Failing(format!("{error}: {}", error.source)));
        }
    }

    fn commit_some(&mut self) -> Result<(), AppendError> {
        let count = self.choose();
        self.draft(count)?;
        let drafts = self.pending.iter().take(count).filter_map(|pending| pending.draft.as_ref());
        let appended = self.log.append(&drafts.collect::<Vec<_>>())?;
        let stored: Vec<Pending> = self.pending.drain(..appended.blocks.len()).collect();
        self.enter(&appended, &stored);
        self.publish();
        self.gauge.unstage(stored.iter().map(|pending| pending.bytes).sum());
        let prove = |pending: Pending| (Spooled(pending.put.ticket), pending.id);
        self.tell(Event::Stored { proofs: stored.into_iter().map(prove).collect() });
        Ok(())
    }

    /// Brings to the front what one commit takes, and returns how many these are. A power cut
    /// leaves any of them, so of a lane they are of one source, and those whose places do not tell
    /// their order are not together with what comes before them.
    fn choose(&mut self) -> usize {
        let mut bytes = 0;
        let (mut chosen, mut passed_over) = (Vec::new(), Vec::new());
        // What was chosen of each lane; nothing more of it after one was passed over.
        let mut lanes: HashMap<LaneId, Option<Generation>> = HashMap::new();
        while bytes < COMMIT_BYTES_MAX
            && passed_over.len() < PASSED_OVER_MAX
            && let Some(pending) = self.pending.pop_front()
        {
            let EntryId { lane, generation, .. } = pending.id;
            let fits = match lanes.get(&lane) {
                None => true,
                Some(known) => *known == Some(generation) && !pending.put.is_entangled(),
            };
            lanes.insert(lane, fits.then_some(generation));
            if fits {
                bytes += pending.bytes;
                chosen.push(pending);
            } else {
                passed_over.push(pending);
            }
        }
        let count = chosen.len();
        let front = chosen.into_iter().chain(passed_over);
        for pending in front.rev() {
            self.pending.push_front(pending);
        }
        count
    }

    /// Compresses the first `count` puts.
    fn draft(&mut self, count: usize) -> Result<(), AppendError> {
        for pending in self.pending.iter_mut().take(count) {
            if pending.draft.is_none() {
                let Some((lane, _)) = self.lanes.get(pending.id.lane) else {
                    unreachable!("a lane is numbered before it is used")
                };
                let Pending { id, put, .. } = &*pending;
                let raw = payload::pack(&put.block, &put.records, id.start);
                let failed = AppendError::at("compress for", &self.dir);
                let (payload, raw_len) = self.packer.compress(&raw).map_err(failed)?;
                let header = Header {
                    lane: Arc::clone(lane),
                    generation: id.generation,
                    start: id.start,
                    start_anchor: put.start_anchor(),
                    end: id.end,
                    end_anchor: put.end_anchor(),
                    chain: put.chain,
                    seq: id.seq,
                    wall_ms: pending.wall_ms,
                    remarks: put.block.remarks,
                    partition: put.partition,
                    form: Form::Columns,
                    copied: false,
                    records: put.records.count(),
                    payload_len: 0,
                    payload_crc: 0,
                    raw_len,
                    extension: Header::extension(&put.block.times, pending.wall_ms),
                };
                pending.draft = Some(Draft::new(header, payload));
            }
        }
        Ok(())
    }

    /// Enters what has been synced into the accounts and the index.
    fn enter(&mut self, appended: &Appended, stored: &[Pending]) {
        let mut changes = Vec::new();
        for ((at, parsed), pending) in appended.blocks.iter().zip(stored) {
            let key = Key::of(&parsed.header);
            let mut place = Place::of(*at, parsed, pending.removed.clone());
            self.replace_twins(key, &mut place, &mut changes);
            if !place.removed.is_empty() {
                self.progress.insert(key, place.removed.clone());
            }
            if self.named.insert(key.hash) {
                changes.push(Change::Lane(key.hash, Arc::clone(&parsed.header.lane)));
            }
            self.account(appended).add(&place);
            changes.push(Change::Entry(key, place));
        }
        self.account(appended).len = appended.len;
        self.change(changes);
    }

    /// What is read again after a crash takes the place of what was stored before it. Where
    /// several begin and end at one place it would come behind what follows it, so there it does
    /// not.
    fn replace_twins(&mut self, key: Key, place: &mut Place, changes: &mut Vec<Change>) {
        let reach = self.recovered.get(&key.hash);
        let is_new = reach.is_none_or(|reach| (key.generation, key.end) > *reach);
        if is_new || key.start == key.end {
            return;
        }
        let same =
            |twin: &Place| (twin.records, twin.payload_crc) == (place.records, place.payload_crc);
        let twins = self.ask(|index| index.twins(key)).into_iter().filter(|(_, twin)| same(twin));
        for (twin, _) in twins.collect::<Vec<_>>() {
            let Some(old) = self.place(twin) else { continue };
            let before = place.records_left();
            for run in old.removed.iter() {
                place.removed.insert(run);
            }
            if let Some(lane) = self.lanes.number(key.hash) {
                let removed = old.records_left() + before - place.records_left();
                *self.removed.entry(lane).or_default() += removed;
            }
            self.kill(twin, &old);
            changes.push(Change::Removed(twin));
        }
    }

    pub(super) fn account(&mut self, appended: &Appended) -> &mut Account {
        let new = || Account::new(appended.nonce, FILE_HEADER_LEN, clock::now());
        self.accounts.entry(appended.segment).or_insert_with(new)
    }
}

//! What a rebuilt index holds: the accounts of the segments, and what the previous run has left.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::account::{Account, Accounts};
use super::coverage::{Coverage, Coverages};
use super::entry::{Key, Place};
use super::error::IndexError;
use super::index::{Change, Index};
use super::lane::{Lane, LaneHash, LaneId, Lanes};
use crate::clock;
use crate::record::{Generation, Offset};

/// What a previous run has left.
#[derive(Debug, Default)]
pub struct Recovered {
    /// The lanes that have something to replay.
    pub lanes: Vec<Backlog>,
    /// How far each source has come.
    pub coverage: Vec<Coverage>,
    /// Blocks that are not whole, and were set aside; and what is known of their records.
    pub damaged_blocks: u64,
    pub damaged_records: u64,
    /// Cut off the log's end: not yet synced when the previous run ended, so never relied on.
    pub torn_bytes: u64,
    /// The index was damaged, and was made again: what was removed may come back.
    pub quarantined: bool,
    /// Segments that held records are missing, shorter than they were, or cannot be read.
    pub lost: bool,
}

/// What there is to replay of one lane.
#[derive(Debug)]
pub struct Backlog {
    pub lane: Lane,
    pub id: LaneId,
    /// By generation, at least one.
    pub sources: Vec<Stretch>,
    pub records: u64,
    /// On disk.
    pub bytes: u64,
    /// When its oldest entry was staged, in milliseconds since 1970.
    pub oldest_ms: u64,
}

/// From where to where a lane's entries of one generation reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    pub generation: Generation,
    pub start: Offset,
    pub end: Offset,
}

/// What was not as it should be.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) damaged_blocks: u64,
    pub(super) damaged_records: u64,
    pub(super) torn_bytes: u64,
    pub(super) lost: bool,
}

pub(super) struct Survey {
    pub(super) accounts: Accounts,
    backlogs: BTreeMap<LaneHash, Backlog>,
    lanes: Lanes,
    coverage: Vec<Coverage>,
    next_seq: u64,
    tally: Tally,
}

impl Survey {
    pub(super) fn named(&self) -> HashSet<LaneHash> {
        self.backlogs.keys().copied().collect()
    }
}

/// Where the spool's thread begins.
pub(super) struct State {
    pub(super) index: Option<Index>,
    pub(super) lanes: Lanes,
    pub(super) accounts: Accounts,
    pub(super) reaches: HashMap<LaneHash, (Generation, Offset)>,
    pub(super) next_number: u64,
    pub(super) next_seq: u64,
    pub(super) recovered: Recovered,
}

impl State {
    pub(super) fn empty(next_number: u64) -> Self {
        Self {
            index: None,
            lanes: Lanes::default(),
            accounts: Accounts::new(),
            reaches: HashMap::new(),
            next_number,
            next_seq: 0,
            recovered: Recovered::default(),
        }
    }

    pub(super) fn new(index: Index, survey: Survey, next_number: u64, quarantined: bool) -> Self {
        let Survey { accounts, backlogs, lanes, coverage, next_seq, tally } = survey;
        let reach = |backlog: &Backlog| backlog.sources.last().map(|s| (s.generation, s.end));
        let reaches = backlogs.iter().filter_map(|(hash, b)| Some((*hash, reach(b)?))).collect();
        let mut left: Vec<Backlog> = backlogs.into_values().collect();
        left.sort_by_key(|backlog| backlog.id);
        let recovered = Recovered {
            lanes: left,
            coverage,
            damaged_blocks: tally.damaged_blocks,
            damaged_records: tally.damaged_records,
            torn_bytes: tally.torn_bytes,
            quarantined,
            lost: tally.lost,
        };
        Self { index: Some(index), lanes, accounts, reaches, next_number, next_seq, recovered }
    }

    /// The lanes whose names the index has.
    pub(super) fn named(&self) -> HashSet<LaneHash> {
        self.reaches.keys().copied().collect()
    }
}

/// Counts what `index` holds in the segments `opened`, each with its nonce and its length.
pub(super) fn survey(
    index: &mut Index,
    opened: &BTreeMap<u64, (u64, u64)>,
    tally: Tally,
) -> Result<Survey, IndexError> {
    let now = clock::now();
    let account =
        |(number, (nonce, len)): (&u64, &(u64, u64))| (*number, Account::new(*nonce, *len, now));
    let mut survey = Survey {
        accounts: opened.iter().map(account).collect(),
        backlogs: BTreeMap::new(),
        lanes: Lanes::default(),
        coverage: Vec::new(),
        next_seq: 0,
        tally,
    };
    let names: HashMap<LaneHash, Arc<Lane>> =
        index.lanes()?.into_iter().map(|lane| (lane.hash(), Arc::new(lane))).collect();
    let mut coverages = Coverages::default();
    let mut nameless = false;
    index.each(|key, place| match names.get(&key.hash) {
        Some(lane) => {
            coverages.add(&lane.lineage, key, &place);
            survey.add(lane, key, &place);
        }
        None => nameless = true,
    })?;
    if nameless {
        return Err(IndexError::Damaged("a lane has no name".into()));
    }
    survey.coverage = coverages.finish();
    let notes: Vec<Change> = survey.accounts.iter_mut().map(note).collect();
    index.apply(&notes)?;
    Ok(survey)
}

fn note((number, account): (&u64, &mut Account)) -> Change {
    account.changed = false;
    Change::Segment(*number, account.note())
}

impl Survey {
    fn add(&mut self, lane: &Arc<Lane>, key: Key, place: &Place) {
        if let Some(account) = self.accounts.get_mut(&place.at.segment) {
            account.add(place);
        }
        self.next_seq = self.next_seq.max(key.seq.saturating_add(1));
        let id = self.lanes.intern(lane);
        let backlog = self.backlogs.entry(key.hash).or_insert_with(|| Backlog {
            lane: Lane::clone(lane),
            id,
            sources: Vec::new(),
            records: 0,
            bytes: 0,
            oldest_ms: u64::MAX,
        });
        backlog.add(key, place);
    }
}

impl Backlog {
    fn add(&mut self, key: Key, place: &Place) {
        self.records += place.records_left();
        self.bytes += u64::from(place.len);
        self.oldest_ms = self.oldest_ms.min(place.wall_ms);
        match self.sources.last_mut().filter(|last| last.generation == key.generation) {
            Some(last) => last.end = last.end.max(key.end),
            None => self.sources.push(Stretch {
                generation: key.generation,
                start: key.start,
                end: key.end,
            }),
        }
    }
}

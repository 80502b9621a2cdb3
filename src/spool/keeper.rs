//! The spool's thread: owns all files, does what it is told in turns, and reports.
//!
//! A turn takes everything that is queued, stores all puts with as few syncs as it can, then
//! removes, then loads. Between turns it keeps house.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use super::account::Accounts;
use super::commit::Pending;
use super::entry::{EntryId, Key, Place, Share};
use super::error::{IndexError, OpenError};
use super::files::Files;
use super::index::{Change, Index};
use super::lane::{Lane, LaneHash, LaneId, Lanes};
use super::log::Log;
use super::payload::Packer;
use super::recovery::{self, Mode};
use super::reserve::Reserve;
use super::runs::Runs;
use super::survey::Recovered;
use super::usage::{Gauge, Refusal};
use super::{Event, segment};
use crate::clock;
use crate::record::{Generation, Offset};
use crate::settings::{self, WhenFull};

pub(super) enum Command {
    /// Gets the next number.
    Lane(Arc<Lane>),
    Put(Box<Pending>),
    Remove(Share),
    Load {
        lane: LaneId,
        after: Option<EntryId>,
    },
    MakeRoom,
    Close,
}

/// The settings, as the thread needs them.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    pub(super) disk_max: u64,
    pub(super) segment_len_max: u64,
    pub(super) headroom: u64,
    pub(super) max_age: Option<Duration>,
    pub(super) when_full: WhenFull,
    /// How long a sparse segment must have been left alone before it is copied forward: one that
    /// is just being drained will be gone sooner than it is copied.
    pub(super) quiet: Duration,
}

const SEGMENT_LEN_MAX: u64 = 64 << 20;

impl Limits {
    pub(super) fn new(settings: &settings::Spool, copies_bytes_max: u64) -> Self {
        let disk_max = settings.max_size_bytes;
        // A small spool, too, must be able to free space: a segment goes only as a whole.
        let segment_len_max = SEGMENT_LEN_MAX.min(disk_max / 8);
        Self {
            disk_max,
            segment_len_max,
            headroom: copies_bytes_max.min(disk_max / 2) + segment_len_max / 4,
            max_age: settings.max_age,
            when_full: settings.when_full,
            quiet: Duration::from_secs(5),
        }
    }
}

pub(super) struct Keeper {
    pub(super) dir: PathBuf,
    /// Locked while it lives. The directory itself, so that an unused spool stays empty.
    _lock: File,
    pub(super) limits: Limits,
    pub(super) lanes: Lanes,
    /// Opened at the first need.
    pub(super) index: Option<Index>,
    /// How often it was given up. After a few times memory is trusted more.
    index_failures: u32,
    /// The lanes whose names the index has.
    pub(super) named: HashSet<LaneHash>,
    pub(super) accounts: Accounts,
    pub(super) files: Files,
    pub(super) log: Log,
    pub(super) packer: Packer,
    pub(super) reserve: Reserve,
    pub(super) pending: VecDeque<Pending>,
    /// What is removed of entries that are removed in part: bounded by what is in flight.
    pub(super) progress: HashMap<Key, Runs>,
    /// Records that have left each lane since that was told.
    pub(super) removed: BTreeMap<LaneId, u64>,
    /// Records to be removed whose entry was gone, since that was told.
    pub(super) late: u64,
    /// What the disk would not read: not looked at again in this run, and not deleted.
    pub(super) unreadable: HashSet<Key>,
    /// How far the previous run had come. What is staged up to there was staged before.
    pub(super) recovered: HashMap<LaneHash, (Generation, Offset)>,
    next_seq: u64,
    pub(super) gauge: Arc<Gauge>,
    events: Box<dyn Fn(Event) + Send>,
    pub(super) trouble: Option<Trouble>,
    pub(super) house: House,
}

/// Nothing can be stored at the moment.
pub(super) struct Trouble {
    pub(super) retry_at: Instant,
    pub(super) wait: Duration,
    pub(super) refusal: Refusal,
}

/// When to look after what.
pub(super) struct House {
    pub(super) tick_at: Instant,
    /// Since when the index has removals that a kill would undo.
    pub(super) unflushed_since: Option<Instant>,
    pub(super) empty_since: Option<Instant>,
    pub(super) expire_at: Instant,
    /// Bytes of everything that is no segment.
    pub(super) other_bytes: u64,
    pub(super) low_space: bool,
}

/// After so many failures sled is not asked again until the spool was empty.
const INDEX_FAILURES_MAX: u32 = 3;
const COMMANDS_MAX: usize = 4096;

impl Keeper {
    pub(super) fn open(
        dir: &Path,
        limits: Limits,
        events: Box<dyn Fn(Event) + Send>,
    ) -> Result<(Self, Recovered), OpenError> {
        let lock = lock(dir)?;
        let reserve = Reserve::new(dir, limits.disk_max);
        let state = recovery::recover(dir, &reserve)?;
        let packer = Packer::new().map_err(OpenError::at(dir))?;
        let now = clock::now();
        let mut keeper = Self {
            dir: dir.to_owned(),
            _lock: lock,
            named: state.named(),
            lanes: state.lanes,
            index: state.index,
            index_failures: 0,
            accounts: state.accounts,
            files: Files::new(dir),
            log: Log::new(dir, limits.segment_len_max, state.next_number),
            packer,
            reserve,
            pending: VecDeque::new(),
            progress: HashMap::new(),
            removed: BTreeMap::new(),
            late: 0,
            unreadable: HashSet::new(),
            recovered: state.reaches,
            next_seq: state.next_seq,
            gauge: Arc::new(Gauge::new(limits.disk_max, limits.headroom)),
            events,
            trouble: None,
            house: House::new(now),
            limits,
        };
        keeper.house.other_bytes = keeper.measure_other();
        keeper.publish();
        Ok((keeper, state.recovered))
    }

    pub(super) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    pub(super) fn gauge(&self) -> Arc<Gauge> {
        Arc::clone(&self.gauge)
    }

    /// Works until it is told to close; returns how many records are left that it could not store.
    pub(super) fn run(mut self, inbox: &Receiver<Command>) -> u64 {
        let ended = catch_unwind(AssertUnwindSafe(|| while self.take_turn(inbox).is_some() {}));
        if ended.is_ok() {
            return self.pending.iter().map(|p| u64::from(p.put.ticket.records())).sum();
        }
        self.tell(Event::Died);
        // Unwinding through an open sled may hang. The process is about to end anyway.
        std::mem::forget(self);
        0
    }

    fn take_turn(&mut self, inbox: &Receiver<Command>) -> Option<()> {
        let wait = self.deadline().map(|at| at.saturating_duration_since(clock::now()));
        let first = match wait {
            Some(wait) => inbox.recv_timeout(wait),
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let mut commands = match first {
            Ok(command) => vec![command],
            Err(RecvTimeoutError::Timeout) => Vec::new(),
            Err(RecvTimeoutError::Disconnected) => vec![Command::Close],
        };
        commands.extend(inbox.try_iter().take(COMMANDS_MAX));
        self.turn(commands)
    }

    /// One turn; nothing after the last one.
    pub(super) fn turn(&mut self, commands: Vec<Command>) -> Option<()> {
        let (mut removals, mut loads) = (Vec::new(), Vec::new());
        let (mut is_room_wanted, mut closing) = (false, false);
        for command in commands {
            match command {
                Command::Lane(lane) => drop(self.lanes.intern(&lane)),
                Command::Put(pending) => self.pending.push_back(*pending),
                Command::Remove(share) => removals.push(share),
                Command::Load { lane, after } => loads.push((lane, after)),
                Command::MakeRoom => is_room_wanted = true,
                Command::Close => closing = true,
            }
        }
        if closing {
            self.trouble = None;
        }
        self.commit();
        self.remove(removals);
        if !self.removed.is_empty() {
            let records = std::mem::take(&mut self.removed);
            self.tell(Event::Removed { records: records.into_iter().collect() });
        }
        let late = std::mem::take(&mut self.late);
        if late > 0 {
            self.tell(Event::Late { records: late });
        }
        for (lane, after) in loads {
            self.load(lane, after);
        }
        self.sweep();
        self.upkeep();
        self.publish();
        if closing {
            self.shut();
        } else if is_room_wanted {
            self.make_room();
        }
        (!closing).then_some(())
    }

    pub(super) fn tell(&self, event: Event) {
        (self.events)(event);
    }

    /// Counts what there is, and says so if somebody waits for room.
    pub(super) fn publish(&mut self) {
        let segments: u64 = self.accounts.values().map(|account| account.len).sum();
        let records = self.accounts.values().map(|account| account.records).sum();
        let oldest_ms = self.accounts.values().filter_map(super::account::Account::oldest_ms).min();
        self.gauge.publish(segments + self.house.other_bytes, records, oldest_ms);
        let is_low = self.house.low_space.then_some(Refusal::Full);
        self.gauge.refuse(self.trouble.as_ref().map(|trouble| trouble.refusal).or(is_low));
        if self.gauge.take_freed() {
            self.tell(Event::Freed);
        }
    }

    /// Asks the index. Should it fail it is made again, so that there always is an answer.
    pub(super) fn ask<T>(&mut self, call: impl Fn(&mut Index) -> Result<T, IndexError>) -> T {
        loop {
            let mut index = match self.index.take() {
                Some(index) => index,
                None => Index::open(&self.dir, &self.reserve).0,
            };
            match call(&mut index) {
                Ok(answer) => {
                    self.index = Some(index);
                    return answer;
                }
                Err(error) => self.reindex(index, &error),
            }
        }
    }

    /// Changes the index, and notes there what has become of the segments.
    ///
    /// The accounts, the tombstones and `progress` must say the same already: an index that fails
    /// is made again from them.
    pub(super) fn change(&mut self, mut changes: Vec<Change>) {
        for (number, account) in &mut self.accounts {
            if std::mem::take(&mut account.changed) {
                changes.push(Change::Segment(*number, account.note()));
            }
        }
        if !changes.is_empty() {
            self.ask(|index| index.apply(&changes));
        }
    }

    fn reindex(&mut self, failed: Index, error: &IndexError) {
        self.tell(Event::Reindexed(error.to_string()));
        failed.abandon(error, &self.dir);
        self.index_failures += 1;
        let mut index = if self.index_failures > INDEX_FAILURES_MAX {
            Index::in_memory(&self.dir)
        } else {
            Index::open(&self.dir, &self.reserve).0
        };
        let lens = self.accounts.iter().map(|(number, account)| (*number, account.len));
        let mode = Mode::Running { lens: lens.collect() };
        match recovery::rebuild(&self.dir, &mut index, &self.progress, &mode) {
            Ok(survey) => {
                self.named = survey.named();
                self.accounts = survey.accounts;
                self.index = Some(index);
            }
            Err(error) => self.reindex(index, &error),
        }
    }

    /// Where an entry is, if it is stored and not removed.
    pub(super) fn place(&mut self, key: Key) -> Option<Place> {
        let mut place = self.ask(|index| index.get(key))?;
        if let Some(removed) = self.progress.get(&key) {
            place.removed = removed.clone();
        }
        Some(place)
    }

    pub(super) fn key(&self, id: EntryId) -> Option<Key> {
        self.lanes.get(id.lane).map(|(_, hash)| id.key(hash))
    }
}

/// Makes `dir` if need be, and holds it against any other process.
fn lock(dir: &Path) -> Result<File, OpenError> {
    let failed = || OpenError::at(dir);
    if !dir.exists() {
        fs::create_dir_all(dir).map_err(failed())?;
        if let Some(parent) = dir.parent() {
            segment::sync_dir(parent).map_err(OpenError::at(parent))?;
        }
    }
    let file = File::open(dir).map_err(failed())?;
    let locked = || OpenError::Locked { path: dir.to_owned() };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) if Index::is_held(dir) => Err(locked()),
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(locked()),
        Err(error) => Err(failed()(io::Error::from(error))),
    }
}

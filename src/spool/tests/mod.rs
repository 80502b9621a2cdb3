//! The spool without its thread: turn by turn, so that a test decides what happens in between.

mod crash;
mod disk;
mod facts;
mod full;
mod injury;
mod leaving;
mod model;
mod outputs;

use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::*;
use crate::budget::Budget;
use crate::ledger::Ledger;
use crate::record::{Lineage, LineageId, RecordId, SourceId};
use crate::settings::WhenFull;

pub(super) fn settings(max_size_bytes: u64) -> settings::Spool {
    settings::Spool {
        enabled: true,
        max_size_bytes,
        max_age: None,
        when_full: WhenFull::Block,
        stall_after: Duration::from_secs(5),
    }
}

pub(super) fn lane(number: u32) -> Lane {
    let path = PathBuf::from(format!("/var/log/{number}.log"));
    let lineage = Lineage { input: "app".into(), path };
    Lane { lineage, topic: "logs".into(), output: settings::Output::default() }
}

/// What all test blocks carry.
pub(super) fn label() -> Label {
    let headers = vec![("env".into(), b"prod".to_vec()), ("raw".into(), b"\xff".to_vec())];
    Label { key: Some(b"ns/pod".to_vec()), headers, ..Label::to("logs".into()) }
}

pub(super) fn mark(offset: u64) -> Mark {
    Mark::new(Offset(offset), Anchor(offset ^ 0xabcd))
}

/// A block of whole lines from `start` on.
pub(super) fn block(generation: u64, start: u64, lines: &[&[u8]]) -> Arc<Block> {
    let (mut bytes, mut records) = (Vec::new(), Vec::new());
    let mut end = 0;
    for line in lines {
        let from = wire::len32(bytes.len());
        bytes.extend_from_slice(line);
        end += line.len() as u64 + 1;
        records.push(Slice { from, to: wire::len32(bytes.len()), end });
    }
    let source = SourceId { lineage: LineageId(0), generation: Generation(generation) };
    Arc::new(Block {
        source,
        start: mark(start),
        end: mark(start + end),
        bytes: crate::record::tests::buffer(&bytes),
        records,
        is_ragged: false,
        tally: crate::record::Tally::default(),
        label: Arc::new(label()),
        remarks: Remarks::default(),
        times: Times::Read(clock::wall_ms().cast_signed()),
        read_at: clock::now(),
        permit: Budget::new(1 << 20, || {}).try_take(1).unwrap(),
    })
}

/// The runs of which there is one.
pub(super) fn run(first: u32, end: u32) -> Runs {
    let mut runs = Runs::default();
    runs.insert(first..end);
    runs
}

/// A put of some records of `block`, chained to where it starts.
pub(super) fn put(lane: LaneId, block: &Arc<Block>, records: Runs) -> Put {
    let count = NonZeroU32::new(records.count()).unwrap();
    let ticket = Ledger::resume(block.source, block.start).open(block.end, count);
    let chain = block.start.offset;
    Put { lane, block: Arc::clone(block), records, chain, partition: Some(3), ticket }
}

pub(super) fn whole(lane: LaneId, block: &Arc<Block>) -> Put {
    put(lane, block, Runs::all(block.len()))
}

/// The bytes and the end of each record.
pub(super) fn contents(loaded: &Loaded) -> Vec<(Vec<u8>, u64)> {
    let record = |slice: &Slice| {
        let bytes = loaded.bytes[slice.from as usize..slice.to as usize].to_vec();
        (bytes, loaded.id.start.0 + slice.end)
    };
    loaded.records.iter().map(record).collect()
}

/// A spool whose thread is the test.
pub(super) struct Stepped {
    pub(super) spool: Spool,
    pub(super) keeper: Keeper,
    inbox: Receiver<Command>,
    events: Arc<Mutex<Vec<Event>>>,
    pub(super) recovered: Recovered,
}

impl Stepped {
    pub(super) fn open(dir: &Path, max_size: u64) -> Self {
        let until = clock::now() + Duration::from_mins(1);
        loop {
            match Self::try_open(dir, &settings(max_size)) {
                // By a child of another test that has not become its program yet.
                Err(OpenError::Locked { .. }) if clock::now() < until => std::thread::yield_now(),
                opened => return opened.unwrap(),
            }
        }
    }

    pub(super) fn try_open(dir: &Path, settings: &settings::Spool) -> Result<Self, OpenError> {
        let limits = Limits { quiet: Duration::ZERO, ..Limits::new(settings, 1 << 19) };
        let events = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&events);
        let listen = Box::new(move |event| heard.lock().unwrap().push(event));
        let (spool, keeper, inbox, recovered) = Spool::prepare(dir, limits, listen)?;
        Ok(Self { spool, keeper, inbox, events, recovered })
    }

    /// Does what was asked; returns what was said.
    pub(super) fn turn(&mut self) -> Vec<Event> {
        self.keeper.turn(self.inbox.try_iter().collect());
        std::mem::take(&mut self.events.lock().unwrap())
    }

    /// A turn at which the housekeeping is due, and whatever failed is tried again.
    pub(super) fn tick(&mut self) -> Vec<Event> {
        self.keeper.house.tick_at = clock::now();
        self.keeper.house.expire_at = clock::now();
        if let Some(trouble) = &mut self.keeper.trouble {
            trouble.retry_at = clock::now();
        }
        self.turn()
    }

    /// Everything of a lane, in order of replay, and what else was said.
    pub(super) fn replay(&mut self, lane: LaneId) -> (Vec<Loaded>, Vec<Event>) {
        let (mut entries, mut said) = (Vec::<Loaded>::new(), Vec::new());
        loop {
            self.spool.load(lane, entries.last().map(|loaded| loaded.id));
            let mut more = false;
            for event in self.turn() {
                if let Event::Loaded(loaded) = event {
                    entries.push(*loaded);
                    more = true;
                } else {
                    said.push(event);
                }
            }
            if !more {
                return (entries, said);
            }
        }
    }

    pub(super) fn remove(&mut self, entry: EntryId, first: u32, count: u32) {
        self.spool.remove(Delivered::forged(Share { entry, first, count }));
    }

    pub(super) fn segments(&self) -> Vec<u64> {
        segment::numbers(&self.keeper.dir).unwrap()
    }
}

/// How many records were proven.
pub(super) fn stored(events: &[Event]) -> u64 {
    let proofs = events
        .iter()
        .filter_map(|event| if let Event::Stored { proofs } = event { Some(proofs) } else { None });
    proofs.flatten().map(|(proof, _)| u64::from(proof.0.records())).sum()
}

pub(super) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Events of a spool with its thread, waited for.
pub(super) struct Heard(Receiver<Event>);

impl Heard {
    pub(super) fn open(dir: &Path, max_size: u64) -> (Spool, Self, Recovered) {
        let (send, heard) = channel();
        let listen = move |event| drop(send.send(event));
        let (spool, recovered) = Spool::open(dir, &settings(max_size), 0, listen).unwrap();
        (spool, Self(heard), recovered)
    }

    pub(super) fn wait_stored(&self) -> Vec<(Spooled, EntryId)> {
        self.wait(|event| if let Event::Stored { proofs } = event { Some(proofs) } else { None })
    }

    pub(super) fn wait_loaded(&self) -> Loaded {
        self.wait(|event| if let Event::Loaded(loaded) = event { Some(*loaded) } else { None })
    }

    pub(super) fn wait<T>(&self, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
        let until = clock::now() + Duration::from_mins(1);
        loop {
            let left = until.saturating_duration_since(clock::now());
            let event = self.0.recv_timeout(left).expect("the event comes in time");
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    }
}

pub(super) fn long_ago() -> Instant {
    clock::now().checked_sub(Duration::from_mins(2)).unwrap()
}

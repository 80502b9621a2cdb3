//! What a spool should hold, record by record, and the disk on which a walk lets it happen.

use std::collections::{BTreeMap, BTreeSet};

use tempfile::TempDir;

use super::crash::Op;
use super::*;

pub(super) const LANES: u32 = 2;
/// Small segments, so that a walk goes through many of them.
pub(super) const MAX_SIZE: u64 = 16 * 1024;

/// A record by lane, generation and number in its source.
pub(super) type Record = (u32, u64, u32);
/// An entry by lane, generation, start, end and sequence number.
pub(super) type Name = (u32, u64, u64, u64, u64);

#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) records: Vec<u32>,
    pub(super) proven: bool,
    pub(super) removed: Runs,
}

/// One lane's files, and how far they have been read in this run.
#[derive(Debug)]
pub(super) struct Sources {
    /// How many records each generation has; the last one has no end.
    pub(super) lens: Vec<u32>,
    /// The number of the next record of each generation.
    pub(super) read: Vec<u32>,
    /// Where the last put of each generation ended in this run.
    pub(super) chain: Vec<u64>,
    /// Saved accepted places.
    pub(super) checkpoint: Vec<u32>,
}

pub(super) struct Walk {
    pub(super) dir: TempDir,
    pub(super) path: PathBuf,
    pub(super) images: u32,
    pub(super) kept_index: Option<PathBuf>,
    pub(super) stepped: Option<Stepped>,
    pub(super) sources: Vec<Sources>,
    pub(super) entries: BTreeMap<Name, Entry>,
    /// Delivered at least once, or lost to damage: nothing is owed of these.
    pub(super) settled: BTreeSet<Record>,
    /// What was removed may be there again.
    pub(super) crashed: bool,
}

fn line(lane: u32, generation: u64, number: u32) -> Vec<u8> {
    let pad = "-".repeat((number * 7 % 90) as usize);
    format!("{lane}/{generation}/{number}{pad}").into_bytes()
}

/// Where record `number` starts.
fn offset(lane: u32, generation: u64, number: u32) -> u64 {
    (0..number).map(|n| line(lane, generation, n).len() as u64 + 1).sum()
}

impl Walk {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0");
        let new =
            || Sources { lens: vec![u32::MAX], read: vec![0], chain: vec![0], checkpoint: vec![0] };
        Self {
            stepped: Some(Stepped::open(&path, MAX_SIZE)),
            dir,
            path,
            images: 0,
            kept_index: None,
            sources: (0..LANES).map(|_| new()).collect(),
            entries: BTreeMap::new(),
            settled: BTreeSet::new(),
            crashed: false,
        }
    }

    pub(super) fn stepped(&mut self) -> &mut Stepped {
        self.stepped.as_mut().unwrap()
    }

    fn id(&mut self, (number, generation, start, end, seq): Name) -> EntryId {
        let id = self.stepped().spool.lane(lane(number));
        EntryId {
            lane: id,
            generation: Generation(generation),
            start: Offset(start),
            end: Offset(end),
            seq,
        }
    }

    fn name(&mut self, id: EntryId) -> Name {
        let mut lanes =
            (0..LANES).filter(|n| self.stepped.as_mut().unwrap().spool.lane(lane(*n)) == id.lane);
        (lanes.next().unwrap(), id.generation.0, id.start.0, id.end.0, id.seq)
    }

    pub(super) fn apply(&mut self, op: &Op) {
        match *op {
            Op::Read { lane, count, delivered } => self.read(lane, count, delivered),
            Op::Rotate { lane } => self.rotate(lane),
            Op::Turn => {
                let said = self.stepped().turn();
                self.hear(said);
            }
            Op::Tick => {
                let said = self.stepped().tick();
                self.hear(said);
            }
            Op::Deliver { lane, entry, first, count } => {
                let nth = self.entries.keys().filter(|name| name.0 == lane).nth(entry).copied();
                if let Some(name) = nth {
                    self.deliver(name, first, count);
                }
            }
            Op::DeliverAll { lane, entries } => {
                let names = self.entries.keys().filter(|name| name.0 == lane).take(entries);
                for name in names.copied().collect::<Vec<_>>() {
                    self.deliver(name, 0, u32::MAX);
                }
            }
            Op::Replay { lane } => self.replay(lane),
            Op::Checkpoint => self.checkpoint(),
            Op::Fault { writes, syncs } => {
                self.stepped().keeper.log.faults =
                    crate::spool::log::Faults { writes, syncs, kind: None };
            }
            Op::KeepIndex => self.keep_index(),
            Op::Crash { when, index } => self.crash(when, index),
            Op::FlipByte { segment, at, index } => self.flip(segment, at, index),
            Op::CutTail { bytes, index } => self.cut_tail(bytes, index),
            Op::Reopen => self.reopen(),
        }
    }

    fn read(&mut self, number: u32, count: u32, delivered: u8) {
        let id = self.stepped().spool.lane(lane(number));
        let source = &mut self.sources[number as usize];
        let unread = source.read.iter().zip(&source.lens).position(|(read, len)| read < len);
        let generation = unread.unwrap();
        let first = source.read[generation];
        let count = count.min(source.lens[generation] - first);
        let generation_number = generation as u64;
        let lines: Vec<_> =
            (first..first + count).map(|n| line(number, generation_number, n)).collect();
        let start = offset(number, generation_number, first);
        let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        let block = block(generation_number, start, &lines);
        source.read[generation] = first + count;
        let (gone, left): (Vec<u32>, Vec<u32>) =
            (0..count).partition(|n| delivered & (1 << (n % 8)) != 0);
        let delivered = gone.iter().map(|n| (number, generation_number, first + n));
        self.settled.extend(delivered);
        if left.is_empty() {
            return;
        }
        let records: Runs = left.iter().map(|n| *n..n + 1).collect();
        let put = Put { chain: Offset(source.chain[generation]), ..put(id, &block, records) };
        let entry = self.stepped().spool.stage(put);
        let name = self.name(entry);
        self.sources[number as usize].chain[generation] = block.end.offset.0.min(entry.end.0);
        let records = left.iter().map(|n| first + n).collect();
        self.entries.insert(name, Entry { records, ..Entry::default() });
    }

    fn rotate(&mut self, lane: u32) {
        let source = &mut self.sources[lane as usize];
        let last = source.lens.len() - 1;
        if source.read[last] > 0 {
            source.lens[last] = source.read[last];
            source.lens.push(u32::MAX);
            source.read.push(0);
            source.chain.push(0);
            source.checkpoint.push(0);
        }
    }

    fn deliver(&mut self, name: Name, first: u32, count: u32) {
        let id = self.id(name);
        let Some(entry) = self.entries.get_mut(&name) else { return };
        let all = wire::len32(entry.records.len());
        let numbers = first.min(all)..first.saturating_add(count).min(all);
        if numbers.is_empty() {
            return;
        }
        let settled = numbers.clone().map(|n| (name.0, name.1, entry.records[n as usize]));
        self.settled.extend(settled);
        entry.removed.insert(numbers.clone());
        self.stepped().remove(id, numbers.start, wire::len32(numbers.len()));
    }

    pub(super) fn hear(&mut self, said: Vec<Event>) {
        for event in said {
            if let Event::Stored { proofs } = event {
                for (_, id) in proofs {
                    let name = self.name(id);
                    self.entries.entry(name).and_modify(|entry| entry.proven = true);
                }
            }
        }
    }

    /// What must be there: proven, and not known to be delivered.
    fn owed(&self, lane: u32) -> BTreeSet<Record> {
        let proven = self.entries.iter().filter(|(name, e)| name.0 == lane && e.proven);
        let records = proven.flat_map(|((lane, generation, ..), entry)| {
            let left = (0_u32..).zip(&entry.records).filter(|(n, _)| !entry.removed.contains(*n));
            left.map(|(_, record)| (*lane, *generation, *record))
        });
        records.filter(|record| !self.settled.contains(record)).collect()
    }

    /// Replays a lane, checks all of it, and returns which records are missing and whether
    /// damage was reported.
    pub(super) fn look(&mut self, number: u32) -> (BTreeSet<Record>, bool) {
        let id = self.stepped().spool.lane(lane(number));
        let (loaded, said) = self.stepped().replay(id);
        let damaged = said.iter().any(|event| matches!(event, Event::Damaged { .. }));
        self.hear(said);
        assert!(loaded.is_sorted_by(|a, b| a.id < b.id), "out of order");
        let mut found = BTreeSet::new();
        for loaded in &loaded {
            found.extend(self.check_entry(number, loaded));
        }
        self.check_order(number, &loaded);
        (self.owed(number).difference(&found).copied().collect(), damaged)
    }

    /// The records of an entry that are to be sent again; they are what they should be.
    fn check_entry(&mut self, number: u32, loaded: &Loaded) -> Vec<Record> {
        let name = self.name(loaded.id);
        let generation = name.1;
        let mut numbers = Vec::new();
        for (bytes, end) in contents(loaded) {
            let text = std::str::from_utf8(&bytes).unwrap();
            let text = text.trim_end_matches('-').rsplit('/').next().unwrap();
            let n: u32 = text.parse().unwrap();
            assert_eq!(bytes, line(number, generation, n));
            assert_eq!(end, offset(number, generation, n + 1));
            numbers.push(n);
        }
        let crashed = self.crashed;
        let entry = self.entries.entry(name).or_insert_with(|| {
            assert!(crashed, "entry from nowhere: {name:?}");
            Entry { records: numbers.clone(), ..Entry::default() }
        });
        assert_eq!(entry.records, numbers);
        let forgotten = entry.removed.numbers().find(|n| !loaded.removed.contains(*n));
        assert!(crashed || forgotten.is_none(), "{forgotten:?} of {name:?} was removed");
        let left = (0_u32..).zip(numbers).filter(|(n, _)| !loaded.removed.contains(*n));
        left.map(|(_, record)| (number, generation, record)).collect()
    }

    /// First occurrences come in order, as far as the lane has been read.
    fn check_order(&self, number: u32, loaded: &[Loaded]) {
        let source = &self.sources[number as usize];
        let mut sent = BTreeSet::new();
        for loaded in loaded {
            let name = self.entries.iter().find(|((l, g, s, e, q), _)| {
                let id = loaded.id;
                (*l, *g, *s, *e, *q) == (number, id.generation.0, id.start.0, id.end.0, id.seq)
            });
            let ((_, generation, ..), entry) = name.unwrap();
            let generation_index = usize::try_from(*generation).unwrap();
            if *entry.records.last().unwrap() >= source.read[generation_index] {
                break;
            }
            for record in entry.records.iter().map(|record| (number, *generation, *record)) {
                let news = !self.settled.contains(&record) && sent.insert(record);
                assert!(!news || sent.last() == Some(&record), "{record:?} comes too late");
            }
        }
    }

    fn replay(&mut self, lane: u32) {
        let (missing, _) = self.look(lane);
        assert!(missing.is_empty(), "missing {missing:?}");
    }

    /// Saves the frontiers: everything below them is proven or delivered.
    fn checkpoint(&mut self) {
        let owned = (0..LANES).map(|lane| (lane, self.owed(lane))).collect::<BTreeMap<_, _>>();
        for (number, source) in (0..LANES).zip(&mut self.sources) {
            for generation in 0..source.lens.len() {
                let read = source.read[generation];
                let durable = |n: &u32| {
                    let record = (number, generation as u64, *n);
                    self.settled.contains(&record) || owned[&number].contains(&record)
                };
                source.checkpoint[generation] = wire::len32((0..read).take_while(durable).count());
            }
        }
    }

    /// Nothing proven is missing; what counts as accepted is there; then reads on from there.
    pub(super) fn check_recovered(&mut self) {
        self.sources.iter_mut().for_each(|source| source.read.fill(0));
        for lane in 0..LANES {
            self.replay(lane);
        }
        for lane in 0..LANES {
            self.resume(lane, Check::Everything);
        }
    }

    fn resume(&mut self, number: u32, check: Check) {
        let there = self.there(number);
        let lineage = lane(number).lineage;
        for generation in 0..self.sources[number as usize].lens.len() {
            let saved = self.sources[number as usize].checkpoint[generation];
            let at = |n: u32| mark(offset(number, generation as u64, n));
            let coverage = &self.stepped().recovered.coverage;
            let known = coverage.iter().find(|coverage| {
                coverage.lineage == lineage && coverage.generation.0 == generation as u64
            });
            let accepted = known.map_or(at(saved), |coverage| coverage.advance(at(saved)));
            let accepted = (saved..u32::MAX).find(|n| at(*n) == accepted).unwrap();
            let gap = (0..accepted).find(|n| !there.contains(&(number, generation as u64, *n)));
            assert!(matches!(check, Check::Nothing) || gap.is_none(), "accepted without {gap:?}");
            let source = &mut self.sources[number as usize];
            source.read[generation] = accepted;
            source.chain[generation] = 0;
            source.checkpoint[generation] = accepted;
        }
        // Nothing of a crashed run is proven any more but by being there.
        for (name, entry) in &mut self.entries {
            if name.0 == number && there_whole(&there, name, entry) {
                entry.proven = true;
            }
        }
        self.entries.retain(|name, entry| name.0 != number || entry.proven);
    }

    /// The records that are settled, or in the spool.
    fn there(&mut self, number: u32) -> BTreeSet<Record> {
        let id = self.stepped().spool.lane(lane(number));
        let (loaded, _) = self.stepped().replay(id);
        let mut there = self.settled.clone();
        for loaded in &loaded {
            there.extend(self.check_entry(number, loaded));
        }
        there
    }

    /// What is missing in each lane; whatever is was reported.
    pub(super) fn look_for_damage(&mut self) -> BTreeSet<Record> {
        self.sources.iter_mut().for_each(|source| source.read.fill(0));
        let recovered = &self.stepped().recovered;
        let mut reported =
            recovered.damaged_blocks > 0 || recovered.torn_bytes > 0 || recovered.lost;
        let mut missing = BTreeSet::new();
        for lane in 0..LANES {
            let (lost, said) = self.look(lane);
            missing.extend(lost);
            reported |= said;
        }
        assert!(reported || missing.is_empty(), "damage went unreported: {missing:?}");
        missing
    }

    pub(super) fn settle_lost(&mut self, missing: BTreeSet<Record>) {
        self.settled.extend(missing);
        for lane in 0..LANES {
            self.resume(lane, Check::Nothing);
        }
    }

    fn reopen(&mut self) {
        let said = self.stepped().turn();
        self.hear(said);
        self.checkpoint();
        self.stepped().keeper.log.faults = crate::spool::log::Faults::default();
        let said = self.stepped().tick();
        self.hear(said);
        self.stepped = None;
        self.stepped = Some(Stepped::open(&self.path, MAX_SIZE));
        for lane in 0..LANES {
            self.replay(lane);
        }
    }

    /// Delivers everything: nothing is left on the disk then.
    pub(super) fn drain(&mut self) {
        self.stepped().keeper.log.faults = crate::spool::log::Faults::default();
        let said = self.stepped().tick();
        self.hear(said);
        for lane in 0..LANES {
            self.replay(lane);
        }
        for name in self.entries.keys().copied().collect::<Vec<_>>() {
            self.deliver(name, 0, u32::MAX);
        }
        self.stepped().turn();
        for account in self.stepped().keeper.accounts.values_mut() {
            account.touched = long_ago();
        }
        self.stepped().tick();
        assert_eq!(self.stepped().spool.usage().records, 0);
        assert!(self.stepped().segments().is_empty());
    }
}

#[derive(Clone, Copy)]
enum Check {
    Everything,
    /// Damage has broken what the blocks promise.
    Nothing,
}

fn there_whole(there: &BTreeSet<Record>, name: &Name, entry: &Entry) -> bool {
    entry.records.iter().all(|record| there.contains(&(name.0, name.1, *record)))
}

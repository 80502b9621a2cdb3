//! Replaying: entries are read back in order, and what is damaged is set aside.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::block::{Header, Parsed};
use super::commit::Pending;
use super::entry::{At, EntryId, Key, Place};
use super::index::{Change, dir_bytes};
use super::keeper::Keeper;
use super::lane::LaneId;
use super::payload::{Form, Unpacked};
use super::walk::{read_block, read_some};
use super::{Event, Loaded, payload};
use crate::record::{Label, Times};

/// What is kept of damaged blocks, for a person to look at.
const ASIDE_BYTES_MAX: u64 = 16 << 20;

/// What an attempt to read an entry came to.
enum Read {
    Whole(Box<Loaded>),
    /// Removed already: the index had forgotten.
    Dead,
    Damaged,
    Unreadable,
}

impl Keeper {
    /// Answers with the entry that follows `after`, or that there is none.
    pub(super) fn load(&mut self, lane: LaneId, after: Option<EntryId>) {
        let event = self.next_loaded(lane, after);
        self.tell(event.map_or(Event::NoMore { lane }, Event::Loaded));
    }

    fn next_loaded(&mut self, lane: LaneId, after: Option<EntryId>) -> Option<Box<Loaded>> {
        let (_, hash) = self.lanes.get(lane)?;
        let mut cursor = after.map(|id| id.key(hash));
        loop {
            let stored = self.ask(|index| index.next(hash, cursor));
            // What the disk does not take must not be overtaken by what it has.
            let staged = self.pending.iter().filter(|pending| pending.id.lane == lane);
            let staged = staged.filter(|pending| cursor.is_none_or(|c| pending.id.key(hash) > c));
            let staged = staged.min_by_key(|pending| pending.id);
            let first_stored = stored.as_ref().map(|(key, _)| *key);
            if let Some(pending) = staged
                && first_stored.is_none_or(|key| pending.id.key(hash) < key)
            {
                return Some(Box::new(from_memory(pending)));
            }
            let key = first_stored?;
            cursor = Some(key);
            if let Some(loaded) = self.read(lane, key) {
                return Some(loaded);
            }
        }
    }

    fn read(&mut self, lane: LaneId, key: Key) -> Option<Box<Loaded>> {
        if self.unreadable.contains(&key) {
            return None;
        }
        let place = self.place(key)?;
        let read = self.read_entry(lane, key, &place);
        match read.unwrap_or(Read::Unreadable) {
            Read::Whole(loaded) => return Some(loaded),
            Read::Dead => self.forget(key, &place),
            Read::Damaged => self.set_aside(lane, key, &place),
            Read::Unreadable => {
                self.unreadable.insert(key);
                let (generation, records) = (key.generation, place.records_left());
                self.tell(Event::Damaged { lane, generation, records });
            }
        }
        None
    }

    fn read_entry(&mut self, lane: LaneId, key: Key, place: &Place) -> io::Result<Read> {
        let file = self.files.get(place.at.segment)?;
        let Some((parsed, payload)) = read_block(&file, place.at, place.len)? else {
            return Ok(Read::Damaged);
        };
        if Key::of(&parsed.header) != key {
            return Ok(Read::Damaged);
        }
        if parsed.dead {
            return Ok(Read::Dead);
        }
        let raw = payload.and_then(|payload| {
            let raw = payload::decompress(&payload, parsed.header.raw_len)?;
            let Header { records, form, .. } = parsed.header;
            Some((payload::unpack(&raw, records, form)?, raw))
        });
        let Some((unpacked, bytes)) = raw else { return Ok(Read::Damaged) };
        let loaded = loaded(key.id(lane), &parsed, bytes, unpacked, place);
        Ok(Read::Whole(Box::new(loaded)))
    }

    fn forget(&mut self, key: Key, place: &Place) {
        self.kill(key, place);
        self.change(vec![Change::Removed(key)]);
    }

    pub(super) fn set_aside(&mut self, lane: LaneId, key: Key, place: &Place) {
        if let Ok(file) = self.files.get(place.at.segment) {
            set_aside(&self.dir, &file, place.at, u64::from(place.len));
        }
        let records = place.records_left();
        self.forget(key, place);
        self.tell(Event::Damaged { lane, generation: key.generation, records });
    }
}

/// Copies bytes that are no whole block to where a person can look at them, as far as there is
/// room: they are of no use to the spool.
pub(super) fn set_aside(dir: &Path, file: &File, at: At, len: u64) {
    let aside = dir.join("damaged");
    let copy = || {
        fs::create_dir_all(&aside)?;
        let left = ASIDE_BYTES_MAX.saturating_sub(dir_bytes(&aside));
        let bytes = read_some(file, at.position, len.min(left))?;
        fs::write(aside.join(format!("{:020}-{}.block", at.segment, at.position)), bytes)
    };
    let copied: io::Result<()> = copy();
    // Evidence only, and perhaps the disk that is failing.
    drop(copied);
}

fn loaded(
    id: EntryId,
    parsed: &Parsed,
    bytes: Vec<u8>,
    unpacked: Unpacked,
    place: &Place,
) -> Loaded {
    let header = &parsed.header;
    let Unpacked { key, headers, record_id, times, records } = unpacked;
    let topic = header.lane.topic.as_str().into();
    Loaded {
        id,
        start_anchor: header.start_anchor,
        end_anchor: header.end_anchor,
        partition: header.partition,
        label: Arc::new(Label { topic, key, headers, record_id, of_stderr: None }),
        remarks: header.remarks,
        times: times.map_or(Times::Read(header.read_ms()), Times::Each),
        staged_ms: header.wall_ms,
        bytes,
        records,
        removed: place.removed.clone(),
    }
}

fn from_memory(pending: &Pending) -> Loaded {
    let put = &pending.put;
    let bytes = payload::pack(&put.block, &put.records, pending.id.start);
    let unpacked = payload::unpack(&bytes, put.records.count(), Form::Columns);
    let records = unpacked.unwrap_or_default().records;
    Loaded {
        id: pending.id,
        start_anchor: put.start_anchor(),
        end_anchor: put.end_anchor(),
        partition: put.partition,
        label: Arc::clone(&put.block.label),
        remarks: put.block.remarks,
        times: put.block.times.only(put.records.numbers()),
        staged_ms: pending.wall_ms,
        bytes,
        records,
        removed: pending.removed.clone(),
    }
}

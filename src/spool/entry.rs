//! The names of spooled blocks, and where the index says they are.

use std::ops::Range;

use super::block::{Header, Parsed};
use super::lane::{LaneHash, LaneId};
use super::runs::Runs;
use super::wire::Reader;
use crate::record::{Anchor, Generation, Offset};

/// Names one spooled block. Ascending order within a lane is the order of replay.
///
/// Start comes before end: a block read again after a crash may be cut otherwise, and then the
/// one that reaches further back has to go first, or first occurrences would change places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    pub(super) lane: LaneId,
    pub(super) generation: Generation,
    pub(super) start: Offset,
    pub(super) end: Offset,
    pub(super) seq: u64,
}

impl EntryId {
    pub fn lane(self) -> LaneId {
        self.lane
    }

    pub fn generation(self) -> Generation {
        self.generation
    }

    /// Where in the source the record before its first one ended, or its block begins.
    pub fn start(self) -> Offset {
        self.start
    }

    /// Where in the source its last record ends, or its block.
    pub fn end(self) -> Offset {
        self.end
    }

    #[cfg(test)]
    pub(crate) fn forged(generation: Generation, start: Offset, end: Offset) -> Self {
        Self { lane: LaneId(0), generation, start, end, seq: 0 }
    }

    pub(super) fn key(self, hash: LaneHash) -> Key {
        let Self { lane: _, generation, start, end, seq } = self;
        Key { hash, generation, start, end, seq }
    }
}

/// Some records of an entry, by their number in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    pub entry: EntryId,
    pub first: u32,
    pub count: u32,
}

impl Share {
    pub(super) fn numbers(self) -> Range<u32> {
        self.first..self.first.saturating_add(self.count)
    }
}

/// An [`EntryId`] that means the same in every run. Its bytes sort as it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) hash: LaneHash,
    pub(super) generation: Generation,
    pub(super) start: Offset,
    pub(super) end: Offset,
    /// Counts the puts of all runs, so that no put takes another one's place.
    pub(super) seq: u64,
}

impl Key {
    pub(super) const LEN: usize = 48;

    pub(super) fn of(header: &Header) -> Self {
        let Header { generation, start, end, seq, .. } = *header;
        Self { hash: header.lane.hash(), generation, start, end, seq }
    }

    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let (hash, numbers) = bytes.split_at_mut(16);
        hash.copy_from_slice(&self.hash.0);
        let values = [self.generation.0, self.start.0, self.end.0, self.seq];
        for (slot, value) in numbers.chunks_exact_mut(8).zip(values) {
            slot.copy_from_slice(&value.to_be_bytes());
        }
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let hash = LaneHash(reader.array()?);
        let mut number = || reader.array().map(u64::from_be_bytes);
        let (generation, start) = (Generation(number()?), Offset(number()?));
        let (end, seq) = (Offset(number()?), number()?);
        reader.0.is_empty().then_some(Self { hash, generation, start, end, seq })
    }

    pub(super) fn id(self, lane: LaneId) -> EntryId {
        let Self { hash: _, generation, start, end, seq } = self;
        EntryId { lane, generation, start, end, seq }
    }
}

/// Where a block begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) segment: u64,
    pub(super) position: u64,
}

/// What the index holds about an entry: where it is, and enough to recover without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) at: At,
    pub(super) len: u32,
    pub(super) records: u32,
    pub(super) payload_crc: u32,
    pub(super) wall_ms: u64,
    pub(super) chain: Offset,
    pub(super) end_anchor: Option<Anchor>,
    pub(super) copied: bool,
    pub(super) removed: Runs,
}

impl Place {
    /// More runs than these are kept in memory only: sled keeps values above some 6 KiB in files
    /// of their own, which it never frees in time.
    const RUNS_MAX: usize = 64;

    pub(super) fn of(at: At, parsed: &Parsed, removed: Runs) -> Self {
        let header = &parsed.header;
        Self {
            at,
            len: parsed.block_len(),
            records: header.records,
            payload_crc: header.payload_crc,
            wall_ms: header.wall_ms,
            chain: header.chain,
            end_anchor: header.end_anchor,
            copied: header.copied,
            removed,
        }
    }

    pub(super) fn records_left(&self) -> u64 {
        u64::from(self.records.saturating_sub(self.removed.count()))
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(80);
        out.extend(self.at.segment.to_le_bytes());
        out.extend(self.at.position.to_le_bytes());
        out.extend(self.wall_ms.to_le_bytes());
        out.extend(self.chain.0.to_le_bytes());
        out.extend(self.end_anchor.map_or(0, |anchor| anchor.0).to_le_bytes());
        for value in [self.len, self.records, self.payload_crc] {
            out.extend(value.to_le_bytes());
        }
        out.extend([u8::from(self.end_anchor.is_some()), u8::from(self.copied)]);
        for run in self.removed.iter().take(Self::RUNS_MAX) {
            out.extend(run.start.to_le_bytes());
            out.extend(run.end.to_le_bytes());
        }
        out
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let at = At { segment: reader.u64()?, position: reader.u64()? };
        let (wall_ms, chain, anchor) = (reader.u64()?, Offset(reader.u64()?), reader.u64()?);
        let (len, records, payload_crc) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let [anchored, copied] = reader.array()?;
        let mut removed = Runs::default();
        while !reader.0.is_empty() {
            removed.insert(reader.u32()?..reader.u32()?);
        }
        let end_anchor = (anchored == 1).then_some(Anchor(anchor));
        let copied = copied == 1;
        Some(Self { at, len, records, payload_crc, wall_ms, chain, end_anchor, copied, removed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_bytes() {
        let key = |generation, start, end, seq| Key {
            hash: LaneHash([7; 16]),
            generation: Generation(generation),
            start: Offset(start),
            end: Offset(end),
            seq,
        };
        let keys = [key(0, 0, 9, 1), key(0, 256, 300, 0), key(0, 256, 512, 0), key(1, 0, 1, 9)];
        assert!(keys.is_sorted());
        assert!(keys.map(Key::to_bytes).is_sorted());
        assert_eq!(keys.map(|k| Key::from_bytes(&k.to_bytes()).unwrap()), keys);
    }

    #[test]
    fn places_come_back() {
        let place = Place {
            at: At { segment: 3, position: 4096 },
            len: 300,
            records: 10,
            payload_crc: 77,
            wall_ms: 5,
            chain: Offset(9),
            end_anchor: Some(Anchor(8)),
            copied: true,
            removed: [0..2, 5..6].into_iter().collect(),
        };
        assert_eq!(Place::from_bytes(&place.to_bytes()), Some(place.clone()));
        assert_eq!(place.records_left(), 7);
        assert_eq!(Place::from_bytes(&[1, 2, 3]), None);
    }
}

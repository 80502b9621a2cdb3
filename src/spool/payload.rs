//! A block's payload: the records' ends and lengths, then their bytes; compressed as one.

use std::io;

use super::runs::Runs;
use super::wire::{Reader, len32, put_bytes, put_varint, unzigzag, zigzag};
use crate::record::{Block, Label, Offset, RecordId, Slice, Times};

/// zstd's fastest ordinary level: a quarter of the bytes for 0.14 µs more a record than lz4.
const LEVEL: i32 = 1;
/// A block is one read, or one long record: more than this was never written.
const RAW_LEN_MAX: usize = 1 << 30;

/// How a payload begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// With the records' ends: format 1.
    Bare,
    /// With a word that tells which columns there are.
    Columns,
}

/// Bits of that word. A bit that is not known here cannot be passed over: without what it stands
/// for records would be sent as something else than they are. 4 is taken (`docs/design.md`).
const KEY: u64 = 1;
const HEADERS: u64 = 1 << 1;
const TIMES: u64 = 1 << 3;
/// Of these no column follows: the id of a record is made of its place.
const ID_AS_KEY: u64 = 1 << 4;
const ID_AS_HEADERS: u64 = 1 << 5;
const KNOWN: u64 = KEY | HEADERS | TIMES | ID_AS_KEY | ID_AS_HEADERS;

/// What a payload holds: what all records carry, and where they are in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Unpacked {
    pub(super) key: Option<Vec<u8>>,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) record_id: Option<RecordId>,
    /// If each has its own.
    pub(super) times: Option<Vec<i64>>,
    pub(super) records: Vec<Slice>,
}

/// The records numbered `numbers` of `block`, in order, `start` being where the entry begins.
pub(super) fn pack(block: &Block, numbers: &Runs, start: Offset) -> Vec<u8> {
    let mut out = Vec::new();
    let times = match block.times.only(numbers.numbers()) {
        Times::Read(_) => None,
        Times::Each(times) => Some(times),
    };
    put_label(&mut out, &block.label, if times.is_some() { TIMES } else { 0 });
    put_times(&mut out, &times.unwrap_or_default());
    let mut before = start.0;
    for number in numbers.numbers() {
        let end = block.place_of(number).0;
        put_varint(&mut out, zigzag(end.wrapping_sub(before).cast_signed()));
        put_varint(&mut out, block.record(number).len() as u64);
        before = end;
    }
    for number in numbers.numbers() {
        out.extend_from_slice(block.record(number));
    }
    out
}

/// Which columns there are, those that follow the label's included; and the label.
fn put_label(out: &mut Vec<u8>, label: &Label, others: u64) {
    let Label { topic: _, key, headers, record_id, of_stderr: _ } = label;
    let flag = |set: bool, bit: u64| if set { bit } else { 0 };
    let id = match record_id {
        None => 0,
        Some(RecordId::Key) => ID_AS_KEY,
        Some(RecordId::Headers) => ID_AS_HEADERS,
    };
    put_varint(out, flag(key.is_some(), KEY) | flag(!headers.is_empty(), HEADERS) | id | others);
    if let Some(key) = key {
        put_bytes(out, key);
    }
    if !headers.is_empty() {
        put_varint(out, headers.len() as u64);
    }
    for (name, value) in headers {
        put_bytes(out, name.as_bytes());
        put_bytes(out, value);
    }
}

fn put_times(out: &mut Vec<u8>, times: &[i64]) {
    let mut before = 0_i64;
    for &time in times {
        put_varint(out, zigzag(time.wrapping_sub(before)));
        before = time;
    }
}

/// Finds the `count` records in what [`pack`] made, and what they carry.
pub(super) fn unpack(raw: &[u8], count: u32, form: Form) -> Option<Unpacked> {
    let mut reader = Reader(raw);
    let mut unpacked = Unpacked::default();
    if form == Form::Columns {
        let columns = reader.varint().filter(|columns| columns & !KNOWN == 0)?;
        if columns & KEY != 0 {
            unpacked.key = Some(read_bytes(&mut reader)?.to_vec());
        }
        let headers = if columns & HEADERS == 0 { 0 } else { reader.varint()? };
        for _ in 0..headers {
            let name = String::from_utf8(read_bytes(&mut reader)?.to_vec()).ok()?;
            unpacked.headers.push((name, read_bytes(&mut reader)?.to_vec()));
        }
        unpacked.record_id = match columns & (ID_AS_KEY | ID_AS_HEADERS) {
            0 => None,
            ID_AS_KEY => Some(RecordId::Key),
            ID_AS_HEADERS => Some(RecordId::Headers),
            _ => return None,
        };
        if columns & TIMES != 0 {
            unpacked.times = Some(read_times(&mut reader, count)?);
        }
    }
    unpacked.records = slices(raw, reader, count)?;
    Some(unpacked)
}

fn read_bytes<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let len = usize::try_from(reader.varint()?).ok()?;
    reader.bytes(len)
}

fn read_times(reader: &mut Reader<'_>, count: u32) -> Option<Vec<i64>> {
    // No more than there can be: the count may be anything.
    let mut times = Vec::with_capacity((count as usize).min(reader.0.len()));
    let mut time = 0_i64;
    for _ in 0..count {
        time = time.wrapping_add(unzigzag(reader.varint()?));
        times.push(time);
    }
    Some(times)
}

fn slices(raw: &[u8], mut reader: Reader<'_>, count: u32) -> Option<Vec<Slice>> {
    // No more than there can be: the count may be anything.
    let mut slices = Vec::with_capacity((count as usize).min(raw.len() / 2 + 1));
    let (mut end, mut from) = (0_u64, 0_u64);
    for _ in 0..count {
        end = end.wrapping_add_signed(unzigzag(reader.varint()?));
        let to = from.checked_add(reader.varint()?)?;
        slices.push((from, to, end));
        from = to;
    }
    let base = (raw.len() - reader.0.len()) as u64;
    (from == reader.0.len() as u64).then_some(())?;
    let place = |offset: u64| u32::try_from(base + offset).ok();
    let slice = |(from, to, end)| Some(Slice { from: place(from)?, to: place(to)?, end });
    slices.into_iter().map(slice).collect()
}

/// Compresses; keeps the compressor's working memory between blocks.
pub(super) struct Packer(zstd::bulk::Compressor<'static>);

impl Packer {
    pub(super) fn new() -> io::Result<Self> {
        zstd::bulk::Compressor::new(LEVEL).map(Self)
    }

    pub(super) fn compress(&mut self, raw: &[u8]) -> io::Result<(Vec<u8>, u32)> {
        let mut payload = self.0.compress(raw)?;
        payload.shrink_to_fit();
        Ok((payload, len32(raw.len())))
    }
}

/// Undoes [`Packer::compress`]; `None` for what it never made.
pub(super) fn decompress(payload: &[u8], raw_len: u32) -> Option<Vec<u8>> {
    let raw_len = raw_len as usize;
    (raw_len <= RAW_LEN_MAX).then_some(())?;
    let raw = zstd::bulk::decompress(payload, raw_len).ok()?;
    (raw.len() == raw_len).then_some(raw)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn label() -> impl Strategy<Value = Label> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..20);
        let headers = prop::collection::vec((".{0,8}", bytes()), 0..4);
        let id = prop::option::of(prop::sample::select(vec![RecordId::Key, RecordId::Headers]));
        (prop::option::of(bytes()), headers, id).prop_map(|(key, headers, record_id)| Label {
            topic: "t".into(),
            key,
            headers,
            record_id,
            of_stderr: None,
        })
    }

    proptest! {
        #[test]
        fn garbage_has_no_records(
            raw in prop::collection::vec(any::<u8>(), 0..100),
            count: u32,
            form in prop::sample::select(vec![Form::Bare, Form::Columns]),
        ) {
            if let Some(Unpacked { records, .. }) = unpack(&raw, count, form) {
                prop_assert!(records.iter().all(|s| s.from <= s.to && s.to as usize <= raw.len()));
            }
            prop_assert!(decompress(&raw, count).is_none_or(|raw| raw.len() == count as usize));
        }

        #[test]
        fn what_records_carry_comes_back(
            label in label(),
            times in prop::option::of(prop::collection::vec(any::<i64>(), 3)),
            cut in 0_usize..50,
        ) {
            let mut raw = Vec::new();
            put_label(&mut raw, &label, if times.is_some() { TIMES } else { 0 });
            put_times(&mut raw, times.as_deref().unwrap_or_default());
            // The ends and lengths of three records of no bytes.
            raw.extend([0; 6]);
            let Label { key, headers, record_id, .. } = label;
            let at = u32::try_from(raw.len()).unwrap();
            let records = vec![Slice { from: at, to: at, end: 0 }; 3];
            let known = Some(Unpacked { key, headers, record_id, times, records });
            prop_assert_eq!(unpack(&raw, 3, Form::Columns), known);
            let short = raw.len().saturating_sub(cut + 1);
            prop_assert_eq!(unpack(&raw[..short], 3, Form::Columns), None);
        }
    }

    /// Its records would be sent without what it holds of them.
    #[test]
    fn a_column_of_a_later_version_is_not_passed_over() {
        assert!(unpack(&[0], 0, Form::Columns).is_some());
        assert!(unpack(&[4], 0, Form::Columns).is_none());
    }
}

//! The block: some records of one lane as they lie in a segment, checksummed and self-describing.
//!
//! `docs/design.md` draws the layout. A header's checksum covers the place it was written
//! to, so that bytes that merely look like a block, in a log line for example, never pass for one.

use std::sync::Arc;

use super::entry::At;
use super::lane::Lane;
use super::payload::Form;
use super::wire::{Reader, len32};
use crate::record::{Anchor, Generation, Offset, Remarks, Times};

pub(super) const MAGIC: [u8; 4] = *b"\xf5TSb";
/// The fixed part of a header, up to the lane's names.
const FIXED_LEN: usize = 112;
/// The header's checksum and the tombstone, behind the names.
const TAIL_LEN: usize = 8;
/// Three names, and what is kept for later, of at most 64 KiB each.
pub(super) const HEADER_LEN_MAX: usize = FIXED_LEN + 4 * 65_535 + TAIL_LEN;
/// A dead block's tombstone is its header's checksum changed by this: no flipped bit can make it.
const TOMBSTONE: u32 = 0x5eed_dead;

const START_ANCHORED: u32 = 1;
const END_ANCHORED: u32 = 1 << 1;
const COPIED: u32 = 1 << 2;
const CUT: u32 = 1 << 3;
const PINNED: u32 = 1 << 4;
const UNFINISHED: u32 = 1 << 5;
const COLUMNS: u32 = 1 << 6;

// The parts of an extension, each behind its name and its length, a byte each.
const READ_MS: u8 = 1;
const OUTPUT: u8 = 2;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) lane: Arc<Lane>,
    pub(super) generation: Generation,
    pub(super) start: Offset,
    pub(super) start_anchor: Option<Anchor>,
    pub(super) end: Offset,
    pub(super) end_anchor: Option<Anchor>,
    pub(super) chain: Offset,
    pub(super) seq: u64,
    pub(super) wall_ms: u64,
    pub(super) remarks: Remarks,
    pub(super) partition: Option<i32>,
    pub(super) form: Form,
    /// Copied forward from an older segment, hence out of the log's order in time.
    pub(super) copied: bool,
    pub(super) records: u32,
    pub(super) payload_len: u32,
    pub(super) payload_crc: u32,
    pub(super) raw_len: u32,
    /// What versions had to say of the block later, beside the lane's output; what of it is not
    /// known is passed on as it is.
    pub(super) extension: Vec<u8>,
}

/// A header as it was found on disk.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) header: Header,
    pub(super) header_len: u32,
    /// All its records were removed.
    pub(super) dead: bool,
}

impl Parsed {
    pub(super) fn block_len(&self) -> u32 {
        self.header_len.saturating_add(self.header.payload_len)
    }
}

impl Header {
    /// The extension, if its records were not read about when they were staged.
    pub(super) fn extension(times: &Times, staged_ms: u64) -> Vec<u8> {
        match times {
            Times::Read(ms) if !times.are_about(staged_ms.cast_signed()) => {
                [&[READ_MS, 8], ms.to_le_bytes().as_slice()].concat()
            }
            Times::Read(_) | Times::Each(_) => Vec::new(),
        }
    }

    /// When its records were read, about.
    pub(super) fn read_ms(&self) -> i64 {
        let mut reader = Reader(&self.extension);
        while let Some((name, value)) = next_part(&mut reader) {
            if let (READ_MS, Ok(ms)) = (name, value.try_into()) {
                return i64::from_le_bytes(ms);
            }
        }
        self.wall_ms.cast_signed()
    }

    fn flags(&self) -> u32 {
        let flag = |set: bool, bit: u32| if set { bit } else { 0 };
        flag(self.start_anchor.is_some(), START_ANCHORED)
            | flag(self.end_anchor.is_some(), END_ANCHORED)
            | flag(self.copied, COPIED)
            | flag(self.remarks.cut_from.is_some(), CUT)
            | flag(self.partition.is_some(), PINNED)
            | flag(self.remarks.unfinished, UNFINISHED)
            | flag(self.form == Form::Columns, COLUMNS)
    }

    fn len(&self) -> usize {
        let extension = self.whole_extension();
        FIXED_LEN + self.parts(&extension).iter().map(|part| part.len()).sum::<usize>() + TAIL_LEN
    }

    /// What is behind the fixed part.
    fn parts<'a>(&'a self, extension: &'a [u8]) -> [&'a [u8]; 4] {
        let [input, path, topic] = self.lane.names();
        [input, path, topic, extension]
    }

    fn whole_extension(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(output) = self.lane.output.name() {
            let Ok(len) = u8::try_from(output.len()) else {
                unreachable!("no output's name is that long")
            };
            out.extend([OUTPUT, len]);
            out.extend_from_slice(output.as_bytes());
        }
        out.extend_from_slice(&self.extension);
        out
    }

    /// The header as it is written at `at`, alive.
    fn to_bytes(&self, at: At) -> Vec<u8> {
        let anchor = |anchor: Option<Anchor>| anchor.unwrap_or(Anchor::NONE).0;
        let mut out = Vec::with_capacity(self.len());
        out.extend(MAGIC);
        let lengths = [len32(self.len()), self.payload_len, self.raw_len, self.payload_crc];
        out.extend(lengths.iter().flat_map(|value| value.to_le_bytes()));
        out.extend(self.records.to_le_bytes());
        out.extend(self.flags().to_le_bytes());
        out.extend(self.partition.unwrap_or(-1).to_le_bytes());
        let numbers = [
            self.seq,
            self.generation.0,
            self.start.0,
            anchor(self.start_anchor),
            self.end.0,
            anchor(self.end_anchor),
            self.chain.0,
            self.wall_ms,
            self.remarks.cut_from.unwrap_or(0),
        ];
        out.extend(numbers.iter().flat_map(|value| value.to_le_bytes()));
        let extension = self.whole_extension();
        let parts = self.parts(&extension);
        for part in parts {
            let Ok(len) = u16::try_from(part.len()) else { unreachable!("no name is that long") };
            out.extend(len.to_le_bytes());
        }
        out.extend(parts.concat());
        out.extend(header_crc(at, &out).to_le_bytes());
        out.extend([0; 4]);
        out
    }

    /// How long the header is that begins with `bytes`, if it looks like one at all.
    pub(super) fn len_of(bytes: &[u8]) -> Option<usize> {
        let mut reader = Reader(bytes);
        let magic = reader.array::<4>()?;
        let len = reader.u32()? as usize;
        let plausible = (FIXED_LEN + TAIL_LEN..=HEADER_LEN_MAX).contains(&len);
        (magic == MAGIC && plausible).then_some(len)
    }

    /// Reads the header that `bytes` begin with, which were found at `at`.
    pub(super) fn parse(bytes: &[u8], at: At) -> Option<Parsed> {
        let len = Self::len_of(bytes)?;
        let (covered, tail) = bytes.get(..len)?.split_at_checked(len - TAIL_LEN)?;
        let mut tail = Reader(tail);
        let crc = tail.u32()?;
        let tombstone = tail.u32()?;
        if crc != header_crc(at, covered) {
            return None;
        }
        let header = Self::parse_covered(&mut Reader(covered.get(8..)?))?;
        Some(Parsed { header, header_len: len32(len), dead: tombstone == crc ^ TOMBSTONE })
    }

    fn parse_covered(reader: &mut Reader<'_>) -> Option<Self> {
        let (payload_len, raw_len) = (reader.u32()?, reader.u32()?);
        let (payload_crc, records, flags) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let partition = i32::from_le_bytes(reader.array()?);
        let (seq, generation) = (reader.u64()?, Generation(reader.u64()?));
        let (start, start_anchor) = (Offset(reader.u64()?), Anchor(reader.u64()?));
        let (end, end_anchor) = (Offset(reader.u64()?), Anchor(reader.u64()?));
        let (chain, wall_ms, cut_from) = (Offset(reader.u64()?), reader.u64()?, reader.u64()?);
        let lens = [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?];
        let mut part = |len: u16| reader.bytes(usize::from(len));
        let names = [part(lens[0])?, part(lens[1])?, part(lens[2])?];
        let (output, extension) = parse_extension(part(lens[3])?);
        let lane = Lane::from_names(names, output)?;
        let has = |bit: u32| flags & bit != 0;
        Some(Self {
            lane: Arc::new(lane),
            generation,
            start,
            start_anchor: has(START_ANCHORED).then_some(start_anchor),
            end,
            end_anchor: has(END_ANCHORED).then_some(end_anchor),
            chain,
            seq,
            wall_ms,
            remarks: Remarks {
                cut_from: has(CUT).then_some(cut_from),
                unfinished: has(UNFINISHED),
                failed: None,
            },
            partition: has(PINNED).then_some(partition),
            form: if has(COLUMNS) { Form::Columns } else { Form::Bare },
            copied: has(COPIED),
            records,
            payload_len,
            payload_crc,
            raw_len,
            extension,
        })
    }
}

/// The name and the value of an extension's next part.
fn next_part<'a>(reader: &mut Reader<'a>) -> Option<(u8, &'a [u8])> {
    let [name, len] = reader.array()?;
    Some((name, reader.bytes(usize::from(len))?))
}

/// The output, unless that is `kafka`, and all that is not known.
fn parse_extension(bytes: &[u8]) -> (Option<&[u8]>, Vec<u8>) {
    let (mut reader, mut output, mut unknown) = (Reader(bytes), None, Vec::new());
    loop {
        let rest = reader.0;
        match next_part(&mut reader) {
            Some((OUTPUT, name)) => output = Some(name),
            Some(_) => unknown.extend(rest.iter().take(rest.len() - reader.0.len())),
            None => {
                unknown.extend_from_slice(rest);
                break;
            }
        }
    }
    (output, unknown)
}

/// What to write over the last four bytes of a header to say that its block is dead.
pub(super) fn tombstone(header: &[u8]) -> Option<[u8; 4]> {
    let mut tail = Reader(header.get(header.len().checked_sub(TAIL_LEN)?..)?);
    Some((tail.u32()? ^ TOMBSTONE).to_le_bytes())
}

fn header_crc(at: At, covered: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&at.segment.to_le_bytes());
    crc.update(&at.position.to_le_bytes());
    crc.update(covered);
    crc.finalize()
}

/// A block ready to be written anywhere.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) header: Header,
    payload: Vec<u8>,
}

impl Draft {
    /// `header`'s lengths and checksum are made to fit `payload`.
    pub(super) fn new(mut header: Header, payload: Vec<u8>) -> Self {
        header.payload_len = len32(payload.len());
        header.payload_crc = crc32fast::hash(&payload);
        Self { header, payload }
    }

    pub(super) fn len(&self) -> u64 {
        (self.header.len() + self.payload.len()) as u64
    }

    /// Appends the block to `out`, which will be written so that the block comes to lie at `at`.
    pub(super) fn write(&self, at: At, out: &mut Vec<u8>) -> Parsed {
        let header = self.header.to_bytes(at);
        out.extend_from_slice(&header);
        out.extend_from_slice(&self.payload);
        Parsed { header: self.header.clone(), header_len: len32(header.len()), dead: false }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::Lineage;
    use crate::settings::Output;

    pub(in crate::spool) fn header() -> Header {
        let lineage = Lineage { input: "nginx".into(), path: "/var/log/a.log".into() };
        Header {
            lane: Arc::new(Lane { lineage, topic: "logs".into(), output: Output::named("audit") }),
            generation: Generation(3),
            start: Offset(100),
            start_anchor: Some(Anchor(1)),
            end: Offset(200),
            end_anchor: None,
            chain: Offset(100),
            seq: 17,
            wall_ms: 1_700_000_000_000,
            remarks: Remarks { unfinished: true, ..Remarks::default() },
            partition: Some(5),
            form: Form::Columns,
            copied: false,
            records: 2,
            payload_len: 0,
            payload_crc: 0,
            raw_len: 10,
            extension: b"later".to_vec(),
        }
    }

    const AT: At = At { segment: 2, position: 32 };

    fn written() -> Vec<u8> {
        let mut out = Vec::new();
        Draft::new(header(), b"payload".to_vec()).write(AT, &mut out);
        out
    }

    #[test]
    fn header_comes_back() {
        let parsed = Header::parse(&written(), AT).unwrap();
        let payload_crc = crc32fast::hash(b"payload");
        assert_eq!(parsed.header, Header { payload_len: 7, payload_crc, ..header() });
        assert_eq!(parsed.block_len() as usize, written().len());
        assert!(!parsed.dead);
    }

    #[test]
    fn when_it_was_read_is_there_if_it_was_not_staged_then() {
        let read = |extension| Header { extension, wall_ms: 1_000_000, ..header() }.read_ms();
        let early = Header::extension(&Times::Read(5), 1_000_000);
        assert_eq!(read([b"\x07\x02ab".as_slice(), &early, b"\x09"].concat()), 5);
        assert_eq!(read(early), 5);
        assert_eq!(read(b"later".to_vec()), 1_000_000);
        assert_eq!(Header::extension(&Times::Read(999_000), 1_000_000), b"");
        assert_eq!(Header::extension(&Times::Each(vec![5]), 1_000_000), b"");
    }

    #[test]
    fn header_found_elsewhere_is_none() {
        assert!(Header::parse(&written(), At { position: 33, ..AT }).is_none());
        assert!(Header::parse(&written(), At { segment: 3, ..AT }).is_none());
    }

    #[test]
    fn only_its_own_tombstone_kills_a_block() {
        let mut bytes = written();
        let len = Header::len_of(&bytes).unwrap();
        let grave = tombstone(&bytes[..len]).unwrap();
        bytes[len - 4..len].copy_from_slice(&grave);
        assert!(Header::parse(&bytes, AT).unwrap().dead);
        for bit in 0..32 {
            let mut bytes = written();
            bytes[len - 4 + bit / 8] ^= 1 << (bit % 8);
            assert!(!Header::parse(&bytes, AT).unwrap().dead);
        }
    }

    #[test]
    fn one_flipped_bit_is_noticed() {
        let len = Header::len_of(&written()).unwrap();
        for bit in 0..(len - 4) * 8 {
            let mut bytes = written();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::parse(&bytes, AT).is_none(), "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn garbage_is_never_a_header(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Header::parse(&bytes, AT).is_none());
            let magic = MAGIC.len().min(bytes.len());
            bytes[..magic].copy_from_slice(&MAGIC[..magic]);
            prop_assert!(Header::parse(&bytes, AT).is_none());
        }

        /// A checksum only says that the bytes are what somebody wrote.
        #[test]
        fn whatever_is_checksummed_is_read_without_harm(
            fixed in prop::collection::vec(any::<u8>(), FIXED_LEN),
            behind in prop::collection::vec(0_u8..128, 300),
            lens in prop::array::uniform4(0_u16..100),
        ) {
            let mut bytes = [fixed, behind].concat();
            bytes[..4].copy_from_slice(&MAGIC);
            let len = len32(bytes.len() + TAIL_LEN);
            bytes[4..8].copy_from_slice(&len.to_le_bytes());
            bytes[FIXED_LEN - 8..FIXED_LEN].copy_from_slice(&lens.map(u16::to_le_bytes).concat());
            let crc = header_crc(AT, &bytes);
            bytes.extend(crc.to_le_bytes());
            bytes.extend([0; 4]);
            if let Some(parsed) = Header::parse(&bytes, AT) {
                let header = parsed.header;
                header.read_ms();
                let again = Header::parse(&header.to_bytes(AT), AT).map(|again| again.header);
                prop_assert_eq!(again, Some(header));
            }
        }
    }
}

//! What a broker has on disk: the batches of a partition as they came over the wire.

use std::fs;
use std::path::Path;

/// One batch, by its header (version 2 of Kafka's record batches).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) codec: Codec,
    pub(crate) records: u32,
    /// Its header included.
    pub(crate) bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// Before a batch's length counts.
const BEFORE_LENGTH: usize = 12;
const HEADER: usize = 61;

/// The batches in a partition's directory, oldest first, as far as they are whole.
pub(crate) fn batches(partition: &Path) -> Vec<Batch> {
    let mut segments: Vec<_> = fs::read_dir(partition)
        .expect("the broker has the partition")
        .map(|entry| entry.expect("a directory can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    segments.sort();
    let bytes: Vec<u8> =
        segments.iter().flat_map(|path| fs::read(path).expect("a segment can be read")).collect();
    let mut rest = bytes.as_slice();
    let mut batches = Vec::new();
    while let Some((batch, after)) = next(rest) {
        batches.push(batch);
        rest = after;
    }
    batches
}

fn next(bytes: &[u8]) -> Option<(Batch, &[u8])> {
    let header = bytes.get(..HEADER)?;
    let number = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().expect("four bytes"));
    let length = BEFORE_LENGTH + usize::try_from(number(8)).ok()?;
    assert_eq!(header[16], 2, "the version of the batch");
    let codec = match header[22] & 7 {
        0 => Codec::None,
        1 => Codec::Gzip,
        2 => Codec::Snappy,
        3 => Codec::Lz4,
        4 => Codec::Zstd,
        other => panic!("codec {other}"),
    };
    // The broker fills its segments up with zeros in advance.
    let is_there = length > HEADER && bytes.len() >= length;
    is_there.then(|| (Batch { codec, records: number(57), bytes: length as u64 }, &bytes[length..]))
}

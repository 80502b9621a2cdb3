//! Reads a log back, whatever became of it: every line that is whole counts.

use std::io::{self, BufRead};

use super::line::{Line, VERSION};
use super::places::Places;

/// What the bytes of a log yielded.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    pub(super) places: Places,
    /// Where the last line break is: the next line may follow there.
    pub(super) end: u64,
    /// Whether the log is just as we would have written it.
    pub(super) intact: bool,
    pub(super) damaged_lines: u64,
    /// The damaged lines' bytes.
    pub(super) damaged: Vec<u8>,
}

#[derive(Debug)]
pub(super) enum RecoverError {
    /// The log was written by a version that knows more than we do.
    Newer {
        found: u32,
    },
    Unreadable(io::Error),
}

/// Reads a whole log, a line at a time: all of it may be much more than what it stands for. A torn
/// last line is not damage: its save never returned.
pub(super) fn recover(mut log: impl BufRead) -> Result<Recovered, RecoverError> {
    let mut recovered = Recovered::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        log.read_until(b'\n', &mut line).map_err(RecoverError::Unreadable)?;
        let Some(whole) = line.strip_suffix(b"\n") else { break };
        match Line::read(whole) {
            Some(line @ Line::Header { version, .. }) if recovered.end == 0 => {
                refuse_newer(version)?;
                recovered.places.apply(line);
                recovered.intact = true;
            }
            Some(line) => recovered.places.apply(line),
            None => recovered.salvage(whole),
        }
        recovered.end += line.len() as u64;
    }
    // What follows the last line break: nothing, unless the last write was torn. It may be several
    // lines whose breaks were damaged, and the last one's break may be missing.
    for piece in pieces(&line) {
        if let Some((line, _)) = Line::read_first(piece) {
            recovered.places.apply(line);
        }
    }
    recovered.intact &= line.is_empty() && recovered.damaged_lines == 0;
    Ok(recovered)
}

fn refuse_newer(found: u32) -> Result<(), RecoverError> {
    if found > VERSION { Err(RecoverError::Newer { found }) } else { Ok(()) }
}

impl Recovered {
    /// A line that is not whole may be several whose break was damaged.
    fn salvage(&mut self, bytes: &[u8]) {
        self.intact = false;
        for piece in pieces(bytes) {
            let (line, len) = Line::read_first(piece).unzip();
            if let Some(line) = line {
                self.places.apply(line);
            }
            // Behind a line may be what is left of its break.
            let rest = piece.get(len.unwrap_or(0)..).unwrap_or_default();
            if rest.len() > usize::from(len.is_some()) {
                self.damaged_lines += 1;
                self.damaged.extend_from_slice(rest);
                self.damaged.push(b'\n');
            }
        }
    }
}

/// Parts what looks like several lines; what stands for the break between two is left out.
fn pieces(bytes: &[u8]) -> Vec<&[u8]> {
    let tails = (0..bytes.len()).filter_map(|at| bytes.get(at..));
    let starts = tails.zip(0..).filter(|(tail, _)| Line::begins(tail)).map(|(_, at)| at);
    let mut pieces = Vec::new();
    let mut from = 0;
    for start in starts.filter(|start| *start > 0).collect::<Vec<usize>>() {
        pieces.extend(bytes.get(from..start - 1));
        from = start;
    }
    pieces.extend(bytes.get(from..));
    pieces
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::checkpoint::Saved;
    use crate::record::{Anchor, Generation, Identity, Lineage, Mark, Offset};

    fn saved(file: u64, offset: u64) -> Saved {
        let path = std::path::PathBuf::from(format!("/var/log/{file}.log"));
        let at = Mark::new(Offset(offset), Anchor(offset));
        Saved {
            lineage: Lineage { input: "app".into(), path: path.clone() }.into(),
            generation: Generation(file % 3),
            identity: Identity { dev: 1, ino: file, born_ns: None, head_len: 9, head_hash: file },
            path,
            accepted: at,
            acknowledged: at,
            seen_ms: 1,
            gone_ms: None,
        }
    }

    /// A log of moves of a few files, each farther than the last; and each line's end.
    fn log(moves: &[u64]) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = Vec::new();
        let mut ends = Vec::new();
        Line::header(None).write(&mut bytes).unwrap();
        ends.push(bytes.len());
        for (offset, file) in (1..).zip(moves) {
            Line::Source(Box::new(saved(*file, offset))).write(&mut bytes).unwrap();
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    fn offsets(places: &Places) -> BTreeMap<u64, u64> {
        places.sources().map(|saved| (saved.identity.ino, saved.accepted.offset.0)).collect()
    }

    /// What the lines that `is_whole` says.
    fn expected(moves: &[u64], is_whole: impl Fn(usize) -> bool) -> BTreeMap<u64, u64> {
        let lines = (1..).zip(moves).filter(|(number, _)| is_whole(*number));
        lines.map(|(number, file)| (*file, number as u64)).collect()
    }

    fn moves() -> impl Strategy<Value = Vec<u64>> {
        proptest::collection::vec(0..5_u64, 1..30)
    }

    proptest! {
        #[test]
        fn every_line_that_is_whole_is_restored(
            moves in moves(),
            flips in proptest::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 0..12),
            cut in proptest::option::of(any::<prop::sample::Index>()),
        ) {
            let (intact, ends) = log(&moves);
            let mut bytes = intact.clone();
            for (at, mask) in &flips {
                bytes[at.index(intact.len())] ^= mask;
            }
            bytes.truncate(cut.map_or(intact.len(), |cut| cut.index(intact.len() + 1)));
            // A line is whole if it is all there, with or without what stood for its break.
            let whole = |line: usize| {
                let span = ends[line - 1]..ends[line] - 1;
                bytes.get(span.clone()) == intact.get(span)
            };
            let recovered = recover(bytes.as_slice()).unwrap();
            prop_assert_eq!(offsets(&recovered.places), expected(&moves, whole));
            prop_assert!(recovered.end <= bytes.len() as u64);
            let as_saved = ends.contains(&bytes.len()) && intact.starts_with(&bytes);
            prop_assert_eq!(recovered.intact, as_saved);
        }

        #[test]
        fn noise_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let recovered = recover(bytes.as_slice()).unwrap();
            prop_assert_eq!(recovered.places.sources().count(), 0);
        }
    }

    #[test]
    fn a_crash_at_any_byte_leaves_the_lines_before_it() {
        let moves = [0, 1, 0, 2, 1, 0];
        let (bytes, ends) = log(&moves);
        for len in 0..=bytes.len() {
            let recovered = recover(&bytes[..len]).unwrap();
            // The last line's break alone may be missing.
            let found = offsets(&recovered.places);
            assert_eq!(found, expected(&moves, |line| ends[line] <= len + 1), "at {len}");
            assert_eq!(recovered.damaged_lines, 0, "at {len}: torn is not damaged");
            let end = ends.iter().copied().filter(|end| *end <= len).max().unwrap_or(0);
            assert_eq!(recovered.end, end as u64);
        }
    }

    #[test]
    fn a_damaged_break_before_a_torn_line_costs_nothing() {
        let (mut bytes, ends) = log(&[0, 0, 0]);
        bytes[ends[2] - 1] = b'x';
        bytes.truncate(ends[3] - 10);
        assert_eq!(offsets(&recover(bytes.as_slice()).unwrap().places), BTreeMap::from([(0, 2)]));
    }

    #[test]
    fn a_damaged_break_costs_nothing() {
        let (mut bytes, ends) = log(&[0, 1, 2]);
        bytes[ends[1] - 1] = b'x';
        bytes[ends[2] - 1] = b'y';
        let recovered = recover(bytes.as_slice()).unwrap();
        assert_eq!(offsets(&recovered.places).len(), 3);
        assert!(!recovered.intact);
    }

    #[test]
    fn a_damaged_version_is_not_a_newer_one() {
        let (mut bytes, _) = log(&[0, 1]);
        let at = bytes.windows(11).position(|w| w == b"\"version\":1").unwrap();
        bytes[at + 10] = b'7';
        let recovered = recover(bytes.as_slice()).unwrap();
        assert_eq!((recovered.damaged_lines, offsets(&recovered.places).len()), (1, 2));
    }
}

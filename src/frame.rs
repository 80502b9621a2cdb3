//! Finds records in bytes: lines, and the pieces of lines that are too long.
//!
//! Pure: the same bytes from the same place give the same records, however they were cut into
//! reads, so that reading again after a crash makes the same records.

use memchr::{memchr, memmem};

use crate::record::Slice;
use crate::settings::LongLine;

/// What makes a record of an input.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The most bytes of a line that go into one record.
    pub line_max: usize,
    pub on_long_line: LongLine,
    pub delimiter: Delimiter,
}

/// What stands between lines, as it is in the file.
#[derive(Debug, Clone)]
pub struct Delimiter {
    bytes: Vec<u8>,
    /// How many bytes make a unit of the file's encoding: a delimiter begins at a whole number of
    /// them from where its line does.
    unit: usize,
    /// A carriage return, if one before the delimiter belongs to it.
    carriage_return: Vec<u8>,
}

impl Delimiter {
    /// `bytes` is not empty. `carriage_return` is dropped where it stands before it.
    pub fn new(bytes: Vec<u8>, carriage_return: Vec<u8>, unit: usize) -> Self {
        assert!(!bytes.is_empty() && unit > 0, "lines are delimited by something");
        Self { bytes, unit, carriage_return }
    }

    /// A newline, and a carriage return before it.
    pub fn newline() -> Self {
        Self::new(b"\n".to_vec(), b"\r".to_vec(), 1)
    }

    /// Where the first one begins in the lines that `bytes` hold.
    pub fn find(&self, bytes: &[u8]) -> Option<usize> {
        if let [byte] = *self.bytes {
            return memchr(byte, bytes);
        }
        let found = memmem::find_iter(bytes, &self.bytes);
        // A match that is out of step may hide one that is not.
        found.flat_map(|at| at..at + self.unit).find(|at| {
            at.is_multiple_of(self.unit)
                && bytes.get(*at..).is_some_and(|b| b.starts_with(&self.bytes))
        })
    }

    pub fn width(&self) -> usize {
        self.bytes.len()
    }

    /// Whether lines end in NULs, so that empty ones are nothing else.
    pub fn is_nul(&self) -> bool {
        self.bytes.iter().all(|byte| *byte == 0)
    }

    /// Whether a line ends where `bytes` do.
    pub fn ends(&self, bytes: &[u8]) -> bool {
        bytes.ends_with(&self.bytes)
    }

    /// So many bytes, without a part of a unit.
    pub fn in_step(&self, bytes: u64) -> u64 {
        bytes - bytes % self.unit as u64
    }

    /// From where a line must be searched again whose first `searched` bytes hold none.
    pub fn search_from(&self, searched: u64) -> u64 {
        let begun = searched.saturating_sub(self.bytes.len() as u64 - 1);
        begun - begun % self.unit as u64
    }

    /// How many bytes at the end of a line may turn out to belong to its delimiter.
    fn slack(&self) -> usize {
        self.bytes.len() - 1 + self.carriage_return.len()
    }

    /// The length of a line's record, given where its delimiter is.
    pub fn trim(&self, line: &[u8], delimiter: usize) -> usize {
        let text = line.get(..delimiter).unwrap_or_default();
        let is_return = !self.carriage_return.is_empty() && text.ends_with(&self.carriage_return);
        delimiter - if is_return { self.carriage_return.len() } else { 0 }
    }

    /// The longest whole piece of a line within `most` bytes: no character is cut, if it is UTF-8.
    pub fn piece(&self, line: &[u8], most: usize) -> usize {
        if self.unit > 1 {
            return (most - most % self.unit).max(self.unit);
        }
        whole_characters(line, most)
    }
}

/// How much of `text` to take within `most` bytes, so that no character is cut, if it is UTF-8.
/// Something, unless `most` is nothing.
pub fn whole_characters(text: &[u8], most: usize) -> usize {
    character_border(text, most).filter(|at| *at > 0).unwrap_or(most)
}

/// The last border of a character up to `at`; none if what is there is no UTF-8.
pub fn character_border(text: &[u8], at: usize) -> Option<usize> {
    let is_inside = |at: &usize| text.get(*at).is_some_and(|byte| byte & 0xC0 == 0x80);
    // A character has at most four bytes.
    (at.saturating_sub(3)..=at).rev().find(|at| !is_inside(at))
}

/// Where framing stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Everything that is whole has been taken, or `records_max` was reached.
    End,
    /// At a line longer than `line_max` that must be cut: its bytes without the delimiter, and
    /// with it.
    Long { length: usize, whole: usize },
}

/// How far framing came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framed {
    /// The bytes that `out` now covers.
    pub consumed: usize,
    pub stop: Stop,
}

/// Appends the records at the start of `bytes` to `out`, until it holds `records_max`.
pub fn lines(bytes: &[u8], rule: &Rule, records_max: usize, out: &mut Vec<Slice>) -> Framed {
    let mut at = 0;
    while out.len() < records_max {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(delimiter) = rule.delimiter.find(rest) else {
            return Framed {
                consumed: at + unfinished(rest, at, rule, records_max, out),
                stop: Stop::End,
            };
        };
        let length = rule.delimiter.trim(rest, delimiter);
        let whole = delimiter + rule.delimiter.width();
        if length <= rule.line_max {
            push(out, at, length, whole);
            at += whole;
        } else if rule.on_long_line == LongLine::Split {
            let piece = rule.delimiter.piece(rest, rule.line_max);
            push(out, at, piece, piece);
            at += piece;
        } else {
            return Framed { consumed: at, stop: Stop::Long { length, whole } };
        }
    }
    Framed { consumed: at, stop: Stop::End }
}

/// Pieces of a line whose end is not there yet. More than a piece must be there, or what stands
/// at its very end could still turn out to belong to the delimiter.
fn unfinished(
    rest: &[u8],
    at: usize,
    rule: &Rule,
    records_max: usize,
    out: &mut Vec<Slice>,
) -> usize {
    let mut taken = 0;
    if rule.on_long_line == LongLine::Split {
        while rest.len() - taken > split_above(rule) && out.len() < records_max {
            let piece = rule.delimiter.piece(rest.get(taken..).unwrap_or_default(), rule.line_max);
            push(out, at + taken, piece, piece);
            taken += piece;
        }
    }
    taken
}

/// How much there must be of an unfinished line before a piece of it is taken.
pub fn split_above(rule: &Rule) -> usize {
    rule.line_max + rule.delimiter.slack()
}

fn push(out: &mut Vec<Slice>, at: usize, length: usize, whole: usize) {
    // A block is far below 4 GiB; a place that did not fit would show up as an empty record.
    let from = u32::try_from(at).unwrap_or(u32::MAX);
    let to = u32::try_from(at + length).unwrap_or(u32::MAX);
    out.push(Slice { from, to, end: (at + whole) as u64 });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(line_max: usize, on_long_line: LongLine) -> Rule {
        Rule { line_max, on_long_line, delimiter: Delimiter::newline() }
    }

    fn wide(line_max: usize, on_long_line: LongLine) -> Rule {
        let delimiter = Delimiter::new(b"\n\0".to_vec(), b"\r\0".to_vec(), 2);
        Rule { line_max, on_long_line, delimiter }
    }

    fn texts<'a>(bytes: &'a [u8], rule: &Rule) -> (Vec<&'a [u8]>, Framed) {
        let mut out = Vec::new();
        let framed = lines(bytes, rule, usize::MAX, &mut out);
        (out.iter().map(|s| &bytes[s.from as usize..s.to as usize]).collect(), framed)
    }

    #[test]
    fn delimiters_and_one_carriage_return_are_left_out() {
        let (found, framed) = texts(b"a\nb\r\n\r\n\nrest\r", &rule(10, LongLine::Truncate));
        assert_eq!(found, [b"a".as_slice(), b"b", b"", b""]);
        assert_eq!(framed, Framed { consumed: 8, stop: Stop::End });
    }

    #[test]
    fn a_long_line_stops_what_must_be_cut() {
        let (found, framed) = texts(b"ab\nabcdef\nz\n", &rule(4, LongLine::Truncate));
        assert_eq!(found, [b"ab"]);
        assert_eq!(framed, Framed { consumed: 3, stop: Stop::Long { length: 6, whole: 7 } });
    }

    #[test]
    fn a_line_of_just_the_limit_is_whole_even_with_a_carriage_return() {
        let (found, _) = texts(b"abcd\r\n", &rule(4, LongLine::Split));
        assert_eq!(found, [b"abcd"]);
        let (found, framed) = texts(b"abcd\r", &rule(4, LongLine::Split));
        assert_eq!((found.len(), framed.consumed), (0, 0));
    }

    #[test]
    fn a_delimiter_is_found_only_in_step_with_its_encoding() {
        // U+0A41, U+000A, U+0A0A, U+0000: three newlines out of step, one in step.
        let bytes = b"\x41\x0A\x00\x0A\x0A\x00\x0A\x0A\x00\x00";
        let (found, framed) = texts(bytes, &wide(100, LongLine::Truncate));
        assert_eq!(found, [b"\x41\x0A\x00\x0A".as_slice()]);
        assert_eq!(framed.consumed, 6);
        let (found, _) = texts(b"a\0\r\0\n\0b\0\n\0", &wide(100, LongLine::Truncate));
        assert_eq!(found, [b"a\0".as_slice(), b"b\0"]);
    }

    #[test]
    fn a_piece_does_not_end_inside_a_character() {
        let (found, _) = texts("aä€a\n".as_bytes(), &rule(4, LongLine::Split));
        assert_eq!(found, ["aä".as_bytes(), "€a".as_bytes()]);
        let (found, _) = texts(&[0x80; 9], &rule(4, LongLine::Split));
        assert_eq!(found, [[0x80; 4].as_slice()]);
    }

    #[test]
    fn lines_may_end_in_anything() {
        let delimiter = Delimiter::new(b"--\n".to_vec(), Vec::new(), 1);
        let rule = Rule { line_max: 10, on_long_line: LongLine::Truncate, delimiter };
        let (found, _) = texts(b"a\n\r--\nb---\n", &rule);
        assert_eq!(found, [b"a\n\r".as_slice(), b"b-"]);
    }

    /// Frames `bytes` as if they had arrived in reads of the given sizes.
    fn in_reads(bytes: &[u8], rule: &Rule, sizes: &[usize]) -> Vec<(u64, Vec<u8>)> {
        let (mut start, mut end, mut found) = (0, 0, Vec::new());
        for size in sizes.iter().copied().chain([bytes.len()]) {
            end = bytes.len().min(end + size);
            let mut out = Vec::new();
            let framed = lines(&bytes[start..end], rule, usize::MAX, &mut out);
            for s in &out {
                let text = bytes[start..end][s.from as usize..s.to as usize].to_vec();
                found.push((start as u64 + s.end, text));
            }
            start += framed.consumed;
        }
        found
    }

    proptest! {
        #[test]
        fn how_the_bytes_arrive_does_not_matter(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(0), Just(b'x'), Just(0xC3), Just(0xA4)], 0..200),
            sizes in proptest::collection::vec(0usize..20, 0..20),
            line_max in 1usize..12,
        ) {
            for rule in [rule(line_max, LongLine::Split), wide(line_max, LongLine::Split)] {
                prop_assert_eq!(in_reads(&bytes, &rule, &sizes), in_reads(&bytes, &rule, &[]));
            }
        }

        #[test]
        fn records_and_delimiters_make_up_the_bytes(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..300),
        ) {
            let mut out = Vec::new();
            let framed = lines(&bytes, &rule(1000, LongLine::Truncate), usize::MAX, &mut out);
            let mut rebuilt: Vec<u8> = Vec::new();
            for s in &out {
                let end = usize::try_from(s.end).unwrap();
                let (record, delimiter) = bytes[s.from as usize..end].split_at((s.to - s.from) as usize);
                rebuilt.extend(record.iter().chain(delimiter));
                prop_assert!([b"\n".as_slice(), b"\r\n"].contains(&delimiter));
            }
            prop_assert_eq!(&rebuilt, &bytes[..framed.consumed]);
            prop_assert!(!bytes[framed.consumed..].contains(&b'\n'));
        }
    }
}

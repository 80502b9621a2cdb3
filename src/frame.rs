//! Finds records in bytes: lines, and the pieces of lines that are too long.
//!
//! Pure: the same bytes from the same place give the same records, however they were cut into
//! reads, so that reading again after a crash makes the same records.

use memchr::memchr;

use crate::record::Slice;
use crate::settings::LongLine;

/// What makes a record of an input.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The most bytes of a line that go into one record.
    pub line_max: usize,
    pub on_long_line: LongLine,
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
pub fn lines(bytes: &[u8], rule: Rule, records_max: usize, out: &mut Vec<Slice>) -> Framed {
    let mut at = 0;
    while out.len() < records_max {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(newline) = memchr(b'\n', rest) else {
            return Framed {
                consumed: at + unfinished(rest, at, rule, records_max, out),
                stop: Stop::End,
            };
        };
        let length = without_cr(rest, newline);
        if length <= rule.line_max {
            push(out, at, length, newline + 1);
            at += newline + 1;
        } else if rule.on_long_line == LongLine::Split {
            push(out, at, rule.line_max, rule.line_max);
            at += rule.line_max;
        } else {
            return Framed { consumed: at, stop: Stop::Long { length, whole: newline + 1 } };
        }
    }
    Framed { consumed: at, stop: Stop::End }
}

/// Pieces of a line whose end is not there yet. One byte more than a piece must be there, or a
/// carriage return at its very end could still turn out to belong to the delimiter.
fn unfinished(
    rest: &[u8],
    at: usize,
    rule: Rule,
    records_max: usize,
    out: &mut Vec<Slice>,
) -> usize {
    let mut taken = 0;
    if rule.on_long_line == LongLine::Split {
        while rest.len() - taken > rule.line_max + 1 && out.len() < records_max {
            push(out, at + taken, rule.line_max, rule.line_max);
            taken += rule.line_max;
        }
    }
    taken
}

/// The length of a line's record, given where its newline is.
pub fn without_cr(line: &[u8], newline: usize) -> usize {
    match newline.checked_sub(1).and_then(|last| line.get(last)) {
        Some(b'\r') => newline - 1,
        _ => newline,
    }
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
        Rule { line_max, on_long_line }
    }

    fn texts(bytes: &[u8], rule: Rule) -> (Vec<&[u8]>, Framed) {
        let mut out = Vec::new();
        let framed = lines(bytes, rule, usize::MAX, &mut out);
        (out.iter().map(|s| &bytes[s.from as usize..s.to as usize]).collect(), framed)
    }

    #[test]
    fn delimiters_and_one_carriage_return_are_left_out() {
        let (found, framed) = texts(b"a\nb\r\n\r\n\nrest\r", rule(10, LongLine::Truncate));
        assert_eq!(found, [b"a".as_slice(), b"b", b"", b""]);
        assert_eq!(framed, Framed { consumed: 8, stop: Stop::End });
    }

    #[test]
    fn a_long_line_stops_what_must_be_cut() {
        let (found, framed) = texts(b"ab\nabcdef\nz\n", rule(4, LongLine::Truncate));
        assert_eq!(found, [b"ab"]);
        assert_eq!(framed, Framed { consumed: 3, stop: Stop::Long { length: 6, whole: 7 } });
    }

    #[test]
    fn a_line_of_just_the_limit_is_whole_even_with_a_carriage_return() {
        let (found, _) = texts(b"abcd\r\n", rule(4, LongLine::Split));
        assert_eq!(found, [b"abcd"]);
        let (found, framed) = texts(b"abcd\r", rule(4, LongLine::Split));
        assert_eq!((found.len(), framed.consumed), (0, 0));
    }

    /// Frames `bytes` as if they had arrived in reads of the given sizes.
    fn in_reads(bytes: &[u8], rule: Rule, sizes: &[usize]) -> Vec<(u64, Vec<u8>)> {
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
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'x')], 0..200),
            sizes in proptest::collection::vec(0usize..20, 0..20),
            line_max in 1usize..12,
        ) {
            let rule = rule(line_max, LongLine::Split);
            prop_assert_eq!(in_reads(&bytes, rule, &sizes), in_reads(&bytes, rule, &[]));
        }

        #[test]
        fn records_and_delimiters_make_up_the_bytes(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..300),
        ) {
            let mut out = Vec::new();
            let framed = lines(&bytes, rule(1000, LongLine::Truncate), usize::MAX, &mut out);
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

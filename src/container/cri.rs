//! `2026-11-21T09:00:00.123456789+01:00 stderr F what the container wrote`, the log format of the
//! container runtime interface (kubernetes, design proposal "CRI: logging").

use std::borrow::Cow;

use memchr::memchr;

use super::{Line, time};

pub(super) fn parse(line: &[u8]) -> Option<Line<'_>> {
    let (moment, rest) = word(line)?;
    let moment = time::parse(moment)?;
    let (stream, rest) = word(rest)?;
    let stream = super::stream(stream)?;
    // An empty message may have lost the space before it to an editor, or to the writer.
    let (tags, message) = word(rest).unwrap_or((rest, &[]));
    // Tags are parted by colons, and the first says whether the line is whole. A line without
    // tags (kubernetes before 1.10) is none of ours: its first word is not to be eaten.
    let is_partial = match tags {
        [b'P'] | [b'P', b':', ..] => true,
        [b'F'] | [b'F', b':', ..] => false,
        _ => return None,
    };
    let time_ns = moment.since_epoch_ns();
    Some(Line { message: Cow::Borrowed(message), stream, time_ns, is_partial })
}

/// The bytes before the first space, and those after it.
fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = memchr(b' ', text)?;
    let (word, rest) = text.split_at_checked(space)?;
    Some((word, rest.get(1..)?))
}

//! What stands around a gzip member's content (RFC 1952).

use memchr::memchr;

/// Longer headers are no headers: names and comments have no bound of their own.
const HEADER_MAX: usize = 256 * 1024;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// A whole header of so many bytes.
    Whole(usize),
    /// More is to come.
    Unfinished,
    /// Nothing that could become one.
    None,
}

/// Looks for a header at the beginning of `bytes`.
pub(super) fn header(bytes: &[u8]) -> Header {
    const HEADER_CRC: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    const RESERVED: u8 = 0xE0;
    let begins = [0x1F, 0x8B, 8].iter().zip(bytes).all(|(want, have)| want == have);
    let flags = bytes.get(3).copied().unwrap_or_default();
    if !begins || flags & RESERVED != 0 {
        return Header::None;
    }
    let mut end = 10;
    if flags & EXTRA != 0 {
        let length = bytes.get(end..).and_then(|rest| rest.first_chunk());
        let Some(length) = length else { return Header::Unfinished };
        end += 2 + usize::from(u16::from_le_bytes(*length));
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            match bytes.get(end..).and_then(|rest| memchr(0, rest)) {
                Some(at) => end += at + 1,
                None if bytes.len() > HEADER_MAX => return Header::None,
                None => return Header::Unfinished,
            }
        }
    }
    if flags & HEADER_CRC != 0 {
        end += 2;
    }
    if bytes.len() < end { Header::Unfinished } else { Header::Whole(end) }
}

/// The sum of a member's content, and its length modulo 2^32.
pub(super) fn trailer(bytes: [u8; 8]) -> (u32, u32) {
    let ([sum @ .., _, _, _, _], [_, _, _, _, length @ ..]) = (bytes, bytes);
    (u32::from_le_bytes(sum), u32::from_le_bytes(length))
}

//! Walks the blocks of a segment from front to back, over what is damaged.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use memchr::memmem;

use super::block::{Header, MAGIC, Parsed};
use super::entry::At;

/// Whether blocks count only if their payload's checksum is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Payload {
    Verify,
    Trust,
}

#[derive(Debug)]
pub(super) enum Step {
    Block {
        position: u64,
        parsed: Parsed,
    },
    /// `from..to` is no block, or one whose payload is wrong: then `header` tells which.
    Damaged {
        from: u64,
        to: u64,
        header: Option<Box<Header>>,
    },
    /// Nothing from here to the end is a whole block.
    Torn {
        from: u64,
    },
}

pub(super) struct Walk<'a> {
    file: &'a File,
    segment: u64,
    at: u64,
    end: u64,
    payload: Payload,
}

/// Long enough for nearly every header.
const HEADER_READ_LEN: u64 = 512;
const SEARCH_LEN: u64 = 1 << 20;

impl<'a> Walk<'a> {
    /// Walks from the block boundary `from` to `end`.
    pub(super) fn new(file: &'a File, segment: u64, from: u64, end: u64, payload: Payload) -> Self {
        Self { file, segment, at: from, end, payload }
    }

    pub(super) fn step(&mut self) -> io::Result<Option<Step>> {
        let from = self.at;
        if from >= self.end {
            return Ok(None);
        }
        if let Some(parsed) = self.header_at(from)? {
            self.at = from + u64::from(parsed.block_len());
            return self.judge(from, parsed).map(Some);
        }
        let next = self.next_header(from + 1)?;
        self.at = next.unwrap_or(self.end);
        Ok(Some(match next {
            Some(to) => Step::Damaged { from, to, header: None },
            None => Step::Torn { from },
        }))
    }

    fn judge(&self, position: u64, parsed: Parsed) -> io::Result<Step> {
        let whole = self.payload == Payload::Trust
            || parsed.dead
            || read_payload(self.file, position, &parsed)?.is_some();
        let header = Some(Box::new(parsed.header.clone())).filter(|_| !whole);
        Ok(match header {
            None => Step::Block { position, parsed },
            header => Step::Damaged { from: position, to: self.at, header },
        })
    }

    /// The header at `position`, if there is one and its block ends in time.
    fn header_at(&self, position: u64) -> io::Result<Option<Parsed>> {
        let Some(bytes) = header_bytes(self.file, position, self.end)? else { return Ok(None) };
        let parsed = Header::parse(&bytes, At { segment: self.segment, position });
        Ok(parsed.filter(|p| u64::from(p.block_len()) <= self.end - position))
    }

    fn next_header(&self, from: u64) -> io::Result<Option<u64>> {
        let mut from = from;
        while from < self.end {
            let bytes = read_some(self.file, from, SEARCH_LEN.min(self.end - from))?;
            for found in memmem::find_iter(&bytes, &MAGIC) {
                let position = from + found as u64;
                if self.header_at(position)?.is_some() {
                    return Ok(Some(position));
                }
            }
            let step = (bytes.len() as u64).saturating_sub(MAGIC.len() as u64 - 1).max(1);
            from += step;
        }
        Ok(None)
    }
}

/// The header of the block that the index says is at `at`, and its payload if that is whole;
/// nothing if there is no such block.
pub(super) fn read_block(
    file: &File,
    at: At,
    len: u32,
) -> io::Result<Option<(Parsed, Option<Vec<u8>>)>> {
    let end = at.position.saturating_add(u64::from(len));
    let walk = Walk::new(file, at.segment, at.position, end, Payload::Trust);
    let Some(parsed) = walk.header_at(at.position)? else { return Ok(None) };
    let payload = read_payload(file, at.position, &parsed)?;
    Ok(Some((parsed, payload)))
}

/// What looks like the header at `position`, of a segment that ends at `end`.
pub(super) fn header_bytes(file: &File, position: u64, end: u64) -> io::Result<Option<Vec<u8>>> {
    let read = |len: u64| read_some(file, position, len.min(end - position));
    let mut bytes = read(HEADER_READ_LEN)?;
    let Some(len) = Header::len_of(&bytes) else { return Ok(None) };
    if len > bytes.len() {
        bytes = read(len as u64)?;
    }
    bytes.truncate(len);
    Ok(Some(bytes))
}

/// The payload of the block at `position`, if its checksum is right.
fn read_payload(file: &File, position: u64, parsed: &Parsed) -> io::Result<Option<Vec<u8>>> {
    let from = position + u64::from(parsed.header_len);
    let payload = read_some(file, from, u64::from(parsed.header.payload_len))?;
    let whole = payload.len() == parsed.header.payload_len as usize
        && crc32fast::hash(&payload) == parsed.header.payload_crc;
    Ok(whole.then_some(payload))
}

/// Up to `len` bytes; fewer at the file's end.
pub(super) fn read_some(file: &File, position: u64, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, position + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

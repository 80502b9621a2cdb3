//! Reads from a file what tells it from others: who it is, how it begins, what stands before a
//! place in it.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::time::UNIX_EPOCH;

use xxhash_rust::xxh3::xxh3_64;

use super::content::Content;
use crate::record::{Anchor, Identity, Mark, Offset};

/// Who a file is, without its head.
pub(super) fn of(meta: &Metadata) -> Identity {
    let born = meta.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Identity {
        dev: meta.dev(),
        ino: meta.ino(),
        born_ns: born.and_then(|born| u64::try_from(born.as_nanos()).ok()),
        head_len: 0,
        head_hash: 0,
    }
}

/// Reads the head of a file as far as there is one, or `len` bytes of it. NULs behind something
/// else may not have been written yet, and are no part of it.
pub(super) fn head(file: &Content, len: u32) -> io::Result<(u32, u64)> {
    let mut bytes = [0; Identity::HEAD_MAX as usize];
    let window = bytes.get_mut(..len as usize).unwrap_or_default();
    let read = file.read_up_to(window, 0)?;
    Ok(head_of(window.get(..read).unwrap_or_default()))
}

fn head_of(bytes: &[u8]) -> (u32, u64) {
    let last = bytes.iter().rposition(|byte| *byte != 0);
    let written = last.map_or(bytes.len(), |last| last + 1);
    let head = bytes.get(..written).unwrap_or_default();
    (u32::try_from(written).unwrap_or(Identity::HEAD_MAX), xxh3_64(head))
}

/// Whether the file still begins as it did when `identity` was taken.
pub(super) fn begins_alike(file: &Content, identity: &Identity) -> io::Result<bool> {
    holds_all(file, identity, [])
}

/// The same, and what stands before `marks` is what stood there. Of a short file all that is
/// read at once.
pub(super) fn holds_all(
    file: &Content,
    identity: &Identity,
    marks: impl IntoIterator<Item = Mark>,
) -> io::Result<bool> {
    let mut bytes = [0; Identity::HEAD_MAX as usize];
    let window = bytes.get_mut(..identity.head_len as usize).unwrap_or_default();
    let read = file.read_up_to(window, 0)?;
    let head = window.get(..read).unwrap_or_default();
    if identity.head_len > 0 && head_of(head) != (identity.head_len, identity.head_hash) {
        return Ok(false);
    }
    for mark in marks {
        let before = usize::try_from(mark.offset.0).ok().and_then(|offset| head.get(..offset));
        let holds = match before {
            Some(before) => anchor_of(before) == mark.anchor,
            None => holds(file, mark)?,
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The anchor of a place, from the bytes that end there.
pub(super) fn anchor_of(bytes_before: &[u8]) -> Anchor {
    if bytes_before.is_empty() {
        return Anchor::NONE;
    }
    let from = bytes_before.len().saturating_sub(Anchor::WINDOW);
    Anchor(xxh3_64(bytes_before.get(from..).unwrap_or_default()))
}

/// Reads the anchor of a place from the file; none if the file ends before it.
pub(super) fn anchor_at(file: &Content, offset: Offset) -> io::Result<Option<Anchor>> {
    let mut bytes = [0; Anchor::WINDOW];
    let window = window_before(&mut bytes, offset);
    let is_there = file.read_up_to(window, offset.0 - window.len() as u64)? == window.len();
    Ok(is_there.then(|| anchor_of(window)))
}

/// As many bytes as stand before a place and count for its anchor.
fn window_before(bytes: &mut [u8; Anchor::WINDOW], offset: Offset) -> &mut [u8] {
    let len = usize::try_from(offset.0).unwrap_or(usize::MAX).min(Anchor::WINDOW);
    bytes.get_mut(..len).unwrap_or_default()
}

/// The same of a file's end; none if it ends in what may not have been written yet.
pub(super) fn anchor_at_end(file: &Content, size: Offset) -> io::Result<Option<Anchor>> {
    let mut bytes = [0; Anchor::WINDOW];
    let window = window_before(&mut bytes, size);
    let is_there = file.read_up_to(window, size.0 - window.len() as u64)? == window.len();
    let is_written = window.last().is_some_and(|last| *last != 0);
    Ok((is_there && is_written).then(|| anchor_of(window)))
}

/// Whether what stands before `mark` is what stood there when it was taken.
pub(super) fn holds(file: &Content, mark: Mark) -> io::Result<bool> {
    Ok(anchor_at(file, mark.offset)? == Some(mark.anchor))
}

/// Whether two files hold the same in their first `len` bytes, going by windows spread over them.
pub(super) fn same_beginning(one: &Content, other: &Content, len: u64) -> io::Result<bool> {
    const WINDOW: usize = 4096;
    const WINDOWS: u64 = 16;
    let last = len.saturating_sub(WINDOW as u64);
    let mut buffers = [[0; WINDOW]; 2];
    for window in 0..=WINDOWS {
        let from = last / WINDOWS * window + last % WINDOWS * window / WINDOWS;
        let want = usize::try_from(len - from).unwrap_or(WINDOW).min(WINDOW);
        let [ours, theirs] = &mut buffers;
        let (Some(ours), Some(theirs)) = (ours.get_mut(..want), theirs.get_mut(..want)) else {
            break;
        };
        let read = (one.read_up_to(ours, from)?, other.read_up_to(theirs, from)?);
        if read != (want, want) || ours != theirs {
            return Ok(false);
        }
        if last == 0 {
            break;
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::FileExt as _;

    use super::*;

    #[test]
    fn an_anchor_read_is_the_anchor_computed() {
        let mut file = tempfile::tempfile().unwrap();
        let text: Vec<u8> = (0..200).collect();
        file.write_all(&text).unwrap();
        let content = Content::Plain(file);
        for end in [0, 1, 63, 64, 65, 200] {
            let read = anchor_at(&content, Offset(end as u64)).unwrap().unwrap();
            assert_eq!(read, anchor_of(&text[..end]), "{end}");
        }
        assert_eq!(anchor_at(&content, Offset(201)).unwrap(), None);
    }

    #[test]
    fn a_head_grows_and_is_still_recognised() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"short").unwrap();
        let content = Content::Plain(file.try_clone().unwrap());
        let mut identity = of(&file.metadata().unwrap());
        (identity.head_len, identity.head_hash) = head(&content, Identity::HEAD_MAX).unwrap();
        assert_eq!(identity.head_len, 5);
        file.write_all(b" and longer").unwrap();
        assert!(begins_alike(&content, &identity).unwrap());
        file.write_at(b"X", 0).unwrap();
        assert!(!begins_alike(&content, &identity).unwrap());
    }
}

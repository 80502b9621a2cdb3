//! A given file, as it was when we began: the hash of every line of it, as it has to arrive.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::line;

const READ_AT_ONCE: usize = 256 * 1024;

#[derive(Debug)]
pub(super) struct Given {
    pub(super) path: PathBuf,
    /// Its size then. What comes after this is not looked at.
    pub(super) size: u64,
    /// Of every line without its delimiter, cut to the limit; an unfinished last one, too.
    pub(super) hashes: Vec<u64>,
    /// The unfinished last line.
    pub(super) partial: Option<Vec<u8>>,
}

impl Given {
    /// Reads a file once; it must be a regular one. Lines are cut to `line_max` bytes.
    pub(super) fn read(path: &Path, line_max: usize) -> io::Result<Self> {
        // Links are followed now, so that what is compared and what is shipped is the same file.
        let path = path.canonicalize()?;
        if !path.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        let file = File::open(&path)?;
        let size = file.metadata()?.len();
        let (hashes, partial) =
            hashes(BufReader::with_capacity(READ_AT_ONCE, file.take(size)), line_max)?;
        Ok(Self { path, size, hashes, partial })
    }

    /// Whether it has become longer since.
    pub(super) fn has_grown(&self) -> bool {
        self.path.metadata().is_ok_and(|meta| meta.len() > self.size)
    }
}

fn hashes(mut bytes: impl BufRead, line_max: usize) -> io::Result<(Vec<u64>, Option<Vec<u8>>)> {
    let mut hashes = Vec::new();
    // One byte more than the limit: a carriage return there does not count as one too many.
    let mut kept = Vec::new();
    loop {
        let chunk = bytes.fill_buf()?;
        if chunk.is_empty() {
            break;
        }
        let newline = memchr::memchr(b'\n', chunk);
        let part = chunk.get(..newline.unwrap_or(chunk.len())).unwrap_or_default();
        let room = (line_max + 1).saturating_sub(kept.len());
        kept.extend(part.iter().take(room));
        let is_cut = part.len() > room;
        let used = newline.map_or(chunk.len(), |at| at + 1);
        bytes.consume(used);
        if newline.is_some() {
            hashes.push(hash_finished(&kept, is_cut, line_max));
            kept.clear();
        }
    }
    let partial = (!kept.is_empty()).then_some(kept);
    if let Some(partial) = &partial {
        hashes.push(line::hash(cut(partial, line_max)));
    }
    Ok((hashes, partial))
}

fn hash_finished(kept: &[u8], is_cut: bool, line_max: usize) -> u64 {
    let content = match kept.strip_suffix(b"\r") {
        Some(content) if !is_cut => content,
        _ => kept,
    };
    line::hash(cut(content, line_max))
}

fn cut(line: &[u8], line_max: usize) -> &[u8] {
    line.get(..line_max).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &[u8], line_max: usize, expected: &[&[u8]]) {
        let expected: Vec<_> = expected.iter().map(|line| line::hash(line)).collect();
        for capacity in [1, 2, 3, 7, 64] {
            let bytes = BufReader::with_capacity(capacity, text);
            assert_eq!(hashes(bytes, line_max).unwrap().0, expected, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn lines_are_what_stands_between_newlines() {
        check(b"", 9, &[]);
        check(b"\n\na\r\n\r\nb", 9, &[b"", b"", b"a", b"", b"b"]);
        check(b"nul \0 \xff\xfe\n", 9, &[b"nul \0 \xff\xfe"]);
        check(b"b\r", 9, &[b"b\r"]);
    }

    #[test]
    fn long_lines_are_cut() {
        check(b"1234\n12345\n1234\r\n1234\rxx\n12345678", 4, &[&b"1234"[..]; 5]);
        check(b"12\r45\n", 3, &[b"12\r"]);
    }

    #[test]
    fn an_unfinished_line_is_kept() {
        let (hashes, partial) = hashes(&b"a\nbc"[..], 9).unwrap();
        assert_eq!((hashes.len(), partial.as_deref()), (2, Some(&b"bc"[..])));
    }

    #[test]
    fn a_directory_is_no_log() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Given::read(dir.path(), 9).is_err());
    }
}

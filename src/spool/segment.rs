//! Segment files: their names and their first 32 bytes.
//!
//! A segment is only ever appended to, but for the tombstones in its blocks' headers.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::wire::Reader;

/// Blocks say themselves what is new in them since format 1, so those of both may lie side by side.
pub(super) const FORMAT: u32 = 3;
pub(super) const FILE_HEADER_LEN: u64 = 32;
const MAGIC: [u8; 8] = *b"tlspool\n";

/// What a segment's first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileHeader {
    /// The number that tells this file from any other of the same name.
    Known {
        nonce: u64,
    },
    Newer {
        format: u32,
    },
    /// The blocks behind it can be read nevertheless.
    Damaged,
}

pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:020}.seg"))
}

/// The numbers of the segments in `dir`, ascending; none if there is no such directory.
pub(super) fn numbers(dir: &Path) -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".seg")?.parse().ok());
        numbers.extend(number.filter(|number| path(dir, *number).ends_with(&name)));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Makes an empty segment that survives a power cut once its first block is synced.
pub(super) fn create(dir: &Path, number: u64) -> io::Result<(File, u64)> {
    let path = path(dir, number);
    let nonce = RandomState::new().hash_one(number);
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    let written = file
        .write_all_at(&header(number, nonce), 0)
        // The directory too, or the file may not survive a power cut.
        .and_then(|()| sync_dir(dir));
    match written {
        Ok(()) => Ok((file, nonce)),
        // Nothing is in it: the next attempt needs the name.
        Err(error) => fs::remove_file(&path).and(Err(error)),
    }
}

pub(super) fn open(dir: &Path, number: u64) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path(dir, number))
}

pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn header(number: u64, nonce: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(32);
    out.extend(MAGIC);
    out.extend(FORMAT.to_le_bytes());
    out.extend(number.to_le_bytes());
    out.extend(nonce.to_le_bytes());
    out.extend(crc32fast::hash(&out).to_le_bytes());
    out
}

pub(super) fn read_header(file: &File) -> io::Result<FileHeader> {
    let mut bytes = [0; 32];
    match file.read_exact_at(&mut bytes, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(FileHeader::Damaged),
        read => read.map(|()| parse(&bytes).unwrap_or(FileHeader::Damaged)),
    }
}

fn parse(bytes: &[u8; 32]) -> Option<FileHeader> {
    let mut reader = Reader(bytes);
    let magic = reader.array::<8>()?;
    let format = reader.u32()?;
    let (_number, nonce, crc) = (reader.u64()?, reader.u64()?, reader.u32()?);
    if magic != MAGIC || crc != crc32fast::hash(bytes.get(..28)?) {
        return None;
    }
    // Every format keeps these 32 bytes.
    Some(if format > FORMAT { FileHeader::Newer { format } } else { FileHeader::Known { nonce } })
}

#[cfg(test)]
pub(super) fn write_newer(dir: &Path, number: u64) {
    let mut bytes = header(number, 1);
    bytes[8..12].copy_from_slice(&(FORMAT + 1).to_le_bytes());
    let crc = crc32fast::hash(&bytes[..28]);
    bytes[28..].copy_from_slice(&crc.to_le_bytes());
    fs::write(path(dir, number), bytes).unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_found_by_name() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["7.seg", "00000000000000000012.seg", "00000000000000000002.seg", "x.seg"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        assert_eq!(numbers(dir.path()).unwrap(), [2, 12]);
        assert!(numbers(&dir.path().join("none")).unwrap().is_empty());
    }

    #[test]
    fn first_bytes_tell_the_format() {
        let dir = tempfile::tempdir().unwrap();
        let (file, nonce) = create(dir.path(), 1).unwrap();
        assert_eq!(read_header(&file).unwrap(), FileHeader::Known { nonce });
        file.write_all_at(b"?", 9).unwrap();
        assert_eq!(read_header(&file).unwrap(), FileHeader::Damaged);
        write_newer(dir.path(), 2);
        let newer = read_header(&open(dir.path(), 2).unwrap()).unwrap();
        assert_eq!(newer, FileHeader::Newer { format: FORMAT + 1 });
    }
}

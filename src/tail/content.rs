//! What a source's bytes are read from: a file as it is, or one that was compressed. Places are
//! counted in what was written to the log, never in what lies on the disk.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rustix::fs::SeekFrom;

use super::packed::{Packed, Packing};
use super::source;

pub(super) enum Content {
    Plain(File),
    Packed(Box<Packed>),
}

impl Content {
    /// Opens a log file, whatever it is.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Metadata)> {
        let (file, meta) = source::open(path)?;
        Ok((Self::of(file, Packing::of(path))?, meta))
    }

    /// A name alone does not make a file a compressed one: it must begin like one, or be empty.
    fn of(file: File, packing: Option<Packing>) -> io::Result<Self> {
        Ok(match packing {
            Some(packing) if packing.may_be(&file)? => {
                Self::Packed(Box::new(Packed::new(file, packing)))
            }
            Some(_) | None => Self::Plain(file),
        })
    }

    /// The same file once more, with nothing unpacked yet.
    pub(super) fn reopen(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Plain(file) => Self::Plain(file.try_clone()?),
            Self::Packed(packed) => Self::Packed(Box::new(packed.reopen()?)),
        })
    }

    pub(super) fn file(&self) -> &File {
        match self {
            Self::Plain(file) => file,
            Self::Packed(packed) => packed.file(),
        }
    }

    pub(super) fn packed(&self) -> Option<&Packed> {
        match self {
            Self::Plain(_) => None,
            Self::Packed(packed) => Some(packed),
        }
    }

    /// Of the file on the disk: its length is not the content's if that is packed.
    pub(super) fn metadata(&self) -> io::Result<Metadata> {
        self.file().metadata()
    }

    /// While a file is being truncated, ext4 shows it empty and with the time it had before. To ask
    /// where its data is takes the lock that is held until then.
    pub(super) fn await_truncation(&self) {
        // Where the data is does not matter, nor that there is none.
        rustix::fs::seek(self.file(), SeekFrom::Data(0)).ok();
    }

    /// Fewer bytes than asked for only at the end. Of packed content that is far ahead
    /// [`io::ErrorKind::WouldBlock`]: it was worked on, and will be there after some more tries.
    pub(super) fn read_up_to(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        match self {
            Self::Plain(file) => read_up_to(file, buffer, at),
            Self::Packed(packed) => packed.read_up_to(buffer, at),
        }
    }
}

/// Fewer bytes than asked for only at the end of the file.
pub(super) fn read_up_to(file: &File, mut buffer: &mut [u8], mut at: u64) -> io::Result<usize> {
    let mut total = 0;
    while !buffer.is_empty() {
        match file.read_at(buffer, at) {
            Ok(0) => break,
            Ok(n) => {
                total += n;
                at += n as u64;
                buffer = buffer.get_mut(n..).unwrap_or_default();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Fails on ext4 if nobody waits: so many pieces take it milliseconds.
    #[test]
    fn once_a_truncation_is_over_the_file_has_its_time() {
        const PIECE: usize = 4096;
        let dir = tempfile::tempdir().unwrap();
        for round in 0..3 {
            let path = dir.path().join(format!("{round}.log"));
            let writer = File::create(&path).unwrap();
            for piece in 0..3_000 {
                writer.write_all_at(&[b'-'; PIECE], piece * 2 * PIECE as u64).unwrap();
            }
            writer.sync_all().unwrap();
            let (file, _) = Content::open(&path).unwrap();
            let truncating = thread::spawn(move || writer.set_len(0).unwrap());
            while file.metadata().unwrap().len() > 0 {}
            file.await_truncation();
            let seen = file.metadata().unwrap().modified().unwrap();
            truncating.join().unwrap();
            assert_eq!(seen, file.metadata().unwrap().modified().unwrap());
        }
    }
}

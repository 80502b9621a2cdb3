//! What others do to rotated files to make them smaller.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::bench::Bench;
use crate::clock;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packer {
    /// Gives the file the time of what it was made of.
    Gzip,
    /// As Docker and the kubelet do.
    GzipOwnTime,
    /// Gives it the same time in whole seconds.
    Zstd,
}

/// What names of compressed files end in.
pub(super) const ENDINGS: [&str; 2] = [".gz", ".zst"];

impl Packer {
    /// The time that a file gets when its original was last written to then; nothing if it keeps
    /// its own.
    pub(super) fn time(self, modified: SystemTime) -> Option<SystemTime> {
        let since = modified.duration_since(UNIX_EPOCH).unwrap();
        match self {
            Self::Gzip => Some(modified),
            Self::GzipOwnTime => None,
            Self::Zstd => Some(UNIX_EPOCH + Duration::from_secs(since.as_secs())),
        }
    }

    pub(super) fn ending(self) -> &'static str {
        match self {
            Self::Gzip | Self::GzipOwnTime => ".gz",
            Self::Zstd => ".zst",
        }
    }
}

pub(super) fn pack(packer: Packer, text: &[u8]) -> Vec<u8> {
    match packer {
        Packer::Gzip | Packer::GzipOwnTime => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        }
        Packer::Zstd => zstd::stream::encode_all(text, 1).unwrap(),
    }
}

/// Lines that begin as `name`; from twelve on more than a head.
pub(super) fn lines(name: &str, count: usize) -> String {
    let filling = "x".repeat(80);
    let lines = (0..count).map(|number| format!("{name} {number:06} {filling}\n"));
    lines.collect::<Vec<_>>().concat()
}

pub(super) fn texts(parts: &[&str]) -> Vec<String> {
    parts.concat().lines().map(str::to_owned).collect()
}

/// Compressed files take their time.
pub(super) fn patient<T>(mut read: impl FnMut() -> std::io::Result<T>) -> T {
    loop {
        match read() {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            done => return done.unwrap(),
        }
    }
}

impl Bench {
    /// As gzip and others do: writes beside the original, then removes that.
    pub(super) fn compress(&self, name: &str, packer: Packer) {
        self.pack(name, &(name.to_owned() + packer.ending()), packer);
        self.remove(name);
    }

    /// Makes a file look as if it had been there before we ever looked.
    pub(super) fn age(&self, name: &str) {
        let file = OpenOptions::new().write(true).open(self.path(name)).unwrap();
        let long_ago = clock::wall() - Duration::from_hours(1);
        if file.metadata().unwrap().modified().unwrap() > long_ago {
            file.set_modified(long_ago).unwrap();
        }
    }

    pub(super) fn pack(&self, from: &str, to: &str, packer: Packer) {
        let modified = self.path(from).metadata().unwrap().modified().unwrap();
        let text = fs::read(self.path(from)).unwrap();
        self.write(to, pack(packer, &text));
        if let Some(modified) = packer.time(modified) {
            let file = OpenOptions::new().write(true).open(self.path(to)).unwrap();
            file.set_modified(modified).unwrap();
        }
    }
}

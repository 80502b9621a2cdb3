//! The program whose logs are shipped: writes numbered lines, rotates its logs by renaming them,
//! and deletes old ones.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::line::{self, Kind};
use crate::{clock, time_text};

/// Which log gets the next line, over and over.
const TURNS: [Kind; 20] = {
    use Kind::{App, Payments, Web, Worker};
    [
        Web, App, Web, Worker, Web, Web, App, Payments, Web, App, Worker, Web, App, Web, Worker,
        Web, Payments, App, Worker, Web,
    ]
};
/// A log is rotated after this part of all lines.
const ROTATED_AFTER: u64 = 8;

pub(super) struct Writer {
    pub(super) logs: Vec<Log>,
    pub(super) written: u64,
    total: u64,
}

/// One log: the file that has the name, and those that had it.
pub(super) struct Log {
    pub(super) kind: Kind,
    dir: PathBuf,
    file: File,
    /// Composed, but not written yet: lines do not come whole.
    pending: Vec<u8>,
    /// Lines so far.
    pub(super) lines: u64,
    since_rotation: u64,
    /// Newest first.
    pub(super) rotated: VecDeque<Rotated>,
    pub(super) rotations: u64,
    pub(super) deletions: u64,
}

/// A file that no longer has the log's name.
#[derive(Debug)]
pub(super) struct Rotated {
    pub(super) path: PathBuf,
    pub(super) id: FileId,
    /// The lines of the log before this are in it or in older ones.
    pub(super) until: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    dev: u64,
    ino: u64,
}

impl FileId {
    pub(super) fn of(meta: &fs::Metadata) -> Self {
        Self { dev: meta.dev(), ino: meta.ino() }
    }
}

impl Writer {
    pub(super) fn new(dir: &Path, total: u64) -> io::Result<Self> {
        let logs = Kind::ALL.into_iter().map(|kind| Log::new(kind, dir));
        Ok(Self { logs: logs.collect::<io::Result<_>>()?, written: 0, total })
    }

    /// Makes lines until there are `due` of them, announcing each to `expect`. Nothing is in the
    /// files before [`Writer::flush`].
    pub(super) fn compose(&mut self, due: u64, mut expect: impl FnMut(usize, u64)) {
        let time = time_text::rfc3339(clock::wall_ms());
        while self.written < due.min(self.total) {
            let turn = usize::try_from(self.written).unwrap_or_default() % TURNS.len();
            let kind = TURNS.get(turn).copied().unwrap_or(Kind::Web);
            let log = self.logs.iter_mut().enumerate().find(|(_, log)| log.kind == kind);
            if let Some((number, log)) = log {
                expect(number, log.compose(&time));
            }
            self.written += 1;
        }
    }

    /// Writes what was composed; the last line of each log only in part, unless it is the very
    /// last.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let is_done = self.is_done();
        let flush = if is_done { Log::flush } else { Log::flush_torn };
        self.logs.iter_mut().try_for_each(flush)
    }

    pub(super) fn is_done(&self) -> bool {
        self.written >= self.total
    }

    /// The logs that have grown enough.
    pub(super) fn to_rotate(&self) -> Vec<usize> {
        let limit = (self.total / ROTATED_AFTER).max(1);
        let grown = |log: &Log| !self.is_done() && log.since_rotation >= limit;
        (0..).zip(&self.logs).filter(|(_, log)| grown(log)).map(|(number, _)| number).collect()
    }
}

impl Log {
    fn new(kind: Kind, dir: &Path) -> io::Result<Self> {
        Ok(Self {
            kind,
            dir: dir.to_owned(),
            file: create(&dir.join(kind.name()))?,
            pending: Vec::new(),
            lines: 0,
            since_rotation: 0,
            rotated: VecDeque::new(),
            rotations: 0,
            deletions: 0,
        })
    }

    /// The file that has the name now.
    pub(super) fn id(&self) -> io::Result<FileId> {
        Ok(FileId::of(&self.file.metadata()?))
    }

    /// Makes one more line, and returns its hash.
    fn compose(&mut self, time: &str) -> u64 {
        let line = line::compose(self.kind, self.lines, time);
        self.pending.extend_from_slice(line.as_bytes());
        self.pending.push(b'\n');
        self.lines += 1;
        self.since_rotation += 1;
        line::hash(line.as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.pending)?;
        self.pending.clear();
        Ok(())
    }

    fn flush_torn(&mut self) -> io::Result<()> {
        // Anything shorter than a line will do.
        let held_back = usize::try_from(self.lines % 100).unwrap_or_default();
        let now = self.pending.len().saturating_sub(held_back);
        self.file.write_all(self.pending.get(..now).unwrap_or_default())?;
        self.pending.drain(..now);
        Ok(())
    }

    /// Moves every file of the log on by one, as logrotate does, and begins a new one. Like any
    /// writer, it still writes to the old one after that was renamed.
    pub(super) fn rotate(&mut self) -> io::Result<()> {
        for (at, old) in self.rotated.iter_mut().enumerate().rev() {
            let path = self.dir.join(format!("{}.{}", self.kind.name(), at + 2));
            fs::rename(&old.path, &path)?;
            old.path = path;
        }
        let live = self.dir.join(self.kind.name());
        let path = self.dir.join(format!("{}.1", self.kind.name()));
        fs::rename(&live, &path)?;
        self.flush()?;
        let id = self.id()?;
        self.rotated.push_front(Rotated { path, id, until: self.lines });
        self.file = create(&live)?;
        self.since_rotation = 0;
        self.rotations += 1;
        Ok(())
    }

    /// Deletes one of the rotated files, 0 being the newest.
    pub(super) fn delete(&mut self, at: usize) -> io::Result<()> {
        if let Some(old) = self.rotated.remove(at) {
            fs::remove_file(old.path)?;
            self.deletions += 1;
        }
        Ok(())
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create_new(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(lines: u64) -> (Writer, Vec<Vec<u64>>, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(dir.path(), 2 * lines).unwrap();
        let mut expected = vec![Vec::new(); Kind::ALL.len()];
        while writer.written < lines {
            writer.compose(writer.written + 37, |log, hash| expected[log].push(hash));
            writer.flush().unwrap();
            for log in writer.to_rotate() {
                writer.logs[log].rotate().unwrap();
            }
        }
        (writer, expected, dir)
    }

    fn hashes(log: &Log) -> Vec<u64> {
        let old = log.rotated.iter().rev().map(|old| old.path.clone());
        let paths = old.chain([log.dir.join(log.kind.name())]);
        let texts: Vec<_> = paths.map(|path| fs::read(path).unwrap()).collect();
        assert!(texts.iter().rev().skip(1).all(|text| text.ends_with(b"\n")));
        let all = texts.concat();
        all.split(|byte| *byte == b'\n').filter(|l| !l.is_empty()).map(line::hash).collect()
    }

    #[test]
    fn rotated_files_and_their_successor_hold_every_line_in_order() {
        let (mut writer, expected, _dir) = written(6000);
        for (log, expected) in writer.logs.iter_mut().zip(&expected) {
            log.flush().unwrap();
            assert_eq!(&hashes(log), expected, "{}", log.kind.name());
        }
        assert!(writer.logs.iter().all(|log| log.lines > 0));
        assert!(writer.logs[0].rotations >= 1);
    }

    #[test]
    fn a_line_may_be_there_in_part() {
        let (writer, expected, _dir) = written(500);
        let unfinished = writer.logs.iter().any(|log| !log.pending.is_empty());
        assert!(unfinished);
        assert!(hashes(&writer.logs[0]).len() <= expected[0].len());
    }

    #[test]
    fn names_count_on_when_one_in_between_was_deleted() {
        let (mut writer, _, dir) = written(100);
        let log = &mut writer.logs[0];
        (0..3).for_each(|_| log.rotate().unwrap());
        let (before, id) = (log.rotated.len(), log.rotated[1].id);
        log.delete(0).unwrap();
        log.rotate().unwrap();
        assert_eq!((log.rotated.len(), log.deletions), (before, 1));
        let moved = fs::metadata(dir.path().join("web.log.2")).unwrap();
        assert_eq!(FileId::of(&moved), id);
        assert_eq!(log.rotated.iter().filter(|old| old.path.exists()).count(), before);
    }
}

//! What a state directory says, read while a daemon writes it: how a test knows that something is
//! safe without having been delivered.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use tailspool::{checkpoint, spool};

/// A place of a run that can be looked at from any thread.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    state: PathBuf,
    logs: PathBuf,
}

impl Kept {
    pub(crate) fn of(state: PathBuf, logs: PathBuf) -> Self {
        Self { state, logs }
    }

    /// Whether all of a file has been acknowledged or is in the spool, for good.
    pub(crate) fn has_accepted(&self, path: &Path) -> bool {
        Self::owed_of(path, &self.accepted()) == 0
    }

    /// Bytes of all logs that there were that Kafka or the spool has.
    pub(crate) fn accepted_bytes(&self) -> u64 {
        let kept = checkpoint::read_only(&self.state).expect("nobody writes it");
        kept.sources.iter().map(|saved| saved.accepted.offset.0).sum()
    }

    /// Bytes of the logs that are there, whatever their names, that neither Kafka nor the spool
    /// has.
    pub(crate) fn owed(&self) -> u64 {
        let accepted = self.accepted();
        let logs = fs::read_dir(&self.logs).expect("the folder of logs").flatten();
        logs.map(|log| Self::owed_of(&log.path(), &accepted)).sum()
    }

    /// Whether all files of an input have been looked at.
    pub(crate) fn has_looked(&self) -> bool {
        checkpoint::read_only(&self.state).is_ok_and(|kept| !kept.looks.is_empty())
    }

    fn owed_of(path: &Path, accepted: &HashMap<File, u64>) -> u64 {
        // Renamed or deleted since it was listed: the next look finds what became of it.
        let Ok(meta) = fs::metadata(path) else { return u64::MAX >> 16 };
        meta.len() - accepted.get(&file(&meta)).copied().unwrap_or(0).min(meta.len())
    }

    fn accepted(&self) -> HashMap<File, u64> {
        let Ok(kept) = checkpoint::read_only(&self.state) else { return HashMap::new() };
        let place = |saved: &checkpoint::Saved| {
            let born_ns = saved.identity.born_ns.map(u128::from);
            ((saved.identity.ino, born_ns), saved.accepted.offset.0)
        };
        kept.sources.iter().map(place).collect()
    }

    /// Records in the spool.
    pub(crate) fn spooled(&self) -> u64 {
        // A segment may go while it is being looked at.
        let listed = spool::list(&self.spool_dir()).unwrap_or_default();
        listed.iter().map(|lane| lane.records).sum()
    }

    pub(crate) fn spool_dir(&self) -> PathBuf {
        self.state.join("spool")
    }

    /// Bytes of the spool's files.
    pub(crate) fn spool_bytes(&self) -> u64 {
        bytes_below(&self.spool_dir())
    }
}

/// Inode and time of birth: an inode alone is soon used again.
type File = (u64, Option<u128>);

fn file(meta: &Metadata) -> File {
    let born = meta.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    (meta.ino(), born.map(|since| since.as_nanos()))
}

fn bytes_below(dir: &Path) -> u64 {
    // Not there yet, or gone since it was listed.
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let size = |path: PathBuf| match fs::symlink_metadata(&path) {
        Ok(meta) if meta.is_dir() => bytes_below(&path),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.flatten().map(|entry| size(entry.path())).sum()
}

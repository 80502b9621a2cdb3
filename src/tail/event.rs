//! What the readers tell those who ship.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::record::{Block, Identity, Label, Lineage, LineageId, Mark, Offset, SourceId};

/// Everything that leaves the room, in the order in which it happened.
#[derive(Debug)]
pub enum Event {
    /// A source was found, or is known better than before. Comes before its first block.
    Seen(Seen),
    Block(Block),
    /// The file is gone, and what was in it has been read or was lost.
    Gone(SourceId),
    /// The last file of a lineage is gone. If its name comes back it is another lineage.
    Over(LineageId),
    /// Bytes went before they could be read.
    Lost {
        source: SourceId,
        bytes: u64,
        reason: LostReason,
    },
    /// A hole was passed over: NULs that nobody wrote.
    Skipped {
        source: SourceId,
        bytes: u64,
    },
    /// All that input's globs match was looked at, beginning at this wall time.
    Looked {
        input: usize,
        /// None if something could not be looked into.
        ms: Option<u64>,
    },
    /// With [`super::Ending::AtEnd`]: all there was has been read.
    AllRead,
}

#[derive(Debug, Clone)]
pub struct Seen {
    pub source: SourceId,
    pub input: usize,
    pub lineage: Arc<Lineage>,
    /// The same for all of the lineage.
    pub label: Arc<Label>,
    pub identity: Identity,
    /// Where it is now, which after a rotation is not where it was matched.
    pub path: PathBuf,
    /// From where it will be read, if it was not known yet.
    pub from: Mark,
    /// Its number was given in this run.
    pub is_new: bool,
    pub gate: Arc<Gate>,
    /// For readers that remove files; none if no input does.
    pub acknowledged: Option<Arc<Acknowledged>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostReason {
    /// Truncated, and there was no copy to read on in.
    Truncated,
    /// Deleted while nothing of ours held it open.
    Deleted,
    /// Compressed, and it cannot be unpacked.
    Damaged,
}

impl LostReason {
    pub fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::Deleted => "deleted",
            Self::Damaged => "damaged",
        }
    }
}

/// Up to where a source is acknowledged, and not only spooled. Those who ship tell it, for readers
/// that remove files.
#[derive(Debug, Default)]
pub struct Acknowledged(AtomicU64);

impl Acknowledged {
    pub fn tell(&self, until: Offset) {
        self.0.store(until.0, Ordering::Release);
    }

    pub fn offset(&self) -> Offset {
        Offset(self.0.load(Ordering::Acquire))
    }
}

/// Holds one lineage's reader back while its way out is blocked, so that it cannot use up the
/// memory that others need.
#[derive(Debug, Default)]
pub struct Gate(AtomicBool);

impl Gate {
    pub fn close(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Returns whether it was closed; the reader then wants waking.
    pub fn open(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }

    pub fn is_closed(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

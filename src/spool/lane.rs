//! What order is kept for, by name and by number.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use super::wire::{Reader, put_bytes, sized};
use crate::record::Lineage;
use crate::settings::Output;

/// One lineage on its way to one topic of one output.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    pub lineage: Lineage,
    pub topic: String,
    pub output: Output,
}

/// The number of a [`Lane`] in this run of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(pub(super) u32);

/// What stands for a lane's name in the index's keys: the same in every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LaneHash(pub(super) [u8; 16]);

impl Lane {
    pub(super) fn hash(&self) -> LaneHash {
        LaneHash(xxh3_128(&self.to_bytes()).to_be_bytes())
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let output = self.output.name().map(str::as_bytes);
        for name in self.names().into_iter().chain(output) {
            put_bytes(&mut out, name);
        }
        out
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let mut name = || sized(&mut reader);
        let names = [name()?, name()?, name()?];
        let output = if reader.0.is_empty() { None } else { Some(sized(&mut reader)?) };
        Self::from_names(names, output)
    }

    /// Input, path, topic, as bytes.
    pub(super) fn names(&self) -> [&[u8]; 3] {
        let path = self.lineage.path.as_os_str().as_bytes();
        [self.lineage.input.as_bytes(), path, self.topic.as_bytes()]
    }

    /// The output is none where it is `kafka`.
    pub(super) fn from_names(
        [input, path, topic]: [&[u8]; 3],
        output: Option<&[u8]>,
    ) -> Option<Self> {
        let input = std::str::from_utf8(input).ok()?.into();
        let topic = String::from_utf8(topic.to_vec()).ok()?;
        let path = PathBuf::from(OsStr::from_bytes(path));
        let output = match output {
            Some(name) => Output::named(std::str::from_utf8(name).ok()?),
            None => Output::default(),
        };
        Some(Self { lineage: Lineage { input, path }, topic, output })
    }
}

/// All lanes seen in this run, by number and by hash.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: Vec<(Arc<Lane>, LaneHash)>,
    numbers: HashMap<LaneHash, LaneId>,
}

impl Lanes {
    /// The number of `lane`, a new one if it has none yet.
    pub(super) fn intern(&mut self, lane: &Arc<Lane>) -> LaneId {
        let hash = lane.hash();
        let next = LaneId(u32::try_from(self.lanes.len()).unwrap_or(u32::MAX));
        let id = *self.numbers.entry(hash).or_insert(next);
        if id == next {
            self.lanes.push((Arc::clone(lane), hash));
        }
        id
    }

    pub(super) fn get(&self, id: LaneId) -> Option<(&Arc<Lane>, LaneHash)> {
        self.lanes.get(id.0 as usize).map(|(lane, hash)| (lane, *hash))
    }

    pub(super) fn number(&self, hash: LaneHash) -> Option<LaneId> {
        self.numbers.get(&hash).copied()
    }
}

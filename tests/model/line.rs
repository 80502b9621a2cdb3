//! The lines of all files. The numbers of one lane's lines are in its order.

use tailspool::record::{Anchor, Generation, LineageId, Mark, Offset, SourceId};

pub(crate) const LANES: usize = 2;
pub(crate) const GENERATIONS: usize = 3;
pub(crate) const SOURCES: usize = LANES * GENERATIONS;
pub(crate) const LINES_PER_SOURCE: usize = 10;
pub(crate) const LINES: usize = SOURCES * LINES_PER_SOURCE;
const LINE_LEN: usize = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line(pub(crate) usize);

impl Line {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..LINES).map(Self)
    }

    pub(crate) fn nth_of(source: SourceId, number: usize) -> Self {
        Self(place_of(source) * LINES_PER_SOURCE + number)
    }

    pub(crate) fn source(self) -> SourceId {
        source_at(self.0 / LINES_PER_SOURCE)
    }

    pub(crate) fn lane(self) -> usize {
        self.0 / (LINES_PER_SOURCE * GENERATIONS)
    }

    pub(crate) fn start(self) -> Offset {
        end_of(self.0 % LINES_PER_SOURCE)
    }

    pub(crate) fn end(self) -> Offset {
        end_of(self.0 % LINES_PER_SOURCE + 1)
    }
}

/// Where so many lines end.
pub(crate) fn end_of(lines: usize) -> Offset {
    Offset((lines * LINE_LEN) as u64)
}

/// How many lines lie before an offset.
pub(crate) fn lines_before(offset: Offset) -> usize {
    usize::try_from(offset.0).unwrap() / LINE_LEN
}

pub(crate) fn mark(offset: Offset) -> Mark {
    Mark::new(offset, Anchor(offset.0))
}

/// The place of a source among all.
pub(crate) fn place_of(source: SourceId) -> usize {
    source.lineage.0 as usize * GENERATIONS + usize::try_from(source.generation.0).unwrap()
}

pub(crate) fn source_at(place: usize) -> SourceId {
    SourceId {
        lineage: LineageId(u32::try_from(place / GENERATIONS).unwrap()),
        generation: Generation((place % GENERATIONS) as u64),
    }
}

/// The sources of a lane, oldest first.
pub(crate) fn sources_of(lane: usize) -> impl Iterator<Item = SourceId> {
    (lane * GENERATIONS..(lane + 1) * GENERATIONS).map(source_at)
}

//! The files of all lanes, and how far each has been read in this run.

use tailspool::record::{Offset, SourceId};

use crate::line::{LINES_PER_SOURCE, Line, SOURCES, place_of, sources_of};

#[derive(Clone, Copy, PartialEq)]
enum Reader {
    /// The next line to be read.
    At(usize),
    /// It will never be read on.
    Gone,
}

pub(crate) struct Files {
    present: [bool; SOURCES],
    readers: [Reader; SOURCES],
}

impl Files {
    pub(crate) fn new() -> Self {
        Self { present: [true; SOURCES], readers: [Reader::At(0); SOURCES] }
    }

    pub(crate) fn has(&self, source: SourceId) -> bool {
        self.present[place_of(source)]
    }

    /// The file that the reader of a lane is at: a successor waits for its predecessor's end.
    pub(crate) fn unfinished(&self, lane: usize) -> Option<SourceId> {
        let is_unfinished = |source: &SourceId| match self.readers[place_of(*source)] {
            Reader::At(next) => next < LINES_PER_SOURCE,
            Reader::Gone => false,
        };
        sources_of(lane).find(is_unfinished)
    }

    /// Everything below this has been read in this run, or was not to be; none if it is gone.
    pub(crate) fn opened(&self, source: SourceId) -> Option<Offset> {
        match self.readers[place_of(source)] {
            Reader::At(0) => Some(Offset::START),
            Reader::At(next) => Some(Line::nth_of(source, next - 1).end()),
            Reader::Gone => None,
        }
    }

    /// Reads up to `count` lines.
    pub(crate) fn read(&mut self, source: SourceId, count: usize) -> Vec<Line> {
        let Reader::At(next) = &mut self.readers[place_of(source)] else { return Vec::new() };
        let until = LINES_PER_SOURCE.min(*next + count);
        let lines = (*next..until).map(|number| Line::nth_of(source, number)).collect();
        *next = until;
        lines
    }

    /// The file is deleted. Returns whether nothing holds it open.
    pub(crate) fn delete(&mut self, source: SourceId, is_open: bool) -> bool {
        self.present[place_of(source)] = false;
        if !is_open {
            self.readers[place_of(source)] = Reader::Gone;
        }
        !is_open
    }

    /// A new run of the daemon reads on from here.
    pub(crate) fn resume(&mut self, source: SourceId, lines: usize) {
        let is_there = self.has(source);
        let reader = &mut self.readers[place_of(source)];
        *reader = if is_there { Reader::At(lines) } else { Reader::Gone };
    }
}

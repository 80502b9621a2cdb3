//! The files of all lanes, and how far each has been read in this run.

use tailspool::record::{Mark, SourceId};

use crate::line::{SOURCES, place_of, sources_of};
use crate::texture::{Read, Reading, Texture};

#[derive(Clone, Copy)]
enum Reader {
    At(Reading),
    /// It will never be read on. Where the last block of this run ended, if there was any run of
    /// it.
    Gone(Option<Mark>),
}

pub(crate) struct Files {
    present: [bool; SOURCES],
    readers: [Reader; SOURCES],
    /// A record was made of the rest of an event.
    pub(crate) has_halved: bool,
}

impl Files {
    pub(crate) fn new() -> Self {
        Self {
            present: [true; SOURCES],
            readers: [Reader::At(Reading::resume(Mark::START)); SOURCES],
            has_halved: false,
        }
    }

    pub(crate) fn has(&self, source: SourceId) -> bool {
        self.present[place_of(source)]
    }

    /// The file that the reader of a lane is at: a successor waits for its predecessor's end.
    pub(crate) fn unfinished(&self, lane: usize) -> Option<SourceId> {
        let is_unfinished = |source: &SourceId| match self.readers[place_of(*source)] {
            Reader::At(reading) => !reading.is_at_end(),
            Reader::Gone(_) => false,
        };
        sources_of(lane).find(is_unfinished)
    }

    /// Where the last block of this run ended, or where it began to read; none if this run has
    /// not seen it.
    pub(crate) fn opened(&self, source: SourceId) -> Option<Mark> {
        match self.readers[place_of(source)] {
            Reader::At(reading) => Some(reading.opened),
            Reader::Gone(opened) => opened,
        }
    }

    /// Whether it will never be read on.
    pub(crate) fn is_gone(&self, source: SourceId) -> bool {
        matches!(self.readers[place_of(source)], Reader::Gone(_))
    }

    /// Reads up to `count` lines.
    pub(crate) fn read(
        &mut self,
        texture: &Texture,
        source: SourceId,
        count: usize,
    ) -> Option<Read> {
        let Reader::At(reading) = &mut self.readers[place_of(source)] else { return None };
        let read = reading.read(texture, source, count);
        self.has_halved |= reading.has_halved;
        read
    }

    /// The file is deleted. Returns whether nothing holds it open.
    pub(crate) fn delete(&mut self, source: SourceId, is_open: bool) -> bool {
        self.present[place_of(source)] = false;
        if !is_open {
            self.readers[place_of(source)] = Reader::Gone(self.opened(source));
        }
        !is_open
    }

    /// A new run of the daemon reads on from here.
    pub(crate) fn resume(&mut self, source: SourceId, at: Mark) {
        let is_there = self.has(source);
        let reader = &mut self.readers[place_of(source)];
        *reader = if is_there { Reader::At(Reading::resume(at)) } else { Reader::Gone(None) };
    }
}

//! What the lines of the files are parts of: each a record by itself, or two interleaved streams
//! of events that may span lines and that nobody may want.

use std::rc::Rc;
use std::sync::Arc;

use tailspool::budget::Budget;
use tailspool::clock;
use tailspool::record::{
    Ahead, Anchor, Block, Buffer, Label, Mark, Offset, Remarks, Slice, SourceId, Tally, Times,
};

use crate::dice::Dice;
use crate::line::{LINES, LINES_PER_SOURCE, Line, end_of};

pub(crate) const STREAMS: usize = 2;

#[derive(Clone, Copy)]
pub(crate) struct Part {
    pub(crate) stream: usize,
    /// The first line of its event.
    pub(crate) first: Line,
    /// Its event ends with it.
    pub(crate) is_last: bool,
    pub(crate) is_wanted: bool,
}

/// A record is named by the last line of its event.
pub(crate) struct Texture {
    parts: Vec<Part>,
    /// That an event is over shows in the line that follows it in its stream.
    is_late: bool,
}

impl Texture {
    pub(crate) fn plain() -> Self {
        let part = |first| Part { stream: 0, first, is_last: true, is_wanted: true };
        Self { parts: Line::all().map(part).collect(), is_late: false }
    }

    pub(crate) fn ragged(dice: &mut Dice) -> Self {
        let mut parts = Self::plain().parts;
        let luck = 2 + dice.below(4);
        for lines in parts.chunks_mut(LINES_PER_SOURCE) {
            for part in lines.iter_mut() {
                part.stream = dice.up_to(STREAMS - 1);
                part.is_last = dice.once_in(2);
                part.is_wanted = !dice.once_in(3 * luck);
            }
            for stream in 0..STREAMS {
                let of_stream = |part: &&mut Part| part.stream == stream;
                if let Some(last) = lines.iter_mut().rfind(of_stream) {
                    last.is_last = true;
                }
                let mut open = None;
                for part in lines.iter_mut().filter(of_stream) {
                    part.first = *open.get_or_insert(part.first);
                    open = open.filter(|_| !part.is_last);
                }
            }
        }
        Self { parts, is_late: dice.once_in(2) }
    }

    pub(crate) fn of(&self, line: Line) -> Part {
        self.parts[line.0]
    }

    pub(crate) fn stream(&self, line: Line) -> usize {
        self.of(line).stream
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = Line> {
        (0..LINES).map(Line).filter(|line| self.of(*line).is_last && self.of(*line).is_wanted)
    }

    /// Whether who goes on at `mark` takes a record for made.
    pub(crate) fn is_below(&self, line: Line, mark: Mark) -> bool {
        let part = self.of(line);
        part.first.start() < mark.offset || line.end() <= mark.ahead.0[part.stream]
    }
}

/// How far one file has been read, and what of it is not in a record yet.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    /// The next line to be read.
    next: usize,
    /// Where the last block ended.
    pub(crate) opened: Mark,
    skip: Ahead,
    /// Where what is not in a record yet begins, of each stream.
    open: [Option<Line>; STREAMS],
    /// The last line of an event that is over, although that does not show yet.
    ripe: [Option<Line>; STREAMS],
    emitted: [Offset; STREAMS],
    /// A record was made of the rest of an event.
    pub(crate) has_halved: bool,
}

/// A block and the records in it.
#[derive(Clone)]
pub(crate) struct Read {
    pub(crate) block: Rc<Block>,
    pub(crate) lines: Vec<Line>,
}

impl Reading {
    pub(crate) fn resume(at: Mark) -> Self {
        Self {
            next: crate::line::lines_before(at.offset),
            opened: at,
            skip: at.ahead,
            open: [None; STREAMS],
            ripe: [None; STREAMS],
            emitted: at.ahead.0,
            has_halved: false,
        }
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.next == LINES_PER_SOURCE
    }

    fn place(&self, fed: Offset) -> Mark {
        let begins = self.open.iter().flatten().map(|line| line.start());
        let offset = begins.fold(fed, Offset::min);
        let ahead = self.emitted.map(|end| if end > offset { end } else { Offset::START });
        Mark { offset, anchor: Anchor(offset.0), ahead: Ahead(ahead) }
    }

    /// An event of a stream is over, as shows when all up to `fed` is read. Returns its record and
    /// where reading goes on after it.
    fn emit(&mut self, texture: &Texture, last: Line, fed: Offset) -> Option<(Line, Offset)> {
        let Part { stream, is_wanted, first, .. } = texture.of(last);
        self.has_halved |= self.open[stream] != Some(first);
        (self.open[stream], self.ripe[stream]) = (None, None);
        self.emitted[stream] = last.end();
        is_wanted.then(|| (last, self.place(fed).offset))
    }

    fn feed(&mut self, texture: &Texture, line: Line, made: &mut Vec<(Line, Offset)>) {
        let Part { stream, is_last, .. } = texture.of(line);
        if line.end() <= self.skip.0[stream] {
            return;
        }
        if let Some(last) = self.ripe[stream] {
            made.extend(self.emit(texture, last, line.start()));
        }
        self.open[stream].get_or_insert(line);
        if is_last && texture.is_late {
            self.ripe[stream] = Some(line);
        } else if is_last {
            made.extend(self.emit(texture, line, line.end()));
        }
    }

    /// Reads up to `count` lines. No block comes of what leads nowhere.
    pub(crate) fn read(
        &mut self,
        texture: &Texture,
        source: SourceId,
        count: usize,
    ) -> Option<Read> {
        let mut made = Vec::new();
        let until = LINES_PER_SOURCE.min(self.next + count);
        for number in self.next..until {
            self.feed(texture, Line::nth_of(source, number), &mut made);
        }
        self.next = until;
        if self.is_at_end() {
            let mut ripe: Vec<_> = self.ripe.into_iter().flatten().collect();
            ripe.sort_by_key(|last| texture.of(*last).first);
            for last in ripe {
                made.extend(self.emit(texture, last, last.end()));
            }
        }
        let (start, end) = (self.opened, self.place(end_of(self.next)));
        if made.is_empty() && end.offset == start.offset {
            return None;
        }
        self.opened = end;
        let is_whole = |(line, place): &(Line, Offset)| line.end() == *place;
        let is_ragged = made.split_last().is_some_and(|(_, others)| !others.iter().all(is_whole));
        let made: Vec<_> = made.into_iter().map(|(line, _)| line).collect();
        let slice = |line: &Line| Slice { from: 0, to: 0, end: line.end().since(start.offset) };
        let mut permit = Budget::new(0, || {}).take_now(0);
        let block = Block {
            source,
            start,
            end,
            bytes: Arc::new(Buffer::new(Vec::new(), &mut permit)),
            records: made.iter().map(slice).collect(),
            is_ragged,
            tally: Tally::default(),
            label: Arc::new(Label::to("t".into())),
            remarks: Remarks::default(),
            times: Times::Read(1),
            read_at: clock::now(),
            permit,
        };
        Some(Read { block: Rc::new(block), lines: made })
    }
}

//! What a walk is judged by.

use crate::line::{LANES, LINES, Line};
use crate::texture::STREAMS;

/// What can be wrong with a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Flaw {
    /// Settled or still in a file, and neither in the log nor in the dead letters.
    Lost,
    /// A record was made of the rest of an event.
    Halved,
    /// A checkpoint was saved ahead of a durable fate.
    Early,
    /// Something is left to do although nothing hinders.
    Stuck,
    /// The first occurrences of the lines of a lane's stream are not in its order.
    Inverted,
    /// The same, although all files of the lane were there to the end.
    InvertedWithFiles,
    /// A line was written twice.
    Repeated,
    /// A line was written more often than crashes, stops and new producers explain.
    Inexcusable,
    /// A dead letter that Kafka would have taken.
    InnocentDead,
    /// A record was written to the dead letters twice by one run of the daemon.
    BuriedTwice,
}

/// The broker's log and what is known about it.
pub(crate) struct Judge {
    written: [u32; LINES],
    /// Times that something was written which may be written once more.
    excused: [u32; LINES],
    /// How often written by the present producer.
    sent: [u32; LINES],
    /// How many more times than once this run may send it, from the spool and from its file.
    copies: [u32; LINES],
    owed: [bool; LINES],
    newest: [[Option<Line>; STREAMS]; LANES],
    inverted: [bool; LANES],
    is_twice: bool,
    /// By the present run.
    buried: [u32; LINES],
    is_buried_twice: bool,
    pub(crate) early: bool,
}

impl Judge {
    pub(crate) fn new() -> Self {
        Self {
            written: [0; LINES],
            excused: [0; LINES],
            sent: [0; LINES],
            copies: [0; LINES],
            owed: [false; LINES],
            newest: [[None; STREAMS]; LANES],
            inverted: [false; LANES],
            is_twice: false,
            buried: [0; LINES],
            is_buried_twice: false,
            early: false,
        }
    }

    /// The broker writes a line for the present producer.
    pub(crate) fn write(&mut self, line: Line, stream: usize) {
        self.sent[line.0] += 1;
        self.is_twice |= self.sent[line.0] > 1 + self.copies[line.0];
        self.append(line, stream);
    }

    /// The broker writes a line for a producer that is gone. If the line's file is gone too, and
    /// nobody ever promised it, nobody could have waited for it.
    pub(crate) fn write_late(&mut self, line: Line, stream: usize, has_file: bool) {
        if has_file || self.owed[line.0] {
            self.append(line, stream);
        } else {
            self.written[line.0] += 1;
        }
    }

    fn append(&mut self, line: Line, stream: usize) {
        let newest = &mut self.newest[line.lane()][stream];
        if self.written[line.0] == 0 {
            self.inverted[line.lane()] |= newest.is_some_and(|newest| line < newest);
            *newest = (*newest).max(Some(line));
        }
        self.written[line.0] += 1;
    }

    /// From here on this line must not be missing, whatever becomes of its file.
    pub(crate) fn owe(&mut self, line: Line) {
        self.owed[line.0] = true;
    }

    /// What held this line is lost, so its file alone can bring it back.
    pub(crate) fn forgive(&mut self, line: Line) {
        self.owed[line.0] = false;
    }

    pub(crate) fn is_written(&self, line: Line) -> bool {
        self.written[line.0] > 0
    }

    pub(crate) fn is_owed(&self, line: Line) -> bool {
        self.owed[line.0]
    }

    /// What a crash left several times, or in the spool and in a file that is read again from
    /// before it: each may be sent.
    pub(crate) fn excuse_copies(&mut self, line: Line, copies: u32) {
        self.copies[line.0] += copies;
        self.excused[line.0] += copies;
    }

    /// A crash, a stop or a new producer: each of these may be written once more.
    pub(crate) fn excuse(&mut self, lines: Vec<Line>) {
        self.sent = [0; LINES];
        for line in lines {
            self.excused[line.0] += 1;
        }
    }

    pub(crate) fn bury(&mut self, line: Line) {
        self.buried[line.0] += 1;
        self.is_buried_twice |= self.buried[line.0] > 1 + self.copies[line.0];
    }

    /// A new run of the daemon does not know what the last one buried.
    pub(crate) fn restart(&mut self) {
        self.buried = [0; LINES];
        self.copies = [0; LINES];
    }

    pub(crate) fn is_buried_twice(&self) -> bool {
        self.is_buried_twice
    }

    pub(crate) fn is_inverted(&self, lane: usize) -> bool {
        self.inverted[lane]
    }

    pub(crate) fn has_repeats(&self) -> bool {
        self.written.iter().any(|written| *written > 1)
    }

    pub(crate) fn has_inexcusable(&self) -> bool {
        let too_often = |(written, excused): (&u32, &u32)| *written > 1 + excused;
        self.is_twice || self.written.iter().zip(&self.excused).any(too_often)
    }
}

//! Reads a log back, whatever became of it: every line that is whole counts.

use super::line::{Line, VERSION};
use super::places::Places;

/// What the bytes of a log yielded.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    pub(super) places: Places,
    /// Where the last line break is: the next line may follow there.
    pub(super) end: u64,
    /// Whether the log is just as we would have written it.
    pub(super) intact: bool,
    pub(super) damaged_lines: u64,
    /// The damaged lines' bytes.
    pub(super) damaged: Vec<u8>,
}

/// The log was written by a version that knows more than we do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Newer {
    pub(super) found: u32,
}

/// Reads a whole log. A torn last line is not damage: its save never returned.
pub(super) fn recover(bytes: &[u8]) -> Result<Recovered, Newer> {
    let mut recovered = Recovered::default();
    let mut lines = bytes.split(|byte| *byte == b'\n');
    // What follows the last line break: nothing, unless the last write was torn.
    let tail = lines.next_back().unwrap_or_default();
    for (number, line) in lines.enumerate() {
        match Line::read(line) {
            Some(Line::Header { version, .. }) if number == 0 => {
                refuse_newer(version)?;
                recovered.intact = true;
            }
            Some(line) => recovered.places.apply(line),
            None => recovered.salvage(line),
        }
    }
    if let Some(line) = Line::read(tail) {
        recovered.places.apply(line);
    }
    recovered.end = (bytes.len() - tail.len()) as u64;
    recovered.intact &= tail.is_empty() && recovered.damaged_lines == 0;
    Ok(recovered)
}

fn refuse_newer(found: u32) -> Result<(), Newer> {
    if found > VERSION { Err(Newer { found }) } else { Ok(()) }
}

impl Recovered {
    /// A line that is not whole may be several whose break was damaged.
    fn salvage(&mut self, bytes: &[u8]) {
        self.intact = false;
        for piece in pieces(bytes) {
            if let Some(line) = Line::read(piece) {
                self.places.apply(line);
            } else {
                self.damaged_lines += 1;
                self.damaged.extend_from_slice(piece);
                self.damaged.push(b'\n');
            }
        }
    }
}

/// Parts what looks like several lines; what stands for the break between two is left out.
fn pieces(bytes: &[u8]) -> Vec<&[u8]> {
    let tails = (0..bytes.len()).filter_map(|at| bytes.get(at..));
    let starts = tails.zip(0..).filter(|(tail, _)| Line::begins(tail)).map(|(_, at)| at);
    let mut pieces = Vec::new();
    let mut from = 0;
    for start in starts.filter(|start| *start > 0).collect::<Vec<usize>>() {
        pieces.extend(bytes.get(from..start - 1));
        from = start;
    }
    pieces.extend(bytes.get(from..));
    pieces
}

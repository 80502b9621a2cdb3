//! What an input's recipe makes of the lines of a source, as blocks.

use std::ops::Range;
use std::sync::Arc;

use super::identity;
use super::source::Source;
use crate::budget::{Budget, Permit};
use crate::clock;
use crate::encode::Encoder;
use crate::process::{Assembly, Flush, Made, Out, Place, Recipe};
use crate::record::{
    Anchor, Block, Buffer, Label, Mark, NS_PER_MS, Offset, Remarks, Slice, Stream, Tally, Times,
};

/// Bytes of the file, and where they begin in it.
type Window<'a> = Option<(Offset, &'a [u8])>;

impl Source {
    /// From now on lines become what the recipe makes of them.
    pub(super) fn follow(&mut self, recipe: &Arc<Recipe>, encoder: Option<&Arc<Encoder>>) {
        let (recipe, encoder, resume) = (recipe, encoder.cloned(), self.resume());
        let assembly = || Box::new(Assembly::resume(recipe.clone(), encoder, resume));
        self.assembly.get_or_insert_with(assembly).read_at(clock::wall_ms());
    }

    /// Where reading would have to go on if what waits in the assembly were gone. All before it,
    /// and what lies ahead of it as it says, is in a block.
    pub(super) fn resume(&self) -> Mark {
        self.resume.as_deref().copied().unwrap_or(self.at)
    }

    fn resume_at(&mut self, mark: Mark) {
        self.resume = (mark != self.at).then(|| Box::new(mark));
    }

    /// Forgets what is not whole. It is read again once there is more of it, or no reason to wait
    /// any longer.
    pub(super) fn rewind(&mut self) {
        if self.is_pending() && self.file.is_some() {
            self.assembly = None;
            let resume = self.resume();
            self.at = Mark::new(resume.offset, resume.anchor);
            self.resume_at(resume);
            self.search_again();
            self.searched = self.size;
            self.is_rewound = true;
        }
    }

    /// Reads on from where it was rewound to. Returns whether it was.
    pub(super) fn wake(&mut self) -> bool {
        if self.is_rewound {
            self.search_again();
        }
        std::mem::take(&mut self.is_rewound)
    }

    /// Memory that is taken by what is not whole.
    pub(super) fn pending_bytes(&self) -> usize {
        self.assembly.as_ref().map_or(0, |assembly| assembly.bytes())
    }

    /// Lines of it were read that are in no block.
    pub(super) fn is_pending(&self) -> bool {
        self.assembly.as_ref().is_some_and(|assembly| assembly.is_pending())
    }

    /// Some of these are whole, if no line follows that belongs to them.
    pub(super) fn has_event(&self) -> bool {
        self.assembly.as_ref().is_some_and(|assembly| assembly.has_event())
    }

    /// What was read of a source that is over, and is not whole.
    pub(super) fn last_words(&mut self, budget: &Budget) -> Vec<Block> {
        let cost = self.cost(self.pending_bytes(), 1);
        let Some(assembly) = self.assembly.as_mut().filter(|assembly| assembly.is_pending()) else {
            return Vec::new();
        };
        let permit = budget.take_now(cost);
        assembly.flush(Flush::All);
        self.blocks(None, permit)
    }

    /// Makes blocks of what came out of the assembly.
    pub(super) fn blocks(&mut self, window: Window<'_>, mut permit: Permit) -> Vec<Block> {
        let resumed = self.resume().offset;
        let Some(assembly) = &mut self.assembly else { return Vec::new() };
        let mut out = assembly.take();
        let last = assembly.place(self.at.offset);
        let mut runs = out.runs(self.label.of_stderr.is_some());
        if runs.is_empty() {
            if last.offset == resumed {
                assembly.put_back(out.tally);
                return Vec::new();
            }
            runs.push(0..0);
        }
        let others = runs.len().saturating_sub(1) * Block::OVERHEAD_BYTES;
        permit.resize(self.cost(out.bytes.len(), out.records.len()) + others);
        let end_of = |run: &Range<usize>| out.records.get(run.end.wrapping_sub(1)).map(|m| m.place);
        // The last one ends where all that was read does.
        let before_last = runs.split_last().map_or(&[][..], |(_, before)| before);
        let places: Vec<Place> = before_last.iter().filter_map(end_of).chain([last]).collect();
        let mut blocks = Vec::with_capacity(runs.len());
        for (run, place) in runs.into_iter().zip(places) {
            // Where a place cannot be recognised, reading goes on from the one before.
            let end = self.mark_at(place, window).unwrap_or(self.resume());
            let (bytes, made) = part(&mut out, &run);
            let permit = permit.split(self.cost(bytes.capacity(), made.len()));
            blocks.push(self.pack(bytes, &made, end, permit));
            self.resume_at(end);
        }
        if let Some(block) = blocks.last_mut() {
            block.tally = out.tally;
        }
        blocks
    }

    /// One block, from where reading would go on to `end`.
    fn pack(&self, bytes: Vec<u8>, made: &[Made], end: Mark, mut permit: Permit) -> Block {
        let base = made.first().map_or(0, |first| first.from);
        let start = self.resume();
        let place = |at: usize| u32::try_from(at - base).unwrap_or(u32::MAX);
        let slice = |made: &Made| Slice {
            from: place(made.from),
            to: place(made.to),
            end: made.end.0.saturating_sub(start.offset.0),
        };
        let is_whole = |made: &Made| made.place.offset == made.end;
        let is_ragged = made.split_last().is_some_and(|(_, others)| !others.iter().all(is_whole));
        Block {
            source: self.id,
            start,
            end,
            bytes: Arc::new(Buffer::new(bytes, &mut permit)),
            records: made.iter().map(slice).collect(),
            is_ragged,
            tally: Tally::default(),
            label: self.label_by(made.first().and_then(|made| made.stream)),
            remarks: made.first().map_or(Remarks::default(), |made| made.remarks),
            times: times(made),
            read_at: self.read_at().unwrap_or_else(clock::now),
            permit,
        }
    }

    /// What records of a stream carry.
    fn label_by(&self, stream: Option<Stream>) -> Arc<Label> {
        let of_stderr = self.label.of_stderr.as_ref().filter(|_| stream == Some(Stream::Stderr));
        of_stderr.unwrap_or(&self.label).clone()
    }

    /// How a place is recognised; nothing if the file does not tell.
    fn mark_at(&self, place: Place, window: Window<'_>) -> Option<Mark> {
        let Place { offset, ahead } = place;
        if let Some(known) = [self.resume(), self.at].into_iter().find(|mark| mark.offset == offset)
        {
            return Some(Mark { ahead, ..known });
        }
        let before = window.and_then(|(start, bytes)| {
            let length = usize::try_from(offset.0.checked_sub(start.0)?).ok()?;
            bytes.get(..length).filter(|bytes| bytes.len() >= Anchor::WINDOW)
        });
        if let Some(before) = before {
            return Some(Mark { offset, anchor: identity::anchor_of(before), ahead });
        }
        let anchor = identity::anchor_at(self.file.as_ref()?, offset).ok().flatten()?;
        Some(Mark { offset, anchor, ahead })
    }
}

/// What lines say, where that can be; otherwise when they were read, which was just now.
fn times(made: &[Made]) -> Times {
    let read_ms = clock::unix_ms();
    if made.iter().all(|made| made.time_ns.is_none()) {
        return Times::Read(read_ms);
    }
    let written = |made: &Made| Times::believed(made.time_ns?.div_euclid(NS_PER_MS), read_ms);
    Times::Each(made.iter().map(|made| written(made).unwrap_or(read_ms)).collect())
}

/// The bytes of a run of records. Those of the only one are not copied.
fn part(out: &mut Out, run: &Range<usize>) -> (Vec<u8>, Vec<Made>) {
    let made = out.records.get(run.clone()).unwrap_or_default().to_vec();
    if made.len() == out.records.len() {
        let mut bytes = std::mem::take(&mut out.bytes);
        bytes.shrink_to_fit();
        return (bytes, made);
    }
    let (from, to) = (made.first().map_or(0, |m| m.from), made.last().map_or(0, |m| m.to));
    (out.bytes.get(from..to).unwrap_or_default().to_vec(), made)
}

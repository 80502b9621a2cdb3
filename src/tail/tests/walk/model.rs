//! What must have come out, and what must not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use proptest::prop_assert;
use proptest::test_runner::TestCaseError;

use super::super::bench::{Bench, Kept, Line, Place, acknowledged, input};
use super::action::{Action, LARGE_CELL, Manner, Step};
use super::files::{Files, LIVE, cells};
use crate::record::{Anchor, Identity};
use crate::settings::Input;
use crate::tail::{Ending, LostReason};

/// What is done to what came out, to see whether it is noticed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mistake {
    Loss,
    Repeat,
    /// It comes before the line it came after.
    Early,
    /// More is said to be lost than is missing.
    Rumour,
}

pub(super) struct Model {
    bench: Bench,
    pub(super) files: Files,
    pub(super) cell: usize,
    /// Any two files that hold something begin differently.
    tells_apart: bool,
    /// What all files begin with is so long, if that is more than heads are compared.
    long_header: Option<u64>,
    /// Files of which no more was read than that when the daemon was started.
    read_to_header: Vec<Identity>,
    /// One of them went, or was truncated, while nobody looked. Any other may be its rest, for all
    /// that is known.
    is_unknowable: bool,
    /// Files that were truncated.
    truncated: Vec<Identity>,
    saved: Kept,
    crashes: usize,
    /// A file was truncated, and it is not certain that this was noticed and saved.
    unsaved: bool,
    /// Destroyed cells of which the daemon knew: what is not delivered of them must be counted.
    owed: BTreeSet<u32>,
}

impl Model {
    pub(super) fn new(dir: &Path, manner: Manner) -> Self {
        // Nothing is closed for resting: what is deleted then is lost.
        let close_inactive = Duration::from_hours(10);
        let settings = Input { max_line_bytes: 1 << 20, close_inactive, ..input() };
        let bench = Bench::below(dir, settings, Ending::Follow);
        let files = Files::new(bench.dir(), manner);
        Self {
            saved: bench.kept(),
            bench,
            files,
            cell: manner.cell,
            long_header: Some(manner.header as u64 + 2)
                .filter(|header| *header > u64::from(Identity::HEAD_MAX)),
            read_to_header: Vec::new(),
            is_unknowable: false,
            truncated: Vec::new(),
            tells_apart: manner.cell == LARGE_CELL && manner.header == 0,
            crashes: 0,
            unsaved: false,
            owed: BTreeSet::new(),
        }
    }

    pub(super) fn act(&mut self, action: &Action) {
        match action {
            Action::Step(step) => self.step(step),
            Action::Rotate { create } => self.files.rotate(*create),
            Action::Storm(sizes) => {
                for size in sizes {
                    self.write(*size);
                    self.files.rotate(true);
                }
            }
            Action::Reopen => self.files.reopen(),
            Action::CopyTruncate { half, copied } => self.copytruncate(half, copied),
            Action::Truncate => self.truncate(),
            Action::Regrow(more) => {
                let size = self.files.size_of_live();
                self.truncate();
                self.write(size + more);
            }
            Action::Delete => self.delete(LIVE),
            Action::Recreate(size) => {
                self.delete(LIVE);
                self.files.reopen();
                self.write(*size);
            }
            Action::DeleteOldest => {
                if let Some(name) = self.files.oldest() {
                    self.delete(&name);
                }
            }
            Action::Compress { which, packer, aside, half, packed } => {
                self.compress(*which, (*packer, *aside), half, packed);
            }
            Action::Away => {
                self.before_it_goes();
                self.files.rename_away();
            }
            Action::Back => {
                if let Some(at) = self.files.rename_back() {
                    let inode = &mut self.files.inodes[at];
                    (inode.held, inode.sealed, inode.is_back) = (false, None, true);
                }
            }
            Action::Link => self.files.link(),
            Action::Settle => self.settle(),
        }
    }

    pub(super) fn step(&mut self, step: &Step) {
        match step {
            Step::Write { cells, ended } => self.files.write(*cells, *ended),
            Step::Look => self.look(),
            Step::Glance => {
                self.miss();
                self.bench.glance();
            }
            Step::Turns(count) => self.bench.some_turns(*count),
            Step::Wait(seconds) => self.wait(*seconds),
            Step::Gate(closed) => self.gate(*closed),
            Step::Restart if is_weak(&self.bench.kept()) && self.files.has_packed() => {}
            Step::Crash if is_weak(&self.saved) && self.files.has_packed() => {}
            Step::Restart => {
                let kept = self.bench.stop();
                self.files.age(kept.looked_ms());
                self.start(kept);
            }
            Step::Save(choice) => {
                let mut choice = *choice;
                self.saved = acknowledged(self.bench.kept(), |last| {
                    choice = choice * 7 % 11;
                    last.saturating_sub(choice)
                });
            }
            Step::Crash => {
                self.crashes += 1;
                self.bench.stop();
                self.files.age(self.saved.looked_ms());
                self.start(self.saved.clone());
            }
        }
    }

    fn write(&mut self, cells: usize) {
        if cells > 0 {
            self.files.write(cells, true);
        }
    }

    fn truncate(&mut self) {
        self.truncated.extend(self.files.identity(LIVE));
        self.weigh_truncated();
        self.files.truncate();
    }

    fn weigh_truncated(&mut self) {
        let is_truncated =
            |known: &Identity| self.truncated.iter().any(|it| it.is_same_file(known));
        self.is_unknowable |= self.read_to_header.iter().any(is_truncated);
    }

    fn copytruncate(&mut self, half: &[Step], copied: &[Step]) {
        // Of a file that we never saw hold anything, nobody can tell that it was copied.
        self.look();
        if self.files.size_of_live() == 0 {
            return;
        }
        self.step(&Step::Save(0));
        let Some(copy) = self.files.copy_half() else { return };
        half.iter().for_each(|step| self.step_aside(step));
        self.files.copy_rest(&copy);
        let of = self.files.inodes.len() - 1;
        copied.iter().for_each(|step| self.step_aside(step));
        self.truncate();
        if !self.tells_apart {
            // After a restart nobody could tell a short copy from a short file.
            self.look();
        }
        if self.long_header.is_some() {
            // Nor could anybody tell where in which of them we were.
            self.step(&Step::Save(0));
        }
        self.unsaved = true;
        // As long as it was of no use it was not opened.
        self.files.inodes[of].held = false;
    }

    /// What happens in the middle of copying. Nobody could tell a short copy from a short file
    /// if the daemon started then.
    fn step_aside(&mut self, step: &Step) {
        let starts = matches!(step, Step::Restart | Step::Crash);
        if self.tells_apart || !starts {
            self.step(step);
        }
    }

    pub(super) fn kept(&self) -> Kept {
        self.bench.kept()
    }

    pub(super) fn delete(&mut self, name: &str) {
        self.before_it_goes();
        self.files.delete(name);
    }

    /// Of what was truncated and went at once no copy is known as such after a restart.
    fn before_it_goes(&mut self) {
        if self.unsaved {
            self.look();
            self.step(&Step::Save(0));
            self.unsaved = false;
        }
    }

    fn start(&mut self, kept: Kept) {
        let is_in_header = |place: &&Place| {
            let is_alike = place.identity.head_len == Identity::HEAD_MAX;
            let header = self.long_header.filter(|_| is_alike && !place.gone);
            header.is_some_and(|header| place.at().offset.0 <= header)
        };
        let places = kept.places.values().filter(is_in_header);
        self.read_to_header = places.map(|place| place.identity).collect();
        self.weigh_truncated();
        self.bench.start(kept.clone());
        self.saved = kept;
        self.files.destroyed.clear();
        for inode in &mut self.files.inodes {
            (inode.held, inode.seen) = (false, 0);
        }
    }

    /// What is not there when it is first looked for is lost.
    fn miss(&mut self) {
        let known = std::mem::take(&mut self.read_to_header);
        self.is_unknowable |= known.iter().any(|identity| !self.files.has(identity));
    }

    fn look(&mut self) {
        self.miss();
        self.bench.look();
        for inode in self.files.inodes.iter_mut().filter(|inode| inode.is_within_reach()) {
            (inode.held, inode.seen, inode.is_back) = (true, inode.cells.len(), false);
        }
        // What stands in a copy is not lost yet, nor what one that cannot be judged may be.
        if self.bench.awaits_packed() {
            return;
        }
        let copied: BTreeSet<u32> =
            self.files.inodes.iter().flat_map(|inode| &inode.cells).copied().collect();
        let destroyed = self.files.destroyed.drain(..);
        self.owed.extend(destroyed.filter(|cell| !copied.contains(cell)));
    }

    fn wait(&mut self, seconds: u64) {
        self.bench.wait(seconds);
        for inode in self.files.inodes.iter_mut().filter(|inode| !inode.is_within_reach()) {
            inode.sealed.get_or_insert(inode.cells.len());
        }
    }

    fn gate(&mut self, closed: bool) {
        match self.bench.any_gate() {
            Some(gate) if closed => gate.close(),
            Some(gate) => {
                gate.open();
            }
            None => {}
        }
    }

    /// Lets everything come out that can, and compares.
    pub(super) fn settle(&mut self) {
        self.come_to_rest();
        if let Err(why) = self.check() {
            panic!("{why}");
        }
    }

    /// False if there is nothing to make it of.
    pub(super) fn make(&mut self, mistake: Mistake) -> bool {
        let heard = &mut *self.bench.heard.borrow_mut();
        let lines = match mistake {
            Mistake::Early => &mut heard.first,
            Mistake::Loss | Mistake::Repeat | Mistake::Rumour => &mut heard.lines,
        };
        let texts = lines.iter().enumerate().filter(|(_, line)| !line.text.starts_with('#'));
        let at: Vec<usize> = texts.map(|(at, _)| at).collect();
        let Some(&[.., before, last]) = at.get(..) else { return false };
        match mistake {
            Mistake::Loss => drop(lines.remove(before)),
            Mistake::Repeat => lines.push(lines[before].clone()),
            Mistake::Early => lines.swap(before, last),
            Mistake::Rumour => {
                let of = lines[before].of.clone();
                heard.lost.push((of, self.files.written as u64, LostReason::Deleted));
            }
        }
        true
    }

    pub(super) fn come_to_rest(&mut self) {
        self.gate(false);
        self.look();
        self.bench.turns();
        for _ in 0..8 {
            self.wait(6);
            self.look();
            self.bench.turns();
        }
        assert!(!self.bench.awaits_packed(), "all is there that was compressed");
    }

    /// What came out, each cell with how often.
    fn delivered(&self, lines: &[Line]) -> BTreeMap<u32, usize> {
        let mut found = BTreeMap::new();
        for line in lines {
            cells(&line.text, self.cell).for_each(|cell| *found.entry(cell).or_default() += 1);
        }
        found
    }

    pub(super) fn check(&self) -> Result<(), TestCaseError> {
        let delivered = self.delivered(&self.bench.heard.borrow().lines);
        if !self.is_unknowable {
            for (cell, count) in &delivered {
                prop_assert!(*count == 1, "cell {cell} came out {count} times");
            }
            self.check_order()?;
        }
        for inode in &self.files.inodes {
            let waiting = if inode.is(LIVE) { inode.unfinished } else { 0 };
            let until = match inode.is_within_reach() {
                true => inode.cells.len() - waiting,
                false if inode.held => inode.sealed.unwrap_or(inode.cells.len()),
                false => 0,
            };
            for cell in &inode.cells[..until] {
                prop_assert!(delivered.contains_key(cell), "cell {cell} is missing: {inode:?}");
            }
        }
        self.check_losses(&delivered)
    }

    fn check_order(&self) -> Result<(), TestCaseError> {
        let mut seen = BTreeSet::new();
        for line in &self.bench.heard.borrow().first {
            for cell in cells(&line.text, self.cell) {
                let latest = seen.last().copied();
                if seen.insert(cell) {
                    prop_assert!(
                        latest.is_none_or(|latest| latest < cell),
                        "{cell} came after {latest:?}"
                    );
                }
            }
        }
        Ok(())
    }

    /// What is said to be lost did not come out, and what was seen and did not is said.
    fn check_losses(&self, delivered: &BTreeMap<u32, usize>) -> Result<(), TestCaseError> {
        let said: u64 = self.bench.lost().iter().map(|(bytes, _)| bytes).sum();
        let said = usize::try_from(said).unwrap();
        let missing = self.files.written - delivered.len() * self.cell;
        prop_assert!(self.crashes > 0 || said <= missing, "{said} said, {missing} missing");
        // What a crash took back was not lost before it could be read.
        let delivered = self.delivered(&self.bench.heard.borrow().first);
        let owed = self.owed.iter().filter(|cell| !delivered.contains_key(cell)).count();
        // A place in a header that all files have may be the old file's, or the new one's.
        let owed = if self.long_header.is_some() { 0 } else { owed };
        prop_assert!(said >= owed * self.cell, "{said} said, {owed} cells were seen and destroyed");
        Ok(())
    }
}

/// Of what was read for less than an anchor before a restart, what it is compressed to would be
/// taken for new.
pub(super) fn is_weak(kept: &Kept) -> bool {
    let mut places = kept.places.values().filter(|place| !place.gone);
    places.any(|place| (1..Anchor::WINDOW as u64).contains(&place.at().offset.0))
}

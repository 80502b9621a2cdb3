//! Random lives of one log file, on a real file system, against a model of what can be known.
//!
//! Whatever is written is made of cells with ascending numbers. At the end, and wherever the
//! walk settles, every cell that could still be read has come out once; none ever came twice
//! beyond what a crash takes back; and each came first in the order in which it was written.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use super::bench::{Bench, Kept, acknowledged, input};
use crate::settings::Input;
use crate::tail::Ending;

/// More than an anchor's window, so that one cell is enough to recognise a file.
const SMALL_CELL: usize = 72;
/// More than a head, so that a file is recognised by it as soon as it holds anything.
const LARGE_CELL: usize = 1100;
const LIVE: &str = "app.log";
const KEPT_MAX: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    Write {
        cells: usize,
        ended: bool,
    },
    Look,
    Glance,
    Turns(usize),
    Wait(u64),
    Gate(bool),
    Restart,
    /// What Kafka acknowledged, per source a choice among the ends of its blocks, is saved.
    Save(usize),
    Crash,
}

#[derive(Debug, Clone)]
enum Action {
    Step(Step),
    /// Renames the chain; with `create` the writer goes on in a new file at once.
    Rotate {
        create: bool,
    },
    /// The writer opens the name again.
    Reopen,
    CopyTruncate {
        half: Vec<Step>,
        copied: Vec<Step>,
    },
    Truncate,
    Delete,
    DeleteOldest,
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..5_usize, prop::bool::weighted(0.8)).prop_map(|(cells, ended)| Step::Write { cells, ended }),
        3 => Just(Step::Look),
        2 => Just(Step::Glance),
        4 => (1..6_usize).prop_map(Step::Turns),
        1 => prop::sample::select(vec![1, 2, 6, 70]).prop_map(Step::Wait),
        1 => any::<bool>().prop_map(Step::Gate),
        1 => Just(Step::Restart),
        2 => (0..8_usize).prop_map(Step::Save),
        1 => Just(Step::Crash),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    let steps = || prop::collection::vec(step(), 0..4);
    prop_oneof![
        12 => step().prop_map(Action::Step),
        2 => any::<bool>().prop_map(|create| Action::Rotate { create }),
        1 => Just(Action::Reopen),
        1 => (steps(), steps()).prop_map(|(half, copied)| Action::CopyTruncate { half, copied }),
        1 => Just(Action::Truncate),
        1 => Just(Action::Delete),
        1 => Just(Action::DeleteOldest),
        1 => Just(Action::Settle),
    ]
}

/// One file as it is on disk, whatever its name.
#[derive(Debug, Default)]
struct Inode {
    cells: Vec<u32>,
    /// The last line has no end yet: how many of the cells are of it.
    unfinished: usize,
    name: Option<String>,
    /// It was looked at since the daemon started, so that it was opened.
    held: bool,
    /// So many cells were there when it was last certain that nobody let go of it.
    sealed: Option<usize>,
}

struct Model {
    bench: Bench,
    cell: usize,
    inodes: Vec<Inode>,
    writer: Option<(usize, File)>,
    next_cell: u32,
    written: usize,
    saved: Kept,
    crashes: usize,
    /// A file was truncated, and it is not certain that this was noticed and saved.
    unsaved: bool,
}

impl Model {
    fn new(cell: usize) -> Self {
        // Nothing is closed for resting: what is deleted then is lost.
        let close_inactive = Duration::from_hours(10);
        let settings = Input { max_line_bytes: 1 << 20, close_inactive, ..input() };
        let bench = Bench::with(settings, Ending::Follow);
        let saved = bench.kept();
        let (inodes, writer) = (Vec::new(), None);
        Self {
            bench,
            cell,
            inodes,
            writer,
            next_cell: 0,
            written: 0,
            saved,
            crashes: 0,
            unsaved: false,
        }
    }

    fn named(&self, name: &str) -> Option<usize> {
        self.inodes.iter().position(|inode| inode.name.as_deref() == Some(name))
    }

    fn reopen(&mut self) {
        let at = self.named(LIVE).unwrap_or_else(|| {
            self.inodes.push(Inode { name: Some(LIVE.to_owned()), ..Inode::default() });
            self.inodes.len() - 1
        });
        self.writer = Some((at, self.bench.writer(LIVE)));
    }

    fn write(&mut self, cells: usize, ended: bool) {
        if self.writer.is_none() {
            self.reopen();
        }
        let (at, file) = self.writer.as_mut().unwrap();
        let inode = &mut self.inodes[*at];
        let mut text = String::new();
        for _ in 0..cells {
            let number = format!("{:06}", self.next_cell).repeat(self.cell / 6);
            text.extend(["[", &number[..self.cell - 2], "]"]);
            inode.cells.push(self.next_cell);
            self.next_cell += 1;
        }
        inode.unfinished = if ended { 0 } else { inode.unfinished + cells };
        if ended {
            text.push('\n');
        }
        self.written += text.len();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn shift(&mut self) {
        for number in (1..=KEPT_MAX).rev() {
            let from = format!("{LIVE}.{number}");
            let Some(at) = self.named(&from) else { continue };
            if number == KEPT_MAX {
                self.bench.remove(&from);
                self.inodes[at].name = None;
            } else {
                let to = format!("{LIVE}.{}", number + 1);
                self.bench.rename(&from, &to);
                self.inodes[at].name = Some(to);
            }
        }
    }

    fn rotate(&mut self, create: bool) {
        let Some(at) = self.named(LIVE) else { return };
        self.shift();
        let to = format!("{LIVE}.1");
        self.bench.rename(LIVE, &to);
        self.inodes[at].name = Some(to);
        if create {
            self.reopen();
        }
    }

    fn copytruncate(&mut self, half: &[Step], copied: &[Step]) {
        // Of a file that we never saw hold anything, nobody can tell that it was copied.
        self.step(&Step::Look);
        let Some(at) = self.named(LIVE).filter(|at| !self.inodes[*at].cells.is_empty()) else {
            return;
        };
        self.step(&Step::Save(0));
        self.shift();
        let copy = format!("{LIVE}.1");
        let text = std::fs::read(self.bench.path(LIVE)).unwrap();
        self.bench.write(&copy, &text[..text.len() / 2]);
        for step in half {
            self.step_aside(step);
        }
        let text = std::fs::read(self.bench.path(LIVE)).unwrap();
        let mut file = self.bench.writer(&copy);
        let there = file.metadata().unwrap().len();
        file.write_all(&text[usize::try_from(there).unwrap()..]).unwrap();
        let (cells, unfinished) = (self.inodes[at].cells.clone(), self.inodes[at].unfinished);
        let name = Some(copy);
        self.inodes.push(Inode { cells, unfinished, name, held: false, sealed: None });
        let of = self.inodes.len() - 1;
        for step in copied {
            self.step_aside(step);
        }
        self.truncate();
        if self.cell == SMALL_CELL {
            // After a restart nobody could tell a short copy from a short file.
            self.look();
        }
        self.unsaved = true;
        // As long as it was of no use it was not opened.
        self.inodes[of].held = false;
    }

    fn truncate(&mut self) {
        let Some(at) = self.named(LIVE) else { return };
        self.bench.truncate(LIVE);
        let inode = &mut self.inodes[at];
        inode.cells.clear();
        inode.unfinished = 0;
    }

    fn delete(&mut self, name: &str) {
        if self.unsaved {
            // Of what was truncated and deleted at once no copy is known as such after a restart.
            self.look();
            self.step(&Step::Save(0));
            self.unsaved = false;
        }
        let Some(at) = self.named(name) else { return };
        self.bench.remove(name);
        self.inodes[at].name = None;
    }

    /// What happens in the middle of copying. Nobody could tell a short copy from a short file
    /// if the daemon started then.
    fn step_aside(&mut self, step: &Step) {
        let starts = matches!(step, Step::Restart | Step::Crash);
        if self.cell == LARGE_CELL || !starts {
            self.step(step);
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Write { cells, ended } => self.write(*cells, *ended),
            Step::Look => self.look(),
            Step::Glance => self.bench.glance(),
            Step::Turns(count) => self.bench.some_turns(*count),
            Step::Wait(seconds) => self.wait(*seconds),
            Step::Gate(closed) => self.gate(*closed),
            Step::Restart => {
                let kept = self.bench.stop();
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
                self.start(self.saved.clone());
            }
        }
    }

    fn start(&mut self, kept: Kept) {
        self.bench.start(kept.clone());
        self.saved = kept;
        self.inodes.iter_mut().for_each(|inode| inode.held = false);
    }

    fn look(&mut self) {
        self.bench.look();
        self.inodes.iter_mut().for_each(|inode| inode.held |= inode.name.is_some());
    }

    fn wait(&mut self, seconds: u64) {
        self.bench.wait(seconds);
        for inode in self.inodes.iter_mut().filter(|inode| inode.name.is_none()) {
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
    fn settle(&mut self) {
        self.gate(false);
        self.look();
        self.bench.turns();
        for _ in 0..8 {
            self.wait(6);
            self.look();
            self.bench.turns();
        }
        self.check();
    }

    /// What came out, each cell with how often.
    fn delivered(&self) -> BTreeMap<u32, usize> {
        let mut found = BTreeMap::new();
        for text in self.bench.texts() {
            cells(&text, self.cell).for_each(|cell| *found.entry(cell).or_default() += 1);
        }
        found
    }

    fn check(&self) {
        let delivered = self.delivered();
        for (cell, count) in &delivered {
            assert_eq!(*count, 1, "cell {cell} came out {count} times");
        }
        for inode in &self.inodes {
            let is_live = inode.name.as_deref() == Some(LIVE);
            let waiting = if is_live { inode.unfinished } else { 0 };
            let until = match inode.name {
                Some(_) => inode.cells.len() - waiting,
                None if inode.held => inode.sealed.unwrap_or(inode.cells.len()),
                None => 0,
            };
            for cell in &inode.cells[..until] {
                assert!(delivered.contains_key(cell), "cell {cell} is missing: {inode:?}");
            }
        }
        self.check_order();
        self.check_losses(&delivered);
    }

    fn check_order(&self) {
        let mut seen = BTreeSet::new();
        for line in &self.bench.heard.borrow().first {
            for cell in cells(&line.text, self.cell) {
                let latest = seen.last().copied();
                if seen.insert(cell) {
                    assert!(
                        latest.is_none_or(|latest| latest < cell),
                        "{cell} came after {latest:?}"
                    );
                }
            }
        }
    }

    /// What is said to be lost did not come out.
    fn check_losses(&self, delivered: &BTreeMap<u32, usize>) {
        let said: u64 = self.bench.lost().iter().map(|(bytes, _)| bytes).sum();
        let missing = self.written - delivered.len() * self.cell;
        assert!(self.crashes > 0 || said <= missing as u64, "{said} said, {missing} missing");
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::Step(step) => self.step(step),
            Action::Rotate { create } => self.rotate(*create),
            Action::Reopen => self.reopen(),
            Action::CopyTruncate { half, copied } => self.copytruncate(half, copied),
            Action::Truncate => self.truncate(),
            Action::Delete => self.delete(LIVE),
            Action::DeleteOldest => {
                let names = (1..=KEPT_MAX).rev().map(|number| format!("{LIVE}.{number}"));
                let oldest = names.into_iter().find(|name| self.named(name).is_some());
                if let Some(name) = oldest {
                    self.delete(&name);
                }
            }
            Action::Settle => self.settle(),
        }
    }
}

fn cells(text: &str, size: usize) -> impl Iterator<Item = u32> {
    assert_eq!(text.len() % size, 0, "{text:?} is torn");
    text.as_bytes().chunks(size).map(|cell| {
        let cell = str::from_utf8(cell).unwrap();
        let number = cell.strip_prefix('[').and_then(|cell| cell.strip_suffix(']'));
        number.unwrap_or_else(|| panic!("{cell:?} is torn"))[..6].parse().unwrap()
    })
}

/// `TAIL_WALKS` and `TAIL_SEED` lead elsewhere.
#[test]
fn nothing_is_lost_repeated_or_out_of_order_whatever_becomes_of_the_files() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    let cases = number("TAIL_WALKS").unwrap_or(150);
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&number("TAIL_SEED").unwrap_or(1).to_le_bytes());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let cell = prop::sample::select(vec![SMALL_CELL, LARGE_CELL]);
    let walks = (cell, prop::collection::vec(action(), 1..40));
    let result = runner.run(&walks, |(cell, walk)| {
        let mut model = Model::new(cell);
        for action in &walk {
            model.act(action);
        }
        model.settle();
        Ok(())
    });
    if let Err(TestError::Fail(why, walk)) = result {
        panic!("{why}\nafter {walk:?}");
    }
}

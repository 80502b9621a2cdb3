//! Drives the room by hand in a directory of its own: no watch, no Kafka, no waiting. What comes
//! out is checked as it comes, and a restart takes up what was acknowledged.

mod looks;
mod start;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

pub(super) use looks::{rotate_in, siblings};
pub(super) use start::acknowledged;
use start::tail;
use tempfile::TempDir;

use super::super::{
    Acknowledged, Ending, Event, Gate, Known, KnownSource, Look, LostReason, Restored, Seen, Tail,
    Turn,
};
use super::packer::patient;
use crate::budget::{Budget, Budgets};
use crate::clock;
use crate::record::{Block, Generation, Identity, Label, Lineage, Mark, Remarks, SourceId};
use crate::settings::{Format, Input};
use crate::tail::content::Content;
use crate::tail::{identity, lineage};

type Emit = Box<dyn FnMut(Event)>;

/// One generation of one live name, over restarts.
pub(super) type Key = (PathBuf, Generation);

/// What is kept of a source between runs.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) identity: Identity,
    pub(super) path: PathBuf,
    /// Where its blocks began and ended, ascending: where it may have been acknowledged.
    pub(super) marks: Vec<Mark>,
    pub(super) gone: bool,
}

impl Place {
    pub(super) fn at(&self) -> Mark {
        *self.marks.last().unwrap()
    }
}

/// What a daemon keeps on disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    pub(super) places: BTreeMap<Key, Place>,
    looked_ms: HashMap<String, u64>,
}

#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) of: Key,
    /// It was acknowledged if so many places are kept of its source.
    mark: usize,
    pub(super) text: String,
    pub(super) label: Arc<Label>,
    pub(super) remarks: Remarks,
}

#[derive(Default)]
pub(super) struct Heard {
    kept: Kept,
    names: HashMap<SourceId, Key>,
    gates: HashMap<PathBuf, Arc<Gate>>,
    proofs: HashMap<Key, Arc<Acknowledged>>,
    /// In the order in which they came. A crash takes back what was not acknowledged.
    pub(super) lines: Vec<Line>,
    /// The same, but nothing is taken back.
    pub(super) first: Vec<Line>,
    pub(super) lost: Vec<(Key, u64, LostReason)>,
    pub(super) skipped: u64,
    /// Blocks whose memory is not given back.
    pub(super) blocks: Option<Vec<Block>>,
    pub(super) block_count: usize,
    /// Lines are records as they are.
    is_plain: bool,
    all_read: bool,
}

impl Heard {
    fn hear(&mut self, event: Event) {
        match event {
            Event::Seen(seen) => self.seen(seen),
            Event::Block(block) => self.block(block),
            Event::Gone(source) => {
                let key = self.key(source);
                let place = self.kept.places.get_mut(&key).unwrap();
                assert!(!place.gone, "{key:?} is gone twice");
                place.gone = true;
            }
            Event::Lost { source, bytes, reason } => {
                assert!(bytes > 0);
                self.lost.push((self.key(source), bytes, reason));
            }
            Event::Skipped { bytes, .. } => self.skipped += bytes,
            Event::Looked { ms, .. } => {
                self.kept.looked_ms.extend(ms.map(|ms| ("in".to_owned(), ms)));
            }
            Event::Over(_) => {}
            Event::AllRead => {
                assert!(!self.all_read, "said twice");
                self.all_read = true;
            }
        }
    }

    fn key(&self, source: SourceId) -> Key {
        self.names.get(&source).expect("a source is seen before anything else of it").clone()
    }

    fn seen(&mut self, seen: Seen) {
        let key = (seen.lineage.path.clone(), seen.source.generation);
        self.gates.insert(seen.lineage.path.clone(), seen.gate);
        self.proofs.extend(seen.acknowledged.map(|proof| (key.clone(), proof)));
        let known = self.names.insert(seen.source, key.clone());
        assert!(known.is_none_or(|known| known == key));
        let marks = vec![seen.from];
        let (identity, path) = (seen.identity, seen.path);
        let new = Place { identity, path: path.clone(), marks, gone: false };
        let place = self.kept.places.entry(key).or_insert(new);
        assert!(!place.gone, "seen after it was gone");
        assert_eq!(place.at(), seen.from, "seen elsewhere than where it is");
        (place.identity, place.path) = (identity, path);
    }

    fn block(&mut self, block: Block) {
        let key = self.key(block.source);
        let place = self.kept.places.get_mut(&key).unwrap();
        assert!(!place.gone, "a block of a source that is gone");
        assert_eq!(block.start, place.at(), "a block begins where the one before it ended");
        check(&block, place, self.is_plain);
        place.marks.push(block.end);
        let mark = place.marks.len();
        for number in 0..block.len() {
            let line = Line {
                of: key.clone(),
                mark,
                text: String::from_utf8_lossy(block.record(number)).into_owned(),
                label: block.label.clone(),
                remarks: block.remarks,
            };
            self.first.push(line.clone());
            self.lines.push(line);
        }
        self.block_count += 1;
        if let Some(blocks) = &mut self.blocks {
            blocks.push(block);
        }
    }
}

/// What a block says of itself is true, as far as the file still can tell.
fn check(block: &Block, place: &Place, is_plain: bool) {
    assert!(block.end.offset >= block.start.offset);
    assert!(!block.is_empty() || block.end.offset > block.start.offset);
    assert!(block.remarks.is_empty() || block.len() == 1);
    if !is_plain {
        return;
    }
    let (mut end, mut to) = (0, 0);
    for slice in &block.records {
        assert!(slice.end > end && slice.from >= to && slice.to >= slice.from);
        (end, to) = (slice.end, slice.to);
    }
    assert_eq!(end, block.end.offset.since(block.start.offset));
    let Ok((file, meta)) = Content::open(&place.path) else { return };
    if !identity::of(&meta).is_same_file(&place.identity) {
        return;
    }
    let Some(anchor) = patient(|| identity::anchor_at(&file, block.end.offset)) else { return };
    assert_eq!(anchor, block.end.anchor);
    for number in 0..block.len() {
        let record = block.record(number);
        let mut there = vec![0; record.len()];
        super::holes::read_behind_hole(&file, &mut there, block.start_of(number).0);
        assert_eq!(record, there, "a record is what the file holds");
    }
}

pub(super) fn input() -> Input {
    Input { id: "in".to_owned(), ..Input::example() }
}

pub(super) struct Bench {
    dir: TempDir,
    names: Vec<PathBuf>,
    input: Input,
    ending: Ending,
    pub(super) budget: Budget,
    tail: Tail<Emit>,
    pub(super) heard: Rc<RefCell<Heard>>,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(input(), Ending::Follow)
    }

    /// One input whose files are `app.log`.
    pub(super) fn with(input: Input, ending: Ending) -> Self {
        Self::in_dir(tempfile::tempdir().unwrap(), input, ending)
    }

    /// The same in a directory below `parent`.
    pub(super) fn below(parent: &Path, input: Input, ending: Ending) -> Self {
        Self::in_dir(tempfile::tempdir_in(parent).unwrap(), input, ending)
    }

    fn in_dir(dir: TempDir, input: Input, ending: Ending) -> Self {
        let names = vec![dir.path().join("app.log")];
        let budget = Budget::new(64 << 20, || {});
        let is_plain = input.format == Format::Text
            && input.multiline.is_none()
            && input.exclude_lines.is_empty()
            && input.encoding == "utf-8";
        let heard = Rc::new(RefCell::new(Heard { is_plain, ..Heard::default() }));
        let tail = tail(&input, ending, &budget, &heard, &Kept::default());
        Self { dir, names, input, ending, budget, tail, heard }
    }

    /// All that was read is acknowledged.
    pub(super) fn acknowledge(&self) {
        let heard = self.heard.borrow();
        for (key, proof) in &heard.proofs {
            proof.tell(heard.kept.places[key].at().offset);
        }
    }

    /// Starts over with another bound on memory.
    pub(super) fn limit(&mut self, budget: Budget) {
        self.budget = budget;
        self.start(Kept::default());
    }

    pub(super) fn also(&mut self, name: &str) {
        self.names.push(self.path(name));
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    // What others do to the files.

    pub(super) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(super) fn append(&self, name: &str, text: impl AsRef<[u8]>) {
        let mut file = self.writer(name);
        file.write_all(text.as_ref()).unwrap();
    }

    /// Somebody who goes on writing to the file whatever becomes of its name.
    pub(super) fn writer(&self, name: &str) -> File {
        OpenOptions::new().append(true).create(true).open(self.path(name)).unwrap()
    }

    pub(super) fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    pub(super) fn copy(&self, from: &str, to: &str) {
        fs::copy(self.path(from), self.path(to)).unwrap();
    }

    pub(super) fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    pub(super) fn truncate(&self, name: &str) {
        OpenOptions::new().write(true).open(self.path(name)).unwrap().set_len(0).unwrap();
    }

    /// `app.log` to `.1`, what was `.1` to `.2`, and so on; nothing has the name then.
    pub(super) fn rotate(&self) {
        rotate_in(self.dir());
    }

    // What the daemon does, beside looking.
    pub(super) fn turn(&mut self) -> Turn {
        self.tail.turn(|_, path| siblings(path))
    }

    pub(super) fn some_turns(&mut self, count: usize) {
        for _ in 0..count {
            self.turn();
        }
    }

    pub(super) fn turns(&mut self) -> Turn {
        for _ in 0..200_000 {
            let turn = self.turn();
            if turn != Turn::Worked {
                return turn;
            }
        }
        panic!("it works for ever");
    }

    /// Looks everywhere and reads all there is.
    pub(super) fn ship(&mut self) {
        self.look();
        assert_eq!(self.turns(), Turn::Idle);
    }

    /// Lets time pass, and the sweep that comes once a second.
    pub(super) fn wait(&mut self, seconds: u64) {
        clock::advance(Duration::from_millis(seconds * 1000 + 1));
        self.tail.sweep();
        self.turns();
    }

    /// The same with a look every ten seconds.
    pub(super) fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds / 10 {
            self.look();
            self.wait(10);
        }
    }

    pub(super) fn finish(&mut self) -> bool {
        self.tail.finish()
    }

    pub(super) fn all_read(&self) -> bool {
        self.heard.borrow().all_read
    }

    pub(super) fn gate(&self) -> Arc<Gate> {
        self.any_gate().unwrap()
    }

    /// The gate of `app.log`, once it was seen in this run.
    pub(super) fn any_gate(&self) -> Option<Arc<Gate>> {
        self.heard.borrow().gates.get(&self.path("app.log")).cloned()
    }

    pub(super) fn open_files(&self) -> usize {
        self.tail.counts().0
    }

    pub(super) fn lineage_count(&self) -> usize {
        self.tail.counts().1
    }

    pub(super) fn open_at_most(&mut self, files: usize) {
        self.tail.open_at_most(files);
    }

    /// How many names without files the next scan would ask about.
    pub(super) fn absent_count(&self) -> usize {
        self.tail.absent(0, |_| false).len()
    }

    pub(super) fn source_count(&self) -> usize {
        self.tail.lineages.iter().map(|lineage| lineage.sources.len()).sum()
    }

    pub(super) fn unpacking_count(&self) -> usize {
        self.tail.descriptors.unpacking
    }

    /// Something compressed is there that cannot be judged yet.
    pub(super) fn awaits_packed(&self) -> bool {
        self.tail.lineages.iter().any(lineage::Lineage::awaits_packed)
    }

    pub(super) fn pending(&self) -> usize {
        let sources = self.tail.lineages.iter().flat_map(|lineage| &lineage.sources);
        sources.map(super::super::Source::pending_bytes).sum()
    }

    /// Where the only source of a name would be read on.
    pub(super) fn at(&self, name: &str) -> u64 {
        let key = (self.path(name), Generation::FIRST);
        self.heard.borrow().kept.places.get(&key).unwrap().at().offset.0
    }

    // Restarts.

    pub(super) fn kept(&self) -> Kept {
        self.heard.borrow().kept.clone()
    }

    /// Stops with all acknowledged, and starts again.
    pub(super) fn restart(&mut self) {
        self.start(self.kept());
    }

    /// Stops; what is done before the returned state is handed to [`Bench::start`] happens while
    /// the daemon is down.
    pub(super) fn stop(&mut self) -> Kept {
        let kept = self.kept();
        self.tail = tail(&self.input, self.ending, &self.budget, &self.heard, &Kept::default());
        kept
    }

    /// Starts with what was kept; lines that it does not cover count as never shipped.
    pub(super) fn start(&mut self, kept: Kept) {
        let mut heard = self.heard.borrow_mut();
        let acknowledged = |line: &Line| {
            kept.places.get(&line.of).is_some_and(|p| p.gone || line.mark <= p.marks.len())
        };
        heard.lines.retain(acknowledged);
        heard.names.clear();
        heard.gates.clear();
        heard.proofs.clear();
        let tail = tail(&self.input, self.ending, &self.budget, &self.heard, &kept);
        heard.kept = kept;
        drop(heard);
        self.tail = tail;
    }

    /// Dies with each source acknowledged up to one of its blocks' ends, and starts again.
    pub(super) fn crash(&mut self, choose: impl FnMut(usize) -> usize) {
        self.start(acknowledged(self.kept(), choose));
    }

    // What came out.

    pub(super) fn texts(&self) -> Vec<String> {
        self.heard.borrow().lines.iter().map(|line| line.text.clone()).collect()
    }

    pub(super) fn texts_of(&self, name: &str) -> Vec<String> {
        let path = self.path(name);
        let heard = self.heard.borrow();
        heard.lines.iter().filter(|l| l.of.0 == path).map(|l| l.text.clone()).collect()
    }

    pub(super) fn lost(&self) -> Vec<(u64, LostReason)> {
        self.heard.borrow().lost.iter().map(|(_, bytes, reason)| (*bytes, *reason)).collect()
    }

    pub(super) fn gone(&self) -> usize {
        self.heard.borrow().kept.places.values().filter(|place| place.gone).count()
    }
}

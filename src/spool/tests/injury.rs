//! What a walk does to the disk: the images that a crash, a power cut or decay leaves behind.

use std::collections::BTreeSet;

use super::crash::{IndexFate, When};
use super::model::{LANES, MAX_SIZE, Name, Record, Walk};
use super::*;

impl Walk {
    pub(super) fn keep_index(&mut self) {
        self.images += 1;
        let kept = self.dir.path().join(format!("kept-{}", self.images));
        if self.path.join("state").exists() {
            copy_dir(&self.path.join("state"), &kept);
            self.kept_index = Some(kept);
        }
    }

    fn image(&mut self) -> PathBuf {
        self.images += 1;
        let image = self.dir.path().join(self.images.to_string());
        copy_dir(&self.path, &image);
        image
    }

    pub(super) fn crash(&mut self, when: When, index: IndexFate) {
        let before = self.image();
        let image = match when {
            When::BeforeTurn => before,
            When::AfterTurn => {
                self.stepped().tick();
                self.image()
            }
            When::Cut(at) => {
                self.tear(&before, |bytes, from| {
                    let cut = from + at as usize % (bytes.len() - from);
                    bytes.truncate(cut);
                });
                before
            }
            When::Hole(at) => {
                self.tear(&before, |bytes, from| {
                    let hole = from + at as usize % (bytes.len() - from);
                    let end = (hole + 100).min(bytes.len());
                    bytes[hole..end].fill(0);
                });
                before
            }
        };
        self.start_again(image, index);
        self.check_recovered();
    }

    /// Does a turn, and adds to the image from before it what the turn has written, torn.
    fn tear(&mut self, image: &Path, tear: impl Fn(&mut Vec<u8>, usize)) {
        self.stepped().turn();
        for number in self.stepped().segments() {
            let target = segment::path(image, number);
            let mut bytes = fs::read(&target).unwrap_or_default();
            let (old, new) = (bytes.len(), fs::read(segment::path(&self.path, number)).unwrap());
            bytes.extend_from_slice(new.get(old..).unwrap_or_default());
            if bytes.len() > old {
                tear(&mut bytes, old);
                fs::write(target, bytes).unwrap();
            }
        }
    }

    fn start_again(&mut self, image: PathBuf, index: IndexFate) {
        self.stepped = None;
        fs::remove_dir_all(&self.path).unwrap();
        self.path = image;
        let state = self.path.join("state");
        match index {
            IndexFate::Kept => {}
            IndexFate::Deleted => index_gone(&state),
            IndexFate::RolledBack => {
                if let Some(kept) = &self.kept_index {
                    index_gone(&state);
                    copy_dir(kept, &state);
                }
            }
            IndexFate::Garbled(seed) => garble(&state.join("db"), seed),
        }
        self.stepped = Some(Stepped::open(&self.path, MAX_SIZE));
        self.crashed = true;
    }

    pub(super) fn flip(&mut self, nth: usize, at: u32, index: IndexFate) {
        let said = self.stepped().turn();
        self.hear(said);
        let image = self.image();
        let numbers = segment::numbers(&image).unwrap();
        if let Some(number) = numbers.get(nth) {
            let path = segment::path(&image, *number);
            let mut bytes = fs::read(&path).unwrap();
            let at = at as usize % bytes.len();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&path, bytes).unwrap();
        }
        self.start_again(image, index);
        let missing = self.look_for_damage();
        let blocks = |record: &Record| {
            let entries = self.entries.iter().filter(|(name, e)| {
                (name.0, name.1) == (record.0, record.1) && e.records.contains(&record.2)
            });
            entries.map(|(name, _)| *name).collect::<BTreeSet<Name>>()
        };
        let shared = missing.iter().map(blocks).reduce(|a, b| &a & &b);
        assert!(shared.is_none_or(|shared| !shared.is_empty()), "more than a block: {missing:?}");
        self.settle_lost(missing);
    }

    pub(super) fn cut_tail(&mut self, bytes: u64, index: IndexFate) {
        let said = self.stepped().turn();
        self.hear(said);
        let image = self.image();
        if let Some(last) = segment::numbers(&image).unwrap().last() {
            let file = segment::open(&image, *last).unwrap();
            let len = file.metadata().unwrap().len();
            file.set_len(len.saturating_sub(bytes)).unwrap();
        }
        self.start_again(image, index);
        self.sources.iter_mut().for_each(|source| source.read.fill(0));
        let missing = (0..LANES).flat_map(|lane| self.look(lane).0).collect();
        self.settle_lost(missing);
    }
}

fn index_gone(state: &Path) {
    crate::spool::index::remove_dir(state).unwrap();
}

fn garble(db: &Path, seed: u32) {
    if let Ok(mut bytes) = fs::read(db) {
        let at = seed as usize % bytes.len().max(1);
        let end = (at + 16).min(bytes.len());
        bytes[at..end].iter_mut().for_each(|byte| *byte ^= seed.to_le_bytes()[0] | 1);
        fs::write(db, bytes).unwrap();
    }
}

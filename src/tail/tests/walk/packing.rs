//! Rotated files that are compressed.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::time::Duration;

use super::super::packer::{ENDINGS, Packer, pack};
use super::action::Step;
use super::files::{Files, Inode, LINKED, touch};
use super::model::{Model, is_weak};
use crate::clock;
use crate::record::Anchor;

impl Model {
    /// Whoever compresses does so to what nobody writes to any more, and what has one name: gzip
    /// refuses others.
    pub(super) fn compress(
        &mut self,
        which: usize,
        (packer, aside): (Packer, bool),
        half: &[Step],
        both: &[Step],
    ) {
        if self.cell < Anchor::WINDOW || is_weak(&self.kept()) {
            return;
        }
        let mut plain = self.files.rotated();
        plain.retain(|name| !is_packed(name));
        let has_one = |at: usize| self.files.inodes[at].names.len() == 1;
        plain.retain(|name| self.files.named(name).is_some_and(has_one));
        // Nor can it be told from a new one if it came back and was not seen since.
        let is_back = |at: usize| self.files.inodes[at].is_back;
        plain.retain(|name| !self.files.named(name).is_some_and(is_back));
        let Some(from) = plain.get(which % plain.len().max(1)).cloned() else { return };
        self.files.leave(&from);
        // What is called otherwise than the others has nothing but times to go by.
        let packer = if self.files.named(LINKED).is_some() { Packer::Gzip } else { packer };
        let to = from.clone() + packer.ending();
        let begun = if aside { to.clone() + ".tmp" } else { to.clone() };
        let bytes = pack(packer, &fs::read(self.files.path(&from)).unwrap());
        let (first, rest) = bytes.split_at(bytes.len() / 2);
        fs::write(self.files.path(&begun), first).unwrap();
        half.iter().for_each(|step| self.step(step));
        self.files.finish(packer, (&from, &begun, &to), rest);
        both.iter().for_each(|step| self.step(step));
        self.delete(&from);
    }
}

fn is_packed(name: &str) -> bool {
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}

impl Files {
    pub(super) fn has_packed(&self) -> bool {
        let mut names = self.inodes.iter().flat_map(|inode| &inode.names);
        names.any(|name| is_packed(name))
    }

    /// Whoever writes to `name` goes on elsewhere.
    fn leave(&mut self, name: &str) {
        let is_it = |at: usize| self.inodes[at].is(name);
        if self.writer.as_ref().is_some_and(|(at, _)| is_it(*at)) {
            self.reopen();
        }
    }

    fn finish(&mut self, packer: Packer, (from, begun, to): (&str, &str, &str), rest: &[u8]) {
        let mut file = OpenOptions::new().append(true).open(self.path(begun)).unwrap();
        file.write_all(rest).unwrap();
        match packer.time(self.path(from).metadata().unwrap().modified().unwrap()) {
            Some(modified) => file.set_modified(modified).unwrap(),
            None => touch(&file),
        }
        if begun != to {
            fs::rename(self.path(begun), self.path(to)).unwrap();
        }
        let Some(at) = self.named(from) else { return };
        let (cells, unfinished) = (self.inodes[at].cells.clone(), self.inodes[at].unfinished);
        let (names, packed_ms) = (vec![to.to_owned()], clock::wall_ms());
        // Looks from now on begin later.
        while clock::wall_ms() <= packed_ms {}
        let (packed_ms, is_vague) = (Some(packed_ms), packer != Packer::Gzip);
        self.inodes.push(Inode {
            cells,
            unfinished,
            names,
            packed_ms,
            is_vague,
            ..Inode::default()
        });
    }

    /// Time passes for us, not for files: what was compressed before all was last looked at is to
    /// look like it.
    pub(super) fn age(&mut self, looked_ms: u64) {
        let long_ago = clock::wall() - Duration::from_hours(1);
        for inode in &mut self.inodes {
            if inode.packed_ms.is_some_and(|packed_ms| packed_ms < looked_ms)
                && let Some(name) = inode.names.first()
            {
                let file = OpenOptions::new().write(true).open(self.dir.join(name)).unwrap();
                file.set_modified(long_ago).unwrap();
                inode.packed_ms = None;
            }
        }
    }
}

//! The files as they are on disk, and what is done to them.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::super::packer::ENDINGS;
use super::action::{Manner, Names};
use crate::clock;
use crate::record::Identity;
use crate::tail::identity;

pub(super) const LIVE: &str = "app.log";
/// A name that extends the live one, but is no rotation's.
pub(super) const LINKED: &str = "app.log.link";
const AWAY: &str = "elsewhere";
const KEPT_MAX: usize = 3;

/// One file, whatever its names.
#[derive(Debug, Default)]
pub(super) struct Inode {
    pub(super) cells: Vec<u32>,
    /// The last line has no end yet: how many of the cells are of it.
    pub(super) unfinished: usize,
    pub(super) names: Vec<String>,
    /// It was looked at since the daemon started, so that it was opened.
    pub(super) held: bool,
    /// So many cells were there when it was last certain that nobody let go of it.
    pub(super) sealed: Option<usize>,
    /// So many cells were there when it was last looked at by this run.
    pub(super) seen: usize,
    /// It was out of reach, and was not looked at since it got its name back.
    pub(super) is_back: bool,
    /// It is compressed, and was made then, in wall milliseconds.
    pub(super) packed_ms: Option<u64>,
    /// Its time does not say when its original was last written to.
    pub(super) is_vague: bool,
}

impl Inode {
    pub(super) fn is(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    /// It has a name that may be of the lineage.
    pub(super) fn is_within_reach(&self) -> bool {
        self.names.iter().any(|name| name.starts_with(LIVE))
    }
}

pub(super) struct Files {
    pub(super) dir: PathBuf,
    manner: Manner,
    pub(super) inodes: Vec<Inode>,
    pub(super) writer: Option<(usize, File)>,
    next_cell: u32,
    next_date: u32,
    pub(super) written: usize,
    /// Cells that were seen and are not in their file any more.
    pub(super) destroyed: Vec<u32>,
}

impl Files {
    pub(super) fn new(dir: &Path, manner: Manner) -> Self {
        Self {
            dir: dir.to_owned(),
            manner,
            inodes: Vec::new(),
            writer: None,
            next_cell: 0,
            next_date: 20_260_101,
            written: 0,
            destroyed: Vec::new(),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(super) fn named(&self, name: &str) -> Option<usize> {
        self.inodes.iter().position(|inode| inode.is(name))
    }

    pub(super) fn live(&self) -> Option<usize> {
        self.named(LIVE)
    }

    pub(super) fn reopen(&mut self) {
        let file = OpenOptions::new().append(true).create(true).open(self.path(LIVE)).unwrap();
        let at = self.live().unwrap_or_else(|| {
            self.inodes.push(Inode { names: vec![LIVE.to_owned()], ..Inode::default() });
            touch(&file);
            self.inodes.len() - 1
        });
        self.writer = Some((at, file));
    }

    pub(super) fn write(&mut self, cells: usize, ended: bool) {
        if self.writer.is_none() {
            self.reopen();
        }
        let (at, file) = self.writer.as_mut().unwrap();
        let inode = &mut self.inodes[*at];
        let mut text = String::new();
        if file.metadata().unwrap().len() == 0 && self.manner.header > 0 {
            text = format!("#{}\n", "=".repeat(self.manner.header));
        }
        for _ in 0..cells {
            text.push_str(&cell(self.next_cell, self.manner.cell));
            inode.cells.push(self.next_cell);
            self.next_cell += 1;
        }
        inode.unfinished = if ended { 0 } else { inode.unfinished + cells };
        if ended {
            text.push('\n');
        }
        self.written += text.len();
        file.write_all(text.as_bytes()).unwrap();
        touch(file);
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
        for inode in &mut self.inodes {
            inode.names.retain(|name| name != to);
            if let Some(name) = inode.names.iter_mut().find(|name| *name == from) {
                to.clone_into(name);
            }
        }
    }

    /// Makes `app.log.1`, or the next date, free.
    fn shift(&mut self) -> String {
        if self.manner.names == Names::Dated {
            self.next_date += 1;
            return format!("{LIVE}-{}", self.next_date);
        }
        for number in (1..=KEPT_MAX).rev() {
            for ending in [""].into_iter().chain(ENDINGS) {
                let from = format!("{LIVE}.{number}{ending}");
                if self.named(&from).is_none() {
                } else if number == KEPT_MAX {
                    self.delete(&from);
                } else {
                    self.rename(&from, &format!("{LIVE}.{}{ending}", number + 1));
                }
            }
        }
        format!("{LIVE}.1")
    }

    pub(super) fn rotate(&mut self, create: bool) {
        if self.live().is_none() {
            return;
        }
        let to = self.shift();
        self.rename(LIVE, &to);
        if create {
            self.reopen();
        }
    }

    /// The first half of the live file under the name that a rotated one gets.
    pub(super) fn copy_half(&mut self) -> Option<String> {
        self.live()?;
        let to = self.shift();
        let text = fs::read(self.path(LIVE)).unwrap();
        fs::write(self.path(&to), &text[..text.len() / 2]).unwrap();
        Some(to)
    }

    pub(super) fn copy_rest(&mut self, to: &str) {
        let Some(at) = self.live() else { return };
        let text = fs::read(self.path(LIVE)).unwrap();
        let mut file = OpenOptions::new().append(true).create(true).open(self.path(to)).unwrap();
        let there = file.metadata().unwrap().len();
        file.write_all(&text[usize::try_from(there).unwrap()..]).unwrap();
        let (cells, unfinished) = (self.inodes[at].cells.clone(), self.inodes[at].unfinished);
        let names = vec![to.to_owned()];
        self.inodes.push(Inode { cells, unfinished, names, ..Inode::default() });
    }

    pub(super) fn truncate(&mut self) {
        let Some(at) = self.live() else { return };
        OpenOptions::new().write(true).open(self.path(LIVE)).unwrap().set_len(0).unwrap();
        let inode = &mut self.inodes[at];
        if inode.held {
            self.destroyed.extend(&inode.cells[..inode.seen]);
        }
        inode.cells.clear();
        (inode.unfinished, inode.seen) = (0, 0);
    }

    pub(super) fn size_of_live(&self) -> usize {
        self.live().map_or(0, |at| self.inodes[at].cells.len())
    }

    pub(super) fn delete(&mut self, name: &str) {
        let Some(at) = self.named(name) else { return };
        fs::remove_file(self.path(name)).unwrap();
        self.inodes[at].names.retain(|known| known != name);
    }

    pub(super) fn identity(&self, name: &str) -> Option<Identity> {
        self.path(name).metadata().ok().map(|meta| identity::of(&meta))
    }

    /// Whether a file is where it may be found.
    pub(super) fn has(&self, identity: &Identity) -> bool {
        let names = self.inodes.iter().flat_map(|inode| &inode.names);
        names
            .filter(|name| name.starts_with(LIVE))
            .any(|name| identity::of(&self.path(name).metadata().unwrap()).is_same_file(identity))
    }

    pub(super) fn oldest(&self) -> Option<String> {
        self.rotated().into_iter().next()
    }

    /// Names of rotated files, the oldest first.
    pub(super) fn rotated(&self) -> Vec<String> {
        let names = self.inodes.iter().flat_map(|inode| &inode.names);
        let is_rotated =
            |name: &&String| name.starts_with(LIVE) && **name != LIVE && **name != LINKED;
        let mut names: Vec<String> = names.filter(is_rotated).cloned().collect();
        names.sort();
        if self.manner.names == Names::Numbered {
            names.reverse();
        }
        names
    }

    /// Not beside what has lost its time: a name that says nothing about the order leaves nothing
    /// else to go by.
    pub(super) fn link(&mut self) {
        let is_vague = |inode: &Inode| inode.is_vague && inode.is_within_reach();
        let Some(at) = self.live().filter(|_| !self.inodes.iter().any(is_vague)) else { return };
        self.delete(LINKED);
        fs::hard_link(self.path(LIVE), self.path(LINKED)).unwrap();
        self.inodes[at].names.push(LINKED.to_owned());
    }

    pub(super) fn rename_away(&mut self) {
        if self.live().is_some() {
            self.delete(AWAY);
            self.rename(LIVE, AWAY);
        }
    }

    /// Only while it is the one that is written to, and nothing came after it: the order of what
    /// is written to both would be anybody's guess.
    pub(super) fn rename_back(&mut self) -> Option<usize> {
        let at = self.named(AWAY).filter(|_| self.live().is_none())?;
        let is_latest = self.inodes[at].cells.last().is_some_and(|it| it + 1 == self.next_cell);
        if !is_latest || self.writer.as_ref().is_none_or(|(writes_to, _)| *writes_to != at) {
            return None;
        }
        self.rename(AWAY, LIVE);
        Some(at)
    }
}

/// The clock of a file system may stand still for longer than a walk takes.
pub(super) fn touch(file: &File) {
    file.set_modified(clock::wall()).unwrap();
}

/// A cell of so many bytes that says its number.
fn cell(number: u32, size: usize) -> String {
    let text = format!("{number:06}").repeat(size / 6 + 1);
    format!("[{}]", &text[..size - 2])
}

/// The cells of a line that came out; none in a header.
pub(super) fn cells(text: &str, size: usize) -> impl Iterator<Item = u32> {
    let text = if text.starts_with('#') { "" } else { text };
    assert_eq!(text.len() % size, 0, "{text:?} is torn");
    text.as_bytes().chunks(size).map(move |bytes| {
        let number = str::from_utf8(&bytes[1..7]).unwrap().parse().unwrap();
        assert_eq!(bytes, cell(number, size).as_bytes(), "it is torn");
        number
    })
}

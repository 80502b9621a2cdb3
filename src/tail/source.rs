//! One file being read: who it is, where reading stands, and whether it still is what was read.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use super::candidate::Candidate;
use super::content::Content;
use super::event::Acknowledged;
use super::identity;
use super::opened::Open;
use super::rare::Rare;
use super::seldom::Seldom;
use super::whereabouts::Whereabouts;
use crate::clock;
use crate::process::Assembly;
use crate::record::{Ahead, Anchor, Identity, Label, Mark, Offset, SourceId};

/// A file that rested this long may have been truncated and written again meanwhile.
const RESTED: Duration = Duration::from_millis(100);
/// So many of the last places are remembered, to recognise copies that are shorter than what
/// was read.
const TRAIL_MAX: usize = 16;

/// Where the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    /// Under the source's path.
    Named,
    /// Under no name that we know: deleted, out of reach, or not looked for yet.
    Nameless,
    /// Not where it was, and closed: it is looked for once more.
    Missing,
    /// Nowhere: the file was truncated and holds something else now.
    Taken,
}

/// What its path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    /// The lineage's, or one to which it was rotated away.
    Own,
    /// Not the lineage's, but matched by itself: nothing rotated it away.
    Matched,
}

#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, learned and forgotten by itself"
)]
pub(super) struct Source {
    pub(super) id: SourceId,
    pub(super) label: Arc<Label>,
    pub(super) identity: Identity,
    pub(super) path: Whereabouts,
    pub(super) file: Option<Box<Open>>,
    /// Everything before it has been read: it is in a block, or waits in the assembly.
    pub(super) at: Mark,
    /// [`Source::resume`], if that is not `at`.
    pub(super) resume: Option<Box<Mark>>,
    /// What becomes of lines, and what of them is not whole; nothing if they are records as they
    /// are.
    pub(super) assembly: Option<Box<Assembly>>,
    /// What was not whole has been forgotten.
    pub(super) is_rewound: bool,
    /// There is no newline between `at` and here.
    pub(super) searched: u64,
    /// How often its reads are halved, as long as it has lines that are cut.
    pub(super) halvings: u8,
    /// The size when last looked at.
    pub(super) size: u64,
    pub(super) modified: (i64, i64),
    /// Something may have happened to it since it was last found to be what was read of it.
    pub(super) is_stirred: bool,
    /// The most that it was known to hold.
    pub(super) held: u64,
    /// Places where blocks ended before `at`, or the whole file for a while.
    pub(super) trail: Rare<Mark>,
    pub(super) home: Home,
    pub(super) name: Name,
    /// No name at all leads to it any more.
    is_unlinked: bool,
    /// It was announced.
    pub(super) is_told: bool,
    /// Its number was given in this run: those of earlier ones are saved.
    pub(super) is_new: bool,
    /// When it last grew or changed its name.
    pub(super) changed_at: Instant,
    pub(super) acknowledged: Option<Arc<Acknowledged>>,
    pub(super) seldom: Seldom,
}

impl Source {
    pub(super) fn new(
        id: SourceId,
        identity: Identity,
        path: Whereabouts,
        at: Mark,
        label: Arc<Label>,
    ) -> Self {
        Self {
            id,
            label,
            identity,
            path,
            file: None,
            at: Mark::new(at.offset, at.anchor),
            resume: (at.ahead != Ahead::NONE).then(|| Box::new(at)),
            assembly: None,
            is_rewound: false,
            searched: at.offset.0,
            halvings: 0,
            size: at.offset.0,
            modified: (0, 0),
            is_stirred: true,
            held: at.offset.0,
            trail: Rare::default(),
            home: Home::Nameless,
            name: Name::Own,
            is_unlinked: false,
            is_told: false,
            is_new: false,
            changed_at: clock::now(),
            acknowledged: None,
            seldom: Seldom::default(),
        }
    }

    /// It has a name that is not `live`.
    pub(super) fn is_rotated_from(&self, live: &Path) -> bool {
        self.home == Home::Named && *self.path != *live && !self.has_matched_name()
    }

    /// Bytes of it that are in no block yet, a hole left aside.
    pub(super) fn unread(&self) -> u64 {
        self.size.saturating_sub(self.text_start())
    }

    /// Whether there is something that was not looked at yet.
    pub(super) fn has_news(&self) -> bool {
        self.size > self.searched || self.is_stirred
    }

    /// The beginning of a line whose end has not been written, or of what takes several lines.
    pub(super) fn is_waiting(&self) -> bool {
        self.has_partial() || !self.has_news() && self.is_pending()
    }

    /// It is open, and all there is of it was read.
    pub(super) fn is_at_rest(&self) -> bool {
        self.file.is_some() && self.unread() == 0 && !self.has_news()
    }

    /// It is closed where it belongs, and waits for nothing.
    pub(super) fn is_asleep(&self) -> bool {
        let is_done = self.unread() == 0 && !self.has_news() && !self.is_pending();
        let is_fine = self.home == Home::Named && self.seldom.failing.is_none();
        self.file.is_none() && is_done && is_fine
    }

    /// Closes it, if its path leads to it: then it can be opened again.
    pub(super) fn close(&mut self) -> bool {
        let may_close = !self.is_unlinked && self.home == Home::Named && !self.is_unfinished();
        let closes = may_close && self.is_at_path() == Some(true);
        if closes {
            self.file = None;
        }
        closes
    }

    /// The beginning of a line whose end has not been written.
    pub(super) fn has_partial(&self) -> bool {
        self.unread() > 0 && !self.has_news()
    }

    /// Nothing was ever seen in it.
    pub(super) fn is_blank(&self) -> bool {
        self.at == Mark::START && self.identity.head_len == 0
    }

    /// No file of ours holds what is unread of it, as far as we know.
    pub(super) fn is_homeless(&self) -> bool {
        match self.home {
            Home::Named => false,
            Home::Nameless => self.file.is_none(),
            Home::Missing | Home::Taken => true,
        }
    }

    pub(super) fn is_unlinked(&self) -> bool {
        self.is_unlinked
    }

    /// How long nothing has happened to it.
    pub(super) fn rest(&self) -> Duration {
        clock::since(self.changed_at)
    }

    /// Takes note of how the file looks.
    pub(super) fn saw(&mut self, meta: &Metadata) {
        if self.is_packed() {
            return self.saw_packed(meta);
        }
        let (size, modified) = (meta.len(), (meta.mtime(), meta.mtime_nsec()));
        if (size, modified) == (self.size, self.modified) {
            return;
        }
        if size < self.size {
            self.held = self.held.max(self.size);
            self.keep_held_hole(self.seldom.hole.len());
        }
        if size <= self.size {
            // What was searched may have been written over: in a file that was truncated, or
            // made as long as it is before it was written.
            self.search_again();
        }
        (self.size, self.modified) = (size, modified);
        self.is_stirred = true;
        self.changed_at = clock::now();
    }

    /// It was found at `path`. Returns whether that is news to those who ship.
    pub(super) fn found(&mut self, path: PathBuf, meta: &Metadata) -> bool {
        self.saw(meta);
        self.home = Home::Named;
        if *self.path == *path {
            return !self.is_told;
        }
        self.path.set(path);
        self.name = Name::Own;
        self.changed_at = clock::now();
        self.worked();
        true
    }

    /// Looks at the open file again. A closed one keeps what was last seen.
    pub(super) fn refresh(&mut self) {
        if let Some(meta) = self.file.as_ref().and_then(|file| file.metadata().ok()) {
            self.met(&meta);
        }
    }

    fn met(&mut self, meta: &Metadata) {
        if meta.nlink() == 0 && !self.is_unlinked {
            self.is_unlinked = true;
            self.changed_at = clock::now();
        }
        self.saw(meta);
    }

    pub(super) fn has_matched_name(&self) -> bool {
        self.name == Name::Matched
    }

    /// Whether a file that was met is what it reads.
    pub(super) fn is_it(&self, met: &Identity) -> bool {
        self.home != Home::Taken && self.identity.is_same_file(met)
    }

    /// Whether its path leads to it. Unknown if the path cannot be looked at.
    pub(super) fn is_at_path(&self) -> Option<bool> {
        match std::fs::symlink_metadata(&*self.path) {
            Ok(meta) => Some(identity::of(&meta).is_same_file(&self.identity)),
            Err(error) if is_absence(&error) => Some(false),
            Err(_) => None,
        }
    }

    /// Opens it, if it is not open; an error if what is there now is another file.
    pub(super) fn open(&mut self) -> io::Result<()> {
        if self.file.is_some() {
            return Ok(());
        }
        let (file, meta) = Content::open(&self.path)?;
        if !identity::of(&meta).is_same_file(&self.identity) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "another file has its name now"));
        }
        // What may have happened while it was closed is found before the next read.
        self.file = Some(Open::new(file).into());
        self.is_stirred = true;
        self.met(&meta);
        Ok(())
    }

    /// Opens it, and looks closely whether it still is what was read of it.
    pub(super) fn verify(&mut self) -> io::Result<bool> {
        self.open()?;
        self.doubt();
        let is_intact = self.is_intact()?;
        if is_intact && self.is_blank() && self.grow_head()? {
            // Those who ship want to know it better.
            self.is_told = false;
        }
        Ok(is_intact)
    }

    /// What stands before our place is no proof after a rest, nor when there is little of it.
    fn is_doubtful(&self) -> bool {
        self.at.offset.0 < Anchor::WINDOW as u64
            || self.read_at().is_none_or(|read_at| clock::since(read_at) >= RESTED)
    }

    /// What stands before our place, and in doubt its head and what was seen of it but not read.
    fn still_holds(&self, file: &Content) -> io::Result<bool> {
        if !self.is_doubtful() {
            return identity::holds(file, self.at);
        }
        let is_ahead = |mark: &&Mark| mark.offset > self.at.offset && mark.offset.0 <= self.size;
        let ahead = self.trail.iter().rev().find(is_ahead).copied();
        identity::holds_all(file, &self.identity, ahead.into_iter().chain([self.at]))
    }

    /// Its file is taken for another that nothing is known of.
    pub(super) fn renounce(&mut self) {
        self.home = Home::Taken;
        self.held = 0;
    }

    /// Whether the open file still is what was read of it, as far as it can be told: what stands
    /// before our place is compared every time, the head after a rest.
    pub(super) fn is_intact(&mut self) -> io::Result<bool> {
        let Some(file) = &self.file else { return Ok(true) };
        if file.packed().is_some() {
            return self.is_intact_packed();
        }
        // Of what nothing was read of, and is shorter than it was, nothing could tell otherwise.
        let is_cut = self.at == Mark::START && self.size < self.held;
        let is_intact = !is_cut && self.size >= self.at.offset.0 && self.still_holds(file)?;
        if is_intact {
            self.is_stirred = false;
            self.seldom.lose(self.held.saturating_sub(self.size));
            self.held = self.size;
            self.keep_held_hole(0);
            self.trail.retain(|mark| mark.offset.0 <= self.size);
            self.remember_end()?;
        }
        Ok(is_intact)
    }

    /// Goes on in another file with the same content: the copy that a truncation left behind.
    pub(super) fn move_to(&mut self, copy: Candidate) -> io::Result<()> {
        let (head_len, head_hash) = identity::head(&copy.file, Identity::HEAD_MAX)?;
        if copy.file.packed().is_none() {
            let len = copy.meta.len();
            self.seldom.lose(self.held.saturating_sub(len.max(self.at.offset.0)));
            self.held = len;
            self.trail.retain(|mark| mark.offset.0 <= len);
        }
        self.identity = Identity { head_len, head_hash, ..copy.identity };
        self.search_again();
        self.size = self.at.offset.0;
        self.file = Some(Open::new(copy.file).into());
        self.is_unlinked = false;
        self.worked();
        self.found(copy.path, &copy.meta);
        Ok(())
    }

    /// Whether `candidate` was copied from this source's file as it was before it was lost.
    pub(super) fn was(&self, candidate: &Candidate) -> io::Result<Likeness> {
        let (known, size, file) = (&self.identity, candidate.meta.len(), &candidate.file);
        let has_head = known.head_len > 0 && size >= u64::from(known.head_len);
        if has_head && !identity::begins_alike(file, known)? {
            return Ok(Likeness::None);
        }
        let is_whole = size >= self.at.offset.0;
        let at = Some(self.at).filter(|at| is_whole && *at != Mark::START);
        let passed = self.trail.iter().rev().find(|mark| mark.offset.0 <= size).copied();
        for mark in at.into_iter().chain(passed) {
            if !identity::holds(file, mark)? {
                return Ok(Likeness::None);
            }
        }
        Ok(match is_whole {
            _ if !has_head && at.is_none() && passed.is_none() => Likeness::None,
            true => Likeness::Whole,
            false => Likeness::Shorter,
        })
    }

    /// Lets the head grow with the file; true if it did.
    pub(super) fn grow_head(&mut self) -> io::Result<bool> {
        let Some(file) = &self.file else { return Ok(false) };
        let known = u64::from(self.identity.head_len);
        if known >= u64::from(Identity::HEAD_MAX) || self.size <= known {
            return Ok(false);
        }
        let reach = match file.packed() {
            // To ask for more is to be told where it ends.
            None => u32::try_from(self.size).unwrap_or(u32::MAX).min(Identity::HEAD_MAX),
            Some(_) => Identity::HEAD_MAX,
        };
        let (len, hash) = identity::head(file, reach)?;
        let grown = len > self.identity.head_len;
        (self.identity.head_len, self.identity.head_hash) = (len, hash);
        Ok(grown)
    }

    /// Everything before `end` is in a block now.
    pub(super) fn advance(&mut self, end: Mark) {
        let before = std::mem::replace(&mut self.at, end);
        if before != end {
            self.remember(before);
            self.trail.retain(|mark| *mark != end);
        }
        if self.assembly.is_none() {
            self.resume = None;
        } else {
            self.resume.get_or_insert_with(|| Box::new(before));
        }
        self.search_again();
    }

    /// What was copied of it by now ends here.
    fn remember_end(&mut self) -> io::Result<()> {
        let offset = Offset(self.size);
        if offset > Offset::START
            && offset != self.at.offset
            && let Some(file) = &self.file
            && self.trail.iter().all(|mark| mark.offset != offset)
            && let Some(anchor) = identity::anchor_at_end(file, offset)?
        {
            self.remember(Mark::new(offset, anchor));
        }
        Ok(())
    }

    fn remember(&mut self, mark: Mark) {
        if mark == Mark::START {
            return;
        }
        if self.trail.len() == TRAIL_MAX {
            self.trail.shift();
        }
        self.trail.push(mark);
    }

    /// What went unread since this was last asked.
    pub(super) fn take_lost(&mut self) -> u64 {
        if self.seldom.lost == 0 { 0 } else { std::mem::take(&mut self.seldom.note().lost) }
    }

    /// All that is unread is lost.
    pub(super) fn give_up(&mut self) {
        let held = self.held.max(if self.home == Home::Taken { 0 } else { self.size });
        let hole = self.seldom.held_hole.max(self.seldom.hole.len());
        self.seldom.lose(held.saturating_sub(self.at.offset.0 + hole));
    }

    fn keep_held_hole(&mut self, bytes: u64) {
        if self.seldom.held_hole != bytes {
            self.seldom.note().held_hole = bytes;
        }
    }
}

/// What a file has in common with one that is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likeness {
    None,
    /// It was copied before we had read as far as we have.
    Shorter,
    /// It holds all that was read, and perhaps more.
    Whole,
}

/// Whether an error says that there is nothing of that name.
pub fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Opens a log file for reading: never waits for a FIFO, never becomes our terminal, and is not
/// led elsewhere by a symbolic link.
pub(super) fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok((file, meta))
}

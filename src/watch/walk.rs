//! One walk of all globs of all inputs: the truth about which files there are. Each directory is
//! watched before it is listed, so that what appears in between is told or seen, or both.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::mem;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, OFlags, RawDir};
use rustix::io::Errno;

use super::found::{Found, Scan, ScanError, ScanProblem};
use super::known::{Known, LiveIn};
use super::link::{Refused, Trust};
use super::listing::{self, LISTING_BYTES, open_dir, vanished};
use super::notes::Target;
use super::pattern::{At, Crossing, Patterns};
use super::seat::Seats;
use super::sibling;

/// Deeper than any sane tree of trusted links; bounds what links to directories full of links
/// could make of a `**`.
const CROSSED_MAX: usize = 8;
/// Of one scan; who has more has one cause for them.
const PROBLEMS_MAX: usize = 1000;

struct Frame {
    /// As the globs reach it.
    dir: PathBuf,
    /// Without links, if that is another path.
    real: Option<PathBuf>,
    states: Vec<At>,
    /// The directories whose links led here.
    crossed: Vec<PathBuf>,
}

impl Frame {
    fn real(&self) -> &Path {
        self.real.as_deref().unwrap_or(&self.dir)
    }

    /// Would going on to `target` lead in a circle?
    fn circles(&self, target: &Path) -> bool {
        let mut on_the_way = self.crossed.iter().map(PathBuf::as_path).chain([self.real()]);
        self.crossed.len() >= CROSSED_MAX || on_the_way.any(|dir| dir.starts_with(target))
    }
}

struct Named {
    input: usize,
    name: OsString,
    target: Option<PathBuf>,
}

/// The files of one directory that matter.
#[derive(Default)]
struct Files {
    matched: Vec<Named>,
    /// Not matched, but perhaps rotated away from one that is.
    others: Vec<(usize, OsString)>,
}

pub(super) struct Walk<'a> {
    pub(super) patterns: &'a Patterns,
    pub(super) trust: &'a Trust,
    pub(super) seats: &'a mut Seats,
    pub(super) known: &'a mut Known,
    pub(super) scan: Scan,
    todo: Vec<Frame>,
    /// Live names that are links, and the files they lead to.
    links: Vec<(usize, PathBuf, PathBuf)>,
    taken: Vec<usize>,
    rotated: Vec<usize>,
    listing: Vec<u8>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        patterns: &'a Patterns,
        trust: &'a Trust,
        seats: &'a mut Seats,
        known: &'a mut Known,
    ) -> Self {
        let root =
            Frame { dir: "/".into(), real: None, states: patterns.start(), crossed: Vec::new() };
        Self {
            patterns,
            trust,
            seats,
            known,
            scan: Scan::default(),
            todo: vec![root],
            links: Vec::new(),
            taken: Vec::new(),
            rotated: Vec::new(),
            listing: Vec::with_capacity(LISTING_BYTES),
        }
    }

    pub(super) fn run(mut self) -> Scan {
        while let Some(frame) = self.todo.pop() {
            if let Err(error) = self.visit(&frame)
                && !vanished(&error)
            {
                self.blame_walkers(&frame, &error);
            }
        }
        for (input, link, target) in mem::take(&mut self.links) {
            // The link itself was found; what is beside its target is a bonus.
            if let Err(error) = self.visit_target(input, &link, &target) {
                tracing::debug!(link = %link.display(), %error, "beside the link's target");
            }
        }
        self.scan
    }

    fn visit(&mut self, frame: &Frame) -> io::Result<()> {
        let patterns = self.patterns;
        let wants = patterns.wants(&frame.states);
        let access = if wants.list { OFlags::RDONLY } else { OFlags::PATH };
        let fd = open_dir(frame.real(), access)?;
        if wants.list || wants.files {
            self.occupy(frame, &fd)?;
        }
        let mut files = Files::default();
        if wants.list {
            self.list(frame, &fd, &mut files)?;
        } else {
            self.probe(frame, &fd, wants.names, wants.files, &mut files)?;
        }
        self.settle(frame, files);
        Ok(())
    }

    fn occupy(&mut self, frame: &Frame, fd: &OwnedFd) -> io::Result<()> {
        let inputs = self.patterns.walkers(&frame.states);
        self.seats.occupy(fd, frame.real(), &frame.dir, &frame.states, inputs)
    }

    fn list(&mut self, frame: &Frame, fd: &OwnedFd, files: &mut Files) -> io::Result<()> {
        // Lent out, because an entry may need all the rest of the walk.
        let mut listing = mem::take(&mut self.listing);
        let mut entries = RawDir::new(fd, listing.spare_capacity_mut());
        let mut outcome = Ok(());
        while let Some(entry) = entries.next() {
            match entry {
                Ok(entry) => {
                    let name = OsStr::from_bytes(entry.file_name().to_bytes());
                    if name != "." && name != ".." {
                        self.entry(frame, fd, name, entry.file_type(), files);
                    }
                }
                Err(error) => {
                    outcome = Err(error.into());
                    break;
                }
            }
        }
        self.listing = listing;
        outcome
    }

    /// Asks for names instead of listing. Where one is missing, the directory is watched until it
    /// appears.
    fn probe(
        &mut self,
        frame: &Frame,
        fd: &OwnedFd,
        mut names: Vec<&OsStr>,
        mut watched: bool,
        files: &mut Files,
    ) -> io::Result<()> {
        loop {
            let mut refused = None;
            names.retain(|name| match rustix::fs::statat(fd, *name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(found) => {
                    let kind = FileType::from_raw_mode(found.st_mode);
                    // A link may be switched, and a file may give way: wait there, too.
                    let settled = watched || kind == FileType::Directory;
                    if settled {
                        self.entry(frame, fd, name, kind, files);
                    }
                    !settled
                }
                Err(error) => {
                    refused = Some(error).filter(|error| *error != Errno::NOENT);
                    true
                }
            });
            if names.is_empty() || watched {
                return refused.map_or(Ok(()), |error| Err(error.into()));
            }
            self.occupy(frame, fd)?;
            watched = true;
        }
    }

    fn entry(
        &mut self,
        frame: &Frame,
        fd: &OwnedFd,
        name: &OsStr,
        kind: FileType,
        files: &mut Files,
    ) {
        match kind {
            FileType::RegularFile => self.file(frame, name, files),
            FileType::Directory => {
                let states = self.patterns.descend(&frame.states, name);
                if !states.is_empty() {
                    let real = frame.real.as_ref().map(|real| real.join(name));
                    let crossed = frame.crossed.clone();
                    self.todo.push(Frame { dir: frame.dir.join(name), real, states, crossed });
                }
            }
            FileType::Symlink => {
                self.link_to_file(frame, name, files);
                self.link_to_dir(frame, name);
            }
            FileType::Unknown => {
                // A file system that does not say in its listings.
                let kind = rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW)
                    .map(|stat| FileType::from_raw_mode(stat.st_mode));
                if let Ok(kind) = kind
                    && kind != FileType::Unknown
                {
                    self.entry(frame, fd, name, kind, files);
                }
            }
            FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice => {
                self.patterns.takes(&frame.states, name, &mut self.taken);
                for input in mem::take(&mut self.taken) {
                    self.blame(input, &frame.dir.join(name), ScanError::NotRegular);
                }
            }
        }
    }

    fn file(&mut self, frame: &Frame, name: &OsStr, files: &mut Files) {
        self.patterns.takes(&frame.states, name, &mut self.taken);
        for input in &self.taken {
            files.matched.push(Named { input: *input, name: name.to_owned(), target: None });
        }
        self.patterns.takes_rotated(&frame.states, name, &self.taken, &mut self.rotated);
        for input in &self.rotated {
            files.others.push((*input, name.to_owned()));
        }
    }

    fn link_to_file(&mut self, frame: &Frame, name: &OsStr, files: &mut Files) {
        self.patterns.takes(&frame.states, name, &mut self.taken);
        for input in mem::take(&mut self.taken) {
            let location = frame.real().join(name);
            match self.trust.resolve(input, &location) {
                Ok(target) => match fs::symlink_metadata(&target) {
                    Ok(found) if found.is_file() => {
                        files.matched.push(Named {
                            input,
                            name: name.to_owned(),
                            target: Some(target),
                        });
                    }
                    Ok(found) if !found.is_dir() => {
                        self.blame(input, &frame.dir.join(name), ScanError::NotRegular);
                    }
                    Ok(_) | Err(_) => {}
                },
                Err(Refused::Untrusted(link)) => {
                    if fs::metadata(&location).is_ok_and(|found| found.is_file()) {
                        self.blame(input, &frame.dir.join(name), ScanError::Untrusted(link));
                    }
                }
                Err(Refused::Broken(error)) if error.kind() == io::ErrorKind::NotFound => {
                    self.keep_watching(input, frame, name);
                }
                Err(Refused::Broken(error)) => {
                    self.blame(input, &frame.dir.join(name), error.into());
                }
            }
        }
    }

    /// A link that leads nowhere at the moment: its target may have been renamed just now.
    fn keep_watching(&mut self, input: usize, frame: &Frame, name: &OsStr) {
        if let Some(target) = self.known.target(input, &frame.dir, name) {
            self.links.push((input, frame.dir.join(name), target.to_path_buf()));
        }
    }

    fn link_to_dir(&mut self, frame: &Frame, name: &OsStr) {
        let mut target = None;
        let mut states = frame.states.clone();
        states.retain(|at| match self.patterns.crossing(*at, name) {
            Crossing::Along => true,
            Crossing::Never => false,
            crossing @ (Crossing::Free | Crossing::Asked(_) | Crossing::Unasked(_)) => {
                self.cross(frame, name, crossing).is_some_and(|real| {
                    // Should it be switched meanwhile, the first answer is taken for all.
                    *target.get_or_insert_with(|| real.clone()) == real
                })
            }
        });
        let states = self.patterns.descend(&states, name);
        if let Some(target) = target
            && !states.is_empty()
        {
            let mut crossed = frame.crossed.clone();
            crossed.push(frame.real().to_path_buf());
            let (dir, real) = (frame.dir.join(name), Some(target));
            self.todo.push(Frame { dir, real, states, crossed });
        }
    }

    /// The directory that the link `name` leads to, if it may be entered.
    fn cross(&mut self, frame: &Frame, name: &OsStr, crossing: Crossing) -> Option<PathBuf> {
        let location = frame.real().join(name);
        let (input, asked) = match crossing {
            Crossing::Free => return fs::canonicalize(location).ok().filter(|real| real.is_dir()),
            Crossing::Along | Crossing::Never => return None,
            Crossing::Asked(input) => (input, true),
            Crossing::Unasked(input) => (input, false),
        };
        match self.trust.resolve(input, &location) {
            Ok(real) => Some(real).filter(|real| real.is_dir() && !frame.circles(real)),
            Err(Refused::Untrusted(link)) => {
                if asked && location.is_dir() {
                    self.blame(input, &frame.dir.join(name), ScanError::Untrusted(link));
                }
                None
            }
            Err(Refused::Broken(_)) => None,
        }
    }

    /// Tells live names from those rotated away from them, in one directory.
    fn settle(&mut self, frame: &Frame, files: Files) {
        let doubts = |named: &Named| self.patterns.rule(named.input).doubts(&named.name);
        let (mut doubtful, live): (Vec<_>, Vec<_>) = files.matched.into_iter().partition(doubts);
        for named in live {
            self.live(frame, named);
        }
        // The shorter ones first: a longer one may have been rotated away from them.
        doubtful.sort_unstable_by_key(|named| named.name.len());
        for named in doubtful {
            let live = self.known.live_in(named.input, &frame.dir);
            let owner = self.patterns.rule(named.input).owner_of_matched(&named.name, &live);
            match owner.map(|owner| frame.dir.join(owner)) {
                None => self.live(frame, named),
                Some(owner) => {
                    self.known.forget(named.input, &frame.dir, &named.name);
                    self.push(frame, named, Some(owner));
                }
            }
        }
        for (input, name) in files.others {
            let live = self.known.live_in(input, &frame.dir);
            let owner = self.patterns.rule(input).owner_of_other(&name, &live);
            if let Some(owner) = owner.map(|owner| frame.dir.join(owner)) {
                self.push(frame, Named { input, name, target: None }, Some(owner));
            }
        }
    }

    fn live(&mut self, frame: &Frame, named: Named) {
        self.known.add(named.input, &frame.dir, &named.name, named.target.as_deref());
        if let Some(target) = &named.target {
            self.links.push((named.input, frame.dir.join(&named.name), target.clone()));
        }
        self.push(frame, named, None);
    }

    fn push(&mut self, frame: &Frame, named: Named, sibling_of: Option<PathBuf>) {
        let path = frame.dir.join(&named.name);
        let below = frame.real.as_ref().map(|real| real.join(&named.name));
        let compressed = sibling::compressed(&named.name);
        let real = named.target.or(below);
        self.scan.found.push(Found { input: named.input, path, real, sibling_of, compressed });
    }

    /// A link's target is watched where it really is, and what was rotated away lies there.
    fn visit_target(&mut self, input: usize, link: &Path, target: &Path) -> io::Result<()> {
        let (Some(dir), Some(name)) = (target.parent(), target.file_name()) else { return Ok(()) };
        let fd = open_dir(dir, OFlags::RDONLY)?;
        let name = name.to_owned();
        self.seats.occupy_target(&fd, dir, Target { name, input, link: link.to_path_buf() })?;
        drop(fd);
        self.scan.found.extend(beside_target(self.patterns, input, link, target)?);
        Ok(())
    }

    fn blame_walkers(&mut self, frame: &Frame, error: &io::Error) {
        let mut inputs: Vec<_> = self.patterns.walkers(&frame.states).collect();
        inputs.sort_unstable();
        inputs.dedup();
        for input in inputs {
            // An io::Error cannot be cloned.
            let error =
                error.raw_os_error().map_or(error.kind().into(), io::Error::from_raw_os_error);
            self.scan.unseen.push((input, frame.dir.clone()));
            self.blame(input, &frame.dir, ScanError::Unreachable(error));
        }
    }

    fn blame(&mut self, input: usize, path: &Path, error: ScanError) {
        if self.scan.problems.len() < PROBLEMS_MAX {
            self.scan.problems.push(ScanProblem { input, path: path.to_path_buf(), error });
        }
    }
}

/// What was rotated away from the file that a live link leads to.
pub(super) fn beside_target(
    patterns: &Patterns,
    input: usize,
    link: &Path,
    target: &Path,
) -> io::Result<Vec<Found>> {
    let (Some(dir), Some(base)) = (target.parent(), target.file_name()) else {
        return Ok(Vec::new());
    };
    let nothing = Known::default();
    let live = nothing.live_in(input, dir).and(base);
    let rule = patterns.rule(input);
    let mut found = Vec::new();
    for name in listing::regular_files(dir, |name| rule.may_continue(name, base))? {
        let path = dir.join(&name);
        let owner = owner(patterns, input, &path, &live);
        if owner.is_some_and(|owner| owner == base) {
            found.push(Found {
                input,
                path,
                real: None,
                sibling_of: Some(link.to_path_buf()),
                compressed: sibling::compressed(&name),
            });
        }
    }
    Ok(found)
}

/// The live name that the file at `path` was rotated away from.
pub(super) fn owner(
    patterns: &Patterns,
    input: usize,
    path: &Path,
    live: &LiveIn<'_>,
) -> Option<OsString> {
    let (rule, name) = (patterns.rule(input), path.file_name()?);
    let owner = if patterns.matching(path).contains(&input) {
        rule.owner_of_matched(name, live)
    } else if patterns.leaves(input, path) {
        None
    } else {
        rule.owner_of_other(name, live)
    };
    owner.map(OsStr::to_owned)
}

//! A file that may be of a lineage, and has not been met under its identity.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::content::Content;
use super::judgement::Judged;
use super::packed::Packing;
use super::source::Home;
use super::{identity, source};
use crate::record::Identity;

/// A file born or written to this much before the last look counts as new since: file systems
/// take their times from a clock that may stand still for some milliseconds.
pub(super) const SLACK_MS: u64 = 100;
/// What may be cut off a time that is in whole seconds.
pub(super) const TIME_CUT_MS: u64 = 1000;

/// Length and time of a file on the disk, which change when it does.
pub(super) type Stamp = (u64, i64, i64);

/// It was seen, but not opened yet.
pub(super) struct Sighting {
    pub(super) path: PathBuf,
    pub(super) meta: Metadata,
    pub(super) identity: Identity,
    pub(super) home: Home,
    /// It is one of ours that was empty, or holds something else now; its file if it is open.
    pub(super) is_ours: bool,
    /// Its place among those that were held together; what was not held came later.
    pub(super) rank: usize,
    pub(super) file: Option<Content>,
}

/// It was opened.
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    pub(super) meta: Metadata,
    /// Without its head.
    pub(super) identity: Identity,
    pub(super) home: Home,
    pub(super) file: Content,
}

impl Sighting {
    /// What was seen under a name; nothing if it is no regular file.
    pub(super) fn of(path: &Path, meta: &Metadata) -> Option<Self> {
        let (path, meta, identity) = (path.to_owned(), meta.clone(), identity::of(meta));
        let is_file = meta.is_file();
        is_file.then_some(Self {
            path,
            meta,
            identity,
            home: Home::Named,
            is_ours: false,
            rank: usize::MAX,
            file: None,
        })
    }

    /// What one of ours holds now that it was truncated, although it has no name any more.
    pub(super) fn of_orphan(file: Content, path: PathBuf) -> io::Result<Self> {
        let meta = file.metadata()?;
        let (identity, file) = (identity::of(&meta), Some(file));
        let (home, rank) = (Home::Nameless, usize::MAX);
        Ok(Self { path, meta, identity, home, is_ours: true, rank, file })
    }

    /// The same, held open in case it loses its name before it can be judged. Of what has lost it
    /// already only the place in the order is kept: it may be met under another.
    pub(super) fn hold(mut self) -> io::Result<Self> {
        self.file = self.open()?.map(|candidate| candidate.file);
        Ok(self)
    }

    /// Opens it, unless it is; nothing if it is not there any more.
    pub(super) fn open(&self) -> io::Result<Option<Candidate>> {
        let file = match &self.file {
            Some(file) => file.reopen().and_then(|file| {
                let meta = file.metadata()?;
                Ok((file, meta))
            }),
            None => Content::open(&self.path),
        };
        match file {
            Ok((file, meta)) => {
                let (path, home) = (self.path.clone(), self.home);
                let candidate = Candidate { path, identity: identity::of(&meta), meta, home, file };
                Ok(Some(candidate).filter(|c| c.identity.is_same_file(&self.identity)))
            }
            Err(error) if source::is_absence(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What that is, if it could not be opened as what it was seen to be.
    pub(super) fn is_over(&self) -> Judged {
        let there = std::fs::symlink_metadata(&self.path).ok();
        let is_there = |meta: &Metadata| identity::of(meta).is_same_file(&self.identity);
        if there.as_ref().is_some_and(is_there) { Judged::Done } else { Judged::Moved }
    }

    /// Neither its name nor its content was there when all was last looked at. What was born
    /// since but last written to before is a copy, or was unpacked.
    pub(super) fn is_young(&self, looked_ms: Option<u64>) -> bool {
        let Some(looked_ms) = looked_ms else { return true };
        let born_ms = self.identity.born_ns.map(|ns| i128::from(ns / 1_000_000));
        is_since(born_ms, self.modified_ms(), looked_ms)
    }

    pub(super) fn stamp(&self) -> Stamp {
        stamp_of(&self.meta)
    }

    /// By its name: it may be compressed.
    pub(super) fn is_packed(&self) -> bool {
        Packing::of(&self.path).is_some()
    }

    /// Its time may not tell when it was last written to: some who compress give the file the time
    /// of what it was made of, some that in whole seconds, others leave it at their own.
    fn has_vague_time(&self) -> bool {
        let modified = (self.meta.mtime(), self.meta.mtime_nsec());
        let modified_ns = i128::from(modified.0) * 1_000_000_000 + i128::from(modified.1);
        let is_own = |born| modified_ns >= i128::from(born);
        self.is_packed() && (modified.1 == 0 || self.identity.born_ns.is_some_and(is_own))
    }

    /// Its file name without what compressing adds.
    fn stem(&self) -> &[u8] {
        let name = self.path.file_name().unwrap_or_default().as_bytes();
        let ending = [&b".gz"[..], b".zst"].into_iter().find_map(|end| name.strip_suffix(end));
        ending.unwrap_or(name)
    }

    /// When it was last written to, in wall milliseconds; at the latest, if that is vague.
    pub(super) fn modified_ms(&self) -> i128 {
        let modified = (self.meta.mtime(), self.meta.mtime_nsec());
        modified_ms(modified, self.is_packed())
    }

    fn written(&self) -> (i64, i64) {
        (self.meta.mtime(), self.meta.mtime_nsec())
    }

    /// Sorts files of one lineage oldest first. Of the same tick of the file system's clock are first
    /// those of ours, which were there before all others. The rest goes by birth, if that is the
    /// log's and not of what it was compressed to, and then by name: `.2` is older than `.1`, and
    /// one date than another. But names that were seen at one moment do not compare to those of
    /// another: what was held goes in the order of then.
    fn age(&self, are_births_known: bool) -> impl Ord + use<> {
        let written = self.written();
        let born_ns = self.identity.born_ns.filter(|_| are_births_known);
        let number = number(self.stem()).unwrap_or_default();
        (written, !self.is_ours, born_ns, self.rank, Reverse(number), self.stem().to_vec())
    }
}

/// A time of last writing in wall milliseconds. zstd gives what it makes that of the original, but
/// in whole seconds.
pub(super) fn modified_ms((seconds, nanoseconds): (i64, i64), is_packed: bool) -> i128 {
    let is_cut = is_packed && nanoseconds == 0;
    let vague_ms = if is_cut { i128::from(TIME_CUT_MS) } else { 0 };
    i128::from(seconds) * 1000 + i128::from(nanoseconds) / 1_000_000 + vague_ms
}

/// Whether a file's times, in wall milliseconds, are since a look.
pub(super) fn is_since(born_ms: Option<i128>, modified_ms: i128, looked_ms: u64) -> bool {
    born_ms.unwrap_or(modified_ms).min(modified_ms) + i128::from(SLACK_MS) >= i128::from(looked_ms)
}

/// Nothing has happened to a file since a look, in wall milliseconds. A rename changes it, if not its
/// content; and this time cannot be set.
pub(super) fn rests_since(meta: &Metadata, looked_ms: u64) -> bool {
    let changed_ms = meta.ctime() * 1000 + meta.ctime_nsec() / 1_000_000;
    u64::try_from(changed_ms).is_ok_and(|ms| ms + SLACK_MS < looked_ms)
}

pub(super) fn stamp_of(meta: &Metadata) -> Stamp {
    (meta.len(), meta.mtime(), meta.mtime_nsec())
}

/// What a name ends in, if that is a small number.
fn number(stem: &[u8]) -> Option<u32> {
    let digits = digits(stem);
    let digits = Some(digits).filter(|digits| digits.len() < 6)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn digits(stem: &[u8]) -> &[u8] {
    let count = stem.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    stem.get(stem.len() - count..).unwrap_or_default()
}

/// Files of one lineage, oldest first. One that is being compressed comes before what it is
/// compressed to.
pub(super) fn sort(sightings: &mut Vec<Sighting>) {
    let names: HashSet<PathBuf> = sightings.iter().map(|sighting| sighting.path.clone()).collect();
    let is_copy = |sighting: &mut Sighting| {
        sighting.is_packed() && names.contains(&sighting.path.with_extension(""))
    };
    let copies: Vec<Sighting> = sightings.extract_if(.., is_copy).collect();
    sort_by_age(sightings);
    for copy in copies {
        let original = copy.path.with_extension("");
        let at = sightings.iter().position(|sighting| sighting.path == original);
        sightings.insert(at.map_or(0, |at| at + 1), copy);
    }
}

/// Where the time of one says only when it was compressed, those go by name whose names are
/// numbered or dated. What is called otherwise comes as soon as none that is older follows: what
/// was compressed was last written to before that.
fn sort_by_age(sightings: &mut Vec<Sighting>) {
    let are_births_known = !sightings.iter().any(Sighting::is_packed);
    let is_vague = sightings.iter().any(Sighting::has_vague_time);
    let mut named: Vec<Sighting> = Vec::new();
    if is_vague {
        named = sightings.extract_if(.., |it| number(it.stem()).is_some()).collect();
        named.sort_by_cached_key(|it| Reverse(number(it.stem())));
        if named.is_empty() {
            named = sightings.extract_if(.., |it| digits(it.stem()).len() >= 6).collect();
            named.sort_by_cached_key(|it| it.stem().to_vec());
        }
    }
    sightings.sort_by_cached_key(|sighting| sighting.age(are_births_known));
    if named.is_empty() {
        return;
    }
    for other in std::mem::replace(sightings, named) {
        // One of ours that lost its name was there before all that may be of the same second.
        let is_before = |named: &Sighting| {
            if other.is_ours {
                named.modified_ms() < other.modified_ms()
            } else {
                named.written() <= other.written()
            }
        };
        let older = sightings.iter().rposition(is_before);
        sightings.insert(older.map_or(0, |at| at + 1), other);
    }
}

impl Candidate {
    /// Whether it holds the beginning of `original`, or all of it. Long files are compared in
    /// places.
    pub(super) fn is_copy_of(&self, original: &Content) -> io::Result<bool> {
        let len = self.meta.len();
        Ok(len > 0
            && len <= original.metadata()?.len()
            && identity::same_beginning(&self.file, original, len)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files of one tick of the clock.
    fn sorted(files: &[(&str, usize)]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        std::fs::write(&path, "").unwrap();
        let meta = std::fs::metadata(&path).unwrap();
        let sighting = |(name, rank): &(&str, usize)| {
            let mut sighting = Sighting::of(&dir.path().join(name), &meta).unwrap();
            sighting.rank = *rank;
            sighting
        };
        let mut sightings = files.iter().map(sighting).collect();
        sort(&mut sightings);
        let name = |sighting: &Sighting| String::from_utf8(sighting.stem().to_vec()).unwrap();
        sightings.iter().map(name).collect()
    }

    #[test]
    fn what_has_one_time_goes_by_its_number() {
        const NEW: usize = usize::MAX;
        let files = [("app.log.1", NEW), ("app.log.10", NEW), ("app.log.2", NEW)];
        assert_eq!(sorted(&files), ["app.log.10", "app.log.2", "app.log.1"]);
    }

    /// Held as `.5`, it was deleted when it would have become `.7`; the next is `.6` by now.
    #[test]
    fn what_was_held_goes_by_the_order_of_then() {
        let files = [("app.log.6", 1), ("app.log.1", usize::MAX), ("app.log.5", 0)];
        assert_eq!(sorted(&files), ["app.log.5", "app.log.6", "app.log.1"]);
    }
}

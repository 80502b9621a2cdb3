//! Which file name was rotated away from which: pure logic about names in one directory.
//!
//! A file belongs to the name it extends at a `.` or `-`, if that name is live: matched by the
//! input, and there now or earlier. A name that is matched itself belongs to a live one only if
//! what it adds looks like a number or a date.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use globset::{GlobSet, GlobSetBuilder};

use crate::settings::Rotated;

/// How a rotated file was compressed, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Compressed {
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

const COMPRESSED: [(&[u8], Compressed); 4] = [
    (b".gz", Compressed::Gzip),
    (b".zst", Compressed::Zstd),
    (b".bz2", Compressed::Bzip2),
    (b".xz", Compressed::Xz),
];

/// What editors, and the kubelet while it compresses, leave beside a log.
const TEMPORARY: [&[u8]; 5] = [b".tmp", b".swp", b".swo", b".swx", b"~"];

/// How a file name says that it was compressed.
pub fn compressed(name: &OsStr) -> Option<Compressed> {
    let name = name.as_bytes();
    COMPRESSED.iter().find(|(ending, _)| name.ends_with(ending)).map(|(_, kind)| *kind)
}

fn temporary(name: &OsStr) -> bool {
    TEMPORARY.iter().any(|ending| name.as_bytes().ends_with(ending))
}

/// The shorter names that `name` extends at a `.` or `-`, shortest first, and what it adds.
pub(super) fn heads(name: &OsStr) -> impl DoubleEndedIterator<Item = (&OsStr, &[u8])> {
    let bytes = name.as_bytes();
    let borders = bytes.iter().enumerate().skip(1).filter(|(_, byte)| matches!(byte, b'.' | b'-'));
    borders.filter_map(|(place, _)| {
        let (head, added) = bytes.split_at_checked(place)?;
        Some((OsStr::from_bytes(head), added))
    })
}

/// Is `name` the same as `live`, or one that extends it at a `.` or `-`?
pub(super) fn extends(name: &OsStr, live: &OsStr) -> bool {
    let added = name.as_bytes().strip_prefix(live.as_bytes());
    added.is_some_and(|added| matches!(added.first(), None | Some(b'.' | b'-')))
}

/// `.1`, `-20260131.gz`, `.2026-01-31T00:00:00Z`, `.old`: what a rotation adds to a name.
fn rotation(added: &[u8]) -> bool {
    let ending = COMPRESSED.iter().find_map(|(ending, _)| added.strip_suffix(*ending));
    let added = ending.unwrap_or(added);
    let stamp = |byte: &u8| {
        byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'+' | b'T' | b'Z')
    };
    added == b".old" || added.iter().all(stamp) && added.iter().any(u8::is_ascii_digit)
}

/// The live names of one directory.
pub(super) trait Live {
    fn has(&self, name: &OsStr) -> bool;
    fn all(&self) -> impl Iterator<Item = &OsStr>;
}

/// Which files beside a live one continue it backwards.
#[derive(Debug)]
pub(super) enum Rule {
    Auto,
    Off,
    Patterns(GlobSet),
}

impl Rule {
    /// On failure: the glob, and why.
    pub(super) fn new(rotated: &Rotated) -> Result<Self, (String, String)> {
        let globs = match rotated {
            Rotated::Auto => return Ok(Self::Auto),
            Rotated::Off => return Ok(Self::Off),
            Rotated::Patterns(globs) => globs,
        };
        let mut set = GlobSetBuilder::new();
        for glob in globs {
            let matcher = super::pattern::compile(glob).map_err(|why| (glob.clone(), why))?;
            set.add(matcher.glob().clone());
        }
        set.build().map(Self::Patterns).map_err(|error| (globs.join(" "), error.to_string()))
    }

    /// Could `name` be what was rotated away from `live`, as far as these two tell?
    pub(super) fn may_continue(&self, name: &OsStr, live: &OsStr) -> bool {
        match self {
            Self::Auto => name != live && extends(name, live),
            Self::Off => false,
            Self::Patterns(set) => name != live && set.is_match(name),
        }
    }

    /// Could a matched file of this name be one that was rotated away?
    pub(super) fn doubts(&self, name: &OsStr) -> bool {
        match self {
            Self::Auto => heads(name).any(|(_, added)| rotation(added)),
            Self::Off => false,
            Self::Patterns(set) => set.is_match(name),
        }
    }

    /// The live name that the matched file `name` was rotated away from.
    pub(super) fn owner_of_matched<'a>(
        &self,
        name: &'a OsStr,
        live: &'a impl Live,
    ) -> Option<&'a OsStr> {
        match self {
            Self::Auto => shortest_rotated(name, |head| live.has(head)),
            Self::Off => None,
            Self::Patterns(set) => set.is_match(name).then(|| nearest(name, live)).flatten(),
        }
    }

    /// The live name that `name`, which is not matched itself, was rotated away from.
    pub(super) fn owner_of_other<'a>(
        &self,
        name: &'a OsStr,
        live: &'a impl Live,
    ) -> Option<&'a OsStr> {
        if temporary(name) {
            return None;
        }
        self.owner_of_matched(name, live).or_else(|| match self {
            Self::Auto => longest(name, |head| live.has(head)),
            Self::Off | Self::Patterns(_) => None,
        })
    }

    /// The same when no live name is known: `matched` tells which names could be.
    pub(super) fn likely_owner<'a>(
        &self,
        name: &'a OsStr,
        matched: impl Fn(&OsStr) -> bool,
    ) -> Option<&'a OsStr> {
        match self {
            Self::Auto if !temporary(name) => {
                shortest_rotated(name, &matched).or_else(|| longest(name, matched))
            }
            Self::Auto | Self::Off | Self::Patterns(_) => None,
        }
    }
}

/// The shortest, because `app.log.1.2` continues `app.log` and not `app.log.1`.
fn shortest_rotated(name: &OsStr, live: impl Fn(&OsStr) -> bool) -> Option<&OsStr> {
    heads(name).find(|(head, added)| rotation(added) && live(head)).map(|(head, _)| head)
}

/// The longest, because `web-admin.bak` is of `web-admin` and not of `web`.
fn longest(name: &OsStr, live: impl Fn(&OsStr) -> bool) -> Option<&OsStr> {
    heads(name).rev().find(|(head, _)| live(head)).map(|(head, _)| head)
}

/// The live name that begins most like `name`, which must at least begin with all that is before
/// its first dot.
fn nearest<'a>(name: &OsStr, live: &'a impl Live) -> Option<&'a OsStr> {
    let stem = |live: &OsStr| live.as_bytes().split(|byte| *byte == b'.').next().map(<[u8]>::len);
    let common = |live: &OsStr| {
        let pairs = live.as_bytes().iter().zip(name.as_bytes());
        pairs.take_while(|(ours, theirs)| ours == theirs).count()
    };
    let candidates = live.all().filter(|live| *live != name);
    let kin = candidates.filter(|live| stem(live).is_some_and(|len| common(live) >= len.max(1)));
    kin.max_by(|a, b| common(a).cmp(&common(b)).then_with(|| b.cmp(a)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Live for &[&str] {
        fn has(&self, name: &OsStr) -> bool {
            self.iter().any(|live| OsStr::new(live) == name)
        }
        fn all(&self) -> impl Iterator<Item = &OsStr> {
            self.iter().map(OsStr::new)
        }
    }

    proptest! {
        #[test]
        fn whatever_it_is_called_it_belongs_to_a_live_one_that_it_extends(
            bytes in prop::collection::vec(prop::sample::select(b"ab.-1T~\xff".to_vec()), 0..9),
            ending in prop::sample::select(vec!["", ".1", ".gz", "-2.zst", ".old", ".tmp", ".swp"]),
            live in prop::collection::vec("[ab.1-]{0,4}", 0..5),
        ) {
            let bytes = [&bytes[..], ending.as_bytes()].concat();
            let name = OsStr::from_bytes(&bytes);
            let live: Vec<&str> = live.iter().map(String::as_str).collect();
            let live = live.as_slice();
            let owner = Rule::Auto.owner_of_other(name, &live);
            let matched = Rule::Auto.owner_of_matched(name, &live);
            for owner in owner.into_iter().chain(matched) {
                prop_assert!(live.has(owner) && owner != name && extends(name, owner));
                prop_assert!(Rule::Auto.may_continue(name, owner));
            }
            prop_assert!(owner.is_none() || !temporary(name));
            prop_assert!(matched.is_none() || Rule::Auto.doubts(name));
            let likely = Rule::Auto.likely_owner(name, |name| live.has(name));
            prop_assert_eq!(likely, owner);
        }
    }

    const LIVE: &[&str] = &["app.log", "app.log.1", "web", "web-admin", "err.log"];

    #[test]
    fn matched_names_belong_to_a_live_one_only_with_a_number_or_a_date() {
        for (name, owner) in [
            ("app.log", None),
            ("app.log.1", Some("app.log")),
            ("app.log.12.gz", Some("app.log")),
            ("app.log-20260131", Some("app.log")),
            ("app.log-20260131.zst", Some("app.log")),
            ("app.log.2026-01-31T10:00:00+01:00", Some("app.log")),
            ("app.log.20260131-101010", Some("app.log")),
            ("app.log.1.2", Some("app.log")),
            ("app.log.old", Some("app.log")),
            ("app.log.bak", None),
            ("app.log.gz", None),
            ("app.log.T", None),
            ("app.log.1.tmp", None),
            ("app.log1", None),
            ("app.lo.1", None),
            ("web-admin", None),
            ("web-1", Some("web")),
            ("web-admin.1", Some("web-admin")),
            ("web-admin-2", Some("web-admin")),
            ("other.1", None),
        ] {
            let found = Rule::Auto.owner_of_matched(OsStr::new(name), &LIVE);
            assert_eq!(found, owner.map(OsStr::new), "{name}");
        }
    }

    #[test]
    fn other_names_belong_to_the_nearest_live_one_whatever_they_add() {
        for (name, owner) in [
            ("app.log.bak", Some("app.log")),
            ("app.log.gz", Some("app.log")),
            ("web-admin.bak", Some("web-admin")),
            ("web-admin.1", Some("web-admin")),
            ("web-bmin.bak", Some("web")),
            ("app.log.1.tmp", None),
            ("app.log~", None),
            ("app.log.swp", None),
            ("app.logs", None),
            ("none.log.1", None),
        ] {
            let found = Rule::Auto.owner_of_other(OsStr::new(name), &LIVE);
            assert_eq!(found, owner.map(OsStr::new), "{name}");
            assert_eq!(Rule::Off.owner_of_other(OsStr::new(name), &LIVE), None, "{name}");
        }
    }

    #[test]
    fn patterns_name_the_rotated_ones() {
        let globs = vec!["*-[0-9]*.log".to_owned(), "*.save".to_owned()];
        let rule = Rule::new(&Rotated::Patterns(globs)).unwrap();
        for (name, owner) in [
            ("app-2026-01-31.log", Some("app.log")),
            ("err-1.log", Some("err.log")),
            ("web.save", Some("web")),
            ("app.log.1", None),
            ("old-1.log", None),
        ] {
            let found = rule.owner_of_other(OsStr::new(name), &LIVE);
            assert_eq!(found, owner.map(OsStr::new), "{name}");
        }
    }

    #[test]
    fn endings_tell_how_a_file_was_compressed() {
        assert_eq!(compressed(OsStr::new("a.1.gz")), Some(Compressed::Gzip));
        assert_eq!(compressed(OsStr::new("a.1")), None);
    }
}

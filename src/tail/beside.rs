//! Listings that are no older than what they are used for.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::candidate::SLACK_MS;
use super::identity;
use crate::record::Identity;

/// A directory in which files change their names faster than it can be listed is looked at
/// again soon, anyway.
const AGAIN_MAX: usize = 3;

/// Lists what is beside a live name, again while names change in its directory: a file that is
/// renamed meanwhile may be in no listing, and what follows it would be read first.
pub(super) fn list(live: &Path, siblings: impl Fn() -> Vec<PathBuf>) -> Vec<PathBuf> {
    let mut before = moment(live);
    let mut listed = siblings();
    for _ in 0..AGAIN_MAX {
        let after = moment(live);
        if after == before {
            break;
        }
        (before, listed) = (after, siblings());
    }
    listed
}

/// The same with a listing from before it was seen who has the name.
pub(super) fn renew(
    live: &Path,
    seen: Option<&Identity>,
    listed: Vec<PathBuf>,
    siblings: impl Fn() -> Vec<PathBuf>,
) -> Vec<PathBuf> {
    let now = std::fs::symlink_metadata(live).ok().as_ref().map(identity::of);
    let is_same = match (seen, &now) {
        (Some(seen), Some(now)) => seen.is_same_file(now),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    if is_same { listed } else { list(live, siblings) }
}

/// Whether a file was there already when its directory was listed.
pub(super) fn had_the_name(live: &Identity, listed_ms: Option<u64>) -> bool {
    let Some(listed_ms) = listed_ms else { return true };
    live.born_ns.is_none_or(|born_ns| born_ns / 1_000_000 + SLACK_MS < listed_ms)
}

/// Whose name it is, and when a name last changed beside it.
fn moment(live: &Path) -> impl PartialEq + use<> {
    let holder = std::fs::symlink_metadata(live).ok().map(|meta| (meta.dev(), meta.ino()));
    let dir = live.parent().and_then(|dir| std::fs::metadata(dir).ok());
    (holder, dir.map(|meta| (meta.mtime(), meta.mtime_nsec())))
}

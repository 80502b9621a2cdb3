//! Listings that are older than what they are used for.

use std::path::{Path, PathBuf};

use super::identity;
use crate::record::Identity;

/// A directory in which files change their names faster than it can be listed is looked at
/// again soon, anyway.
const AGAIN_MAX: usize = 3;
/// File systems take their times from a clock that may stand still for some milliseconds.
const SLACK_MS: u64 = 100;

/// What is beside a live name, listed again while another file gets the name: the one that had
/// it when it was listed would be in no listing, and what follows it would be read first. `seen`
/// had the name before `listed` was made.
pub(super) fn as_of_now(
    live: &Path,
    mut seen: Option<Identity>,
    mut listed: Vec<PathBuf>,
    list: impl Fn() -> Vec<PathBuf>,
) -> Vec<PathBuf> {
    for _ in 0..AGAIN_MAX {
        let now = holder(live);
        let is_same = match (&seen, &now) {
            (Some(seen), Some(now)) => seen.is_same_file(now),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if is_same {
            break;
        }
        (seen, listed) = (now, list());
    }
    listed
}

/// Whether a file was there already when its directory was listed.
pub(super) fn had_the_name(live: &Identity, listed_ms: Option<u64>) -> bool {
    let Some(listed_ms) = listed_ms else { return true };
    live.born_ns.is_none_or(|born_ns| born_ns / 1_000_000 + SLACK_MS < listed_ms)
}

/// Whose name it is.
pub(super) fn holder(live: &Path) -> Option<Identity> {
    std::fs::symlink_metadata(live).ok().as_ref().map(identity::of)
}

//! Files that a lineage had and that are not found any more: moved out of reach, as likely as
//! deleted. One that comes back goes on where it was read to.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use super::candidate::Candidate;
use super::identity;
use super::source::{Home, Source};
use crate::clock;
use crate::record::{Identity, Mark};

/// So many of the latest are remembered, for so long: where files come and go, most of those
/// that are not found were deleted.
const REMEMBERED_MAX: usize = 8;
const REMEMBERED: Duration = Duration::from_hours(1);

#[allow(clippy::box_collection, reason = "nearly always none, of very many lineages")]
#[derive(Default)]
pub(super) struct Departed(Option<Box<VecDeque<One>>>);

struct One {
    identity: Identity,
    at: Mark,
    since: Instant,
}

impl Departed {
    pub(super) fn take_leave(&mut self, source: &Source) {
        if !source.is_unlinked() && source.home != Home::Taken {
            self.push(source.identity, source.at);
        }
    }

    pub(super) fn push(&mut self, identity: Identity, at: Mark) {
        let all = self.0.get_or_insert_default();
        if all.len() == REMEMBERED_MAX {
            all.pop_front();
        }
        all.push_back(One { identity, at, since: clock::now() });
    }

    pub(super) fn has(&self, identity: &Identity) -> bool {
        self.0.iter().flat_map(|all| all.iter()).any(|known| known.identity.is_same_file(identity))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|all| all.is_empty())
    }

    /// Forgets those that were gone for long.
    pub(super) fn expire(&mut self) {
        if let Some(all) = &mut self.0 {
            all.retain(|known| clock::since(known.since) < REMEMBERED);
        }
        self.0.take_if(|all| all.is_empty());
    }

    /// Where to go on in a file that came back and still is what was read of it.
    pub(super) fn welcome(&mut self, file: &Candidate) -> io::Result<Option<Mark>> {
        let is_it = |known: &One| known.identity.is_same_file(&file.identity);
        let Some(all) = &mut self.0 else { return Ok(None) };
        let position = all.iter().rposition(is_it);
        let Some(One { identity: known, at, .. }) = position.and_then(|at| all.remove(at)) else {
            return Ok(None);
        };
        // Of a compressed file the place is far; reading it finds out.
        let is_intact = identity::begins_alike(&file.file, &known)?
            && (file.file.packed().is_some() || identity::holds(&file.file, at)?);
        Ok(is_intact.then_some(at))
    }
}

//! Files that a lineage had and that are not found any more: moved out of reach, as likely as
//! deleted. One that comes back goes on where it was read to.

use std::io;
use std::time::{Duration, Instant};

use super::candidate::{Candidate, rests_since};
use super::identity;
use super::rare::Rare;
use super::source::{Home, Source};
use crate::clock;
use crate::record::{Identity, Mark};

/// So many of the latest are remembered, for so long: where files come and go, most of those
/// that are not found were deleted.
const REMEMBERED_MAX: usize = 8;
const REMEMBERED: Duration = Duration::from_hours(1);

#[derive(Default)]
pub(super) struct Departed(Rare<One>);

struct One {
    identity: Identity,
    at: Mark,
    since: Instant,
    /// An earlier run let go of it, and looked at all for the last time then, in wall milliseconds.
    looked_ms: Option<u64>,
}

impl Departed {
    pub(super) fn take_leave(&mut self, source: &Source) {
        if !source.is_unlinked() && source.home != Home::Taken {
            self.push(source.identity, source.at, None);
        }
    }

    /// `looked_ms`: when an earlier run that let go of it looked at all for the last time.
    pub(super) fn push(&mut self, identity: Identity, at: Mark, looked_ms: Option<u64>) {
        // One that comes and goes takes the place of no other.
        self.0.retain(|known| !known.identity.is_same_file(&identity));
        if self.0.len() == REMEMBERED_MAX {
            self.0.shift();
        }
        self.0.push(One { identity, at, since: clock::now(), looked_ms });
    }

    pub(super) fn has(&self, identity: &Identity) -> bool {
        self.0.iter().any(|known| known.identity.is_same_file(identity))
    }

    /// Whether an earlier run let go of a compressed file as it is: nothing more of it is to be
    /// waited for, nor what is missing to be counted again.
    pub(super) fn is_settled(&self, file: &Candidate) -> bool {
        let known = self.0.iter().find(|known| known.identity.is_same_file(&file.identity));
        let looked_ms = known.and_then(|known| known.looked_ms);
        file.file.packed().is_some() && looked_ms.is_some_and(|ms| rests_since(&file.meta, ms))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets those that were gone for long.
    pub(super) fn expire(&mut self) {
        self.0.retain(|known| clock::since(known.since) < REMEMBERED);
    }

    /// Where to go on in a file that came back and still is what was read of it.
    pub(super) fn welcome(&mut self, file: &Candidate) -> io::Result<Option<Mark>> {
        let is_it = |known: &One| known.identity.is_same_file(&file.identity);
        let position = self.0.iter().position(is_it);
        let Some(One { identity: known, at, .. }) = position.and_then(|at| self.0.remove(at))
        else {
            return Ok(None);
        };
        // Of a compressed file the place is far; reading it finds out.
        let is_intact = identity::begins_alike(&file.file, &known)?
            && (file.file.packed().is_some() || identity::holds(&file.file, at)?);
        Ok(is_intact.then_some(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_comes_and_goes_takes_the_place_of_no_other() {
        let [one, other] =
            [1, 2].map(|ino| Identity { dev: 1, ino, born_ns: None, head_len: 0, head_hash: 0 });
        let mut departed = Departed::default();
        departed.push(other, Mark::START, None);
        for _ in 0..2 * REMEMBERED_MAX {
            departed.push(one, Mark::START, None);
        }
        assert!(departed.has(&one) && departed.has(&other));
    }
}

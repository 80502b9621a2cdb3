//! Files that a lineage had and that are not found any more: moved out of reach, as likely as
//! deleted. One that comes back goes on where it was read to.

use std::collections::VecDeque;
use std::io;

use super::candidate::Candidate;
use super::identity;
use super::source::{Home, Source};
use crate::record::{Identity, Mark};

/// So many of the latest are remembered.
const REMEMBERED_MAX: usize = 8;

#[derive(Default)]
pub(super) struct Departed(VecDeque<(Identity, Mark)>);

impl Departed {
    pub(super) fn take_leave(&mut self, source: &Source) {
        if !source.is_unlinked() && source.home != Home::Taken {
            self.push(source.identity, source.at);
        }
    }

    pub(super) fn push(&mut self, identity: Identity, at: Mark) {
        if self.0.len() == REMEMBERED_MAX {
            self.0.pop_front();
        }
        self.0.push_back((identity, at));
    }

    pub(super) fn has(&self, identity: &Identity) -> bool {
        self.0.iter().any(|(known, _)| known.is_same_file(identity))
    }

    /// Where to go on in a file that came back and still is what was read of it.
    pub(super) fn welcome(&mut self, file: &Candidate) -> io::Result<Option<Mark>> {
        let is_it = |(known, _): &(Identity, Mark)| known.is_same_file(&file.identity);
        let Some(position) = self.0.iter().rposition(is_it) else { return Ok(None) };
        let Some((known, at)) = self.0.remove(position) else { return Ok(None) };
        let is_intact =
            identity::begins_alike(&file.file, &known)? && identity::holds(&file.file, at)?;
        Ok(is_intact.then_some(at))
    }
}

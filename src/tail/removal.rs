//! `delete_after`: removes files that were rotated away once nothing of them is owed any more.
//!
//! Never the file that has a name that some input reads, never what was not acknowledged to its
//! end by every input that reads it. Who still writes to a removed file is read until it rests.
//! Nor what somebody compressed: who does that also removes it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::identity;
use super::lineage::Lineage;
use super::source::{Home, Source};
use super::{Event, Tail};
use crate::clock;
use crate::record::{Identity, Offset};

/// How long after a failure it is tried again.
const RETRY: Duration = Duration::from_mins(1);

/// How far it has come.
#[derive(Debug)]
pub(super) struct Removal {
    /// Since when the file is rotated and nothing of it up to here, which is its end, is owed.
    settled: Option<Box<(Instant, Offset)>>,
    /// It could not be removed.
    has_failed: bool,
}

impl Removal {
    pub(super) const NONE: Self = Self { settled: None, has_failed: false };
}

impl<F: FnMut(Event)> Tail<F> {
    /// Removes what is due. An input that has not looked at everything yet may still want it.
    pub(super) fn remove_settled(&mut self) {
        if !self.is_removing() || self.inputs.iter().any(|input| input.is_first_look) {
            return;
        }
        for at in 0..self.lineages.end() {
            let Some(lineage) = self.lineages.get_mut(at) else { continue };
            let input = self.inputs.get(lineage.input);
            let Some(after) = input.and_then(|input| input.settings.delete_after) else { continue };
            for identity in lineage.settled_for(after) {
                if self.is_owed_by_none(&identity)
                    && let Some(lineage) = self.lineages.get_mut(at)
                {
                    lineage.remove(&identity);
                    // It is open now, until whoever may still write to it had time to.
                    self.count_open(at);
                    self.lineages.rouse(at);
                }
            }
        }
    }

    /// Whether any input does.
    pub(super) fn is_removing(&self) -> bool {
        self.inputs.iter().any(|input| input.settings.delete_after.is_some())
    }

    /// Every input that reads this file has it behind it, under whatever name.
    fn is_owed_by_none(&self, identity: &Identity) -> bool {
        self.lineages.iter().all(|lineage| {
            let mut its = lineage.sources.iter().filter(|s| s.identity.is_same_file(identity));
            its.all(|source| !lineage.is_live(source) && source.is_settled())
        })
    }
}

impl Lineage {
    /// Takes note of which rotated files are settled now, and returns those that were for so long.
    fn settled_for(&mut self, after: Duration) -> Vec<Identity> {
        // Without a successor, whoever writes may not have gone on to another file.
        let mut settled = Vec::new();
        let live_path = self.has_live.then(|| self.live_path().to_owned());
        for source in &mut self.sources {
            let is_rotated = live_path.as_deref().is_some_and(|live| source.is_rotated_from(live));
            let is_ours = is_rotated && !source.is_packed();
            if !is_ours || source.at.offset.0 == 0 || !source.is_settled() {
                if source.seldom.removal.settled.is_some() {
                    source.seldom.note().removal.settled = None;
                }
                continue;
            }
            match source.seldom.removal.settled.as_deref().copied() {
                Some((since, end)) if end == source.at.offset => {
                    let after =
                        if source.seldom.removal.has_failed { after.max(RETRY) } else { after };
                    if clock::since(since) >= after {
                        settled.push(source.identity);
                    }
                }
                _ => {
                    let settled = (clock::now(), source.at.offset);
                    source.seldom.note().removal.settled = Some(Box::new(settled));
                }
            }
        }
        settled
    }

    fn remove(&mut self, identity: &Identity) {
        let its = self.sources.iter_mut().find(|source| source.identity.is_same_file(identity));
        let Some(source) = its else { return };
        let path = source.path.to_path_buf();
        source.seldom.note().removal.settled = None;
        match source.remove() {
            Ok(true) => {
                tracing::info!(path = %path.display(), "removed a rotated file, as configured");
            }
            Ok(false) => {}
            Err(error) => {
                if !source.seldom.removal.has_failed {
                    tracing::warn!(path = %path.display(), %error, "cannot remove a rotated file");
                }
                source.seldom.note().removal.has_failed = true;
            }
        }
    }
}

impl Source {
    /// All that is known to be in it is acknowledged.
    fn is_settled(&self) -> bool {
        let is_read = self.unread() == 0 && !self.has_news();
        is_read && self.acknowledged.as_ref().is_some_and(|told| told.offset() >= self.at.offset)
    }

    /// Removes the file, if its path still leads to it and nothing has come to it. It stays open.
    fn remove(&mut self) -> io::Result<bool> {
        if !self.verify()? || !self.is_settled() {
            return Ok(false);
        }
        // Whoever rotates may put another file there at this very moment. What we look at under
        // a name of our own nobody exchanges.
        let aside = aside(&self.path);
        std::fs::rename(&*self.path, &aside)?;
        if !identity::of(&std::fs::symlink_metadata(&aside)?).is_same_file(&self.identity) {
            // Unlike a rename, a link takes no name that is in use again.
            std::fs::hard_link(&aside, &*self.path)?;
            std::fs::remove_file(&aside)?;
            return Ok(false);
        }
        std::fs::remove_file(&aside)?;
        self.home = Home::Nameless;
        self.refresh();
        Ok(true)
    }
}

fn aside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".tailspool-removing-");
    name.push(path.file_name().unwrap_or_default());
    path.with_file_name(name)
}

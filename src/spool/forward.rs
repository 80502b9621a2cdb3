//! Copying forward: what lives in a mostly dead segment moves to the end of the log, so that one
//! lane that cannot be delivered does not keep all the others' bytes on the disk.

use super::block::{Draft, Parsed};
use super::entry::{Key, Place};
use super::index::Change;
use super::keeper::Keeper;
use super::walk::{Payload, Step, Walk, read_block};
use crate::clock;

/// How many blocks are looked at before the rest of the spool gets its turn.
const BLOCKS_MAX: usize = 1024;
/// What is copied with one sync.
const COPY_BYTES_MAX: u64 = 4 << 20;

impl Keeper {
    /// The live blocks of a segment from `from` on, a bounded number of them, and where the rest
    /// begins.
    pub(super) fn live_blocks(
        &mut self,
        segment: u64,
        from: u64,
    ) -> (Vec<(Key, Place)>, Option<u64>) {
        let mut found = Vec::new();
        let end = self.accounts.get(&segment).map_or(0, |account| account.len);
        let Ok(file) = self.files.get(segment) else { return (found, None) };
        let mut walk = Walk::new(&file, segment, from, end, Payload::Trust);
        while let Ok(Some(step)) = walk.step() {
            let Step::Block { position, parsed } = step else { continue };
            if found.len() == BLOCKS_MAX {
                return (found, Some(position));
            }
            found.extend(self.live_block(segment, position, &parsed));
        }
        (found, None)
    }

    fn live_block(&mut self, segment: u64, position: u64, parsed: &Parsed) -> Option<(Key, Place)> {
        let key = Key::of(&parsed.header);
        let place = self.place(key).filter(|_| !parsed.dead)?;
        let here = (place.at.segment, place.at.position) == (segment, position);
        here.then_some((key, place))
    }

    /// Copies one segment forward, if there is one worth it that nobody is draining.
    pub(super) fn copy_forward(&mut self) {
        let (now, active) = (clock::now(), self.log.active());
        let quiet = self.limits.quiet;
        let worth = self.accounts.iter().find(|(number, account)| {
            account.is_sparse()
                && active != Some(**number)
                && now.duration_since(account.touched) >= quiet
        });
        let Some((segment, from)) = worth.map(|(number, account)| (*number, account.first_live))
        else {
            return;
        };
        let mut from = Some(from);
        while let Some(position) = from {
            let (blocks, rest) = self.live_blocks(segment, position);
            if !self.copy_all(&blocks) {
                return;
            }
            from = rest;
        }
    }

    /// Whether all of them were copied; if not, the disk is full, and it is tried again later.
    fn copy_all(&mut self, blocks: &[(Key, Place)]) -> bool {
        let mut left = blocks;
        while !left.is_empty() {
            let (mut drafts, mut bytes) = (Vec::new(), 0);
            while let Some(((key, place), rest)) = left.split_first()
                && bytes < COPY_BYTES_MAX
            {
                bytes += u64::from(place.len);
                drafts.extend(self.copy_of(*key, place).map(|draft| (*key, place.clone(), draft)));
                left = rest;
            }
            if !self.append_copies(&drafts) {
                return false;
            }
        }
        true
    }

    fn append_copies(&mut self, drafts: &[(Key, Place, Draft)]) -> bool {
        let mut left = drafts;
        while !left.is_empty() {
            let drafts: Vec<&Draft> = left.iter().map(|(_, _, draft)| draft).collect();
            let Ok(appended) = self.log.append(&drafts) else {
                return false;
            };
            let (copied, rest) = left.split_at(appended.blocks.len());
            let mut changes = Vec::new();
            for ((at, parsed), (key, old, _)) in appended.blocks.iter().zip(copied) {
                let place = Place::of(*at, parsed, old.removed.clone());
                if let Some(account) = self.accounts.get_mut(&old.at.segment) {
                    account.subtract(old, clock::now());
                }
                self.account(&appended).add(&place);
                changes.push(Change::Entry(*key, place));
            }
            self.account(&appended).len = appended.len;
            self.change(changes);
            left = rest;
        }
        true
    }

    /// The block as it is written elsewhere. One that is damaged or cannot be read is set aside.
    fn copy_of(&mut self, key: Key, place: &Place) -> Option<Draft> {
        let file = self.files.get(place.at.segment).ok()?;
        let read = read_block(&file, place.at, place.len).ok()?;
        if let Some((parsed, Some(payload))) = read {
            let mut header = parsed.header;
            header.copied = true;
            return Some(Draft::new(header, payload));
        }
        if let Some(lane) = self.lanes.number(key.hash) {
            self.set_aside(lane, key, place);
        }
        None
    }
}

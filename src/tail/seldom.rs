//! What is to be remembered of few files only: it takes a pointer as long as there is nothing.

use std::ops::Deref;

use super::failing::Failing;
use super::hole::Hole;
use super::removal::Removal;

#[derive(Default)]
pub(super) struct Seldom(Option<Box<Facts>>);

pub(super) struct Facts {
    pub(super) hole: Hole,
    pub(super) failing: Option<Failing>,
    /// Bytes that went unread, not told yet.
    pub(super) lost: u64,
    /// Bytes of holes that were passed over, not told yet.
    pub(super) skipped: u64,
    /// How much of what it was known to hold was a hole.
    pub(super) held_hole: u64,
    /// The size of what it was compressed to, when last looked at.
    pub(super) packed_size: u64,
    /// What could not be unpacked of it was counted when it had this size.
    pub(super) written_off: Option<u64>,
    pub(super) removal: Removal,
}

impl Facts {
    const NONE: Self = Self {
        hole: Hole::None,
        failing: None,
        lost: 0,
        skipped: 0,
        held_hole: 0,
        packed_size: 0,
        written_off: None,
        removal: Removal::NONE,
    };
}

impl Seldom {
    /// To be changed: from here on it takes memory.
    pub(super) fn note(&mut self) -> &mut Facts {
        self.0.get_or_insert_with(|| Box::new(Facts::NONE))
    }

    /// To be forgotten, if there is anything.
    pub(super) fn noted(&mut self) -> Option<&mut Facts> {
        self.0.as_deref_mut()
    }

    pub(super) fn lose(&mut self, bytes: u64) {
        if bytes > 0 {
            self.note().lost += bytes;
        }
    }
}

impl Deref for Seldom {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        static NOTHING: Facts = Facts::NONE;
        self.0.as_deref().unwrap_or(&NOTHING)
    }
}

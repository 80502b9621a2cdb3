//! Lists that are empty nearly always, and then take no more than a pointer: there may be very
//! many of them.

use std::ops::{Deref, DerefMut};

#[allow(clippy::box_collection, reason = "a list itself is three words")]
pub(super) struct Rare<T>(Option<Box<Vec<T>>>);

impl<T> Default for Rare<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Rare<T> {
    pub(super) fn push(&mut self, one: T) {
        self.0.get_or_insert_default().push(one);
    }

    /// Takes out the first.
    pub(super) fn shift(&mut self) {
        drop(self.remove(0));
    }

    pub(super) fn remove(&mut self, at: usize) -> Option<T> {
        let all = self.0.as_mut().filter(|all| at < all.len())?;
        Some(all.remove(at))
    }

    pub(super) fn retain(&mut self, wanted: impl FnMut(&T) -> bool) {
        if let Some(all) = &mut self.0 {
            all.retain(wanted);
        }
        self.0.take_if(|all| all.is_empty());
    }

    pub(super) fn take(&mut self) -> Vec<T> {
        self.0.take().map_or_else(Vec::new, |all| *all)
    }
}

impl<T> Extend<T> for Rare<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, more: I) {
        for one in more {
            self.push(one);
        }
    }
}

impl<T> Deref for Rare<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }
}

impl<T> DerefMut for Rare<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.0.as_deref_mut().map_or(&mut [], Vec::as_mut_slice)
    }
}

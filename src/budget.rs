//! The one bound on memory: a number of bytes that everything read must be paid from.
//!
//! A reader asks without waiting and goes on with other work when there is nothing left; whoever
//! gives back wakes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A shared count of bytes in use, with a limit.
#[derive(Clone)]
pub struct Budget(Arc<Inner>);

struct Inner {
    used: AtomicUsize,
    limit: usize,
    freed: Box<dyn Fn() + Send + Sync>,
}

impl Budget {
    /// `freed` is called, from whichever thread gives back, each time bytes become free.
    pub fn new(limit: usize, freed: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { used: AtomicUsize::new(0), limit, freed: Box::new(freed) }))
    }

    /// Takes `bytes`, if they are left. More than the whole limit is given when nothing is in
    /// use, so that one large record cannot stop the daemon.
    pub fn try_take(&self, bytes: usize) -> Option<Permit> {
        let fits = |used: usize| {
            let sum = used.checked_add(bytes)?;
            (used == 0 || sum <= self.0.limit).then_some(sum)
        };
        self.0.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits).ok()?;
        Some(Permit { budget: self.clone(), bytes })
    }

    /// Takes `bytes` come what may, for those who looked at [`Budget::used`] before.
    pub fn take_now(&self, bytes: usize) -> Permit {
        self.0.used.fetch_add(bytes, Ordering::AcqRel);
        Permit { budget: self.clone(), bytes }
    }

    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Acquire)
    }

    pub fn limit(&self) -> usize {
        self.0.limit
    }
}

/// Bytes taken from a [`Budget`], given back when dropped.
#[must_use]
pub struct Permit {
    budget: Budget,
    bytes: usize,
}

impl Permit {
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Parts with `bytes` of this permit, or all it has.
    pub fn split(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self { budget: self.budget.clone(), bytes }
    }

    /// Holds `bytes` from now on, come what may: what was estimated before is known now, and
    /// one block's error is all that the budget can be exceeded by.
    pub fn resize(&mut self, bytes: usize) {
        if let Some(more) = bytes.checked_sub(self.bytes) {
            self.budget.0.used.fetch_add(more, Ordering::AcqRel);
            self.bytes = bytes;
        } else {
            drop(self.split(self.bytes - bytes));
        }
    }
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Permit({})", self.bytes)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.0.used.fetch_sub(self.bytes, Ordering::AcqRel);
            (self.budget.0.freed)();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back_once() {
        let budget = Budget::new(100, || {});
        let mut permit = budget.try_take(80).unwrap();
        assert!(budget.try_take(21).is_none());
        let part = permit.split(30);
        drop(permit);
        assert_eq!(budget.used(), 30);
        drop(part);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn one_too_large_goes_alone() {
        let budget = Budget::new(100, || {});
        let large = budget.try_take(500).unwrap();
        assert!(budget.try_take(1).is_none());
        drop(large);
        assert!(budget.try_take(1).is_some());
    }
}

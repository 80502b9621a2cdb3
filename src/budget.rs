//! The one bound on memory: a number of bytes that everything read must be paid from.
//!
//! A reader asks without waiting and goes on with other work when there is nothing left; whoever
//! gives back wakes it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A shared count of bytes in use, with a limit.
#[derive(Clone)]
pub struct Budget(Arc<Inner>);

struct Inner {
    used: AtomicUsize,
    /// What was refused last, until as much is given: who was refused asks again.
    wanted: AtomicUsize,
    limit: usize,
    freed: Box<dyn Fn() + Send + Sync>,
    /// What it is a part of: what is taken from it is taken there, too.
    whole: Option<Budget>,
}

impl Budget {
    /// `freed` is called, from whichever thread gives back, each time bytes become free.
    pub fn new(limit: usize, freed: impl Fn() + Send + Sync + 'static) -> Self {
        Self::with(limit, Box::new(freed), None)
    }

    /// One of several parts: none holds more than it leaves free for the others.
    fn part(&self) -> Self {
        Self::with(self.0.limit, Box::new(|| {}), Some(self.clone()))
    }

    fn with(limit: usize, freed: Box<dyn Fn() + Send + Sync>, whole: Option<Self>) -> Self {
        let (used, wanted) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self(Arc::new(Inner { used, wanted, limit, freed, whole }))
    }

    /// Takes `bytes`, if they are left. More than that is given when nothing is in use, so that
    /// one large record cannot stop the daemon: a part of which nothing is in use gets all that the
    /// whole has left.
    ///
    /// Of a part one thread takes at a time.
    pub fn try_take(&self, bytes: usize) -> Option<Permit> {
        let permit = self.take_if_left(bytes);
        if permit.is_none() {
            self.0.wanted.store(bytes, Ordering::Release);
        } else if bytes >= self.0.wanted.load(Ordering::Acquire) {
            self.0.wanted.store(0, Ordering::Release);
        }
        permit
    }

    fn take_if_left(&self, bytes: usize) -> Option<Permit> {
        if self.0.whole.is_some() && self.used() > 0 && bytes > self.left() {
            return None;
        }
        let Inner { used, limit, .. } = &*self.0.whole.as_ref().unwrap_or(self).0;
        let fits = |used: usize| {
            let sum = used.checked_add(bytes)?;
            (used == 0 || sum <= *limit).then_some(sum)
        };
        used.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits).ok()?;
        if self.0.whole.is_some() {
            self.0.used.fetch_add(bytes, Ordering::AcqRel);
        }
        Some(Permit { budget: self.clone(), bytes })
    }

    /// Takes `bytes` come what may, for those who looked at [`Budget::used`] before.
    pub fn take_now(&self, bytes: usize) -> Permit {
        self.add(bytes);
        Permit { budget: self.clone(), bytes }
    }

    fn add(&self, bytes: usize) {
        for budget in self.0.whole.iter().chain([self]) {
            budget.0.used.fetch_add(bytes, Ordering::AcqRel);
        }
    }

    fn give_back(&self, bytes: usize) {
        for budget in self.0.whole.iter().chain([self]) {
            budget.0.used.fetch_sub(bytes, Ordering::AcqRel);
        }
        (self.0.whole.as_ref().unwrap_or(self).0.freed)();
    }

    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Acquire)
    }

    /// How much may be taken now.
    pub fn left(&self) -> usize {
        match &self.0.whole {
            None => self.0.limit.saturating_sub(self.used()),
            // What it takes is not left for the others.
            Some(whole) => whole.left().saturating_sub(self.used()) / 2,
        }
    }

    /// All that it may have now.
    pub fn reach(&self) -> usize {
        self.used().saturating_add(self.left())
    }

    /// Whether who was refused would be again.
    pub fn is_short(&self) -> bool {
        self.0.wanted.load(Ordering::Acquire) > self.left()
    }

    pub fn limit(&self) -> usize {
        self.0.limit
    }
}

/// A budget, and the parts of it that several have.
#[derive(Clone)]
pub struct Budgets<K> {
    whole: Budget,
    parts: HashMap<K, Budget>,
}

impl<K: Eq + Hash> Budgets<K> {
    /// Who is alone has all of it.
    pub fn new(whole: Budget, keys: impl IntoIterator<Item = K>) -> Self {
        let mut parts: HashMap<K, Budget> =
            keys.into_iter().map(|key| (key, whole.part())).collect();
        if parts.len() == 1 {
            parts.clear();
        }
        Self { whole, parts }
    }

    pub fn whole(&self) -> &Budget {
        &self.whole
    }

    pub fn of(&self, key: &K) -> &Budget {
        self.parts.get(key).unwrap_or(&self.whole)
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
            self.budget.add(more);
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
            self.budget.give_back(self.bytes);
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
    fn it_is_short_while_who_was_refused_would_be_again() {
        let budget = Budget::new(100, || {});
        let held = [40, 30].map(|bytes| budget.try_take(bytes).unwrap());
        assert!(!budget.is_short(), "nobody was refused");
        assert!(budget.try_take(50).is_none());
        drop(budget.try_take(20).unwrap());
        assert!(budget.is_short(), "a smaller one got through");
        let [first, second] = held;
        drop(second);
        assert!(!budget.is_short());
        drop(budget.try_take(50).unwrap());
        drop((first, budget.try_take(90)));
        let all = budget.try_take(100).unwrap();
        assert!(!budget.is_short(), "as much was given");
        drop(all);
    }

    #[test]
    fn one_too_large_goes_alone() {
        let budget = Budget::new(100, || {});
        let large = budget.try_take(500).unwrap();
        assert!(budget.try_take(1).is_none());
        drop(large);
        assert!(budget.try_take(1).is_some());
    }

    #[test]
    fn no_part_holds_more_than_it_leaves_to_the_others() {
        let whole = Budget::new(100, || {});
        let budgets = Budgets::new(whole.clone(), ["a", "b", "c"]);
        let [a, b] = ["a", "b"].map(|key| budgets.of(&key));
        let mut held = a.try_take(40).unwrap();
        assert_eq!((a.left(), b.left()), (10, 30));
        assert!(a.try_take(11).is_none());
        let rest = a.try_take(10).unwrap();
        assert!(a.try_take(1).is_none());
        let other = b.try_take(20).unwrap();
        assert_eq!((whole.used(), whole.left(), b.left()), (70, 30, 5));
        drop((rest, other));
        held.resize(90);
        assert_eq!((whole.used(), a.used(), b.used()), (90, 90, 0));
        drop(held);
        assert_eq!((whole.used(), a.used()), (0, 0));
    }

    #[test]
    fn one_too_large_for_a_part_has_what_is_left_of_the_whole() {
        let budgets = Budgets::new(Budget::new(100, || {}), ["a", "b"]);
        let [a, b] = ["a", "b"].map(|key| budgets.of(&key));
        let held = a.try_take(30).unwrap();
        assert!(b.try_take(71).is_none());
        drop(b.try_take(70).unwrap());
        drop(held);
        assert!(b.try_take(500).is_some());
    }

    #[test]
    fn who_is_alone_has_all() {
        let budgets = Budgets::new(Budget::new(100, || {}), ["a", "a"]);
        let held = budgets.of(&"a").try_take(60).unwrap();
        assert!(budgets.of(&"a").try_take(40).is_some());
        assert_eq!(held.bytes(), 60);
    }
}

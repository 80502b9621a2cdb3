//! Things by number, and by the key that each has itself: beside them only the numbers are kept,
//! because there may be a hundred thousand.

use std::hash::{BuildHasher as _, Hash, RandomState};

use hashbrown::HashTable;

/// What tells a thing from all others of its kind.
pub trait Keyed {
    type Key<'a>: Hash + Eq
    where
        Self: 'a;

    fn key(&self) -> Self::Key<'_>;
}

/// A number is used again once its thing is gone.
#[derive(Debug)]
pub struct Roll<T> {
    all: Vec<Option<T>>,
    free: Vec<usize>,
    /// There is no memory for more than four billion.
    by_key: HashTable<u32>,
    hasher: RandomState,
}

impl<T> Default for Roll<T> {
    fn default() -> Self {
        let (by_key, hasher) = (HashTable::new(), RandomState::new());
        Self { all: Vec::new(), free: Vec::new(), by_key, hasher }
    }
}

impl<T: Keyed> Roll<T> {
    pub fn get(&self, at: usize) -> Option<&T> {
        self.all.get(at)?.as_ref()
    }

    pub fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.all.get_mut(at)?.as_mut()
    }

    pub fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.all.iter().enumerate().filter_map(|(at, thing)| Some((at, thing.as_ref()?)))
    }

    /// Numbers are below this.
    pub fn end(&self) -> usize {
        self.all.len()
    }

    pub fn len(&self) -> usize {
        self.all.len() - self.free.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn find<'k>(&'k self, key: &T::Key<'k>) -> Option<usize> {
        let is_it = |at: &u32| self.get(*at as usize).is_some_and(|thing| thing.key() == *key);
        self.by_key.find(self.hasher.hash_one(key), is_it).map(|at| *at as usize)
    }

    /// Its key must not be there yet.
    pub fn add(&mut self, thing: T) -> usize {
        let hash = self.hasher.hash_one(thing.key());
        let at = self.free.pop().unwrap_or(self.all.len());
        match self.all.get_mut(at) {
            Some(place) => *place = Some(thing),
            None => self.all.push(Some(thing)),
        }
        let (all, hasher) = (&self.all, &self.hasher);
        let hash_of = |at: &u32| {
            let thing = all.get(*at as usize).and_then(Option::as_ref);
            thing.map_or(0, |thing| hasher.hash_one(thing.key()))
        };
        self.by_key.insert_unique(hash, short(at), hash_of);
        at
    }

    pub fn remove(&mut self, at: usize) -> Option<T> {
        let thing = self.all.get_mut(at)?.take()?;
        self.free.push(at);
        let hash = self.hasher.hash_one(thing.key());
        if let Ok(entry) = self.by_key.find_entry(hash, |known| *known == short(at)) {
            entry.remove();
        }
        Some(thing)
    }
}

fn short(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    struct Named(String);

    impl Keyed for Named {
        type Key<'a> = &'a str;

        fn key(&self) -> &str {
            &self.0
        }
    }

    proptest! {
        #[test]
        fn it_finds_what_a_map_finds(steps in prop::collection::vec((any::<bool>(), 0..20_u8), 0..200)) {
            let (mut roll, mut map) = (Roll::default(), BTreeMap::new());
            for (is_wanted, name) in steps {
                let name = name.to_string();
                let found = roll.find(&name.as_str());
                prop_assert_eq!(found, map.get(&name).copied());
                match found {
                    None if is_wanted => drop(map.insert(name.clone(), roll.add(Named(name)))),
                    Some(at) if !is_wanted => {
                        prop_assert_eq!(roll.remove(at).map(|named| named.0), Some(name.clone()));
                        map.remove(&name);
                    }
                    _ => {}
                }
                prop_assert_eq!(roll.len(), map.len());
                let numbers: Vec<usize> = roll.iter().map(|(at, _)| at).collect();
                let mut known: Vec<usize> = map.values().copied().collect();
                known.sort_unstable();
                prop_assert_eq!(numbers, known);
            }
        }
    }
}

//! How far a crash proves a source to have come: the spool's part of the accepted place.

use std::collections::BTreeMap;

use super::entry::{Key, Place};
use crate::record::{Generation, Lineage, Mark, Offset};

/// What the spool holds of one source, over all its lanes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    pub lineage: Lineage,
    pub generation: Generation,
    /// Where its first entry starts and its last one ends.
    pub start: Offset,
    pub end: Offset,
    links: Vec<Link>,
}

/// Whoever has accepted everything up to `chain` has everything up to `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Link {
    chain: Offset,
    end: Offset,
    /// The furthest place in it that can be recognised in the file.
    mark: Option<Mark>,
}

impl Coverage {
    /// The accepted place, given the one of the checkpoint: every byte below it has a durable
    /// fate. Never before `accepted`. Only the last, unsynced commit of a crashed run can leave
    /// holes; what lies beyond one is not counted, and is read again.
    pub fn advance(&self, accepted: Mark) -> Mark {
        let (mut reached, mut mark) = (accepted.offset, accepted);
        for link in &self.links {
            if link.chain <= reached && link.end > reached {
                reached = link.end;
                mark = link.mark.filter(|found| found.offset > mark.offset).unwrap_or(mark);
            }
        }
        mark
    }

    fn new(lineage: Lineage, generation: Generation, link: Link, start: Offset) -> Self {
        Self { lineage, generation, start, end: link.end, links: vec![link] }
    }

    fn add(&mut self, link: Link, start: Offset) {
        self.start = self.start.min(start);
        self.end = self.end.max(link.end);
        match self.links.last_mut().and_then(|last| Some((last.followed_by(link)?, last))) {
            Some((both, last)) => *last = both,
            None => self.links.push(link),
        }
    }

    fn finish(&mut self) {
        self.links.sort_by_key(|link| (link.end, link.chain));
        let links = std::mem::take(&mut self.links);
        for link in links {
            self.add(link, self.start);
        }
    }
}

impl Link {
    /// This link and `next` as one, where they say no less that way.
    fn followed_by(self, next: Self) -> Option<Self> {
        let follows = next.end >= self.end && next.chain <= self.end;
        // Where `next` asks for less than this link does, it makes this one superfluous.
        let chain = self.chain.min(next.chain);
        follows.then_some(Self { chain, end: next.end, mark: next.mark.or(self.mark) })
    }
}

/// Gathers the coverage of each source, from entries in any order.
#[derive(Default)]
pub(super) struct Coverages(BTreeMap<(Lineage, Generation), Coverage>);

impl Coverages {
    pub(super) fn add(&mut self, lineage: &Lineage, key: Key, place: &Place) {
        let mark = place.end_anchor.map(|anchor| Mark::new(key.end, anchor));
        let link = Link { chain: place.chain, end: key.end, mark };
        let source = (lineage.clone(), key.generation);
        self.0
            .entry(source)
            .and_modify(|coverage| coverage.add(link, key.start))
            .or_insert_with(|| Coverage::new(lineage.clone(), key.generation, link, key.start));
    }

    pub(super) fn finish(self) -> Vec<Coverage> {
        let mut all: Vec<Coverage> = self.0.into_values().collect();
        all.iter_mut().for_each(Coverage::finish);
        all
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::Anchor;

    fn mark(offset: u64) -> Mark {
        Mark::new(Offset(offset), Anchor(offset))
    }

    fn link(chain: u64, end: u64) -> Link {
        Link { chain: Offset(chain), end: Offset(end), mark: Some(mark(end)) }
    }

    fn coverage(links: impl IntoIterator<Item = Link>) -> Coverage {
        let lineage = Lineage { input: "a".into(), path: "/a".into() };
        let mut links = links.into_iter();
        let start = Offset::START;
        let first = links.next().unwrap();
        let mut coverage = Coverage::new(lineage, Generation::FIRST, first, start);
        links.for_each(|link| coverage.add(link, start));
        coverage.finish();
        coverage
    }

    #[test]
    fn chained_blocks_advance_the_accepted_place() {
        let coverage = coverage([link(100, 200), link(200, 300)]);
        assert_eq!(coverage.links.len(), 1);
        assert_eq!(coverage.advance(mark(100)), mark(300));
        assert_eq!(coverage.advance(mark(250)), mark(300));
        assert_eq!(coverage.advance(mark(400)), mark(400));
    }

    #[test]
    fn what_lies_beyond_a_hole_does_not_count() {
        let coverage = coverage([link(100, 200), link(300, 400)]);
        assert_eq!(coverage.advance(mark(50)), mark(50));
        assert_eq!(coverage.advance(mark(100)), mark(200));
    }

    #[test]
    fn place_that_cannot_be_recognised_is_passed_over() {
        let unmarked = Link { mark: None, ..link(200, 300) };
        assert_eq!(coverage([link(100, 200), unmarked]).advance(mark(100)), mark(200));
        assert_eq!(
            coverage([link(100, 200), unmarked, link(300, 400)]).advance(mark(100)),
            mark(400)
        );
    }

    proptest! {
        /// Merging links never changes what they say.
        #[test]
        fn advance_follows_every_link(
            links in prop::collection::vec((0_u64..30, 1_u64..6), 1..12),
            accepted in 0_u64..30,
        ) {
            let links = links.into_iter().map(|(chain, len)| (chain, chain + len));
            let mut reached = accepted;
            while let Some((_, end)) = links.clone().find(|(c, e)| *c <= reached && *e > reached) {
                reached = end;
            }
            let coverage = coverage(links.map(|(chain, end)| link(chain, end)));
            prop_assert_eq!(coverage.advance(mark(accepted)), mark(reached));
        }
    }
}

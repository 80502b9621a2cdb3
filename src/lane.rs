//! Keeps the records of one lane in order on their way to one partition, also when some come
//! back.
//!
//! Pure: it decides what may be handed over next; others do it. Two rules make the order. What
//! came back is handed over again before anything that has not been, and only once the outcome
//! of everything in flight is known. And what the broker refused goes again in company of
//! nothing else, in ever smaller groups, until what fails is one record alone.

use std::collections::VecDeque;

use crate::record::Slot;

/// Consecutive records of a slot that wait to be handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// The slot's place in the order of the lane.
    pub seq: u64,
    pub slot: Slot,
    pub from: u32,
    pub until: u32,
    /// A batch that held it was refused.
    pub suspect: bool,
}

impl Piece {
    pub fn len(self) -> u32 {
        self.until - self.from
    }

    pub fn is_empty(self) -> bool {
        self.from == self.until
    }

    fn order(self) -> (u64, u32) {
        (self.seq, self.from)
    }
}

/// What is to be done with a record that the broker refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is among those that will be sent again.
    Again,
    /// It failed alone: it is the guilty one.
    Guilty,
}

/// One lineage's way to one partition.
#[derive(Debug, Default)]
pub struct Lane {
    waiting: VecDeque<Piece>,
    returned: Vec<Piece>,
    in_flight: u32,
    /// What is in flight is one group of suspects, of this many records.
    alone: Option<u32>,
}

impl Lane {
    /// Takes in records just read, behind all others.
    pub fn push(&mut self, piece: Piece) {
        self.waiting.push_back(piece);
    }

    /// What may be handed over now. Afterwards [`Lane::handed`] says how much of it was.
    pub fn next(&mut self) -> Option<Piece> {
        if !self.returned.is_empty() {
            if self.in_flight > 0 {
                return None;
            }
            self.take_back_in();
        }
        let piece = *self.waiting.front()?;
        let may_go = self.in_flight == 0 || (self.alone.is_none() && !piece.suspect);
        may_go.then_some(piece)
    }

    fn take_back_in(&mut self) {
        self.returned.sort_unstable_by_key(|piece| piece.order());
        for piece in self.returned.drain(..).rev() {
            self.waiting.push_front(piece);
        }
    }

    /// Of the piece that [`Lane::next`] named, the first `done` records need no more handing
    /// over, and `taken` of these are in flight.
    pub fn handed(&mut self, done: u32, taken: u32) {
        let Some(front) = self.waiting.front_mut() else { return };
        if front.suspect && taken > 0 {
            self.alone = Some(taken);
        }
        front.from += done;
        self.in_flight += taken;
        if front.is_empty() {
            self.waiting.pop_front();
        }
    }

    /// The broker has `count` of the records in flight.
    pub fn delivered(&mut self, count: u32) {
        self.landed(count);
    }

    /// Records in flight came back, not because of what they are.
    pub fn came_back(&mut self, piece: Piece) {
        self.returned.push(piece);
        self.landed(piece.len());
    }

    /// Records in flight were refused with the batch that they were in.
    pub fn refused(&mut self, piece: Piece) -> Refusal {
        let alone = self.alone;
        self.landed(piece.len());
        match alone {
            Some(1) => return Refusal::Guilty,
            Some(_) if piece.len() > 1 => {
                let middle = piece.from + piece.len() / 2;
                self.returned.push(Piece { until: middle, suspect: true, ..piece });
                self.returned.push(Piece { from: middle, suspect: true, ..piece });
            }
            Some(_) | None => self.returned.push(Piece { suspect: true, ..piece }),
        }
        Refusal::Again
    }

    fn landed(&mut self, count: u32) {
        assert!(count <= self.in_flight, "only what is in flight can land");
        self.in_flight -= count;
        if self.in_flight == 0 {
            self.alone = None;
        }
    }

    /// Records handed over whose outcome is not known.
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Nothing waits and nothing is in flight.
    pub fn is_empty(&self) -> bool {
        self.in_flight == 0 && self.waiting.is_empty() && self.returned.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(seq: u64, from: u32, until: u32) -> Piece {
        Piece { seq, slot: Slot(u32::try_from(seq).unwrap()), from, until, suspect: false }
    }

    fn hand_all(lane: &mut Lane) -> Vec<Piece> {
        let mut handed = Vec::new();
        while let Some(piece) = lane.next() {
            lane.handed(piece.len(), piece.len());
            handed.push(piece);
        }
        handed
    }

    #[test]
    fn what_came_back_goes_before_what_waits_and_after_what_is_in_flight() {
        let mut lane = Lane::default();
        lane.push(piece(0, 0, 10));
        lane.push(piece(1, 0, 10));
        assert_eq!(hand_all(&mut lane).len(), 2);
        lane.push(piece(2, 0, 10));
        lane.came_back(piece(0, 5, 10));
        assert_eq!(lane.next(), None);
        lane.delivered(5);
        lane.came_back(piece(1, 0, 10));
        assert_eq!(hand_all(&mut lane), [piece(0, 5, 10), piece(1, 0, 10), piece(2, 0, 10)]);
    }

    /// A broker that refuses every batch with a guilty record in it.
    fn drive(lane: &mut Lane, guilty: &[(u64, u32)]) -> (Vec<(u64, u32)>, Vec<(u64, u32)>) {
        let (mut written, mut dead) = (Vec::new(), Vec::new());
        for _ in 0..1000 {
            let batch = hand_all(lane);
            let ids = |p: &Piece| (p.from..p.until).map(|i| (p.seq, i)).collect::<Vec<_>>();
            let refused = batch.iter().flat_map(ids).any(|id| guilty.contains(&id));
            for piece in batch {
                if !refused {
                    lane.delivered(piece.len());
                    written.extend(ids(&piece));
                } else if lane.refused(piece) == Refusal::Guilty {
                    dead.extend(ids(&piece));
                }
            }
        }
        (written, dead)
    }

    #[test]
    fn only_the_guilty_are_buried_and_the_innocent_keep_their_order() {
        let mut lane = Lane::default();
        for seq in 0..3 {
            lane.push(piece(seq, 0, 100));
        }
        let guilty = [(0, 17), (0, 18), (2, 99)];
        let (written, dead) = drive(&mut lane, &guilty);
        assert_eq!(dead, guilty);
        assert!(written.is_sorted());
        assert_eq!(written.len(), 297);
        assert!(lane.is_empty());
    }
}

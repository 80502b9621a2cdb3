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
    /// The spool has it and gives it back later.
    InSpool,
    /// It failed alone: it is the guilty one.
    Guilty,
}

/// Where records that were just read go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    Produce,
    Spool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Mode {
    /// Everything of the lane is in memory; what is read next comes after it.
    #[default]
    Direct,
    /// Everything of the lane is in the spool; in memory is only what the producer still has.
    Detour,
    /// The spool is being given back; what is read next goes behind it.
    Draining,
}

/// One lineage's way to one partition.
///
/// The order of a lane is always: what is in flight, what waits here, what is only in the spool,
/// what is not read yet.
#[derive(Debug, Default)]
pub struct Lane {
    mode: Mode,
    /// Its records may arrive in any order, so nothing waits for what is in flight.
    is_unordered: bool,
    /// Most lanes rest, and there may be very many.
    under_way: Option<Box<UnderWay>>,
}

/// What is between the reader and the broker.
#[derive(Debug, Default)]
struct UnderWay {
    waiting: VecDeque<Piece>,
    returned: Vec<Piece>,
    in_flight: u32,
    /// What is in flight is one group of suspects, of this many records.
    alone: Option<u32>,
}

impl Lane {
    /// A lane with a backlog starts in detour: the backlog is older than what is read next.
    pub fn begin_with_backlog(&mut self) {
        self.mode = Mode::Detour;
    }

    /// Its records may arrive in any order.
    pub fn give_up_order(&mut self) {
        self.is_unordered = true;
    }

    pub fn route(&self) -> Route {
        match self.mode {
            Mode::Direct => Route::Produce,
            Mode::Detour | Mode::Draining => Route::Spool,
        }
    }

    /// Takes in records just read or just given back by the spool, behind all others.
    pub fn push(&mut self, piece: Piece) {
        assert!(self.mode != Mode::Detour, "in detour nothing new goes to the producer");
        self.under_way.get_or_insert_default().waiting.push_back(piece);
    }

    /// Closes the direct way: from here on the spool has everything. Returns what waited, in
    /// order, to be staged if it is nowhere else; what is in flight is to be copied by the caller.
    ///
    /// It comes before copying and before purging, so that nothing read later can reach the
    /// broker ahead of what is in flight.
    pub fn detour(&mut self) -> Vec<Piece> {
        self.mode = Mode::Detour;
        let Some(all) = &mut self.under_way else { return Vec::new() };
        all.take_back_in();
        all.waiting.drain(..).collect()
    }

    /// Whether the backlog may be given back now: what the producer has kept comes first, unless
    /// order is given up.
    pub fn may_replay(&self) -> bool {
        match self.mode {
            Mode::Direct => false,
            Mode::Detour => self.is_unordered || self.in_flight() == 0,
            Mode::Draining => true,
        }
    }

    /// The first of the backlog is about to be pushed.
    pub fn drain(&mut self) {
        assert!(self.may_replay(), "replay waits for what is in flight");
        self.mode = Mode::Draining;
    }

    /// Everything in the spool has been pushed, so what is read next may follow it at once.
    pub fn backlog_loaded(&mut self) {
        if self.may_replay() {
            self.mode = Mode::Direct;
        }
    }

    /// What may be handed over now. Afterwards [`Lane::handed`] says how much of it was.
    pub fn next_piece(&mut self) -> Option<Piece> {
        let all = self.under_way.as_mut()?;
        if !all.returned.is_empty() {
            if all.in_flight > 0 && !self.is_unordered {
                return None;
            }
            all.take_back_in();
        }
        let piece = *all.waiting.front()?;
        let may_go = all.in_flight == 0 || (all.alone.is_none() && !piece.suspect);
        may_go.then_some(piece)
    }

    /// Of the piece that [`Lane::next_piece`] named, the first `done` records need no more handing
    /// over, and `taken` of these are in flight.
    pub fn handed(&mut self, done: u32, taken: u32) {
        let Some(all) = &mut self.under_way else { return };
        let Some(front) = all.waiting.front_mut() else { return };
        if front.suspect && taken > 0 {
            all.alone = Some(taken);
        }
        front.from += done;
        all.in_flight += taken;
        if front.is_empty() {
            all.waiting.pop_front();
        }
    }

    /// The broker has `count` of the records in flight.
    pub fn delivered(&mut self, count: u32) {
        self.landed(count);
    }

    /// Records in flight came back, and nothing more is to be done about them here.
    pub fn gone(&mut self, count: u32) {
        self.landed(count);
    }

    /// Records in flight came back, not because of what they are. Returns whether they are kept
    /// here; otherwise the spool gives them back later.
    pub fn came_back(&mut self, piece: Piece) -> bool {
        let kept = self.mode != Mode::Detour;
        let all = self.landed(piece.len());
        if kept {
            all.returned.push(piece);
        }
        kept
    }

    /// Records in flight were refused with the batch that they were in.
    pub fn refused(&mut self, piece: Piece) -> Refusal {
        let mode = self.mode;
        let alone = self.under_way.as_ref().and_then(|all| all.alone);
        let all = self.landed(piece.len());
        if mode == Mode::Detour {
            return Refusal::InSpool;
        }
        let suspect = Piece { suspect: true, ..piece };
        match alone {
            Some(1) => return Refusal::Guilty,
            Some(_) if piece.len() > 1 => {
                let middle = piece.from + piece.len() / 2;
                all.returned.push(Piece { until: middle, ..suspect });
                all.returned.push(Piece { from: middle, ..suspect });
            }
            Some(_) | None => all.returned.push(suspect),
        }
        Refusal::Again
    }

    fn landed(&mut self, count: u32) -> &mut UnderWay {
        let all = self.under_way.get_or_insert_default();
        assert!(count <= all.in_flight, "only what is in flight can land");
        all.in_flight -= count;
        if all.in_flight == 0 {
            all.alone = None;
        }
        all
    }

    /// Something here has to go alone. Lanes to one partition share batches, so until it has gone
    /// they hold still; otherwise the guilt of one lane's record could fall on another's.
    pub fn has_suspects(&self) -> bool {
        self.under_way.as_ref().is_some_and(|all| {
            let waits = all.waiting.front().is_some_and(|piece| piece.suspect);
            waits || all.alone.is_some() || all.returned.iter().any(|piece| piece.suspect)
        })
    }

    /// Records handed over whose outcome is not known.
    pub fn in_flight(&self) -> u32 {
        self.under_way.as_ref().map_or(0, |all| all.in_flight)
    }

    /// Nothing waits and nothing is in flight.
    pub fn is_empty(&self) -> bool {
        self.under_way.as_ref().is_none_or(|all| {
            all.in_flight == 0 && all.waiting.is_empty() && all.returned.is_empty()
        })
    }

    /// Whether nothing is under way, nor in the spool; if so, it takes little memory.
    pub fn rests(&mut self) -> bool {
        let rests = self.is_empty() && self.is_direct();
        if rests {
            self.under_way = None;
        }
        rests
    }

    pub fn is_direct(&self) -> bool {
        self.mode == Mode::Direct
    }
}

impl UnderWay {
    fn take_back_in(&mut self) {
        self.returned.sort_unstable_by_key(|piece| piece.order());
        for piece in self.returned.drain(..).rev() {
            self.waiting.push_front(piece);
        }
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
        while let Some(piece) = lane.next_piece() {
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
        assert_eq!(lane.next_piece(), None);
        lane.delivered(5);
        lane.came_back(piece(1, 0, 10));
        assert_eq!(hand_all(&mut lane), [piece(0, 5, 10), piece(1, 0, 10), piece(2, 0, 10)]);
    }

    /// A broker that refuses every batch with a guilty record in it.
    fn drive(lane: &mut Lane, guilty: &[(u64, u32)]) -> [Vec<(u64, u32)>; 2] {
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
        [written, dead]
    }

    #[test]
    fn lane_has_suspects_until_the_last_of_them_has_gone_alone() {
        let mut lane = Lane::default();
        lane.push(piece(0, 0, 2));
        assert_eq!(hand_all(&mut lane).len(), 1);
        assert!(!lane.has_suspects());
        lane.refused(piece(0, 0, 2));
        assert!(lane.has_suspects());
        assert_eq!(hand_all(&mut lane).len(), 1);
        assert!(lane.has_suspects());
        lane.delivered(2);
        assert!(!lane.has_suspects());
    }

    #[test]
    fn only_the_guilty_are_buried_and_the_innocent_keep_their_order() {
        let mut lane = Lane::default();
        for seq in 0..3 {
            lane.push(piece(seq, 0, 100));
        }
        let guilty = [(0, 17), (0, 18), (2, 99)];
        let [written, dead] = drive(&mut lane, &guilty);
        assert_eq!(dead, guilty);
        assert!(written.is_sorted());
        assert_eq!(written.len(), 297);
        assert!(lane.is_empty());
    }
}

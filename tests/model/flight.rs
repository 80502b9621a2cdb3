//! What each integer handed to the client library stands for.

use std::collections::BTreeMap;

use tailspool::lane::Piece;
use tailspool::ledger::Ticket;
use tailspool::record::Slot;

use crate::line::Line;
use crate::spool::Key;

/// Where a record of a load is safe, or that it is not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Place {
    /// Only here: its ticket is open.
    Owed,
    /// In the spool too; its delivery only removes it there.
    InSpool(Key),
    /// Nothing more is to be done about it here.
    Done,
}

/// A block on its way, or what the spool had of one.
pub(crate) struct Load {
    pub(crate) way: usize,
    pub(crate) seq: u64,
    pub(crate) lines: Vec<Line>,
    pub(crate) places: Vec<Place>,
    pub(crate) ticket: Option<Ticket>,
    /// Records that wait or are in flight.
    left: u32,
}

impl Load {
    pub(crate) fn is_fresh(&self) -> bool {
        self.places.contains(&Place::Owed)
    }

    pub(crate) fn take_ticket(&mut self, records: u32) -> Ticket {
        self.ticket.as_mut().unwrap().take(records)
    }
}

#[derive(Default)]
pub(crate) struct Flight {
    loads: BTreeMap<Slot, Load>,
    boarded: u32,
}

impl Flight {
    /// Takes a load in; returns all of it as a piece for its lane.
    pub(crate) fn board(
        &mut self,
        way: usize,
        lines: Vec<Line>,
        place: Place,
        ticket: Option<Ticket>,
    ) -> Piece {
        let slot = Slot(self.boarded);
        let seq = u64::from(self.boarded);
        self.boarded += 1;
        let left = u32::try_from(lines.len()).unwrap();
        let places = vec![place; lines.len()];
        self.loads.insert(slot, Load { way, seq, lines, places, ticket, left });
        Piece { seq, slot, from: 0, until: left, suspect: false }
    }

    pub(crate) fn load(&mut self, slot: Slot) -> &mut Load {
        self.loads.get_mut(&slot).unwrap()
    }

    /// `count` of a slot's records are out of memory; with the last the slot is.
    pub(crate) fn finish(&mut self, slot: Slot, count: u32) {
        let load = self.load(slot);
        load.left = load.left.strict_sub(count);
        if load.left == 0 {
            assert!(!load.is_fresh(), "what is only in memory stays there");
            self.loads.remove(&slot);
        }
    }

    /// The loads of a way, in its order.
    pub(crate) fn of(&self, way: usize) -> impl Iterator<Item = (Slot, &Load)> {
        self.loads.iter().filter(move |(_, load)| load.way == way).map(|(slot, load)| (*slot, load))
    }

    pub(crate) fn lines(&self) -> usize {
        self.loads.values().map(|load| load.lines.len()).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.loads.is_empty()
    }
}

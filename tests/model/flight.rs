//! What each integer handed to the client library stands for.

use std::collections::BTreeMap;
use std::rc::Rc;

use tailspool::lane::Piece;
use tailspool::ledger::Ticket;
use tailspool::record::{Block, Slot};

use crate::line::Line;
use crate::spool::Key;
use crate::texture::Read;

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
    /// Where it goes, once that is known.
    pub(crate) partition: Option<usize>,
    pub(crate) lines: Vec<Line>,
    /// What was read; of what the spool gave back there is none.
    pub(crate) block: Option<Rc<Block>>,
    pub(crate) places: Vec<Place>,
    pub(crate) ticket: Option<Ticket>,
    /// Records that wait or are in flight.
    left: u32,
    /// Some of it is to be given back by the spool.
    pub(crate) is_left_behind: bool,
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
    /// Takes in what was read; returns all of it as a piece for its lane.
    pub(crate) fn board(
        &mut self,
        way: usize,
        Read { block, lines }: Read,
        ticket: Ticket,
    ) -> Piece {
        self.place(way, lines, Place::Owed, Some((block, ticket)))
    }

    /// Takes in what the spool gave back.
    pub(crate) fn board_replayed(&mut self, way: usize, lines: Vec<Line>, key: Key) -> Piece {
        self.place(way, lines, Place::InSpool(key), None)
    }

    fn place(
        &mut self,
        way: usize,
        lines: Vec<Line>,
        place: Place,
        fresh: Option<(Rc<Block>, Ticket)>,
    ) -> Piece {
        let slot = Slot(self.boarded);
        let seq = u64::from(self.boarded);
        self.boarded += 1;
        let left = u32::try_from(lines.len()).unwrap();
        let places = vec![place; lines.len()];
        let (block, ticket) = fresh.unzip();
        self.loads.insert(
            slot,
            Load {
                way,
                seq,
                partition: None,
                lines,
                block,
                places,
                ticket,
                left,
                is_left_behind: false,
            },
        );
        Piece { seq, slot, from: 0, until: left, suspect: false }
    }

    pub(crate) fn load(&mut self, slot: Slot) -> &mut Load {
        self.loads.get_mut(&slot).unwrap()
    }

    /// `count` of a slot's records are out of memory; with the last the slot is.
    pub(crate) fn finish(&mut self, slot: Slot, count: u32) -> Option<Load> {
        let load = self.load(slot);
        load.left = load.left.strict_sub(count);
        if load.left > 0 {
            return None;
        }
        assert!(!load.is_fresh(), "what is only in memory stays there");
        self.loads.remove(&slot)
    }

    /// The same of records that the spool is to give back.
    pub(crate) fn leave(&mut self, slot: Slot, count: u32) -> Option<Load> {
        self.load(slot).is_left_behind = true;
        self.finish(slot, count)
    }

    /// Whether something of an entry waits or is in flight.
    pub(crate) fn has(&self, way: usize, key: Key) -> bool {
        self.of(way).any(|(_, load)| load.places.contains(&Place::InSpool(key)))
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

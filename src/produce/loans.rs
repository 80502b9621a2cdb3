//! What librdkafka reads records from where they lie: lent until it has reported the last of them.

use std::sync::Arc;

use crate::record::{Buffer, Run, Slot};

/// Buffers lent, by slot.
#[derive(Default)]
pub(super) struct Loans(Vec<Option<Loan>>);

struct Loan {
    bytes: Arc<Buffer>,
    /// How many records in it are not reported.
    records: usize,
}

impl Loans {
    /// So many more records of a slot are read from `bytes`.
    ///
    /// A slot is used again only after the last record of it was reported. Were it not, what is
    /// lent would be given back too early: that is no state to go on in.
    pub(super) fn lend(&mut self, slot: Slot, bytes: &Arc<Buffer>, records: usize) {
        let at = slot.0 as usize;
        if self.0.len() <= at {
            self.0.resize_with(at + 1, || None);
        }
        let Some(place) = self.0.get_mut(at) else { return };
        let new = || Loan { bytes: Arc::clone(bytes), records: 0 };
        let loan = place.get_or_insert_with(new);
        assert!(Arc::ptr_eq(&loan.bytes, bytes), "slot {} is in use", slot.0);
        loan.records += records;
    }

    /// These are not read any more.
    pub(super) fn give_back(&mut self, run: Run) {
        let Some(place) = self.0.get_mut(run.slot.0 as usize) else { return };
        let Some(loan) = place else { return };
        loan.records = loan.records.strict_sub(run.count as usize);
        if loan.records == 0 {
            *place = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::buffer;

    fn run(slot: u32, count: u32) -> Run {
        Run { slot: Slot(slot), first: 0, count }
    }

    #[test]
    fn a_buffer_is_lent_until_its_last_record_is_reported() {
        let (mut loans, first, second) = (Loans::default(), buffer(b"a"), buffer(b"b"));
        loans.lend(Slot(3), &first, 2);
        loans.lend(Slot(3), &first, 1);
        loans.lend(Slot(0), &second, 1);
        loans.give_back(run(3, 2));
        assert_eq!([&first, &second].map(Arc::strong_count), [2, 2]);
        loans.give_back(run(3, 1));
        assert_eq!([&first, &second].map(Arc::strong_count), [1, 2]);
        loans.lend(Slot(3), &second, 1);
        assert_eq!(Arc::strong_count(&second), 3);
    }

    #[test]
    #[should_panic(expected = "slot 3 is in use")]
    fn a_slot_holds_one_buffer() {
        let mut loans = Loans::default();
        loans.lend(Slot(3), &buffer(b"a"), 1);
        loans.lend(Slot(3), &buffer(b"a"), 1);
    }
}

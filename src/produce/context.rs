//! What librdkafka calls: counts delivery reports into runs, and keeps what it says of brokers. And
//! what it reads from, which must outlive it: the client drops this last.
//!
//! Called only while the owner polls, so the run that is being counted needs no lock: two
//! atomics without ordering stand in for two integers.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::producer::{DeliveryResult, ProducerContext};

use super::cause::code;
use super::loans::Loans;
use super::{Cause, Delivered, Report, Throttled, Trouble, statistics};
use crate::record::{Buffer, Run, Slot};

/// Troubles are kept up to this many between two looks; librdkafka repeats itself.
const TROUBLES_MAX: usize = 64;
/// In one report it may be about to ask the servers it was given.
const LOST_MAX: u32 = 2;

#[derive(Default)]
struct Inbox {
    reports: Vec<Report>,
    troubles: Vec<Trouble>,
    throttled: Vec<Throttled>,
    /// In how many reports in a row librdkafka knew nobody to ask.
    lost: u32,
    loans: Loans,
}

pub(super) struct Context {
    /// The first record of the run being counted, as it rode: slot and record.
    head: AtomicU64,
    count: AtomicU32,
    inbox: Mutex<Inbox>,
}

/// A record as it rides through librdkafka: the slot above, the record's number below.
pub(super) fn opaque(slot: Slot, record: u32) -> usize {
    const { assert!(usize::BITS == 64, "the opaque holds two 32-bit numbers") };
    #[allow(clippy::cast_possible_truncation, reason = "both are 64 bits wide, as asserted")]
    let opaque = (u64::from(slot.0) << 32 | u64::from(record)) as usize;
    opaque
}

fn run(head: u64, count: u32) -> Run {
    #[allow(clippy::cast_possible_truncation, reason = "takes the two halves apart")]
    let (slot, first) = ((head >> 32) as u32, head as u32);
    Run { slot: Slot(slot), first, count }
}

impl Context {
    pub(super) fn new() -> Self {
        Self { head: AtomicU64::new(0), count: AtomicU32::new(0), inbox: Mutex::default() }
    }

    /// Everything heard since the last time.
    pub(super) fn take(&self) -> (Vec<Report>, Vec<Trouble>) {
        self.end_run();
        let mut inbox = self.inbox();
        (std::mem::take(&mut inbox.reports), std::mem::take(&mut inbox.troubles))
    }

    /// Who told us to wait since the last time.
    pub(super) fn take_throttled(&self) -> Vec<Throttled> {
        let mut inbox = self.inbox();
        std::mem::take(&mut inbox.throttled)
    }

    /// Whether librdkafka has nobody to ask and does nothing about it; it counts from anew then.
    pub(super) fn take_lost(&self) -> bool {
        let mut inbox = self.inbox();
        let is_lost = inbox.lost >= LOST_MAX;
        if is_lost {
            inbox.lost = 0;
        }
        is_lost
    }

    /// So many records of a slot are read from `bytes` from now on, until they are reported.
    pub(super) fn lend(&self, slot: Slot, bytes: &Arc<Buffer>, records: usize) {
        self.inbox().loans.lend(slot, bytes, records);
    }

    /// So many of them are not, and will not be reported.
    pub(super) fn take_back(&self, slot: Slot, count: u32) {
        self.inbox().loans.give_back(Run { slot, first: 0, count });
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end_run(&self) {
        let count = self.count.swap(0, Relaxed);
        if count > 0 {
            let run = run(self.head.load(Relaxed), count);
            let mut inbox = self.inbox();
            inbox.loans.give_back(run);
            inbox.reports.push(Report::Delivered(Delivered::reported(run)));
        }
    }

    fn undelivered(&self, opaque: u64, cause: Cause) {
        let one = run(opaque, 1);
        let mut inbox = self.inbox();
        inbox.loans.give_back(one);
        if let Some(Report::Undelivered { run, cause: last }) = inbox.reports.last_mut()
            && *last == cause
            && run.slot == one.slot
            && run.first + run.count == one.first
        {
            run.count += 1;
            return;
        }
        inbox.reports.push(Report::Undelivered { run: one, cause });
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        // What matters of this arrives as an error or a report; the rest repeats itself.
        tracing::debug!(target: "librdkafka", ?level, fac, message);
    }

    fn stats_raw(&self, json: &[u8]) {
        let Some(mut told) = statistics::of(json) else { return };
        let mut inbox = self.inbox();
        inbox.throttled.append(&mut told.throttled);
        inbox.lost = if told.is_lost { inbox.lost + 1 } else { 0 };
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let trouble = Trouble::new(&error, reason);
        let mut inbox = self.inbox();
        // librdkafka's binding calls this twice for one event.
        if inbox.troubles.len() < TROUBLES_MAX && inbox.troubles.last() != Some(&trouble) {
            inbox.troubles.push(trouble);
        }
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: usize) {
        let opaque = opaque as u64;
        match result {
            Ok(_) => {
                let count = self.count.load(Relaxed);
                if count > 0 && self.head.load(Relaxed) + u64::from(count) == opaque {
                    self.count.store(count + 1, Relaxed);
                } else {
                    self.end_run();
                    self.head.store(opaque, Relaxed);
                    self.count.store(1, Relaxed);
                }
            }
            Err((error, _)) => {
                self.end_run();
                self.undelivered(opaque, Cause::of(code(error)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opaque_is_its_run_of_one() {
        let one = run(opaque(Slot(7), 9) as u64, 1);
        assert_eq!(one, Run { slot: Slot(7), first: 9, count: 1 });
    }

    #[test]
    fn neighbours_that_failed_alike_are_one_run() {
        let context = Context::new();
        for record in [3, 4, 6] {
            context.undelivered(opaque(Slot(1), record) as u64, Cause::Purged);
        }
        let (reports, _) = context.take();
        let runs: Vec<_> = reports
            .iter()
            .map(|report| match report {
                Report::Undelivered { run, .. } => (run.first, run.count),
                Report::Delivered(proof) => panic!("nothing was delivered: {proof:?}"),
            })
            .collect();
        assert_eq!(runs, [(3, 2), (6, 1)]);
    }
}

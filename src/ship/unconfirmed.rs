//! What becomes of records that counted as sent when they were handed over.

use super::Ship;
use crate::produce::Cause;
use crate::record::Run;

impl Ship {
    /// What counted as sent came back. Nobody keeps it: that is what was asked for.
    pub(super) fn lose(&mut self, at: usize, run: Run, cause: Cause) {
        let Some(way) = self.ways.get_mut(at) else { return };
        way.lane.gone(run.count);
        self.crew.counters.dropped.unconfirmed.add(u64::from(run.count));
        if self.lost_unconfirmed.insert((way.outlet, way.topic.clone())) {
            let (lineage, topic) = (&way.lineage, &way.topic);
            tracing::error!(
                %lineage, %topic, %cause,
                "lines that counted as sent came back and are lost"
            );
        }
        self.hold_up(at, cause);
        self.flight.done(run.slot, run.count);
        self.release(run.slot);
    }

    /// At the end: what Kafka has not taken of what counted as sent goes with the producer.
    pub(super) fn say_unconfirmed(&self) {
        let records: u64 = self.flight.iter().map(|load| u64::from(load.unconfirmed())).sum();
        if records > 0 {
            self.crew.counters.dropped.unconfirmed.add(records);
            tracing::error!(
                records,
                "lines that counted as sent were not taken in time and are lost"
            );
        }
    }
}

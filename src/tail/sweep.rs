//! What only time brings, and how reading ends.

use std::sync::Arc;

use super::lineage::{Again, Lineage, Next};
use super::source::Source;
use super::{Ending, Event, Step, Tail};
use crate::record;

impl<F: FnMut(Event)> Tail<F> {
    /// Lets go of files that nobody will write to any more, closes those at rest, and sees to
    /// what is due. Removes files that are to go. Call it about once a second.
    ///
    /// Returns the names that are over, with their inputs.
    pub fn sweep(&mut self) -> Vec<(usize, Arc<record::Lineage>)> {
        self.remove_settled();
        let mut over = Vec::new();
        for at in self.lineages.take_awake() {
            let is_due = !matches!(self.next(at), Next::Idle);
            self.put_away(at);
            let Some(lineage) = self.lineages.get_mut(at) else { continue };
            let is_again = std::mem::replace(&mut lineage.again, Again::Asked) != Again::Asked;
            if is_again {
                lineage.again = Again::Now;
            }
            let is_over = lineage.is_over() && !lineage.is_ready;
            if is_over {
                over.extend(self.forget(at));
            } else if is_due || is_again {
                self.make_ready(at);
            } else if !lineage.is_asleep() {
                self.lineages.rouse(at);
            }
        }
        self.close_resting();
        over
    }

    fn put_away(&mut self, at: usize) {
        let Some(lineage) = self.lineages.get_mut(at) else { return };
        let Some(input) = self.inputs.get(lineage.input) else { return };
        let close_inactive = input.settings.close_inactive;
        lineage.settle_packed().into_iter().for_each(&mut self.emit);
        let gone = lineage.let_go(close_inactive, input.looked);
        lineage.close(close_inactive);
        for source in gone {
            self.owners.remove(lineage.input, &source.identity, at);
            (self.emit)(Event::Gone(source.id));
        }
        self.count_open(at);
    }

    /// A lineage without files is remembered only by the numbers that it has used.
    fn forget(&mut self, at: usize) -> Option<(usize, Arc<record::Lineage>)> {
        let lineage = self.lineages.remove(at)?;
        self.descriptors.unpacking -= lineage.unpacking;
        self.floor = self.floor.max(lineage.next_generation);
        (self.emit)(Event::Over(lineage.id));
        Some((lineage.input, lineage.name))
    }

    /// Where lines that are not whole take too much, those of other files are forgotten, unless
    /// they are about to be shipped.
    pub(super) fn bound_pending(&mut self, at: usize) {
        let limit = self.pending_max;
        if self.pending <= limit {
            return;
        }
        let sources = |lineage: &Lineage| lineage.sources.iter().map(Source::pending_bytes).sum();
        self.pending = self.lineages.iter().map::<usize, _>(sources).sum();
        for other in (0..self.lineages.end()).filter(|other| *other != at) {
            if self.pending <= limit / 2 {
                return;
            }
            let Some(input) = self.lineages.get(other).map(|lineage| lineage.input) else {
                continue;
            };
            let patience = self.patience(input).event;
            let Some(lineage) = self.lineages.get_mut(other) else { continue };
            let before = sources(lineage);
            let is_due = |source: &Source| source.has_event() && source.rest() >= patience;
            let waits = |source: &&mut Source| !source.has_news() && !is_due(source);
            lineage.sources.iter_mut().filter(waits).for_each(Source::rewind);
            self.pending -= before - sources(lineage);
        }
    }

    /// With [`Ending::AtEnd`]: takes unfinished last lines too, and says that all is read.
    /// Call it when turns bring nothing more; if it returns false, they may again.
    pub fn finish(&mut self) -> bool {
        if self.ending == Ending::Follow {
            return true;
        }
        self.is_finishing = true;
        let mut is_done = true;
        for at in 0..self.lineages.end() {
            if !self.finish_one(at) {
                self.make_ready(at);
                is_done = false;
            }
        }
        if is_done {
            (self.emit)(Event::AllRead);
        }
        is_done
    }

    fn finish_one(&mut self, at: usize) -> bool {
        loop {
            match self.next(at) {
                Next::Idle => return true,
                Next::Finish(position) => {
                    let step = self.read(at, position, Source::read_partial);
                    self.count_open(at);
                    if !matches!(step, Step::Worked) {
                        return false;
                    }
                }
                Next::Read(_) | Next::EndEvents(_) | Next::Reconcile | Next::Examine => {
                    return false;
                }
            }
        }
    }
}

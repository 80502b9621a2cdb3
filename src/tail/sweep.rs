//! What only time brings, and how reading ends.

use std::sync::Arc;

use super::lineage::{Again, Next};
use super::source::Source;
use super::{Ending, Event, Step, Tail};
use crate::record;

impl<F: FnMut(Event)> Tail<F> {
    /// Lets go of files that nobody will write to any more, closes those at rest, and sees to
    /// what is due. Call it about once a second.
    ///
    /// Returns the names that are over, with their inputs.
    pub fn sweep(&mut self) -> Vec<(usize, Arc<record::Lineage>)> {
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
        let gone = lineage.let_go(close_inactive);
        lineage.close(close_inactive);
        gone.into_iter().map(|source| Event::Gone(source.id)).for_each(&mut self.emit);
        self.count_open(at);
    }

    /// A lineage without files is remembered only by the numbers that it has used.
    fn forget(&mut self, at: usize) -> Option<(usize, Arc<record::Lineage>)> {
        let lineage = self.lineages.remove(at)?;
        self.floor = self.floor.max(lineage.next_generation);
        (self.emit)(Event::Over(lineage.id));
        Some((lineage.input, lineage.name))
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
                Next::Read(_) | Next::EndEvents(_) | Next::Reconcile => return false,
            }
        }
    }
}

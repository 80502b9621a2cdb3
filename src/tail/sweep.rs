//! What only time brings, and how reading ends.

use super::lineage::{Lineage, Next};
use super::source::Source;
use super::{Ending, Event, PENDING_SHARE, Step, Tail};

/// How many files at rest may stay open; what is beyond is opened again when it grows.
const RESTING_OPEN_MAX: usize = 512;

impl<F: FnMut(Event)> Tail<F> {
    /// Lets go of files that nobody will write to any more, closes those at rest, and sees to
    /// what is due. Removes files that are to go. Call it about once a second.
    pub fn sweep(&mut self) {
        self.remove_settled();
        let mut open = self.counts().0;
        for at in 0..self.lineages.len() {
            let is_due = !matches!(self.next(at), Next::Idle);
            open -= self.put_away(at, open.saturating_sub(RESTING_OPEN_MAX));
            if is_due {
                self.make_ready(at);
            }
        }
    }

    /// Returns how many files were closed.
    fn put_away(&mut self, at: usize, excess: usize) -> usize {
        let Some(lineage) = self.lineages.get_mut(at) else { return 0 };
        let Some(input) = self.inputs.get(lineage.input) else { return 0 };
        let close_inactive = input.settings.close_inactive;
        let gone = lineage.let_go(close_inactive);
        let closed = gone.len() + lineage.close(close_inactive, excess);
        gone.into_iter().map(|source| Event::Gone(source.id)).for_each(&mut self.emit);
        closed
    }

    /// Where lines that are not whole take too much, those of other files are forgotten, unless
    /// they are about to be shipped.
    pub(super) fn bound_pending(&mut self, at: usize) {
        let limit = self.budget.limit() / PENDING_SHARE;
        if self.pending <= limit {
            return;
        }
        let sources = |lineage: &Lineage| lineage.sources.iter().map(Source::pending_bytes).sum();
        self.pending = self.lineages.iter().map::<usize, _>(sources).sum();
        for other in (0..self.lineages.len()).filter(|other| *other != at) {
            if self.pending <= limit / 2 {
                return;
            }
            let Some(input) = self.lineages.get(other).map(|lineage| lineage.input) else { return };
            let patience = self.patience(input).event;
            let Some(lineage) = self.lineages.get_mut(other) else { return };
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
        for at in 0..self.lineages.len() {
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
                    if !matches!(self.read(at, position, Source::read_partial), Step::Worked) {
                        return false;
                    }
                }
                Next::Read(_) | Next::EndEvents(_) | Next::Reconcile => return false,
            }
        }
    }
}

//! One lineage: the files that had its name, oldest first, and what is to be done with them.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::KnownSource;
use super::beside::Beside;
use super::candidate::Sighting;
use super::departed::Departed;
use super::event::{Event, Gate, LostReason, Seen};
use super::identity;
use super::input::Looked;
use super::inquiry::{Inquiry, Unfinished};
use super::judgement::Stranger;
use super::packed::End;
use super::rare::Rare;
use super::source::{Home, Source, is_absence};
use super::whereabouts::Whereabouts;
use crate::encode::Encoder;
use crate::record::{self, Generation, Identity, Label, LineageId, SourceId};
use crate::roll::Keyed;

/// How long a file must rest before the beginning of a line at its end counts as a line: when
/// others wait for it, and when nothing does.
const FOLLOWED_REST: Duration = Duration::from_secs(1);
const PARTIAL_REST: Duration = Duration::from_secs(5);
/// How long a file without a name is kept open for who may still write to it: when it was
/// deleted and has a successor, and otherwise.
const SUCCEEDED_REST: Duration = Duration::from_secs(5);
const NAMELESS_REST: Duration = Duration::from_mins(1);
/// The same where no look comes to its end.
const UNLOOKED_REST: Duration = Duration::from_mins(10);
/// [`Lineage::listing_of`] nothing.
pub(super) const LISTING_EMPTY: u64 = 0;

#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, learned and forgotten by itself"
)]
pub(super) struct Lineage {
    pub(super) id: LineageId,
    pub(super) input: usize,
    pub(super) name: Arc<record::Lineage>,
    pub(super) gate: Arc<Gate>,
    /// What its records carry.
    pub(super) label: Arc<Label>,
    /// What makes their values; nothing if these are messages as they are.
    pub(super) encoder: Option<Arc<Encoder>>,
    /// Where the file with the name is opened, if a symbolic link leads elsewhere.
    target: Option<Box<Path>>,
    /// Oldest first; the last one has the name, or had it last.
    pub(super) sources: Vec<Source>,
    pub(super) next_generation: Generation,
    /// Siblings that are not of this lineage: copies of what can be read, or older than it.
    pub(super) strangers: Rare<Stranger>,
    /// Files that were not found any more, and may come back.
    pub(super) departed: Departed,
    /// A compressed sibling that is being looked into.
    pub(super) inquiry: Option<Box<Inquiry>>,
    /// What has to wait until that is known.
    pub(super) held: Rare<Sighting>,
    /// Compressed siblings that are not all there yet.
    pub(super) unfinished: Rare<Unfinished>,
    /// The names that were beside it at the last reconciliation, as one number. None if it is
    /// to be reconciled in any case.
    pub(super) listing: Option<u64>,
    /// Its name leads to a file that is followed under another.
    pub(super) foreign: Option<Box<Identity>>,
    /// Its name leads to a file.
    pub(super) has_live: bool,
    /// Said once that it cannot be read.
    pub(super) is_unreadable: bool,
    pub(super) is_ready: bool,
    /// It matters how far its files are acknowledged.
    pub(super) is_asking: bool,
    /// How many of its files are open, as counted last.
    pub(super) open: usize,
    /// How many are being unpacked, as counted last.
    pub(super) unpacking: usize,
    pub(super) again: Again,
}

/// Whether it is to be looked at again although nothing was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// When somebody asks.
    Asked,
    /// A descriptor was missing: in a while.
    Soon,
    Now,
}

/// How long things are waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For the end of a line, even in a file that has its name.
    pub(super) partial: Duration,
    /// For more lines of an event.
    pub(super) event: Duration,
    /// There is memory for what was forgotten because there was none.
    pub(super) may_wake: bool,
    /// For a file that cannot be read while its successors can.
    pub(super) failing: Duration,
}

/// What a lineage wants done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Read(usize),
    /// Its last line will not be finished: send it as it is.
    Finish(usize),
    /// Its last event will not get more lines.
    EndEvents(usize),
    /// A compressed file is being looked into.
    Examine,
    /// A file is not where it was to be, or turned out to be another: look at all again.
    Reconcile,
    Idle,
}

/// Its input, and its path there.
impl Keyed for Lineage {
    type Key<'a> = (usize, &'a OsStr);

    fn key(&self) -> (usize, &OsStr) {
        (self.input, self.name.path.as_os_str())
    }
}

impl Lineage {
    pub(super) fn new(
        id: LineageId,
        input: usize,
        name: Arc<record::Lineage>,
        label: Arc<Label>,
        next_generation: Generation,
    ) -> Self {
        Self {
            target: None,
            id,
            input,
            name,
            gate: Arc::default(),
            label,
            encoder: None,
            sources: Vec::new(),
            next_generation,
            strangers: Rare::default(),
            departed: Departed::default(),
            inquiry: None,
            held: Rare::default(),
            unfinished: Rare::default(),
            listing: None,
            foreign: None,
            has_live: false,
            is_unreadable: false,
            is_ready: false,
            is_asking: false,
            open: 0,
            unpacking: 0,
            again: Again::Asked,
        }
    }

    /// The sources of an earlier run, oldest first, and when it last looked at all. Where they are
    /// now is for the first look to say.
    pub(super) fn restore(
        &mut self,
        known: impl Iterator<Item = KnownSource>,
        looked_ms: Option<u64>,
    ) {
        let (gone, there): (Vec<_>, Vec<_>) = known.partition(|known| known.is_gone);
        for known in there {
            let id = SourceId { lineage: self.id, generation: known.generation };
            self.sources.reserve_exact(1);
            let path = Whereabouts::new(self.name.clone(), known.now);
            let label = self.label.clone();
            self.sources.push(Source::new(id, known.identity, path, known.at, label));
        }
        let mut those = self.sources.as_mut_slice();
        while let [source, later @ ..] = those {
            // It was truncated, and what was unread of it is still looked for.
            if later.iter().any(|later| later.identity.is_same_file(&source.identity)) {
                source.home = Home::Taken;
            }
            those = later;
        }
        for known in gone {
            // What was truncated is gone, too, but its file goes on as another source.
            if self.sources.iter().all(|source| !source.identity.is_same_file(&known.identity)) {
                self.departed.push(known.identity, known.at, looked_ms);
            }
        }
    }

    /// Its name leads here now.
    pub(super) fn leads_to(&mut self, path: &Path) {
        if path != self.live_path() {
            self.target = (path != self.name.path).then(|| path.into());
        }
    }

    /// Where the file with the name is opened: no symbolic link leads there.
    pub(super) fn live_path(&self) -> &Path {
        self.target.as_deref().unwrap_or(&self.name.path)
    }

    /// Whether its name leads to another file than at the last look, or to one that is not what
    /// it was. A close look finds that out even if it has grown since.
    pub(super) fn has_changed(&mut self, live: Option<&Metadata>, closely: bool) -> bool {
        let known = self.sources.last_mut().filter(|_| self.has_live);
        let (source, meta) = match (known, live) {
            (Some(source), Some(meta)) => (source, meta),
            (None, None) => return self.listing.is_none(),
            _ => return true,
        };
        if source.has_more_than(meta) || !identity::of(meta).is_same_file(&source.identity) {
            return true;
        }
        source.saw(meta);
        closely && source.is_stirred && !source.is_packed() && matches!(source.verify(), Ok(false))
    }

    /// Looks at every file where it was last, closed ones too: somebody may still write to them.
    /// Returns whether all are still there, and nothing has come to them.
    pub(super) fn is_as_it_was(&mut self, beside: &Beside) -> bool {
        let mut are_there = self.listing == Some(self.listing_of(beside));
        are_there &= !self.is_packed_due(beside) && !self.is_taken_up(beside);
        let live = self.sources.len().checked_sub(1).filter(|_| self.has_live);
        for (at, source) in self.sources.iter_mut().enumerate() {
            // The one that has the name was just looked at.
            if source.home != Home::Named || Some(at) == live {
                continue;
            }
            let seen = beside.at(&source.path).cloned();
            match seen.map_or_else(|| std::fs::symlink_metadata(&*source.path), Ok) {
                Ok(meta) if identity::of(&meta).is_same_file(&source.identity) => source.saw(&meta),
                Ok(_) => are_there = false,
                Err(error) => are_there &= !is_absence(&error),
            }
        }
        are_there
    }

    /// What those who ship must be told: of sources that were seen or are new, of bytes lost, of
    /// sources that ended.
    pub(super) fn events(
        &mut self,
        seen: &[SourceId],
        ended: Vec<(Source, LostReason)>,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        let mut sources = std::mem::take(&mut self.sources);
        for source in &mut sources {
            if !source.is_told || seen.contains(&source.id) {
                events.push(self.seen(source));
            }
            events.extend(lost(source, LostReason::Truncated));
        }
        self.sources = sources;
        for (mut source, reason) in ended {
            if !source.is_told {
                events.push(self.seen(&mut source));
            }
            events.extend(lost(&mut source, reason));
            events.push(Event::Gone(source.id));
        }
        events
    }

    fn seen(&self, source: &mut Source) -> Event {
        source.is_told = true;
        let acknowledged =
            self.is_asking.then(|| source.acknowledged.get_or_insert_default().clone());
        Event::Seen(Seen {
            source: source.id,
            input: self.input,
            lineage: self.name.clone(),
            label: self.label.clone(),
            identity: source.identity,
            path: source.path.to_path_buf(),
            from: source.resume(),
            is_new: source.is_new,
            gate: self.gate.clone(),
            acknowledged,
        })
    }

    pub(super) fn is_live(&self, source: &Source) -> bool {
        source.home == Home::Named && *source.path == *self.live_path()
    }

    /// It has a name that is not the lineage's.
    pub(super) fn is_rotated(&self, source: &Source) -> bool {
        source.is_rotated_from(self.live_path())
    }

    /// Something was seen that has not been read.
    pub(super) fn has_unread(&self) -> bool {
        self.sources.iter().any(|source| source.size > source.searched)
    }

    /// The last one that holds something, empty ones left aside: all before it are followed. Of
    /// what is compressed only unpacking will tell.
    fn last_with_data(&self) -> usize {
        let may_hold = |source: &Source| source.size > 0 || source.is_packed() && source.has_news();
        self.sources.iter().rposition(may_hold).unwrap_or(0)
    }

    /// What to do next. A later file is read only when those before it were read to their ends
    /// after it was seen to hold something.
    pub(super) fn next(&mut self, patience: Patience) -> Next {
        if self.is_inquiring() {
            return Next::Examine;
        }
        let is_lost = |source: &Source| matches!(source.home, Home::Missing | Home::Taken);
        let is_missed = self.sources.iter().any(is_lost);
        if is_missed && !self.awaits_packed() || self.again == Again::Now {
            return Next::Reconcile;
        }
        // The newest first, so that an older one is looked at after its successor.
        self.sources.iter_mut().rev().for_each(Source::refresh);
        let last = self.last_with_data();
        for (at, source) in self.sources.iter().enumerate() {
            if source.home == Home::Taken {
                // What was not read of it may be what is being compressed.
                if at < last {
                    return Next::Idle;
                }
                continue;
            }
            if let Some(failing) = source.failing_for() {
                if at < last && failing < patience.failing {
                    return Next::Idle;
                }
                continue;
            }
            if source.is_blank()
                && source.size > 0
                && self.is_rotated(source)
                && !source.is_packed()
            {
                return Next::Reconcile;
            }
            if source.has_news() {
                return Next::Read(at);
            }
            if source.is_unfinished() {
                if at < last {
                    return Next::Idle;
                }
                continue;
            }
            if source.is_rewound {
                let limit = self.partial_rest(at, last).min(patience.partial).min(patience.event);
                if source.rest() >= limit && patience.may_wake {
                    return Next::Read(at);
                }
                if at < last {
                    return Next::Idle;
                }
            } else if source.is_waiting() {
                if source.rest() >= self.partial_rest(at, last).min(patience.partial) {
                    return Next::Finish(at);
                }
                if source.has_event() && source.rest() >= patience.event {
                    return Next::EndEvents(at);
                }
                if at < last {
                    return Next::Idle;
                }
            }
        }
        Next::Idle
    }

    fn partial_rest(&self, at: usize, last: usize) -> Duration {
        match self.sources.get(at) {
            _ if at < last => FOLLOWED_REST,
            Some(source) if self.is_live(source) || source.has_matched_name() => Duration::MAX,
            _ => PARTIAL_REST,
        }
    }

    /// Takes out what is drained, has no name and rested: nobody will write to it any more. And
    /// what was compressed and read to its end, once it counts as old by itself.
    pub(super) fn let_go(&mut self, close_inactive: Duration, looked: Looked) -> Vec<Source> {
        let last = self.last_with_data();
        let (live, awaits_packed) = (self.live_path().to_owned(), self.awaits_packed());
        let mut position = 0;
        let is_done = |source: &mut Source| {
            let is_followed = position < last;
            position += 1;
            if !source.is_at_rest() || source.is_pending() {
                return false;
            }
            if source.home == Home::Named && !source.is_unlinked() {
                return source.is_rotated_from(&live) && source.is_spent(looked.ms);
            }
            let is_over = source.is_unlinked() && is_followed;
            let limit = if is_over { SUCCEEDED_REST } else { NAMELESS_REST };
            // What it was compressed to is recognised as long as we have it, and counts as old
            // once a look has begun after that was made.
            let is_looked = looked.at.is_some_and(|at| source.rests_since(at)) && !awaits_packed;
            source.rest() >= limit.min(close_inactive)
                && (is_looked || source.rest() >= UNLOOKED_REST)
        };
        let gone: Vec<Source> = self.sources.extract_if(.., is_done).collect();
        for source in &gone {
            let copy_of = Some((source.id, source.stamp()));
            // What was given up may be completed still. Were it not known to be given up, it would
            // be read and given up again and again.
            let may_return = !source.is_packed()
                || self.ignore(source.identity, copy_of) && source.end() != Some(End::Whole);
            if may_return {
                self.departed.take_leave(source);
            }
        }
        gone
    }

    /// Closes files that rested for `close_inactive` and can be found again.
    pub(super) fn close(&mut self, close_inactive: Duration) {
        for source in self.sources.iter_mut().filter(|source| source.is_at_rest()) {
            if source.rest() >= close_inactive {
                source.close();
            }
        }
    }

    /// Nothing comes of it by time alone.
    pub(super) fn is_asleep(&self) -> bool {
        let is_calm = !self.is_over() && !self.is_inquiring();
        is_calm && self.again == Again::Asked && self.sources.iter().all(Source::is_asleep)
    }

    /// Files of its own, or others beside its name.
    pub(super) fn has_files(&self) -> bool {
        !self.sources.is_empty() || self.listing != Some(LISTING_EMPTY) || !self.departed.is_empty()
    }

    /// It has no file, nothing beside its name could be one, and none is expected back.
    pub(super) fn is_over(&self) -> bool {
        self.sources.is_empty()
            && !self.has_live
            && self.listing == Some(LISTING_EMPTY)
            && self.departed.is_empty()
    }
}

pub(super) fn lost(source: &mut Source, reason: LostReason) -> Option<Event> {
    let bytes = source.take_lost();
    if bytes == 0 {
        return None;
    }
    let path = source.path.display();
    tracing::error!(%path, bytes, reason = reason.name(), "bytes were lost before they could be read");
    Some(Event::Lost { source: source.id, bytes, reason })
}

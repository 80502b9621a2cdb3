//! What is different about a source whose file is compressed: its length shows only as it is
//! unpacked, and what was read of it once is not looked at again.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use super::candidate::{self, Stamp};
use super::content::Content;
use super::identity;
use super::inquiry::Inquiry;
use super::lineage::{self, Lineage, Next};
use super::packed::{End, Packed, Packing};
use super::source::Source;
use super::{Event, LostReason, Step, Tail};
use crate::clock;
use crate::record::{Anchor, Mark};

/// How far ahead of reading compressed content is unpacked: as much as one read takes.
const UNPACK_AHEAD: u64 = 256 * 1024;
/// How long a compressed file that ends in the middle, or is damaged, must rest to count as
/// final.
pub(super) const FINAL: Duration = Duration::from_mins(1);
/// How many files are unpacked at once: each takes memory beside the budget.
pub(super) const UNPACKING_MAX: usize = 8;

impl Source {
    fn is_unpacking(&self) -> bool {
        self.content().and_then(Content::packed).is_some_and(Packed::is_busy)
    }

    /// It is compressed; of one that is not open, going by its name.
    pub(super) fn is_packed(&self) -> bool {
        match &self.file {
            Some(file) => file.packed().is_some(),
            None => Packing::of(&self.path).is_some(),
        }
    }

    /// How it lies on the disk, when last looked at.
    pub(super) fn stamp(&self) -> Stamp {
        (self.seldom.packed_size, self.modified.0, self.modified.1)
    }

    /// Where unpacking it ended, if it did.
    pub(super) fn end(&self) -> Option<End> {
        self.content()?.packed()?.end()
    }

    /// It ends where it should not, and may be going on still.
    pub(super) fn is_unfinished(&self) -> bool {
        let is_short = matches!(self.end(), Some(End::Short | End::Damaged));
        is_short && self.rest() < FINAL && !self.is_written_off()
    }

    fn is_written_off(&self) -> bool {
        self.seldom.written_off == Some(self.seldom.packed_size)
    }

    /// What is missing of it as it is has been counted, by us or by an earlier run.
    pub(super) fn wrote_off(&mut self) {
        let packed_size = self.seldom.packed_size;
        self.seldom.note().written_off = Some(packed_size);
    }

    /// It was compressed, all that can be had of it was read, and after a restart it would count
    /// as older than the last look.
    pub(super) fn is_spent(&self, looked_ms: Option<u64>) -> bool {
        let born_ms = self.identity.born_ns.map(|ns| i128::from(ns / 1_000_000));
        let modified_ms = candidate::modified_ms(self.modified, true);
        self.end().is_some()
            && self.rest() >= FINAL
            && looked_ms.is_some_and(|ms| !candidate::is_since(born_ms, modified_ms, ms))
    }

    /// How much there is in it only unpacking will tell.
    pub(super) fn saw_packed(&mut self, meta: &Metadata) {
        if let Some(packed) = self.content().and_then(Content::packed) {
            packed.saw(meta);
        }
        let (size, modified) = (meta.len(), (meta.mtime(), meta.mtime_nsec()));
        if (size, modified) != (self.seldom.packed_size, self.modified) {
            (self.seldom.note().packed_size, self.modified) = (size, modified);
            self.is_stirred = true;
            self.changed_at = clock::now();
        }
    }

    /// The same for what is compressed: it must be what it was once in each run of unpacking, and
    /// what is to be read next is unpacked.
    pub(super) fn is_intact_packed(&mut self) -> io::Result<bool> {
        let Some(file) = &self.file else { return Ok(true) };
        let Some(packed) = file.packed() else { return Ok(true) };
        packed.keep_from(self.resume().offset.0.saturating_sub(Anchor::WINDOW as u64));
        if !packed.is_proven() {
            if !identity::begins_alike(file, &self.identity)? || !identity::holds(file, self.at)? {
                return Ok(false);
            }
            packed.prove();
        }
        packed.reach(self.searched.max(self.at.offset.0) + UNPACK_AHEAD)?;
        let end = packed.end();
        self.size = packed.extent();
        self.is_stirred = end.is_none();
        if end == Some(End::Whole) {
            self.seldom.lose(self.held.saturating_sub(self.size));
            self.held = self.size;
        }
        Ok(true)
    }

    /// Frees what unpacking needs, if all of it was read.
    pub(super) fn rest_packed(&self) {
        if let Some(packed) = self.content().and_then(Content::packed) {
            packed.rest();
        }
    }

    /// It will not become whole any more: what is missing is lost. How many bytes these were
    /// nobody knows if the original was not seen; then those count that could not be unpacked.
    pub(super) fn write_off(&mut self) -> io::Result<()> {
        let Some(packed) = self.content().and_then(Content::packed) else { return Ok(()) };
        let is_whole = !matches!(packed.end(), Some(End::Short | End::Damaged));
        if is_whole || self.is_written_off() {
            return Ok(());
        }
        let missing = self.held.saturating_sub(self.size);
        let lost = if missing > 0 { missing } else { packed.left()?.max(1) };
        self.seldom.lose(lost);
        self.held = self.size;
        self.wrote_off();
        Ok(())
    }

    /// Whether nothing has happened to it from somewhat before `then` on.
    pub(super) fn rests_since(&self, then: Instant) -> bool {
        let slack_ms = candidate::SLACK_MS + candidate::TIME_CUT_MS;
        then.saturating_duration_since(self.changed_at) > Duration::from_millis(slack_ms)
    }

    /// Whether a file that looks like this is shorter than it was.
    pub(super) fn has_more_than(&self, meta: &Metadata) -> bool {
        !self.is_packed() && meta.len() < self.size
    }

    /// Places in its content that are remembered, in order.
    pub(super) fn marks(&self) -> Vec<Mark> {
        let mut marks: Vec<Mark> = self.trail.iter().copied().chain([self.at]).collect();
        marks.retain(|mark| *mark != Mark::START);
        marks.sort_by_key(|mark| mark.offset);
        marks.dedup();
        marks
    }
}

impl Lineage {
    /// All that is compressed of it and open.
    pub(super) fn packed(&self) -> impl Iterator<Item = &Packed> {
        let of_sources = self.sources.iter().filter_map(|source| source.file.as_ref()?.packed());
        of_sources.chain(self.inquiry.as_deref().and_then(Inquiry::packed))
    }

    /// Counts what is missing of compressed files that will not become whole any more, and frees
    /// what unpacking others needed.
    pub(super) fn settle_packed(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        for source in self.sources.iter_mut().filter(|source| source.end().is_some()) {
            if source.is_unfinished() || source.unread() > 0 || source.is_stirred {
                continue;
            }
            if let Err(error) = source.write_off() {
                tracing::debug!(%error, path = %source.path.display(), "cannot look at a damaged file");
            }
            events.extend(lineage::lost(source, LostReason::Damaged));
            source.rest_packed();
        }
        events
    }
}

impl<F: FnMut(Event)> Tail<F> {
    /// Whether what is next would unpack one file more than may be at once. Those that cannot go
    /// on give way, and begin again later.
    pub(super) fn is_over_unpacking(&mut self, at: usize, next: &Next) -> bool {
        let Some(lineage) = self.lineages.get(at) else { return false };
        let packed = match next {
            Next::Read(position) | Next::Finish(position) | Next::EndEvents(position) => {
                let source = lineage.sources.get(*position);
                source.filter(|source| source.is_packed()).map(Source::is_unpacking)
            }
            Next::Examine => lineage.inquiry.as_deref().map(Inquiry::is_unpacking),
            Next::Reconcile | Next::Idle => None,
        };
        if packed != Some(false) || self.descriptors.unpacking < UNPACKING_MAX {
            return false;
        }
        for other in self.lineages.awake().map(|(at, _)| at).collect::<Vec<_>>() {
            if let Some(lineage) = self.lineages.get(other).filter(|it| it.unpacking > 0) {
                // Within one lineage none can go on before the one that is next.
                let gives_way = other == at || lineage.gate.is_closed();
                lineage
                    .packed()
                    .filter(|packed| gives_way || packed.end().is_some())
                    .for_each(Packed::rest);
                self.count_open(other);
            }
        }
        self.descriptors.unpacking >= UNPACKING_MAX
    }

    pub(super) fn examine(&mut self, at: usize) -> Step {
        let is_known = self.lineages.get_mut(at).is_none_or(Lineage::examine);
        if is_known { Step::Missing } else { Step::Worked }
    }
}

//! How many files may be open. What is beyond is closed, the longest unused first, and opened again
//! when it is read; to run out of descriptors is no more than a reason to close some.

use std::io;
use std::time::Duration;

use rustix::io::Errno;

use super::source::Source;
use super::{Event, Tail};
use crate::clock;

/// How many files at rest may stay open.
const RESTING_OPEN_MAX: usize = 32;
/// How long a file is at rest before it counts among them: more may come at any moment, and what
/// is open is not lost with its name.
const RECENT: Duration = Duration::from_secs(10);
/// Without two, a file cannot be compared with its copy.
const OPEN_MIN: usize = 4;
/// So many files are open when nobody says how many may be.
const OPEN_MAX_DEFAULT: usize = 512;

/// The limit, and how much of it is used.
#[derive(Debug)]
pub(super) struct Descriptors {
    pub(super) open: usize,
    pub(super) open_max: usize,
    /// How many files are being unpacked.
    pub(super) unpacking: usize,
    is_short: bool,
}

impl Descriptors {
    pub(super) fn new() -> Self {
        Self { open: 0, open_max: OPEN_MAX_DEFAULT, unpacking: 0, is_short: false }
    }
}

/// Whether an error says that there is no descriptor left, here or on the whole machine.
pub(super) fn is_shortage(error: &io::Error) -> bool {
    let codes = [Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
}

impl<F: FnMut(Event)> Tail<F> {
    /// Keeps no more than so many log files open at once.
    pub fn open_at_most(&mut self, files: usize) {
        self.descriptors.open_max = files.max(OPEN_MIN);
    }

    /// Something of this lineage may have been opened or closed.
    pub(super) fn count_open(&mut self, at: usize) {
        let Some(lineage) = self.lineages.get_mut(at) else { return };
        let now = lineage.sources.iter().filter(|source| source.file.is_some()).count();
        let before = std::mem::replace(&mut lineage.open, now);
        self.descriptors.open = self.descriptors.open + now - before;
        let now = lineage.packed().filter(|packed| packed.is_busy()).count();
        let before = std::mem::replace(&mut lineage.unpacking, now);
        self.descriptors.unpacking = self.descriptors.unpacking + now - before;
    }

    /// Before a file is opened.
    pub(super) fn make_room(&mut self) {
        if self.descriptors.open >= self.descriptors.open_max {
            self.close_some();
        }
    }

    /// There was no descriptor left: fewer files than now can be open. Returns whether there is
    /// one now.
    pub(super) fn run_short(&mut self) -> bool {
        let descriptors = &mut self.descriptors;
        descriptors.open_max = (descriptors.open - descriptors.open / 8).max(OPEN_MIN);
        let (open, is_new) =
            (descriptors.open, !std::mem::replace(&mut descriptors.is_short, true));
        if is_new {
            tracing::warn!(open, "no descriptor left: files take turns in being open");
        }
        self.close_some()
    }

    /// Closes an eighth of what may be open. Files that were read to their ends go first.
    fn close_some(&mut self) -> bool {
        let enough = self.descriptors.open_max / 8 + 1;
        self.close_unused(enough, |source| source.file.is_some())
    }

    /// Closes what has rested, beyond what may stay open.
    pub(super) fn close_resting(&mut self) {
        let resting = self.lineages.awake().flat_map(|(_, lineage)| &lineage.sources);
        let resting = resting.filter(|source| source.is_at_rest()).count();
        let excess = resting.saturating_sub(RESTING_OPEN_MAX);
        if excess > 0 {
            self.close_unused(excess, |source| source.is_at_rest() && source.rest() >= RECENT);
        }
    }

    fn close_unused(&mut self, enough: usize, is_due: impl Fn(&Source) -> bool) -> bool {
        let now = clock::now();
        let mut open: Vec<_> = Vec::new();
        for (at, lineage) in self.lineages.awake() {
            let sources = lineage.sources.iter().enumerate();
            open.extend(sources.filter(|(_, source)| is_due(source)).map(|(position, source)| {
                let used = source.read_at().unwrap_or(now);
                (!source.is_at_rest(), used, at, position)
            }));
        }
        open.sort_unstable();
        let mut closed = 0;
        for (_, _, at, position) in open {
            let source = self.lineages.get_mut(at).and_then(|l| l.sources.get_mut(position));
            if closed < enough && source.is_some_and(Source::close) {
                closed += 1;
                self.count_open(at);
                self.lineages.lull(at);
            }
        }
        closed > 0
    }
}

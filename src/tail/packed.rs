//! A compressed file as something that can be read at a place: from its beginning on, a bounded
//! piece at a time, with what is near the place kept.

use std::cell::RefCell;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use zstd::zstd_safe;

use super::content::read_up_to;
use super::gzip;
use super::unpack::{Stop, Unpacker};
use crate::record::Identity;

/// What is unpacked in one turn, to reach a place: some 5 ms with gzip.
pub(super) const WORK_MAX: u64 = 2 << 20;
const PIECE: usize = 64 * 1024;
/// What is kept from [`Packed::keep_from`] on, however far unpacking goes: the most that is read
/// again of a line whose end was searched, for the usual `max_line`.
const FRONT_MAX: usize = 1 << 20;
/// What is no longer wanted is dropped in pieces of so many bytes.
const SLACK: usize = 512 * 1024;

/// How a file is compressed, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Zstd,
}

impl Packing {
    pub(super) fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.as_bytes();
        match name {
            _ if name.ends_with(b".gz") => Some(Self::Gzip),
            _ if name.ends_with(b".zst") => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Whether the file begins as it must.
    pub(super) fn may_be(self, file: &File) -> io::Result<bool> {
        let mut magic = [0; 4];
        let len = read_up_to(file, &mut magic, 0)?;
        let magic = magic.get(..len).unwrap_or_default();
        let begins = |with: &[u8]| magic.iter().zip(with).all(|(have, want)| have == want);
        Ok(match self {
            Self::Gzip => begins(&[0x1F, 0x8B]),
            Self::Zstd => {
                let is_skippable = matches!(magic, [0x50..=0x5F, 0x2A, 0x4D, 0x18]);
                is_skippable || begins(&[0x28, 0xB5, 0x2F, 0xFD])
            }
        })
    }
}

/// How long the content is, as the file itself says. Nobody may rely on it alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Length(u64),
    /// Modulo 2^32.
    Low(u32),
}

impl Said {
    pub(super) fn may_be(self, length: u64) -> bool {
        match self {
            Self::Length(said) => said == length,
            Self::Low(said) => u64::from(said) == length & 0xFFFF_FFFF,
        }
    }
}

/// Where unpacking ended, as the file is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Whole,
    /// In the middle: it is being written, or was cut.
    Short,
    Damaged,
}

pub(super) struct Packed {
    file: File,
    packing: Packing,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// How the content begins, as far as it was unpacked: up to [`Identity::HEAD_MAX`].
    head: Vec<u8>,
    stream: Option<Stream>,
    end: Option<End>,
    /// How much of the file was used up to the end.
    used: u64,
    /// Length and time of the file when last looked at.
    stamp: Option<(u64, i64, i64)>,
    /// It has changed since unpacking began.
    has_grown: bool,
    /// It was found to be what was read of it, and has not been begun anew since.
    is_proven: bool,
    keep_from: u64,
}

/// Unpacking, somewhere on its way.
struct Stream {
    unpacker: Unpacker,
    /// Read of the file and not used yet.
    input: Vec<u8>,
    /// Where in the file `input` ends.
    read_to: u64,
    /// The bytes from `keep_from` on, if they have left the window.
    front: Window,
    /// What was unpacked last.
    window: Window,
}

#[derive(Default)]
struct Window {
    from: u64,
    bytes: Vec<u8>,
}

impl Window {
    fn end(&self) -> u64 {
        self.from + self.bytes.len() as u64
    }

    /// The bytes from `at` on.
    fn after(&self, at: u64) -> Option<&[u8]> {
        self.bytes.get(usize::try_from(at.checked_sub(self.from)?).ok()?..)
    }
}

impl Packed {
    pub(super) fn new(file: File, packing: Packing) -> Self {
        Self { file, packing, state: RefCell::default() }
    }

    pub(super) fn reopen(&self) -> io::Result<Self> {
        Ok(Self::new(self.file.try_clone()?, self.packing))
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn is_proven(&self) -> bool {
        self.state.borrow().is_proven
    }

    pub(super) fn prove(&self) {
        self.state.borrow_mut().is_proven = true;
    }

    /// Takes note of how the file looks. What was unpacked counts if the file has only grown.
    pub(super) fn saw(&self, meta: &Metadata) {
        let state = &mut *self.state.borrow_mut();
        let stamp = (meta.len(), meta.mtime(), meta.mtime_nsec());
        if state.stamp.replace(stamp) == Some(stamp) {
            return;
        }
        let is_shorter = state.stream.as_ref().is_some_and(|stream| meta.len() < stream.read_to);
        if is_shorter || state.stream.is_none() || state.end == Some(End::Damaged) {
            state.forget();
        } else {
            (state.end, state.has_grown) = (None, true);
        }
    }

    /// Nothing before `place` will be asked for.
    pub(super) fn keep_from(&self, place: u64) {
        self.state.borrow_mut().keep_from = place;
    }

    /// How much of the content there is, as far as it was unpacked.
    pub(super) fn extent(&self) -> u64 {
        self.state.borrow().extent()
    }

    pub(super) fn end(&self) -> Option<End> {
        self.state.borrow().end
    }

    /// How many bytes of the file are of no use, if it was not unpacked to its end.
    pub(super) fn left(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len().saturating_sub(self.state.borrow().used))
    }

    /// Lets go of what unpacking needs. Going on begins at the beginning.
    pub(super) fn rest(&self) {
        self.state.borrow_mut().stream = None;
    }

    /// It holds what unpacking needs.
    pub(super) fn is_busy(&self) -> bool {
        self.state.borrow().stream.is_some()
    }

    /// Unpacks until `place` is reached, the end, or the bound on one turn's work.
    pub(super) fn reach(&self, place: u64) -> io::Result<()> {
        let state = &mut *self.state.borrow_mut();
        state.begin(self.packing)?;
        state.reach(&self.file, place, WORK_MAX, FRONT_MAX)
    }

    pub(super) fn read_up_to(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let state = &mut *self.state.borrow_mut();
        let to = at + buffer.len() as u64;
        if state.head.len() as u64 >= to {
            return Ok(state.copy(buffer, at));
        }
        state.begin(self.packing)?;
        let mut work = WORK_MAX;
        if !state.has(at, to) {
            // Behind what is kept. It is not put off: whoever asks may ask for what is ahead next.
            state.stream = None;
            state.begin(self.packing)?;
            state.keep_from = at;
            work = u64::MAX;
        }
        let kept = usize::try_from(to.saturating_sub(state.keep_from)).unwrap_or(usize::MAX);
        state.reach(&self.file, to, work, kept.max(FRONT_MAX))?;
        Ok(state.copy(buffer, at))
    }

    /// How long the content is, if the file says so. Cheap, and to be mistrusted.
    pub(super) fn said(&self) -> io::Result<Option<Said>> {
        let mut bytes = [0; 18];
        Ok(match self.packing {
            Packing::Gzip => {
                let mut trailer = [0; 8];
                let Some(at) = self.file.metadata()?.len().checked_sub(8) else { return Ok(None) };
                let read = read_up_to(&self.file, &mut trailer, at)?;
                (read == trailer.len()).then(|| Said::Low(gzip::trailer(trailer).1))
            }
            Packing::Zstd => {
                let read = read_up_to(&self.file, &mut bytes, 0)?;
                let header = bytes.get(..read).unwrap_or_default();
                let said = zstd_safe::get_frame_content_size(header).ok().flatten();
                said.map(Said::Length)
            }
        })
    }
}

impl State {
    fn extent(&self) -> u64 {
        self.stream.as_ref().map_or(self.head.len() as u64, |stream| stream.window.end())
    }

    fn begin(&mut self, packing: Packing) -> io::Result<()> {
        if self.stream.is_none() {
            let unpacker = match packing {
                Packing::Gzip => Unpacker::gzip(),
                Packing::Zstd => Unpacker::zstd()?,
            };
            let (front, window) = (Window::default(), Window::default());
            self.stream = Some(Stream { unpacker, input: Vec::new(), read_to: 0, front, window });
            self.end = None;
        }
        Ok(())
    }

    /// Nothing counts of what was unpacked.
    fn forget(&mut self) {
        let (stamp, keep_from) = (self.stamp, self.keep_from);
        *self = Self { stamp, keep_from, ..Self::default() };
    }

    /// Whether what is between is kept, or still ahead.
    fn has(&self, from: u64, to: u64) -> bool {
        let Some(stream) = &self.stream else { return true };
        let (front, window) = (&stream.front, &stream.window);
        let is_in_front = front.from <= from && from < front.end();
        from >= window.from || is_in_front && (to <= front.end() || front.end() >= window.from)
    }

    fn reach(&mut self, file: &File, place: u64, work: u64, kept: usize) -> io::Result<()> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        let until = stream.window.end().saturating_add(work);
        while self.end.is_none() && stream.window.end() < place {
            if stream.window.end() >= until {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            stream.trim(self.keep_from, kept);
            self.end = stream.unpack(file)?;
            self.used = stream.read_to - stream.input.len() as u64;
            let missing = (Identity::HEAD_MAX as usize).saturating_sub(self.head.len());
            if missing > 0 {
                let more = stream.window.after(self.head.len() as u64).unwrap_or_default();
                self.head.extend(more.iter().take(missing));
            }
            if self.end == Some(End::Damaged) && self.has_grown {
                // It may have been written anew.
                self.forget();
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        Ok(())
    }

    /// What is kept from `at` on.
    fn copy(&self, buffer: &mut [u8], at: u64) -> usize {
        let Some(stream) = &self.stream else {
            let from = usize::try_from(at).unwrap_or(usize::MAX);
            return fill(buffer, self.head.get(from..).unwrap_or_default());
        };
        if at + buffer.len() as u64 <= self.head.len() as u64 {
            let from = usize::try_from(at).unwrap_or(usize::MAX);
            return fill(buffer, self.head.get(from..).unwrap_or_default());
        }
        let mut copied = fill(buffer, stream.front.after(at).unwrap_or_default());
        while let Some(more) = stream.window.after(at + copied as u64) {
            let room = buffer.get_mut(copied..).unwrap_or_default();
            match fill(room, more) {
                0 => break,
                count => copied += count,
            }
        }
        copied
    }
}

fn fill(buffer: &mut [u8], from: &[u8]) -> usize {
    let count = buffer.len().min(from.len());
    if let (Some(to), Some(from)) = (buffer.get_mut(..count), from.get(..count)) {
        to.copy_from_slice(from);
    }
    count
}

impl Stream {
    /// Unpacks a piece. Something if there is no more.
    fn unpack(&mut self, file: &File) -> io::Result<Option<End>> {
        let bytes = &mut self.window.bytes;
        let before = bytes.len();
        bytes.resize(before + PIECE, 0);
        let room = bytes.get_mut(before..).unwrap_or_default();
        let step = self.unpacker.run(&self.input, room);
        bytes.truncate(before + step.given);
        self.input.drain(..step.used);
        Ok(match step.stop {
            Stop::Full => None,
            Stop::Damaged => Some(End::Damaged),
            Stop::Drained { is_whole } => {
                let (had, most) = (self.input.len(), PIECE);
                self.input.resize(had + most, 0);
                let room = self.input.get_mut(had..).unwrap_or_default();
                let read = read_up_to(file, room, self.read_to);
                self.input.truncate(had + *read.as_ref().unwrap_or(&0));
                let read = read?;
                self.read_to += read as u64;
                let end = if is_whole { End::Whole } else { End::Short };
                (read == 0).then_some(end)
            }
        })
    }

    /// Drops what is before `keep_from`. Of what is after it, the first `kept` bytes and the last
    /// are enough.
    fn trim(&mut self, keep_from: u64, kept: usize) {
        let keep_from = keep_from.min(self.window.end());
        if keep_from < self.front.from || keep_from >= self.front.end() {
            self.front = Window::default();
        }
        let Some(unwanted) = keep_from.checked_sub(self.window.from) else {
            // What is wanted has its front kept; of the rest the last is enough.
            let excess = self.window.bytes.len().saturating_sub(SLACK);
            let excess = if excess >= SLACK { excess } else { 0 };
            return self.window.drop_front(excess);
        };
        let unwanted = usize::try_from(unwanted).unwrap_or(usize::MAX);
        if unwanted >= SLACK {
            return self.window.drop_front(unwanted);
        }
        if self.window.bytes.len() - unwanted >= kept.saturating_add(SLACK) {
            let bytes = self.window.bytes.get(unwanted..unwanted + kept).unwrap_or_default();
            self.front = Window { from: keep_from, bytes: bytes.to_vec() };
            self.window.drop_front(unwanted + kept);
        }
    }
}

impl Window {
    fn drop_front(&mut self, count: usize) {
        let count = count.min(self.bytes.len());
        self.bytes.drain(..count);
        self.bytes.shrink_to(2 * (FRONT_MAX + SLACK));
        self.from += count as u64;
    }
}

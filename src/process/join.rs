//! What waits for more: the parts of a line, the lines of an event.

use std::borrow::Cow;

use crate::multiline::Flow;
use crate::record::Offset;

/// A line or several, on the way to being a record.
#[derive(Debug)]
pub(super) struct Message<'a> {
    /// What is kept of it.
    pub(super) text: Cow<'a, [u8]>,
    /// How long it really is.
    pub(super) length: u64,
    pub(super) start: Offset,
    pub(super) end: Offset,
    pub(super) time_ns: Option<i64>,
    pub(super) is_unfinished: bool,
    /// Several lines are joined in it.
    pub(super) is_event: bool,
}

impl Message<'_> {
    /// The same, in memory of its own, of which at most `most` bytes of text are kept.
    pub(super) fn kept(self, most: usize) -> Message<'static> {
        let mut text = self.text.into_owned();
        text.truncate(most);
        Message { text: Cow::Owned(text), ..self }
    }

    /// Appends another one, of which no more is kept than there is room for.
    pub(super) fn add(&mut self, between: &[u8], more: &Message<'_>, most: usize) {
        let text = self.text.to_mut();
        for part in [between, &more.text] {
            let room = most.saturating_sub(text.len()).min(part.len());
            text.extend_from_slice(part.get(..room).unwrap_or_default());
        }
        self.length += between.len() as u64 + more.length;
        self.end = more.end;
        self.is_unfinished |= more.is_unfinished;
        self.is_event |= !between.is_empty();
    }
}

/// One stream of a source.
#[derive(Debug, Default)]
pub(super) struct Join {
    pub(super) piece: Option<Message<'static>>,
    pub(super) event: Option<Message<'static>>,
    pub(super) flow: Flow,
    /// Where its last record ended.
    pub(super) emitted: Offset,
}

impl Join {
    pub(super) fn after(emitted: Offset) -> Self {
        Self { emitted, ..Self::default() }
    }

    fn waiting(&self) -> impl Iterator<Item = &Message<'static>> {
        self.event.iter().chain(&self.piece)
    }

    /// Where the oldest of what waits begins.
    pub(super) fn begins(&self) -> Option<Offset> {
        self.waiting().map(|message| message.start).min()
    }

    pub(super) fn bytes(&self) -> usize {
        let of = |message: &Message<'static>| match &message.text {
            Cow::Owned(text) => text.capacity(),
            Cow::Borrowed(_) => 0,
        };
        self.waiting().map(of).sum()
    }
}

//! What the reader tells the ship, many events at a time: where there are very many files, to wake
//! the other thread for each would take longer than all else.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::sync::mpsc;

use crate::tail::Event;

/// Events that are sent together.
pub(super) const BATCH_MAX: usize = 64;
/// A block of this size is sent at once: the ship can work on it meanwhile.
const BLOCK_AT_ONCE: usize = 16 * 1024;

/// The reader's end of the channel. Its owner sends what is left before it rests.
#[derive(Clone)]
pub(super) struct Outbox(Rc<RefCell<Inner>>);

struct Inner {
    batch: Vec<Event>,
    events: mpsc::Sender<Vec<Event>>,
    is_heard: bool,
}

impl Outbox {
    pub(super) fn new(events: mpsc::Sender<Vec<Event>>) -> Self {
        Self(Rc::new(RefCell::new(Inner { batch: Vec::new(), events, is_heard: true })))
    }

    /// Waits while the other side is behind.
    pub(super) fn put(&self, event: Event) {
        let is_large = matches!(&event, Event::Block(block) if block.bytes.len() >= BLOCK_AT_ONCE);
        let mut inner = self.0.borrow_mut();
        inner.batch.push(event);
        if is_large || inner.batch.len() >= BATCH_MAX {
            inner.send();
        }
    }

    /// The same.
    pub(super) fn send(&self) {
        let mut inner = self.0.borrow_mut();
        if !inner.batch.is_empty() {
            inner.send();
        }
    }

    /// False once the other side has gone.
    pub(super) fn is_heard(&self) -> bool {
        self.0.borrow().is_heard
    }
}

impl Inner {
    fn send(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        self.is_heard &= self.events.blocking_send(batch).is_ok();
    }
}

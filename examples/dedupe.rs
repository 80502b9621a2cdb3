//! A consumer that takes each line once, of inputs with `record_id: key` or `record_id: headers`.
//!
//! ```sh
//! cargo run --example dedupe -- localhost:9092 logs
//! ```
//!
//! It prints a topic's records as they come, those left out that it has printed before. A consumer
//! of yours keeps what it has seen where it keeps its own results, so that both survive together.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "that is what it is for")]

use std::collections::{HashSet, VecDeque};
use std::error::Error;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};

/// What may come again comes soon after its first time: what was in flight when tailspool was
/// killed, and what was acknowledged since its last checkpoint. Of an outage with a crash in it,
/// all that the spool held.
const REMEMBERED: usize = 1_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(servers), Some(topic)) = (arguments.next(), arguments.next()) else {
        return Err("usage: dedupe SERVERS TOPIC".into());
    };
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("group.id", "tailspool-dedupe")
        .set("auto.offset.reset", "earliest")
        .create()?;
    consumer.subscribe(&[&topic])?;
    let (mut seen, mut repeats) = (Seen::remembering(REMEMBERED), 0_u64);
    loop {
        let Some(message) = consumer.poll(Duration::from_secs(1)).transpose()? else { continue };
        if id_of(message.key(), headers(&message)).is_some_and(|id| !seen.is_new(id)) {
            repeats += 1;
            eprintln!("{repeats} repeats so far");
            continue;
        }
        println!("{}", String::from_utf8_lossy(message.payload().unwrap_or_default()));
    }
}

fn headers<'m>(message: &'m BorrowedMessage<'_>) -> impl Iterator<Item = (&'m str, &'m [u8])> {
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    headers.map(|header| (header.key, header.value.unwrap_or_default()))
}

/// Which line of which file: the same whenever it is sent, and no other line's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Id {
    source: Vec<u8>,
    offset: u64,
}

/// What a record says of itself; nothing if its input has no `record_id`.
pub(crate) fn id_of<'m>(
    key: Option<&[u8]>,
    headers: impl Iterator<Item = (&'m str, &'m [u8])>,
) -> Option<Id> {
    let (mut source, mut offset) = (None, None);
    for (name, value) in headers {
        match name {
            "tailspool-source" => source = Some(value),
            "tailspool-offset" => offset = Some(value),
            _ => {}
        }
    }
    if source.is_none() {
        let key = key?;
        let (before, after) = key.split_at_checked(key.iter().position(|byte| *byte == b':')?)?;
        (source, offset) = (Some(before), after.get(1..));
    }
    let offset = std::str::from_utf8(offset?).ok()?.parse().ok()?;
    Some(Id { source: source?.to_vec(), offset })
}

/// The ids that came last.
pub(crate) struct Seen {
    known: HashSet<Id>,
    oldest_first: VecDeque<Id>,
    most: usize,
}

impl Seen {
    pub(crate) fn remembering(most: usize) -> Self {
        Self { known: HashSet::new(), oldest_first: VecDeque::new(), most }
    }

    /// Whether this is its first time.
    pub(crate) fn is_new(&mut self, id: Id) -> bool {
        if !self.known.insert(id.clone()) {
            return false;
        }
        self.oldest_first.push_back(id);
        if self.oldest_first.len() > self.most
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

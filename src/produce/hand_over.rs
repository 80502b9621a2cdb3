//! A block's records on their way into librdkafka: with which key, headers and times.

use std::borrow::Cow;
use std::ops::Range;

use super::client::Handed;
use super::native::{Batch, Outgoing, Topic};
use crate::clock;
use crate::record::{Block, RecordId, Slot, SourceName};

/// Records in one call into librdkafka; what it costs is spread thin well before.
const AT_ONCE: u32 = 1024;

type Header<'a> = (&'a str, Cow<'a, [u8]>);

pub(super) struct HandOver<'a> {
    pub(super) topic: &'a Topic,
    pub(super) partition: i32,
    pub(super) slot: Slot,
    pub(super) block: &'a Block,
    /// What the records say of where they come from, and how.
    pub(super) id: Option<(RecordId, SourceName)>,
}

impl HandOver<'_> {
    /// Hands over the records with these numbers, in order, until one is not taken.
    pub(super) fn run(&self, batch: &mut Batch, numbers: Range<u32>) -> Handed {
        let headers = self.headers();
        // What is handed over together is stamped with the time of that.
        let together = headers.is_empty() && self.block.times.are_about(clock::unix_ms());
        let (mut handed, mut from) = (Handed::default(), numbers.start);
        while from < numbers.end && handed.stopped.is_none() {
            let end = numbers.end.min(from.saturating_add(AT_ONCE));
            if together {
                self.together(batch, from..end, &mut handed);
            } else {
                self.singly(&headers, from..end, &mut handed);
            }
            from = end;
        }
        handed
    }

    fn together(&self, batch: &mut Batch, numbers: Range<u32>, handed: &mut Handed) {
        let keys = self.keys(numbers.clone());
        let records = numbers.clone().map(|number| self.record(number, keys.as_ref()));
        let from = (self.slot, self.block);
        let results = self.topic.produce(self.partition, from, batch, records);
        for (number, result) in numbers.zip(results) {
            handed.note(number, result);
        }
    }

    /// What carries headers or a time of its own cannot be handed over by the batch.
    fn singly(&self, headers: &[Header<'_>], numbers: Range<u32>, handed: &mut Handed) {
        let (keys, from) = (self.keys(numbers.clone()), (self.slot, self.block));
        let says_place = matches!(self.id, Some((RecordId::Headers, _)));
        for number in numbers {
            let place = says_place.then(|| self.block.place_of(number).to_string());
            let place = place.iter().map(|place| (RecordId::OFFSET_HEADER, place.as_bytes()));
            let headers = headers.iter().map(|(name, value)| (*name, &**value)).chain(place);
            let (record, time_ms) =
                (self.record(number, keys.as_ref()), self.block.times.of(number));
            let result = self.topic.produce_one(self.partition, from, &record, headers, time_ms);
            handed.note(number, result);
            // What follows must not overtake it.
            if handed.stopped.is_some() {
                break;
            }
        }
    }

    fn record<'a>(&'a self, number: u32, keys: Option<&'a Keys>) -> Outgoing<'a> {
        let own = keys.map(|keys| keys.get(number));
        Outgoing { number, key: own.unwrap_or(self.block.label.key.as_deref()) }
    }

    /// Keys that say which records they are, if these are to have such.
    fn keys(&self, numbers: Range<u32>) -> Option<Keys> {
        let (_, name) = self.id.filter(|(by, _)| *by == RecordId::Key)?;
        Some(Keys::of(name, self.block, numbers))
    }

    /// What all records of the block carry.
    fn headers(&self) -> Vec<Header<'_>> {
        let (given, remarks) = (&self.block.label.headers, self.block.remarks);
        let given = given.iter().map(|(name, value)| (&**name, Cow::Borrowed(&**value)));
        let text = |name, value: String| (name, Cow::Owned(value.into_bytes()));
        let cut = remarks.cut_from;
        let cut = cut.map(|length| text("tailspool-truncated-from", length.to_string()));
        let unfinished = remarks.unfinished.then(|| text("tailspool-unfinished", "true".into()));
        let source = self.id.filter(|(by, _)| *by == RecordId::Headers);
        let source = source.map(|(_, name)| text(RecordId::SOURCE_HEADER, name.to_string()));
        given.chain(cut).chain(unfinished).chain(source).collect()
    }
}

/// The keys of consecutive records that say which they are.
struct Keys {
    first: u32,
    text: String,
    ends: Vec<usize>,
}

impl Keys {
    fn of(name: SourceName, block: &Block, numbers: Range<u32>) -> Self {
        let (first, prefix) = (numbers.start, name.key_prefix());
        let (mut text, mut ends) = (String::new(), vec![0]);
        for number in numbers {
            text.push_str(&prefix);
            text.push_str(&block.place_of(number).to_string());
            ends.push(text.len());
        }
        Self { first, text, ends }
    }

    fn get(&self, number: u32) -> Option<&[u8]> {
        let at = (number - self.first) as usize;
        self.text.as_bytes().get(*self.ends.get(at)?..*self.ends.get(at + 1)?)
    }
}

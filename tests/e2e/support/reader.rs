//! Reads a topic from its beginning, as a consumer that trusts nobody.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::metadata::{Metadata, MetadataPartition};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::verdict::{Verdict, Written};
use super::wait::{GENEROUS, poll, wait_for, wait_until};

const ASK: Duration = Duration::from_secs(3);
const PULLED_AT_ONCE: usize = 10_000;
const TAKE: Duration = Duration::from_millis(100);

pub(crate) struct Reader {
    consumer: BaseConsumer,
    topic: String,
    /// The next broker offset of each partition.
    next: BTreeMap<i32, i64>,
}

/// One record as it stands in the topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) partition: i32,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Vec<u8>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// In milliseconds since 1970.
    pub(crate) timestamp: i64,
}

impl Reader {
    pub(crate) fn from_beginning(bootstrap: &str, topic: &str) -> Self {
        let consumer = consumer(bootstrap);
        let partitions =
            wait_for("the topic's partitions", GENEROUS, || partitions(&consumer, topic));
        let mut list = TopicPartitionList::new();
        for partition in &partitions {
            list.add_partition_offset(topic, *partition, Offset::Beginning)
                .expect("a valid offset");
        }
        consumer.assign(&list).expect("partitions that exist can be assigned");
        let next = partitions.into_iter().map(|partition| (partition, 0)).collect();
        Self { consumer, topic: topic.to_owned(), next }
    }

    /// Hands over what has come in, but not for ever while more comes; an error of the connection is
    /// the client's to mend.
    fn pull(&mut self, mut take: impl FnMut(&BorrowedMessage<'_>)) {
        for _ in 0..PULLED_AT_ONCE {
            let Some(polled) = self.consumer.poll(TAKE) else { return };
            if let Ok(message) = polled {
                self.next.insert(message.partition(), message.offset() + 1);
                take(&message);
            }
        }
    }

    fn at_the_end(&self) -> bool {
        self.next.iter().all(|(partition, next)| {
            let marks = self.consumer.fetch_watermarks(&self.topic, *partition, ASK);
            marks.is_ok_and(|(_, high)| high <= *next)
        })
    }

    /// Reads until every written line is there, then to the end; for as long as `limit`. What is
    /// missing then is for the verdict to say.
    pub(crate) fn judge(&mut self, verdict: &mut Verdict, written: &Written, limit: Duration) {
        self.judge_until(verdict, limit, |verdict| verdict.has_all(written));
    }

    /// The same until `is_all`.
    pub(crate) fn judge_until(
        &mut self,
        verdict: &mut Verdict,
        limit: Duration,
        is_all: impl Fn(&Verdict) -> bool,
    ) {
        poll(limit, || {
            self.pull(|message| verdict.take(message.partition(), payload(message)));
            is_all(verdict).then_some(())
        });
        self.judge_rest(verdict);
    }

    /// Reads what is there now, to the end.
    pub(crate) fn judge_rest(&mut self, verdict: &mut Verdict) {
        wait_until("the end of the topic", GENEROUS, || {
            self.pull(|message| verdict.take(message.partition(), payload(message)));
            self.at_the_end()
        });
    }

    /// Waits for `count` records and returns these and whatever else is there.
    pub(crate) fn records(&mut self, count: usize, limit: Duration) -> Vec<Record> {
        let mut records = Vec::new();
        poll(limit, || {
            self.pull(|message| records.push(record(message)));
            (records.len() >= count && self.at_the_end()).then_some(())
        });
        assert!(records.len() >= count, "{} of {count} records within {limit:?}", records.len());
        records
    }

    /// As `records`, their payloads alone.
    pub(crate) fn payloads(&mut self, count: usize, limit: Duration) -> Vec<Vec<u8>> {
        self.records(count, limit).into_iter().map(|record| record.payload).collect()
    }
}

pub(crate) fn consumer(bootstrap: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "tailspool-tests")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "50")
        // A frozen broker answers nothing: ask another one soon.
        .set("socket.timeout.ms", "4000")
        .set("reconnect.backoff.max.ms", "500")
        .set("topic.metadata.refresh.interval.ms", "2000")
        .create()
        .expect("a plain consumer can be made")
}

/// The partitions of a topic, once all of them have a leader.
pub(crate) fn partitions(consumer: &BaseConsumer, topic: &str) -> Option<Vec<i32>> {
    led(&consumer.fetch_metadata(Some(topic), ASK).ok()?)
}

/// The same, of what was asked about one topic.
pub(crate) fn led(metadata: &Metadata) -> Option<Vec<i32>> {
    let found = metadata.topics().first()?.partitions();
    let led = !found.is_empty() && found.iter().all(|partition| partition.leader() >= 0);
    led.then(|| found.iter().map(MetadataPartition::id).collect())
}

fn payload<'m>(message: &'m BorrowedMessage<'_>) -> &'m [u8] {
    message.payload().unwrap_or_default()
}

fn record(message: &BorrowedMessage<'_>) -> Record {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        let owned = |value: Option<&[u8]>| value.unwrap_or_default().to_vec();
        headers.iter().map(|header| (header.key.to_owned(), owned(header.value))).collect()
    });
    Record {
        partition: message.partition(),
        key: message.key().map(<[u8]>::to_vec),
        payload: payload(message).to_vec(),
        headers,
        timestamp: message.timestamp().to_millis().unwrap_or(-1),
    }
}

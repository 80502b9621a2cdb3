//! Reads topics along, from their beginnings, for whoever wants to check what has arrived.

use std::collections::HashMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use thiserror::Error;

/// How long one question to the cluster may take.
const ASK: Duration = Duration::from_secs(5);
/// Records taken at once, so that whoever takes them hears of other things in between.
const TAKEN_AT_ONCE: usize = 2000;

/// A record as it stands in its topic.
#[derive(Debug)]
pub struct Tapped<'a> {
    pub topic: &'a str,
    pub partition: i32,
    pub offset: i64,
    pub payload: &'a [u8],
}

/// What was asked for cannot be read.
#[derive(Debug, Error)]
pub enum TapError {
    #[error("read along: {0}")]
    Client(#[from] KafkaError),
    #[error("read along: topic {0} cannot be reached")]
    Unreachable(String),
    /// The cluster let go of records before they were read.
    #[error("read along: {topic}/{partition} no longer holds the records from {from} on")]
    Overrun { topic: String, partition: i32, from: i64 },
}

/// A consumer of all partitions of some topics, without a group.
pub struct Tap {
    consumer: BaseConsumer,
    /// The next offset of each partition, by topic.
    next: HashMap<String, Vec<i64>>,
}

impl Tap {
    /// The topics must exist. Blocks until the cluster has answered.
    pub fn open(bootstrap_servers: &str, topics: &[String]) -> Result<Self, TapError> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap_servers)
            .set("group.id", "tailspool-tap")
            .set("enable.auto.commit", "false")
            // Never goes on elsewhere in silence.
            .set("auto.offset.reset", "error")
            .set("fetch.wait.max.ms", "50")
            .set("fetch.error.backoff.ms", "50")
            .set("fetch.queue.backoff.ms", "0")
            .set("reconnect.backoff.max.ms", "500")
            .set("socket.connection.setup.timeout.ms", "1000")
            // The embedded brokers' sockets are inherited by child processes: one that was cut
            // off there does not look closed from here as long as such a process lives.
            .set("socket.timeout.ms", "2000")
            .create()?;
        let mut next = HashMap::new();
        let mut list = TopicPartitionList::new();
        for topic in topics {
            let count = partitions(&consumer, topic)?;
            for partition in 0..count {
                list.add_partition_offset(topic, partition, Offset::Offset(0))?;
            }
            next.insert(topic.clone(), (0..count).map(|_| 0).collect());
        }
        consumer.assign(&list)?;
        Ok(Self { consumer, next })
    }

    /// Hands over what has come in, waiting up to `wait` for a first record; returns how many.
    pub fn take(
        &mut self,
        wait: Duration,
        mut each: impl FnMut(&Tapped<'_>),
    ) -> Result<usize, TapError> {
        let (mut taken, mut wait) = (0, wait);
        while taken < TAKEN_AT_ONCE
            && let Some(polled) = self.consumer.poll(wait)
        {
            if let Some(message) = readable(polled)? {
                note(&mut self.next, &message)?;
                each(&Tapped {
                    topic: message.topic(),
                    partition: message.partition(),
                    offset: message.offset(),
                    payload: message.payload().unwrap_or_default(),
                });
                taken += 1;
            }
            wait = Duration::ZERO;
        }
        Ok(taken)
    }

    /// Whether all that the topics hold now has been handed over. False if that is not known.
    pub fn is_at_end(&self) -> bool {
        self.next.iter().all(|(topic, next)| {
            (0..).zip(next).all(|(partition, next)| {
                let marks = self.consumer.fetch_watermarks(topic, partition, ASK);
                marks.is_ok_and(|(_, high)| high <= *next)
            })
        })
    }
}

/// What was polled; nothing where the client will mend the trouble by itself.
fn readable(
    polled: KafkaResult<BorrowedMessage<'_>>,
) -> Result<Option<BorrowedMessage<'_>>, TapError> {
    match polled {
        Ok(message) => Ok(Some(message)),
        Err(error) => match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                Err(TapError::Client(error))
            }
            _ => Ok(None),
        },
    }
}

/// Offsets follow each other without a gap; one is what retention leaves behind.
fn note(
    next: &mut HashMap<String, Vec<i64>>,
    message: &BorrowedMessage<'_>,
) -> Result<(), TapError> {
    let partition = usize::try_from(message.partition()).unwrap_or(usize::MAX);
    let Some(next) = next.get_mut(message.topic()).and_then(|next| next.get_mut(partition)) else {
        return Ok(());
    };
    if message.offset() != *next {
        return Err(TapError::Overrun {
            topic: message.topic().to_owned(),
            partition: message.partition(),
            from: *next,
        });
    }
    *next += 1;
    Ok(())
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> Result<i32, TapError> {
    let unreachable = || TapError::Unreachable(topic.to_owned());
    let metadata = consumer.fetch_metadata(Some(topic), ASK)?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let count = found.ok_or_else(unreachable)?.partitions().len();
    i32::try_from(count).ok().filter(|count| *count > 0).ok_or_else(unreachable)
}

#[cfg(test)]
mod tests {
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

    use super::*;
    use crate::produce::Embedded;

    #[test]
    fn everything_is_handed_over_in_order() {
        let kafka = Embedded::start().unwrap();
        kafka.create_topic("t", 2).unwrap();
        let servers = kafka.bootstrap_servers();
        let mut tap = Tap::open(&servers, &["t".to_owned()]).unwrap();
        assert!(tap.is_at_end());
        let producer: BaseProducer =
            ClientConfig::new().set("bootstrap.servers", &servers).create().unwrap();
        for number in 0..10 {
            let payload = number.to_string();
            let record = BaseRecord::<(), _>::to("t").partition(number % 2).payload(&payload);
            producer.send(record).unwrap();
        }
        producer.flush(Duration::from_secs(30)).unwrap();
        assert!(!tap.is_at_end());
        let mut found = [Vec::new(), Vec::new()];
        while !tap.is_at_end() {
            tap.take(Duration::from_millis(50), |record| {
                let partition = usize::try_from(record.partition).unwrap();
                found[partition].push(String::from_utf8(record.payload.to_vec()).unwrap());
            })
            .unwrap();
        }
        assert_eq!(found[0], ["0", "2", "4", "6", "8"]);
        assert_eq!(found[1], ["1", "3", "5", "7", "9"]);
    }
}

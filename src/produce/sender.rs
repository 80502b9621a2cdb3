//! Sends records one by one, for a command whose records each have a key and headers of their
//! own. They come back by their number.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{
    BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext, PurgeConfig,
};
use rdkafka::types::RDKafkaErrorCode as Code;

use super::cause::code;
use super::login::Login;
use super::{Cause, CreateError, Trouble, properties};
use crate::settings;

/// What one call takes.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    pub topic: &'a str,
    /// Chosen by the key, as Java's client does, if that is not given.
    pub partition: Option<i32>,
    pub key: Option<&'a [u8]>,
    pub headers: &'a [(String, Vec<u8>)],
    /// Nothing: a tombstone.
    pub value: Option<&'a [u8]>,
    pub number: usize,
}

/// What became of the record of this number.
pub type Returned = (usize, Result<(), Cause>);

pub struct Sender {
    client: Arc<BaseProducer<Inbox>>,
    _login: Option<Login>,
}

impl Sender {
    pub fn new(kafka: &settings::Kafka) -> Result<Self, CreateError> {
        let mut config = properties::of(kafka);
        config.set("partitioner", "murmur2_random");
        let client = Arc::new(config.create_with_context(Inbox::default())?);
        Ok(Self { _login: Login::start(&client, kafka)?, client })
    }

    /// Returns false if there is no room for it now.
    pub fn send(&self, sent: Sent<'_>) -> Result<bool, Cause> {
        let mut record = BaseRecord::<[u8], [u8], usize>::with_opaque_to(sent.topic, sent.number);
        (record.partition, record.key, record.payload) = (sent.partition, sent.key, sent.value);
        if !sent.headers.is_empty() {
            let new = OwnedHeaders::new_with_capacity(sent.headers.len());
            let insert = |headers: OwnedHeaders, (key, value): &(String, Vec<u8>)| {
                headers.insert(Header { key, value: Some(value) })
            };
            record.headers = Some(sent.headers.iter().fold(new, insert));
        }
        match self.client.send(record).map_err(|(error, _)| code(&error)) {
            Ok(()) => Ok(true),
            Err(Code::QueueFull) => Ok(false),
            Err(code) => Err(Cause::of(code)),
        }
    }

    /// What has come back, waiting up to `wait` for a first; and what is said of brokers.
    pub fn hear(&self, wait: Duration) -> (Vec<Returned>, Vec<Trouble>) {
        self.client.poll(wait);
        let mut heard = self.client.context().heard();
        (std::mem::take(&mut heard.returned), std::mem::take(&mut heard.troubles))
    }

    /// Takes everything back that is not delivered yet; it comes back by [`Sender::hear`].
    pub fn give_up(&self) {
        self.client.purge(PurgeConfig::default().queue().inflight());
    }
}

#[derive(Debug, Default)]
struct Heard {
    returned: Vec<Returned>,
    troubles: Vec<Trouble>,
}

#[derive(Debug, Default)]
struct Inbox(Mutex<Heard>);

impl Inbox {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Inbox {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        tracing::debug!(target: "librdkafka", ?level, fac, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.heard().troubles.push(Trouble::new(&error, reason));
    }
}

impl ProducerContext for Inbox {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let fate = result.as_ref().map(|_| ()).map_err(|(error, _)| Cause::of(code(error)));
        self.heard().returned.push((number, fate));
    }
}

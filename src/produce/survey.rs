//! Asks a cluster about itself. Nothing is created or changed; a record is written to a topic if
//! that is asked for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::{ClientContext, Message as _, Timestamp};

use super::cause::code;
use super::login::Login;
use super::questions::{Questions, Unanswered, Whose};
use super::{Cause, CreateError, Trouble, properties};
use crate::clock;
use crate::cluster::{Answer, Cluster, Topic};
use crate::settings;

/// What became of a record that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    pub partition: i32,
    pub offset: i64,
    /// When the broker wrote it, in milliseconds since 1970, if the topic's records carry that.
    pub appended_ms: Option<i64>,
}

pub struct Survey {
    client: Arc<BaseProducer<Ear>>,
    _login: Option<Login>,
    deadline: Instant,
}

impl Survey {
    /// All questions together take up to `timeout`.
    pub fn new(kafka: &settings::Kafka, timeout: Duration) -> Result<Self, CreateError> {
        let mut config = properties::of(kafka);
        // Which requests a broker takes is told to nobody but the log.
        config.set_log_level(RDKafkaLogLevel::Debug).set("debug", "feature");
        let client = Arc::new(config.create_with_context(Ear::default())?);
        let login = Login::start(&client, kafka)?;
        Ok(Self { client, _login: login, deadline: clock::now() + timeout })
    }

    pub fn cluster(&self) -> Result<Cluster, Unanswered> {
        let questions = self.questions()?;
        let mut cluster = questions.cluster()?;
        let any = cluster.brokers.first().map(|broker| broker.id);
        // Not being allowed to see settings is no failure.
        cluster.configs = any.and_then(|id| questions.configs(Whose::Broker(id)).ok());
        cluster.produce_version = self.client.context().heard().produce_version;
        Ok(cluster)
    }

    /// In the order of `names`.
    pub fn topics(&self, names: &[String]) -> Result<Vec<Topic>, Unanswered> {
        let questions = self.questions()?;
        let mut topics = questions.topics(names)?;
        for topic in &mut topics {
            if let Answer::There(facts) = &mut topic.answer {
                facts.configs = questions.configs(Whose::Topic(&topic.name)).ok();
            }
        }
        Ok(topics)
    }

    /// Writes a record and waits until that is acknowledged.
    pub fn write(
        &self,
        topic: &str,
        partition: Option<i32>,
        key: Option<&[u8]>,
        value: &[u8],
    ) -> Result<Written, Unanswered> {
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).payload(value);
        (record.partition, record.key) = (partition, key);
        let sent = self.client.send(record);
        sent.map_err(|(error, _)| Unanswered(error.to_string()))?;
        loop {
            self.client.poll(self.left().min(Duration::from_millis(20)));
            if let Some(written) = self.client.context().heard().written.take() {
                return written.map_err(|cause| Unanswered(cause.to_string()));
            }
            if self.left().is_zero() {
                return Err(Unanswered("no acknowledgement".to_owned()));
            }
        }
    }

    /// What the client had to say of brokers, each thing once.
    pub fn troubles(&self) -> Vec<Trouble> {
        std::mem::take(&mut self.client.context().heard().troubles)
    }

    fn questions(&self) -> Result<Questions<'_>, Unanswered> {
        let none = || Unanswered("the Kafka client has no queue".to_owned());
        Questions::new(&self.client, self.deadline).ok_or_else(none)
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(clock::now())
    }
}

#[derive(Debug, Default)]
struct Heard {
    troubles: Vec<Trouble>,
    produce_version: Option<i16>,
    written: Option<Result<Written, Cause>>,
}

/// What librdkafka calls while questions are asked.
#[derive(Debug, Default)]
pub(super) struct Ear(Mutex<Heard>);

impl Ear {
    /// Every broker that is known has failed us, or we have nothing to show to any.
    pub(super) fn is_hopeless(&self) -> bool {
        let ends_it = |trouble: &Trouble| trouble.is_unreachable() || trouble.lacks_token();
        self.heard().troubles.iter().any(ends_it)
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// From `ApiKey Produce (0) Versions 0..12`.
fn produce_version(message: &str) -> Option<i16> {
    let (_, versions) = message.split_once("ApiKey Produce (0) Versions ")?;
    versions.split_once("..")?.1.trim().parse().ok()
}

impl ClientContext for Ear {
    fn log(&self, _level: RDKafkaLogLevel, fac: &str, message: &str) {
        if fac == "APIVERSION"
            && let Some(version) = produce_version(message)
        {
            let mut heard = self.heard();
            heard.produce_version =
                Some(heard.produce_version.map_or(version, |known| known.min(version)));
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let trouble = Trouble::new(&error, reason);
        let mut heard = self.heard();
        if !heard.troubles.contains(&trouble) {
            heard.troubles.push(trouble);
        }
    }
}

impl ProducerContext for Ear {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let written = match result {
            Ok(message) => {
                let appended_ms = match message.timestamp() {
                    Timestamp::LogAppendTime(ms) => Some(ms),
                    Timestamp::NotAvailable | Timestamp::CreateTime(_) => None,
                };
                Ok(Written {
                    partition: message.partition(),
                    offset: message.offset(),
                    appended_ms,
                })
            }
            Err((error, _)) => Err(Cause::of(code(error))),
        };
        self.heard().written = Some(written);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brokers_versions_are_read_from_the_log() {
        let line = "[thrd:x]: x:9092/1:   ApiKey Produce (0) Versions 0..12";
        assert_eq!(produce_version(line), Some(12));
        assert_eq!(produce_version("  ApiKey Fetch (1) Versions 0..17"), None);
    }
}

//! The producer: takes blocks' records, gives back reports.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{self, Poll, ready};
use std::time::Duration;

use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, Producer as _};
use rdkafka::types::RDKafkaErrorCode;
use rustix::event::{EventfdFlags, eventfd};
use thiserror::Error;
use tokio::io::unix::AsyncFd;

use super::cause::code;
use super::context::Context;
use super::hand_over::HandOver;
use super::login::{self, Login};
use super::native::{self, Batch, Queue, Topic};
use super::reach::{Certificate, certificates_shown};
use super::{Cause, LoginError, Report, Throttled, Trouble, Unconfirmed, properties};
use crate::ledger::Ticket;
use crate::record::{Block, Slot, SourceName};
use crate::settings;

/// A producer could not be made. What a configuration check would have found comes up here last.
#[derive(Debug, Error)]
pub enum CreateError {
    #[error("start the Kafka client{hint}: {0}", hint = hint(.0))]
    Client(#[from] KafkaError),
    #[error("wait for the Kafka client's reports: {0}")]
    Wake(#[from] std::io::Error),
    #[error("wait for the Kafka client's reports: it has no queue")]
    NoQueue,
    #[error(transparent)]
    Login(#[from] LoginError),
}

/// Parts of what librdkafka says of files, and what is likely to be behind it.
const HINTS: &[(&str, &str)] = &[
    ("key values mismatch", " (the key is of another certificate)"),
    ("ssl.key.", " (the key is no PEM, or locked: see `ssl.key.password`)"),
    ("ssl.ca.", " (authorities are not there, or no PEM)"),
    ("ssl.certificate.", " (the certificate is not there, or no PEM)"),
];

/// OpenSSL names the part of it that failed, which tells nobody anything.
fn hint(error: &KafkaError) -> &'static str {
    let text = error.to_string();
    HINTS.iter().find(|(part, _)| text.contains(part)).map_or("", |(_, hint)| hint)
}

/// How far a hand-over came.
#[derive(Debug, Default)]
pub struct Handed {
    /// How many records, from the first one on, need no more handing over: taken or refused.
    pub done: u32,
    /// Those of them that the library refused, each by itself.
    pub refused: Vec<(u32, Cause)>,
    /// Why the rest was not taken.
    pub stopped: Option<Cause>,
}

/// What librdkafka does not take of the outputs' settings.
pub fn refusals(settings: &settings::Settings) -> impl Iterator<Item = String> {
    settings.all_outputs().filter_map(|(output, kafka)| {
        let error = try_settings(kafka).err()?;
        Some(format!("output {output}: cannot {error}"))
    })
}

/// Whether librdkafka takes these settings; a client is made, and connects to nobody.
pub(super) fn try_settings(kafka: &settings::Kafka) -> Result<(), CreateError> {
    let mut config = properties::of(kafka);
    config.remove("bootstrap.servers");
    let client: BaseProducer<_> = config.create_with_context(Context::new())?;
    drop(client);
    Ok(login::try_settings(kafka)?)
}

/// How long, at most, nothing lingers once something is to go at once: that a request more is on its
/// way than may be, and librdkafka's threads are busy.
const HURRY_TAKES: Duration = Duration::from_millis(20);

/// One idempotent producer and its topics.
pub struct Producer {
    // Dropped in this order: topics and queue before the client they belong to.
    topics: HashMap<String, Topic>,
    wake: AsyncFd<Queue>,
    batch: Batch,
    /// How often it was asked since librdkafka was last told that it is not to wait.
    hurries: Arc<AtomicU32>,
    login: Option<Login>,
    /// Read when the client reads them.
    certificates: Vec<Certificate>,
    client: Arc<BaseProducer<Context>>,
}

impl Producer {
    /// Starts a client; it connects by itself, now or when Kafka is there.
    ///
    /// Must be called inside a tokio runtime with its I/O driver enabled.
    pub fn new(kafka: &settings::Kafka) -> Result<Self, CreateError> {
        let mut config = properties::of(kafka);
        config.set("statistics.interval.ms", properties::statistics_ms(kafka));
        let client = config.create_with_context(Context::new())?;
        let client: Arc<BaseProducer<Context>> = Arc::new(client);
        let fd = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC);
        let queue = Queue::new(&client, fd.map_err(std::io::Error::from)?);
        let wake = queue.ok_or(CreateError::NoQueue)?.watched()?;
        let login = Login::start(&client, kafka)?;
        let (topics, hurries) = (HashMap::new(), Arc::default());
        let certificates = certificates_shown(&kafka.security);
        Ok(Self { topics, wake, batch: Batch::default(), hurries, login, certificates, client })
    }

    /// What it shows to brokers that ask who it is.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// Hands over the records of `block` with these numbers, in order. They say that their source
    /// is called `name`, if they say which they are.
    pub fn send(
        &mut self,
        partition: i32,
        slot: Slot,
        block: &Block,
        name: Option<SourceName>,
        numbers: Range<u32>,
    ) -> Handed {
        let topic = topic_of(&mut self.topics, &self.client, &block.label.topic);
        let Some(topic) = topic else {
            let stopped = Some(Cause::Missing(RDKafkaErrorCode::InvalidTopic));
            return Handed { stopped, ..Handed::default() };
        };
        let id = block.label.record_id.zip(name);
        HandOver { topic, partition, slot, block, id }.run(&mut self.batch, numbers)
    }

    /// Ready when there may be reports; until then the task is woken by them.
    pub fn poll_readable(&self, task: &mut task::Context<'_>) -> Poll<()> {
        match ready!(self.wake.poll_read_ready(task)) {
            Ok(mut readable) => {
                let mut count = [0; 8];
                // Emptied before the queue is, so that what comes in between wakes again.
                if let Err(error) = rustix::io::read(&self.wake, &mut count)
                    && error != rustix::io::Errno::AGAIN
                {
                    tracing::error!(%error, "cannot read the Kafka client's wake-up descriptor");
                }
                readable.clear_ready();
                Poll::Ready(())
            }
            Err(error) => {
                tracing::error!(%error, "cannot wait for the Kafka client");
                Poll::Pending
            }
        }
    }

    /// Everything that librdkafka has to tell, in its order.
    pub fn hear(&mut self) -> (Vec<Report>, Vec<Trouble>) {
        while !self.wake.get_ref().is_empty() {
            self.client.poll(Duration::ZERO);
        }
        let (reports, troubles) = self.client.context().take();
        if troubles.iter().any(Trouble::is_about_token)
            && let Some(login) = &self.login
        {
            login.renew();
        }
        (reports, troubles)
    }

    /// What was handed over goes now, whatever `linger.ms` says; not if librdkafka's threads are too
    /// busy to notice.
    pub fn hurry(&self) {
        if self.hurries.fetch_add(1, Ordering::AcqRel) > 0 {
            return;
        }
        let (client, hurries) = (Arc::downgrade(&self.client), Arc::clone(&self.hurries));
        tokio::task::spawn_blocking(move || {
            let mut asked = 1;
            while let Some(client) = client.upgrade() {
                native::flush(&client, HURRY_TAKES);
                // What was handed over meanwhile may have come too late.
                match hurries.compare_exchange(asked, 0, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => break,
                    Err(more) => asked = more,
                }
            }
        });
    }

    /// Whether librdkafka has lost all brokers, as it does when one of them names nobody, and does
    /// not ask those it was given (confluentinc/librdkafka#5301). Said once for a while.
    pub fn take_lost(&self) -> bool {
        self.client.context().take_lost()
    }

    /// Has librdkafka ask these again: `host:port`, and commas between.
    pub fn ask_again(&self, servers: &str) {
        native::add_brokers(&self.client, servers);
    }

    /// Brokers that told us to wait, of what [`Producer::hear`] heard.
    pub fn throttled(&self) -> Vec<Throttled> {
        self.client.context().take_throttled()
    }

    /// Records handed over and not yet reported.
    pub fn in_flight(&self) -> usize {
        usize::try_from(self.client.in_flight_count()).unwrap_or_default()
    }

    /// A way to ask the cluster questions from another thread.
    pub fn scout(&self) -> Scout {
        Scout(Arc::downgrade(&self.client))
    }
}

fn topic_of<'a>(
    topics: &'a mut HashMap<String, Topic>,
    client: &Arc<BaseProducer<Context>>,
    name: &str,
) -> Option<&'a Topic> {
    if !topics.contains_key(name) {
        topics.insert(name.to_owned(), Topic::new(client, name)?);
    }
    topics.get(name)
}

impl Handed {
    /// How many of the records are on their way now.
    pub fn taken(&self) -> u32 {
        self.done - u32::try_from(self.refused.len()).unwrap_or(self.done)
    }

    /// Proof for those that are on their way, where nobody waits for more.
    pub fn unconfirmed(&self, ticket: Ticket) -> Unconfirmed {
        assert_eq!(ticket.records(), self.taken(), "what was taken is what was handed over");
        Unconfirmed::taken(ticket)
    }

    pub(super) fn note(&mut self, record: u32, result: Result<(), RDKafkaErrorCode>) {
        let Err(code) = result else {
            self.done += 1;
            return;
        };
        let cause = Cause::of(code);
        if matches!(cause, Cause::Refused(_)) && self.stopped.is_none() {
            self.done += 1;
            self.refused.push((record, cause));
        } else {
            self.stopped.get_or_insert(cause);
        }
    }
}

/// Asks the cluster, blocking, without keeping the producer alive meanwhile longer than a call.
#[derive(Clone)]
pub struct Scout(std::sync::Weak<BaseProducer<Context>>);

impl Scout {
    /// How many partitions a topic has. Blocks for up to `timeout`.
    pub fn partitions(&self, topic: &str, timeout: Duration) -> Result<u32, Cause> {
        let Some(client) = self.0.upgrade() else { return Err(Cause::Purged) };
        let metadata = client
            .client()
            .fetch_metadata(Some(topic), timeout)
            .map_err(|error| Cause::of(code(&error)))?;
        let missing = Cause::Missing(RDKafkaErrorCode::UnknownTopicOrPartition);
        let topic = metadata.topics().iter().find(|t| t.name() == topic).ok_or(missing)?;
        if let Some(error) = topic.error() {
            return Err(Cause::of(error.into()));
        }
        match u32::try_from(topic.partitions().len()) {
            Ok(partitions) if partitions > 0 => Ok(partitions),
            _ => Err(missing),
        }
    }
}

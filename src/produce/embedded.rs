//! A Kafka inside this process, for trying things out: librdkafka's mock cluster.

use std::time::Duration;

use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use thiserror::Error;

const BROKERS: i32 = 3;
const ALL_BROKERS: i32 = -1;
/// In [`Embedded::pace`]: where producers have to go, and where consumers are sent instead.
const SLOW_BROKER: i32 = 1;
const FAST_BROKER: i32 = 2;

/// Three mock brokers on loopback ports, gone when dropped. They keep 5 MB and 100,000 records a
/// partition, so whoever wants all records has to read along.
pub struct Embedded(MockCluster<'static, DefaultProducerContext>);

/// The mock cluster did not do what it was asked.
#[derive(Debug, Error)]
#[error("direct the embedded Kafka: {0}")]
pub struct EmbeddedError(#[from] KafkaError);

impl Embedded {
    pub fn start() -> Result<Self, KafkaError> {
        Ok(Self(MockCluster::new(BROKERS)?))
    }

    pub fn bootstrap_servers(&self) -> String {
        self.0.bootstrap_servers()
    }

    pub fn create_topic(&self, topic: &str, partitions: i32) -> Result<(), EmbeddedError> {
        Ok(self.0.create_topic(topic, partitions, BROKERS)?)
    }

    /// Cuts every connection and takes no new ones.
    pub fn cut_off(&self) -> Result<(), EmbeddedError> {
        Ok(self.0.broker_down(ALL_BROKERS)?)
    }

    /// Ends [`Embedded::cut_off`].
    pub fn reconnect(&self) -> Result<(), EmbeddedError> {
        Ok(self.0.broker_up(ALL_BROKERS)?)
    }

    /// Lets whoever writes to these topics, of one partition each, wait `delay` for every answer,
    /// but not those who read: so a reader keeps up with a writer that nothing else slows down.
    pub fn pace(&self, topics: &[String], delay: Duration) -> Result<(), EmbeddedError> {
        for topic in topics {
            self.0.partition_leader(topic, 0, Some(SLOW_BROKER))?;
            self.0.partition_follower(topic, 0, FAST_BROKER)?;
        }
        Ok(self.0.broker_round_trip_time(SLOW_BROKER, delay)?)
    }
}

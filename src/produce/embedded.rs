//! A Kafka inside this process, for trying things out: librdkafka's mock cluster.

use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

/// Three mock brokers on loopback ports, gone when dropped. They keep 5 MB a partition.
pub struct Embedded(MockCluster<'static, DefaultProducerContext>);

impl Embedded {
    pub fn start() -> Result<Self, KafkaError> {
        Ok(Self(MockCluster::new(3)?))
    }

    pub fn bootstrap_servers(&self) -> String {
        self.0.bootstrap_servers()
    }
}

//! What a cluster says of itself to this client.

use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    pub id: Option<String>,
    pub brokers: Vec<Broker>,
    /// The newest version of the produce request that all brokers heard so far take; what else
    /// they can do can be told from it.
    pub produce_version: Option<i16>,
    /// What we may do to the cluster as a whole, unless it keeps that to itself.
    pub allowed: Option<Vec<Operation>>,
    /// The settings of one of its brokers, unless we may not see them.
    pub configs: Option<Configs>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    pub id: i32,
    pub host: String,
    pub port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    pub name: String,
    pub answer: Answer,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    There(Facts),
    Missing,
    /// Not even its existence is told to us.
    Denied,
    /// Kafka's words for anything else.
    Failed(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// In their order.
    pub partitions: Vec<Partition>,
    pub allowed: Option<Vec<Operation>>,
    pub configs: Option<Configs>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    pub has_leader: bool,
    pub replicas: usize,
    pub in_sync: usize,
}

/// What an access list may allow, as far as a producer is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Write,
    Create,
    IdempotentWrite,
    Other,
}

/// Settings of a topic or a broker by Kafka's names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Configs(pub BTreeMap<String, String>);

impl Configs {
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }
}

impl Facts {
    /// Of the partition that has the fewest.
    pub fn replicas(&self) -> usize {
        self.partitions.iter().map(|partition| partition.replicas).min().unwrap_or_default()
    }

    /// How many brokers must have a record before it counts as written with `acks: all`. Kafka
    /// asks for no more of them than there are.
    pub fn min_in_sync(&self) -> Option<usize> {
        let asked = self.configs.as_ref()?.number("min.insync.replicas")?;
        Some(usize::try_from(asked).unwrap_or(usize::MAX).min(self.replicas()).max(1))
    }
}

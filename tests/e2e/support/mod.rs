//! What the tests stand on: a real Kafka, a site with logs, the daemon, a writer and a judge.

pub(crate) mod acl;
pub(crate) mod children;
pub(crate) mod config;
pub(crate) mod containers;
pub(crate) mod daemon;
pub(crate) mod dice;
#[path = "../../../src/tail/tests/walk/ground.rs"]
pub(crate) mod ground;
pub(crate) mod guard;
pub(crate) mod issuer;
pub(crate) mod jars;
pub(crate) mod kafka;
pub(crate) mod kept;
pub(crate) mod kubelet;
pub(crate) mod lines;
pub(crate) mod mint;
pub(crate) mod node;
pub(crate) mod ports;
pub(crate) mod pulse;
pub(crate) mod reader;
pub(crate) mod segments;
pub(crate) mod site;
pub(crate) mod totals;
pub(crate) mod verdict;
pub(crate) mod wait;
pub(crate) mod writer;

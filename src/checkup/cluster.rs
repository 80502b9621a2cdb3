//! The cluster as a whole.

use super::{Findings, Verdict};
use crate::cluster::{Cluster, Operation};
use crate::settings::{Acks, Compression, Kafka};

/// The newest version of the produce request, and the releases that have it as their newest.
const RELEASES: &[(i16, &str)] = &[
    (13, "4.1 or newer"),
    (12, "4.0"),
    (11, "3.8 or 3.9"),
    (10, "3.7"),
    (9, "2.8 to 3.6"),
    (8, "2.4 to 2.7"),
    (7, "2.1 to 2.3"),
    (6, "2.0"),
    (5, "1.0 or 1.1"),
    (3, "0.11"),
];
/// Record batches: without them neither idempotence nor headers.
const HAS_BATCHES: i16 = 3;
const HAS_ZSTD: i16 = 7;
/// Since then the right to write to any topic is enough for an idempotent producer.
const WRITING_IS_ENOUGH: i16 = 9;

pub fn cluster(cluster: &Cluster, kafka: &Kafka, findings: &mut Findings) {
    let brokers = match cluster.brokers.len() {
        1 => "1 broker".to_owned(),
        count => format!("{count} brokers"),
    };
    let id = cluster.id.as_deref().map(|id| format!(" {id}")).unwrap_or_default();
    let release = cluster.produce_version.and_then(release);
    let release = release.map(|name| format!(", Kafka {name}")).unwrap_or_default();
    findings.note(Verdict::Fine, format!("cluster{id}: {brokers}{release}"));
    if let Some(version) = cluster.produce_version {
        fits(version, kafka, findings);
    }
    idempotence(cluster, kafka, findings);
}

fn release(version: i16) -> Option<&'static str> {
    let (_, name) = RELEASES.iter().find(|(newest, _)| version >= *newest)?;
    Some(name)
}

fn fits(version: i16, kafka: &Kafka, findings: &mut Findings) {
    if version < HAS_BATCHES {
        findings.advise(
            Verdict::Wrong,
            "a broker is older than Kafka 0.11: it knows neither headers nor idempotence",
            "upgrade the brokers",
        );
    } else if version < HAS_ZSTD && kafka.compression_type == Compression::Zstd {
        findings.advise(
            Verdict::Wrong,
            "a broker is older than Kafka 2.1 and takes no `compression.type: zstd`",
            "set `kafka.compression.type: lz4`, or upgrade the brokers",
        );
    }
}

fn idempotence(cluster: &Cluster, kafka: &Kafka, findings: &mut Findings) {
    let is_old = cluster.produce_version.is_some_and(|version| version < WRITING_IS_ENOUGH);
    let lacks =
        |operation| cluster.allowed.as_ref().is_some_and(|allowed| !allowed.contains(&operation));
    if kafka.enable_idempotence && is_old && lacks(Operation::IdempotentWrite) {
        findings.advise(
            Verdict::Wrong,
            "not allowed to write idempotently, which brokers before Kafka 2.8 ask for",
            "allow `IdempotentWrite` on the cluster",
        );
    }
    if kafka.acks != Acks::All {
        let acks = if kafka.acks == Acks::None { "0" } else { "1" };
        findings.advise(
            Verdict::Warning,
            format!("`acks: {acks}`: what one broker alone has is lost with it"),
            "`acks: all` costs little beside batches and compression",
        );
    }
}

//! A topic and what is to be written to it.

use super::{Findings, Verdict};
use crate::cluster::{Answer, Cluster, Configs, Facts, Operation, Topic};
use crate::record::AHEAD_MS_MAX;
use crate::settings::{Acks, Compression, Kafka};

/// What goes to a topic, of all inputs together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// Some of it carries no key.
    pub lacks_keys: bool,
    /// The highest partition that was asked for by number.
    pub partition: Option<i32>,
    /// Some of its lines say when they were written.
    pub brings_times: bool,
}

/// Waiting longer than this for Kafka is what the spool is for.
const OUTAGE_MS: u64 = 24 * 60 * 60 * 1000;
/// So far clocks are from each other that nobody sets.
const SKEW_MS: u64 = 60 * 1000;
/// Of times, as Kafka writes it.
const NO_LIMIT: u64 = i64::MAX as u64;

pub fn topic(
    topic: &Topic,
    target: &Target,
    cluster: &Cluster,
    kafka: &Kafka,
    findings: &mut Findings,
) {
    let name = &topic.name;
    let facts = match &topic.answer {
        Answer::There(facts) => facts,
        Answer::Missing => return missing(name, cluster, kafka, findings),
        Answer::Denied => {
            return findings.advise(
                Verdict::Wrong,
                format!("topic {name}: not allowed to see it, if it is there"),
                format!("allow `Describe` and `Write` on topic {name}"),
            );
        }
        Answer::Failed(why) => {
            return findings.note(Verdict::Wrong, format!("topic {name}: {why}"));
        }
    };
    permission(name, facts, findings);
    partitions(name, facts, target, findings);
    replication(name, facts, kafka, findings);
    if let Some(configs) = &facts.configs {
        sizes(name, configs, kafka, findings);
        keeping(name, configs, target, findings);
        compression(name, configs, kafka, findings);
        times(name, configs, target, findings);
    } else {
        findings.advise(
            Verdict::Warning,
            format!("topic {name}: not allowed to see its settings, so they are not checked"),
            format!("allow `DescribeConfigs` on topic {name}"),
        );
    }
}

fn missing(name: &str, cluster: &Cluster, kafka: &Kafka, findings: &mut Findings) {
    let broker = |key| cluster.configs.as_ref().and_then(|configs| configs.text(key));
    let create = format!(
        "create it: kafka-topics.sh --create --topic {name} --partitions 3 \
         --replication-factor 3 --config min.insync.replicas=2"
    );
    if !kafka.allow_auto_create_topics {
        return findings.advise(Verdict::Wrong, format!("topic {name}: does not exist"), create);
    }
    if broker("auto.create.topics.enable") == Some("false") {
        return findings.advise(
            Verdict::Wrong,
            format!("topic {name}: does not exist, and the brokers create none by themselves"),
            create,
        );
    }
    let partitions = broker("num.partitions").unwrap_or("?");
    let replicas = broker("default.replication.factor").unwrap_or("?");
    findings.advise(
        Verdict::Warning,
        format!(
            "topic {name}: does not exist; the first record creates it with the brokers' \
             defaults ({partitions} partitions, replication factor {replicas})"
        ),
        create,
    );
}

fn permission(name: &str, facts: &Facts, findings: &mut Findings) {
    if facts.allowed.as_ref().is_some_and(|allowed| !allowed.contains(&Operation::Write)) {
        findings.advise(
            Verdict::Wrong,
            format!("topic {name}: not allowed to write to it"),
            format!("allow `Write` on topic {name}"),
        );
    }
}

fn partitions(name: &str, facts: &Facts, target: &Target, findings: &mut Findings) {
    let count = facts.partitions.len();
    if let Some(partition) = target.partition
        && usize::try_from(partition).is_ok_and(|partition| partition >= count)
    {
        findings.advise(
            Verdict::Wrong,
            format!("topic {name}: has no partition {partition}; it has {count}, from 0 on"),
            "set `partition: file`, or a number that is there",
        );
    }
    let mute = facts.partitions.iter().filter(|partition| !partition.has_leader).count();
    if mute > 0 {
        findings.advise(
            Verdict::Wrong,
            format!("topic {name}: {mute} of {count} partitions have no leader: nothing can be written to them now"),
            "see which brokers are down",
        );
    }
}

/// How many brokers may be lost before a record is, and before writing stops.
fn replication(name: &str, facts: &Facts, kafka: &Kafka, findings: &mut Findings) {
    let (replicas, min) = (facts.replicas(), facts.min_in_sync());
    let count = facts.partitions.len();
    let partitions = if count == 1 { "1 partition".into() } else { format!("{count} partitions") };
    let there = format!("topic {name}: {partitions}, replication factor {replicas}");
    let (asked, survives, goes_on) = match (kafka.acks, min) {
        (Acks::All, Some(min)) => {
            (format!(", min.insync.replicas {min}"), min - 1, replicas.saturating_sub(min))
        }
        // Nobody says how many have it.
        (Acks::All, None) => return findings.note(Verdict::Fine, there),
        (Acks::Leader | Acks::None, _) => (String::new(), 0, replicas.saturating_sub(1)),
    };
    let what = format!(
        "{there}{asked}: what is acknowledged survives the loss of {}; writing goes on with {} down",
        brokers(survives),
        brokers(goes_on),
    );
    if survives == 0 || goes_on == 0 {
        let advice = "replication factor 3 with `min.insync.replicas=2` survives one broker, and \
                      writes on without it";
        findings.advise(Verdict::Warning, what, advice);
    } else {
        findings.note(Verdict::Fine, what);
    }
    in_sync(name, facts, min, kafka, findings);
}

fn brokers(count: usize) -> String {
    match count {
        0 => "no broker".to_owned(),
        1 => "1 broker".to_owned(),
        _ => format!("{count} brokers"),
    }
}

/// As it is now.
fn in_sync(name: &str, facts: &Facts, min: Option<usize>, kafka: &Kafka, findings: &mut Findings) {
    let led = || facts.partitions.iter().filter(|partition| partition.has_leader);
    let below = |min: usize| led().filter(|partition| partition.in_sync < min).count();
    let blocked = min.filter(|_| kafka.acks == Acks::All).map_or(0, below);
    let count = facts.partitions.len();
    if blocked > 0 {
        findings.advise(
            Verdict::Wrong,
            format!(
                "topic {name}: {blocked} of {count} partitions have fewer replicas in sync than \
                 min.insync.replicas: what is written to them now waits"
            ),
            "see which brokers are down or behind",
        );
    } else if let behind @ 1.. = led().filter(|p| p.in_sync < p.replicas).count() {
        findings.note(
            Verdict::Warning,
            format!("topic {name}: {behind} of {count} partitions have replicas that are behind"),
        );
    }
}

fn sizes(name: &str, configs: &Configs, kafka: &Kafka, findings: &mut Findings) {
    let Some(most) = configs.number("max.message.bytes") else { return };
    let fits = |size: usize| u64::try_from(size).is_ok_and(|size| size <= most);
    if !fits(kafka.max_request_size_bytes) {
        findings.advise(
            Verdict::Wrong,
            format!(
                "topic {name}: takes {most} bytes at most (max.message.bytes), less than \
                 `kafka.max.request.size` ({}): larger lines would become dead letters",
                kafka.max_request_size_bytes
            ),
            format!("set `kafka.max.request.size: {most}`, or raise the topic's limit"),
        );
    } else if !fits(kafka.batch_size_bytes) {
        findings.advise(
            Verdict::Warning,
            format!("topic {name}: takes {most} bytes at most, less than `kafka.batch.size`"),
            format!("set `kafka.batch.size: {most}` or less"),
        );
    }
}

fn keeping(name: &str, configs: &Configs, target: &Target, findings: &mut Findings) {
    let policy = configs.text("cleanup.policy").unwrap_or_default();
    if !policy.contains("compact") {
        return;
    }
    if target.lacks_keys {
        findings.advise(
            Verdict::Wrong,
            format!("topic {name}: compacted, so it takes no record without a key"),
            "set `key`, or cleanup.policy=delete for the topic",
        );
    } else {
        findings.advise(
            Verdict::Warning,
            format!("topic {name}: compacted: of all lines with the same key the last one stays"),
            "set cleanup.policy=delete for the topic",
        );
    }
}

fn compression(name: &str, configs: &Configs, kafka: &Kafka, findings: &mut Findings) {
    let ours = match kafka.compression_type {
        Compression::None => "uncompressed",
        Compression::Gzip => "gzip",
        Compression::Snappy => "snappy",
        Compression::Lz4 => "lz4",
        Compression::Zstd => "zstd",
    };
    match configs.text("compression.type") {
        Some(theirs) if theirs != "producer" && theirs != ours => findings.advise(
            Verdict::Warning,
            format!("topic {name}: its brokers compress anew, to {theirs} from {ours}"),
            "set compression.type=producer for the topic, or the same here",
        ),
        Some(_) | None => {}
    }
}

fn times(name: &str, configs: &Configs, target: &Target, findings: &mut Findings) {
    if configs.text("message.timestamp.type") == Some("LogAppendTime") {
        findings.note(
            Verdict::Fine,
            format!("topic {name}: records carry the time at which the broker wrote them"),
        );
        return;
    }
    // The last one is for both directions where they have none of their own: Kafka up to 3.9.
    let limit = |own| {
        let own = configs.number(own).filter(|ms| *ms < NO_LIMIT);
        own.or_else(|| configs.number("message.timestamp.difference.max.ms"))
    };
    let before = limit("message.timestamp.before.max.ms");
    if let Some(before) = before.filter(|before| *before < OUTAGE_MS) {
        findings.advise(
            Verdict::Warning,
            format!(
                "topic {name}: refuses records older than {} s (message.timestamp.before.max.ms)",
                before / 1000
            ),
            "raise it: what waits out an outage is older",
        );
    }
    let (ahead, why) = if target.brings_times {
        (AHEAD_MS_MAX.unsigned_abs(), "so far ahead a line's own time is believed")
    } else {
        (SKEW_MS, "this machine's clock may be ahead of the brokers'")
    };
    let after = limit("message.timestamp.after.max.ms");
    if let Some(after) = after.filter(|after| *after < ahead) {
        findings.advise(
            Verdict::Warning,
            format!(
                "topic {name}: refuses records more than {} s from the future \
                 (message.timestamp.after.max.ms)",
                after / 1000
            ),
            format!("raise it to {ahead} or more: {why}"),
        );
    }
}

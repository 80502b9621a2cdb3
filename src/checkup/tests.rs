use super::*;
use crate::cluster::{Answer, Broker, Cluster, Configs, Facts, Operation, Partition, Topic};
use crate::settings::{Acks, Compression, Kafka};

fn configs(entries: &[(&str, &str)]) -> Configs {
    Configs(entries.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
}

/// One that fits `Kafka::example`.
fn facts() -> Facts {
    Facts {
        partitions: vec![Partition { has_leader: true, replicas: 3, in_sync: 3 }; 2],
        allowed: Some(vec![Operation::Write]),
        configs: Some(configs(&[("min.insync.replicas", "2"), ("cleanup.policy", "delete")])),
    }
}

fn a_cluster() -> Cluster {
    Cluster {
        id: Some("id".into()),
        brokers: vec![Broker { id: 1, host: "k1".into(), port: 9092 }],
        produce_version: Some(12),
        allowed: None,
        configs: None,
    }
}

fn of_topic(answer: Answer, kafka: &Kafka) -> Vec<Finding> {
    of_target(answer, &Target::default(), kafka)
}

fn of_target(answer: Answer, target: &Target, kafka: &Kafka) -> Vec<Finding> {
    let mut findings = Findings::default();
    let asked = Topic { name: "t".into(), answer };
    topic(&asked, target, &a_cluster(), kafka, &mut findings);
    findings.0
}

fn of_cluster(cluster: &Cluster, kafka: &Kafka) -> Vec<Finding> {
    let mut findings = Findings::default();
    super::cluster(cluster, kafka, &mut findings);
    findings.0
}

/// The one that is not fine.
fn only(findings: &[Finding], verdict: Verdict) -> &str {
    let bad: Vec<_> = findings.iter().filter(|f| f.verdict != Verdict::Fine).collect();
    let [finding] = bad[..] else { panic!("one finding: {findings:#?}") };
    assert_eq!(finding.verdict, verdict);
    &finding.what
}

#[test]
fn what_fits_is_fine() {
    let findings = of_topic(Answer::There(facts()), &Kafka::example());
    let [finding] = &findings[..] else { panic!("{findings:#?}") };
    assert_eq!(finding.verdict, Verdict::Fine);
    assert!(
        finding.what.contains("survives the loss of 1 broker; writing goes on with 1 broker down")
    );
}

#[test]
fn kafka_asks_for_no_more_replicas_than_there_are() {
    let mut facts = facts();
    facts.partitions = vec![Partition { has_leader: true, replicas: 1, in_sync: 1 }];
    assert_eq!(facts.min_in_sync(), Some(1));
    let findings = of_topic(Answer::There(facts), &Kafka::example());
    assert!(only(&findings, Verdict::Warning).contains("survives the loss of no broker"));
}

#[test]
fn the_worst_partition_counts() {
    let mut facts = facts();
    facts.partitions[1] = Partition { has_leader: true, replicas: 3, in_sync: 1 };
    let findings = of_topic(Answer::There(facts.clone()), &Kafka::example());
    assert!(only(&findings, Verdict::Wrong).contains("1 of 2 partitions have fewer replicas"));
    facts.partitions[1].in_sync = 2;
    let findings = of_topic(Answer::There(facts.clone()), &Kafka::example());
    assert!(only(&findings, Verdict::Warning).contains("are behind"));
    facts.partitions[1] = Partition { has_leader: false, replicas: 3, in_sync: 0 };
    let findings = of_topic(Answer::There(facts), &Kafka::example());
    assert!(only(&findings, Verdict::Wrong).contains("no leader"));
}

#[test]
fn with_one_acknowledgement_it_does_not_matter_who_is_in_sync() {
    let mut kafka = Kafka::example();
    kafka.acks = Acks::Leader;
    let mut facts = facts();
    facts.partitions[0].in_sync = 1;
    let findings = of_topic(Answer::There(facts), &kafka);
    assert!(findings.iter().all(|finding| finding.verdict != Verdict::Wrong), "{findings:#?}");
}

#[test]
fn settings_that_may_not_be_seen_are_said_not_to_be_checked() {
    let facts = Facts { configs: None, ..facts() };
    let findings = of_topic(Answer::There(facts), &Kafka::example());
    assert!(only(&findings, Verdict::Warning).contains("not allowed to see its settings"));
}

#[test]
fn a_batch_that_is_larger_than_a_record_is_a_warning() {
    let mut kafka = Kafka::example();
    (kafka.max_request_size_bytes, kafka.batch_size_bytes) = (1000, 2000);
    let mut facts = facts();
    let size = configs(&[("max.message.bytes", "1500"), ("min.insync.replicas", "2")]);
    facts.configs = Some(size);
    let findings = of_topic(Answer::There(facts), &kafka);
    assert!(only(&findings, Verdict::Warning).contains("kafka.batch.size"));
}

#[test]
fn records_that_wait_may_become_too_old() {
    let mut facts = facts();
    let entries = [("min.insync.replicas", "2"), ("message.timestamp.before.max.ms", "60000")];
    facts.configs = Some(configs(&entries));
    let findings = of_topic(Answer::There(facts), &Kafka::example());
    assert!(only(&findings, Verdict::Warning).contains("older than 60 s"));
}

/// What is said of a topic with `limits` where lines bring their times, and where they do not.
fn of_times(limits: &[(&str, &str)]) -> [Vec<Finding>; 2] {
    let entries = [&[("min.insync.replicas", "2")][..], limits].concat();
    let facts = Facts { configs: Some(configs(&entries)), ..facts() };
    [true, false].map(|brings_times| {
        let target = Target { brings_times, ..Target::default() };
        of_target(Answer::There(facts.clone()), &target, &Kafka::example())
    })
}

#[test]
fn records_may_be_ahead_of_the_brokers() {
    const AFTER: &str = "message.timestamp.after.max.ms";
    let are_fine = |limits: &[(&str, &str)]| {
        of_times(limits).map(|found| found.iter().all(|finding| finding.verdict == Verdict::Fine))
    };
    assert_eq!(are_fine(&[(AFTER, "3600000")]), [true, true], "Kafka's default");
    assert_eq!(are_fine(&[(AFTER, "3599999")]), [false, true]);
    assert_eq!(are_fine(&[(AFTER, "59999")]), [false, false]);
    let [lines_own, ours] = of_times(&[(AFTER, "2000")]);
    for found in [lines_own, ours] {
        assert!(only(&found, Verdict::Warning).contains("more than 2 s from the future"));
    }
    // Only that which has no limit of its own has the older one.
    let both = ("message.timestamp.difference.max.ms", "1000");
    let none = ("message.timestamp.before.max.ms", "9223372036854775807");
    assert_eq!(of_times(&[none, (AFTER, "3600000"), both]).map(|found| found.len()), [2, 2]);
    assert_eq!(of_times(&[both]).map(|found| found.len()), [3, 3]);
    assert_eq!(are_fine(&[("message.timestamp.type", "LogAppendTime"), (AFTER, "0")]), [true; 2]);
}

#[test]
fn a_topic_that_would_be_created_says_how() {
    let mut kafka = Kafka::example();
    assert!(only(&of_topic(Answer::Missing, &kafka), Verdict::Wrong).contains("does not exist"));
    kafka.allow_auto_create_topics = true;
    let mut cluster = a_cluster();
    let ask = |cluster: &Cluster, kafka: &Kafka| {
        let mut findings = Findings::default();
        let asked = Topic { name: "t".into(), answer: Answer::Missing };
        topic(&asked, &Target::default(), cluster, kafka, &mut findings);
        findings.0
    };
    cluster.configs = Some(configs(&[("auto.create.topics.enable", "false")]));
    assert!(only(&ask(&cluster, &kafka), Verdict::Wrong).contains("create none"));
    cluster.configs =
        Some(configs(&[("auto.create.topics.enable", "true"), ("num.partitions", "7")]));
    assert!(only(&ask(&cluster, &kafka), Verdict::Warning).contains("7 partitions"));
}

#[test]
fn old_brokers_do_not_know_everything() {
    let (mut cluster, mut kafka) = (a_cluster(), Kafka::example());
    assert!(of_cluster(&cluster, &kafka)[0].what.contains("Kafka 4.0"));
    cluster.produce_version = Some(6);
    assert!(only(&of_cluster(&cluster, &kafka), Verdict::Wrong).contains("zstd"));
    kafka.compression_type = Compression::Lz4;
    cluster.allowed = Some(vec![Operation::IdempotentWrite]);
    assert_eq!(of_cluster(&cluster, &kafka).len(), 1);
    cluster.allowed = Some(Vec::new());
    assert!(only(&of_cluster(&cluster, &kafka), Verdict::Wrong).contains("idempotently"));
    cluster.produce_version = Some(2);
    let findings = of_cluster(&cluster, &kafka);
    assert!(findings.iter().any(|finding| finding.what.contains("older than Kafka 0.11")));
}

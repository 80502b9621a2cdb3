//! `tailspool check`, one planted mistake at a time.

use std::fs;
use std::path::PathBuf;

use rdkafka_sys::rd_kafka_AclOperation_t as Acl;

use crate::support::children::{Power, guarded, spawn};
use crate::support::config::Config;
use crate::support::daemon::{Daemon, Finished};
use crate::support::guard::{Guard, PASSWORD, Papers, USER};
use crate::support::kafka::Kafka;
use crate::support::ports::Port;
use crate::support::site::{Site, append};
use crate::support::wait::{GENEROUS, wait_until};

/// A host with one log file.
fn site() -> Site {
    let site = Site::new();
    append(&site.log("a.log"), b"a line\n");
    site
}

fn check(site: &Site, config: &Config) -> Finished {
    site.write_config(&config.to_yaml());
    site.tailspool(&["check"])
}

/// The line that has all of `parts`.
fn finds(finished: &Finished, parts: &[&str]) {
    let has = |line: &str| parts.iter().all(|part| line.contains(part));
    assert!(finished.out.lines().any(has), "no line has {parts:?}:\n{}", finished.out);
}

#[test]
fn check_finds_nothing_wrong_where_nothing_is() {
    let kafka = Kafka::triple();
    let (site, topic) = (site(), kafka.topic("fine", 3, &[("min.insync.replicas", "2")]));
    let checked = check(&site, &site.config(&kafka.bootstrap(), &topic));
    checked.assert_code(0);
    finds(&checked, &["✓ cluster", "3 brokers", "Kafka 4"]);
    finds(&checked, &["✓ topic", &topic, "survives the loss of 1 broker", "with 1 broker down"]);
    assert!(!checked.out.contains(['!', '✗']), "{}", checked.out);
}

#[test]
fn check_finds_a_server_that_is_not_there() {
    let kafka = Kafka::triple();
    let (site, topic) = (site(), kafka.topic("away", 1, &[]));
    let nobody = Port::reserve().address();
    let bootstrap = format!("{},{nobody}", kafka.bootstrap());
    let checked = check(&site, &site.config(&bootstrap, &topic));
    checked.assert_code(0);
    finds(&checked, &["!", &nobody, "refused"]);
}

#[test]
fn check_finds_that_no_server_is_there() {
    let (site, nobody) = (site(), Port::reserve());
    let checked = check(&site, &site.config(&nobody.address(), "any"));
    checked.assert_code(69);
    finds(&checked, &["✗", &nobody.address(), "refused"]);
}

#[test]
fn check_finds_a_wrong_password() {
    let kafka = Kafka::single();
    let (site, topic) = (site(), kafka.topic("password", 1, &[]));
    let wrong = site.root().join("password");
    fs::write(&wrong, "not it").unwrap();
    let config = site.config(&kafka.sasl(), &topic);
    let config = kafka.guard().with_password(config, "SCRAM-SHA-256", &wrong);
    let checked = check(&site, &config);
    checked.assert_code(65);
    finds(&checked, &["✗", "invalid credentials"]);
    finds(&checked, &["kafka.sasl.password"]);
}

#[test]
fn check_finds_a_mechanism_that_the_listener_does_not_take() {
    let kafka = Kafka::single();
    let (site, topic) = (site(), kafka.topic("mechanism", 1, &[]));
    let config = site.config(&kafka.bootstrap(), &topic);
    // A listener without passwords.
    let config = config.kafka("security.protocol", "SASL_PLAINTEXT");
    let config = config.kafka("sasl.mechanism", "PLAIN").kafka("sasl.username", USER);
    let config = config.kafka("sasl.password", "any");
    let checked = check(&site, &config);
    checked.assert_code(65);
    finds(&checked, &["✗", "SASL"]);
}

#[test]
fn check_finds_a_broker_that_a_stranger_vouches_for() {
    let kafka = Kafka::single();
    let (site, topic) = (site(), kafka.topic("stranger", 1, &[]));
    let papers = kafka.guard().papers("vouched");
    let config = kafka.guard().with_papers(site.config(&kafka.tls(), &topic), &papers);
    let other = kafka.guard().unknown("somebody").certificate;
    let config = config
        .to_yaml()
        .replace(&kafka.guard().authority().display().to_string(), &other.display().to_string());
    site.write_config(&config);
    let checked = site.tailspool(&["check"]);
    checked.assert_code(65);
    finds(&checked, &["✗", "certificate verify failed"]);
    finds(&checked, &["kafka.ssl.ca.location"]);
}

#[test]
fn check_finds_a_protocol_that_is_not_the_listeners() {
    let kafka = Kafka::single();
    let (site, topic) = (site(), kafka.topic("protocol", 1, &[]));
    let checked = check(&site, &site.config(&kafka.tls(), &topic));
    checked.assert_code(65);
    finds(&checked, &["kafka.security.protocol"]);
}

#[test]
fn check_finds_certificates_that_have_expired_or_soon_will() {
    let kafka = Kafka::single();
    let (site, topic) = (site(), kafka.topic("expiry", 1, &[]));
    let guard = kafka.guard();
    kafka.allow("User:CN=check-soon", &topic, Acl::RD_KAFKA_ACL_OPERATION_WRITE);
    let soon = guard.expiring("check-soon");
    let checked = check(&site, &guard.with_papers(site.config(&kafka.tls(), &topic), &soon));
    finds(&checked, &["! ", "check-soon", "expires in"]);
    let expired = guard.expired("check-expired");
    let checked = check(&site, &guard.with_papers(site.config(&kafka.tls(), &topic), &expired));
    checked.assert_code(65);
    finds(&checked, &["✗", "check-expired", "expired on"]);
}

#[test]
fn check_finds_what_is_wrong_with_certificates_without_a_cluster() {
    let site = site();
    let guard = Guard::new(&site.root().join("guard"));
    let (ours, over) = (guard.papers("ours"), guard.expired("over"));
    let with = |papers: &Papers| guard.with_papers(site.config("localhost:9093", "any"), papers);
    let check = |yaml: &str| {
        site.write_config(yaml);
        site.tailspool(&["check", "--offline"])
    };
    let checked = check(&with(&ours).to_yaml());
    checked.assert_code(0);
    finds(&checked, &["✓", "certificate ours: valid until"]);
    let checked = check(&with(&over).to_yaml());
    checked.assert_code(65);
    finds(&checked, &["✗", "certificate over: expired on"]);
    let mixed = Papers { certificate: ours.certificate.clone(), key: over.key };
    let checked = check(&with(&mixed).to_yaml());
    checked.assert_code(65);
    finds(&checked, &["✗", "the key is of another certificate"]);
    let authority = guard.authority().display().to_string();
    let checked = check(&with(&ours).to_yaml().replace(&authority, "/not/there.pem"));
    checked.assert_code(65);
    finds(&checked, &["✗ /not/there.pem: No such file"]);
}

#[test]
fn check_finds_that_a_topic_is_missing_and_does_not_create_it() {
    let kafka = Kafka::single();
    let site = site();
    for _ in 0..2 {
        let checked = check(&site, &site.config(&kafka.bootstrap(), "nobody-made-this"));
        checked.assert_code(65);
        finds(&checked, &["✗ topic nobody-made-this", "does not exist"]);
        finds(&checked, &["kafka-topics.sh --create --topic nobody-made-this"]);
    }
}

#[test]
fn check_finds_that_writing_is_not_allowed() {
    let kafka = Kafka::single();
    let (site, topic) = (site(), kafka.topic("denied", 1, &[]));
    let papers = kafka.guard().papers("check-denied");
    let config = kafka.guard().with_papers(site.config(&kafka.tls(), &topic), &papers);
    let checked = check(&site, &config);
    checked.assert_code(65);
    finds(&checked, &["✗ topic", "not allowed to see it"]);
    let user = "User:CN=check-denied";
    kafka.allow(user, &topic, Acl::RD_KAFKA_ACL_OPERATION_DESCRIBE);
    wait_until("the right to see it, and no more", GENEROUS, || {
        let checked = check(&site, &config);
        checked.assert_code(65);
        checked.out.contains("not allowed to write to it")
    });
    kafka.allow(user, &topic, Acl::RD_KAFKA_ACL_OPERATION_WRITE);
    wait_until("the right to write", GENEROUS, || check(&site, &config).code() == Some(0));
}

#[test]
fn check_finds_a_compacted_topic_without_keys() {
    let kafka = Kafka::single();
    let topic = kafka.topic("compacted", 1, &[("cleanup.policy", "compact")]);
    let site = site();
    let config = site.config(&kafka.bootstrap(), &topic);
    let checked = check(&site, &config);
    checked.assert_code(65);
    finds(&checked, &["✗ topic", "compacted", "key"]);
    let checked = check(&site, &config.of_input("key", "'{path}'"));
    checked.assert_code(0);
    finds(&checked, &["! topic", "compacted"]);
}

#[test]
fn check_finds_a_topic_that_takes_less_than_a_request() {
    let kafka = Kafka::single();
    let (site, topic) = (site(), kafka.topic("small", 1, &[("max.message.bytes", "20000")]));
    let config = site.config(&kafka.bootstrap(), &topic);
    let checked = check(&site, &config);
    checked.assert_code(65);
    finds(&checked, &["✗ topic", "20000", "kafka.max.request.size"]);
    let config = config.kafka("max.request.size", "20000").kafka("batch.size", "20000");
    check(&site, &config).assert_code(0);
}

#[test]
fn check_finds_a_topic_that_refuses_what_lines_say_of_their_times() {
    let kafka = Kafka::single();
    let limit = &[("message.timestamp.after.max.ms", "1800000")];
    let (site, topic) = (site(), kafka.topic("future", 1, limit));
    let config = site.config(&kafka.bootstrap(), &topic);
    let checked = check(&site, &config.clone().of_input("format", "container"));
    checked.assert_code(0);
    finds(&checked, &["! topic", "1800 s from the future"]);
    let checked = check(&site, &config);
    assert!(!checked.out.contains("from the future"), "{}", checked.out);
}

#[test]
fn check_finds_that_one_broker_stops_writing_or_loses_records() {
    let kafka = Kafka::triple();
    let site = site();
    let strict = kafka.topic("strict", 1, &[("min.insync.replicas", "3")]);
    let checked = check(&site, &site.config(&kafka.bootstrap(), &strict));
    checked.assert_code(0);
    finds(&checked, &["! topic", "the loss of 2 brokers", "writing goes on with no broker down"]);
    let lax = kafka.topic("lax", 1, &[("min.insync.replicas", "1")]);
    let checked = check(&site, &site.config(&kafka.bootstrap(), &lax));
    checked.assert_code(0);
    finds(&checked, &["! topic", "survives the loss of no broker"]);
    let checked = check(&site, &site.config(&kafka.bootstrap(), &lax).kafka("acks", "1"));
    finds(&checked, &["!", "`acks: 1`", "lost with it"]);
}

#[test]
fn check_finds_that_writes_are_blocked() {
    let kafka = Kafka::triple();
    let (site, topic) = (site(), kafka.topic("blocked", 1, &[("min.insync.replicas", "3")]));
    kafka.wait_in_sync(&topic);
    kafka.kill(2);
    let config = site.config(&kafka.bootstrap(), &topic);
    wait_until("the missing replica to be noticed", GENEROUS, || {
        let checked = check(&site, &config);
        checked.out.contains("fewer replicas in sync") && checked.code() == Some(65)
    });
}

#[test]
fn check_finds_a_partition_that_is_not_there() {
    let kafka = Kafka::single();
    let (site, topic) = (site(), kafka.topic("partition", 2, &[]));
    let config = site.config(&kafka.bootstrap(), &topic).of_input("partition", "2");
    let checked = check(&site, &config);
    checked.assert_code(65);
    finds(&checked, &["✗ topic", "no partition 2"]);
}

#[test]
fn check_finds_brokers_that_compress_anew() {
    let kafka = Kafka::single();
    let (site, topic) = (site(), kafka.topic("anew", 1, &[("compression.type", "gzip")]));
    let checked = check(&site, &site.config(&kafka.bootstrap(), &topic));
    checked.assert_code(0);
    finds(&checked, &["! topic", "gzip from zstd"]);
}

#[test]
fn check_writes_a_record_only_if_asked() {
    let kafka = Kafka::single();
    let stamped = &[("message.timestamp.type", "LogAppendTime")];
    let (site, topic) = (site(), kafka.topic("trial", 1, stamped));
    let checked = check(&site, &site.config(&kafka.bootstrap(), &topic));
    checked.assert_code(0);
    let first = site.tailspool(&["check", "--produce"]);
    first.assert_code(0);
    finds(&first, &["✓ topic", "written to partition 0, offset 0"]);
}

/// What has the program's clock go wrong by so many seconds; librdkafka's asks another function.
fn skewed_clock(site: &Site, seconds: i32) -> PathBuf {
    const SOURCE: &str = "
        #include <sys/syscall.h>
        #include <time.h>
        #include <unistd.h>
        int clock_gettime(clockid_t id, struct timespec *now) {
            int result = syscall(SYS_clock_gettime, id, now);
            if (result == 0 && id == CLOCK_REALTIME) now->tv_sec += SKEW;
            return result;
        }
        ";
    let source = site.root().join("clock.c");
    fs::write(&source, SOURCE).unwrap();
    let library = site.root().join(format!("clock{seconds}.so"));
    let mut compiler = guarded("cc", Power::AsWeAre);
    compiler.args(["-D_GNU_SOURCE", "-shared", "-fPIC", &format!("-DSKEW=({seconds})"), "-o"]);
    compiler.arg(&library).arg(&source);
    assert!(spawn(compiler).wait().unwrap().success(), "a clock can be compiled");
    library
}

#[test]
fn check_finds_a_clock_that_is_not_the_brokers() {
    let kafka = Kafka::single();
    let stamped = &[("message.timestamp.type", "LogAppendTime")];
    let (site, topic) = (site(), kafka.topic("stamped", 1, stamped));
    site.write_config(&site.config(&kafka.bootstrap(), &topic).to_yaml());
    let arguments = site.with_config(&["check", "--produce"]);
    for (seconds, which) in [(1000, "s ahead of the brokers'"), (-1000, "s behind the brokers'")] {
        let preload = format!("LD_PRELOAD={}", skewed_clock(&site, seconds).display());
        let checked = Daemon::start_under(&["env", &preload], &arguments).finish(GENEROUS);
        checked.assert_code(0);
        finds(&checked, &["! this machine's clock is", which]);
    }
    let checked = Daemon::start(&arguments).finish(GENEROUS);
    checked.assert_code(0);
    assert!(!checked.out.contains("machine's clock"), "{}", checked.out);
}

#[test]
fn check_tells_programs_the_same() {
    let kafka = Kafka::single();
    let site = site();
    let config = site.config(&kafka.bootstrap(), "missing-for-programs");
    site.write_config(&config.kafka("sasl.password", PASSWORD).to_yaml());
    let checked = site.tailspool(&["check", "--output", "json"]);
    checked.assert_code(65);
    let findings: serde_json::Value = serde_json::from_str(&checked.out).unwrap();
    let wrong = |finding: &&serde_json::Value| finding["verdict"] == "wrong";
    let wrong = findings.as_array().unwrap().iter().find(wrong).unwrap();
    assert!(wrong["what"].as_str().unwrap().contains("does not exist"), "{wrong}");
    assert!(wrong["advice"].as_str().unwrap().contains("kafka-topics.sh"), "{wrong}");
    assert!(!checked.out.contains(PASSWORD), "{}", checked.out);
}

//! Coming in by certificate and by password, being kept out, and being let in after all.

use std::fs;
use std::path::PathBuf;

use rdkafka_sys::rd_kafka_AclOperation_t as Acl;

use crate::support::daemon::Daemon;
use crate::support::guard::{PASSWORD, Papers, USER};
use crate::support::kafka::Kafka;
use crate::support::lines::lines;
use crate::support::reader::Reader;
use crate::support::site::{Site, append};
use crate::support::verdict::{Verdict, Written};
use crate::support::wait::GENEROUS;

const LINES: u64 = 1000;

fn site() -> Site {
    let site = Site::new();
    append(&site.log("a.log"), lines("a.log", 0..LINES).as_bytes());
    site
}

fn password(site: &Site, text: &str) -> PathBuf {
    let path = site.root().join("password");
    fs::write(&path, text).unwrap();
    path
}

/// All lines are in the topic, in order, and once.
fn arrives(kafka: &Kafka, topic: &str) {
    let written = Written::from([("a.log".to_owned(), LINES)]);
    let mut verdict = Verdict::default();
    let mut reader = Reader::from_beginning(&kafka.bootstrap(), topic);
    reader.judge(&mut verdict, &written, GENEROUS);
    reader.judge_rest(&mut verdict);
    verdict.assert_complete_and_in_order(&written);
    assert_eq!(verdict.repeats(), 0, "{verdict}");
}

/// Stops; and in all that was ever said there is no secret.
fn ends(daemon: Daemon) {
    let said = daemon.said().join("\n");
    let finished = daemon.stop();
    finished.assert_code(0);
    assert!(!said.contains(PASSWORD), "the password was said:\n{said}");
    assert!(!finished.out.contains(PASSWORD), "the password was printed");
}

fn ships_with_password(mechanism: &str) {
    let kafka = Kafka::triple();
    let (site, topic) = (site(), kafka.topic("password", 3, &[]));
    kafka.allow(&format!("User:{USER}"), &topic, Acl::RD_KAFKA_ACL_OPERATION_WRITE);
    let config = site.config(&kafka.sasl(), &topic).top("log", "{level: trace}");
    let file = password(&site, PASSWORD);
    let daemon = site.run(&kafka.guard().with_password(config, mechanism, &file));
    arrives(&kafka, &topic);
    ends(daemon);
}

#[test]
fn a_file_is_shipped_with_a_plain_password() {
    ships_with_password("PLAIN");
}

#[test]
fn a_file_is_shipped_with_scram_sha_256() {
    ships_with_password("SCRAM-SHA-256");
}

#[test]
fn a_file_is_shipped_with_scram_sha_512() {
    ships_with_password("SCRAM-SHA-512");
}

#[test]
fn a_file_is_shipped_with_a_certificate() {
    let kafka = Kafka::triple();
    let (site, topic) = (site(), kafka.topic("certificate", 3, &[]));
    kafka.allow("User:CN=shipper", &topic, Acl::RD_KAFKA_ACL_OPERATION_WRITE);
    let papers = kafka.guard().papers("shipper");
    let daemon = site.run(&kafka.guard().with_papers(site.config(&kafka.tls(), &topic), &papers));
    arrives(&kafka, &topic);
    ends(daemon);
}

#[test]
fn a_wrong_password_is_said_and_healed_by_a_right_one() {
    let kafka = Kafka::triple();
    let (site, topic) = (site(), kafka.topic("wrong-password", 3, &[]));
    kafka.allow(&format!("User:{USER}"), &topic, Acl::RD_KAFKA_ACL_OPERATION_WRITE);
    let config = site.config(&kafka.sasl(), &topic);
    let file = password(&site, "a-canary-too");
    let mut daemon = site.run(&kafka.guard().with_password(config, "SCRAM-SHA-512", &file));
    daemon.hears("why nothing is sent", |line| {
        line.contains("does not let us in") && line.contains("kafka.sasl.password")
    });
    password(&site, PASSWORD);
    daemon.hang_up();
    arrives(&kafka, &topic);
    assert!(!daemon.said().join("\n").contains("a-canary-too"), "a password was said");
    ends(daemon);
}

/// Kept out with these papers, and told why; let in once the files hold others.
fn heals(kafka: &Kafka, kept_out: &Papers, why: &str) {
    let (site, topic) = (site(), kafka.topic("papers", 3, &[]));
    kafka.allow("User:CN=healed", &topic, Acl::RD_KAFKA_ACL_OPERATION_WRITE);
    let config = kafka.guard().with_papers(site.config(&kafka.tls(), &topic), kept_out);
    let mut daemon = site.run(&config);
    daemon.hears("why nothing is sent", |line| {
        let parts = ["does not let us in", "kafka.ssl.certificate.location", why];
        parts.iter().all(|part| line.contains(part))
    });
    let good = kafka.guard().papers("healed");
    fs::copy(&good.certificate, &kept_out.certificate).unwrap();
    fs::copy(&good.key, &kept_out.key).unwrap();
    daemon.hang_up();
    arrives(kafka, &topic);
    ends(daemon);
}

#[test]
fn an_expired_certificate_is_said_and_healed_by_a_new_one() {
    let kafka = Kafka::triple();
    let papers = kafka.guard().expired("expired");
    heals(&kafka, &papers, "our certificate expired expired on");
}

#[test]
fn an_unknown_certificate_is_said_and_healed_by_a_known_one() {
    let kafka = Kafka::triple();
    let papers = kafka.guard().unknown("unknown");
    heals(&kafka, &papers, "a certificate that it trusts");
}

#[test]
fn a_denied_topic_is_said_and_healed_by_an_access_list() {
    let kafka = Kafka::triple();
    let (site, topic) = (site(), kafka.topic("denied", 3, &[]));
    let papers = kafka.guard().papers("denied");
    let mut daemon =
        site.run(&kafka.guard().with_papers(site.config(&kafka.tls(), &topic), &papers));
    daemon.hears("why nothing is sent", |line| {
        line.contains(&topic) && line.to_lowercase().contains("authoriz")
    });
    kafka.allow("User:CN=denied", &topic, Acl::RD_KAFKA_ACL_OPERATION_WRITE);
    arrives(&kafka, &topic);
    ends(daemon);
}

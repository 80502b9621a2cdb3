//! A quota holds the brokers' answers back: lines wait for that, and nothing else comes of it.

use std::time::Duration;

use crate::support::config::Config;
use crate::support::kafka::Kafka;
use crate::support::lines::lines;
use crate::support::reader::Reader;
use crate::support::site::{Site, append};
use crate::support::verdict::{Verdict, Written};
use crate::support::wait::GENEROUS;

const FILES: usize = 3;
const LINES: u64 = 2_000;
/// About a megabyte goes through in twenty seconds.
const BYTES_PER_SECOND: u32 = 50_000;
const CATCH_UP: Duration = Duration::from_mins(3);

/// A record is late after so little time that any other wait as long would be an outage.
fn impatient(site: &Site, kafka: &Kafka, topic: &str, client_id: &str) -> Config {
    site.config(&kafka.bootstrap(), topic)
        .kafka("client.id", client_id)
        .kafka("compression.type", "none")
        .kafka("batch.size", "64KiB")
        .kafka("buffer.memory", "4MiB")
        .kafka("linger.ms", "20")
        .kafka("request.timeout.ms", "2s")
        .kafka("delivery.timeout.ms", "3s")
        .top("spool", "{stall_after: 3s}")
}

/// Everything arrives, once, in order, by way of no spool; and the throttle was said.
fn waits(kafka: &Kafka, site: &Site, topic: &str, config: &Config) {
    let mut written = Written::new();
    for file in 0..FILES {
        let name = format!("a{file}.log");
        append(&site.log(&name), lines(&name, 0..LINES).as_bytes());
        written.insert(name, LINES);
    }
    let mut daemon = site.run(config);
    daemon.hears("who throttles", |line| {
        line.contains("kafka throttles this client") && line.contains("127.0.0.1")
    });
    let mut verdict = Verdict::default();
    let mut reader = Reader::from_beginning(&kafka.bootstrap(), topic);
    reader.judge(&mut verdict, &written, CATCH_UP);
    let finished = daemon.stop();
    reader.judge_rest(&mut verdict);
    finished.assert_code(0);
    verdict.assert_complete_and_in_order(&written);
    assert_eq!(verdict.repeats(), 0, "{verdict}");
    let counted = finished.err.lines().find(|line| line.contains("counted in all"));
    let counted = counted.expect("what was counted is said");
    assert!(counted.contains(" spooled=0 "), "a quota is no outage: {counted}");
    assert!(!counted.contains(" throttled_ms=0 "), "{counted}");
    assert!(!finished.err.contains("is not reachable"), "{}", finished.err);
}

#[test]
fn a_quota_is_waited_for_and_shown() {
    let kafka = Kafka::single();
    let (site, topic) = (Site::new(), kafka.topic("quota", 2, &[]));
    kafka.limit("quota-patient", BYTES_PER_SECOND);
    let config = impatient(&site, kafka, &topic, "quota-patient");
    waits(kafka, &site, &topic, &config.kafka("socket.timeout.ms", "2m"));
}

/// The broker does not read on for longer than answers are waited for: connections are given up
/// and made again, and requests sent again.
#[test]
fn a_quota_that_outlasts_connections_is_waited_for_too() {
    let kafka = Kafka::single();
    let (site, topic) = (Site::new(), kafka.topic("short", 2, &[]));
    kafka.limit("quota-hasty", BYTES_PER_SECOND);
    let config = impatient(&site, kafka, &topic, "quota-hasty");
    waits(kafka, &site, &topic, &config);
}

/// What it has read stays in memory for as long as the quota lasts, of more files than fit there.
#[test]
fn an_output_that_a_quota_holds_back_leaves_memory_to_the_other() {
    let kafka = Kafka::single();
    let (site, topic, held) =
        (Site::new(), kafka.topic("free", 1, &[]), kafka.topic("held", 6, &[]));
    kafka.limit("quota-held", BYTES_PER_SECOND);
    let config = site
        .config(&kafka.bootstrap(), &topic)
        .top("shutdown_grace", "4s")
        .kafka("compression.type", "none")
        .kafka("buffer.memory", "8MiB")
        .kafka("linger.ms", "20")
        .output("held", &[("client.id", "quota-held"), ("socket.timeout.ms", "2m")])
        .input("held", &site.log("*.held"), &held)
        .of_input("output", "held");
    for file in 0..24 {
        let name = format!("{file}.held");
        append(&site.log(&name), lines(&name, 0..3 * LINES).as_bytes());
    }
    let mut daemon = site.run(&config);
    daemon.hears("who is throttled", |line| {
        line.contains("kafka throttles this client") && line.contains("output=held")
    });
    for count in (1..=3).map(|round| round * LINES) {
        append(&site.log("a.log"), lines("a.log", count - LINES..count).as_bytes());
        let written = Written::from([("a.log".to_owned(), count)]);
        let mut verdict = Verdict::default();
        let mut reader = Reader::from_beginning(&kafka.bootstrap(), &topic);
        reader.judge(&mut verdict, &written, GENEROUS);
        verdict.assert_complete_and_in_order(&written);
    }
    daemon.stop().assert_code(0);
}

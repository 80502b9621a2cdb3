//! The time of a record: its line's, or when it was read, however late it is sent.

use rdkafka::mocking::MockCluster;
use tailspool::clock;

use crate::support::config::Config;
use crate::support::kafka::Kafka;
use crate::support::reader::{Reader, Record};
use crate::support::site::{Site, append};
use crate::support::wait::{GENEROUS, wait_until};

const WRITTEN: &str = "2024-01-01T00:00:00.25Z";
const WRITTEN_MS: i64 = 1_704_067_200_250;

fn now() -> i64 {
    clock::wall_ms().cast_signed()
}

fn sorted(bootstrap: &str, topic: &str, count: usize) -> Vec<(String, i64)> {
    let text = |record: Record| (String::from_utf8(record.payload).unwrap(), record.timestamp);
    let records = Reader::from_beginning(bootstrap, topic).records(count, GENEROUS);
    let mut found: Vec<_> = records.into_iter().map(text).collect();
    found.sort();
    found
}

/// A container's log, and a file that knows no times.
fn config(site: &Site, bootstrap: &str, topic: &str) -> Config {
    Config::new(&site.state(), bootstrap)
        .input("pods", &site.log("*.cri"), topic)
        .of_input("format", "cri")
        .input("files", &site.log("*.log"), topic)
        .top("checkpoint_interval", "200ms")
        .top("shutdown_grace", "4s")
        .kafka("linger.ms", "20")
        .kafka("request.timeout.ms", "1s")
        .kafka("delivery.timeout.ms", "2s")
}

#[test]
fn a_record_has_the_time_of_its_line_if_that_can_be() {
    let mock = MockCluster::new(1).expect("a mock cluster");
    mock.create_topic("logs", 1, 1).expect("a mock topic");
    let (site, servers) = (Site::new(), mock.bootstrap_servers());
    let line = |time: &str, text: &str| format!("{time} stdout F {text}\n");
    let lines = [(WRITTEN, "1"), ("1969-12-31T23:59:59Z", "2"), ("2200-01-01T00:00:00Z", "3")];
    let content: String = lines.iter().map(|(time, text)| line(time, text)).collect();
    append(&site.log("a.cri"), format!("{content}4 is no such line\n").as_bytes());
    append(&site.log("a.log"), b"5\n");
    site.write_config(&config(&site, &servers, "logs").to_yaml());
    let before = now();
    site.tailspool(&["run", "--once"]).assert_code(0);
    let (after, found) = (now(), sorted(&servers, "logs", 5));
    assert_eq!(found[0], ("1".to_owned(), WRITTEN_MS));
    for (text, time) in &found[1..] {
        assert!((before..=after).contains(time), "{text}: {time}, not {before} to {after}");
    }
}

#[test]
fn what_was_in_the_spool_has_the_time_that_it_had_before() {
    let mock = MockCluster::new(1).expect("a mock cluster");
    mock.create_topic("logs", 1, 1).expect("a mock topic");
    let (site, servers) = (Site::new(), mock.bootstrap_servers());
    mock.broker_down(-1).expect("a mock broker");
    append(&site.log("a.cri"), format!("{WRITTEN} stdout F 1\n").as_bytes());
    append(&site.log("a.log"), b"2\n");
    let before = now();
    let daemon = site.run(&config(&site, &servers, "logs"));
    let kept = site.kept();
    wait_until("lines to be spooled", GENEROUS, || kept.spooled() == 2 && kept.owed() == 0);
    let spooled = now();
    daemon.kill();
    // A few seconds late would be as good.
    wait_until("lines to be old", GENEROUS, || now() > spooled + 6_000);
    mock.broker_up(-1).expect("a mock broker");
    site.tailspool(&["run", "--once"]).assert_code(0);
    let found = sorted(&servers, "logs", 2);
    assert_eq!(found[0], ("1".to_owned(), WRITTEN_MS));
    let (text, time) = &found[1];
    assert!((before..=spooled).contains(time), "{text}: {time}, not {before} to {spooled}");
}

/// A broker that takes nothing older than an hour would otherwise make dead letters of old logs.
#[test]
fn a_record_whose_time_the_broker_refuses_is_sent_with_that_of_sending() {
    let kafka = Kafka::single();
    let takes = &[("message.timestamp.before.max.ms", "3600000")];
    let (site, topic) = (Site::new(), kafka.topic("times", 1, takes));
    let line = |text: u32| format!("{WRITTEN} stdout F {text:03}\n");
    append(&site.log("a.cri"), (0..300).map(line).collect::<String>().as_bytes());
    let before = now();
    let mut daemon = site.run(&config(&site, &kafka.bootstrap(), &topic));
    let records = Reader::from_beginning(&kafka.bootstrap(), &topic).records(300, GENEROUS);
    let texts: Vec<_> = records.iter().map(|r| String::from_utf8_lossy(&r.payload)).collect();
    let all: Vec<_> = (0..300).map(|text: u32| format!("{text:03}")).collect();
    assert_eq!(texts, all);
    assert!(records.iter().all(|record| (before..=now()).contains(&record.timestamp)));
    daemon.hears("that it was so", |line| line.contains("does not take the time of records"));
    daemon.stop().assert_code(0);
    assert!(!site.state().join("dead-letters/dead-letters.jsonl").exists());
}

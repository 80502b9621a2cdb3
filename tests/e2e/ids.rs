//! What consumers know a record by: the same whenever it is sent, and no other record's.

use std::collections::BTreeSet;
use std::fs;

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use crate::support::kafka::Kafka;
use crate::support::lines::{line, lines};
use crate::support::reader::{Reader, Record};
use crate::support::site::{Site, append};
use crate::support::wait::{GENEROUS, wait_until};

/// The very consumer that is given as an example.
#[path = "../../examples/dedupe.rs"]
#[allow(dead_code, reason = "a program of its own")]
mod dedupe;

use dedupe::{Id, Seen, id_of};

fn mock() -> MockCluster<'static, DefaultProducerContext> {
    let mock = MockCluster::new(1).expect("a mock cluster");
    mock.create_topic("logs", 1, 1).expect("a mock topic");
    mock
}

fn id(record: &Record) -> Id {
    let headers = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
    id_of(record.key.as_deref(), headers).expect("it says which it is")
}

fn records(bootstrap: &str, topic: &str, count: usize) -> Vec<Record> {
    Reader::from_beginning(bootstrap, topic).records(count, GENEROUS)
}

fn text(record: &Record) -> String {
    String::from_utf8_lossy(&record.payload).into_owned()
}

#[test]
fn a_record_says_in_which_source_and_where_it_ends() {
    for by in ["key", "headers"] {
        let (mock, site) = (mock(), Site::new());
        let servers = mock.bootstrap_servers();
        append(&site.log("a.log"), b"one\ntwo\n\n");
        append(&site.log("b.log"), b"one\n");
        site.write_config(&site.config(&servers, "logs").of_input("record_id", by).to_yaml());
        site.tailspool(&["run", "--once"]).assert_code(0);
        let found = records(&servers, "logs", 4);
        let ids: BTreeSet<_> = found.iter().map(|record| format!("{:?}", id(record))).collect();
        assert_eq!(ids.len(), 4);
        let shown = |record: &Record| match (&record.key, record.headers.as_slice()) {
            (Some(key), []) => String::from_utf8_lossy(key).into_owned(),
            (None, [(source, name), (offset, end)]) => {
                assert_eq!([source, offset], ["tailspool-source", "tailspool-offset"]);
                format!("{}:{}", String::from_utf8_lossy(name), String::from_utf8_lossy(end))
            }
            other => panic!("{other:?}"),
        };
        let mut ends: Vec<_> = found.iter().map(|record| shown(record)[32..].to_owned()).collect();
        ends.sort();
        assert_eq!(ends, [":4", ":4", ":8", ":9"]);
    }
}

/// What its records are known by must not come back for other lines: consumers would drop them.
#[test]
fn another_file_of_that_name_has_other_ids_even_after_a_crash() {
    let (mock, site) = (mock(), Site::new());
    let servers = mock.bootstrap_servers();
    let config = site.config(&servers, "logs").of_input("record_id", "key");
    // Nothing but what must be is saved before the crash.
    let config = config.top("checkpoint_interval", "10m").kafka("linger.ms", "5");
    let mut reader = Reader::from_beginning(&servers, "logs");
    let mut found = Vec::new();
    for number in 0..3 {
        fs::remove_file(site.log("a.log")).unwrap_or_default();
        append(&site.log("a.log"), format!("line {number}\n").as_bytes());
        if number == 2 {
            fs::remove_dir_all(site.state()).expect("there is a state directory");
        }
        let daemon = site.run(&config);
        found.extend(reader.records(1, GENEROUS));
        daemon.kill();
    }
    let ids: Vec<_> = found.iter().map(|record| (text(record), id(record))).collect();
    let others: BTreeSet<_> = ids.iter().map(|(_, id)| format!("{id:?}")).collect();
    assert_eq!(others.len(), 3, "{ids:?}");
}

/// The last run was killed before it had saved that there is such a file.
#[test]
fn a_number_that_only_the_spool_knows_is_not_given_again() {
    let (mock, site) = (mock(), Site::new());
    let servers = mock.bootstrap_servers();
    let config = site
        .config(&servers, "logs")
        .of_input("record_id", "key")
        .top("checkpoint_interval", "10m")
        .kafka("linger.ms", "5")
        .kafka("request.timeout.ms", "1s")
        .kafka("delivery.timeout.ms", "2s");
    site.write_config(&config.to_yaml());
    site.tailspool(&["run", "--once"]).assert_code(0);
    let (log, kept) = (site.log("a.log"), site.kept());
    let checkpoints = site.state().join("checkpoints/checkpoints.log");
    let saved = fs::read(&checkpoints).expect("it was run");
    mock.broker_down(-1).expect("a mock broker");
    append(&log, b"one\n");
    let daemon = site.run_again();
    wait_until("the line to be spooled", GENEROUS, || kept.spooled() == 1);
    daemon.kill();
    fs::write(&checkpoints, saved).expect("it is ours");
    fs::remove_file(&log).expect("it is ours");

    mock.broker_up(-1).expect("a mock broker");
    let mut reader = Reader::from_beginning(&servers, "logs");
    let daemon = site.run_again();
    let mut found = reader.records(1, GENEROUS);
    wait_until("the spool to be empty", GENEROUS, || kept.spooled() == 0);
    daemon.kill();
    append(&log, b"two\n");
    let daemon = site.run_again();
    found.extend(reader.records(1, GENEROUS));
    daemon.kill();
    let ids: Vec<_> = found.iter().map(|record| (text(record), id(record))).collect();
    assert_eq!([&*ids[0].0, &*ids[1].0], ["one", "two"]);
    assert_ne!(ids[0].1, ids[1].1);
}

/// Its lines were in the spool before anybody had saved that there is such a file: it was read
/// again under another number, and they repeated with other ids.
#[test]
fn what_was_spooled_in_the_first_moments_of_a_file_is_its_own_after_a_crash() {
    for with_ids in [true, false] {
        let (mock, site) = (mock(), Site::new());
        let servers = mock.bootstrap_servers();
        let config = site.config(&servers, "logs");
        let config = if with_ids { config.of_input("record_id", "headers") } else { config };
        // Nothing but what must be is saved before the crash.
        let config = config
            .top("checkpoint_interval", "10m")
            .kafka("linger.ms", "5")
            .kafka("request.timeout.ms", "1s")
            .kafka("delivery.timeout.ms", "2s");
        mock.broker_down(-1).expect("a mock broker");
        let (log, kept) = (site.log("b.log"), site.kept());
        append(&site.log("a.log"), b"zero\n");
        let daemon = site.run(&config);
        wait_until("the outage to be noticed", GENEROUS, || kept.spooled() == 1);
        append(&log, b"one\ntwo\n");
        wait_until("the new file to be spooled", GENEROUS, || kept.spooled() == 3);
        daemon.kill();

        mock.broker_up(-1).expect("a mock broker");
        let mut reader = Reader::from_beginning(&servers, "logs");
        let daemon = site.run_again();
        let mut found = reader.records(3, GENEROUS);
        wait_until("the spool to be empty", GENEROUS, || kept.spooled() == 0);
        append(&log, b"three\n");
        found.extend(reader.records(1, GENEROUS));
        daemon.kill();
        let mut texts: Vec<_> = found.iter().map(text).collect();
        texts.sort();
        assert_eq!(texts, ["one", "three", "two", "zero"], "each once, with_ids: {with_ids}");
    }
}

#[test]
fn a_consumer_that_drops_repeats_has_each_line_once_after_crashes() {
    let kafka = Kafka::single();
    let (site, topic) = (Site::new(), kafka.topic("dedupe", 3, &[]));
    let config = site
        .config(&kafka.bootstrap(), &topic)
        .of_input("record_id", "headers")
        .top("checkpoint_interval", "10m")
        .kafka("linger.ms", "5");
    let (log, mut written, mut repeats) = (site.log("a.log"), 0, 0);
    let mut seen = Seen::remembering(1_000_000);
    let mut reader = Reader::from_beginning(&kafka.bootstrap(), &topic);
    let mut once = Vec::new();
    let mut take = |reader: &mut Reader, once: &mut Vec<String>| {
        for record in reader.records(0, GENEROUS) {
            if seen.is_new(id(&record)) {
                once.push(text(&record));
            } else {
                repeats += 1;
            }
        }
    };
    for crash in 0..4 {
        append(&log, lines("a.log", written..written + 500).as_bytes());
        written += 500;
        match crash {
            // Rotated in both ways: where lines lie in their files comes again.
            1 => fs::rename(&log, site.log("a.log.1")).unwrap(),
            2 => {
                fs::copy(&log, site.log("a.log.2")).unwrap();
                fs::OpenOptions::new().write(true).truncate(true).open(&log).map(drop).unwrap();
            }
            _ => {}
        }
        append(&log, lines("a.log", written..written + 500).as_bytes());
        written += 500;
        let daemon = site.run(&config);
        wait_until("all lines to arrive", GENEROUS, || {
            take(&mut reader, &mut once);
            once.len() as u64 >= written
        });
        daemon.kill();
    }
    let daemon = site.run(&config);
    append(&log, lines("a.log", written..written + 1).as_bytes());
    written += 1;
    wait_until("the last line to arrive", GENEROUS, || {
        take(&mut reader, &mut once);
        once.len() as u64 >= written
    });
    daemon.stop().assert_code(0);
    take(&mut reader, &mut once);
    let all: Vec<_> = (0..written).map(|number| line("a.log", number)).collect();
    once.sort();
    let mut expected = all.clone();
    expected.sort();
    assert_eq!(once, expected);
    assert!(repeats > 0, "there was nothing to drop");
}

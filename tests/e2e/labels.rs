//! Topic, key and headers from what a path says of its container: straight to Kafka, through an
//! outage and a restart, and into the dead letters.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::support::config::Config;
use crate::support::kafka::Kafka;
use crate::support::kept::Kept;
use crate::support::reader::{Reader, Record};
use crate::support::site::{Site, append};
use crate::support::wait::{GENEROUS, wait_until};

use RDKafkaRespErr::RD_KAFKA_RESP_ERR_POLICY_VIOLATION as POLICY_VIOLATION;

/// The log of a pod's container `app` that was restarted twice.
fn log(site: &Site, namespace: &str, pod: &str) -> PathBuf {
    let dir = site.log(&format!("pods/{namespace}_{pod}_uid-of-{pod}/app"));
    fs::create_dir_all(&dir).expect("a temporary folder is writable");
    dir.join("2.log")
}

fn config(site: &Site, bootstrap: &str) -> Config {
    Config::new(&site.state(), bootstrap)
        .input("pods", &site.log("pods/*/*/*.log"), "'{namespace}'")
        .of_input("topic_fallback", "rest")
        .of_input("key", "'{pod}/{container}.{restart}'")
        .of_input("headers", "{env: prod, uid: '{uid}'}")
        .top("checkpoint_interval", "200ms")
        .top("shutdown_grace", "4s")
        .kafka("linger.ms", "20")
        .kafka("request.timeout.ms", "1s")
        .kafka("delivery.timeout.ms", "2s")
}

fn mock(topics: &[&str]) -> MockCluster<'static, DefaultProducerContext> {
    let mock = MockCluster::new(3).expect("a mock cluster");
    for topic in topics {
        mock.create_topic(topic, 2, 3).expect("a mock topic");
    }
    mock
}

/// What a record of a pod must look like.
fn record(pod: &str, payload: &str, others: &[(&str, &str)]) -> (String, String, String) {
    let uid = format!("uid-of-{pod}");
    let headers = [("env", "prod"), ("uid", &*uid)];
    let headers = headers.iter().chain(others).map(|(name, value)| format!("{name}={value} "));
    (format!("{pod}/app.2"), headers.collect(), payload.to_owned())
}

fn shown(record: &Record) -> (String, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = record.headers.iter().map(|(name, value)| format!("{name}={} ", text(value)));
    let key = record.key.as_deref().map_or("no key".to_owned(), text);
    (key, headers.collect(), text(&record.payload))
}

fn arrived(bootstrap: &str, topic: &str, count: usize) -> Vec<(String, String, String)> {
    let records = Reader::from_beginning(bootstrap, topic).records(count, GENEROUS);
    records.iter().map(shown).collect()
}

#[test]
fn pods_go_to_the_topics_of_their_namespaces_with_key_and_headers() {
    let (mock, site) = (mock(&["shop", "bank", "rest"]), Site::new());
    append(&log(&site, "shop", "web"), b"one\ntwo\n");
    append(&log(&site, "bank", "db"), b"three\nfo");
    let strange = site.log("pods/strange/app");
    fs::create_dir_all(&strange).expect("a temporary folder is writable");
    append(&strange.join("x.log"), b"five\n");
    site.write_config(&config(&site, &mock.bootstrap_servers()).to_yaml());
    site.tailspool(&["run", "--once"]).assert_code(0);
    let arrived = |topic, count| arrived(&mock.bootstrap_servers(), topic, count);
    assert_eq!(arrived("shop", 2), [record("web", "one", &[]), record("web", "two", &[])]);
    let unfinished = [("tailspool-unfinished", "true")];
    assert_eq!(arrived("bank", 2), [record("db", "three", &[]), record("db", "fo", &unfinished)]);
    // Its path does not say what it is to be named after.
    let nothing = ("/.".to_owned(), "env=prod uid= ".to_owned(), "five".to_owned());
    assert_eq!(arrived("rest", 1), [nothing]);
}

#[test]
fn a_link_among_containers_has_what_its_name_and_its_target_say() {
    let (mock, site) = (mock(&["shop"]), Site::new());
    let (pods, links) = (log(&site, "shop", "web"), site.log("containers"));
    append(&pods, b"one\n");
    fs::create_dir(&links).expect("a temporary folder is writable");
    let id = "0123456789abcdef".repeat(4);
    let link = links.join(format!("web_shop_app-{id}.log"));
    std::os::unix::fs::symlink(&pods, &link).expect("a temporary folder is writable");
    let config = Config::new(&site.state(), &mock.bootstrap_servers())
        .input("links", &links.join("*.log"), "'{namespace}'")
        .of_input("topic_fallback", "rest")
        .of_input("follow_symlinks", &format!("['{}']", links.display()))
        .of_input("key", "'{pod}/{container}/{uid}/{restart}/{id}'");
    site.write_config(&config.to_yaml());
    site.tailspool(&["run", "--once"]).assert_code(0);
    let record = (format!("web/app/uid-of-web/2/{id}"), String::new(), "one".to_owned());
    assert_eq!(arrived(&mock.bootstrap_servers(), "shop", 1), [record]);
}

#[test]
fn key_and_headers_tell_the_streams_of_a_container_apart() {
    let (mock, site) = (mock(&["logs"]), Site::new());
    let line = |stream: &str, text: &str| format!("2026-11-21T10:00:00Z {stream} F {text}\n");
    let content = [("stdout", "1"), ("stderr", "2"), ("stderr", "3"), ("stdout", "4")];
    let content: String = content.iter().map(|(stream, text)| line(stream, text)).collect();
    append(&site.log("a.log"), content.as_bytes());
    let config = site.config(&mock.bootstrap_servers(), "logs").of_input("format", "cri");
    let config = config.of_input("key", "'{stream}'").of_input("fields", "{team: shop}");
    let config = config.of_input("headers", "{of: '{field:team}/{stream}'}");
    site.write_config(&config.to_yaml());
    site.tailspool(&["run", "--once"]).assert_code(0);
    let record = |stream: &str, text: &str| {
        (stream.to_owned(), format!("of=shop/{stream} "), text.to_owned())
    };
    let expected = [("stdout", "1"), ("stderr", "2"), ("stderr", "3"), ("stdout", "4")];
    let expected = expected.map(|(stream, text)| record(stream, text));
    assert_eq!(arrived(&mock.bootstrap_servers(), "logs", 4), expected);
}

#[test]
fn a_key_without_headers_goes_along_too() {
    let (mock, site) = (mock(&["logs"]), Site::new());
    append(&site.log("a.log"), b"one\n\ntwo\n");
    let config = site.config(&mock.bootstrap_servers(), "logs").of_input("key", "'{file.name}'");
    site.write_config(&config.to_yaml());
    site.tailspool(&["run", "--once"]).assert_code(0);
    let record = |payload: &str| ("a.log".to_owned(), String::new(), payload.to_owned());
    let arrived = arrived(&mock.bootstrap_servers(), "logs", 3);
    assert_eq!(arrived, ["one", "", "two"].map(record));
}

#[test]
fn what_records_carry_survives_an_outage_and_a_restart() {
    let kafka = Kafka::lone();
    let site = Site::new();
    let namespaces = [(); 2].map(|()| kafka.topic("labels", 2, &[]));
    let logs = namespaces.clone().map(|namespace| log(&site, &namespace, "web"));
    let write = |text: &str| logs.iter().for_each(|log| append(log, text.as_bytes()));
    let kept = logs.clone().map(|log| Kept::of(site.state(), log.parent().unwrap().to_owned()));
    let wait_kept =
        || wait_until("lines to be safe", GENEROUS, || kept.iter().all(|kept| kept.owed() == 0));
    let mut daemon = site.run(&config(&site, &kafka.bootstrap()));
    write("1\n2\n");
    wait_kept();
    kafka.freeze_all();
    write("3\n4\n");
    for namespace in &namespaces {
        let fits = |line: &str| line.contains("lines go to the spool") && line.contains(namespace);
        daemon.hears("the way into the spool", fits);
    }
    write("5\n");
    wait_kept();
    daemon.terminate();
    daemon.finish(Duration::from_secs(15)).assert_code(0);
    assert!(kept[0].spooled() >= 6, "{}", kept[0].spooled());
    let daemon = site.run_again();
    write("6\n");
    wait_kept();
    kafka.heal();
    for namespace in &namespaces {
        let mut found = arrived(&kafka.bootstrap(), namespace, 6);
        // What was in flight when it stopped may have arrived before the brokers froze.
        found.sort();
        found.dedup();
        let all = ["1", "2", "3", "4", "5", "6"].map(|payload| record("web", payload, &[]));
        assert_eq!(found, all);
    }
    daemon.stop().assert_code(0);
}

/// What waits for the old topic is not acknowledged by what goes to the new one.
#[test]
fn a_spool_lost_after_the_topic_was_changed_loses_nothing_that_is_still_there() {
    let (mock, site) = (mock(&["old", "new"]), Site::new());
    let (servers, log) = (mock.bootstrap_servers(), site.log("a.log"));
    let config = |topic: &str| {
        let config = site.config(&servers, topic).top("checkpoint_interval", "200ms");
        config.top("shutdown_grace", "4s").kafka("delivery.timeout.ms", "2s")
    };
    let config = |topic: &str| config(topic).kafka("request.timeout.ms", "1s");
    let kept = site.kept();
    let spools = |topic: &str, text: &str| {
        append(&log, text.as_bytes());
        let daemon = site.run(&config(topic));
        wait_until("lines to be safe", GENEROUS, || kept.owed() == 0);
        daemon.stop().assert_code(0);
    };
    mock.broker_down(-1).expect("a mock broker");
    spools("old", "one\ntwo\n");
    spools("new", "three\n");
    fs::remove_dir_all(kept.spool_dir()).expect("there is a spool");
    mock.broker_up(-1).expect("a mock broker");
    site.tailspool(&["run", "--once"]).assert_code(0);
    let found = arrived(&servers, "new", 3).into_iter().map(|(_, _, payload)| payload);
    assert_eq!(found.collect::<Vec<_>>(), ["one", "two", "three"]);
}

#[test]
fn dead_letters_keep_what_the_record_carried() {
    let (mock, site) = (mock(&["shop"]), Site::new());
    mock.request_errors(RDKafkaApiKey::Produce, &[POLICY_VIOLATION; 8]);
    append(&log(&site, "shop", "web"), b"never");
    site.write_config(&config(&site, &mock.bootstrap_servers()).to_yaml());
    site.tailspool(&["run", "--once"]).assert_code(0);
    let letters = site.state().join("dead-letters/dead-letters.jsonl");
    let letters = fs::read_to_string(letters).expect("there is a dead letter");
    let carried = "\"key\":\"web/app.2\",\"headers\":[{\"name\":\"env\",\"value\":\"prod\"},\
                   {\"name\":\"uid\",\"value\":\"uid-of-web\"}],\"unfinished\":true,\"timestamp\":";
    assert!(letters.contains(carried), "{letters}");
    assert!(letters.contains(",\"value\":\"never\""), "{letters}");
}

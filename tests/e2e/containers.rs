//! Containers' logs as their runtimes write, rotate, compress and delete them: nothing is lost
//! that an open descriptor or a prompt look could save.

use std::path::Path;
use std::time::Duration;

use crate::support::config::Config;
use crate::support::containers::{Docker, Yard, missing};
use crate::support::daemon::Daemon;
use crate::support::dice::Dice;
use crate::support::kafka::Kafka;
use crate::support::kubelet::{Container, Node};
use crate::support::lines::lines;
use crate::support::reader::Reader;
use crate::support::site::Site;
use crate::support::totals::Totals;
use crate::support::verdict::{Verdict, Written};
use crate::support::wait::{GENEROUS, wait_until};

const CATCH_UP: Duration = Duration::from_mins(4);

/// Lines of each of the two streams; `TAILSPOOL_LONG=1` makes it a minute of them.
fn count() -> u64 {
    if std::env::var_os("TAILSPOOL_LONG").is_some() { 60_000 } else { 10_000 }
}

fn written(stem: &str) -> Written {
    ["out", "err"].map(|stream| (format!("{stem}.{stream}"), count())).into()
}

fn config(site: &Site, kafka: &Kafka, topic: &str, logs: &Path) -> Config {
    let config = Config::new(&site.state(), &kafka.bootstrap());
    config.input("containers", logs, topic).of_input("format", "container")
}

fn yard(site: &Site, stem: &str) -> Yard {
    let said = |stream| lines(&format!("{stem}.{stream}"), 0..count());
    Yard::at(site.root().join(stem), &said("out"), &said("err"))
}

/// Says so where nothing can be tried.
fn is_skipped(program: &str) -> bool {
    let missing = missing(program);
    if let Some(why) = &missing {
        eprintln!("SKIPPED, NOTHING WAS TRIED: {why} (scripts/prepare chaos)");
    }
    missing.is_some()
}

fn assert_complete(kafka: &Kafka, topic: &str, written: &Written) {
    let mut verdict = Verdict::default();
    let mut reader = Reader::from_beginning(&kafka.bootstrap(), topic);
    reader.judge(&mut verdict, written, CATCH_UP);
    println!("{verdict}");
    verdict.assert_complete_and_in_order(written);
    assert_eq!(verdict.repeats(), 0, "{verdict}");
}

#[test]
#[ignore = "needs a docker daemon: make test-chaos"]
fn a_docker_log_that_is_rotated_compressed_and_removed_at_once_arrives_whole() {
    if is_skipped("dockerd") {
        return;
    }
    let (kafka, site) = (Kafka::single(), Site::new());
    let topic = kafka.topic("docker", 1, &[]);
    let docker = Docker::start(yard(&site, "docker"));
    docker.import("tiny");
    let logs = docker.logs().join("*/*-json.log");
    let daemon = site.run(&config(&site, kafka, &topic, &logs));
    let options = ["max-size=500k", "max-file=3", "compress=true"];
    let id = docker.speak("tiny", &options);
    docker.run(&["wait", &id]);
    let folder = docker.logs().join(&id);
    let log = folder.join(format!("{id}-json.log"));
    assert!(log.with_extension("log.2.gz").exists(), "it was rotated and compressed");
    wait_until("the last file to be found", GENEROUS, || daemon.holds(&log));
    docker.run(&["rm", &id]);
    assert!(!folder.exists(), "all of it is deleted");
    assert_complete(kafka, &topic, &written("docker"));
    daemon.stop().assert_code(0);
}

#[test]
#[ignore = "needs a docker daemon: make test-chaos"]
fn a_docker_log_that_is_rotated_and_compressed_while_we_are_killed_and_stopped_arrives_whole() {
    if is_skipped("dockerd") {
        return;
    }
    let (kafka, site) = (Kafka::single(), Site::new());
    let topic = kafka.topic("docker-killed", 1, &[]);
    let docker = Docker::start(yard(&site, "docker-killed"));
    docker.import("tiny");
    let logs = docker.logs().join("*/*-json.log");
    let daemon = site.run(&config(&site, kafka, &topic, &logs));
    let id = docker.speak("tiny", &["max-size=200k", "max-file=1000", "compress=true"]);
    let log = docker.logs().join(&id).join(format!("{id}-json.log"));
    wait_until("the first file to be found", GENEROUS, || daemon.holds(&log));
    // The oldest is compressed once the second rotation has begun; then it is there as such only.
    let is_compressed = |age: u32| log.with_extension(format!("log.{age}.gz")).exists();
    let goes_on = |age| wait_until("rotations", GENEROUS, || is_compressed(age));
    goes_on(2);
    daemon.kill();
    goes_on(5);
    let daemon = site.run_again();
    goes_on(7);
    daemon.stop().assert_code(0);
    goes_on(10);
    let daemon = site.run_again();
    docker.run(&["wait", &id]);
    let (mut verdict, written) = (Verdict::default(), written("docker-killed"));
    Reader::from_beginning(&kafka.bootstrap(), &topic).judge(&mut verdict, &written, CATCH_UP);
    println!("{verdict}");
    verdict.assert_complete_and_in_order(&written);
    daemon.stop().assert_code(0);
}

/// What docker truncates before it could be read is gone; what is read is read once.
#[test]
#[ignore = "needs a docker daemon: make test-chaos"]
fn a_docker_log_of_one_file_that_is_truncated_when_full_comes_in_order_and_once() {
    if is_skipped("dockerd") {
        return;
    }
    let (kafka, site) = (Kafka::single(), Site::new());
    let topic = kafka.topic("docker-one", 1, &[]);
    let docker = Docker::start(yard(&site, "one"));
    docker.import("tiny");
    let logs = docker.logs().join("*/*-json.log");
    let daemon = site.run(&config(&site, kafka, &topic, &logs));
    let id = docker.speak("tiny", &["max-size=500k", "max-file=1"]);
    docker.run(&["wait", &id]);
    let mut verdict = Verdict::default();
    let mut reader = Reader::from_beginning(&kafka.bootstrap(), &topic);
    let is_over =
        |verdict: &Verdict| written("one").iter().all(|(name, count)| verdict.has(name, count - 1));
    reader.judge_until(&mut verdict, CATCH_UP, is_over);
    println!("{verdict}");
    assert!(is_over(&verdict), "the last lines arrive\n{verdict}");
    assert_eq!((verdict.inversions(), verdict.repeats(), verdict.damaged()), (0, 0, 0));
    daemon.stop().assert_code(0);
}

#[test]
#[ignore = "needs podman: make test-chaos"]
fn a_podman_log_that_is_replaced_when_it_is_full_arrives_whole() {
    if is_skipped("podman") {
        return;
    }
    let (kafka, site) = (Kafka::single(), Site::new());
    let topic = kafka.topic("podman", 1, &[]);
    let log = site.log("podman.log");
    let yard = yard(&site, "podman");
    let daemon = site.run(&config(&site, kafka, &topic, &log));
    let ended = yard.podman(&log, "500k").wait().expect("it was started");
    assert!(ended.success(), "{ended}");
    let left = std::fs::metadata(&log).expect("its log is there").len();
    assert!(left < 600_000, "the log was replaced: {left} bytes");
    assert_complete(kafka, &topic, &written("podman"));
    daemon.stop().assert_code(0);
}

/// A node whose containers' logs are shipped by their links.
fn ship_node(site: &Site, node: &Node, kafka: &Kafka, topic: &str) -> Daemon {
    let (links, pods) = (node.containers(), node.pods());
    let roots = format!("['{}', '{}']", links.display(), pods.display());
    let config = Config::new(&site.state(), &kafka.bootstrap())
        .input("pods", &links.join("*.log"), topic)
        .of_input("format", "container")
        .of_input("follow_symlinks", &roots);
    site.run(&config)
}

#[test]
fn what_a_kubelet_rotates_compresses_and_deletes_arrives_whole() {
    let (kafka, site) = (Kafka::single(), Site::new());
    let topic = kafka.topic("kubelet", 3, &[]);
    let mut node = Node::at(site.root().join("node"));
    let daemon = ship_node(&site, &node, kafka, &topic);
    let mut containers = ["web", "api", "db"].map(|name| node.pod(name));
    for _ in 0..12 {
        for container in &mut containers {
            container.write(500);
            // The kubelet waits ten seconds between two rotations.
            wait_until("the log to be found", GENEROUS, || daemon.holds(&container.log()));
            container.write(500);
            container.rotate();
        }
    }
    for container in &mut containers {
        container.write(100);
    }
    let written = containers.iter().flat_map(Container::written).collect();
    assert_complete(kafka, &topic, &written);
    daemon.stop().assert_code(0);
}

/// A crash repeats no more than what was not safe by then.
#[test]
fn what_a_kubelet_rotates_and_compresses_arrives_whole_when_the_daemon_is_killed_and_stopped() {
    // No line with what is around it is shorter.
    const LINE_MIN: u64 = 150;
    let (kafka, site) = (Kafka::single(), Site::new());
    let topic = kafka.topic("kubelet-killed", 3, &[]);
    let mut dice = Dice::thrown_for("kubelet-killed");
    let mut node = Node::at(site.root().join("node")).keeping(100);
    let mut daemon = ship_node(&site, &node, kafka, &topic);
    let mut containers = ["web", "api", "db"].map(|name| node.pod(name));
    for container in &containers {
        wait_until("the log to be found", GENEROUS, || daemon.holds(&container.log()));
    }
    let (mut totals, mut repeats_max) = (Totals::default(), 0);
    let mut go_on = |containers: &mut [Container]| {
        for container in containers {
            for _ in 0..dice.between(0, 4) {
                container.write(dice.between(1, 2_000));
                container.rotate();
            }
            container.write(dice.between(0, 500));
        }
    };
    for round in 0..12 {
        go_on(&mut containers);
        match round % 3 {
            0 => {
                totals.add(&daemon.said());
                daemon.kill();
                let written: u64 = containers.iter().map(Container::bytes).sum();
                repeats_max += (written - site.kept().accepted_bytes()) / LINE_MIN;
            }
            1 => {
                let finished = daemon.stop();
                finished.assert_code(0);
                totals.add(&finished.err.lines().map(str::to_owned).collect::<Vec<_>>());
            }
            _ => continue,
        }
        go_on(&mut containers);
        daemon = site.run_again();
    }
    let written: Written = containers.iter().flat_map(Container::written).collect();
    let mut verdict = Verdict::default();
    let mut reader = Reader::from_beginning(&kafka.bootstrap(), &topic);
    reader.judge(&mut verdict, &written, CATCH_UP);
    println!("{} repeats, {repeats_max} at most\n{verdict}", verdict.repeats());
    verdict.assert_complete_and_in_order(&written);
    assert!(verdict.repeats() <= repeats_max, "{repeats_max} repeats at most\n{verdict}");
    totals.add(&daemon.said());
    assert_eq!(totals.lost_bytes(), 0);
    daemon.stop().assert_code(0);
}

#[test]
fn pods_that_restart_or_vanish_at_once_are_read_to_their_ends() {
    let (kafka, site) = (Kafka::single(), Site::new());
    let topic = kafka.topic("pods", 3, &[]);
    let mut node = Node::at(site.root().join("node"));
    let daemon = ship_node(&site, &node, kafka, &topic);
    let mut written = Written::new();
    for number in 0..20 {
        let mut container = node.pod(&format!("job-{number}"));
        container.write(1);
        wait_until("the log to be found", GENEROUS, || daemon.holds(&container.log()));
        container.write(2000);
        if number % 2 == 0 {
            node.restart(&mut container);
            container.write(1);
            wait_until("the log to be found", GENEROUS, || daemon.holds(&container.log()));
            container.write(2000);
        }
        written.extend(container.vanish());
    }
    assert_complete(kafka, &topic, &written);
    daemon.stop().assert_code(0);
}

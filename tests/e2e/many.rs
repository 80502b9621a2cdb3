//! More files than descriptors, than watches, than memory for each.

use std::fs;

use crate::support::daemon::Daemon;
use crate::support::kafka::Kafka;
use crate::support::lines;
use crate::support::reader::Reader;
use crate::support::site::{Site, append};
use crate::support::verdict::{Verdict, Written};
use crate::support::wait::{GENEROUS, wait_until};

/// `count` files of `lines` lines each.
fn written(site: &Site, count: usize, lines: u64) -> Written {
    let named = (0..count).map(|number| (format!("app{number:05}.log"), lines));
    let written: Written = named.collect();
    for (name, count) in &written {
        fs::write(site.log(name), lines::lines(name, 0..*count)).unwrap();
    }
    written
}

fn grow(site: &Site, written: &mut Written, by: u64) {
    for (name, count) in written {
        append(&site.log(name), lines::lines(name, *count..*count + by).as_bytes());
        *count += by;
    }
}

fn judge(kafka: &Kafka, topic: &str, written: &Written) {
    let mut verdict = Verdict::default();
    Reader::from_beginning(&kafka.bootstrap(), topic).judge(&mut verdict, written, GENEROUS);
    verdict.assert_complete_and_in_order(written);
    assert_eq!(verdict.repeats(), 0, "{verdict}");
}

fn assert_nothing_was_taken_for_gone(daemon: Daemon, site: &Site) {
    daemon.stop().assert_code(0);
    let log = fs::read_to_string(site.state().join("checkpoints/checkpoints.log")).unwrap();
    assert!(!log.contains("gone_ms"), "a file was taken for deleted");
}

#[test]
fn two_hundred_files_of_one_line_are_shipped_with_a_hundred_descriptors() {
    let (kafka, site) = (Kafka::single(), Site::new());
    let topic = kafka.topic("few-descriptors", 3, &[]);
    let written = written(&site, 200, 1);
    site.write_config(&site.config(&kafka.bootstrap(), &topic).to_yaml());
    let daemon = Daemon::start_under(&["prlimit", "--nofile=100:100"], &site.with_config(&["run"]));
    judge(kafka, &topic, &written);
    assert!(daemon.descriptors() <= 100);
    assert_nothing_was_taken_for_gone(daemon, &site);
}

#[test]
fn five_thousand_growing_files_are_shipped_with_256_descriptors() {
    let (kafka, site) = (Kafka::single(), Site::new());
    let topic = kafka.topic("descriptors", 3, &[]);
    let mut written = written(&site, 5000, 1);
    site.write_config(&site.config(&kafka.bootstrap(), &topic).to_yaml());
    let daemon = Daemon::start_under(&["prlimit", "--nofile=256:256"], &site.with_config(&["run"]));
    for _ in 0..3 {
        grow(&site, &mut written, 2);
    }
    judge(kafka, &topic, &written);
    assert_nothing_was_taken_for_gone(daemon, &site);
}

/// What `/proc/sys/user` limits in a namespace of its own, it limits for nobody else.
fn without(limit: &str, left: u32, site: &Site) -> Daemon {
    let script = format!("echo {left} > /proc/sys/user/{limit} && exec \"$@\"");
    let wrapper = ["unshare", "--user", "--map-root-user", "sh", "-c", &script, "sh"];
    Daemon::start_under(&wrapper, &site.with_config(&["run"]))
}

fn is_polled(limit: &str, left: u32, reason: &str) {
    let (kafka, site) = (Kafka::single(), Site::new());
    let topic = kafka.topic("polled", 1, &[]);
    let mut written = written(&site, 2, 1);
    site.write_config(&site.config(&kafka.bootstrap(), &topic).to_yaml());
    let mut daemon = without(limit, left, &site);
    daemon.hears("polling, and why", |line| line.contains("polling") && line.contains(reason));
    for round in 0..3 {
        grow(&site, &mut written, 1);
        written.insert(format!("new{round}.log"), 1);
        let name = format!("new{round}.log");
        append(&site.log(&name), lines::lines(&name, 0..1).as_bytes());
    }
    judge(kafka, &topic, &written);
    let said = daemon.said().iter().filter(|line| line.contains("polling")).count();
    assert_eq!(said, 1, "it is said once");
    daemon.stop().assert_code(0);
}

#[test]
fn without_an_inotify_instance_files_are_polled() {
    is_polled("max_inotify_instances", 0, "max_user_instances");
}

#[test]
fn without_a_watch_left_files_are_polled() {
    is_polled("max_inotify_watches", 0, "max_user_watches");
}

#[test]
fn files_that_come_and_go_under_the_same_names_are_shipped_each_time() {
    let (kafka, site) = (Kafka::single(), Site::new());
    let topic = kafka.topic("short-lived", 3, &[]);
    let config = site.config(&kafka.bootstrap(), &topic).of_input("close_inactive", "1s");
    let mut daemon = site.run(&config);
    daemon.hears("it runs", |line| line.contains("running"));
    let mut written = Written::new();
    for wave in 0..4 {
        for number in 0..200 {
            let name = format!("short{number}.log");
            append(&site.log(&name), lines::lines(&name, wave..wave + 1).as_bytes());
            written.insert(name, wave + 1);
        }
        judge(kafka, &topic, &written);
        written.keys().for_each(|name| fs::remove_file(site.log(name)).unwrap());
        wait_until("deleted files to be let go of", GENEROUS, || daemon.descriptors() < 60);
    }
    daemon.stop().assert_code(0);
}

//! Whatever files are called, and whatever else has a name that matches.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use crate::support::children::Power;
use crate::support::daemon::Daemon;
use crate::support::kafka::Kafka;
use crate::support::lines::lines;
use crate::support::reader::Reader;
use crate::support::site::{Site, append};
use crate::support::verdict::{Verdict, Written};
use crate::support::wait::GENEROUS;

fn assert_holds_once(kafka: &Kafka, topic: &str, file: &str, count: u64) {
    let written = Written::from([(file.to_owned(), count)]);
    let mut verdict = Verdict::default();
    Reader::from_beginning(&kafka.bootstrap(), topic).judge(&mut verdict, &written, GENEROUS);
    verdict.assert_complete_and_in_order(&written);
    assert_eq!(verdict.repeats(), 0, "{verdict}");
}

#[test]
fn one_file_in_two_inputs_goes_to_both() {
    let (kafka, site) = (Kafka::single(), Site::new());
    let (first, second) = (kafka.topic("first", 1, &[]), kafka.topic("second", 1, &[]));
    let log = site.log("a.log");
    append(&log, lines("a.log", 0..100).as_bytes());
    let config = site.config(&kafka.bootstrap(), &first).input("again", &log, &second);
    let daemon = site.run(&config);
    for topic in [&first, &second] {
        assert_holds_once(kafka, topic, "a.log", 100);
    }
    append(&log, lines("a.log", 100..200).as_bytes());
    fs::rename(&log, site.log("a.log.1")).unwrap();
    append(&log, lines("a.log", 200..300).as_bytes());
    for topic in [&first, &second] {
        assert_holds_once(kafka, topic, "a.log", 300);
    }
    daemon.stop().assert_code(0);
}

#[test]
fn a_fifo_under_the_glob_holds_up_nobody() {
    let (kafka, site) = (Kafka::single(), Site::new());
    let topic = kafka.topic("fifo", 1, &[]);
    let made = Command::new("mkfifo").arg(site.log("0.log")).arg(site.log("b.log")).status();
    assert!(made.unwrap().success());
    append(&site.log("a.log"), lines("a.log", 0..100).as_bytes());
    let mut daemon = site.run(&site.config(&kafka.bootstrap(), &topic));
    assert_holds_once(kafka, &topic, "a.log", 100);
    daemon.hears("what cannot be shipped", |line| line.contains("b.log"));
    // A log may become one, too.
    fs::rename(site.log("b.log"), site.log("a.log")).unwrap();
    append(&site.log("c.log"), lines("a.log", 100..200).as_bytes());
    assert_holds_once(kafka, &topic, "a.log", 200);
    daemon.stop().assert_code(0);
}

#[test]
fn without_inotify_files_are_polled_and_that_is_said() {
    let (kafka, site) = (Kafka::single(), Site::new());
    let topic = kafka.topic("polled", 1, &[]);
    let log = site.log("a.log");
    append(&log, lines("a.log", 0..100).as_bytes());
    site.write_config(&site.config(&kafka.bootstrap(), &topic).to_yaml());
    let run = site.with_config(&["run"]);
    let mut daemon = Daemon::start_with(Power::WithoutInotify, &run);
    daemon.hears("that it polls", |line| line.contains("polling instead of watching"));
    for count in [100, 200, 300] {
        assert_holds_once(kafka, &topic, "a.log", count);
        append(&log, lines("a.log", count..count + 50).as_bytes());
        fs::rename(&log, site.log(&format!("a.log.{}", 9 - count / 100))).unwrap();
        append(&log, lines("a.log", count + 50..count + 100).as_bytes());
    }
    assert_holds_once(kafka, &topic, "a.log", 400);
    daemon.stop().assert_code(0);
}

#[test]
fn a_name_that_is_no_utf8_is_shipped_and_found_again() {
    let (kafka, site) = (Kafka::single(), Site::new());
    let topic = kafka.topic("bytes", 1, &[]);
    let folder = site.log("").join(Path::new(OsStr::from_bytes(b"d\xff%")));
    fs::create_dir(&folder).unwrap();
    let log = folder.join(Path::new(OsStr::from_bytes(b"\xfe\x80 \n.log")));
    append(&log, lines("a.log", 0..100).as_bytes());
    let config = site.config(&kafka.bootstrap(), &topic);
    let config = config.input("bytes", &site.log("**/*.log"), &topic);
    let daemon = site.run(&config);
    assert_holds_once(kafka, &topic, "a.log", 100);
    daemon.stop().assert_code(0);
    append(&log, lines("a.log", 100..200).as_bytes());
    let daemon = site.run_again();
    assert_holds_once(kafka, &topic, "a.log", 200);
    daemon.stop().assert_code(0);
}

//! The Kafka inside the process: what `run --embedded` and `demo` promise without any broker.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::daemon::{Daemon, Finished};
use crate::support::kafka::Kafka;
use crate::support::lines::lines;
use crate::support::reader::Reader;
use crate::support::site::{Site, append};
use crate::support::verdict::{Verdict, Written};
use crate::support::wait::GENEROUS;

const DEMO: Duration = Duration::from_mins(3);

/// The first loopback address in a line.
fn address_in(line: &str) -> Option<String> {
    let from = line.find("127.0.0.1:").or_else(|| line.find("localhost:"))?;
    let end = |c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == ':');
    line[from..].split(end).next().map(str::to_owned)
}

#[test]
fn run_embedded_prints_an_address_that_a_consumer_can_read_from() {
    let site = Site::new();
    append(&site.log("a.log"), lines("a.log", 0..1000).as_bytes());
    site.write_config(&site.config("127.0.0.1:1", "logs").to_yaml());
    let mut daemon = Daemon::start(&site.with_config(&["run", "--embedded"]));
    let line = daemon.hears("the address of its Kafka", |line| {
        address_in(line)
            .is_some_and(|address| address != "127.0.0.1:1" && !address.ends_with(":9710"))
    });
    let address = address_in(&line).expect("it has just been found");
    let written = Written::from([("a.log".to_owned(), 1000)]);
    let mut verdict = Verdict::default();
    Reader::from_beginning(&address, "logs").judge(&mut verdict, &written, GENEROUS);
    verdict.assert_complete_and_in_order(&written);
    assert_kcat_reads(&address, 1000);
    daemon.stop().assert_code(0);
}

/// As the README's reader would do it; where kcat is not installed the consumer above has to do.
fn assert_kcat_reads(address: &str, count: usize) {
    let args = ["-C", "-q", "-e", "-o", "beginning", "-t", "logs", "-b", address];
    if let Ok(output) = Command::new("kcat").args(args).output() {
        let lines = output.stdout.split_inclusive(|byte| *byte == b'\n').count();
        assert_eq!(lines, count, "kcat: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn demo(arguments: &[&str]) -> Finished {
    let arguments: Vec<_> = ["demo"].iter().chain(arguments).copied().collect();
    Daemon::start(&arguments).finish(DEMO)
}

#[track_caller]
fn assert_lost_nothing(demo: &Finished) {
    demo.assert_code(0);
    let last = demo.out.trim_end().lines().next_back().unwrap_or_default();
    assert!(last.contains("lost 0"), "the last line is {last:?} in:\n{}", demo.out);
}

#[test]
fn the_demo_ends_with_lost_0() {
    assert_lost_nothing(&demo(&[]));
}

#[test]
fn the_demo_takes_a_number_of_lines() {
    assert_lost_nothing(&demo(&["--lines", "5000"]));
}

#[test]
fn the_demo_on_real_logs_loses_nothing_and_leaves_them_alone() {
    let (site, kafka) = (Site::new(), Kafka::single());
    let brokers_own = site.log("broker.log");
    fs::copy(kafka.log_of(0), &brokers_own).expect("the broker has said something");
    let packages = Path::new("/var/log/dpkg.log");
    let real: Vec<&Path> =
        [packages, &brokers_own].into_iter().filter(|path| path.exists()).collect();
    let before: Vec<_> = real.iter().map(|path| fs::read(path).unwrap()).collect();
    let paths: Vec<&str> = real.iter().map(|path| path.to_str().unwrap()).collect();
    assert_lost_nothing(&demo(&paths));
    let after: Vec<_> = real.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(before == after, "the demo only reads the logs it is given");
    let names = || fs::read_dir(site.log("")).unwrap().flatten().map(|entry| entry.file_name());
    assert_eq!(names().collect::<Vec<_>>(), ["broker.log"], "nothing is put beside them");
}

#[test]
fn the_demo_on_a_log_that_a_broker_is_writing_loses_nothing() {
    let live = Kafka::single().log_of(0);
    assert_lost_nothing(&demo(&[live.to_str().unwrap()]));
}

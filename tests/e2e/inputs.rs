//! Several inputs in one daemon, and what their settings do to files.

use std::fs;

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use crate::support::config::Config;
use crate::support::lines::lines;
use crate::support::reader::Reader;
use crate::support::site::{Site, append};
use crate::support::verdict::{Verdict, Written};
use crate::support::wait::{GENEROUS, wait_until};

const LINES: u64 = 300;

struct Scene {
    mock: MockCluster<'static, DefaultProducerContext>,
    site: Site,
}

impl Scene {
    fn set(topics: &[&str]) -> Self {
        let mock = MockCluster::new(1).expect("a mock cluster");
        for topic in topics {
            mock.create_topic(topic, 1, 1).expect("a mock topic");
        }
        Self { mock, site: Site::new() }
    }

    fn config(&self) -> Config {
        Config::new(&self.site.state(), &self.mock.bootstrap_servers())
    }

    /// The topic holds each line once and in order, and nothing else.
    #[track_caller]
    fn assert_holds(&self, topic: &str, logs: &[(&str, u64)]) {
        let written: Written =
            logs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        let mut verdict = Verdict::default();
        let mut reader = Reader::from_beginning(&self.mock.bootstrap_servers(), topic);
        reader.judge(&mut verdict, &written, GENEROUS);
        verdict.assert_complete_and_in_order(&written);
        assert_eq!((verdict.repeats(), verdict.strangers().len()), (0, 0), "{verdict}");
    }

    fn write(&self, name: &str, from: u64) {
        append(&self.site.log(name), lines(name, from..from + LINES).as_bytes());
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.site.log(from), self.site.log(to)).expect("it is there");
    }
}

#[test]
fn a_file_of_two_inputs_is_shipped_by_each_from_its_own_place() {
    let scene = Scene::set(&["one", "two"]);
    let logs = scene.site.log("*.log");
    scene.write("a.log", 0);
    scene.site.write_config(&scene.config().input("one", &logs, "one").to_yaml());
    scene.site.tailspool(&["run", "--once"]).assert_code(0);
    scene.write("a.log", LINES);
    let both = scene.config().input("one", &logs, "one").input("two", &logs, "two");
    scene.site.write_config(&both.to_yaml());
    for _ in 0..2 {
        scene.site.tailspool(&["run", "--once"]).assert_code(0);
        scene.assert_holds("one", &[("a.log", 2 * LINES)]);
        scene.assert_holds("two", &[("a.log", 2 * LINES)]);
    }
}

#[test]
fn inputs_of_included_files_ship_beside_those_of_the_main_one() {
    let scene = Scene::set(&["one", "two"]);
    scene.write("a.log", 0);
    scene.write("b.log", 0);
    let main = scene.config().input("one", &scene.site.log("a.log"), "one");
    scene.site.write_config(&main.top("include", "'conf.d/*.yaml'").to_yaml());
    let more = scene.site.root().join("conf.d");
    fs::create_dir(&more).unwrap();
    let glob = scene.site.log("b.log");
    let input = format!("- {{id: two, paths: ['{}'], topic: two}}\n", glob.display());
    fs::write(more.join("two.yaml"), input).unwrap();
    scene.site.tailspool(&["run", "--once"]).assert_code(0);
    scene.assert_holds("one", &[("a.log", LINES)]);
    scene.assert_holds("two", &[("b.log", LINES)]);
}

#[test]
fn a_rate_limit_holds_up_no_other_input_and_loses_nothing() {
    let scene = Scene::set(&["slow", "fast"]);
    scene.write("slow.log", 0);
    scene.write("fast.log", 0);
    let slow = scene.config().input("slow", &scene.site.log("slow.log"), "slow");
    let config = slow.of_input("rate_limit", "{bytes: 10}");
    let daemon = scene.site.run(&config.input("fast", &scene.site.log("fast.log"), "fast"));
    scene.assert_holds("slow", &[("slow.log", LINES)]);
    scene.assert_holds("fast", &[("fast.log", LINES)]);
    // What was read has to be paid for; that takes longer than this test.
    scene.write("slow.log", LINES);
    scene.write("fast.log", LINES);
    scene.assert_holds("fast", &[("fast.log", 2 * LINES)]);
    scene.assert_holds("slow", &[("slow.log", LINES)]);
    daemon.stop().assert_code(0);
    // A second's worth may be read at once after a start.
    scene.site.tailspool(&["run", "--once"]).assert_code(0);
    scene.assert_holds("slow", &[("slow.log", 2 * LINES)]);
}

#[test]
fn a_rotated_file_goes_once_it_is_acknowledged_and_not_while_it_is_spooled() {
    let scene = Scene::set(&["logs"]);
    let gone = |name: &str| !scene.site.log(name).exists();
    let config = scene.config().kafka("request.timeout.ms", "1s").kafka("linger.ms", "5");
    let config = config.kafka("delivery.timeout.ms", "2s");
    let config =
        config.input("logs", &scene.site.log("*.log"), "logs").of_input("delete_after", "1ms");
    let daemon = scene.site.run(&config);
    scene.write("a.log", 0);
    scene.write("c.log", 0);
    scene.assert_holds("logs", &[("a.log", LINES), ("c.log", LINES)]);
    scene.mock.broker_down(-1).expect("a mock broker");
    scene.write("a.log", LINES);
    scene.rename("a.log", "a.log.1");
    scene.write("a.log", 2 * LINES);
    wait_until("all of it to be spooled", GENEROUS, || scene.site.kept().spooled() == 2 * LINES);
    // All of this one is acknowledged: when it is gone, the other could be, too.
    scene.rename("c.log", "c.log.1");
    scene.write("c.log", LINES);
    wait_until("what is acknowledged to go", GENEROUS, || gone("c.log.1"));
    assert!(!gone("a.log.1"), "it is in the spool");
    scene.mock.broker_up(-1).expect("a mock broker");
    wait_until("what was in the spool to go", GENEROUS, || gone("a.log.1"));
    scene.assert_holds("logs", &[("a.log", 3 * LINES), ("c.log", 2 * LINES)]);
    assert!(!gone("a.log") && !gone("c.log"));
    daemon.stop().assert_code(0);
}

//! Lines that are more than bytes up to a newline, through the public door: two streams that
//! interleave, over kills, a clean stop and an outage; events, encodings, filters, values.

use std::fmt::Write;
use std::path::PathBuf;

use rdkafka::mocking::MockCluster;

use crate::support::config::Config;
use crate::support::daemon::Daemon;
use crate::support::dice::Dice;
use crate::support::kafka::Kafka;
use crate::support::lines;
use crate::support::reader::Reader;
use crate::support::site::{Site, append};
use crate::support::verdict::{Verdict, Written};
use crate::support::wait::{GENEROUS, wait_until};

const STREAMS: [&str; 2] = ["stdout", "stderr"];

/// A container whose runtime parts the lines of both streams and mixes the parts.
struct Babble {
    log: PathBuf,
    dice: Dice,
    written: [u64; 2],
    /// Of each stream: what of its line was not written yet.
    rest: [String; 2],
}

impl Babble {
    fn at(log: PathBuf, test: &str) -> Self {
        let dice = Dice::thrown_for(test);
        Self { log, dice, written: [0; 2], rest: [String::new(), String::new()] }
    }

    fn name(stream: usize) -> String {
        format!("{}.log", STREAMS[stream])
    }

    /// Writes `count` pieces, of whichever stream.
    fn write(&mut self, count: u64) {
        let mut text = String::new();
        for _ in 0..count {
            // The one stream speaks much more than the other, which has a line open meanwhile.
            let stream = usize::from(self.dice.between(0, 20) == 0);
            self.piece(stream, &mut text);
        }
        append(&self.log, text.as_bytes());
    }

    fn piece(&mut self, stream: usize, text: &mut String) {
        let rest = &mut self.rest[stream];
        if rest.is_empty() {
            *rest = lines::line(&Self::name(stream), self.written[stream]);
        }
        let parts = self.dice.between(0, 3) == 0;
        let length = if parts { rest.len() / 2 } else { rest.len() };
        let more = rest.split_off(length);
        let piece = std::mem::replace(rest, more);
        let tag = if self.rest[stream].is_empty() { "F" } else { "P" };
        self.written[stream] += u64::from(tag == "F");
        writeln!(text, "2026-11-21T10:00:00Z {} {tag} {piece}", STREAMS[stream])
            .expect("a string takes all");
    }

    /// Ends the lines that are open.
    fn end(&mut self) {
        let mut text = String::new();
        for stream in 0..2 {
            while !self.rest[stream].is_empty() {
                self.piece(stream, &mut text);
            }
        }
        append(&self.log, text.as_bytes());
    }

    fn whole(&self) -> Written {
        (0..2).map(|stream| (Self::name(stream), self.written[stream])).collect()
    }
}

struct Scene<'k> {
    kafka: &'k Kafka,
    topic: String,
    site: Site,
    babble: Babble,
    daemon: Option<Daemon>,
}

impl<'k> Scene<'k> {
    fn set(test: &str, kafka: &'k Kafka) -> Self {
        let (topic, site) = (kafka.topic(test, 3, &[]), Site::new());
        let config = Config::new(&site.state(), &kafka.bootstrap())
            .input("pod", &site.log("*.log"), &topic)
            .of_input("format", "cri")
            .top("checkpoint_interval", "200ms")
            .kafka("linger.ms", "20")
            .kafka("request.timeout.ms", "1s")
            .kafka("delivery.timeout.ms", "2s");
        let babble = Babble::at(site.log("0.log"), test);
        let daemon = Some(site.run(&config));
        Self { kafka, topic, site, babble, daemon }
    }

    fn crash(&mut self) {
        self.daemon.take().expect("it runs").kill();
        self.daemon = Some(self.site.run_again());
    }

    fn stop_and_start(&mut self) {
        let mut daemon = self.daemon.take().expect("it runs");
        daemon.hears("that it runs", |line| line.contains("running"));
        daemon.stop().assert_code(0);
        self.daemon = Some(self.site.run_again());
    }

    /// What of the log is whole has arrived; returns what was judged.
    fn judge(&self) -> Verdict {
        let mut verdict = Verdict::default();
        let mut reader = Reader::from_beginning(&self.kafka.bootstrap(), &self.topic);
        reader.judge(&mut verdict, &self.babble.whole(), GENEROUS);
        verdict.assert_complete_and_in_order(&self.babble.whole());
        assert_eq!(verdict.strangers().len(), 0, "{verdict}");
        verdict
    }

    fn wait_kept(&self) {
        // What is open is owed: it begins where reading would go on.
        let kept = self.site.kept();
        wait_until("lines to be spooled", GENEROUS, || kept.spooled() > 0);
    }
}

#[test]
fn streams_that_interleave_are_shipped_once_over_clean_stops() {
    let kafka = Kafka::lone();
    let mut scene = Scene::set("streams-stops", &kafka);
    for _ in 0..6 {
        scene.babble.write(1_500);
        scene.judge();
        scene.stop_and_start();
    }
    scene.babble.end();
    let verdict = scene.judge();
    assert_eq!(verdict.repeats(), 0, "{verdict}");
}

#[test]
fn streams_that_interleave_survive_kills_and_an_outage() {
    let kafka = Kafka::lone();
    let mut scene = Scene::set("streams-kills", &kafka);
    for _ in 0..3 {
        scene.babble.write(2_000);
        scene.crash();
    }
    scene.judge();
    kafka.freeze_all();
    scene.babble.write(3_000);
    scene.wait_kept();
    for _ in 0..3 {
        scene.babble.write(2_000);
        scene.crash();
    }
    scene.stop_and_start();
    kafka.heal();
    scene.babble.write(2_000);
    scene.babble.end();
    let verdict = scene.judge();
    let all: u64 = scene.babble.written.iter().sum();
    println!("streams-kills: {all} lines, {} repeats", verdict.repeats());
    assert!(verdict.repeats() < 2 * all, "{verdict}");
}

/// What arrives of a file, with the given keys of its input.
fn shipped(content: &[u8], keys: &[(&str, &str)], count: usize) -> Vec<String> {
    let mock = MockCluster::new(1).expect("a mock cluster");
    mock.create_topic("logs", 1, 1).expect("a mock topic");
    let site = Site::new();
    append(&site.log("app.log"), content);
    let mut config = site.config(&mock.bootstrap_servers(), "logs");
    for (key, yaml) in keys {
        config = config.of_input(key, yaml);
    }
    site.write_config(&config.to_yaml());
    site.tailspool(&["run", "--once"]).assert_code(0);
    let payloads =
        Reader::from_beginning(&mock.bootstrap_servers(), "logs").payloads(count, GENEROUS);
    payloads.iter().map(|payload| String::from_utf8_lossy(payload).into_owned()).collect()
}

#[test]
fn a_stack_trace_is_one_record() {
    let trace = "Exception in thread \"main\" java.lang.IllegalStateException: a\n\
        \tat shop.Cart.add(Cart.java:7)\nCaused by: java.io.IOException: b\n\t... 1 more\n";
    let content = format!("before\n{trace}after\n");
    let found = shipped(content.as_bytes(), &[("multiline", "{preset: java}")], 3);
    assert_eq!(found, ["before", trace.trim_end(), "after"]);
}

#[test]
fn a_file_in_another_encoding_arrives_as_utf_8() {
    let utf_16: Vec<u8> = "\u{feff}žluť\r\nਊ\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(shipped(&utf_16, &[("encoding", "utf-16")], 2), ["žluť", "ਊ"]);
    let japanese = b"\x83\x65\x83\x58\x83\x67\n";
    assert_eq!(shipped(japanese, &[("encoding", "shift_jis")], 1), ["テスト"]);
}

#[test]
fn only_what_is_wanted_arrives() {
    let keys =
        [("exclude_lines", "['^DEBUG']"), ("include_lines", "[order]"), ("delimiter", "';'")];
    assert_eq!(shipped(b"order 1;DEBUG order 2;else;order 3;", &keys, 2), ["order 1", "order 3"]);
}

#[test]
fn a_value_as_json_says_where_it_comes_from() {
    let keys = [("value", "json"), ("fields", "{env: prod}"), ("format", "cri")];
    let line = b"2026-11-21T10:00:00.5Z stderr F he said \"no\"\n";
    let found = shipped(line, &keys, 1);
    let value: serde_json::Value = serde_json::from_str(&found[0]).expect("is JSON");
    assert_eq!(value["message"], "he said \"no\"");
    assert_eq!(value["time"], "2026-11-21T10:00:00.500Z");
    assert_eq!(value["log.iostream"], "stderr");
    assert_eq!(value["fields"]["env"], "prod");
    assert_eq!(value["offset"], 0);
    assert!(value["path"].as_str().is_some_and(|path| path.ends_with("/app.log")));
}

#[test]
fn a_value_as_ecs_is_what_filebeat_sends() {
    let keys = [("value", "ecs"), ("fields", "{env: prod}"), ("format", "cri")];
    let line = b"2026-11-21T10:00:00.5Z stderr F he said \"no\"\n";
    let found = shipped(line, &keys, 1);
    let mut value: serde_json::Value = serde_json::from_str(&found[0]).expect("is JSON");
    let host = value["host"]["name"].take();
    assert_eq!(host, value["agent"]["name"].take());
    let path = value["log"]["file"]["path"].take();
    assert!(path.as_str().is_some_and(|path| path.ends_with("/app.log")), "{path}");
    value["agent"]["build"].take();
    let expected = serde_json::json!({
        "@timestamp": "2026-11-21T10:00:00.500Z",
        "@metadata": {"beat": "filebeat", "type": "_doc", "version": "8.17.0"},
        "message": "he said \"no\"",
        "log": {"file": {"path": null}, "offset": 0},
        "stream": "stderr",
        "input": {"type": "container"},
        "agent": {"type": "filebeat", "version": "8.17.0", "name": null, "build": null},
        "ecs": {"version": "8.0.0"},
        "host": {"name": null},
        "fields": {"env": "prod"},
    });
    assert_eq!(value, expected);
}

#[test]
fn a_line_too_long_goes_to_the_dead_letters_if_that_is_wanted() {
    let mock = MockCluster::new(1).expect("a mock cluster");
    mock.create_topic("logs", 1, 1).expect("a mock topic");
    let site = Site::new();
    append(&site.log("app.log"), format!("one\n{}\ntwo\n", "x".repeat(5000)).as_bytes());
    let config = site.config(&mock.bootstrap_servers(), "logs");
    let config = config.of_input("max_line", "1000").of_input("on_long_line", "dead_letter");
    site.write_config(&config.to_yaml());
    site.tailspool(&["run", "--once"]).assert_code(0);
    let mut reader = Reader::from_beginning(&mock.bootstrap_servers(), "logs");
    assert_eq!(reader.payloads(2, GENEROUS), [b"one", b"two"]);
    let letters = std::fs::read_to_string(site.state().join("dead-letters/dead-letters.jsonl"));
    let letter: serde_json::Value =
        serde_json::from_str(letters.expect("is written").trim_end()).expect("is one letter");
    assert_eq!(letter["reason"], "LINE_TOO_LONG");
    assert_eq!(letter["truncated_from"], 5000);
    assert_eq!(letter["value"].as_str().map(str::len), Some(1000));
}

/// Each is a block of its own; what was read behind it is not read again and again.
#[test]
fn lines_that_are_cut_are_not_read_many_times() {
    const LINES: usize = 1000;
    let mock = MockCluster::new(1).expect("a mock cluster");
    mock.create_topic("logs", 1, 1).expect("a mock topic");
    for between in [0, 10] {
        let site = Site::new();
        let lines = format!("{}{}\n", "short\n".repeat(between), "x".repeat(15_000)).repeat(LINES);
        append(&site.log("app.log"), lines.as_bytes());
        let config = site.config(&mock.bootstrap_servers(), "logs").of_input("max_line", "10KiB");
        let daemon = site.run(&config);
        wait_until("all of it to be acknowledged", GENEROUS, || site.kept().owed() == 0);
        let times = daemon.read_bytes() / lines.len() as u64;
        assert!(times < 5, "read {times} times, {between} between");
    }
}

/// The dead letters are full: what would go there waits in its file, not in memory.
#[test]
fn full_dead_letters_stop_the_reading() {
    let (mock, site) = (MockCluster::new(1).expect("a mock cluster"), Site::new());
    mock.create_topic("logs", 1, 1).expect("a mock topic");
    append(&site.log("a.log"), ("-".repeat(1_999) + "\n").repeat(30_000).as_bytes());
    let config = site.config(&mock.bootstrap_servers(), "logs");
    let config = config.of_input("max_line", "1000").of_input("on_long_line", "dead_letter");
    let config = config.top("dead_letters", "{max_size: 1MiB}").kafka("buffer.memory", "4MiB");
    let daemon = site.run(&config);
    let (mut before, mut looks) = (0, 0);
    wait_until("the reading to stop", GENEROUS, || {
        let now = daemon.read_bytes();
        looks = if now == before && now > 1_000_000 { looks + 1 } else { 0 };
        before = now;
        looks == 20
    });
    // 1 MiB is written, 8 MiB wait to be, and what the buffer holds waits for those.
    let letters = daemon.said().iter().filter(|line| line.contains("longer than max_line")).count();
    assert!(letters < 20_000, "{letters} letters in memory");
}

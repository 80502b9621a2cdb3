//! Fields and times out of lines, through the public door.

use std::fmt::Write as _;

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use tailspool::clock;

use crate::support::config::Config;
use crate::support::daemon::Finished;
use crate::support::reader::{Reader, Record};
use crate::support::site::{Site, append};
use crate::support::wait::GENEROUS;

const SECOND_MS: i64 = 1000;
/// 2026-03-01T12:00:00Z
const NOON_MS: i64 = 1_772_366_400_000;
const PATTERN: &str =
    r#"'^(?P<client>\S+) \S+ \S+ \[(?P<time>[^]]+)\] "(?P<request>[^"]*)" (?P<status>\d+)'"#;
/// Lines of a run; each of their times stands in the minutes and seconds of its hour.
const LINES: i64 = 1200;
/// Every so many there is one that is none of an access log's.
const ODD_EVERY: i64 = 100;

struct Scene {
    mock: MockCluster<'static, DefaultProducerContext>,
    site: Site,
}

impl Scene {
    fn set() -> Self {
        let mock = MockCluster::new(1).expect("a mock cluster");
        mock.create_topic("logs", 1, 1).expect("a mock topic");
        Self { mock, site: Site::new() }
    }

    fn config(&self, processors: &str) -> Config {
        let config = self.site.config(&self.mock.bootstrap_servers(), "logs");
        config.of_input("processors", processors)
    }

    fn ship(&self, config: &Config) -> Finished {
        self.site.write_config(&config.to_yaml());
        let ended = self.site.tailspool(&["run", "--once"]);
        ended.assert_code(0);
        ended
    }

    fn records(&self, count: usize) -> Vec<Record> {
        let mut reader = Reader::from_beginning(&self.mock.bootstrap_servers(), "logs");
        let records = reader.records(count, GENEROUS);
        assert_eq!(records.len(), count);
        records
    }

    fn letters(&self) -> Vec<serde_json::Value> {
        let path = self.site.state().join("dead-letters/dead-letters.jsonl");
        let letters = std::fs::read_to_string(path).unwrap_or_default();
        letters.lines().map(|line| serde_json::from_str(line).expect("a letter")).collect()
    }
}

fn processors(on_error: &str) -> String {
    format!(
        "[{{parse_regex: {{pattern: {PATTERN}, on_error: {on_error}}}}}, \
         {{timestamp: {{field: time, format: '%d/%b/%Y:%H:%M:%S %z', on_error: {on_error}}}}}]"
    )
}

fn is_odd(number: i64) -> bool {
    number % ODD_EVERY == ODD_EVERY - 1
}

fn line(number: i64) -> String {
    let (minute, second) = (number / 60, number % 60);
    if is_odd(number) {
        return format!("upstream went away before {number}");
    }
    format!(
        r#"10.0.0.1 - - [01/Mar/2026:13:{minute:02}:{second:02} +0100] "GET /{number} HTTP/1.1" 200 5"#
    )
}

fn access_log(numbers: std::ops::Range<i64>) -> String {
    numbers.fold(String::new(), |mut text, number| {
        writeln!(text, "{}", line(number)).expect("a string takes all");
        text
    })
}

#[test]
fn access_lines_have_their_own_times_in_kafka() {
    for (on_error, odd_are_sent) in [("keep", true), ("drop", false), ("dead_letter", false)] {
        let scene = Scene::set();
        let config = scene.config(&processors(on_error));
        let (before, log) = (clock::unix_ms(), scene.site.log("access.log"));
        append(&log, access_log(0..LINES / 2).as_bytes());
        let first = scene.ship(&config);
        append(&log, access_log(LINES / 2..LINES).as_bytes());
        let second = scene.ship(&config);
        let after = clock::unix_ms();

        let expected: Vec<i64> = (0..LINES).filter(|n| odd_are_sent || !is_odd(*n)).collect();
        let records = scene.records(expected.len());
        for (record, number) in records.iter().zip(expected) {
            assert_eq!(record.payload, line(number).as_bytes(), "{on_error}");
            let time = NOON_MS + number * SECOND_MS;
            let times = if is_odd(number) { before..=after } else { time..=time };
            let found = record.timestamp;
            assert!(times.contains(&found), "{on_error}, line {number}: {found}, not {times:?}");
        }

        let odd = usize::try_from(LINES / ODD_EVERY).unwrap();
        let letters = scene.letters();
        assert_eq!(letters.len(), if on_error == "dead_letter" { odd } else { 0 });
        for (letter, number) in letters.iter().zip((0..LINES).filter(|n| is_odd(*n))) {
            assert_eq!(letter["reason"], "NOT_PROCESSED");
            assert_eq!(letter["error"], "parse_regex: the pattern does not match");
            assert_eq!(letter["value"], line(number));
            assert_eq!(letter["start"], access_log(0..number).len());
        }
        for (ended, number) in [(first, ODD_EVERY - 1), (second, LINES / 2 + ODD_EVERY - 1)] {
            let offset = format!("offset={}", access_log(0..number).len());
            says_once(&ended, "parse_regex", &["access.log", &offset]);
            // What has no field has no time.
            let failures = if on_error == "keep" { odd } else { odd / 2 };
            assert!(ended.err.contains(&format!("processor_failures={failures}")), "{}", ended.err);
            let dropped = if on_error == "drop" { odd / 2 } else { 0 };
            assert!(ended.err.contains(&format!("dropped_unprocessed={dropped}")), "{}", ended.err);
        }
    }
}

fn says_once(ended: &Finished, processor: &str, facts: &[&str]) {
    let is_said = |line: &&str| line.contains("a processor failed") && line.contains(processor);
    let said: Vec<_> = ended.err.lines().filter(is_said).collect();
    assert_eq!(said.len(), 1, "{}", ended.err);
    assert!(facts.iter().all(|fact| said[0].contains(fact)), "{said:?}");
}

#[test]
fn fields_stand_in_the_documents_of_their_records() {
    let scene = Scene::set();
    let text = r#"{"time": "2026-03-01 12:00:00.5", "n": 1.10, "o": {"p": null}}"#;
    append(&scene.site.log("app.log"), format!("{text}\nno object\n").as_bytes());
    let config = scene
        .config("[{parse_json: {}}, {timestamp: {field: time, format: rfc3339}}]")
        .of_input("value", "json")
        .of_input("fields", "{env: prod}");
    let before = clock::unix_ms();
    let ended = scene.ship(&config);
    says_once(&ended, "parse_json", &["app.log"]);
    says_once(&ended, "timestamp", &["app.log"]);
    let records = scene.records(2);
    assert_eq!(records[0].timestamp, NOON_MS + 500);
    assert!(records[1].timestamp >= before);
    let value = |record: &Record| String::from_utf8(record.payload.clone()).expect("JSON");
    let fields =
        r#""fields":{"env":"prod","n":1.10,"o":{"p": null},"time":"2026-03-01 12:00:00.5"}"#;
    assert!(value(&records[0]).contains(fields), "{}", value(&records[0]));
    assert!(value(&records[0]).starts_with(r#"{"time":"2026-03-01T12:00:00.500Z""#));
    assert!(value(&records[1]).contains(r#""fields":{"env":"prod"}"#), "{}", value(&records[1]));
}

#[test]
fn what_would_not_fit_beside_its_message_leaves_it_whole() {
    let scene = Scene::set();
    let text = format!(r#"{{"a": "{}"}}"#, "x".repeat(3000));
    append(&scene.site.log("app.log"), format!("{text}\n").as_bytes());
    let config = scene.config("[{parse_json: {on_error: drop}}]").of_input("value", "json");
    let ended = scene.ship(&config.kafka("max.request.size", "5000").of_input("max_line", "4000"));
    says_once(&ended, "do not fit", &["app.log"]);
    let records = scene.records(1);
    let value: serde_json::Value = serde_json::from_slice(&records[0].payload).expect("JSON");
    assert_eq!((value["message"].as_str(), value.get("fields")), (Some(&*text), None));
    assert!(records[0].headers.is_empty(), "it is not cut");
}

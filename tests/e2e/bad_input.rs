//! Whatever is wrong with the configuration, the files, the state directory or the way to Kafka:
//! it is said, it stops nothing that it need not stop, and it loses nothing.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::children::Power;
use crate::support::daemon::Daemon;
use crate::support::kafka::{Kafka, Pace};
use crate::support::lines::{line, lines};
use crate::support::reader::Reader;
use crate::support::site::{Site, append};
use crate::support::verdict::{Verdict, Written};
use crate::support::wait::{GENEROUS, wait_until};
use crate::support::writer::Log;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}

/// A site whose daemon ships to a topic of one partition on the shared broker.
struct Shipping {
    site: Site,
    bootstrap: String,
    topic: String,
}

impl Shipping {
    fn to(stem: &str) -> Self {
        let kafka = Kafka::single();
        Self { site: Site::new(), bootstrap: kafka.bootstrap(), topic: kafka.topic(stem, 1, &[]) }
    }

    fn run(&self) -> Daemon {
        self.site.run(&self.site.config(&self.bootstrap, &self.topic))
    }

    fn reader(&self) -> Reader {
        Reader::from_beginning(&self.bootstrap, &self.topic)
    }

    /// Exactly these payloads, in this order.
    #[track_caller]
    fn assert_holds(&self, payloads: &[&[u8]]) {
        let found = self.reader().payloads(payloads.len(), GENEROUS);
        let shown = |payload: &[u8]| {
            String::from_utf8_lossy(&payload[..payload.len().min(80)]).into_owned()
        };
        let found_shown: Vec<_> = found.iter().map(|payload| shown(payload)).collect();
        assert!(found == payloads, "found {found_shown:#?}");
    }

    fn assert_complete_without_repeats(&self, written: &Written) {
        let mut verdict = Verdict::default();
        self.reader().judge(&mut verdict, written, GENEROUS);
        verdict.assert_complete_and_in_order(written);
        assert_eq!(verdict.repeats(), 0, "{verdict}");
    }
}

fn written(logs: &[&Log]) -> Written {
    logs.iter().map(|log| (log.name(), log.count())).collect()
}

// The command line and the configuration

#[test]
fn a_wrong_command_line_exits_64() {
    for arguments in [&["run", "--bogus"][..], &["frobnicate"], &["run", "--config"]] {
        let ended = Daemon::start(arguments).finish(GENEROUS);
        ended.assert_code(64);
        assert!(!ended.err.is_empty(), "it says what is wrong with {arguments:?}");
    }
}

#[test]
fn every_problem_of_a_configuration_is_listed_with_its_line() {
    let site = Site::new();
    site.write_config(&format!(
        "state_dir: {}\n\
         checkpoint_intervall: 1s\n\
         kafka:\n  \
           bootstrap.servers: ['127.0.0.1:1']\n  \
           acks: sometimes\n  \
           linger.ms: soon\n\
         inputs:\n  \
           - id: logs\n    \
             paths: ['{}']\n    \
             topic: logs\n    \
             start_at: middle\n    \
             topik: logs\n",
        site.state().display(),
        site.log("*.log").display(),
    ));
    let problems = [
        ("checkpoint_intervall", 2),
        ("acks", 5),
        ("linger.ms", 6),
        ("start_at", 11),
        ("topik", 12),
    ];
    for command in [&["run"][..], &["check", "--offline"]] {
        let ended = site.tailspool(command);
        ended.assert_code(65);
        let said = format!("{}\n{}", ended.out, ended.err);
        for (key, number) in problems {
            let place = format!("tailspool.yaml:{number}:");
            assert!(said.contains(key), "{command:?} does not name {key}:\n{said}");
            assert!(said.contains(&place), "{command:?} does not say {place} for {key}:\n{said}");
        }
    }
    assert!(!site.state().exists(), "nothing is made for a configuration that is wrong");
}

#[test]
fn settings_that_contradict_each_other_exit_65() {
    let site = Site::new();
    let config = site.config("127.0.0.1:1", "logs");
    let contradictions = [
        config.clone().kafka("acks", "1").kafka("enable.idempotence", "true"),
        config.clone().kafka("delivery.timeout.ms", "1s").kafka("request.timeout.ms", "30s"),
        config.clone().input("logs", &site.log("*.txt"), "logs"),
    ];
    for config in contradictions {
        site.write_config(&config.to_yaml());
        site.tailspool(&["run"]).assert_code(65);
    }
}

// The state directory

#[test]
fn a_state_directory_that_cannot_be_written_exits_73() {
    let site = Site::new();
    let sealed = site.root().join("sealed");
    fs::create_dir(&sealed).expect("a temporary folder is writable");
    set_mode(&sealed, 0o500);
    let config = site.config("127.0.0.1:1", "logs").to_yaml();
    let state = site.state().display().to_string();
    site.write_config(&config.replace(&state, &sealed.join("state").display().to_string()));
    let ended = Daemon::start_with(Power::ObeysModes, &site.with_config(&["run"])).finish(GENEROUS);
    ended.assert_code(73);
    assert!(ended.err.contains("sealed/state"), "it says which directory:\n{}", ended.err);
}

#[test]
fn a_state_directory_in_use_exits_73_and_says_so() {
    let shipping = Shipping::to("locked");
    append(&shipping.site.log("a.log"), b"a line\n");
    let first = shipping.run();
    shipping.assert_holds(&[b"a line"]);
    let second = shipping.site.tailspool(&["run"]);
    second.assert_code(73);
    let said = second.err.to_lowercase();
    let explained = ["another", "in use", "lock", "held"].iter().any(|word| said.contains(word));
    assert!(explained && said.contains("/state"), "it says who holds what:\n{}", second.err);
    first.stop().assert_code(0);
}

const VERSION: &str = "\"version\":1,";

/// Makes the checkpoints of a folder newer than any we know; what each file then holds.
fn make_newer(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut changed = Vec::new();
    for entry in fs::read_dir(folder).expect("the checkpoints' folder").flatten() {
        let text = fs::read_to_string(entry.path()).expect("checkpoints are text");
        if text.contains(VERSION) {
            let newer: String = text.split_inclusive('\n').map(of_version_999).collect();
            fs::write(entry.path(), &newer).expect("it is ours");
            changed.push((entry.path(), newer.into_bytes()));
        }
    }
    changed
}

/// A line is a checksum, a blank and JSON (`docs/design.md`).
fn of_version_999(line: &str) -> String {
    let (_, json) = line.split_once(' ').expect("a checksum comes first");
    let newer = json.replace(VERSION, "\"version\":999,");
    format!("{:08x} {newer}", crc32fast::hash(newer.trim_end().as_bytes()))
}

#[test]
fn a_checkpoint_of_a_newer_version_exits_78_and_stays_untouched() {
    let shipping = Shipping::to("newer");
    append(&shipping.site.log("a.log"), b"a line\n");
    let daemon = shipping.run();
    shipping.assert_holds(&[b"a line"]);
    daemon.stop().assert_code(0);
    let newer = make_newer(&shipping.site.state().join("checkpoints"));
    assert!(!newer.is_empty(), "a checkpoint states its version");
    let ended = shipping.site.tailspool(&["run"]);
    ended.assert_code(78);
    assert!(ended.err.contains("checkpoints"), "it says which file:\n{}", ended.err);
    for (path, bytes) in newer {
        assert!(
            fs::read(&path).expect("it is still there") == bytes,
            "{} was changed",
            path.display()
        );
    }
}

// Files

#[test]
fn an_unreadable_file_is_named_once_and_shipped_when_it_may_be_read() {
    let shipping = Shipping::to("unreadable");
    let (sealed, other) = (shipping.site.log("sealed.log"), shipping.site.log("other.log"));
    append(&sealed, lines("sealed.log", 0..10).as_bytes());
    set_mode(&sealed, 0o000);
    shipping
        .site
        .write_config(&shipping.site.config(&shipping.bootstrap, &shipping.topic).to_yaml());
    let daemon = Daemon::start_with(Power::ObeysModes, &shipping.site.with_config(&["run"]));
    let (mut verdict, mut reader) = (Verdict::default(), shipping.reader());
    let mut log = Log::by_hand(&other);
    for _ in 0..10 {
        log.write(1);
        reader.judge(&mut verdict, &written(&[&log]), GENEROUS);
    }
    let naming = daemon.said().iter().filter(|line| line.contains("sealed.log")).count();
    assert_eq!(naming, 1, "the file is named once:\n{}", daemon.said().join("\n"));
    set_mode(&sealed, 0o600);
    let mut written = written(&[&log]);
    written.insert("sealed.log".to_owned(), 10);
    reader.judge(&mut verdict, &written, GENEROUS);
    verdict.assert_complete_and_in_order(&written);
    daemon.stop().assert_code(0);
}

#[test]
fn bytes_that_are_no_text_arrive_exactly() {
    let shipping = Shipping::to("binary");
    let all: Vec<u8> = (0..=255).filter(|byte| *byte != b'\n').chain([b'.']).collect();
    let payloads: [&[u8]; 6] = [
        b"\0\0\0",
        b"\xff\xfe\x80 no utf-8 \xc3\x28",
        &all,
        b"\xef\xbb\xbfmark",
        b"tab\tend ",
        b"last",
    ];
    let text: Vec<u8> =
        payloads.iter().flat_map(|payload| [payload, &b"\n"[..]].concat()).collect();
    append(&shipping.site.log("a.log"), &text);
    let daemon = shipping.run();
    shipping.assert_holds(&payloads);
    daemon.stop().assert_code(0);
}

#[test]
fn a_carriage_return_before_the_end_of_a_line_is_dropped() {
    let shipping = Shipping::to("crlf");
    append(&shipping.site.log("a.log"), b"one\r\n\r\nin \r side\n");
    let daemon = shipping.run();
    shipping.assert_holds(&[b"one", b"", b"in \r side"]);
    daemon.stop().assert_code(0);
}

#[test]
fn an_unfinished_line_is_held_until_it_is_finished() {
    let shipping = Shipping::to("held");
    let log = shipping.site.log("a.log");
    append(&log, b"one\nhal");
    let daemon = shipping.run();
    shipping.assert_holds(&[b"one"]);
    append(&shipping.site.log("b.log"), b"other\n");
    shipping.assert_holds(&[b"one", b"other"]);
    append(&log, b"f\n");
    shipping.assert_holds(&[b"one", b"other", b"half"]);
    daemon.stop().assert_code(0);
}

#[test]
fn an_unfinished_line_survives_a_restart_and_once_ships_it() {
    let shipping = Shipping::to("once");
    let log = shipping.site.log("a.log");
    append(&log, b"one\nha");
    let daemon = shipping.run();
    shipping.assert_holds(&[b"one"]);
    daemon.stop().assert_code(0);
    append(&log, b"lf");
    shipping.site.tailspool(&["run", "--once"]).assert_code(0);
    shipping.assert_holds(&[b"one", b"half"]);
}

#[test]
fn a_truncated_file_is_read_from_its_new_beginning() {
    let shipping = Shipping::to("truncated");
    let path = shipping.site.log("a.log");
    append(&path, lines("a.log", 0..100).as_bytes());
    let daemon = shipping.run();
    shipping.assert_complete_without_repeats(&Written::from([("a.log".to_owned(), 100)]));
    OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
    append(&path, lines("a.log", 100..130).as_bytes());
    shipping.assert_complete_without_repeats(&Written::from([("a.log".to_owned(), 130)]));
    daemon.stop().assert_code(0);
}

/// Its size alone tells nothing then.
#[test]
fn a_file_truncated_and_grown_past_its_old_end_while_stopped_is_read_from_its_beginning() {
    let shipping = Shipping::to("regrown");
    let path = shipping.site.log("a.log");
    append(&path, lines("a.log", 0..100).as_bytes());
    let daemon = shipping.run();
    shipping.assert_complete_without_repeats(&Written::from([("a.log".to_owned(), 100)]));
    daemon.stop().assert_code(0);
    OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
    append(&path, lines("a.log", 100..400).as_bytes());
    let daemon = shipping.site.run_again();
    shipping.assert_complete_without_repeats(&Written::from([("a.log".to_owned(), 400)]));
    daemon.stop().assert_code(0);
}

#[test]
fn a_file_deleted_while_it_is_open_is_read_to_its_end() {
    let shipping = Shipping::to("deleted");
    let path = shipping.site.log("a.log");
    append(&path, lines("a.log", 0..10).as_bytes());
    let daemon = shipping.run();
    shipping.assert_complete_without_repeats(&Written::from([("a.log".to_owned(), 10)]));
    let mut open = OpenOptions::new().append(true).open(&path).unwrap();
    open.write_all(lines("a.log", 10..3000).as_bytes()).unwrap();
    fs::remove_file(&path).unwrap();
    open.write_all(lines("a.log", 3000..3010).as_bytes()).unwrap();
    drop(open);
    shipping.assert_complete_without_repeats(&Written::from([("a.log".to_owned(), 3010)]));
    daemon.stop().assert_code(0);
}

const HUGE_LINE: usize = 100 << 20;
const MAX_LINE: usize = 960 << 10;
const HUGE_LINE_MEMORY_MAX: u64 = 128 << 20;

/// A line of 100 MB between two of ours.
fn write_huge_line(path: &Path) {
    append(path, format!("{}\n", line("a.log", 0)).as_bytes());
    let mut file = File::options().append(true).open(path).unwrap();
    let piece = vec![b'x'; 1 << 20];
    (0..HUGE_LINE / piece.len()).for_each(|_| file.write_all(&piece).unwrap());
    append(path, format!("\n{}\n", line("a.log", 1)).as_bytes());
}

#[test]
fn a_line_of_100_mb_is_cut_and_takes_no_memory() {
    let shipping = Shipping::to("huge");
    write_huge_line(&shipping.site.log("a.log"));
    let daemon = shipping.run();
    let records = shipping.reader().records(3, GENEROUS);
    assert_eq!(records.len(), 3);
    let cut = &records[1];
    assert!(cut.payload.len() <= MAX_LINE && cut.payload.iter().all(|byte| *byte == b'x'));
    assert!(cut.payload.len() > MAX_LINE / 2, "cut at max_line, not at {}", cut.payload.len());
    assert!(!cut.headers.is_empty(), "a header says that it was cut");
    assert_eq!(records[2].payload, line("a.log", 1).as_bytes());
    let peak = daemon.peak_bytes();
    assert!(peak < HUGE_LINE_MEMORY_MAX, "peak memory {} MiB", peak >> 20);
    daemon.stop().assert_code(0);
}

#[test]
fn a_line_of_100_mb_is_split_and_takes_no_memory() {
    let shipping = Shipping::to("split");
    write_huge_line(&shipping.site.log("a.log"));
    let config = shipping.site.config(&shipping.bootstrap, &shipping.topic);
    let daemon = shipping.site.run(&config.of_input("on_long_line", "split"));
    let pieces = HUGE_LINE.div_ceil(MAX_LINE);
    let found = shipping.reader().payloads(pieces + 2, GENEROUS);
    let (first, last) = (line("a.log", 0), line("a.log", 1));
    assert_eq!(found.len(), pieces + 2);
    assert!(found[0] == first.as_bytes() && found[pieces + 1] == last.as_bytes());
    let long = &found[1..=pieces];
    assert_eq!(long.iter().map(Vec::len).sum::<usize>(), HUGE_LINE);
    assert!(long.iter().flatten().all(|byte| *byte == b'x'));
    assert!(long.iter().all(|piece| piece.len() <= MAX_LINE));
    let peak = daemon.peak_bytes();
    assert!(peak < HUGE_LINE_MEMORY_MAX, "peak memory {} MiB", peak >> 20);
    daemon.stop().assert_code(0);
}

// Kafka

fn mentions_kafka(line: &str) -> bool {
    let line = line.to_lowercase();
    let away = ["unreachable", "not reachable", "cannot reach", "no broker", "down", "refused"];
    away.iter().any(|word| line.contains(word))
}

#[test]
fn kafka_away_at_the_start_is_said_and_waited_for() {
    let (kafka, site) = (Kafka::planned(1, Pace::Frugal), Site::new());
    append(&site.log("a.log"), lines("a.log", 0..1000).as_bytes());
    let mut daemon = site.run(&site.config(&kafka.bootstrap(), "later"));
    daemon.hears("that Kafka is not there", mentions_kafka);
    kafka.start();
    assert!(daemon.runs());
    kafka.create("later", 1, &[]);
    let written = Written::from([("a.log".to_owned(), 1000)]);
    let mut verdict = Verdict::default();
    Reader::from_beginning(&kafka.bootstrap(), "later").judge(&mut verdict, &written, GENEROUS);
    verdict.assert_complete_and_in_order(&written);
    daemon.stop().assert_code(0);

    // Away again: a stop takes no longer than its grace, and what is unsent is kept.
    kafka.kill(0);
    append(&site.log("a.log"), lines("a.log", 1000..2000).as_bytes());
    let mut daemon = site.run_again();
    daemon.hears("that Kafka is not there", mentions_kafka);
    daemon.terminate();
    daemon.finish(Duration::from_secs(15)).assert_code(0);
    kafka.restart(0);
    let daemon = site.run_again();
    let written = Written::from([("a.log".to_owned(), 2000)]);
    let mut verdict = Verdict::default();
    Reader::from_beginning(&kafka.bootstrap(), "later").judge(&mut verdict, &written, GENEROUS);
    verdict.assert_complete_and_in_order(&written);
    daemon.stop().assert_code(0);
}

#[test]
fn a_topic_that_does_not_exist_yet_is_waited_for() {
    let (kafka, site) = (Kafka::single(), Site::new());
    append(&site.log("a.log"), lines("a.log", 0..100).as_bytes());
    let mut daemon = site.run(&site.config(&kafka.bootstrap(), "not-yet"));
    daemon.hears("that the topic is missing", |line| line.contains("not-yet"));
    kafka.create("not-yet", 1, &[]);
    let written = Written::from([("a.log".to_owned(), 100)]);
    let mut verdict = Verdict::default();
    Reader::from_beginning(&kafka.bootstrap(), "not-yet").judge(&mut verdict, &written, GENEROUS);
    verdict.assert_complete_and_in_order(&written);
    wait_until("it still runs", GENEROUS, || daemon.runs());
    daemon.stop().assert_code(0);
}

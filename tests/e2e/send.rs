//! `tailspool send`: the standard input to a topic, and what becomes of lines that Kafka does not
//! take.

use std::fs::{self, File};
use std::io::Write as _;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use tailspool::partition::of_key;

use crate::support::daemon::{Daemon, Finished};
use crate::support::dice::Dice;
use crate::support::kafka::Kafka;
use crate::support::lines::lines;
use crate::support::ports::Port;
use crate::support::reader::Reader;
use crate::support::site::Site;
use crate::support::small_disk::SmallDisk;
use crate::support::verdict::{Verdict, Written};
use crate::support::wait::{GENEROUS, wait_for};

/// Partitions.
const THREE: NonZeroU32 = NonZeroU32::new(3).unwrap();

fn arguments(bootstrap: &str, topic: &str, undelivered: &Path, more: &[&str]) -> Vec<String> {
    let undelivered = undelivered.display().to_string();
    let own =
        ["send", "--bootstrap-server", bootstrap, "--topic", topic, "--undelivered", &undelivered];
    own.iter().chain(more).map(|&argument| argument.to_owned()).collect()
}

/// A place for what cannot be delivered.
fn undelivered(site: &Site) -> PathBuf {
    site.root().join("undelivered")
}

fn input(site: &Site, text: &[u8]) -> File {
    let path = site.root().join("input");
    fs::write(&path, text).unwrap();
    File::open(path).unwrap()
}

fn send(site: &Site, bootstrap: &str, topic: &str, text: &[u8], more: &[&str]) -> Finished {
    let arguments = arguments(bootstrap, topic, &undelivered(site), more);
    Daemon::start_fed(input(site, text), &arguments).finish(GENEROUS)
}

#[test]
fn send_sends_each_line_with_key_and_headers() {
    let kafka = Kafka::single();
    let (site, topic) = (Site::new(), kafka.topic("send", 3, &[]));
    let more = ["--key", "k", "--header", "env=prod", "--header", "team=a=b"];
    let sent = send(&site, &kafka.bootstrap(), &topic, b"one\r\ntwo\n\nno end", &more);
    sent.assert_code(0);
    let found = Reader::from_beginning(&kafka.bootstrap(), &topic).records(4, GENEROUS);
    let payloads: Vec<_> = found.iter().map(|record| record.payload.as_slice()).collect();
    assert_eq!(payloads, [b"one".as_slice(), b"two", b"", b"no end"]);
    for record in &found {
        assert_eq!(record.key.as_deref(), Some(b"k".as_slice()));
        let headers = [("env", b"prod".as_slice()), ("team", b"a=b")];
        let found: Vec<_> =
            record.headers.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
        assert_eq!(found, headers);
        assert_eq!(record.partition, of_key(b"k", THREE), "as Java's client chooses");
    }
    assert!(!undelivered(&site).exists(), "nothing was left");
}

#[test]
fn send_takes_keys_and_headers_from_lines() {
    let kafka = Kafka::single();
    let (site, topic) = (Site::new(), kafka.topic("send-keys", 5, &[]));
    let more = ["--property", "parse.key=true", "--property", "key.separator=:"];
    let more = [more.as_slice(), &["--property", "linger.ms=0", "--compression", "lz4"]].concat();
    let sent = send(&site, &kafka.bootstrap(), &topic, b"a:1\nb:2\na:3\nlost\n", &more);
    sent.assert_code(1);
    let found = Reader::from_beginning(&kafka.bootstrap(), &topic).records(3, GENEROUS);
    let of_a: Vec<_> = found.iter().filter(|record| record.key.as_deref() == Some(b"a")).collect();
    let values: Vec<_> = of_a.iter().map(|record| record.payload.as_slice()).collect();
    assert_eq!(values, [b"1", b"3"]);
    assert_eq!(of_a[0].partition, of_a[1].partition);
    assert_eq!(fs::read(undelivered(&site)).unwrap(), b"lost\n");
    assert!(sent.err.contains("key.separator"), "{}", sent.err);
}

#[test]
fn send_keeps_only_the_lines_that_kafka_refuses() {
    let kafka = Kafka::single();
    let topic = kafka.topic("send-large", 1, &[("max.message.bytes", "20000")]);
    let site = Site::new();
    let noise = Dice::with_seed(3).noise(50_000);
    let text = format!("{}{noise}\n{}", lines("a.log", 0..50), lines("a.log", 50..100));
    let sent = send(&site, &kafka.bootstrap(), &topic, text.as_bytes(), &[]);
    sent.assert_code(1);
    assert_eq!(fs::read_to_string(undelivered(&site)).unwrap(), format!("{noise}\n"));
    assert!(sent.err.contains("1 line could not be delivered; it is in"), "{}", sent.err);
    let mut verdict = Verdict::default();
    Reader::from_beginning(&kafka.bootstrap(), &topic).judge_rest(&mut verdict);
    assert!(verdict.missing("a.log", 100).is_empty(), "{verdict}");
}

#[test]
fn send_keeps_all_lines_if_nobody_is_there() {
    let (site, nobody) = (Site::new(), Port::reserve());
    let text = lines("a.log", 0..1000);
    let sent = send(&site, &nobody.address(), "any", text.as_bytes(), &gives_up_soon());
    sent.assert_code(69);
    assert_eq!(fs::read_to_string(undelivered(&site)).unwrap(), text);
}

#[test]
fn send_says_what_is_wrong_with_its_options() {
    let site = Site::new();
    let sent = send(&site, "localhost", "t", b"", &["--property", "lingerms=5"]);
    sent.assert_code(65);
    assert!(sent.err.contains("localhost:9092") && sent.err.contains("linger.ms"), "{}", sent.err);
}

#[test]
fn send_reads_nothing_if_what_is_left_could_not_be_kept() {
    let site = Site::new();
    let nobody = Port::reserve().address();
    let arguments = arguments(&nobody, "any", &site.root().join("none/left"), &[]);
    let (from, mut to) = std::io::pipe().unwrap();
    to.write_all(b"a line\n").unwrap();
    let sent = Daemon::start_fed(from, &arguments).finish(GENEROUS);
    sent.assert_code(74);
    assert!(sent.err.contains("none/left: No such file"), "{}", sent.err);
}

/// Nobody is there, and that is known soon.
fn gives_up_soon() -> [&'static str; 4] {
    ["--property", "delivery.timeout.ms=1500", "--property", "request.timeout.ms=1000"]
}

#[test]
fn send_waits_for_room_on_the_disk_of_what_is_left() {
    let (site, nobody) = (Site::new(), Port::reserve());
    let small = site.root().join("small");
    fs::create_dir(&small).unwrap();
    let Some(disk) = SmallDisk::mount(&small, "1m") else { return };
    disk.fill();
    let (text, kept) = (lines("a.log", 0..1000), small.join("undelivered"));
    let arguments = arguments(&nobody.address(), "any", &kept, &gives_up_soon());
    let mut sending = Daemon::start_fed(input(&site, text.as_bytes()), &arguments);
    sending.hears("that the disk is full", |line| line.contains("No space left on device"));
    disk.clear();
    sending.finish(GENEROUS).assert_code(69);
    assert_eq!(fs::read_to_string(kept).unwrap(), text);
}

#[test]
fn send_names_the_lines_that_are_nowhere_and_where_to_go_on() {
    let (site, nobody) = (Site::new(), Port::reserve());
    let more = [&gives_up_soon()[..], &["--property", "max.block.ms=500"]].concat();
    // Nothing can ever be written to it.
    let arguments = arguments(&nobody.address(), "any", Path::new("/dev/full"), &more);
    let text = lines("a.log", 0..1000);
    let sent = Daemon::start_fed(input(&site, text.as_bytes()), &arguments).finish(GENEROUS);
    sent.assert_code(74);
    assert!(sent.err.contains("1000 of them could not be kept in /dev/full"), "{}", sent.err);
    assert!(sent.err.contains("in neither: lines 1 to 1000"), "{}", sent.err);
    assert!(!sent.err.contains("not read"), "{}", sent.err);
    // More than may wait in memory.
    let arguments = [&arguments[..], &["--property".into(), "buffer.memory=4MiB".into()]].concat();
    let text = lines("a.log", 0..20_000);
    let sent = Daemon::start_fed(input(&site, text.as_bytes()), &arguments).finish(GENEROUS);
    sent.assert_code(74);
    let number_after = |what: &str| {
        let (_, rest) = sent.err.split_once(what).unwrap_or_else(|| panic!("{}", sent.err));
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().unwrap()
    };
    let read = number_after("in neither: lines 1 to ");
    assert_eq!(number_after("not read: line "), read + 1);
    assert!(read > 1000 && read < 20_000, "{}", sent.err);
    let bytes: usize = text.split_inclusive('\n').take(read).map(str::len).sum();
    assert_eq!(number_after("from byte "), bytes);
}

#[test]
fn send_says_how_far_it_could_read() {
    let (site, nobody) = (Site::new(), Port::reserve());
    let arguments = arguments(&nobody.address(), "any", &undelivered(&site), &[]);
    let sent = Daemon::start_fed(File::open(site.root()).unwrap(), &arguments).finish(GENEROUS);
    sent.assert_code(74);
    let what = "cannot read the standard input beyond line 0, byte 0: Is a directory";
    assert!(sent.err.contains(what), "{}", sent.err);
}

#[test]
fn send_knows_which_names_no_topic_has() {
    let site = Site::new();
    for topic in ["", "..", "a b", &"x".repeat(250)] {
        let sent = send(&site, "localhost:9092", topic, b"lost\n", &[]);
        sent.assert_code(64);
        assert!(sent.err.contains("of a topic") || sent.err.contains("of topics"), "{}", sent.err);
    }
    assert!(!undelivered(&site).exists());
}

#[test]
fn send_does_what_the_page_about_kafka_shows() {
    let kafka = Kafka::single();
    let (site, topic) = (Site::new(), kafka.topic("send-shown", 3, &[]));
    let page = include_str!("../../docs/kafka.md");
    let (_, shown) = page.split_once("\n## Send\n").unwrap();
    let (_, shown) = shown.split_once("```sh\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    let to = format!("--topic {topic} --undelivered {}", undelivered(&site).display());
    let here = shown.replace("--topic orders", &to).replace("k1:9092", &kafka.bootstrap());
    // The program is what a shell calls itself.
    let script = format!("tailspool() {{ \"$0\" \"$@\"; }}\n{here}");
    Daemon::start_under::<&str>(&["sh", "-c", &script], &[]).finish(GENEROUS).assert_code(0);
    let found = Reader::from_beginning(&kafka.bootstrap(), &topic).records(3, GENEROUS);
    let of = |key: &[u8]| {
        let own = found.iter().filter(|record| record.key.as_deref() == Some(key));
        own.map(|record| record.payload.as_slice()).collect::<Vec<_>>()
    };
    assert_eq!(of(b"cart-1"), [b"two apples".as_slice(), b"paid"]);
    assert_eq!(of(b"cart-2"), [b"a pear".as_slice()]);
    let headers = [("env".to_owned(), b"prod".to_vec())];
    assert!(found.iter().all(|record| record.headers == headers), "{found:?}");
}

#[test]
fn send_ends_with_what_it_has_read_when_it_is_interrupted() {
    let kafka = Kafka::single();
    let (site, topic) = (Site::new(), kafka.topic("send-interrupted", 1, &[]));
    let (from, mut to) = std::io::pipe().unwrap();
    let arguments = arguments(&kafka.bootstrap(), &topic, &undelivered(&site), &[]);
    let sending = Daemon::start_fed(from, &arguments);
    to.write_all(b"one\ntwo\n").unwrap();
    let mut reader = Reader::from_beginning(&kafka.bootstrap(), &topic);
    assert_eq!(reader.payloads(2, GENEROUS), [b"one", b"two"]);
    sending.terminate();
    sending.finish(GENEROUS).assert_code(0);
}

const MILLION: u64 = 1_000_000;

#[test]
fn send_passes_a_million_lines_and_loses_none_when_a_broker_is_killed() {
    let kafka = Kafka::triple();
    let (site, topic) = (Site::new(), kafka.topic("send-million", 3, &[]));
    kafka.wait_in_sync(&topic);
    let path = site.root().join("input");
    let mut file = File::create(&path).unwrap();
    for from in (0..MILLION).step_by(10_000) {
        file.write_all(lines("a.log", from..from + 10_000).as_bytes()).unwrap();
    }
    let arguments = arguments(&kafka.bootstrap(), &topic, &undelivered(&site), &["--key", "one"]);
    let sending = Daemon::start_fed(File::open(&path).unwrap(), &arguments);
    let mut reader = Reader::from_beginning(&kafka.bootstrap(), &topic);
    let mut verdict = Verdict::default();
    reader.judge_until(&mut verdict, GENEROUS, |verdict| verdict.has("a.log", 1000));
    let leader = || kafka.leader(&topic, of_key(b"one", THREE));
    let leader = wait_for("the leader", GENEROUS, leader);
    kafka.kill(leader);
    sending.finish(GENEROUS).assert_code(0);
    let written = Written::from([("a.log".to_owned(), MILLION)]);
    reader.judge(&mut verdict, &written, GENEROUS);
    verdict.assert_complete_and_in_order(&written);
    assert_eq!(verdict.repeats(), 0, "{verdict}");
    assert!(!undelivered(&site).exists(), "nothing was left");
}

//! The harness itself: a judge that finds nothing wrong must have been able to.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::support::children::{Power, end, guarded, spawn};
use crate::support::kafka::Kafka;
use crate::support::lines::{line, lines};
use crate::support::reader::Reader;
use crate::support::site::Site;
use crate::support::verdict::{Verdict, Written};
use crate::support::wait::{GENEROUS, wait_until};
use crate::support::writer::{Log, Plan, Writer};

fn produce(bootstrap: &str, topic: &str, payloads: impl IntoIterator<Item = String>) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("enable.idempotence", "true")
        .create()
        .expect("a plain producer can be made");
    for payload in payloads {
        let record = BaseRecord::<(), _>::to(topic).partition(0).payload(&payload);
        producer.send(record).expect("few records fit in the queue");
    }
    producer.flush(GENEROUS).expect("the brokers take them");
}

fn judged(numbers: &[u64]) -> Verdict {
    let mut verdict = Verdict::default();
    for number in numbers {
        verdict.take(0, line("a.log", *number).as_bytes());
    }
    verdict
}

fn written(count: u64) -> Written {
    Written::from([("a.log".to_owned(), count)])
}

#[test]
fn the_judge_is_content_with_every_line_once_and_in_order() {
    let verdict = judged(&[0, 1, 2, 3]);
    verdict.assert_complete_and_in_order(&written(4));
    assert_eq!(verdict.repeats(), 0);
}

#[test]
fn the_judge_finds_a_loss() {
    let verdict = judged(&[0, 1, 3]);
    assert_eq!(verdict.missing("a.log", 5), [2, 4]);
    assert!(!verdict.has_all(&written(4)));
}

#[test]
fn the_judge_counts_repeats_and_takes_no_repeat_for_disorder() {
    let verdict = judged(&[0, 1, 2, 1, 2, 3]);
    assert_eq!((verdict.repeats(), verdict.inversions()), (2, 0));
}

#[test]
fn the_judge_finds_a_line_that_arrived_late() {
    assert_eq!(judged(&[0, 2, 1, 3]).inversions(), 1);
}

#[test]
fn the_judge_finds_damage_and_strangers() {
    let mut verdict = judged(&[0]);
    let cut = line("a.log", 1);
    verdict.take(0, &cut.as_bytes()[..cut.len() - 1]);
    verdict.take(0, b"\xff\xfe");
    assert_eq!((verdict.damaged(), verdict.strangers().len()), (1, 1));
}

#[test]
#[should_panic(expected = "in more than one partition")]
fn the_judge_refuses_a_file_in_two_partitions() {
    let mut verdict = judged(&[0]);
    verdict.take(1, line("a.log", 1).as_bytes());
    verdict.assert_complete_and_in_order(&written(2));
}

#[test]
fn the_writer_rotates_and_leaves_every_line_in_order() {
    let site = Site::new();
    let plan = Plan { lines_per_second: 2000, rotate_every: 100 };
    let writer = Writer::start(&site.log("a.log"), plan);
    wait_until("a few rotations", GENEROUS, || writer.written() > 350);
    let (name, count) = writer.stop();
    let files = ["a.log.4", "a.log.3", "a.log.2", "a.log.1", "a.log"].map(|name| site.log(name));
    let last_but = |file: &str| fs::read_to_string(site.log(file)).expect("it was rotated");
    assert_eq!(last_but("a.log.1").lines().count(), 100);
    let older = (5..).map(|age| site.log(&format!("a.log.{age}"))).take_while(|path| path.exists());
    let mut oldest_first: Vec<_> = older.collect();
    oldest_first.reverse();
    oldest_first.extend(files.into_iter().filter(|path| path.exists()));
    let text: String = oldest_first.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    assert!(text == lines(&name, 0..count), "the files, oldest first, are the lines written");
}

#[test]
fn a_log_rotates_by_hand() {
    let site = Site::new();
    let mut log = Log::by_hand(&site.log("a.log"));
    log.write(3);
    log.rotate();
    log.write(2);
    assert_eq!(fs::read_to_string(site.log("a.log.1")).unwrap(), lines("a.log", 0..3));
    assert_eq!(fs::read_to_string(site.log("a.log")).unwrap(), lines("a.log", 3..5));
}

#[test]
fn children_obey_modes_and_are_told_to_die_with_us() {
    let site = Site::new();
    let secret = site.log("secret");
    fs::write(&secret, "x").unwrap();
    fs::set_permissions(&secret, Permissions::from_mode(0o000)).unwrap();
    let mut cat = guarded("cat", Power::ObeysModes);
    cat.arg(&secret).stderr(std::process::Stdio::null());
    assert!(!spawn(cat).wait().unwrap().success(), "a file of mode 000 cannot be read");
    let mut lasting = guarded("sleep", Power::ObeysModes);
    lasting.arg("600");
    let mut child = spawn(lasting);
    assert!(child.try_wait().unwrap().is_none(), "it lives as long as we do");
    end(&mut child);
}

#[test]
fn one_broker_takes_lines_and_the_reader_sees_what_is_wrong_with_them() {
    let kafka = Kafka::single();
    let topic = kafka.topic("planted", 2, &[("max.message.bytes", "20000")]);
    let order = [0, 1, 3, 2, 2, 5];
    produce(&kafka.bootstrap(), &topic, order.map(|number| line("a.log", number)));
    let (mut verdict, limit) = (Verdict::default(), Duration::from_secs(2));
    Reader::from_beginning(&kafka.bootstrap(), &topic).judge(&mut verdict, &written(6), limit);
    assert_eq!(verdict.missing("a.log", 6), [4]);
    assert_eq!((verdict.inversions(), verdict.repeats()), (1, 1));
}

#[test]
fn three_brokers_lose_one_freeze_one_and_are_whole_again() {
    let kafka = Kafka::triple();
    let topic = kafka.topic("harm", 3, &[]);
    kafka.wait_in_sync(&topic);
    kafka.kill(1);
    assert!(!kafka.runs(1));
    wait_until("the others notice", GENEROUS, || kafka.in_sync(&topic) == Some(2));
    produce(&kafka.bootstrap(), &topic, (0..100).map(|number| line("a.log", number)));
    kafka.restart(1);
    kafka.wait_in_sync(&topic);
    kafka.freeze(2);
    wait_until("the others notice", GENEROUS, || kafka.in_sync(&topic) == Some(2));
    kafka.thaw(2);
    kafka.wait_in_sync(&topic);
    let mut verdict = Verdict::default();
    Reader::from_beginning(&kafka.bootstrap(), &topic).judge(&mut verdict, &written(100), GENEROUS);
    verdict.assert_complete_and_in_order(&written(100));
}

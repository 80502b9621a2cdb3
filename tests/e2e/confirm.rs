//! What is waited for: `confirm`, each of its three, through outages.

use crate::support::config::Config;
use crate::support::kafka::Kafka;
use crate::support::lines::lines;
use crate::support::pulse::Marks;
use crate::support::reader::Reader;
use crate::support::site::{Site, append};
use crate::support::totals::counted;
use crate::support::verdict::{Verdict, Written};
use crate::support::wait::{GENEROUS, wait_until};

/// A block has 256 KiB at most, and a line of `a.log` 120 bytes at least.
const BLOCK_LINES_MAX: u64 = 256 * 1024 / 120;

fn config(site: &Site, bootstrap: &str, topic: &str, confirm: &str) -> Config {
    site.config(bootstrap, topic)
        .of_input("confirm", confirm)
        .top("checkpoint_interval", "200ms")
        .top("shutdown_grace", "4s")
        .kafka("request.timeout.ms", "1s")
        .kafka("delivery.timeout.ms", "2s")
}

fn written(count: u64) -> Written {
    Written::from([("a.log".to_owned(), count)])
}

fn judged(kafka: &Kafka, topic: &str, count: u64) -> Verdict {
    let mut verdict = Verdict::default();
    let mut reader = Reader::from_beginning(&kafka.bootstrap(), topic);
    reader.judge(&mut verdict, &written(count), GENEROUS);
    verdict
}

/// Kafka takes nothing, and the daemon is killed. What arrives a second time was on its way then.
fn repeats_after_a_kill(confirm: &str) -> u64 {
    let kafka = Kafka::lone();
    let (site, topic) = (Site::new(), kafka.topic(confirm, 1, &[]));
    let config = config(&site, &kafka.bootstrap(), &topic, confirm);
    // What is on its way is on the wire.
    let config = config.kafka("compression.type", "zstd").kafka("linger.ms", "5");
    let (log, kept) = (site.log("a.log"), site.kept());
    append(&log, lines("a.log", 0..10).as_bytes());
    let mut daemon = site.run(&config);
    wait_until("lines to be safe", GENEROUS, || kept.owed() == 0);
    kafka.freeze_all();
    append(&log, lines("a.log", 10..12_000).as_bytes());
    daemon.hears("the way into the spool", |line| line.contains("lines go to the spool"));
    daemon.kill();
    kafka.heal();
    let daemon = site.run_again();
    let verdict = judged(&kafka, &topic, 12_000);
    daemon.stop().assert_code(0);
    verdict.assert_complete_and_in_order(&written(12_000));
    verdict.repeats()
}

#[test]
fn async_loses_nothing() {
    let repeats = repeats_after_a_kill("async");
    println!("async: {repeats} repeats");
}

#[test]
fn sync_loses_nothing_and_has_one_block_on_its_way() {
    let repeats = repeats_after_a_kill("sync");
    println!("sync: {repeats} repeats");
    assert!(repeats <= BLOCK_LINES_MAX, "{repeats} lines were on their way at once");
}

#[test]
fn sync_does_not_wait_for_linger() {
    let kafka = Kafka::single();
    let (site, topic) = (Site::new(), kafka.topic("sync", 1, &[]));
    // A block that lingered would take longer than all may.
    let config = site
        .config(&kafka.bootstrap(), &topic)
        .of_input("confirm", "sync")
        .kafka("linger.ms", "80s")
        .kafka("delivery.timeout.ms", "200s");
    append(&site.log("a.log"), lines("a.log", 0..20_000).as_bytes());
    site.write_config(&config.to_yaml());
    let finished = site.tailspool(&["run", "--once"]);
    finished.assert_code(0);
    judged(kafka, &topic, 20_000).assert_complete_and_in_order(&written(20_000));
}

/// Of a batch, 1 MB, neither what a partition may have of memory nor what eight leave each other is
/// enough: the next lines are read when these are acknowledged.
#[test]
fn a_batch_that_memory_cannot_fill_does_not_wait_for_linger() {
    let kafka = Kafka::single();
    for (partitions, buffer) in [(1, "6MiB"), (8, "8MiB")] {
        let (site, topic) = (Site::new(), kafka.topic("tight", partitions, &[]));
        let config = site
            .config(&kafka.bootstrap(), &topic)
            .of_input("partition", "round_robin")
            .kafka("buffer.memory", buffer)
            .kafka("linger.ms", "80s")
            .kafka("delivery.timeout.ms", "200s");
        append(&site.log("a.log"), lines("a.log", 0..60_000).as_bytes());
        let daemon = site.run(&config);
        let marks = Marks::of(&kafka.bootstrap(), &topic);
        // The last lines wait for more, as there is memory for more; but not where none can come.
        wait_until("nearly all to arrive", GENEROUS, || marks.records() >= Some(40_000));
        daemon.stop().assert_code(0);
        site.tailspool(&["run", "--once"]).assert_code(0);
        let verdict = judged(kafka, &topic, 60_000);
        assert!(verdict.missing("a.log", 60_000).is_empty(), "{verdict}");
        assert_eq!(verdict.repeats(), 0, "{verdict}");
    }
}

/// The place moves with the hand-over; what Kafka has not taken when the daemon ends is lost, and
/// counted.
#[test]
fn none_loses_what_was_on_its_way_and_counts_it() {
    let kafka = Kafka::lone();
    let (site, topic) = (Site::new(), kafka.topic("none", 1, &[]));
    let (log, kept) = (site.log("a.log"), site.kept());
    append(&log, lines("a.log", 0..1000).as_bytes());
    let daemon = site.run(&config(&site, &kafka.bootstrap(), &topic, "none"));
    judged(&kafka, &topic, 1000).assert_complete_and_in_order(&written(1000));
    kafka.kill_all();
    append(&log, lines("a.log", 1000..3000).as_bytes());
    wait_until("places to move", GENEROUS, || kept.owed() == 0);
    assert_eq!(kept.spooled(), 0);
    daemon.terminate();
    let finished = daemon.finish(GENEROUS);
    finished.assert_code(0);
    let said: Vec<_> = finished.err.lines().map(str::to_owned).collect();
    assert_eq!(counted(&said, "read_records"), 3000);
    assert_eq!(counted(&said, "unconfirmed"), 3000);
    assert_eq!(counted(&said, "delivered") + counted(&said, "spooled"), 0);
    assert_eq!(counted(&said, "lost_unconfirmed"), 2000);
    assert!(finished.err.contains("were not taken in time and are lost"), "{}", finished.err);

    kafka.heal();
    append(&log, lines("a.log", 3000..4000).as_bytes());
    site.tailspool(&["run", "--once"]).assert_code(0);
    let mut verdict = Verdict::default();
    Reader::from_beginning(&kafka.bootstrap(), &topic).judge_rest(&mut verdict);
    assert_eq!(verdict.missing("a.log", 4000), (1000..3000).collect::<Vec<_>>());
    assert_eq!((verdict.repeats(), verdict.inversions()), (0, 0));
}

/// What has been read is in memory, which is bounded; the rest is in its file.
#[test]
fn none_waits_while_memory_is_used_up() {
    const LINES: u64 = 60_000;
    let kafka = Kafka::lone();
    let (site, topic) = (Site::new(), kafka.topic("none-full", 1, &[]));
    let (log, kept) = (site.log("a.log"), site.kept());
    let config = config(&site, &kafka.bootstrap(), &topic, "none").kafka("buffer.memory", "4MiB");
    append(&log, lines("a.log", 0..100).as_bytes());
    let daemon = site.run(&config);
    judged(&kafka, &topic, 100).assert_complete_and_in_order(&written(100));
    kafka.kill_all();
    append(&log, lines("a.log", 100..LINES).as_bytes());
    let before = kept.owed();
    wait_until("places to move", GENEROUS, || kept.owed() < before);
    kafka.heal();
    let verdict = judged(&kafka, &topic, LINES);
    let finished = daemon.stop();
    finished.assert_code(0);
    verdict.assert_complete_and_in_order(&written(LINES));
    assert_eq!(verdict.repeats(), 0, "{verdict}");
    let said: Vec<_> = finished.err.lines().map(str::to_owned).collect();
    assert_eq!(counted(&said, "unconfirmed"), LINES);
    assert_eq!(counted(&said, "lost_unconfirmed"), 0);
}

/// A batch that Kafka refuses comes back as a whole.
#[test]
fn none_says_once_that_what_was_sent_came_back() {
    let kafka = Kafka::single();
    let (site, topic) =
        (Site::new(), kafka.topic("none-small", 1, &[("max.message.bytes", "1000")]));
    append(&site.log("a.log"), lines("a.log", 0..500).as_bytes());
    let config =
        config(&site, &kafka.bootstrap(), &topic, "none").kafka("compression.type", "none");
    site.write_config(&config.to_yaml());
    let finished = site.tailspool(&["run", "--once"]);
    finished.assert_code(0);
    let said: Vec<_> = finished.err.lines().map(str::to_owned).collect();
    let came_back = said.iter().filter(|line| line.contains("came back and are lost"));
    assert_eq!(came_back.count(), 1, "{}", finished.err);
    assert_eq!(counted(&said, "unconfirmed"), 500);
    assert_eq!(counted(&said, "lost_unconfirmed"), 500);
}

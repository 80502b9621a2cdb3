//! Records that Kafka will never take: set aside with their reason, and nobody else's fault.

use std::fs;

use crate::support::dice::Dice;
use crate::support::kafka::Kafka;
use crate::support::lines::{line, lines};
use crate::support::reader::Reader;
use crate::support::site::{Site, append};
use crate::support::verdict::{Verdict, Written};
use crate::support::wait::{GENEROUS, wait_for, wait_until};

const TAKES: &[(&str, &str)] = &[("max.message.bytes", "20000")];
const BIG: usize = 50_000;

#[test]
fn a_record_too_large_for_the_topic_becomes_a_dead_letter_and_its_batch_arrives() {
    let kafka = Kafka::single();
    let (site, topic) = (Site::new(), kafka.topic("large", 1, TAKES));
    let noise = Dice::with_seed(1).noise(BIG);
    let text = format!("{}{noise}\n{}", lines("a.log", 0..50), lines("a.log", 50..100));
    append(&site.log("a.log"), text.as_bytes());
    let daemon = site.run(&site.config(&kafka.bootstrap(), &topic).kafka("batch.size", "256KiB"));

    let written = Written::from([("a.log".to_owned(), 100)]);
    let mut verdict = Verdict::default();
    let mut reader = Reader::from_beginning(&kafka.bootstrap(), &topic);
    reader.judge(&mut verdict, &written, GENEROUS);
    let listed = wait_for("the dead letter in `dead-letters ls`", GENEROUS, || {
        let listed = site.tailspool(&["dead-letters", "ls"]);
        listed.out.contains("a.log").then_some(listed)
    });
    listed.assert_code(0);
    daemon.stop().assert_code(0);

    reader.judge_rest(&mut verdict);
    assert_eq!(verdict.missing("a.log", 100), [0_u64; 0], "innocents of the batch\n{verdict}");
    assert!(verdict.strangers().is_empty(), "the large record was not to be sent");
    let naming = listed.out.lines().filter(|line| line.contains("a.log")).count();
    assert_eq!(naming, 1, "one dead letter:\n{}", listed.out);
    let reason = listed.out.to_lowercase().replace('_', " ");
    assert!(reason.contains("too large"), "and why:\n{}", listed.out);
    let kept = fs::read_dir(site.state().join("dead-letters")).expect("the folder of dead letters");
    assert!(kept.count() > 0, "a file keeps it");
}

#[test]
fn a_dead_letter_is_not_made_again_by_a_restart() {
    let kafka = Kafka::single();
    let (site, topic) = (Site::new(), kafka.topic("large-once", 1, TAKES));
    append(&site.log("a.log"), format!("{}\n", Dice::with_seed(2).noise(BIG)).as_bytes());
    let config = site.config(&kafka.bootstrap(), &topic);
    site.write_config(&config.to_yaml());
    site.tailspool(&["run", "--once"]).assert_code(0);
    append(&site.log("a.log"), lines("a.log", 0..3).as_bytes());
    site.tailspool(&["run", "--once"]).assert_code(0);
    let listed = site.tailspool(&["dead-letters", "ls"]);
    assert_eq!(
        listed.out.lines().filter(|line| line.contains("a.log")).count(),
        1,
        "{}",
        listed.out
    );
    let found = Reader::from_beginning(&kafka.bootstrap(), &topic).payloads(3, GENEROUS);
    assert_eq!(found, [0, 1, 2].map(|number| line("a.log", number).into_bytes()));
}

#[test]
fn a_record_that_compression_makes_fit_arrives() {
    let kafka = Kafka::single();
    let (site, topic) = (Site::new(), kafka.topic("squeezed", 1, TAKES));
    let even = "all quiet ".repeat(BIG / 10);
    append(&site.log("a.log"), format!("before\n{even}\nafter\n").as_bytes());
    let daemon =
        site.run(&site.config(&kafka.bootstrap(), &topic).kafka("compression.type", "zstd"));
    let found = Reader::from_beginning(&kafka.bootstrap(), &topic).payloads(3, GENEROUS);
    assert!(found == ["before", even.as_str(), "after"].map(|text| text.as_bytes().to_vec()));
    daemon.stop().assert_code(0);
}

/// The spool has it until its letter is written, and begins with its oldest entry after each outage.
#[test]
fn a_record_that_waits_to_be_a_dead_letter_is_not_given_back_by_the_spool() {
    let kafka = Kafka::lone();
    let (site, topic) = (Site::new(), kafka.topic("waiting", 1, TAKES));
    let config = site
        .config(&kafka.bootstrap(), &topic)
        .kafka("compression.type", "none")
        .kafka("request.timeout.ms", "1s")
        .kafka("delivery.timeout.ms", "2s");
    let (log, kept) = (site.log("a.log"), site.kept());
    append(&log, lines("a.log", 0..10).as_bytes());
    let mut daemon = site.run(&config);
    wait_until("lines to be safe", GENEROUS, || kept.has_looked() && kept.owed() == 0);
    // Nobody can write to it.
    let letters = site.state().join("dead-letters/dead-letters.jsonl");
    fs::create_dir_all(&letters).expect("it is ours");

    let large = "x".repeat(BIG);
    for text in [format!("{large}\n{}", lines("a.log", 10..20)), lines("a.log", 20..30)] {
        kafka.kill_all();
        let said = daemon.said().len();
        append(&log, text.as_bytes());
        daemon.hears_after(said, "of the outage", |line| line.contains("lines go to the spool"));
        kafka.heal();
        daemon.hears_after(said, "of its end", |line| line.contains("directly again"));
    }
    append(&log, lines("a.log", 30..40).as_bytes());
    let written = Written::from([("a.log".to_owned(), 40)]);
    let mut verdict = Verdict::default();
    Reader::from_beginning(&kafka.bootstrap(), &topic).judge(&mut verdict, &written, GENEROUS);
    assert!(verdict.has_all(&written), "{verdict}");

    fs::remove_dir(&letters).expect("it is ours");
    wait_until("the dead letter to be written", GENEROUS, || letters.is_file());
    let finished = daemon.stop();
    finished.assert_code(0);
    let buried = finished.err.lines().filter(|line| line.contains("goes to the dead letters"));
    assert_eq!(buried.count(), 1, "{}", finished.err);
}

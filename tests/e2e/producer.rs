//! What is asked of the producer, seen from the broker's side.

use crate::support::kafka::Kafka;
use crate::support::lines::{MEAN_BYTES, lines};
use crate::support::middleman::Middleman;
use crate::support::reader::Reader;
use crate::support::segments::{Codec, batches};
use crate::support::site::{Site, append};
use crate::support::totals::counted;
use crate::support::verdict::{Verdict, Written};
use crate::support::wait::{GENEROUS, wait_until};
use crate::support::writer::Log;

const LINES: u64 = 5000;

/// Ships a file with these settings of the producer, and returns what the daemon said.
fn ship(kafka: &Kafka, topic: &str, settings: &[(&str, &str)]) -> Vec<String> {
    let site = Site::new();
    append(&site.log("a.log"), lines("a.log", 0..LINES).as_bytes());
    let plain = site.config(&kafka.bootstrap(), topic);
    let config = settings.iter().fold(plain, |config, (key, value)| config.kafka(key, value));
    let daemon = site.run(&config);
    let written = Written::from([("a.log".to_owned(), LINES)]);
    let mut verdict = Verdict::default();
    let mut reader = Reader::from_beginning(&kafka.bootstrap(), topic);
    reader.judge(&mut verdict, &written, GENEROUS);
    verdict.assert_complete_and_in_order(&written);
    let finished = daemon.stop();
    finished.assert_code(0);
    finished.err.lines().map(str::to_owned).collect()
}

#[test]
fn each_codec_is_the_one_on_the_wire() {
    let kafka = Kafka::single();
    let codecs = [
        ("none", Codec::None),
        ("gzip", Codec::Gzip),
        ("snappy", Codec::Snappy),
        ("lz4", Codec::Lz4),
        ("zstd", Codec::Zstd),
    ];
    for (name, codec) in codecs {
        let topic = kafka.topic(&format!("codec-{name}"), 1, &[]);
        ship(kafka, &topic, &[("compression.type", name)]);
        let batches = batches(&kafka.partition_dir(0, &topic, 0));
        assert!(batches.iter().all(|batch| batch.codec == codec), "{name}: {batches:?}");
        let records: u64 = batches.iter().map(|batch| u64::from(batch.records)).sum();
        let bytes: u64 = batches.iter().map(|batch| batch.bytes).sum();
        assert_eq!(records, LINES);
        println!("{name}: {} bytes a line of {MEAN_BYTES}", bytes / records);
        assert_eq!(codec == Codec::None, bytes > LINES * MEAN_BYTES, "{name}: {bytes} bytes");
    }
}

#[test]
fn what_nobody_acknowledges_does_not_count_as_delivered() {
    let kafka = Kafka::single();
    let topic = kafka.topic("unconfirmed", 1, &[]);
    let said = ship(kafka, &topic, &[("acks", "0")]);
    assert_eq!((counted(&said, "delivered"), counted(&said, "unconfirmed")), (0, LINES));
}

/// librdkafka forgets its brokers then, and does not always ask those it was given again
/// (confluentinc/librdkafka#5301).
#[test]
fn a_cluster_that_named_nobody_is_found_again() {
    let kafka = Kafka::single();
    let (topic, site) = (kafka.topic("nobody", 1, &[]), Site::new());
    let middleman = Middleman::before(kafka.bootstrap());
    let config = site.config(&middleman.bootstrap(), &topic);
    let daemon = site.run(&config.kafka("metadata.max.age.ms", "200ms").kafka("linger.ms", "5"));
    let mut log = Log::by_hand(&site.log("a.log"));
    let mut reader = Reader::from_beginning(&kafka.bootstrap(), &topic);
    let mut verdict = Verdict::default();
    for _ in 0..5 {
        log.write(100);
        let written = Written::from([(log.name(), log.count())]);
        reader.judge(&mut verdict, &written, GENEROUS);
        middleman.empty_one();
        wait_until("an answer that names nobody", GENEROUS, || middleman.has_emptied());
    }
    log.write(100);
    let written = Written::from([(log.name(), log.count())]);
    reader.judge(&mut verdict, &written, GENEROUS);
    verdict.assert_complete_and_in_order(&written);
    let said = daemon.said();
    let lost = said.iter().filter(|line| line.contains("no broker was left to ask")).count();
    println!("nobody: librdkafka was lost {lost} times of five, {} repeats", verdict.repeats());
    daemon.stop().assert_code(0);
}

//! From the start of the program until Kafka holds its first record, against a record handed to bare
//! librdkafka with idempotence in this process, in turns.

use std::any::Any;
use std::fs;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::Consumer;
use rdkafka::producer::{BaseProducer, BaseRecord};
use tailspool::clock;

use crate::score::median;
use crate::support::kafka::{Kafka, Pace};
use crate::support::reader::{consumer, partitions};
use crate::support::site::Site;

/// Starts something that sends a record, and goes on until what is returned is dropped.
type Start = fn(&Site, &str, &str) -> Box<dyn Any>;

pub(crate) fn run(rounds: u64) {
    let kafka = Kafka::up(1, Pace::Racing);
    // The broker's own first producer takes longest.
    until_first(&kafka, bare);
    let (mut ours, mut others) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(until_first(&kafka, tailspool).as_secs_f64() * 1000.0);
        others.push(until_first(&kafka, bare).as_secs_f64() * 1000.0);
    }
    println!("ms to the first record: tailspool {ours:.0?}, bare librdkafka {others:.0?}");
    let (ours, others) = (median(ours.into_iter()), median(others.into_iter()));
    println!("medians: {ours:.0} and {others:.0}, {:+.0}", ours - others);
}

fn until_first(kafka: &Kafka, start: Start) -> Duration {
    let (site, topic, bootstrap) = (Site::new(), kafka.topic("begin", 1, &[]), kafka.bootstrap());
    fs::write(site.log("app.log"), "one line\n").expect("a temporary folder is writable");
    let consumer = consumer(&bootstrap);
    while partitions(&consumer, &topic).is_none() {}
    let holds_one = || {
        let marks = consumer.fetch_watermarks(&topic, 0, Duration::from_secs(1));
        marks.is_ok_and(|(_, high)| high > 0)
    };
    // Its connection is made.
    assert!(!holds_one());
    let began = clock::now();
    let started = start(&site, &bootstrap, &topic);
    while !holds_one() {}
    let took = began.elapsed();
    drop(started);
    took
}

fn tailspool(site: &Site, bootstrap: &str, topic: &str) -> Box<dyn Any> {
    Box::new(site.run(&site.config(bootstrap, topic)))
}

fn bare(_: &Site, bootstrap: &str, topic: &str) -> Box<dyn Any> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("enable.idempotence", "true");
    let producer: BaseProducer = config.create().expect("a plain producer can be made");
    let record = BaseRecord::<(), str>::to(topic).payload("one line");
    producer.send(record).map_err(|(error, _)| error).expect("room");
    Box::new(producer)
}

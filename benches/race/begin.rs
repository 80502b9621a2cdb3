//! From the start of the program until Kafka holds its first record: tailspool, and kcat with
//! idempotence, in turns.

use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use rdkafka::consumer::Consumer;
use tailspool::clock;

use crate::process::start;
use crate::score::median;
use crate::support::children::{Power, end, guarded, spawn};
use crate::support::config::Config;
use crate::support::kafka::{Kafka, Pace};
use crate::support::reader::{consumer, partitions};
use crate::support::site::Site;

pub(crate) fn run(rounds: u64) {
    let kafka = Kafka::up(1, Pace::Racing);
    // The broker's own first producer takes longest.
    until_first(&kafka, kcat);
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(until_first(&kafka, tailspool).as_secs_f64() * 1000.0);
        bare.push(until_first(&kafka, kcat).as_secs_f64() * 1000.0);
    }
    println!("ms to the first record: tailspool {ours:.0?}, kcat with idempotence {bare:.0?}");
    let (ours, bare) = (median(ours.into_iter()), median(bare.into_iter()));
    println!("medians: {ours:.0} and {bare:.0}, {:.0} more", ours - bare);
}

fn until_first(kafka: &Kafka, program: fn(&Site, &str, &str) -> Child) -> Duration {
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
    let mut child = program(&site, &bootstrap, &topic);
    while !holds_one() {}
    let took = began.elapsed();
    end(&mut child);
    took
}

fn tailspool(site: &Site, bootstrap: &str, topic: &str) -> Child {
    let config = Config::new(&site.state(), bootstrap).input("begin", &site.log("*.log"), topic);
    site.write_config(&config.to_yaml());
    start(site)
}

fn kcat(site: &Site, bootstrap: &str, topic: &str) -> Child {
    let mut command = guarded("kcat", Power::AsWeAre);
    command.args(["-P", "-b", bootstrap, "-t", topic, "-X", "enable.idempotence=true"]);
    let log = fs::File::open(site.log("app.log")).expect("it was written");
    command.stdin(log).stdout(Stdio::null()).stderr(Stdio::null());
    spawn(command)
}

//! From append to consumed, against a line handed to bare librdkafka in the same process: in turns,
//! after the same rest, so that neither finds what the other has woken.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use tailspool::clock;

use crate::support::config::Config;
use crate::support::kafka::{Kafka, Pace};
use crate::support::site::Site;

const LINGER_MS: &str = "5";
const ARRIVES_WITHIN: Duration = Duration::from_secs(30);
/// Files that are written to in turn, so that each rests while the others are.
const FILES: usize = 100;

struct Track {
    site: Site,
    topic: String,
    bare: BaseProducer,
    consumer: BaseConsumer,
    number: u64,
}

pub(crate) fn run(idle: u64) {
    let kafka = Kafka::up(1, Pace::Racing);
    let mut track = Track::lay(&kafka, idle);
    let daemon = track.site.run_again();
    // Connections are made, code is warm.
    for _ in 0..20 {
        track.tailspool("log0.log");
        track.bare();
    }
    println!(
        "milliseconds from append to consumed, linger.ms={LINGER_MS}: tailspool, bare, difference"
    );
    let one = |_: usize| "log0.log".to_owned();
    let turns = |number: usize| format!("log{}.log", number % FILES);
    let fresh = |number: usize| format!("new{number}.log");
    let ms = Duration::from_millis;
    track.report("one file, every 0.1 s", 200, ms(50), one);
    track.report("one file, every 1 s", 50, ms(500), one);
    // Of the first round each file is new.
    for number in 0..FILES {
        track.tailspool(&turns(number));
    }
    track.report("each file after 20 s, others between", FILES, ms(100), turns);
    track.report("everything quiet for 20 s", 5, ms(20_000), one);
    track.report("a new file, every 0.2 s", 200, ms(100), fresh);
    daemon.kill();
}

impl Track {
    fn lay(kafka: &Kafka, idle: u64) -> Self {
        let (site, bootstrap) = (Site::new(), kafka.bootstrap());
        for number in 0..idle {
            File::create(site.log(&format!("idle{number:06}.log"))).expect("writable");
        }
        let topic = kafka.topic("latency", 1, &[]);
        let config = Config::new(&site.state(), &bootstrap).kafka("linger.ms", LINGER_MS);
        site.write_config(&config.input("latency", &site.log("*.log"), &topic).to_yaml());
        let bare = ClientConfig::new()
            .set("bootstrap.servers", &bootstrap)
            .set("enable.idempotence", "true")
            .set("linger.ms", LINGER_MS)
            .create();
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &bootstrap)
            .set("group.id", "latency")
            .set("enable.auto.commit", "false")
            .create()
            .expect("a plain consumer can be made");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, 0, Offset::Beginning).expect("a valid offset");
        consumer.assign(&list).expect("a partition that exists");
        Self { site, topic, bare: bare.expect("a plain producer"), consumer, number: 0 }
    }

    fn tailspool(&mut self, file: &str) -> Duration {
        let path = self.site.log(file);
        self.one(|_, line| append(&path, line))
    }

    fn bare(&mut self) -> Duration {
        self.one(|track, line| {
            let record = BaseRecord::<(), str>::to(&track.topic).partition(0).payload(line);
            track.bare.send(record).map_err(|(error, _)| error).expect("room");
        })
    }

    fn one(&mut self, send: impl FnOnce(&Self, &str)) -> Duration {
        self.number += 1;
        let line = format!("line {}", self.number);
        let began = clock::now();
        send(self, &line);
        self.arrival(&line).duration_since(began)
    }

    fn arrival(&self, line: &str) -> Instant {
        let began = clock::now();
        while began.elapsed() < ARRIVES_WITHIN {
            self.bare.poll(Duration::ZERO);
            if let Some(Ok(message)) = self.consumer.poll(Duration::from_millis(50))
                && message.payload() == Some(line.as_bytes())
            {
                return clock::now();
            }
        }
        panic!("{line} never came")
    }

    fn report(
        &mut self,
        what: &str,
        samples: usize,
        gap: Duration,
        file: impl Fn(usize) -> String,
    ) {
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for number in 0..samples {
            thread::sleep(gap);
            ours.push(self.tailspool(&file(number)));
            thread::sleep(gap);
            bare.push(self.bare());
        }
        ours.sort_unstable();
        bare.sort_unstable();
        for (name, part) in [("p50", 50), ("p99", 99)] {
            let [ours, bare] = [&ours, &bare].map(|all| ms(all[(all.len() - 1) * part / 100]));
            println!("{what:<38} {name} {ours:>7.1} {bare:>7.1} {:>7.1}", ours - bare);
        }
    }
}

impl Drop for Track {
    fn drop(&mut self) {
        self.bare.flush(ARRIVES_WITHIN).ok();
    }
}

fn append(path: &Path, line: &str) {
    let mut file = fs::OpenOptions::new().append(true).create(true).open(path).expect("a log");
    writeln!(file, "{line}").expect("a log can be written");
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

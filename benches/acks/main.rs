//! What `acks` and `min.insync.replicas` are worth: a file is shipped to a topic with three
//! replicas, the followers stall for a moment, the leader is killed and comes back later. Prints the
//! table of `docs/acks.md`: what was lost, repeated, out of order, and for how long nothing was
//! written.
//!
//! usage: cargo bench --bench acks -- [--rate 20000]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measurement fails by panicking"
)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what a bench prints is its report")]

#[allow(dead_code, reason = "one number is asked for")]
#[path = "../support/arguments.rs"]
mod arguments;
#[allow(dead_code, reason = "it needs a part of what the tests need")]
#[path = "../../tests/e2e/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use arguments::number;
use support::kafka::{Kafka, Pace};
use support::pulse::Marks;
use support::reader::Reader;
use support::site::Site;
use support::verdict::{Verdict, Written};
use support::wait::{GENEROUS, poll, wait_for, wait_until};
use support::writer::{Plan, Writer};
use tailspool::clock;

/// How long the followers stand still before the leader dies: less than `replica.lag.time.max.ms`,
/// so that they still count as in sync.
const STALL: Duration = Duration::from_secs(1);
/// How long the leader stays away.
const AWAY: Duration = Duration::from_secs(20);
const WARM: u64 = 20_000;
const NEVER: u64 = u64::MAX;

fn main() {
    let rate = number("--rate", 20_000);
    let kafka = Kafka::up(3, Pace::Racing);
    println!(
        "| `acks` | `min.insync.replicas` | lost | repeated | out of order | longest pause while the leader was away |"
    );
    println!("|---|---|---|---|---|---|");
    for acks in ["all", "1", "0"] {
        for min in ["1", "2", "3"] {
            let seen = Case { kafka: &kafka, acks, min, rate }.run();
            println!(
                "| {acks} | {min} | {} | {} | {} | {} |",
                seen.lost,
                seen.repeated,
                seen.inverted,
                seen.pause()
            );
        }
    }
}

struct Case<'k> {
    kafka: &'k Kafka,
    acks: &'static str,
    min: &'static str,
    rate: u64,
}

struct Seen {
    lost: usize,
    repeated: u64,
    inverted: u64,
    longest_pause: Duration,
    /// It ended only with the leader's return.
    is_blocked: bool,
}

impl Seen {
    fn pause(&self) -> String {
        if self.is_blocked {
            return "until it was back".to_owned();
        }
        format!("{:.1} s", self.longest_pause.as_secs_f64())
    }
}

impl Case<'_> {
    fn run(&self) -> Seen {
        let topic = self.kafka.topic("acks", 1, &[("min.insync.replicas", self.min)]);
        self.kafka.wait_in_sync(&topic);
        let (site, bootstrap) = (Site::new(), self.kafka.bootstrap());
        let path = site.log("a.log");
        let writer =
            Writer::start(&path, Plan { lines_per_second: self.rate, rotate_every: NEVER });
        let config = site.config(&bootstrap, &topic).kafka("acks", self.acks);
        let config = config.kafka("linger.ms", "5");
        let daemon = site.run(&config);
        let marks = Marks::of(&bootstrap, &topic);
        let records = || marks.records().unwrap_or_default();
        wait_until("the shipping to be under way", GENEROUS, || records() >= WARM);

        let leader = wait_for("the leader", GENEROUS, || self.kafka.leader(&topic, 0));
        let followers: Vec<usize> = (0..3).filter(|broker| *broker != leader).collect();
        followers.iter().for_each(|follower| self.kafka.freeze(*follower));
        poll(STALL, || None::<()>);
        self.kafka.kill(leader);
        followers.iter().for_each(|follower| self.kafka.thaw(*follower));
        let pauses = Pauses::watch(AWAY, records);
        self.kafka.restart(leader);
        let (name, count) = writer.stop();
        daemon.stop().assert_code(0);
        // What it could not deliver by then is in the spool.
        site.tailspool(&["run", "--once"]).assert_code(0);
        self.judge(&topic, &pauses, &Written::from([(name, count)]))
    }

    fn judge(&self, topic: &str, pauses: &Pauses, written: &Written) -> Seen {
        let mut verdict = Verdict::default();
        Reader::from_beginning(&self.kafka.bootstrap(), topic).judge_rest(&mut verdict);
        let lost = written.iter().map(|(name, count)| verdict.missing(name, *count).len()).sum();
        Seen {
            lost,
            repeated: verdict.repeats(),
            inverted: verdict.inversions(),
            longest_pause: pauses.longest,
            is_blocked: pauses.lasts,
        }
    }
}

/// When nothing was written.
struct Pauses {
    longest: Duration,
    /// One lasted to the end.
    lasts: bool,
}

impl Pauses {
    fn watch(time: Duration, records: impl Fn() -> u64) -> Self {
        let began = clock::now();
        let (mut last, mut since, mut longest) = (0, began, Duration::ZERO);
        let pause = |since: Instant, now: Instant| now.duration_since(since);
        poll(time, || {
            let (now, count) = (clock::now(), records());
            if count > last {
                longest = longest.max(pause(since, now));
                (last, since) = (count, now);
            }
            None::<()>
        });
        let still = pause(since, clock::now());
        Self { longest: longest.max(still), lasts: still > time / 2 }
    }
}

//! A race over the same lines into the same Kafka: `tailspool run` against `kcat -P`, the thinnest
//! program on the same client library, and against every peer that is installed.
//!
//! usage: cargo bench --bench race -- [--lines 1000000] [--files 4] [--width 170] [--partitions 3]
//!        [--compression none] [--level N] [--rounds 3] [--peers kcat,rsyslog]
//!
//! Each starts with nothing, reads the same files from their beginning and has to put every line into
//! a fresh topic with acks=all; they take turns, so that a busy machine is busy for all, behind a lap
//! that warms up the broker and does not count. Printed are lines a second from start until the topic
//! holds every line, CPU seconds (user and system) and peak resident memory; then every line is read
//! back: of tailspool all have to be there, in order, and once; of the others it is printed what was
//! lost or repeated. `--width` is what a line has in bytes.
//!
//! Instead of that:
//! - `--carried`: what a key, headers, a container's format, multiline, a filter, JSON cost tailspool;
//! - `--tuned`: what `compression.type`, `buffer.memory` and `linger.ms` change;
//! - `--outage`: into the spool while Kafka is away, kill -9, open, and out of it again;
//! - `--steady [--rate 10000] [--rest 60]`: a writer of so many lines a second, in bursts of 100;
//! - `--begin`: from the start of the program to the first record, against bare librdkafka;
//! - `--idle N [--rest 60]`: what N idle files and one busy cost, for as many seconds each; and what a
//!   line of each takes while the broker is frozen;
//! - `--latency [--idle N]`: from append to consumed, against bare librdkafka in the same process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measurement fails by panicking"
)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what a bench prints is its report")]

#[path = "../support/arguments.rs"]
mod arguments;
mod begin;
mod carried;
mod course;
mod entrant;
mod latency;
mod many;
mod outage;
mod peers;
mod process;
mod score;
mod steady;
#[allow(dead_code, reason = "the race needs a part of what the tests need")]
#[path = "../../tests/e2e/support/mod.rs"]
mod support;
mod tuned;

use std::time::Duration;

use arguments::{is_asked, number};
use course::{Course, Plan};
use entrant::{Entrant, Setup};

fn main() {
    let (idle, rounds) = (number("--idle", 0), number("--rounds", 3));
    let rest = Duration::from_secs(number("--rest", 60));
    if is_asked("--latency") {
        latency::run(idle);
    } else if is_asked("--begin") {
        begin::run(rounds);
    } else if is_asked("--steady") {
        steady::run(number("--rate", 10_000), rest);
    } else if is_asked("--outage") {
        outage::run(Plan::asked(1), rounds);
    } else if is_asked("--carried") {
        carried::run(Plan::asked(1), rounds);
    } else if is_asked("--tuned") {
        tuned::run(Plan::asked(1), rounds);
    } else if idle > 0 {
        many::run(idle, rest);
    } else {
        let course = Course::lay(Plan::asked(4));
        let entrants =
            [vec![Entrant::tailspool("tailspool", Setup::PLAIN)], peers::asked()].concat();
        score::report(course.plan.lines, &course.race(&entrants, rounds));
    }
}

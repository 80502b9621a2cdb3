//! A race over the same lines into the same Kafka: `tailspool run` against `kcat -P`, the thinnest
//! program on the same client library.
//!
//! usage: cargo bench --bench race -- [--lines 1000000] [--rounds 3] [--files 4] [--compression none]
//!
//! Both start with nothing, read the same files from their beginning and have to put every line into
//! a fresh topic with acks=all; they take turns, so that a busy machine is busy for both. Printed are
//! lines a second from start until the topic holds every line, CPU seconds (user and system) and peak
//! resident memory; then every line is read back and proved. `kcat` gets its files from a `cat`, which
//! counts as part of it.
//!
//! `--idle N [--rest 60]` instead: what N idle files and one busy cost, for as many seconds each;
//! `--latency [--idle N]`: from append to consumed, against bare librdkafka in the same process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measurement fails by panicking"
)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what a bench prints is its report")]

mod latency;
mod many;
mod runner;
mod score;
#[allow(dead_code, reason = "the race needs a part of what the tests need")]
#[path = "../../tests/e2e/support/mod.rs"]
mod support;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::Duration;

use support::kafka::{Kafka, Pace};
use support::lines;
use support::pulse::Marks;
use support::reader::Reader;
use support::site::Site;
use support::verdict::{Verdict, Written};
use support::wait::wait_for;
use tailspool::clock;

use runner::Runner;
use score::{Lap, report};

const PARTITIONS: i32 = 3;
const LAP_MAX: Duration = Duration::from_mins(10);
/// Lines are written, and numbered, in pieces of this size.
const PIECE: u64 = 10_000;

struct Course {
    kafka: Kafka,
    /// Holds the files; a state directory and configuration are made for each lap.
    site: Site,
    files: Vec<PathBuf>,
    written: Written,
    compression: String,
}

fn main() {
    let idle = number("--idle", 0);
    if std::env::args().any(|argument| argument == "--latency") {
        return latency::run(idle);
    }
    if idle > 0 {
        return many::run(idle, Duration::from_secs(number("--rest", 60)));
    }
    let lines = number("--lines", 1_000_000);
    let rounds = number("--rounds", 3);
    let course = Course::lay(lines, number("--files", 4), text("--compression", "none"));
    let (cores, compression) =
        (std::thread::available_parallelism().map_or(1, usize::from), &course.compression);
    println!(
        "{lines} lines in {} files, acks=all, compression={compression}, {cores} cores shared with the broker",
        course.files.len()
    );
    let mut laps: [Vec<Lap>; 2] = Default::default();
    for round in 1..=rounds {
        for (runner, laps) in [Runner::Tailspool, Runner::Kcat].into_iter().zip(&mut laps) {
            let lap = course.run(runner);
            println!("  round {round}, {runner}: {lap}");
            laps.push(lap);
        }
    }
    report(lines, &laps);
}

impl Course {
    fn lay(lines: u64, files: u64, compression: String) -> Self {
        let site = Site::new();
        let counts = (0..files).map(|file| lines / files + u64::from(file < lines % files));
        let named = counts.enumerate().map(|(file, count)| (format!("app{file}.log"), count));
        let written: Written = named.collect();
        let files: Vec<PathBuf> = written.keys().map(|name| site.log(name)).collect();
        for ((name, count), path) in written.iter().zip(&files) {
            write_lines(&mut BufWriter::new(File::create(path).unwrap()), name, *count);
        }
        Self { kafka: Kafka::up(1, Pace::Racing), site, files, written, compression }
    }

    fn total(&self) -> u64 {
        self.written.values().sum()
    }

    fn run(&self, runner: Runner) -> Lap {
        let topic = self.kafka.topic(&runner.to_string(), PARTITIONS, &[]);
        let bootstrap = self.kafka.bootstrap();
        let marks = Marks::of(&bootstrap, &topic);
        let started = clock::now();
        let mut running = runner.start(self, &bootstrap, &topic);
        let what = format!("{runner} to deliver every line");
        let took = wait_for(&what, LAP_MAX, || {
            running.look();
            marks
                .records()
                .is_some_and(|records| records >= self.total())
                .then(|| started.elapsed())
        });
        let used = running.end();
        let mut verdict = Verdict::default();
        Reader::from_beginning(&bootstrap, &topic).judge(&mut verdict, &self.written, LAP_MAX);
        runner.accept(&verdict, &self.written);
        Lap { took, used }
    }
}

fn write_lines(into: &mut impl Write, name: &str, count: u64) {
    let mut next = 0;
    while next < count {
        let until = count.min(next + PIECE);
        into.write_all(lines::lines(name, next..until).as_bytes()).unwrap();
        next = until;
    }
    into.flush().unwrap();
}

fn text(option: &str, default: &str) -> String {
    let mut arguments = std::env::args().skip_while(|argument| argument != option).skip(1);
    arguments.next().unwrap_or_else(|| default.to_owned())
}

fn number(option: &str, default: u64) -> u64 {
    text(option, &default.to_string()).parse().expect("a number")
}

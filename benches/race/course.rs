//! The lines, the Kafka, and the laps.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tailspool::clock;

use crate::arguments::{number, text};
use crate::entrant::{Entrant, Proof};
use crate::process::Running;
use crate::score::{Lap, Row};
use crate::support::kafka::{Kafka, Pace};
use crate::support::lines;
use crate::support::pulse::Marks;
use crate::support::reader::Reader;
use crate::support::site::Site;
use crate::support::verdict::{Verdict, Written};
use crate::support::wait::poll;

const LAP_MAX: Duration = Duration::from_mins(10);
/// Lines are written, and numbered, in pieces of this size.
const PIECE: u64 = 10_000;

/// What a line is in its log, by its number and its text.
pub(crate) type Dressed<'d> = &'d dyn Fn(u64, String) -> String;

pub(crate) struct Plan {
    pub(crate) lines: u64,
    pub(crate) files: u64,
    /// Of a line, in bytes; those that are not asked for differ.
    pub(crate) width: Option<usize>,
    pub(crate) partitions: i32,
    pub(crate) codec: String,
    pub(crate) level: Option<String>,
}

pub(crate) struct Course {
    pub(crate) plan: Plan,
    pub(crate) kafka: Kafka,
    pub(crate) site: Site,
    written: Written,
}

/// What an entrant has to know of its lap.
pub(crate) struct Heat<'c> {
    pub(crate) plan: &'c Plan,
    pub(crate) bootstrap: String,
    pub(crate) topic: String,
    pub(crate) logs: Vec<PathBuf>,
    /// Where the logs are.
    pub(crate) log_dir: PathBuf,
    /// Where it may keep what it wants to.
    pub(crate) dir: PathBuf,
}

impl Plan {
    pub(crate) fn asked(files: u64) -> Self {
        Self {
            lines: number("--lines", 1_000_000),
            files: number("--files", files),
            width: text("--width").map(|width| width.parse().expect("a number")),
            partitions: i32::try_from(number("--partitions", 3)).expect("few"),
            codec: text("--compression").unwrap_or_else(|| "none".to_owned()),
            level: text("--level"),
        }
    }

    /// The level of compression with what is around it, if one was asked for.
    pub(crate) fn level(&self, around: impl Fn(&str) -> String) -> String {
        self.level.as_deref().map(around).unwrap_or_default()
    }

    /// How many lines each log gets.
    fn logs(&self) -> Written {
        let count = |file| self.lines / self.files + u64::from(file < self.lines % self.files);
        let stem = self.width.map_or_else(|| "app".to_owned(), |width| format!("wide{width}-"));
        (0..self.files).map(|file| (format!("{stem}{file}.log"), count(file))).collect()
    }
}

impl Course {
    pub(crate) fn lay(plan: Plan) -> Self {
        let (site, written) = (Site::new(), plan.logs());
        for (name, count) in &written {
            write_lines(&site.log(name), name, *count, &|_, line| line);
        }
        Self { plan, kafka: Kafka::up(1, Pace::Racing), site, written }
    }

    /// The same lines once more in another log, each as `dressed`.
    pub(crate) fn add(&self, log: &str, dressed: Dressed<'_>) {
        for (name, count) in &self.written {
            write_lines(&self.site.log(log), name, *count, dressed);
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.written.values().sum()
    }

    /// All of them in turns; prints the laps.
    pub(crate) fn race(&self, entrants: &[Entrant], rounds: u64) -> Vec<Row> {
        self.announce();
        if let Some(first) = entrants.first() {
            self.warm_up(first);
        }
        let row = |entrant: &Entrant| Row { name: entrant.name.clone(), laps: Vec::new() };
        let mut rows: Vec<Row> = entrants.iter().map(row).collect();
        for round in 1..=rounds {
            for (entrant, row) in entrants.iter().zip(&mut rows) {
                row.add(round, self.run(entrant));
            }
        }
        rows
    }

    pub(crate) fn announce(&self) {
        let plan = &self.plan;
        println!(
            "{} lines in {} files, acks=all, compression={}{}, {} partitions, {} cores shared with the broker",
            plan.lines,
            plan.files,
            plan.codec,
            plan.level(|level| format!(" level {level}")),
            plan.partitions,
            std::thread::available_parallelism().map_or(1, usize::from),
        );
    }

    /// A broker that has just started is slow, and it must not be the first entrant's loss.
    pub(crate) fn warm_up(&self, first: &Entrant) {
        println!("  to warm up, {}: {}", first.name, self.run(first));
    }

    pub(crate) fn run(&self, entrant: &Entrant) -> Lap {
        let configs = [("file.delete.delay.ms", "1000")];
        let topic = self.kafka.topic("race", self.plan.partitions, &configs);
        let heat = Heat {
            plan: &self.plan,
            bootstrap: self.kafka.bootstrap(),
            logs: self.written.keys().map(|name| self.site.log(name)).collect(),
            log_dir: self.site.log(""),
            dir: self.site.root().join(&topic),
            topic,
        };
        fs::create_dir(&heat.dir).expect("a temporary folder is writable");
        let marks = Marks::of(&heat.bootstrap, &heat.topic);
        let started = clock::now();
        let mut running = Running::new((entrant.start)(&heat));
        let took = poll(LAP_MAX, || {
            running.look();
            // A peer may end when it has read all; we go on until we are told to stop.
            assert!(entrant.proof == Proof::Told || running.runs(), "{} ended", entrant.name);
            marks
                .records()
                .is_some_and(|records| records >= self.total())
                .then(|| started.elapsed())
        });
        let used = running.end();
        let mut lap = Lap { took: took.unwrap_or(LAP_MAX), used, lost: 0, repeated: 0 };
        self.prove(entrant, &heat, &mut lap);
        self.kafka.delete(&heat.topic);
        fs::remove_dir_all(&heat.dir).expect("a temporary folder of ours");
        lap
    }

    fn prove(&self, entrant: &Entrant, heat: &Heat<'_>, lap: &mut Lap) {
        if entrant.proof == Proof::Counted {
            let marks = Marks::of(&heat.bootstrap, &heat.topic);
            return assert_eq!(marks.records(), Some(self.total()), "{}", entrant.name);
        }
        let mut verdict = Verdict::default();
        Reader::from_beginning(&heat.bootstrap, &heat.topic).judge_rest(&mut verdict);
        if entrant.proof == Proof::InOrder {
            verdict.assert_complete_and_in_order(&self.written);
            assert_eq!(verdict.repeats(), 0, "{} repeated lines\n{verdict}", entrant.name);
        }
        let missing = |(name, count): (&String, &u64)| verdict.missing(name, *count).len();
        lap.lost = self.written.iter().map(missing).sum();
        lap.repeated = verdict.repeats();
    }
}

fn write_lines(path: &Path, name: &str, count: u64, dressed: Dressed<'_>) {
    let log = File::options().append(true).create(true).open(path);
    let mut log = BufWriter::new(log.expect("a temporary folder is writable"));
    for from in (0..count).step_by(usize::try_from(PIECE).expect("small")) {
        for number in from..count.min(from + PIECE) {
            let line = dressed(number, lines::line(name, number));
            writeln!(log, "{line}").expect("a log can be written");
        }
    }
    log.flush().expect("a log can be written");
}

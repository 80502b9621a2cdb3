//! Random lives of one log under the real program, on real file systems: written, rotated,
//! copied and truncated, deleted, made anew, moved out of the glob and back, while the daemon is
//! paused, stopped, killed and started. Every line arrives that could be read.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use crate::support::daemon::Daemon;
use crate::support::dice::Dice;
use crate::support::ground;
use crate::support::lines;
use crate::support::reader::Reader;
use crate::support::site::{Site, append};
use crate::support::totals::Totals;
use crate::support::verdict::Verdict;
use crate::support::wait::{GENEROUS, wait_until};

const LIVE: &str = "app.log";
const AWAY: &str = "elsewhere";
const KEPT_MAX: u32 = 5;

/// `TAILSPOOL_LONG=1` makes walks longer.
fn steps() -> u64 {
    if std::env::var_os("TAILSPOOL_LONG").is_some() { 400 } else { 60 }
}

/// Whether the daemon may be killed. Without that, nothing may come twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kills {
    Allowed,
    Never,
}

/// One file, whatever its name, and the numbers of its lines.
#[derive(Default)]
struct Inode {
    name: String,
    lines: Vec<u64>,
}

struct Walk {
    /// It lives as long as the walk.
    _mock: MockCluster<'static, DefaultProducerContext>,
    site: Site,
    dice: Dice,
    daemon: Option<Daemon>,
    is_paused: bool,
    inodes: Vec<Inode>,
    writer: Option<File>,
    next: u64,
    /// Lines that stand in no file any more: they may have been read in time.
    destroyed: BTreeSet<u64>,
    /// Lines below this were safe when last asked.
    settled: u64,
    repeats_max: u64,
    totals: Totals,
    reader: Reader,
    verdict: Verdict,
}

impl Walk {
    fn begin(test: &str) -> Self {
        let mock = MockCluster::new(1).expect("a mock cluster");
        mock.create_topic("logs", 1, 1).expect("a mock topic");
        let site = Site::new();
        let config = site.config(&mock.bootstrap_servers(), "logs");
        let config = config.top("checkpoint_interval", "200ms");
        let daemon = Some(site.run(&config));
        let reader = Reader::from_beginning(&mock.bootstrap_servers(), "logs");
        Self {
            dice: Dice::thrown_for(test),
            _mock: mock,
            site,
            daemon,
            is_paused: false,
            inodes: Vec::new(),
            writer: None,
            next: 0,
            destroyed: BTreeSet::new(),
            settled: 0,
            repeats_max: 0,
            totals: Totals::default(),
            reader,
            verdict: Verdict::default(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.site.log(name)
    }

    fn named(&mut self, name: &str) -> Option<&mut Inode> {
        self.inodes.iter_mut().find(|inode| inode.name == name)
    }

    fn reopen(&mut self) {
        let path = self.path(LIVE);
        let file = OpenOptions::new().append(true).create(true).open(path);
        self.writer = Some(file.expect("a log can be opened"));
        if self.named(LIVE).is_none() {
            self.inodes.push(Inode { name: LIVE.to_owned(), lines: Vec::new() });
        }
    }

    /// In pieces that end anywhere.
    fn write(&mut self, count: u64) {
        if self.named(LIVE).is_none() {
            self.reopen();
        }
        let numbers = self.next..self.next + count;
        let text = lines::lines(LIVE, numbers.clone());
        let cut = self.dice.between(0, text.len() as u64 + 1);
        let (head, tail) = text.split_at(usize::try_from(cut).expect("small"));
        let file = self.writer.as_mut().expect("it was opened");
        file.write_all(head.as_bytes()).expect("a log can be written");
        file.write_all(tail.as_bytes()).expect("a log can be written");
        self.named(LIVE).expect("it is there").lines.extend(numbers);
        self.next += count;
    }

    fn rename(&mut self, from: &str, to: &str) {
        self.forget(to);
        fs::rename(self.path(from), self.path(to)).expect("a log can be renamed");
        to.clone_into(&mut self.named(from).expect("it is there").name);
    }

    /// What has this name has it no more.
    fn forget(&mut self, name: &str) {
        if let Some(at) = self.inodes.iter().position(|inode| inode.name == name) {
            let gone = self.inodes.remove(at).lines;
            self.destroy(gone);
        }
    }

    /// Unless they stand in another file, too.
    fn destroy(&mut self, lines: Vec<u64>) {
        let kept: BTreeSet<u64> =
            self.inodes.iter().flat_map(|inode| &inode.lines).copied().collect();
        self.destroyed.extend(lines.into_iter().filter(|line| !kept.contains(line)));
    }

    fn aged(age: u32) -> String {
        format!("{LIVE}.{age}")
    }

    fn shift(&mut self) {
        for age in (1..=KEPT_MAX).rev() {
            if self.named(&Self::aged(age)).is_some() {
                self.rename(&Self::aged(age), &Self::aged(age + 1));
            }
        }
        self.delete(&Self::aged(KEPT_MAX + 1));
    }

    fn rotate(&mut self) {
        if self.named(LIVE).is_some() {
            self.shift();
            self.rename(LIVE, &Self::aged(1));
        }
    }

    fn copytruncate(&mut self) {
        if self.named(LIVE).is_none_or(|live| live.lines.is_empty()) {
            return;
        }
        // A file that was never seen to hold anything cannot be known to have been copied.
        self.settle();
        let more = self.dice.between(0, 50);
        self.write(more);
        self.shift();
        fs::copy(self.path(LIVE), self.path(&Self::aged(1))).expect("a log can be copied");
        let lines = self.named(LIVE).expect("it is there").lines.clone();
        self.inodes.push(Inode { name: Self::aged(1), lines });
        // These it loses itself.
        let lost = self.dice.between(0, 20);
        self.write(lost);
        self.truncate();
        // Nor can a copy be known of what went before anybody saw that it was truncated.
        self.settle();
    }

    fn truncate(&mut self) {
        if self.named(LIVE).is_some() {
            let file = OpenOptions::new().write(true).open(self.path(LIVE));
            file.and_then(|file| file.set_len(0)).expect("a log can be truncated");
            let lines = std::mem::take(&mut self.named(LIVE).expect("it is there").lines);
            self.destroy(lines);
        }
    }

    fn delete(&mut self, name: &str) {
        if self.named(name).is_some() {
            fs::remove_file(self.path(name)).expect("a log can be deleted");
            self.forget(name);
        }
    }

    fn away(&mut self) {
        if self.named(LIVE).is_some() {
            self.delete(AWAY);
            self.rename(LIVE, AWAY);
        }
    }

    /// Only while nothing came after it.
    fn back(&mut self) {
        let latest = self.next.checked_sub(1);
        let is_latest = self.named(AWAY).is_some_and(|away| away.lines.last().copied() == latest);
        if is_latest && self.named(LIVE).is_none() {
            self.rename(AWAY, LIVE);
        }
    }

    fn pause(&mut self) {
        if let Some(daemon) = &self.daemon {
            if self.is_paused {
                daemon.resume();
            } else {
                daemon.pause();
            }
            self.is_paused = !self.is_paused;
        }
    }

    fn start(&mut self) {
        if self.daemon.is_none() {
            self.daemon = Some(self.site.run_again());
        }
    }

    fn wake(&mut self) {
        if self.is_paused {
            self.pause();
        }
    }

    fn stop(&mut self) {
        self.wake();
        if let Some(mut daemon) = self.daemon.take() {
            // Before that nobody listens to signals.
            daemon.hears("that it runs", |line| line.contains("running"));
            let finished = daemon.stop();
            finished.assert_code(0);
            self.totals.add(&finished.err.lines().map(str::to_owned).collect::<Vec<_>>());
        }
    }

    /// What was not safe when last asked may come again.
    fn kill(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            self.totals.add(&daemon.said());
            daemon.kill();
            self.is_paused = false;
            self.repeats_max += self.next - self.settled;
        }
    }

    /// Waits until every line that is in reach has arrived, and is known to have.
    fn settle(&mut self) {
        self.wake();
        self.start();
        let in_reach = self.inodes.iter().filter(|inode| inode.name != AWAY);
        let expected: Vec<u64> = in_reach.flat_map(|inode| &inode.lines).copied().collect();
        let has = |verdict: &Verdict| expected.iter().all(|line| verdict.has(LIVE, *line));
        self.reader.judge_until(&mut self.verdict, GENEROUS, has);
        let missing: Vec<_> = expected.iter().filter(|it| !self.verdict.has(LIVE, **it)).collect();
        assert!(missing.is_empty(), "lost {missing:?}\n{}", self.verdict);
        let kept = self.site.kept();
        let is_safe = |path: PathBuf| kept.has_accepted(&path);
        let names: Vec<_> = self.inodes.iter().map(|inode| inode.name.clone()).collect();
        let names = names.into_iter().filter(|name| name != AWAY);
        let paths: Vec<_> = names.map(|name| self.path(&name)).collect();
        wait_until("all to be safe", GENEROUS, || paths.iter().cloned().all(is_safe));
        self.settled = self.next;
    }

    fn step(&mut self, kills: Kills) {
        let what = self.dice.between(0, 23);
        match what {
            0..=5 => {
                let count = self.dice.between(1, 200);
                self.write(count);
            }
            6 => self.rotate(),
            7 => {
                for _ in 0..3 {
                    let count = self.dice.between(1, 20);
                    self.write(count);
                    self.rotate();
                }
            }
            8 => self.copytruncate(),
            9 => self.truncate(),
            10 => {
                let size = self.named(LIVE).map_or(0, |live| live.lines.len() as u64);
                self.truncate();
                self.write(size + 1);
            }
            11 => self.delete(LIVE),
            12 => {
                self.delete(LIVE);
                self.write(1);
            }
            13 => self.away(),
            14 => self.back(),
            15 => self.pause(),
            16 => self.stop(),
            17 if kills == Kills::Allowed => self.kill(),
            18 => self.settle(),
            _ => self.start(),
        }
    }

    fn end(mut self, test: &str) {
        self.settle();
        self.stop();
        self.reader.judge_rest(&mut self.verdict);
        let missing = self.verdict.missing(LIVE, self.next);
        let (lost, repeats) = (self.totals.lost_bytes(), self.verdict.repeats());
        println!(
            "{test}: {} lines, {} went before they were read, {lost} bytes said to be lost, \
             {repeats} repeats (at most {})\n{}",
            self.next,
            missing.len(),
            self.repeats_max,
            self.verdict
        );
        let away = self.named(AWAY).map(|away| away.lines.clone()).unwrap_or_default();
        let unexplained: Vec<_> = missing
            .iter()
            .filter(|line| !self.destroyed.contains(line) && !away.contains(line))
            .collect();
        assert!(unexplained.is_empty(), "lost {unexplained:?}\n{}", self.verdict);
        assert_eq!((self.verdict.inversions(), self.verdict.damaged()), (0, 0), "{}", self.verdict);
        assert!(repeats <= self.repeats_max, "{repeats} repeats, {} at most", self.repeats_max);
        let bytes = |line: &u64| lines::line(LIVE, *line).len() as u64 + 1;
        let gone: u64 = missing.iter().map(bytes).sum();
        // What a kill makes it read again may be gone by then, and was delivered nevertheless.
        let excused = self.repeats_max * 256;
        assert!(lost <= gone + excused, "{lost} bytes said to be lost, {gone} are missing");
    }
}

fn walk(test: &str, kills: Kills) {
    let mut walk = Walk::begin(test);
    // A name that was never there has no rotated files.
    walk.write(1);
    walk.settle();
    for _ in 0..steps() {
        walk.step(kills);
    }
    walk.end(test);
}

/// Kafka is away, memory is full, and the file goes: what was seen of it and not read is lost.
#[test]
fn what_is_truncated_before_it_could_be_read_is_counted_to_the_byte() {
    const LINES: u64 = 60_000;
    let mock = MockCluster::new(1).expect("a mock cluster");
    mock.create_topic("logs", 1, 1).expect("a mock topic");
    let site = Site::new();
    let text = lines::lines(LIVE, 0..LINES);
    append(&site.log(LIVE), text.as_bytes());
    let config = site.config(&mock.bootstrap_servers(), "logs");
    let config = config.kafka("buffer.memory", "4MiB").top("spool", "{enabled: false}");
    mock.broker_down(-1).expect("a mock broker");
    let mut daemon = site.run(&config);
    wait_until("a look at all files", GENEROUS, || site.kept().has_looked());
    fs::write(site.log(LIVE), "").expect("a log can be truncated");
    mock.broker_up(-1).expect("a mock broker");
    daemon.hears("of the loss", |line| line.contains("bytes were lost before they could be read"));
    let finished = daemon.stop();
    finished.assert_code(0);
    let mut totals = Totals::default();
    totals.add(&finished.err.lines().map(str::to_owned).collect::<Vec<_>>());
    let mut verdict = Verdict::default();
    Reader::from_beginning(&mock.bootstrap_servers(), "logs").judge_rest(&mut verdict);
    let missing = verdict.missing(LIVE, LINES);
    let read = missing.first().map(|first| lines::lines(LIVE, 0..*first).len());
    println!("{} of {LINES} lines were destroyed", missing.len());
    assert_eq!(read.map(|read| (text.len() - read) as u64), Some(totals.lost_bytes()), "{verdict}");
    assert_eq!((verdict.repeats(), verdict.inversions()), (0, 0), "{verdict}");
}

#[test]
fn nothing_is_lost_or_repeated_whatever_becomes_of_the_files() {
    walk("files", Kills::Never);
}

#[test]
fn nothing_is_lost_whatever_becomes_of_the_files_and_the_daemon() {
    walk("files-killed", Kills::Allowed);
}

#[test]
fn nor_on_a_small_ext4() {
    ground::on_ext4("walk::nor_on_a_small_ext4", |_| walk("ext4", Kills::Allowed));
}

#[test]
fn nor_on_tmpfs() {
    ground::on_tmpfs("walk::nor_on_tmpfs", |_| walk("tmpfs", Kills::Allowed));
}

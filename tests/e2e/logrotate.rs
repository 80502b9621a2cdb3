//! The real logrotate, in each of its ways, over a log that is being written: every line that is
//! still on the disk arrives, in order, and only a crash repeats any.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use tailspool::clock;

use crate::support::daemon::Daemon;
use crate::support::dice::Dice;
use crate::support::lines;
use crate::support::reader::Reader;
use crate::support::site::Site;
use crate::support::totals::Totals;
use crate::support::verdict::Verdict;
use crate::support::wait::{GENEROUS, wait_until};

const LOG: &str = "app.log";
const LINES_PER_SECOND: u64 = 2000;
const TICK: Duration = Duration::from_millis(5);

/// Rotations, and crashes among them. `TAILSPOOL_LONG=1` makes them more.
fn plan() -> (u64, u64) {
    if std::env::var_os("TAILSPOOL_LONG").is_some() { (20, 6) } else { (4, 1) }
}

/// An application that opens its log again once another file has its name.
struct App {
    written: Arc<AtomicU64>,
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl App {
    fn start(path: PathBuf) -> Self {
        let written = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&written);
        let (stop, stopped) = channel();
        let thread = thread::spawn(move || {
            let (mut file, started) = (open(&path), clock::now());
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                let elapsed_ms = u64::try_from(started.elapsed().as_millis()).expect("short");
                let (from, due) =
                    (count.load(Ordering::Acquire), elapsed_ms * LINES_PER_SECOND / 1000);
                file.write_all(lines::lines(LOG, from..due).as_bytes())
                    .expect("a log can be written");
                count.store(due, Ordering::Release);
                let ours = file.metadata().expect("an open file").ino();
                if fs::metadata(&path).is_ok_and(|there| there.ino() != ours) {
                    file = open(&path);
                }
            }
        });
        Self { written, stop, thread }
    }

    fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    fn stop(self) -> u64 {
        drop(self.stop);
        self.thread.join().expect("the application has not panicked");
        self.written.load(Ordering::Acquire)
    }
}

fn open(path: &Path) -> File {
    OpenOptions::new().append(true).create(true).open(path).expect("a log can be opened")
}

struct Scene {
    mock: MockCluster<'static, DefaultProducerContext>,
    site: Site,
    dice: Dice,
    app: Option<App>,
    daemon: Option<Daemon>,
    totals: Totals,
    /// It is the content that is rotated, not the file.
    copies: bool,
    crashes: u64,
    repeats_max: u64,
}

impl Scene {
    /// `way` is what logrotate's configuration says beside how many files it keeps.
    fn set(test: &str, way: &str) -> Self {
        let mock = MockCluster::new(1).expect("a mock cluster");
        mock.create_topic("logs", 1, 1).expect("a mock topic");
        let site = Site::new();
        fs::create_dir(site.log("old")).expect("a temporary folder is writable");
        let log = site.log(LOG);
        let conf = format!("{} {{\nrotate 1000\nmissingok\n{way}\n}}\n", log.display());
        fs::write(site.root().join("logrotate.conf"), conf)
            .expect("a temporary folder is writable");
        let app = Some(App::start(log));
        let daemon = site.run(&site.config(&mock.bootstrap_servers(), "logs"));
        let copies = way.contains("copytruncate");
        let (dice, totals) = (Dice::thrown_for(test), Totals::default());
        Self {
            mock,
            site,
            dice,
            app,
            daemon: Some(daemon),
            totals,
            copies,
            crashes: 0,
            repeats_max: 0,
        }
    }

    fn at_some_moment(&mut self) {
        let app = self.app.as_ref().expect("it writes");
        let until = app.written() + self.dice.between(500, 3_000);
        wait_until("more lines to be written", GENEROUS, || app.written() >= until);
    }

    fn rotate(&self) {
        let at = |name: &str| self.site.root().join(name).display().to_string();
        let run = Command::new("logrotate")
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
            .args(["--force", "--state", &at("logrotate.state"), &at("logrotate.conf")])
            .output()
            .expect("logrotate is installed: scripts/prepare test");
        let said = String::from_utf8_lossy(&run.stderr);
        // A name with the second in it is there for one rotation in each.
        let is_too_soon = said.contains("already exists, skipping rotation");
        assert!(run.status.success() || is_too_soon, "logrotate: {said}");
    }

    fn crash(&mut self) {
        let daemon = self.daemon.take().expect("it runs");
        self.totals.add(&daemon.said());
        daemon.kill();
        self.crashes += 1;
        // Copies of what was read have places of their own.
        let safe = if self.copies { 0 } else { self.site.kept().accepted_bytes() };
        let written = self.app.as_ref().expect("it writes").written();
        self.repeats_max += written - lines_in(safe).min(written);
        self.daemon = Some(self.site.run_again());
    }

    /// The numbers of the lines that stand in any of the files.
    fn on_disk(&self) -> BTreeSet<u64> {
        let folders = [self.site.log(""), self.site.log("old")];
        let entries = folders.iter().flat_map(|dir| fs::read_dir(dir).expect("a folder").flatten());
        let logs = entries.map(|entry| entry.path()).filter(|path| path.is_file());
        let text =
            Command::new("zcat").arg("-f").args(logs).output().expect("zcat is there").stdout;
        let parsed = text.split(|byte| *byte == b'\n').filter_map(lines::parse);
        parsed.filter(|line| line.whole).map(|line| line.number).collect()
    }

    /// Rotates and crashes, then lets everything arrive and judges.
    fn run(mut self, test: &str, crashes: u64) {
        let rotations = plan().0;
        for rotation in 0..rotations {
            self.at_some_moment();
            if rotation * crashes / rotations < (rotation + 1) * crashes / rotations {
                // In between, as likely as not.
                let (before, after) = (self.dice.between(0, 2) == 0, self.dice.between(0, 2) == 0);
                if before {
                    self.crash();
                }
                self.rotate();
                if after || !before {
                    self.crash();
                }
            } else {
                self.rotate();
            }
        }
        self.at_some_moment();
        self.judge(test);
    }

    fn judge(mut self, test: &str) {
        let written = self.app.take().expect("it writes").stop();
        let on_disk = self.on_disk();
        let (mut verdict, mut reader) =
            (Verdict::default(), Reader::from_beginning(&self.mock.bootstrap_servers(), "logs"));
        let has = |verdict: &Verdict| on_disk.iter().all(|number| verdict.has(LOG, *number));
        reader.judge_until(&mut verdict, GENEROUS, has);
        let finished = self.daemon.take().expect("it runs").stop();
        finished.assert_code(0);
        reader.judge_rest(&mut verdict);
        self.totals.add(&finished.err.lines().map(str::to_owned).collect::<Vec<_>>());
        let missing = verdict.missing(LOG, written);
        let (gone, lost) = (written - on_disk.len() as u64, self.totals.lost_bytes());
        println!(
            "{test}: {written} lines, {gone} of them lost by logrotate, {} by us, {} crashes\n\
             {lost} bytes said to be lost\n{verdict}",
            missing.len(),
            self.crashes
        );
        let ours = missing.iter().filter(|number| on_disk.contains(number)).count();
        assert_eq!(ours, 0, "lines that are on the disk are missing\n{verdict}");
        assert_eq!((verdict.inversions(), verdict.damaged()), (0, 0), "{verdict}");
        assert!(verdict.repeats() <= self.repeats_max, "{} at most\n{verdict}", self.repeats_max);
        let bytes = |number: &u64| lines::line(LOG, *number).len() as u64 + 1;
        let destroyed = missing.iter().map(bytes).sum::<u64>();
        assert!(lost <= destroyed, "{lost} bytes said to be lost, {destroyed} are missing");
    }
}

/// How many lines from the first on make so many bytes.
fn lines_in(bytes: u64) -> u64 {
    let mut sum = 0;
    let ends = (0..).map(|number| {
        sum += lines::line(LOG, number).len() as u64 + 1;
        sum
    });
    ends.take_while(|end| *end <= bytes).count() as u64
}

fn crashes() -> u64 {
    plan().1
}

#[test]
fn create_loses_nothing() {
    Scene::set("create", "create").run("create", crashes());
}

#[test]
fn delaycompress_loses_nothing() {
    Scene::set("delaycompress", "create\ncompress\ndelaycompress").run("delaycompress", crashes());
}

#[test]
fn dates_lose_nothing() {
    let way = "create\ndateext\ndateformat -%Y%m%d-%s";
    Scene::set("dateext", way).run("dateext", crashes());
}

/// What was compressed before it was read to its end is read from the descriptor that is open.
#[test]
fn compress_loses_nothing() {
    Scene::set("compress", "create\ncompress").run("compress", 0);
}

/// And with nothing open, from what it was compressed to.
#[test]
fn compress_loses_nothing_when_the_daemon_is_killed() {
    Scene::set("compress-killed", "create\ncompress").run("compress-killed", crashes());
}

#[test]
fn compress_by_dates_loses_nothing_when_the_daemon_is_killed() {
    let way = "create\ncompress\ndateext\ndateformat -%Y%m%d-%s";
    Scene::set("compress-dates", way).run("compress-dates", crashes());
}

#[test]
fn olddir_loses_nothing() {
    Scene::set("olddir", "create\nolddir old").run("olddir", 0);
}

/// It loses lines itself, between the copy and the truncation; never more of them are missing.
#[test]
fn copytruncate_costs_no_more_than_it_loses_itself() {
    Scene::set("copytruncate", "copytruncate").run("copytruncate", 0);
}

#[test]
fn copytruncate_costs_no_more_when_the_daemon_is_killed() {
    Scene::set("copytruncate-killed", "copytruncate").run("copytruncate-killed", crashes());
}

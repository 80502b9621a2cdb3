//! What very many files cost: until all are known and shipped, at rest, and with one that is busy.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use tailspool::checkpoint::{Saved, read_only};
use tailspool::clock;

use crate::process::cpu;
use crate::support::config::Config;
use crate::support::daemon::Daemon;
use crate::support::kafka::{Kafka, Pace};
use crate::support::lines;
use crate::support::pulse::Marks;
use crate::support::site::Site;
use crate::support::wait::{poll, wait_for};

const FILES_PER_DIRECTORY: u64 = 200;
const START_MAX: Duration = Duration::from_mins(5);
/// Until files at rest are closed, and what the start took is given back.
const SETTLING: Duration = Duration::from_secs(20);
/// How often a line is appended to the busy file.
const BUSY_EVERY: Duration = Duration::from_millis(10);

pub(crate) fn run(files: u64, rest: Duration) {
    let (kafka, site) = (Kafka::up(1, Pace::Racing), Site::new());
    let busy = lay(&site, files);
    let topic = kafka.topic("many", 3, &[]);
    let config = Config::new(&site.state(), &kafka.bootstrap()).kafka("acks", "all");
    // What is frozen stays in memory, however long.
    let config = config.top("spool", "{stall_after: 1h}");
    let config = config.input("many", &site.log("*/*.log"), &topic);
    site.write_config(&config.to_yaml());
    let marks = Marks::of(&kafka.bootstrap(), &topic);
    for name in ["first start", "next start"] {
        append(&busy, "start");
        let before = marks.records().expect("the broker answers");
        let expected = if name == "first start" { files + 1 } else { before + 1 };
        let started = clock::now();
        let daemon = site.run_again();
        let took = wait_for("every line", START_MAX, || {
            marks.records().is_some_and(|records| records >= expected).then(|| started.elapsed())
        });
        let used = cpu(daemon.id());
        let saved = wait_for("all places", START_MAX, || {
            are_saved(&site, files + 1, &busy).then(|| started.elapsed())
        });
        println!(
            "{name}: {:.2} s to the last acknowledgement (CPU {:.2} s), {:.2} s until all places \
             are saved (CPU {:.2} s), {:.1} MB (peak {:.1})",
            took.as_secs_f64(),
            used.as_secs_f64(),
            saved.as_secs_f64(),
            cpu(daemon.id()).as_secs_f64(),
            megabytes(daemon.resident_bytes()),
            megabytes(daemon.peak_bytes())
        );
        if name == "next start" {
            poll(SETTLING, || None::<()>);
            say("at rest", &daemon, rest, || thread::sleep(rest));
            say("one busy, 100 lines/s", &daemon, rest, || write_for(rest, &busy));
            kafka.freeze(0);
            for number in 0..files {
                append(&path(&site, number), "one more");
            }
            say("a line of each, broker frozen", &daemon, SETTLING, || thread::sleep(SETTLING));
            kafka.thaw(0);
        } else {
            // What it saves at its end is saved by then.
            poll(Duration::from_secs(3), || None::<()>);
        }
        daemon.kill();
    }
}

/// Each file has a place at its end.
fn are_saved(site: &Site, files: u64, busy: &Path) -> bool {
    let Ok(kept) = read_only(&site.state()) else { return false };
    let busy_len = fs::metadata(busy).expect("it was written").len();
    let is_at_end = |saved: &Saved| {
        let end = saved.acknowledged.offset.0;
        end > 0 && (saved.path != busy || end == busy_len)
    };
    kept.sources.len() as u64 == files && kept.sources.iter().all(is_at_end)
}

fn lay(site: &Site, files: u64) -> PathBuf {
    for number in 0..files {
        let path = path(site, number);
        if number.is_multiple_of(FILES_PER_DIRECTORY) {
            fs::create_dir(path.parent().expect("it has one"))
                .expect("a temporary folder is writable");
        }
        let name = path.file_name().expect("it has one").to_string_lossy();
        fs::write(&path, lines::lines(&name, 0..1)).expect("the same");
    }
    let dir = site.log("d0000");
    fs::create_dir_all(&dir).expect("the same");
    dir.join("busy.log")
}

fn path(site: &Site, number: u64) -> PathBuf {
    site.log(&format!("d{:04}/app{number:06}.log", number / FILES_PER_DIRECTORY))
}

fn append(path: &Path, line: &str) {
    let mut file = File::options().append(true).create(true).open(path).expect("a log");
    writeln!(file, "{line}").expect("a log can be written");
}

fn write_for(time: Duration, path: &Path) {
    let began = clock::now();
    while began.elapsed() < time {
        append(path, "busy");
        thread::sleep(BUSY_EVERY);
    }
}

fn say(what: &str, daemon: &Daemon, time: Duration, meanwhile: impl FnOnce()) {
    let before = cpu(daemon.id());
    meanwhile();
    let used = cpu(daemon.id()).saturating_sub(before).as_secs_f64();
    println!(
        "{what}: {:.2} % of a core ({used:.2} s in {} s), {:.1} MB (peak {:.1}), {} descriptors, {} watches",
        100.0 * used / time.as_secs_f64(),
        time.as_secs(),
        megabytes(daemon.resident_bytes()),
        megabytes(daemon.peak_bytes()),
        daemon.descriptors(),
        watches(daemon.id()),
    );
}

fn watches(pid: u32) -> usize {
    let infos = fs::read_dir(format!("/proc/{pid}/fdinfo")).expect("it runs").flatten();
    let texts = infos.filter_map(|info| fs::read_to_string(info.path()).ok());
    texts.map(|text| text.lines().filter(|line| line.starts_with("inotify wd")).count()).sum()
}

fn megabytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes / 1000).expect("below 4 TB")) / 1000.0
}

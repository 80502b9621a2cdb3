//! The whole room on real directories. Waits for conditions, never for a time.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use notify::event::{CreateKind, DataChange, Flag, ModifyKind, RemoveKind};
use notify::{Event, EventKind};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::clock;
use crate::settings::{LongLine, Partition, Rotated, StartAt};

/// Directories to play in, and one input to begin with.
struct Bed {
    _tmp: TempDir,
    root: PathBuf,
    input: Input,
}

impl Bed {
    fn new(globs: &[&str]) -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(tmp.path()).unwrap();
        let mut bed = Self { _tmp: tmp, input: input("one"), root };
        bed.input.paths = bed.globs(globs);
        bed
    }

    fn globs(&self, globs: &[&str]) -> Vec<String> {
        globs.iter().map(|glob| format!("{}/{glob}", self.root.display())).collect()
    }

    fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }

    fn write(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = fs::OpenOptions::new().append(true).create(true).open(&path).unwrap();
        std::io::Write::write_all(&mut file, b"line\n").unwrap();
        path
    }

    fn watch(&self) -> Watch {
        Watch::new(std::slice::from_ref(&self.input), || ()).unwrap()
    }

    /// What a scan finds, below the root; a sibling as `name < live name`.
    fn found(&self, watch: &mut Watch) -> Vec<String> {
        let below = |path: &Path| path.strip_prefix(&self.root).unwrap().display().to_string();
        let mut found: Vec<_> = watch.scan().found;
        found.sort();
        let text = |found: &Found| match &found.sibling_of {
            None => below(&found.path),
            Some(live) => format!("{} < {}", below(&found.path), below(live)),
        };
        found.iter().map(text).collect()
    }
}

fn input(id: &str) -> Input {
    Input {
        id: id.to_owned(),
        paths: Vec::new(),
        exclude_paths: Vec::new(),
        rotated: Rotated::Auto,
        start_at: StartAt::Beginning,
        max_line_bytes: 1024,
        on_long_line: LongLine::Truncate,
        partial_timeout: None,
        close_inactive: Duration::from_secs(300),
        follow_symlinks: Vec::new(),
        topic: "logs".to_owned(),
        partition: Partition::File,
    }
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = clock::now() + Duration::from_secs(20);
    while !condition() {
        assert!(clock::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Until notify has told of `path`; scans when it says so.
fn wait_touched(watch: &mut Watch, path: &Path) {
    wait_until(&format!("{} is touched", path.display()), || {
        let changes = watch.changes();
        if changes.rescan {
            watch.scan();
        }
        changes.touched.iter().any(|touched| touched.path == path)
    });
}

fn wait_rescan(watch: &mut Watch) {
    wait_until("a rescan is due", || watch.changes().rescan);
}

/// Reads what was said so far; what comes later is news.
fn hush(watch: &mut Watch) {
    let mut quiet = 0;
    wait_until("notify is quiet", || {
        quiet = if watch.changes() == Changes::default() { quiet + 1 } else { 0 };
        quiet > 20
    });
}

#[test]
fn what_is_written_right_after_mkdir_is_found() {
    let bed = Bed::new(&["**/*.log"]);
    let mut watch = bed.watch();
    watch.scan();
    for number in 0..200 {
        bed.write(format!("a{number}/b/x.log"));
    }
    let mut found = 0;
    wait_until("all are found without a scan of our own accord", || {
        if watch.changes().rescan {
            found = watch.scan().found.len();
        }
        found == 200
    });
}

#[test]
fn writes_renames_and_removals_are_told_by_the_live_name() {
    let bed = Bed::new(&["*.log"]);
    let log = bed.write("app.log");
    let mut watch = bed.watch();
    assert_eq!(bed.found(&mut watch), ["app.log"]);
    assert_eq!(watch.mode(0), Mode::Notify);
    bed.write("app.log");
    wait_touched(&mut watch, &log);
    fs::rename(&log, bed.at("app.log.1")).unwrap();
    wait_touched(&mut watch, &log);
    hush(&mut watch);
    bed.write("app.log.1");
    wait_touched(&mut watch, &log);
    hush(&mut watch);
    fs::remove_file(bed.at("app.log.1")).unwrap();
    wait_touched(&mut watch, &log);
}

#[test]
fn a_file_born_and_rotated_between_two_looks_is_told() {
    let bed = Bed::new(&["*.log"]);
    let mut watch = bed.watch();
    watch.scan();
    let log = bed.write("app.log");
    fs::rename(&log, bed.at("app.log.1")).unwrap();
    wait_touched(&mut watch, &log);
    let siblings = watch.siblings(0, &log).unwrap();
    assert_eq!(siblings.len(), 1);
    assert_eq!(siblings[0].path, bed.at("app.log.1"));
}

#[test]
fn what_does_not_matter_wakes_nobody() {
    let bed = Bed::new(&["*.log", "later/x/*.log"]);
    let log = bed.write("app.log");
    let woken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&woken);
    let wake = move || {
        count.fetch_add(1, Ordering::SeqCst);
    };
    let mut watch = Watch::new(std::slice::from_ref(&bed.input), wake).unwrap();
    watch.scan();
    bed.write("noise.txt");
    fs::read(&log).unwrap();
    fs::read_dir(&bed.root).unwrap().count();
    fs::create_dir(bed.at("noise")).unwrap();
    watch.scan();
    assert_eq!(woken.load(Ordering::SeqCst), 0);
    bed.write("app.log");
    wait_until("the write wakes", || woken.load(Ordering::SeqCst) == 1);
    bed.write("app.log");
    bed.write("app.log");
    assert_eq!(watch.notes.noted(), 1);
}

fn told(watch: &Watch, kind: EventKind, path: &Path) {
    watch.notes.hear(Ok(Event::new(kind).add_path(path.to_path_buf())));
}

#[test]
fn an_overflow_asks_for_a_scan_and_is_counted() {
    let bed = Bed::new(&["*.log"]);
    let mut watch = bed.watch();
    watch.scan();
    watch.notes.hear(Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan)));
    assert!(watch.changes().rescan);
    assert!(!watch.changes().rescan);
    assert_eq!(watch.overflows(), 1);
    watch.scan();
    let log = bed.write("app.log");
    wait_touched(&mut watch, &log);
    watch.notes.hear(Err(notify::Error::generic("broken")));
    assert!(watch.changes().rescan);
}

#[test]
fn notes_are_capped_and_each_path_is_noted_once() {
    let bed = Bed::new(&["*.log"]);
    let mut watch = bed.watch();
    watch.scan();
    let modified = EventKind::Modify(ModifyKind::Data(DataChange::Any));
    for _ in 0..3 {
        told(&watch, modified, &bed.at("app.log"));
    }
    assert_eq!(watch.changes().touched.len(), 1);
    for number in 0..5000 {
        told(&watch, modified, &bed.at(format!("{number}.log")));
        assert!(watch.notes.noted() <= 4096);
    }
    assert!(watch.changes().rescan);
}

#[test]
fn a_directory_that_is_told_asks_for_a_scan_only_where_it_matters() {
    let bed = Bed::new(&["*/x.log"]);
    fs::create_dir(bed.at("a")).unwrap();
    fs::create_dir(bed.at("a/b")).unwrap();
    let mut watch = bed.watch();
    watch.scan();
    told(&watch, EventKind::Create(CreateKind::Folder), &bed.at("a/b"));
    assert!(!watch.changes().rescan);
    told(&watch, EventKind::Remove(RemoveKind::Folder), &bed.at("a"));
    assert!(watch.changes().rescan);
    watch.scan();
    fs::create_dir(bed.at("c")).unwrap();
    told(&watch, EventKind::Create(CreateKind::Folder), &bed.at("c"));
    assert!(watch.changes().rescan);
}

#[test]
fn a_directory_may_vanish_and_return() {
    let bed = Bed::new(&["apps/*/x.log"]);
    let log = bed.write("apps/a/x.log");
    let mut watch = bed.watch();
    assert_eq!(bed.found(&mut watch), ["apps/a/x.log"]);
    for round in 0..20 {
        hush(&mut watch);
        if round % 2 == 0 {
            fs::remove_dir_all(bed.at("apps")).unwrap();
        } else {
            fs::rename(bed.at("apps"), bed.at(format!("old{round}"))).unwrap();
        }
        bed.write("apps/a/x.log");
        wait_rescan(&mut watch);
        wait_until("it is found again", || bed.found(&mut watch) == ["apps/a/x.log"]);
        hush(&mut watch);
        watch.scan();
        bed.write("apps/a/x.log");
        wait_touched(&mut watch, &log);
    }
    fs::remove_dir_all(bed.at("apps")).unwrap();
    assert!(bed.found(&mut watch).is_empty());
    assert_eq!(watch.watched(), 1);
}

#[test]
fn a_watched_directory_may_be_renamed() {
    let bed = Bed::new(&["*/x.log"]);
    bed.write("a/x.log");
    let mut watch = bed.watch();
    watch.scan();
    for (from, to) in [("a", "b"), ("b", "c"), ("c", "a"), ("a", "b")] {
        fs::rename(bed.at(from), bed.at(to)).unwrap();
        wait_rescan(&mut watch);
        assert_eq!(bed.found(&mut watch), [format!("{to}/x.log")]);
        hush(&mut watch);
        watch.scan();
        let log = bed.write(format!("{to}/x.log"));
        wait_touched(&mut watch, &log);
        assert_eq!(watch.watched(), 2);
    }
}

#[test]
fn the_way_to_a_glob_need_not_exist() {
    let bed = Bed::new(&["srv/app/logs/*.log", "srv/app/one.txt"]);
    let mut watch = bed.watch();
    assert!(bed.found(&mut watch).is_empty());
    assert_eq!(watch.watched(), 1);
    fs::create_dir(bed.at("srv")).unwrap();
    wait_rescan(&mut watch);
    watch.scan();
    fs::create_dir_all(bed.at("srv/app/logs")).unwrap();
    wait_rescan(&mut watch);
    watch.scan();
    hush(&mut watch);
    watch.scan();
    let (log, one) = (bed.write("srv/app/logs/x.log"), bed.write("srv/app/one.txt"));
    wait_touched(&mut watch, &log);
    assert_eq!(bed.found(&mut watch), ["srv/app/logs/x.log", "srv/app/one.txt"]);
    hush(&mut watch);
    bed.write("srv/app/one.txt");
    wait_touched(&mut watch, &one);
    assert_eq!(watch.watched(), 2);
}

#[test]
fn braces_stars_and_classes() {
    let bed = Bed::new(&["{a,b/{c,d}}/**/*.{log,txt}", "e/?[0-9]*/z"]);
    let all = ["a/x.log", "a/q/r/x.txt", "b/c/y.log", "b/d/e/y.txt", "e/v1/z", "e/v22/z"];
    for path in all.iter().chain(&["b/x.log", "a/x.logs", "e/v/z", "e/vv/z", "a/q.log/r"]) {
        bed.write(path);
    }
    let mut found = bed.found(&mut bed.watch());
    found.sort();
    let mut expected = all.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn bad_globs_are_refused_by_name() {
    for glob in ["/var/[", "/var/{a", "relative/*.log"] {
        let mut bad = input("bad");
        bad.paths = vec![glob.to_owned()];
        let error = Watch::new(&[bad], || ()).err().unwrap().to_string();
        assert!(error.contains(glob) && error.contains("bad"), "{error}");
    }
}

#[test]
fn names_need_not_be_utf8() {
    let bed = Bed::new(&["*/*.log"]);
    let log = bed.write(Path::new(OsStr::from_bytes(b"d\xff/n\xfe\x80.log")));
    let mut watch = bed.watch();
    assert_eq!(watch.scan().found[0].path, log);
    assert_eq!(watch.matching(&log), [0]);
    bed.write(Path::new(OsStr::from_bytes(b"d\xff/n\xfe\x80.log")));
    wait_touched(&mut watch, &log);
}

#[test]
fn what_is_not_a_file_is_left_out_and_said_once() {
    let bed = Bed::new(&["*.log"]);
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let fifo = bed.at("fifo.log");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(bed.at("socket.log")).unwrap();
    fs::create_dir(bed.at("directory.log")).unwrap();
    let mut watch = bed.watch();
    let scan = watch.scan();
    assert!(scan.found.is_empty());
    let mut said: Vec<_> = scan.problems.iter().map(|problem| problem.path.clone()).collect();
    said.sort();
    assert_eq!(said, [fifo, bed.at("socket.log")]);
    assert!(watch.scan().problems.is_empty());
}

#[test]
fn links_outside_trusted_roots_are_not_followed_and_said_once() {
    let mut bed = Bed::new(&["logs/*.log", "logs/*/x", "logs/deep/**/y"]);
    bed.input.follow_symlinks = vec![bed.at("trusted")];
    bed.write("trusted/real.log");
    bed.write("elsewhere/x");
    bed.write("logs/a/x");
    fs::create_dir(bed.at("logs/deep")).unwrap();
    symlink("/etc/shadow", bed.at("logs/evil.log")).unwrap();
    symlink(bed.at("elsewhere"), bed.at("logs/b")).unwrap();
    symlink(bed.at("elsewhere"), bed.at("logs/deep/c")).unwrap();
    symlink(bed.at("nowhere"), bed.at("logs/broken.log")).unwrap();
    let mut watch = bed.watch();
    let scan = watch.scan();
    assert_eq!(
        scan.found.iter().map(|found| &found.path).collect::<Vec<_>>(),
        [&bed.at("logs/a/x")]
    );
    let mut said: Vec<_> =
        scan.problems.iter().map(|p| (p.path.clone(), p.error.to_string())).collect();
    said.sort();
    let text = |path: &str| {
        (bed.at(path), format!("symbolic link outside follow_symlinks: {}", bed.at(path).display()))
    };
    assert_eq!(said, [text("logs/b"), text("logs/evil.log")]);
    assert!(watch.scan().problems.is_empty());
    // Gone and back is news.
    fs::remove_file(bed.at("logs/evil.log")).unwrap();
    watch.scan();
    symlink("/etc/shadow", bed.at("logs/evil.log")).unwrap();
    assert_eq!(watch.scan().problems.len(), 1);
}

#[test]
fn a_trusted_link_is_followed_to_its_file_and_its_rotated_ones() {
    let mut bed = Bed::new(&["containers/*.log"]);
    bed.input.follow_symlinks = vec![bed.at("containers"), bed.at("pods")];
    let real = bed.write("runtime/id/id-json.log");
    fs::create_dir_all(bed.at("pods/p")).unwrap();
    fs::create_dir(bed.at("containers")).unwrap();
    symlink("../../runtime/id/id-json.log", bed.at("pods/p/0.log")).unwrap();
    let link = bed.at("containers/c.log");
    symlink(bed.at("pods/p/0.log"), &link).unwrap();
    let mut watch = bed.watch();
    let found = watch.scan().found;
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].path, found[0].real()), (&link, real.as_path()));
    bed.write("runtime/id/id-json.log");
    wait_touched(&mut watch, &link);
    fs::rename(&real, bed.at("runtime/id/id-json.log.1")).unwrap();
    fs::write(bed.at("runtime/id/id-json.log.2.tmp"), "").unwrap();
    wait_touched(&mut watch, &link);
    // The link leads nowhere now, and is known all the same.
    let siblings = watch.scan().found;
    assert_eq!(siblings, watch.siblings(0, &link).unwrap());
    assert_eq!(siblings.len(), 1);
    assert_eq!(siblings[0].path, bed.at("runtime/id/id-json.log.1"));
    assert_eq!(siblings[0].sibling_of.as_ref(), Some(&link));
    hush(&mut watch);
    watch.scan();
    bed.write("runtime/id/id-json.log");
    wait_touched(&mut watch, &link);
    // One hop that is not trusted is enough.
    bed.input.follow_symlinks = vec![bed.at("containers")];
    let scan = bed.watch().scan();
    assert!(scan.found.is_empty());
    assert!(scan.problems[0].error.to_string().ends_with("pods/p/0.log"));
}

#[test]
fn trusted_links_to_directories_do_not_circle() {
    let mut bed = Bed::new(&["t/**/*.log"]);
    bed.input.follow_symlinks = vec![bed.at("t")];
    bed.write("t/a/x.log");
    bed.write("t/b/y.log");
    bed.write("outside/z.log");
    symlink(bed.at("t"), bed.at("t/a/up")).unwrap();
    symlink(".", bed.at("t/self")).unwrap();
    symlink(bed.at("t/b"), bed.at("t/a/b")).unwrap();
    symlink(bed.at("t/a"), bed.at("t/b/a")).unwrap();
    symlink(bed.at("outside"), bed.at("t/out")).unwrap();
    let found = bed.found(&mut bed.watch());
    let expected = ["t/a/b/y.log", "t/a/x.log", "t/b/a/x.log", "t/b/y.log", "t/out/z.log"];
    assert_eq!(found, expected);
}

#[test]
fn the_written_part_of_a_glob_may_lead_through_links() {
    let bed = Bed::new(&["way/logs/*.log"]);
    bed.write("really/logs/x.log");
    symlink("really", bed.at("way")).unwrap();
    let mut watch = bed.watch();
    let found = watch.scan().found;
    assert_eq!(found[0].path, bed.at("way/logs/x.log"));
    assert_eq!(found[0].real(), bed.at("really/logs/x.log"));
    bed.write("really/logs/x.log");
    wait_touched(&mut watch, &bed.at("way/logs/x.log"));
    bed.write("really/logs/x.log.1");
    let siblings = watch.siblings(0, &bed.at("way/logs/x.log")).unwrap();
    assert_eq!(siblings[0].path, bed.at("way/logs/x.log.1"));
    assert_eq!(siblings[0].real(), bed.at("really/logs/x.log.1"));
    // The link is switched.
    bed.write("other/logs/x.log");
    hush(&mut watch);
    symlink("other", bed.at("new")).unwrap();
    fs::rename(bed.at("new"), bed.at("way")).unwrap();
    wait_rescan(&mut watch);
    assert_eq!(watch.scan().found[0].real(), bed.at("other/logs/x.log"));
}

#[test]
fn excluded_paths_are_neither_files_nor_siblings_nor_walked() {
    let mut bed = Bed::new(&["**/*.log"]);
    bed.input.exclude_paths = vec!["*.gz".to_owned(), "old/*.log".to_owned()];
    bed.input.exclude_paths.extend(bed.globs(&["cache/**", "a/secret*"]));
    for path in
        ["x.log", "x.log.1", "x.log.2.gz", "old/y.log", "a/old/y.log", "a/b.log", "a/secret.log"]
    {
        bed.write(path);
    }
    bed.write("cache/deep/z.log");
    let mut watch = bed.watch();
    assert_eq!(bed.found(&mut watch), ["a/b.log", "x.log", "x.log.1 < x.log"]);
    assert_eq!(watch.watched(), 4);
    assert_eq!(watch.siblings(0, &bed.at("x.log")).unwrap().len(), 1);
    assert!(watch.matching(&bed.at("a/secret.log")).is_empty());
}

#[test]
fn rotated_files_belong_to_a_live_name_that_is_there_or_was() {
    let bed = Bed::new(&["app.log*", "apps/*"]);
    for path in ["app.log", "app.log.1", "app.log.2.gz", "apps/web", "apps/web-admin", "apps/web-1"]
    {
        bed.write(path);
    }
    bed.write("apps/api-1");
    let mut watch = bed.watch();
    let expected = [
        "app.log",
        "app.log.1 < app.log",
        "app.log.2.gz < app.log",
        "apps/api-1",
        "apps/web",
        "apps/web-1 < apps/web",
        "apps/web-admin",
    ];
    assert_eq!(bed.found(&mut watch), expected);
    // Between rename and create.
    fs::rename(bed.at("app.log"), bed.at("app.log.1")).unwrap();
    assert_eq!(bed.found(&mut watch)[..2], ["app.log.1 < app.log", "app.log.2.gz < app.log"]);
    assert_eq!(watch.siblings(0, &bed.at("app.log")).unwrap().len(), 2);
    watch.forget(0, &bed.at("app.log"));
    assert_eq!(bed.found(&mut watch)[..2], ["app.log.1", "app.log.2.gz"]);
    // A restart between rename and create; then it is there again.
    let mut watch = bed.watch();
    watch.know(0, &bed.at("app.log"));
    assert_eq!(bed.found(&mut watch)[..2], ["app.log.1 < app.log", "app.log.2.gz < app.log"]);
}

#[test]
fn what_is_not_matched_is_found_beside_its_live_name() {
    let bed = Bed::new(&["*.log"]);
    for path in ["a.log", "a.log.1", "a.log-20260131.zst", "a.log.bak", "a.log.tmp", "b.log.1"] {
        bed.write(path);
    }
    let mut watch = bed.watch();
    let expected = ["a.log", "a.log-20260131.zst < a.log", "a.log.1 < a.log", "a.log.bak < a.log"];
    assert_eq!(bed.found(&mut watch), expected);
    let compressed: Vec<_> = watch.scan().found.into_iter().filter_map(|f| f.compressed).collect();
    assert_eq!(compressed, [Compressed::Zstd]);
    assert_eq!(watch.siblings(0, &bed.at("a.log")).unwrap().len(), 3);
}

#[test]
fn a_literal_path_brings_its_rotated_ones_unless_they_are_off() {
    let mut bed = Bed::new(&["app.log"]);
    bed.write("app.log");
    bed.write("app.log.1");
    assert_eq!(bed.found(&mut bed.watch()), ["app.log", "app.log.1 < app.log"]);
    bed.input.rotated = Rotated::Off;
    let mut watch = bed.watch();
    assert_eq!(bed.found(&mut watch), ["app.log"]);
    assert!(watch.siblings(0, &bed.at("app.log")).unwrap().is_empty());
    let log = bed.write("app.log");
    wait_touched(&mut watch, &log);
    bed.input.rotated = Rotated::Patterns(vec!["app-*.log".to_owned()]);
    bed.write("app-2026.log");
    let mut watch = bed.watch();
    assert_eq!(bed.found(&mut watch), ["app-2026.log < app.log", "app.log"]);
    bed.write("app-2026.log");
    wait_touched(&mut watch, &log);
}

#[test]
fn a_file_is_found_once_for_each_input() {
    let bed = Bed::new(&["*.log", "a*", "{a.log,b.log}"]);
    let mut two = input("two");
    two.paths = bed.globs(&["a.log"]);
    two.rotated = Rotated::Off;
    bed.write("a.log");
    let mut watch = Watch::new(&[bed.input.clone(), two], || ()).unwrap();
    let mut inputs: Vec<_> = watch.scan().found.iter().map(|found| found.input).collect();
    inputs.sort_unstable();
    assert_eq!(inputs, [0, 1]);
    let log = bed.write("a.log");
    wait_touched(&mut watch, &log);
    assert_eq!(watch.matching(&log), [0, 1]);
    assert_eq!(watch.watched(), 1);
}

#[test]
fn one_watch_for_each_directory() {
    let bed = Bed::new(&["*/*.log"]);
    for number in 0..1000 {
        bed.write(format!("{}/{number}.log", number % 20));
    }
    let mut watch = bed.watch();
    assert_eq!(watch.scan().found.len(), 1000);
    assert_eq!(watch.watched(), 21);
    assert_eq!(watch.scan().found.len(), 1000);
    assert_eq!(watch.watched(), 21);
}

/// All files below `dir`, without any cleverness.
fn all_files(dir: &Path, files: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all_files(&path, files);
        } else {
            files.insert(path);
        }
    }
}

fn component() -> impl Strategy<Value = String> {
    let parts =
        ["a", "b", "*", "?", "a*", "*b", "[ab]", "[!b]*", "{a,b}", "{a/b,b}", "**", "{*,a}b"];
    proptest::sample::select(parts.to_vec()).prop_map(str::to_owned)
}

fn glob() -> impl Strategy<Value = String> {
    proptest::collection::vec(component(), 1..4).prop_map(|parts| parts.join("/"))
}

fn tree() -> impl Strategy<Value = Vec<String>> {
    let name = proptest::sample::select(vec!["a", "b", "ab", "ba", ".a"]);
    let path = proptest::collection::vec(name, 1..5).prop_map(|names| names.join("/"));
    proptest::collection::vec(path, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_walk_finds_what_globset_finds_in_all_files(
        files in tree(),
        globs in proptest::collection::vec(glob(), 1..4),
        excludes in proptest::collection::vec(glob(), 0..3),
    ) {
        let mut bed = Bed::new(&globs.iter().map(String::as_str).collect::<Vec<_>>());
        bed.input.exclude_paths = excludes.clone();
        bed.input.rotated = Rotated::Off;
        for file in files {
            let path = bed.at(file);
            // A file where another one needs a directory is no tree.
            if fs::create_dir_all(path.parent().unwrap()).is_ok() && !path.is_dir() {
                fs::write(path, "").unwrap();
            }
        }
        let any = |globs: Vec<String>, path: &Path| {
            globs.iter().any(|glob| pattern::compile(glob).unwrap().is_match(path))
        };
        let mut expected = BTreeSet::new();
        all_files(&bed.root, &mut expected);
        expected.retain(|path| {
            let anywhere = excludes.iter().map(|glob| format!("**/{glob}")).collect();
            any(bed.input.paths.clone(), path) && !any(anywhere, path)
        });
        let mut watch = bed.watch();
        let found: Vec<_> = watch.scan().found.into_iter().map(|found| found.path).collect();
        for path in &found {
            prop_assert_eq!(watch.matching(path), [0]);
        }
        prop_assert_eq!(found.len(), found.iter().collect::<BTreeSet<_>>().len());
        prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
    }
}

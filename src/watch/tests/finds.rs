//! What a scan finds, and as what.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::*;

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

#[test]
fn what_could_not_be_looked_into_is_not_taken_for_gone() {
    // No name can be that long, and to ask for it is an error.
    let long = "x".repeat(300);
    let bed = Bed::new(&["a/*.log", &format!("b/{long}/c.log")]);
    bed.write("a/x.log");
    bed.write("b/x.log");
    let mut watch = bed.watch();
    let scan = watch.scan();
    assert_eq!(scan.found.len(), 1);
    assert_eq!(scan.problems.len(), 1);
    assert!(scan.may_miss(0, &bed.at("b/x/c.log")));
    assert!(!scan.may_miss(0, &bed.at("a/y.log")));
    assert_eq!(watch.scan().unseen.len(), 1);
}

//! What notify tells, and that nothing falls between a hint and a scan.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use notify::event::{CreateKind, DataChange, Flag, ModifyKind, RemoveKind};
use notify::{Event, EventKind};

use super::*;

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
    watch.seats.lose(&bed.root);
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
    assert!(watch.notes.at_place(&bed.at("apps"), |_| ()).is_none());
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
fn a_queue_that_really_overflows_loses_nothing() {
    let bed = Bed::new(&["**/*.log"]);
    fs::create_dir(bed.at("again")).unwrap();
    let mut watch = bed.watch();
    watch.scan();
    let queue = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    // Each file makes four events: created, opened, modified, closed.
    let files = queue.trim().parse::<usize>().unwrap() / 4 + 1000;
    // While a place is looked at, notify's thread waits to take its next note.
    let play = |_: &Place| {
        for number in 0..files {
            fs::write(bed.at(format!("{number}.txt")), "x").unwrap();
        }
        bed.write("new/x.log");
        // It may get the same inode, but not its watch.
        fs::remove_dir(bed.at("again")).unwrap();
        fs::create_dir(bed.at("again")).unwrap();
    };
    watch.notes.at_place(&bed.root, play).unwrap();
    wait_until("the overflow is told", || watch.overflows() > 0);
    assert!(watch.changes().rescan);
    assert_eq!(bed.found(&mut watch), ["new/x.log"]);
    hush_and_scan(&mut watch);
    for path in ["new/x.log", "again/x.log"] {
        let log = bed.write(path);
        wait_touched(&mut watch, &log);
    }
}

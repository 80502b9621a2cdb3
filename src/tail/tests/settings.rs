//! What an input's settings say of when and how much is read.

use std::fs::File;
use std::time::{Duration, SystemTime};

use super::super::{Ending, Turn};
use super::bench::{Bench, input};
use crate::clock;
use crate::settings::{Input, RateLimit};

fn age(bench: &Bench, name: &str, days: u64) {
    let age = Duration::from_hours(24 * days);
    let file = File::options().write(true).open(bench.path(name)).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_millis(clock::wall_ms()) - age)
        .unwrap();
}

fn ignoring(days: u64) -> Bench {
    let ignore_older = Some(Duration::from_hours(24 * days));
    Bench::with(Input { ignore_older, ..input() }, Ending::Follow)
}

#[test]
fn of_a_file_that_is_older_than_ignore_older_only_what_is_added_is_read() {
    let mut bench = ignoring(2);
    bench.also("web.log");
    bench.write("app.log", "old\n");
    bench.write("app.log.1", "old, too\n");
    bench.write("web.log", "a day old\n");
    age(&bench, "app.log", 3);
    age(&bench, "app.log.1", 4);
    age(&bench, "web.log", 1);
    bench.ship();
    assert_eq!(bench.texts(), ["a day old"]);
    bench.append("app.log", "new\n");
    bench.ship();
    bench.restart();
    bench.ship();
    assert_eq!(bench.texts_of("app.log"), ["new"]);
}

#[test]
fn a_file_that_was_begun_is_read_on_whatever_its_age() {
    let mut bench = ignoring(2);
    bench.write("app.log", "one\n");
    bench.ship();
    let kept = bench.stop();
    bench.append("app.log", "two\n");
    age(&bench, "app.log", 9);
    bench.start(kept);
    bench.ship();
    bench.append("app.log", "three\n");
    age(&bench, "app.log", 9);
    bench.rotate();
    bench.ship();
    assert_eq!(bench.texts(), ["one", "two", "three"]);
}

#[test]
fn what_is_in_a_begun_file_after_a_truncation_is_read_whatever_its_age() {
    let mut bench = ignoring(2);
    bench.write("app.log", "one\ntwo\n");
    bench.ship();
    bench.truncate("app.log");
    bench.append("app.log", "x\n");
    age(&bench, "app.log", 9);
    bench.ship();
    assert_eq!(bench.texts(), ["one", "two", "x"]);
}

#[test]
fn a_rate_limit_slows_its_input_and_drops_nothing() {
    let plain = Vec::new;
    let filtered = || vec!["never".to_owned()];
    for (rate_limit, exclude_lines) in [
        (RateLimit { records: Some(1000), bytes: None }, plain()),
        (RateLimit { records: None, bytes: Some(5000) }, plain()),
        (RateLimit { records: Some(1000), bytes: None }, filtered()),
        (RateLimit { records: None, bytes: Some(5000) }, filtered()),
    ] {
        let settings = Input { exclude_lines, rate_limit, ..input() };
        let mut bench = Bench::with(settings, Ending::Follow);
        bench.also("web.log");
        // A block of so many lines is the smallest that is read at once.
        for _ in 0..5 {
            bench.append("app.log", "12345678\n".repeat(2000));
            bench.append("web.log", "x\n");
            bench.look();
            bench.turns();
        }
        let first = bench.texts().len();
        assert!(first < 5000, "{first}");
        assert_eq!(bench.turns(), Turn::Starved);
        bench.wait(1);
        let mut last = first;
        for _ in 0..200 {
            bench.wait(1);
            let now = bench.texts().len();
            assert!(now <= last + 9000, "{now} after {last}");
            last = now;
        }
        assert_eq!(last, 10_005);
        assert_eq!(bench.turns(), Turn::Idle);
    }
}

#[test]
fn what_is_read_to_its_end_is_so_although_the_limit_is_used_up() {
    let rate_limit = RateLimit { records: None, bytes: Some(1) };
    let mut bench = Bench::with(Input { rate_limit, ..input() }, Ending::AtEnd);
    bench.also("web.log");
    bench.write("app.log", "one\ntwo\n");
    bench.write("web.log", "");
    bench.look();
    assert_eq!(bench.turns(), Turn::Idle);
    assert!(bench.finish() && bench.all_read());
    assert_eq!(bench.texts(), ["one", "two"]);
}

#[test]
fn a_file_is_closed_after_close_inactive_and_its_place_is_kept() {
    let close_inactive = Duration::from_secs(30);
    let mut bench = Bench::with(Input { close_inactive, ..input() }, Ending::Follow);
    bench.write("app.log", "one\n");
    bench.ship();
    bench.wait(29);
    assert_eq!(bench.open_files(), 1);
    bench.wait(2);
    assert_eq!(bench.open_files(), 0);
    bench.append("app.log", "two\n");
    bench.ship();
    assert_eq!(bench.texts(), ["one", "two"]);
}

//! Places taken up again: exactly after a stop, from what was acknowledged after a crash.

use super::bench::{Bench, acknowledged};

#[test]
fn after_a_stop_nothing_is_repeated_and_nothing_is_missing() {
    let mut bench = Bench::new();
    for number in 0..5 {
        bench.append("app.log", format!("{number}\n"));
        bench.ship();
        bench.restart();
        bench.ship();
    }
    assert_eq!(bench.texts(), ["0", "1", "2", "3", "4"]);
    assert_eq!(bench.heard.borrow().first.len(), 5);
}

#[test]
fn after_a_crash_reading_goes_on_from_what_was_acknowledged() {
    for acknowledged in 0..4 {
        let mut bench = Bench::new();
        for number in 0..3 {
            bench.append("app.log", format!("{number}\n"));
            bench.ship();
        }
        bench.rotate();
        bench.write("app.log", "3\n");
        bench.ship();
        bench.crash(|last| last.min(acknowledged));
        bench.ship();
        let mut texts = bench.texts();
        texts.sort();
        assert_eq!(texts, ["0", "1", "2", "3"]);
    }
}

#[test]
fn after_a_crash_the_files_of_a_lineage_come_in_order_again() {
    let mut bench = Bench::new();
    for letter in ["a", "b", "c"] {
        bench.write("app.log", format!("{letter}1\n{letter}2\n"));
        bench.ship();
        if letter != "c" {
            bench.rotate();
        }
    }
    bench.crash(|_| 0);
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "b1", "b2", "c1", "c2"]);
}

#[test]
fn a_crash_before_anything_was_saved_costs_nothing() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.rotate();
    bench.write("app.log", "b1\n");
    let kept = bench.kept();
    bench.ship();
    bench.start(kept);
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "b1"]);
}

#[test]
fn a_file_born_and_rotated_before_a_crash_is_not_passed_over() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    let kept = acknowledged(bench.kept(), |last| last);
    bench.rotate();
    bench.write("app.log", "b1\n");
    bench.rotate();
    bench.write("app.log", "c1\n");
    bench.ship();
    bench.start(kept);
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "b1", "c1"]);
}

#[test]
fn a_file_seen_before_the_restart_but_not_read_is_read_after_it() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.look();
    bench.restart();
    bench.ship();
    assert_eq!(bench.texts(), ["a1"]);
}

#[test]
fn files_that_were_equal_and_differ_after_a_stop_keep_their_places() {
    let mut bench = Bench::new();
    bench.also("web.log");
    for name in ["app.log", "web.log"] {
        bench.write(name, "same\n");
    }
    bench.ship();
    let kept = bench.stop();
    bench.append("app.log", "of app\n");
    bench.append("web.log", "of web\n");
    bench.start(kept);
    bench.ship();
    assert_eq!(bench.texts_of("app.log"), ["same", "of app"]);
    assert_eq!(bench.texts_of("web.log"), ["same", "of web"]);
}

/// From a few bytes to far beyond what is remembered of a file's beginning.
#[test]
fn a_file_that_grows_and_is_renamed_over_restarts_is_one_file() {
    let mut bench = Bench::new();
    let mut expected = Vec::new();
    for (number, length) in [1, 10, 500, 600, 2000, 5000].into_iter().enumerate() {
        let name = format!("app.log.{number}");
        if number == 0 {
            bench.write(&name, "");
        }
        let text = "x".repeat(length.min(1024));
        bench.append(&name, format!("{text}\n"));
        expected.push(text);
        bench.write("app.log", "");
        bench.ship();
        let kept = bench.stop();
        bench.rename(&name, &format!("app.log.{}", number + 1));
        bench.start(kept);
        bench.ship();
        assert_eq!(bench.texts(), expected);
    }
}

#[test]
fn a_file_cut_short_while_stopped_is_read_from_its_beginning() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\na2\na3\n");
    bench.ship();
    let kept = bench.stop();
    bench.write("app.log", "b1\n");
    bench.start(kept);
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "a3", "b1"]);
}

#[test]
fn a_file_that_is_only_touched_is_not_read_again() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    let touch = |bench: &Bench| {
        let now = std::time::UNIX_EPOCH + std::time::Duration::from_secs(2_000_000_000);
        bench.writer("app.log").set_modified(now).unwrap();
    };
    touch(&bench);
    bench.ship();
    bench.wait(400);
    touch(&bench);
    bench.restart();
    bench.ship();
    assert_eq!(bench.texts(), ["a1"]);
}

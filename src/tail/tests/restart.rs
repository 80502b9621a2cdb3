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

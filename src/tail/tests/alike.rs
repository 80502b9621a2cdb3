//! Which of the files that begin alike a compressed one was made of.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::Duration;

use super::bench::Bench;
use super::packer::{Packer, lines, pack, texts};
use crate::clock;
use crate::tail::LostReason;

/// More than a head, and in all files.
fn header() -> String {
    lines("header", 30)
}

#[test]
fn an_original_is_kept_until_its_unfinished_copy_is_judged() {
    let mut bench = Bench::new();
    let text = lines("a", 30);
    bench.write("app.log.1", &text);
    bench.write("app.log", "b1\n");
    let packed = pack(Packer::Gzip, text.as_bytes());
    let (first, rest) = packed.split_at(packed.len() / 2);
    bench.write("app.log.1.gz", first);
    bench.ship();
    bench.append("app.log.1.gz", rest);
    bench.remove("app.log.1");
    bench.turns();
    bench.wait(70);
    bench.ship();
    bench.wait(70);
    bench.ship();
    assert_eq!(bench.texts(), texts(&[&text, "b1\n"]));
}

#[test]
fn a_compressed_copy_of_what_a_truncated_file_holds_now_is_not_read() {
    let mut bench = Bench::new();
    let (gone, text) = (lines("gone", 1), lines("a", 30));
    bench.write("app.log", &gone);
    bench.look();
    bench.truncate("app.log");
    bench.append("app.log", &text);
    bench.rotate();
    bench.compress("app.log.1", Packer::Gzip);
    bench.write("app.log", "b1\n");
    bench.ship();
    bench.wait(7);
    bench.ship();
    assert_eq!(bench.texts(), texts(&[&text, "b1\n"]));
    assert_eq!(bench.lost(), [(gone.len() as u64, LostReason::Truncated)]);
}

#[test]
fn a_compressed_file_that_was_seen_again_is_read_although_it_goes() {
    let mut bench = Bench::new();
    let text = lines("a", 30);
    bench.write("app.log.1.gz", pack(Packer::Gzip, text.as_bytes()));
    bench.write("app.log", "b1\n");
    bench.look();
    bench.restart();
    bench.look();
    bench.remove("app.log.1.gz");
    bench.ship();
    assert_eq!(bench.texts(), texts(&[&text, "b1\n"]));
}

#[test]
fn a_copy_of_what_can_be_read_is_not_taken_for_the_rest_of_another() {
    let mut bench = Bench::new();
    let (lost, text) = (header() + "lost\n", header() + "a\n");
    bench.write("app.log.2", &lost);
    bench.write("app.log.1", &text);
    bench.write("app.log", "b1\n");
    bench.look();
    let kept = bench.stop();
    bench.remove("app.log.2");
    bench.start(kept);
    bench.pack("app.log.1", "app.log.1.gz", Packer::Gzip);
    bench.look();
    bench.remove("app.log.1");
    bench.ship();
    assert_eq!(bench.texts(), texts(&[&text, "b1\n"]));
}

#[test]
fn a_copy_that_was_written_over_may_be_the_rest_of_another() {
    let mut bench = Bench::new();
    let (first, second) = (lines("a", 30), lines("b", 30));
    bench.write("app.log", &first);
    bench.ship();
    bench.write("app.log.1", &first);
    bench.ship();
    bench.remove("app.log");
    bench.write("app.log", &second);
    bench.look();
    bench.write("app.log.1", &second);
    bench.truncate("app.log");
    bench.append("app.log", "c1\n");
    bench.ship();
    assert_eq!(bench.texts(), texts(&[&first, &second, "c1\n"]));
    assert_eq!(bench.lost(), []);
}

#[test]
fn of_files_that_begin_alike_the_one_whose_place_is_found_is_recognised() {
    let mut bench = Bench::new();
    let text = header() + &lines("a", 2);
    bench.write("app.log.1", &text);
    bench.write("app.log", "");
    bench.ship();
    bench.append("app.log", header() + "lost\n");
    bench.look();
    let kept = bench.stop();
    bench.remove("app.log");
    bench.compress("app.log.1", Packer::Gzip);
    bench.start(kept);
    bench.ship();
    assert_eq!(bench.texts(), texts(&[&text]));
}

#[test]
fn files_that_begin_alike_are_found_again_in_their_order() {
    let mut bench = Bench::new();
    let all = ["a\n", "b\n", "c\n"].map(|last| header() + last);
    for (number, text) in (1..=3).rev().zip(&all) {
        bench.write(&format!("app.log.{number}"), text);
    }
    bench.write("app.log", "d1\n");
    bench.look();
    let kept = bench.stop();
    for number in 1..=3 {
        bench.compress(&format!("app.log.{number}"), Packer::Gzip);
    }
    bench.start(kept);
    bench.ship();
    assert_eq!(bench.texts(), texts(&[&all.concat(), "d1\n"]));
}

#[test]
fn an_unfinished_line_comes_before_what_was_compressed_after_it() {
    let mut bench = Bench::new();
    let text = lines("a", 30);
    bench.write("app.log.2", "unfinished");
    bench.write("app.log.1.gz", pack(Packer::GzipOwnTime, text.as_bytes()));
    bench.write("app.log", "");
    bench.look();
    bench.restart();
    bench.ship();
    bench.wait(2);
    bench.ship();
    assert_eq!(bench.texts(), texts(&["unfinished\n", &text]));
}

#[test]
fn what_has_no_number_comes_at_its_time_among_those_that_were_compressed() {
    let mut bench = Bench::new();
    let written = |bench: &Bench, name: &str, seconds: i64| {
        let mut file = OpenOptions::new().append(true).create(true).open(bench.path(name)).unwrap();
        file.write_all(format!("{name}\n").as_bytes()).unwrap();
        let by = Duration::from_secs(seconds.unsigned_abs());
        let at = if seconds < 0 { clock::wall() - by } else { clock::wall() + by };
        file.set_modified(at).unwrap();
    };
    written(&bench, "app.log.old", -3);
    bench.write("app.log.2.gz", pack(Packer::GzipOwnTime, b"2\n"));
    bench.write("app.log.1.gz", pack(Packer::GzipOwnTime, b"1\n"));
    written(&bench, "app.log.new", 3);
    bench.write("app.log", "b1\n");
    bench.ship();
    assert_eq!(bench.texts(), ["app.log.old", "2", "1", "app.log.new", "b1"]);
}

#[test]
fn what_a_truncated_file_holds_now_is_read_once_although_its_copy_is_still_awaited() {
    let mut bench = Bench::new();
    let packed = pack(Packer::Gzip, b"a1\n");
    let (first, rest) = packed.split_at(10);
    bench.write("app.log", lines("gone", 1));
    bench.look();
    bench.write("app.log.1.gz", first);
    bench.truncate("app.log");
    bench.look();
    bench.restart();
    bench.append("app.log.1.gz", rest);
    bench.append("app.log", "b1\n");
    bench.ship();
    bench.pass(20);
    assert_eq!(bench.texts(), ["a1", "b1"]);
}

#[test]
fn a_copy_that_has_got_the_time_of_its_original_is_not_waited_for() {
    let mut bench = Bench::new();
    let text = lines("a", 1);
    bench.write("app.log.1", &text);
    bench.write("app.log", "b1\n");
    bench.ship();
    let packed = pack(Packer::Gzip, text.as_bytes());
    let (first, rest) = packed.split_at(10);
    bench.write("app.log.1.gz", first);
    bench.look();
    assert!(bench.awaits_packed());
    bench.append("app.log.1.gz", rest);
    bench.age("app.log.1.gz");
    bench.look();
    assert!(!bench.awaits_packed());
    bench.remove("app.log.1");
    bench.ship();
    assert_eq!(bench.texts(), texts(&[&text, "b1\n"]));
}

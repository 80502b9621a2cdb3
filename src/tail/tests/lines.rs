//! What becomes of lines: unfinished, endless, empty.

use std::time::Duration;

use super::bench::{Bench, input};
use crate::settings::{LongLine, StartAt};
use crate::tail::{Ending, Turn};

#[test]
fn files_are_shipped_from_their_first_byte_on() {
    let mut bench = Bench::new();
    bench.write("app.log", "\n");
    bench.ship();
    bench.append("app.log", "x");
    bench.ship();
    bench.append("app.log", "\n");
    bench.ship();
    assert_eq!(bench.texts(), ["", "x"]);
}

#[test]
fn an_unfinished_line_waits_and_is_then_one_record() {
    let mut bench = Bench::new();
    for part in ["a", "b", "c\r", "\n", "d\r\n\r\n"] {
        bench.append("app.log", part);
        bench.ship();
        bench.wait(30);
    }
    assert_eq!(bench.texts(), ["abc", "d", ""]);
}

#[test]
fn an_unfinished_line_waits_over_a_restart() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\npa");
    bench.ship();
    bench.restart();
    bench.append("app.log", "rt\n");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "part"]);
}

#[test]
fn an_unfinished_line_is_shipped_once_its_file_was_rotated_away_and_rested() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\nend");
    bench.ship();
    bench.rotate();
    bench.write("app.log", "b1\n");
    bench.ship();
    assert_eq!(bench.texts(), ["a1"]);
    bench.wait(2);
    assert_eq!(bench.texts(), ["a1", "end", "b1"]);
}

#[test]
fn an_unfinished_line_of_a_rotated_file_can_still_be_finished() {
    use std::io::Write as _;
    let mut bench = Bench::new();
    let mut writer = bench.writer("app.log");
    writer.write_all(b"a1\nen").unwrap();
    bench.ship();
    bench.rotate();
    bench.write("app.log", "b1\n");
    bench.ship();
    writer.write_all(b"d\n").unwrap();
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "end", "b1"]);
}

#[test]
fn an_unfinished_line_needs_no_successor_to_be_shipped() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\nend");
    bench.ship();
    bench.rotate();
    bench.ship();
    bench.wait(1);
    assert_eq!(bench.texts(), ["a1"]);
    bench.wait(6);
    assert_eq!(bench.texts(), ["a1", "end"]);
}

#[test]
fn an_unfinished_line_may_be_given_a_time() {
    let timeout = Some(Duration::from_secs(3));
    let mut bench =
        Bench::with(crate::settings::Input { partial_timeout: timeout, ..input() }, Ending::Follow);
    bench.write("app.log", "half");
    bench.ship();
    bench.wait(1);
    assert_eq!(bench.texts().len(), 0);
    bench.wait(3);
    bench.append("app.log", " done\n");
    bench.ship();
    assert_eq!(bench.texts(), ["half", " done"]);
}

#[test]
fn an_unfinished_line_never_overtakes_what_was_written_before() {
    let timeout = Some(Duration::from_secs(3));
    let mut bench =
        Bench::with(crate::settings::Input { partial_timeout: timeout, ..input() }, Ending::Follow);
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.gate().close();
    bench.append("app.log", "a2\n");
    bench.rotate();
    bench.write("app.log", "half");
    bench.look();
    bench.turn();
    bench.wait(10);
    bench.gate().open();
    bench.ship();
    bench.wait(1);
    assert_eq!(bench.texts(), ["a1", "a2", "half"]);
}

#[test]
fn once_everything_is_read_unfinished_lines_too() {
    let mut bench = Bench::with(input(), Ending::AtEnd);
    bench.also("web.log");
    bench.write("app.log", "a1\nend of a");
    bench.rotate();
    bench.write("app.log", "b1\nend of b");
    bench.write("web.log", "w1\nend of w");
    bench.look();
    for _ in 0..20 {
        if bench.turns() == Turn::Idle && bench.finish() {
            break;
        }
    }
    assert!(bench.all_read());
    assert_eq!(bench.texts_of("app.log"), ["a1", "end of a", "b1", "end of b"]);
    assert_eq!(bench.texts_of("web.log"), ["w1", "end of w"]);
}

#[test]
fn a_long_line_is_cut_and_says_what_it_was() {
    let mut bench = Bench::new();
    bench.write("app.log", format!("short\n{}\r\nnext\n", "x".repeat(5000)));
    bench.ship();
    assert_eq!(bench.texts(), ["short", &"x".repeat(1024), "next"]);
    let cut: Vec<_> = bench.heard.borrow().lines.iter().map(|line| line.remarks.cut_from).collect();
    assert_eq!(cut, [None, Some(5000), None]);
}

#[test]
fn a_line_without_its_end_says_so_and_is_alone() {
    let split = crate::settings::Input { on_long_line: LongLine::Split, ..input() };
    for (settings, last) in [(input(), 1024), (split, 5000 % 1024)] {
        let mut bench = Bench::with(settings, Ending::Follow);
        bench.write("app.log", format!("whole\n\n{}", "x".repeat(5000)));
        bench.ship();
        bench.rotate();
        bench.ship();
        bench.wait(6);
        let lines = bench.heard.borrow().lines.clone();
        let (unfinished, others) = lines.split_last().unwrap();
        assert!(unfinished.remarks.unfinished);
        assert_eq!(unfinished.text.len(), last);
        assert!(others.iter().all(|line| line.remarks.is_empty()), "{others:?}");
    }
}

fn long_text() -> String {
    format!("before\n{}\r\nafter\n", "0123456789".repeat(1 << 20))
}

#[test]
fn a_line_of_ten_megabytes_is_one_cut_record_wherever_we_were_interrupted() {
    let text = long_text();
    for crash_at in [0, 1, 2, 9] {
        let mut bench = Bench::new();
        bench.write("app.log", &text[..6_000_000]);
        bench.ship();
        bench.append("app.log", &text[6_000_000..]);
        bench.look();
        bench.turn();
        bench.crash(|_| crash_at);
        bench.ship();
        let lines = bench.heard.borrow().lines.clone();
        let texts: Vec<&str> = lines.iter().map(|line| &*line.text).collect();
        assert_eq!(texts, ["before", &text[7..7 + 1024], "after"]);
        assert_eq!(lines[1].remarks.cut_from, Some(10 << 20));
    }
}

#[test]
fn a_line_of_ten_megabytes_is_split_alike_wherever_we_were_interrupted() {
    let text = long_text();
    let split = crate::settings::Input { on_long_line: LongLine::Split, ..input() };
    for crash_at in [0, 1, 7, 30] {
        let mut bench = Bench::with(split.clone(), Ending::Follow);
        bench.write("app.log", &text[..6_000_000]);
        bench.ship();
        bench.append("app.log", &text[6_000_000..]);
        bench.look();
        bench.turn();
        bench.crash(|_| crash_at);
        bench.ship();
        let texts = bench.texts();
        assert_eq!(texts.len(), 2 + (10 << 20) / 1024);
        assert!(texts[1..texts.len() - 1].iter().all(|text| text.len() == 1024));
        assert_eq!(texts[1..texts.len() - 1].concat(), text[7..7 + (10 << 20)]);
    }
}

#[test]
fn a_line_between_the_limit_and_its_delimiter_is_whole() {
    for on_long_line in [LongLine::Truncate, LongLine::Split] {
        let settings = crate::settings::Input { max_line_bytes: 4, on_long_line, ..input() };
        let mut bench = Bench::with(settings, Ending::Follow);
        for part in ["abcd", "\r", "\n", "efgh\n", "ij"] {
            bench.append("app.log", part);
            bench.ship();
        }
        bench.rotate();
        bench.ship();
        bench.wait(6);
        assert_eq!(bench.texts(), ["abcd", "efgh", "ij"], "{on_long_line:?}");
    }
}

#[test]
fn nuls_and_bad_utf8_pass_through() {
    let mut bench = Bench::new();
    bench.write("app.log", b"\0\0\0\n\xff\xfe\n");
    bench.ship();
    assert_eq!(bench.texts(), ["\0\0\0", "\u{fffd}\u{fffd}"]);
}

#[test]
fn at_the_very_first_look_reading_may_begin_at_the_end() {
    let end = crate::settings::Input { start_at: StartAt::End, ..input() };
    let mut bench = Bench::with(end, Ending::Follow);
    bench.also("web.log");
    bench.write("app.log", "old\n");
    bench.rotate();
    bench.write("app.log", "old too\nthe last l");
    bench.ship();
    bench.append("app.log", "ine\nnew\n");
    bench.write("web.log", "later files are read whole\n");
    bench.ship();
    bench.rotate();
    bench.write("app.log", "next\n");
    bench.ship();
    bench.restart();
    bench.ship();
    assert_eq!(bench.texts_of("app.log"), ["the last line", "new", "next"]);
    assert_eq!(bench.texts_of("web.log"), ["later files are read whole"]);
}

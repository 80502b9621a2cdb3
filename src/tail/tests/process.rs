//! Lines that are more than bytes up to a newline: events, containers, encodings, filters; over
//! restarts, rotations and the end of their files.

use super::bench::{Bench, input};
use super::packer::{Packer, pack};
use crate::budget::Budget;
use crate::settings::{Format, Input, LongLine, Multiline};
use crate::tail::Ending;

fn bench(input: Input) -> Bench {
    Bench::with(input, Ending::Follow)
}

fn events() -> Input {
    let multiline = Multiline::starting_with("^\\S");
    Input { multiline: Some(multiline), ..input() }
}

fn container() -> Input {
    Input { format: Format::Container, ..input() }
}

fn cri(stream: &str, tag: &str, message: &str) -> String {
    format!("2026-11-21T10:00:00.000000001Z {stream} {tag} {message}\n")
}

#[test]
fn an_event_waits_for_its_lines_and_no_longer_than_its_timeout() {
    let mut bench = bench(events());
    bench.append("app.log", "a1\n  a2\n");
    bench.ship();
    bench.append("app.log", "  a3\nb1\n");
    bench.ship();
    assert_eq!(bench.texts(), ["a1\n  a2\n  a3"]);
    bench.wait(3);
    bench.append("app.log", "  b2\n");
    bench.ship();
    bench.wait(4);
    assert_eq!(bench.texts().len(), 1, "the time counts from the last line on");
    bench.wait(2);
    assert_eq!(bench.texts(), ["a1\n  a2\n  a3", "b1\n  b2"]);
}

#[test]
fn half_an_event_survives_a_restart() {
    let mut bench = bench(events());
    bench.append("app.log", "a1\nb1\n  b2\n");
    bench.ship();
    bench.restart();
    bench.append("app.log", "  b3\nc1\n");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "b1\n  b2\n  b3"]);
}

#[test]
fn the_last_event_of_a_rotated_file_comes_before_its_successors() {
    let mut bench = bench(events());
    bench.append("app.log", "a1\n  a2\n  a3");
    bench.ship();
    bench.rotate();
    bench.append("app.log", "b1\nb2\n");
    bench.ship();
    bench.wait(2);
    assert_eq!(bench.texts(), ["a1\n  a2\n  a3", "b1"]);
}

#[test]
fn an_event_that_was_read_survives_its_files_truncation_and_deletion() {
    let mut bench = bench(events());
    bench.append("app.log", "a1\n  a2\n");
    bench.ship();
    bench.truncate("app.log");
    bench.append("app.log", "b1\n");
    bench.ship();
    assert_eq!(bench.texts(), ["a1\n  a2"]);
    bench.remove("app.log");
    bench.ship();
    bench.wait(70);
    assert_eq!(bench.texts(), ["a1\n  a2", "b1"]);
    assert!(bench.lost().is_empty());
}

#[test]
fn an_event_larger_than_a_read_is_one_record() {
    let mut event = String::from("a");
    for line in 0..9000 {
        event.extend(["\n  line of one event that goes on and on ", &line.to_string()]);
    }
    let multiline = events().multiline.map(|m| Multiline { lines_max: 10_000, ..m });
    let mut bench = bench(Input { multiline, max_line_bytes: 1 << 20, ..input() });
    bench.append("app.log", format!("{event}\nb\n"));
    bench.ship();
    assert_eq!(bench.texts(), [event]);
}

#[test]
fn streams_of_a_container_do_not_hold_each_other_up() {
    let mut bench = bench(container());
    bench.append("app.log", cri("stderr", "P", "never "));
    for n in 0..3 {
        bench.append("app.log", cri("stdout", "F", &format!("o{n}")));
        bench.ship();
    }
    assert_eq!(bench.texts(), ["o0", "o1", "o2"]);
    bench.restart();
    bench.append("app.log", cri("stdout", "F", "o3"));
    bench.append("app.log", cri("stderr", "F", "ended"));
    bench.ship();
    assert_eq!(bench.texts(), ["o0", "o1", "o2", "o3", "never ended"]);
}

#[test]
fn a_line_whose_runtime_never_ended_it_is_shipped_when_its_file_is_gone() {
    let mut bench = bench(container());
    bench.append("app.log", cri("stdout", "P", "half"));
    bench.ship();
    bench.remove("app.log");
    bench.ship();
    bench.wait(10);
    assert_eq!(bench.texts(), ["half"]);
}

#[test]
fn what_nobody_wants_still_moves_the_place() {
    let mut bench = bench(Input { exclude_lines: vec!["^DEBUG".into()], ..input() });
    bench.append("app.log", "DEBUG x\n".repeat(100));
    bench.ship();
    let size = 800;
    assert_eq!(bench.at("app.log"), size);
    bench.append("app.log", "INFO\nDEBUG y\n");
    bench.ship();
    assert_eq!((bench.texts(), bench.at("app.log")), (vec!["INFO".into()], size + 13));
    bench.restart();
    bench.append("app.log", "WARN\n");
    bench.ship();
    assert_eq!(bench.texts(), ["INFO", "WARN"]);
}

#[test]
fn utf_16_is_read_in_either_order_of_its_bytes_and_over_any_cut() {
    for (bom, bytes) in
        [(b"\xFF\xFE", u16::to_le_bytes as fn(u16) -> [u8; 2]), (b"\xFE\xFF", u16::to_be_bytes)]
    {
        let mut bench = bench(Input { encoding: "utf-16".into(), ..input() });
        let text = "žluť\r\nਊ਀\n𝄞\n";
        let mut file = bom.to_vec();
        file.extend(text.encode_utf16().flat_map(bytes));
        for byte in file {
            bench.append("app.log", [byte]);
            bench.ship();
        }
        assert_eq!(bench.texts(), ["žluť", "ਊ਀", "𝄞"]);
    }
}

#[test]
fn a_long_line_in_another_encoding_is_cut_by_what_it_becomes() {
    let latin = Input { encoding: "latin1".into(), max_line_bytes: 10, ..input() };
    for (on_long_line, expected) in
        [(LongLine::Truncate, vec!["äääää"]), (LongLine::Split, vec!["äääää", "ä"])]
    {
        let mut bench = bench(Input { on_long_line, ..latin.clone() });
        bench.append("app.log", *b"\xE4\xE4\xE4\xE4\xE4\xE4\n");
        bench.ship();
        assert_eq!(bench.texts(), expected);
    }
}

#[test]
fn events_that_wait_take_a_bounded_part_of_memory() {
    let endless = Input { max_line_bytes: 1 << 20, ..container() };
    let mut bench = bench(endless);
    bench.limit(Budget::new(8 << 20, || {}));
    let piece = "x".repeat(16 << 10);
    for file in 0..30 {
        bench.also(&format!("{file}.log"));
        for _ in 0..20 {
            bench.append(&format!("{file}.log"), cri("stdout", "P", &piece));
        }
    }
    bench.ship();
    assert!(bench.pending() <= (8 << 20) / 8 + (1 << 20), "{}", bench.pending());
    for file in 0..30 {
        bench.append(&format!("{file}.log"), cri("stdout", "F", &format!("end of {file}")));
    }
    bench.ship();
    let texts = bench.texts();
    assert_eq!(texts.len(), 30);
    assert!(texts.iter().all(|text| text.len() > 20 * (16 << 10)));
}

/// Reads what was compressed with a crash after every few turns.
fn over_crashes(input: Input, packer: Packer, text: &str) -> Vec<String> {
    let mut bench = bench(input);
    bench.write(&("app.log.1".to_owned() + packer.ending()), pack(packer, text.as_bytes()));
    bench.write("app.log", "");
    bench.look();
    for turns in 1..30 {
        bench.some_turns(turns % 5 + 1);
        bench.crash(|last| last.saturating_sub(turns % 3));
        bench.look();
    }
    bench.ship();
    bench.pass(10);
    bench.ship();
    bench.texts()
}

#[test]
fn events_inside_a_compressed_file_survive_crashes_in_their_middle() {
    let filling = "x".repeat(90);
    let event = |number| format!("e{number}\n  {filling}\n  {filling}");
    let events_of = |count| (0..count).map(event).collect::<Vec<_>>();
    for packer in [Packer::Gzip, Packer::Zstd] {
        let text = events_of(5000).join("\n") + "\n";
        let came = over_crashes(events(), packer, &text);
        assert!(came == events_of(5000), "{} came", came.len());
    }
}

#[test]
fn streams_inside_a_compressed_file_survive_crashes_in_the_middle_of_their_lines() {
    let filling = "x".repeat(90);
    for packer in [Packer::Gzip, Packer::Zstd] {
        let (mut text, mut out, mut err) = (String::new(), Vec::new(), Vec::new());
        for number in 0..2000 {
            text += &cri("stdout", "P", &format!("o{number} {filling}"));
            text += &cri("stderr", "P", &format!("e{number} "));
            text += &cri("stdout", "F", "end");
            text += &cri("stderr", "F", &filling);
            out.push(format!("o{number} {filling}end"));
            err.push(format!("e{number} {filling}"));
        }
        let came = over_crashes(container(), packer, &text);
        let (outs, errs): (Vec<_>, Vec<_>) = came.into_iter().partition(|it| it.starts_with('o'));
        assert!(outs == out && errs == err, "{} and {} came", outs.len(), errs.len());
    }
}

#[test]
fn an_event_that_is_waited_for_goes_on_in_the_compressed_file() {
    let mut bench = bench(events());
    let filling = "x".repeat(90);
    bench.append("app.log", format!("a {filling}\nb1\n  b2\n"));
    bench.ship();
    let kept = bench.stop();
    bench.append("app.log", "  b3\nc1\n");
    bench.rotate();
    bench.compress("app.log.1", Packer::Gzip);
    bench.write("app.log", "d1\n");
    bench.start(kept);
    bench.ship();
    bench.pass(10);
    assert_eq!(bench.texts(), [&format!("a {filling}"), "b1\n  b2\n  b3", "c1", "d1"]);
}

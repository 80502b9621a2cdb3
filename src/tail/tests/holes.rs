//! NULs that nobody wrote, and those that somebody did.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;

use proptest::prelude::*;

use super::bench::{Bench, input};
use super::packer::patient;
use crate::settings::{Input, LongLine, Multiline};
use crate::tail::LostReason::Truncated;
use crate::tail::content::Content;
use crate::tail::hole::HOLE_MIN;
use crate::tail::{Ending, Turn};

/// What is a line, going by the bytes alone.
fn lines_of(mut bytes: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
        let (line, rest) = bytes.split_at(end + 1);
        let nuls = line.iter().take_while(|byte| **byte == 0).count();
        let text = &line[if nuls < HOLE_MIN { 0 } else { nuls }..end];
        lines.push(String::from_utf8_lossy(text).into_owned());
        bytes = rest;
    }
    lines
}

proptest! {
    /// No line is longer than it may be.
    #[test]
    fn whatever_nuls_there_are_and_however_they_arrive_the_lines_are_the_same(
        pieces in prop::collection::vec((0..140_usize, "[a-c\n\\x00]{0,4}"), 1..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let piece = |(nuls, text): &(usize, String)| [&vec![0; *nuls], text.as_bytes()].concat();
        let bytes: Vec<u8> = pieces.iter().flat_map(piece).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        cuts.push(bytes.len());
        let mut bench = Bench::new();
        let mut written = 0;
        for cut in cuts {
            bench.append("app.log", &bytes[written..cut]);
            bench.ship();
            written = cut;
        }
        prop_assert_eq!(bench.texts(), lines_of(&bytes));
    }
}

/// Somebody who writes where it left off, whatever was done to the file.
struct Stubborn {
    file: File,
    at: u64,
}

impl Stubborn {
    fn of(bench: &Bench, name: &str) -> Self {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let file = options.open(bench.path(name)).unwrap();
        let at = file.metadata().unwrap().len();
        Self { file, at }
    }

    fn write(&mut self, text: &str) {
        self.file.write_all_at(text.as_bytes(), self.at).unwrap();
        self.at += text.len() as u64;
    }
}

/// Where a record's text begins that may stand behind a hole.
fn behind_hole(file: &Content, start: u64) -> u64 {
    let mut bytes = [0; 4096];
    let mut at = start;
    loop {
        if file.packed().is_none() {
            at = rustix::fs::seek(file.file(), rustix::fs::SeekFrom::Data(at)).unwrap_or(at);
        }
        let read = patient(|| file.read_up_to(&mut bytes, at));
        let nuls = bytes[..read].iter().take_while(|byte| **byte == 0).count();
        at += nuls as u64;
        if read == 0 || nuls < read {
            return if at - start < 64 { start } else { at };
        }
    }
}

pub(super) fn read_behind_hole(file: &Content, bytes: &mut [u8], start: u64) {
    let read = patient(|| file.read_up_to(bytes, behind_hole(file, start)));
    assert_eq!(read, bytes.len());
}

fn lines(count: usize) -> String {
    (0..count).map(|number| format!("line {number:0>93}\n")).collect::<Vec<_>>().concat()
}

#[test]
fn the_hole_that_copytruncate_leaves_under_a_writer_that_keeps_its_offset_is_skipped() {
    // Within one page of the file system, and over many.
    for count in [3, 1000] {
        let mut bench = Bench::new();
        let mut writer = Stubborn::of(&bench, "app.log");
        writer.write(&lines(count));
        bench.ship();
        let end = writer.at;
        bench.copy("app.log", "app.log.1");
        bench.truncate("app.log");
        writer.write("b1\nb2\n");
        bench.ship();
        writer.write("b3\n");
        bench.ship();
        assert_eq!(bench.texts()[count..], ["b1", "b2", "b3"], "{count}");
        assert_eq!((bench.lost(), bench.heard.borrow().skipped), (vec![], end));
        bench.restart();
        bench.ship();
        assert_eq!(bench.texts().len(), count + 3);
    }
}

#[test]
fn copytruncates_that_leave_holes_are_followed_again_and_again() {
    let mut bench = Bench::new();
    let mut writer = Stubborn::of(&bench, "app.log");
    let mut expected = Vec::new();
    for round in 0..5 {
        for number in 0..100 {
            expected.push(format!("round {round} line {number:0>100}"));
            writer.write(&format!("{}\n", expected.last().unwrap()));
        }
        // What is unread is in the copy only, every other time.
        if round % 2 == 0 {
            bench.ship();
        }
        bench.copy("app.log", &format!("app.log.{}", 9 - round));
        bench.truncate("app.log");
    }
    writer.write("end\n");
    expected.push("end".to_owned());
    bench.ship();
    bench.ship();
    assert_eq!(bench.texts(), expected);
    assert_eq!(bench.lost(), []);
}

#[test]
fn a_copy_has_the_holes_of_its_original() {
    let mut bench = Bench::new();
    let mut writer = Stubborn::of(&bench, "app.log");
    writer.at = 100_000;
    writer.write("a1\n");
    bench.ship();
    writer.write("a2\n");
    // Without holes to the file system.
    let bytes = std::fs::read(bench.path("app.log")).unwrap();
    bench.write("app.log.1", bytes);
    bench.truncate("app.log");
    bench.append("app.log", "b1\n");
    bench.ship();
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "b1"]);
}

#[test]
fn a_hole_between_lines_is_skipped() {
    let mut bench = Bench::new();
    let mut writer = Stubborn::of(&bench, "app.log");
    for at in [0, 200, 1 << 20, (1 << 20) + 100] {
        writer.at = at;
        writer.write(&format!("at {at}\n"));
    }
    bench.ship();
    assert_eq!(bench.texts(), ["at 0", "at 200", "at 1048576", "at 1048676"]);
    bench.restart();
    bench.ship();
    assert_eq!(bench.texts().len(), 4);
}

#[test]
fn a_file_of_five_gibibytes_with_little_in_it_is_read_at_once() {
    let mut bench = Bench::new();
    let mut writer = Stubborn::of(&bench, "app.log");
    writer.write("first\n");
    writer.at = 5 << 30;
    writer.write("last\n");
    bench.look();
    let mut turns = 0;
    while bench.turn() == Turn::Worked {
        turns += 1;
    }
    assert_eq!(bench.texts(), ["first", "last"]);
    assert_eq!(bench.heard.borrow().skipped, (5 << 30) - 6);
    // Reading it would take a turn for each 4 MiB.
    assert!(turns < 20, "{turns} turns");
}

#[test]
fn offsets_beyond_four_gibibytes_survive_a_restart() {
    let mut bench = Bench::new();
    let mut writer = Stubborn::of(&bench, "app.log");
    writer.at = (4 << 30) - 3;
    writer.write("across\n");
    bench.ship();
    bench.restart();
    writer.write("beyond\n");
    bench.ship();
    assert_eq!(bench.texts(), ["across", "beyond"]);
}

#[test]
fn a_hole_makes_the_same_records_wherever_we_were_interrupted() {
    for on_long_line in [LongLine::Truncate, LongLine::Split] {
        let settings = Input { on_long_line, max_line_bytes: 100, ..input() };
        let expected = {
            let mut bench = Bench::with(settings.clone(), Ending::Follow);
            write_holes(&bench);
            bench.ship();
            bench.texts()
        };
        for crash_at in 0..6 {
            let mut bench = Bench::with(settings.clone(), Ending::Follow);
            write_holes(&bench);
            bench.look();
            bench.some_turns(crash_at);
            bench.crash(|_| crash_at);
            bench.ship();
            assert_eq!(bench.texts(), expected, "{on_long_line:?}, {crash_at}");
        }
    }
}

fn write_holes(bench: &Bench) {
    let mut writer = Stubborn::of(bench, "app.log");
    writer.at = 300_000;
    writer.write("a1\n");
    writer.write(&format!("long {}\n", "x".repeat(500)));
    writer.at += 64;
    writer.write("b1\n");
    writer.at += 10_000_000;
    writer.write("c1\nc2\n");
    writer.at += 63;
    writer.write("d1\n");
}

#[test]
fn nuls_inside_a_line_and_few_before_it_are_its_own() {
    let mut bench = Bench::new();
    let inside = format!("before{}after", "\0".repeat(500));
    let few = format!("{}few", "\0".repeat(63));
    let nothing_else = "\0".repeat(10);
    bench.write("app.log", format!("{inside}\n{few}\n{nothing_else}\n"));
    bench.ship();
    assert_eq!(bench.texts(), [inside, few, nothing_else]);
    assert_eq!(bench.heard.borrow().skipped, 0);
}

#[test]
fn few_nuls_are_a_lines_own_however_they_arrive() {
    let mut bench = Bench::new();
    for part in ["\0", "\0\0", "x", "\n", "\0", "\n"] {
        bench.append("app.log", part);
        bench.ship();
    }
    assert_eq!(bench.texts(), ["\0\0\0x", "\0"]);
}

#[test]
fn a_file_made_long_before_it_is_written_is_read_as_it_is_written() {
    let mut bench = Bench::new();
    bench.write("app.log", "");
    let mut writer = Stubborn::of(&bench, "app.log");
    writer.file.set_len(1 << 20).unwrap();
    bench.ship();
    assert_eq!(bench.texts().len(), 0);
    for text in ["a1\n", "a2\na3\n", "ha", "lf\n"] {
        writer.write(text);
        bench.ship();
    }
    assert_eq!(bench.texts(), ["a1", "a2", "a3", "half"]);
    bench.restart();
    writer.write("a4\n");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "a3", "half", "a4"]);
    assert_eq!(bench.heard.borrow().skipped, 0);
}

#[test]
fn the_unwritten_end_of_a_rotated_file_is_neither_shipped_nor_lost_nor_waited_for() {
    let mut bench = Bench::new();
    let mut writer = Stubborn::of(&bench, "app.log");
    writer.write("a1\n");
    writer.file.set_len(1 << 20).unwrap();
    bench.ship();
    bench.rotate();
    bench.write("app.log", "b1\n");
    bench.ship();
    bench.wait(400);
    assert_eq!(bench.texts(), ["a1", "b1"]);
    assert_eq!(bench.open_files(), 0);
    bench.remove("app.log.1");
    bench.ship();
    bench.ship();
    assert_eq!((bench.lost(), bench.gone()), (vec![], 1));
}

#[test]
fn once_leaves_the_unwritten_end_of_a_file_alone() {
    let mut bench = Bench::with(input(), Ending::AtEnd);
    let mut writer = Stubborn::of(&bench, "app.log");
    writer.write("a1\n");
    writer.file.set_len(1 << 20).unwrap();
    bench.look();
    for _ in 0..20 {
        if bench.turns() == Turn::Idle && bench.finish() {
            break;
        }
    }
    assert!(bench.all_read());
    assert_eq!(bench.texts(), ["a1"]);
}

#[test]
fn what_is_lost_behind_a_hole_is_counted_without_the_hole() {
    let mut bench = Bench::new();
    let mut writer = Stubborn::of(&bench, "app.log");
    writer.at = 100_000;
    writer.write("lost");
    bench.ship();
    bench.truncate("app.log");
    bench.ship();
    assert_eq!(bench.lost(), [(4, Truncated)]);
}

#[test]
fn a_hole_in_utf_16_ends_in_step() {
    let bytes: [fn(u16) -> [u8; 2]; 2] = [u16::to_le_bytes, u16::to_be_bytes];
    for (encoding, bytes) in ["utf-16le", "utf-16be"].into_iter().zip(bytes) {
        let encoded = |text: &str| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
        let settings = Input { encoding: encoding.into(), ..input() };
        let mut bench = Bench::with(settings, Ending::Follow);
        bench.write("app.log", [vec![0; 5000], encoded("a1\n"), vec![0; 300]].concat());
        bench.ship();
        bench.append("app.log", encoded("a2\na3\n"));
        bench.ship();
        assert_eq!(bench.texts(), ["a1", "a2", "a3"], "{encoding}");
    }
}

#[test]
fn lines_that_end_in_nuls_have_no_holes() {
    let mut bench = Bench::with(Input { delimiter: "\0".into(), ..input() }, Ending::Follow);
    bench.write("app.log", format!("a1\0{}b1\0", "\0".repeat(100)));
    bench.ship();
    let texts = bench.texts();
    assert_eq!((texts.len(), &*texts[0], &*texts[101]), (102, "a1", "b1"));
}

#[test]
fn a_hole_between_the_lines_of_an_event_is_no_part_of_it() {
    let multiline = Multiline::starting_with("^a");
    let settings = Input { multiline: Some(multiline), ..input() };
    let mut bench = Bench::with(settings, Ending::Follow);
    bench
        .write("app.log", format!("a1\n{}more\na2\n{}more\n", "\0".repeat(100), "\0".repeat(5000)));
    bench.ship();
    bench.restart();
    bench.ship();
    bench.wait(10);
    assert_eq!(bench.texts(), ["a1\nmore", "a2\nmore"]);
}

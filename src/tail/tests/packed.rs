//! Files compressed after they were rotated, by whatever scheme, whether we run or not.

use std::io::Write as _;

use super::bench::{Bench, input};
use super::packer::{Packer, lines, pack, texts};
use crate::clock;
use crate::settings::{Input, StartAt};
use crate::tail::unpacking::UNPACKING_MAX;
use crate::tail::{Ending, LostReason, Turn};

#[test]
fn a_file_rotated_and_compressed_while_stopped_is_gone_on_with() {
    for packer in [Packer::Gzip, Packer::Zstd] {
        for read in [1, 5, 40] {
            let mut bench = Bench::new();
            let (first, rest) = (lines("a", read), lines("a more", 40));
            bench.write("app.log", &first);
            bench.ship();
            let kept = bench.stop();
            bench.append("app.log", &rest);
            bench.rotate();
            bench.compress("app.log.1", packer);
            bench.write("app.log", "b1\n");
            bench.start(kept);
            bench.ship();
            assert_eq!(bench.texts(), texts(&[&first, &rest, "b1\n"]));
            bench.restart();
            bench.ship();
            assert_eq!(bench.texts(), texts(&[&first, &rest, "b1\n"]));
        }
    }
}

#[test]
fn a_file_rotated_and_compressed_between_two_looks_is_finished_from_what_is_open() {
    let mut bench = Bench::new();
    let (first, rest) = (lines("a", 30), lines("a more", 30));
    bench.write("app.log", &first);
    bench.ship();
    bench.append("app.log", &rest);
    bench.rotate();
    bench.compress("app.log.1", Packer::Gzip);
    bench.write("app.log", "b1\n");
    bench.ship();
    for _ in 0..10 {
        bench.wait(7);
        bench.ship();
    }
    assert_eq!(bench.texts(), texts(&[&first, &rest, "b1\n"]));
    bench.age("app.log.1.gz");
    bench.restart();
    bench.ship();
    assert_eq!(bench.texts().len(), 61);
}

#[test]
fn what_was_compressed_without_its_time_is_recognised_too() {
    for packer in [Packer::GzipOwnTime, Packer::Zstd] {
        let mut bench = Bench::new();
        let text = lines("a", 8000);
        bench.write("app.log", &text);
        bench.ship();
        bench.rotate();
        bench.write("app.log", "b1\n");
        bench.ship();
        bench.compress("app.log.1", packer);
        for _ in 0..10 {
            bench.wait(7);
            bench.ship();
        }
        assert_eq!(bench.texts(), texts(&[&text, "b1\n"]));
        assert_eq!(bench.source_count(), 1);
    }
}

#[test]
fn a_compressed_copy_beside_its_original_is_not_read() {
    let mut bench = Bench::new();
    let text = lines("a", 100);
    bench.write("app.log", &text);
    bench.rotate();
    bench.write("app.log", "b1\n");
    bench.pack("app.log.1", "app.log.1.gz", Packer::Gzip);
    bench.ship();
    assert_eq!(bench.texts(), texts(&[&text, "b1\n"]));
    bench.remove("app.log.1");
    for _ in 0..10 {
        bench.wait(7);
        bench.ship();
    }
    bench.age("app.log.1.gz");
    bench.restart();
    bench.ship();
    assert_eq!(bench.texts(), texts(&[&text, "b1\n"]));
}

#[test]
fn a_file_compressed_one_rotation_later_is_not_read_again() {
    for own_time in [false, true] {
        let mut bench = Bench::new();
        let mut all = String::new();
        for name in ["a", "b", "c", "d"] {
            let text = lines(name, 50);
            bench.write("app.log", &text);
            all.push_str(&text);
            bench.ship();
            // Long after it was read, it was closed.
            bench.wait(400);
            bench.ship();
            if bench.path("app.log.1").exists() {
                let packer = if own_time { Packer::GzipOwnTime } else { Packer::Gzip };
                bench.compress("app.log.1", packer);
                bench.rename("app.log.1.gz", &format!("app.log.2.{name}.gz"));
            }
            bench.rotate();
        }
        bench.write("app.log", "end\n");
        for _ in 0..4 {
            bench.ship();
            bench.wait(7);
        }
        assert_eq!(bench.texts(), texts(&[&all, "end\n"]));
    }
}

#[test]
fn kubelets_way_by_a_temporary_name_repeats_and_loses_nothing() {
    let mut bench = Bench::new();
    let (first, rest) = (lines("a", 30), lines("a more", 30));
    bench.write("app.log", &first);
    bench.ship();
    let kept = bench.stop();
    bench.append("app.log", &rest);
    bench.rename("app.log", "app.log.20260131-101010");
    let b = lines("b", 20);
    bench.write("app.log", &b);
    bench.rename("app.log", "app.log.20260131-111010");
    bench.pack("app.log.20260131-101010", "app.log.20260131-101010.tmp", Packer::GzipOwnTime);
    bench.start(kept);
    bench.rename("app.log.20260131-101010.tmp", "app.log.20260131-101010.gz");
    bench.remove("app.log.20260131-101010");
    bench.write("app.log", "c1\n");
    bench.ship();
    assert_eq!(bench.texts(), texts(&[&first, &rest, &b, "c1\n"]));
}

#[test]
fn several_rotations_while_stopped_come_in_order_compressed_or_not() {
    for packer in [Packer::Gzip, Packer::GzipOwnTime, Packer::Zstd] {
        let mut bench = Bench::new();
        let mut all = vec![lines("a", 20)];
        bench.write("app.log", &all[0]);
        bench.ship();
        let kept = bench.stop();
        all.push(lines("a more", 20));
        bench.append("app.log", &all[1]);
        for name in ["b", "c", "d"] {
            bench.rotate();
            all.push(lines(name, 20));
            bench.write("app.log", &all[all.len() - 1]);
        }
        bench.rotate();
        for number in [2, 4, 3] {
            bench.compress(&format!("app.log.{number}"), packer);
        }
        bench.start(kept);
        bench.ship();
        assert_eq!(bench.texts(), texts(&[&all.concat()]));
        bench.restart();
        bench.ship();
        assert_eq!(bench.texts(), texts(&[&all.concat()]));
    }
}

#[test]
fn compressed_files_with_equal_beginnings_are_told_apart() {
    let header = lines("header", 30);
    let mut bench = Bench::new();
    let mut all = String::new();
    let mut kept = None;
    for name in ["a", "b", "c", "d"] {
        let text = format!("{header}{}", lines(name, 20));
        bench.write("app.log", &text);
        all.push_str(&text);
        if name == "a" {
            bench.ship();
            kept = Some(bench.stop());
            let more = lines("a more", 20);
            bench.append("app.log", &more);
            all.push_str(&more);
        }
        bench.rotate();
        bench.compress("app.log.1", Packer::Gzip);
        for number in (1..9).rev() {
            let from = format!("app.log.{number}.gz");
            if bench.path(&from).exists() {
                bench.rename(&from, &format!("app.log.{}.gz", number + 1));
            }
        }
    }
    bench.start(kept.unwrap());
    bench.ship();
    assert_eq!(bench.texts(), texts(&[&all]));
}

#[test]
fn copytruncate_and_compress_leaves_the_rest_in_the_compressed_copy() {
    let mut bench = Bench::new();
    let (first, rest) = (lines("a", 30), lines("a more", 30));
    bench.write("app.log", &first);
    bench.ship();
    bench.append("app.log", &rest);
    bench.copy("app.log", "app.log.1");
    bench.truncate("app.log");
    bench.compress("app.log.1", Packer::Gzip);
    bench.append("app.log", "b1\n");
    bench.ship();
    bench.ship();
    assert_eq!(bench.texts(), texts(&[&first, &rest, "b1\n"]));
    assert_eq!(bench.lost(), []);
}

#[test]
fn a_compressed_copy_of_what_was_read_is_not_read_again() {
    let mut bench = Bench::new();
    let text = lines("a", 30);
    bench.write("app.log", &text);
    bench.ship();
    bench.copy("app.log", "app.log.1");
    let more = lines("a more", 3);
    bench.append("app.log", &more);
    bench.ship();
    bench.truncate("app.log");
    bench.compress("app.log.1", Packer::Gzip);
    bench.append("app.log", "b1\n");
    bench.ship();
    bench.restart();
    bench.ship();
    assert_eq!(bench.texts(), texts(&[&text, &more, "b1\n"]));
}

#[test]
fn a_half_written_file_is_gone_on_with_when_it_grows() {
    for packer in [Packer::Gzip, Packer::Zstd] {
        let mut bench = Bench::new();
        let text = lines("a", 9000);
        let packed = pack(packer, text.as_bytes());
        let name = "app.log.1".to_owned() + packer.ending();
        bench.write("app.log", "b1\n");
        let mut writer = bench.writer(&name);
        for part in packed.chunks(packed.len() / 5 + 1) {
            writer.write_all(part).unwrap();
            bench.ship();
            bench.wait(3);
            assert!(bench.texts().len() < 9001 || bench.texts() == texts(&[&text, "b1\n"]));
        }
        bench.ship();
        assert_eq!(bench.texts(), texts(&[&text, "b1\n"]), "nothing younger goes before it");
        assert_eq!(bench.lost(), []);
    }
}

#[test]
fn a_half_written_file_is_waited_for_as_long_as_its_original_is_there() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.rotate();
    let packed = pack(Packer::Gzip, b"a1\n");
    // Nothing can be unpacked of so much.
    for len in [12, packed.len()] {
        bench.write("app.log.1.gz", &packed[..len]);
        (0..3).for_each(|_| {
            bench.wait(70);
            bench.ship();
        });
    }
    assert_eq!(bench.texts(), ["a1"]);
}

#[test]
fn what_can_be_unpacked_of_a_damaged_file_is_shipped_and_the_rest_is_counted() {
    let mut bench = Bench::new();
    let text = lines("a", 2000);
    let mut packed = pack(Packer::Gzip, text.as_bytes());
    let at = packed.len() - 200;
    packed[at..].fill(0x55);
    bench.write("app.log.1.gz", &packed);
    bench.write("app.log", "b1\n");
    bench.ship();
    assert!(bench.lost().is_empty());
    for _ in 0..8 {
        bench.wait(10);
        bench.ship();
    }
    let shipped = bench.texts();
    assert_eq!(shipped.last().map(String::as_str), Some("b1"));
    // Only the sum at a member's end, which is never reached, would tell where it begins.
    assert!(shipped.len() > 500, "{}", shipped.len());
    assert_eq!(shipped[..500], texts(&[&text])[..500]);
    let [(bytes, LostReason::Damaged)] = bench.lost()[..] else { panic!("{:?}", bench.lost()) };
    assert!(bytes > 0);
}

#[test]
fn a_file_cut_for_good_is_shipped_as_far_as_it_goes() {
    let mut bench = Bench::new();
    let text = lines("a", 2000);
    let packed = pack(Packer::Gzip, text.as_bytes());
    bench.write("app.log.1.gz", &packed[..packed.len() / 2]);
    bench.write("app.log", "b1\n");
    for _ in 0..8 {
        bench.ship();
        bench.wait(10);
    }
    assert_eq!(bench.texts().last().map(String::as_str), Some("b1"));
    assert!(bench.texts().len() > 500);
    assert_eq!(bench.lost(), [(1, LostReason::Damaged)]);
}

#[test]
fn trailing_garbage_hides_nothing_before_it() {
    let mut bench = Bench::new();
    let mut packed = pack(Packer::Gzip, b"a1\n");
    packed.extend(pack(Packer::Gzip, b""));
    packed.extend(pack(Packer::Gzip, b"a2\n"));
    packed.extend(b"garbage");
    bench.write("app.log.1.gz", &packed);
    bench.write("app.log", "b1\n");
    for _ in 0..8 {
        bench.ship();
        bench.wait(10);
    }
    assert_eq!(bench.texts(), ["a1", "a2", "b1"]);
    assert_eq!(bench.lost(), [(7, LostReason::Damaged)]);
}

#[test]
fn a_restart_in_the_middle_of_a_compressed_file_goes_on_there() {
    let mut bench = Bench::new();
    let text = lines("a", 40_000);
    bench.write("app.log.1.gz", pack(Packer::Gzip, text.as_bytes()));
    bench.write("app.log", "b1\n");
    bench.look();
    for _ in 0..60 {
        bench.some_turns(7);
        bench.crash(|last| last.saturating_sub(1));
        bench.look();
    }
    bench.ship();
    assert_eq!(bench.texts(), texts(&[&text, "b1\n"]));
}

#[test]
fn lines_longer_than_what_is_kept_are_read_from_compressed_files() {
    for max_line_bytes in [1 << 10, 960 << 10, 3 << 20] {
        let input = Input { max_line_bytes, ..input() };
        let mut bench = Bench::with(input, Ending::Follow);
        let long = "l".repeat(5 << 20);
        bench.write("app.log.1.gz", pack(Packer::Gzip, format!("a1\n{long}\na2\n").as_bytes()));
        bench.ship();
        let texts = bench.texts();
        assert_eq!((texts.len(), texts[1].len()), (3, max_line_bytes));
        assert_eq!((&*texts[0], &*texts[2]), ("a1", "a2"));
    }
}

#[test]
fn with_start_at_end_compressed_siblings_of_the_first_look_are_never_read() {
    let settings = Input { start_at: StartAt::End, ..input() };
    let mut bench = Bench::with(settings, Ending::Follow);
    bench.write("app.log.1.gz", pack(Packer::Gzip, b"old\n"));
    bench.write("app.log", "b1\n");
    bench.ship();
    bench.append("app.log", "b2\n");
    bench.ship();
    bench.age("app.log.1.gz");
    bench.restart();
    bench.ship();
    assert_eq!(bench.texts(), ["b2"]);
}

#[test]
fn a_compressed_file_that_was_read_is_forgotten_and_not_read_again() {
    let mut bench = Bench::new();
    bench.write("app.log.1.gz", pack(Packer::Gzip, lines("a", 10).as_bytes()));
    bench.write("app.log", "b1\n");
    for _ in 0..9 {
        bench.ship();
        bench.wait(10);
    }
    assert_eq!(bench.gone(), 0, "it might count as new after a restart");
    bench.age("app.log.1.gz");
    for _ in 0..9 {
        bench.ship();
        bench.wait(10);
    }
    assert_eq!((bench.texts().len(), bench.gone()), (11, 1));
    bench.restart();
    bench.ship();
    assert_eq!(bench.texts().len(), 11);
}

#[test]
fn a_name_alone_makes_no_compressed_file() {
    let mut bench = Bench::new();
    bench.write("app.log.1.gz", "a1\na2\n");
    bench.write("app.log", "b1\n");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "b1"]);
}

#[test]
fn a_compressed_file_that_is_matched_itself_is_unpacked() {
    for (start_at, count) in [(StartAt::Beginning, 30), (StartAt::End, 0)] {
        let mut bench = Bench::with(Input { start_at, ..input() }, Ending::Follow);
        bench.also("other.log.gz");
        bench.write("other.log.gz", pack(Packer::Gzip, lines("o", 30).as_bytes()));
        bench.ship();
        bench.restart();
        bench.ship();
        assert_eq!(bench.texts().len(), count);
    }
}

#[test]
fn files_rotated_and_compressed_within_one_tick_keep_their_order() {
    for packer in [Packer::Gzip, Packer::GzipOwnTime, Packer::Zstd] {
        let mut bench = Bench::new();
        let mut all = vec![lines("a", 20)];
        bench.write("app.log", &all[0]);
        bench.ship();
        let now = clock::wall();
        for name in ["b", "c", "d"] {
            bench.rotate();
            all.push(lines(name, 20));
            bench.write("app.log", &all[all.len() - 1]);
        }
        bench.rotate();
        for number in 1..=4 {
            bench.writer(&format!("app.log.{number}")).set_modified(now).unwrap();
            bench.compress(&format!("app.log.{number}"), packer);
        }
        bench.write("app.log", "e1\n");
        bench.ship();
        assert_eq!(bench.texts(), texts(&[&all.concat(), "e1\n"]), "{packer:?}");
    }
}

#[test]
fn more_compressed_files_than_are_unpacked_at_once_are_all_read_in_order() {
    let mut bench = Bench::new();
    let names: Vec<String> = (0..11).map(|number| format!("log{number}")).collect();
    for name in &names {
        bench.also(name);
        for number in [2, 1] {
            let text = lines(&format!("{name} {number}"), 3000);
            bench.write(&format!("{name}.{number}.gz"), pack(Packer::Gzip, text.as_bytes()));
        }
        bench.write(name, "end\n");
    }
    bench.look();
    let mut most = 0;
    while bench.turn() != Turn::Idle {
        most = most.max(bench.unpacking_count());
    }
    assert_eq!(most, UNPACKING_MAX);
    for name in &names {
        let parts = [2, 1].map(|number| lines(&format!("{name} {number}"), 3000));
        assert_eq!(bench.texts_of(name), texts(&[&parts.concat(), "end\n"]));
    }
}

//! Files deleted, replaced, out of reach.

use std::io::Write as _;

use crate::tail::LostReason::Deleted;

use super::bench::{Bench, input};
use super::packer::Packer;
use crate::tail::{Ending, Turn};

#[test]
fn a_file_deleted_while_open_is_read_to_its_end() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.append("app.log", "a2\n");
    bench.remove("app.log");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2"]);
    assert_eq!(bench.lost(), []);
}

#[test]
fn what_is_written_to_a_deleted_file_is_read_while_it_is_open() {
    let mut bench = Bench::new();
    let mut writer = bench.writer("app.log");
    writer.write_all(b"a1\n").unwrap();
    bench.ship();
    bench.remove("app.log");
    bench.wait(30);
    writer.write_all(b"a2\n").unwrap();
    bench.wait(1);
    assert_eq!(bench.texts(), ["a1", "a2"]);
    bench.pass(80);
    assert_eq!((bench.open_files(), bench.gone(), bench.source_count()), (0, 1, 0));
}

#[test]
fn a_deleted_file_whose_successor_has_data_is_let_go_soon() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.remove("app.log");
    bench.write("app.log", "b1\n");
    bench.ship();
    bench.wait(2);
    assert_eq!(bench.gone(), 0);
    bench.wait(4);
    assert_eq!(bench.gone(), 0, "what it was compressed to may not have been seen yet");
    bench.look();
    bench.wait(1);
    assert_eq!((bench.gone(), bench.open_files()), (1, 1));
    assert_eq!(bench.texts(), ["a1", "b1"]);
}

#[test]
fn a_deleted_file_that_rested_long_before_is_kept_open_a_while() {
    let mut bench = Bench::new();
    let mut writer = bench.writer("app.log");
    writer.write_all(b"a1\n").unwrap();
    bench.ship();
    bench.wait(200);
    bench.remove("app.log");
    bench.wait(1);
    bench.wait(1);
    writer.write_all(b"a2\n").unwrap();
    bench.wait(1);
    assert_eq!(bench.texts(), ["a1", "a2"]);
}

#[test]
fn a_file_moved_out_of_reach_is_read_to_its_end() {
    let mut bench = Bench::new();
    let mut writer = bench.writer("app.log");
    writer.write_all(b"a1\n").unwrap();
    bench.ship();
    std::fs::create_dir(bench.path("away")).unwrap();
    bench.rename("app.log", "away/app.log");
    bench.ship();
    writer.write_all(b"a2\nend").unwrap();
    bench.wait(1);
    assert_eq!(bench.texts(), ["a1", "a2"]);
    bench.wait(10);
    assert_eq!(bench.texts(), ["a1", "a2", "end"]);
    bench.pass(80);
    assert_eq!((bench.gone(), bench.source_count(), bench.open_files()), (1, 0, 0));
}

#[test]
fn a_file_that_comes_back_goes_on_where_it_was_read_to() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.rename("app.log", "away");
    bench.ship();
    bench.pass(80);
    assert_eq!(bench.source_count(), 0);
    bench.append("away", "a2\n");
    bench.rename("away", "app.log");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2"]);
    bench.rename("app.log", "away");
    bench.restart();
    bench.ship();
    bench.ship();
    bench.restart();
    bench.rename("away", "app.log.1");
    bench.append("app.log.1", "a3\n");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "a3"]);
}

#[test]
fn an_unfinished_line_of_a_deleted_file_is_shipped_after_a_rest() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\nend");
    bench.ship();
    bench.remove("app.log");
    bench.ship();
    bench.wait(1);
    assert_eq!(bench.texts(), ["a1"]);
    bench.wait(6);
    bench.wait(1);
    assert_eq!(bench.texts(), ["a1", "end"]);
    bench.pass(80);
    assert_eq!((bench.lost(), bench.gone()), (vec![], 1));
}

#[test]
fn a_closed_file_that_is_deleted_with_unread_bytes_is_a_counted_loss() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.wait(400);
    assert_eq!(bench.open_files(), 0);
    bench.append("app.log", "lost\n");
    bench.glance();
    bench.remove("app.log");
    bench.ship();
    bench.ship();
    assert_eq!(bench.lost(), [(5, Deleted)]);
    assert_eq!((bench.gone(), bench.source_count()), (1, 0));
}

#[test]
fn a_rotated_file_deleted_after_it_was_closed_is_gone() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.rotate();
    bench.write("app.log", "b1\n");
    bench.ship();
    bench.wait(400);
    bench.remove("app.log.1");
    bench.ship();
    bench.ship();
    assert_eq!((bench.gone(), bench.source_count(), bench.lost()), (1, 1, vec![]));
}

#[test]
fn a_file_made_anew_with_the_same_inode_number_is_another_file() {
    use std::os::unix::fs::MetadataExt as _;
    let mut reused = 0;
    for _ in 0..20 {
        let mut bench = Bench::new();
        bench.write("app.log", "a1\na2\n");
        bench.ship();
        let number = std::fs::metadata(bench.path("app.log")).unwrap().ino();
        let kept = bench.stop();
        bench.remove("app.log");
        bench.write("app.log", "b1\nb2\nb3\n");
        reused += u32::from(std::fs::metadata(bench.path("app.log")).unwrap().ino() == number);
        bench.start(kept);
        bench.ship();
        bench.ship();
        assert_eq!(bench.texts(), ["a1", "a2", "b1", "b2", "b3"]);
        assert_eq!((bench.gone(), bench.source_count()), (1, 1));
    }
    if reused == 0 {
        tracing::warn!("this file system did not use an inode number twice: nothing was tried");
    }
}

#[test]
fn a_closed_file_replaced_under_the_same_inode_number_is_another_file() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\na2\n");
    bench.ship();
    bench.wait(400);
    bench.remove("app.log");
    bench.write("app.log", "b1\nb2\nb3\n");
    bench.glance();
    bench.turns();
    assert_eq!(bench.texts(), ["a1", "a2", "b1", "b2", "b3"]);
}

#[test]
fn a_file_replaced_by_rename_is_another_file() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.append("app.log", "a2\n");
    bench.write("new", "b1\n");
    bench.rename("new", "app.log");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "b1"]);
}

#[test]
fn what_cannot_be_read_is_tried_again_and_holds_nothing_else_up() {
    let mut bench = Bench::new();
    bench.also("web.log");
    std::fs::create_dir(bench.path("app.log")).unwrap();
    bench.write("web.log", "w1\n");
    bench.ship();
    bench.look();
    assert_eq!(bench.texts(), ["w1"]);
    std::fs::remove_dir(bench.path("app.log")).unwrap();
    bench.write("app.log", "a1\n");
    bench.ship();
    assert_eq!(bench.texts(), ["w1", "a1"]);
}

#[test]
fn a_file_replaced_by_a_directory_is_read_to_its_end() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.look();
    bench.remove("app.log");
    std::fs::create_dir(bench.path("app.log")).unwrap();
    bench.ship();
    assert_eq!(bench.texts(), ["a1"]);
}

#[test]
fn a_file_that_vanishes_between_look_and_open_does_no_harm() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.wait(400);
    bench.append("app.log", "a2\n");
    bench.glance();
    bench.rotate();
    assert_eq!(bench.turns(), Turn::Idle);
    bench.write("app.log", "b1\n");
    bench.ship();
    bench.wait(11);
    assert_eq!(bench.texts(), ["a1", "a2", "b1"]);
}

#[test]
fn a_predecessor_that_cannot_be_opened_holds_its_successors_up_only_for_a_while() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.wait(400);
    bench.append("app.log", "a2\n");
    bench.look();
    bench.rotate();
    bench.look();
    // In its place stands what cannot be opened, and nobody looked since.
    bench.rename("app.log.1", "hidden");
    std::fs::create_dir(bench.path("app.log.1")).unwrap();
    bench.write("app.log", "b1\n");
    bench.glance();
    bench.turns();
    for _ in 0..10 {
        bench.wait(10);
    }
    assert!(bench.texts().contains(&"b1".to_owned()));
}

#[test]
fn a_link_that_was_not_resolved_tells_nothing() {
    let mut bench = Bench::new();
    let (name, real) = (bench.path("app.log"), bench.path("real"));
    bench.write("real", "a1\n");
    std::os::unix::fs::symlink(&real, &name).unwrap();
    bench.look_through(&name, &real);
    bench.turns();
    for _ in 0..3 {
        bench.ship();
        bench.wait(70);
    }
    bench.look_through(&name, &real);
    bench.turns();
    assert_eq!(bench.texts(), ["a1"]);
}

#[test]
fn a_link_led_elsewhere_is_a_rotation() {
    let mut bench = Bench::new();
    let (name, first, second) = (bench.path("app.log"), bench.path("0.log"), bench.path("1.log"));
    bench.write("0.log", "a1\n");
    bench.look_through(&name, &first);
    bench.turns();
    bench.append("0.log", "a2\n");
    bench.write("1.log", "b1\n");
    bench.look_through(&name, &second);
    bench.turns();
    assert_eq!(bench.texts(), ["a1", "a2", "b1"]);
}

#[test]
fn a_file_truncated_behind_a_link_is_read_again() {
    let mut bench = Bench::new();
    let (name, real) = (bench.path("app.log"), bench.path("real"));
    bench.write("real", "a1\na2\n");
    bench.look_through(&name, &real);
    bench.turns();
    bench.write("real", "b1\n");
    bench.look_through(&name, &real);
    bench.turns();
    assert_eq!(bench.texts(), ["a1", "a2", "b1"]);
}

#[test]
fn the_file_behind_a_link_that_is_removed_is_read_to_its_end() {
    let mut bench = Bench::new();
    let (name, real) = (bench.path("app.log"), bench.path("real"));
    std::os::unix::fs::symlink(&real, &name).unwrap();
    bench.write("real", "a1\n");
    bench.look_through(&name, &real);
    bench.turns();
    std::fs::remove_file(&name).unwrap();
    bench.append("real", "a2\n");
    bench.ship();
    bench.append("real", "a3\n");
    bench.wait(1);
    assert_eq!(bench.texts(), ["a1", "a2", "a3"]);
}

#[test]
fn a_rotated_file_that_is_deleted_at_once_is_read_to_its_end() {
    let mut bench = Bench::new();
    let mut writer = bench.writer("app.log");
    writer.write_all(b"a1\n").unwrap();
    bench.ship();
    writer.write_all(b"a2\n").unwrap();
    bench.rotate();
    bench.write("app.log", "b1\n");
    bench.remove("app.log.1");
    writer.write_all(b"a3\n").unwrap();
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "a3", "b1"]);
    assert_eq!(bench.lost(), []);
}

#[test]
fn what_is_written_to_a_closed_file_is_read() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.wait(400);
    assert_eq!(bench.open_files(), 0);
    bench.append("app.log", "a2\n");
    bench.glance();
    bench.turns();
    assert_eq!(bench.texts(), ["a1", "a2"]);
}

#[test]
fn names_that_were_never_looked_at_again_are_gone() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    let kept = bench.stop();
    bench.remove("app.log");
    bench.start(kept);
    bench.ship();
    bench.ship();
    assert_eq!((bench.gone(), bench.source_count()), (1, 0));
}

#[test]
fn names_without_files_are_not_looked_at_for_ever() {
    let mut bench = Bench::new();
    for number in 0..50 {
        let name = format!("pod{number}.log");
        bench.also(&name);
        bench.write(&name, "x\n");
    }
    bench.ship();
    for number in 0..50 {
        bench.remove(&format!("pod{number}.log"));
    }
    bench.ship();
    bench.pass(80);
    bench.ship();
    assert_eq!((bench.source_count(), bench.absent_count()), (0, 0));
}

#[test]
fn a_deleted_file_waits_for_memory_and_is_not_lost() {
    let mut bench = Bench::with(input(), Ending::Follow);
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.gate().close();
    bench.append("app.log", "a2\n");
    bench.glance();
    bench.remove("app.log");
    bench.look();
    bench.wait(100);
    bench.wait(400);
    bench.gate().open();
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2"]);
}

/// zstd cuts a file's time to seconds.
#[test]
fn what_lost_its_name_comes_before_what_was_compressed_of_the_same_second() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.truncate("app.log");
    for text in ["b1\n", "c1\n"] {
        bench.append("app.log", text);
        bench.rotate();
    }
    bench.remove("app.log.2");
    bench.compress("app.log.1", Packer::Zstd);
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "b1", "c1"]);
}

//! Files renamed away, by whatever scheme, whether we run or not.

use std::io::Write as _;

use super::bench::Bench;

#[test]
fn a_renamed_file_is_read_to_its_end_before_its_successor() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.append("app.log", "a2\n");
    bench.rotate();
    bench.write("app.log", "b1\n");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "b1"]);
}

#[test]
fn a_rotation_is_noticed_at_a_glance() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.append("app.log", "a2\n");
    bench.rotate();
    bench.glance();
    bench.turns();
    assert_eq!(bench.texts(), ["a1", "a2"]);
    bench.write("app.log", "b1\n");
    bench.glance();
    bench.turns();
    assert_eq!(bench.texts(), ["a1", "a2", "b1"]);
}

#[test]
fn lines_written_to_a_file_after_it_was_renamed_are_read() {
    let mut bench = Bench::new();
    let mut writer = bench.writer("app.log");
    writer.write_all(b"a1\n").unwrap();
    bench.ship();
    bench.rotate();
    bench.ship();
    writer.write_all(b"a2\n").unwrap();
    bench.write("app.log", "b1\n");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "b1"]);
    writer.write_all(b"a3\n").unwrap();
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "b1", "a3"]);
}

#[test]
fn several_rotations_between_two_looks_come_oldest_first() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.append("app.log", "a2\n");
    for letter in ["b", "c", "d"] {
        bench.rotate();
        bench.write("app.log", format!("{letter}1\n{letter}2\n"));
    }
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "b1", "b2", "c1", "c2", "d1", "d2"]);
}

#[test]
fn a_file_born_and_rotated_before_its_lineage_was_ever_seen_is_read_first() {
    let mut bench = Bench::new();
    bench.look();
    bench.write("app.log", "a1\n");
    bench.rotate();
    bench.write("app.log", "b1\n");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "b1"]);
}

#[test]
fn rotations_while_stopped_are_caught_up_with_in_order() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    let kept = bench.stop();
    bench.append("app.log", "a2\n");
    for letter in ["b", "c"] {
        bench.rotate();
        bench.write("app.log", format!("{letter}1\n"));
    }
    bench.start(kept);
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "b1", "c1"]);
    bench.restart();
    bench.ship();
    assert_eq!(bench.texts().len(), 4);
}

#[test]
fn a_file_renamed_while_stopped_without_a_successor_is_finished() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    let kept = bench.stop();
    bench.append("app.log", "a2\n");
    bench.rotate();
    bench.start(kept);
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2"]);
}

#[test]
fn rotated_files_of_before_the_first_look_come_oldest_first() {
    let mut bench = Bench::new();
    for letter in ["a", "b"] {
        bench.write("app.log", format!("{letter}1\n"));
        bench.rotate();
    }
    bench.write("app.log", "c1\n");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "b1", "c1"]);
    bench.restart();
    bench.rotate();
    bench.write("app.log", "d1\n");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "b1", "c1", "d1"]);
}

#[test]
fn dated_names_are_rotated_ones_too() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.append("app.log", "a2\n");
    bench.rename("app.log", "app.log-20260131");
    bench.write("app.log", "b1\n");
    bench.rename("app.log", "app.log-20260201");
    bench.write("app.log", "c1\n");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "b1", "c1"]);
}

#[test]
fn files_with_the_same_header_are_different_files() {
    let mut bench = Bench::new();
    bench.write("app.log", "#time level\n");
    bench.ship();
    bench.rotate();
    bench.write("app.log", "#time level\nb1\n");
    bench.rotate();
    bench.write("app.log", "#time level\nc1\n");
    bench.ship();
    assert_eq!(bench.texts(), ["#time level", "#time level", "b1", "#time level", "c1"]);
}

#[test]
fn files_whose_heads_are_equal_for_long_are_different_files() {
    let header = format!("{}\n", "h".repeat(900)).repeat(4);
    let mut bench = Bench::new();
    bench.write("app.log", format!("{header}a1\n"));
    bench.ship();
    let kept = bench.stop();
    for letter in ["b", "c"] {
        bench.rotate();
        bench.write("app.log", format!("{header}{letter}1\n"));
    }
    bench.start(kept);
    bench.ship();
    let texts = bench.texts();
    assert_eq!(texts.len(), 15);
    assert_eq!([&texts[4], &texts[9], &texts[14]], ["a1", "b1", "c1"]);
}

#[test]
fn a_thousand_files_that_begin_alike_for_four_kibibytes_are_a_thousand_files() {
    let mut bench = Bench::new();
    let names: Vec<String> =
        (0..1000).map(|number| format!("{}/{number}.log", number % 50)).collect();
    let header = format!("{}\n", "#".repeat(4095));
    for name in &names {
        std::fs::create_dir_all(bench.path(name).parent().unwrap()).unwrap();
        bench.also(name);
        bench.write(name, format!("{header}first of {name}\n"));
    }
    bench.ship();
    bench.restart();
    bench.ship();
    for name in &names {
        bench.append(name, format!("second of {name}\n"));
    }
    bench.ship();
    for name in &names {
        let texts = bench.texts_of(name);
        assert_eq!(texts[1..], [format!("first of {name}"), format!("second of {name}")]);
    }
}

#[test]
fn files_of_equal_lines_are_different_files() {
    for is_stopped in [false, true] {
        let mut bench = Bench::new();
        bench.write("app.log", "tick\n".repeat(30));
        bench.ship();
        let kept = is_stopped.then(|| bench.stop());
        for count in [20, 30] {
            bench.rotate();
            bench.write("app.log", "tick\n".repeat(count));
        }
        if let Some(kept) = kept {
            bench.start(kept);
        }
        bench.ship();
        assert_eq!(bench.texts().len(), 80, "stopped: {is_stopped}");
    }
}

#[test]
fn two_names_with_equal_content_are_two_lineages() {
    let mut bench = Bench::new();
    bench.also("web.log");
    let text = "x".repeat(100) + "\n";
    bench.write("app.log", text.repeat(30));
    bench.write("web.log", text.repeat(30));
    bench.ship();
    assert_eq!((bench.texts_of("app.log").len(), bench.texts_of("web.log").len()), (30, 30));
}

#[test]
fn an_empty_file_is_read_once_it_is_not() {
    let mut bench = Bench::new();
    bench.write("app.log", "");
    bench.ship();
    bench.restart();
    bench.ship();
    bench.append("app.log", "a\n");
    bench.glance();
    bench.turns();
    assert_eq!(bench.texts(), ["a"]);
}

#[test]
fn an_empty_rotated_file_may_still_be_written_to() {
    let mut bench = Bench::new();
    bench.look();
    let mut writer = bench.writer("app.log");
    bench.rotate();
    bench.write("app.log", "");
    bench.ship();
    bench.ship();
    writer.write_all(b"a1\n").unwrap();
    bench.ship();
    bench.append("app.log", "b1\n");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "b1"]);
}

#[test]
fn an_empty_rotated_file_is_remembered_over_a_restart() {
    let mut bench = Bench::new();
    bench.look();
    let mut writer = bench.writer("app.log");
    bench.rotate();
    bench.write("app.log", "");
    bench.ship();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    bench.ship();
    bench.restart();
    bench.ship();
    writer.write_all(b"a1\n").unwrap();
    bench.ship();
    assert_eq!(bench.texts(), ["a1"]);
}

#[test]
fn a_copy_of_a_file_is_not_shipped() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\na2\n");
    bench.ship();
    bench.copy("app.log", "app.log.bak");
    bench.ship();
    bench.append("app.log", "a3\n");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "a3"]);
}

#[test]
fn a_copy_of_what_was_not_read_yet_is_not_shipped_too() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\na2\n");
    bench.look();
    bench.copy("app.log", "app.log.1");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2"]);
}

#[test]
fn an_old_file_unpacked_beside_it_is_not_shipped() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.write("app.log.3", "old\n");
    let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
    std::fs::File::options()
        .write(true)
        .open(bench.path("app.log.3"))
        .unwrap()
        .set_modified(long_ago)
        .unwrap();
    bench.ship();
    bench.restart();
    bench.ship();
    assert_eq!(bench.texts(), ["a1"]);
}

#[test]
fn a_hard_link_is_shipped_once() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    std::fs::hard_link(bench.path("app.log"), bench.path("app.log.link")).unwrap();
    bench.ship();
    bench.append("app.log", "a2\n");
    bench.ship();
    bench.restart();
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2"]);
    bench.remove("app.log");
    bench.append("app.log.link", "a3\n");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "a3"]);
}

#[test]
fn a_rotated_file_with_two_names_that_is_new_is_shipped_once() {
    let mut bench = Bench::new();
    bench.write("app.log.1", "a1\n");
    std::fs::hard_link(bench.path("app.log.1"), bench.path("app.log.kept")).unwrap();
    bench.write("app.log", "b1\n");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "b1"]);
}

#[test]
fn a_name_given_back_goes_on_where_it_was() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.rotate();
    bench.ship();
    bench.rename("app.log.1", "app.log");
    bench.append("app.log", "a2\n");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2"]);
}

#[test]
fn rotated_files_that_are_deleted_are_not_kept_in_mind() {
    let mut bench = Bench::new();
    for number in 0..20 {
        bench.write("app.log", format!("{number}\n"));
        bench.ship();
        bench.rotate();
        if bench.path("app.log.4").exists() {
            bench.remove("app.log.4");
        }
        bench.wait(10);
    }
    bench.ship();
    bench.wait(70);
    bench.ship();
    assert_eq!(bench.texts().len(), 20);
    assert!(bench.source_count() <= 5, "{}", bench.source_count());
}

#[test]
fn another_file_under_a_rotated_name_is_noticed() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.rotate();
    bench.ship();
    bench.remove("app.log.1");
    bench.wait(70);
    bench.write("app.log", "b1\n");
    bench.rotate();
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "b1"]);
}

#[test]
fn another_file_under_the_name_of_a_copy_is_noticed() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.copy("app.log", "app.log.1");
    bench.ship();
    bench.write("new", "a0\n");
    bench.rename("new", "app.log.1");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a0"]);
}

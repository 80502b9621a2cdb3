//! Files truncated in place, with and without a copy left behind.

use crate::tail::LostReason::Truncated;

use super::bench::{Bench, acknowledged};

#[test]
fn a_truncated_file_is_read_again_from_its_start() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\na2\n");
    bench.ship();
    bench.truncate("app.log");
    bench.ship();
    bench.append("app.log", "b1\n");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "b1"]);
    assert_eq!(bench.lost(), []);
    bench.restart();
    bench.ship();
    assert_eq!(bench.texts().len(), 3);
}

#[test]
fn a_closed_file_that_is_truncated_is_read_again() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\na2\n");
    bench.ship();
    bench.wait(400);
    assert_eq!(bench.open_files(), 0);
    bench.write("app.log", "b1\n");
    bench.glance();
    bench.turns();
    assert_eq!(bench.texts(), ["a1", "a2", "b1"]);
}

#[test]
fn fifty_truncations_in_a_row_lose_and_repeat_nothing() {
    let mut bench = Bench::new();
    let mut expected = Vec::new();
    for round in 0..50 {
        let texts: Vec<String> = (0..=round).map(|number| format!("{round} {number}")).collect();
        bench.write("app.log", format!("{}\n", texts.join("\n")));
        expected.extend(texts);
        bench.ship();
    }
    assert_eq!(bench.texts(), expected);
    assert_eq!(bench.lost(), []);
}

#[test]
fn what_was_seen_and_truncated_before_it_was_read_is_counted() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.append("app.log", "lost\n");
    bench.glance();
    bench.truncate("app.log");
    bench.ship();
    assert_eq!(bench.lost(), [(5, Truncated)]);
    bench.append("app.log", "b1\n");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "b1"]);
}

#[test]
fn the_beginning_of_a_line_that_is_truncated_is_counted() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\npart");
    bench.ship();
    bench.write("app.log", "b1\nb2\nb3\nb4\n");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "b1", "b2", "b3", "b4"]);
    assert_eq!(bench.lost(), [(4, Truncated)]);
}

#[test]
fn a_file_that_regrew_past_the_old_place_is_noticed() {
    for is_stopped in [false, true] {
        let mut bench = Bench::new();
        bench.write("app.log", "a1\na2\n");
        bench.ship();
        let kept = is_stopped.then(|| bench.stop());
        bench.write("app.log", "b1\nb2\nb3\nb4\n");
        if let Some(kept) = kept {
            bench.start(kept);
        }
        bench.ship();
        assert_eq!(bench.texts(), ["a1", "a2", "b1", "b2", "b3", "b4"], "{is_stopped}");
    }
}

#[test]
fn a_file_written_again_to_the_same_length_is_noticed() {
    for is_stopped in [false, true] {
        let mut bench = Bench::new();
        bench.write("app.log", "state 1\n");
        bench.ship();
        let kept = is_stopped.then(|| bench.stop());
        bench.write("app.log", "state 2\n");
        if let Some(kept) = kept {
            bench.start(kept);
        }
        bench.ship();
        assert_eq!(bench.texts(), ["state 1", "state 2"], "{is_stopped}");
    }
}

#[test]
fn a_beginning_of_a_line_replaced_by_whole_lines_is_not_glued_to_them() {
    let mut bench = Bench::new();
    bench.write("app.log", "aaaaaaaaaa");
    bench.ship();
    bench.write("app.log", "b\nc\nd\ne\nf\ng\nh\n");
    bench.ship();
    assert_eq!(bench.texts(), ["b", "c", "d", "e", "f", "g", "h"]);
}

#[test]
fn a_copy_is_recognised_and_what_was_read_of_it_is_not_repeated() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\na2\n");
    bench.ship();
    bench.copy("app.log", "app.log.1");
    bench.truncate("app.log");
    bench.append("app.log", "b1\n");
    bench.ship();
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "b1"]);
    bench.restart();
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "b1"]);
    assert_eq!(bench.lost(), []);
}

#[test]
fn the_unread_rest_is_read_from_the_copy_before_what_follows() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.append("app.log", "a2\na3\n");
    bench.copy("app.log", "app.log.1");
    bench.truncate("app.log");
    bench.append("app.log", "b1\n");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "a3", "b1"]);
    assert_eq!(bench.lost(), []);
}

#[test]
fn a_copy_of_which_nothing_was_read_is_read_whole_and_first() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\na2\n");
    bench.look();
    bench.copy("app.log", "app.log.1");
    bench.truncate("app.log");
    bench.append("app.log", "b1\n");
    bench.ship();
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "b1"]);
    assert_eq!(bench.lost(), []);
}

#[test]
fn what_came_between_copy_and_truncation_is_lost_and_counted_if_it_was_seen() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.append("app.log", "a2\n");
    bench.copy("app.log", "app.log.1");
    bench.append("app.log", "lost\n");
    bench.glance();
    bench.truncate("app.log");
    bench.append("app.log", "b1\n");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "b1"]);
    assert_eq!(bench.lost(), [(5, Truncated)]);
}

#[test]
fn a_copy_shorter_than_what_was_read_is_not_shipped_again() {
    for is_restarted in [false, true] {
        let mut bench = Bench::new();
        bench.write("app.log", "a1\na2\n");
        bench.ship();
        bench.copy("app.log", "app.log.1");
        bench.append("app.log", "a3\n");
        bench.glance();
        bench.turns();
        bench.truncate("app.log");
        bench.append("app.log", "b1\n");
        bench.glance();
        bench.turns();
        if is_restarted {
            bench.restart();
        }
        bench.ship();
        bench.ship();
        assert_eq!(bench.texts(), ["a1", "a2", "a3", "b1"], "restarted: {is_restarted}");
        assert_eq!(bench.lost(), []);
    }
}

#[test]
fn a_long_copy_shorter_than_what_was_read_is_not_shipped_again() {
    let mut bench = Bench::new();
    let line = |number: usize| format!("{number:0>99}\n");
    let lines = |from, to| (from..to).map(line).collect::<Vec<_>>().concat();
    bench.write("app.log", lines(0, 5000));
    bench.ship();
    bench.copy("app.log", "app.log.1");
    for step in 50..100 {
        bench.append("app.log", lines(step * 100, step * 100 + 100));
        bench.glance();
        bench.turns();
    }
    bench.truncate("app.log");
    bench.append("app.log", "b1\n");
    bench.ship();
    bench.ship();
    assert_eq!(bench.texts().len(), 10_001);
}

#[test]
fn a_copy_seen_before_the_truncation_still_serves() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.append("app.log", "a2\n");
    bench.copy("app.log", "app.log.1");
    bench.look();
    bench.look();
    bench.truncate("app.log");
    bench.append("app.log", "b1\n");
    bench.ship();
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "b1"]);
    assert_eq!(bench.lost(), []);
}

#[test]
fn a_copy_seen_while_incomplete_is_not_shipped() {
    for first in ["", "a", "a1\n", "a1\na"] {
        let mut bench = Bench::new();
        bench.write("app.log", "a1\na2\n");
        bench.ship();
        bench.append("app.log", "a3\n");
        bench.write("app.log.1", first);
        bench.look();
        bench.append("app.log.1", &"a1\na2\na3\n"[first.len()..]);
        bench.look();
        bench.truncate("app.log");
        bench.append("app.log", "b1\n");
        bench.ship();
        bench.ship();
        assert_eq!(bench.texts(), ["a1", "a2", "a3", "b1"], "{first:?}");
        assert_eq!(bench.lost(), []);
    }
}

#[test]
fn a_copy_of_a_closed_file_is_recognised_while_incomplete() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\na2\na3\n");
    bench.ship();
    bench.wait(400);
    assert_eq!(bench.open_files(), 0);
    bench.write("app.log.1", "a1\na2\n");
    bench.ship();
    bench.append("app.log.1", "a3\n");
    bench.truncate("app.log");
    bench.append("app.log", "b1\n");
    bench.ship();
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "a3", "b1"]);
}

#[test]
fn a_copytruncate_while_stopped_is_understood() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    let kept = bench.stop();
    bench.append("app.log", "a2\n");
    bench.copy("app.log", "app.log.1");
    bench.truncate("app.log");
    bench.append("app.log", "b1\nb2\nb3\n");
    bench.start(kept);
    bench.ship();
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "b1", "b2", "b3"]);
    assert_eq!(bench.lost(), []);
}

#[test]
fn two_copytruncates_while_stopped_come_in_order() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    let kept = bench.stop();
    bench.append("app.log", "a2\n");
    bench.copy("app.log", "app.log.1");
    bench.write("app.log", "b1\n");
    bench.rename("app.log.1", "app.log.2");
    bench.copy("app.log", "app.log.1");
    bench.write("app.log", "c1\n");
    bench.start(kept);
    bench.ship();
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "b1", "c1"]);
}

#[test]
fn two_copytruncates_behind_a_closed_gate_come_in_order() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.gate().close();
    bench.append("app.log", "a2\n");
    bench.glance();
    bench.turn();
    bench.copy("app.log", "app.log.1");
    bench.write("app.log", "b1\n");
    bench.look();
    bench.turn();
    bench.rename("app.log.1", "app.log.2");
    bench.copy("app.log", "app.log.1");
    bench.write("app.log", "c1\n");
    bench.look();
    bench.turn();
    bench.gate().open();
    bench.ship();
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "b1", "c1"]);
}

#[test]
fn a_copy_over_the_last_copy_is_understood() {
    for is_looked_at in [false, true] {
        let mut bench = Bench::new();
        let mut expected = Vec::new();
        for round in 0..4 {
            for line in 0..3 {
                bench.append("app.log", format!("{round}-{line}\n"));
                expected.push(format!("{round}-{line}"));
            }
            bench.ship();
            bench.append("app.log", format!("{round}-late\n"));
            expected.push(format!("{round}-late"));
            bench.copy("app.log", "app.log.1");
            if is_looked_at {
                bench.look();
            }
            bench.truncate("app.log");
            bench.glance();
            bench.turns();
        }
        bench.ship();
        assert_eq!(bench.texts(), expected, "looked at: {is_looked_at}");
        assert_eq!(bench.lost(), []);
    }
}

#[test]
fn after_a_crash_what_was_not_acknowledged_is_read_from_the_copy() {
    let mut bench = Bench::new();
    for line in ["a1\n", "a2\n", "a3\n"] {
        bench.append("app.log", line);
        bench.ship();
    }
    let kept = acknowledged(bench.kept(), |_| 1);
    bench.copy("app.log", "app.log.1");
    bench.truncate("app.log");
    bench.append("app.log", "b1\n");
    bench.ship();
    bench.start(kept);
    bench.ship();
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "a3", "b1"]);
}

#[test]
fn a_rotated_file_that_is_truncated_is_read_again() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.rotate();
    bench.write("app.log", "b1\n");
    bench.ship();
    bench.write("app.log.1", "c1\nc2\nc3\n");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "b1", "c1", "c2", "c3"]);
}

#[test]
fn a_file_cut_back_to_where_it_was_read_goes_on_there() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\na2\npart");
    bench.ship();
    std::fs::File::options().write(true).open(bench.path("app.log")).unwrap().set_len(6).unwrap();
    bench.append("app.log", "b\n");
    bench.ship();
    bench.append("app.log", "c1\n");
    bench.ship();
    assert_eq!(bench.texts()[..2], ["a1", "a2"]);
    assert!(bench.texts().ends_with(&["b".to_owned(), "c1".to_owned()]), "{:?}", bench.texts());
}

#[test]
fn a_loss_is_counted_once() {
    let mut bench = Bench::new();
    bench.write("app.log", "[0]");
    bench.ship();
    bench.append("app.log", "[1]");
    bench.ship();
    bench.copy("app.log", "app.log.1");
    bench.append("app.log", "[2]");
    bench.glance();
    bench.turns();
    bench.truncate("app.log");
    bench.ship();
    for _ in 0..4 {
        bench.wait(6);
        bench.ship();
    }
    assert_eq!(bench.texts(), ["[0][1]"]);
    assert_eq!(bench.lost(), [(3, Truncated)]);
}

#[test]
fn a_truncation_behind_a_closed_gate_is_noticed_by_the_next_scan() {
    for regrown in ["", "c1\nc2\nc3\n"] {
        let mut bench = Bench::new();
        bench.write("app.log", "a1\n");
        bench.ship();
        bench.gate().close();
        bench.append("app.log", "a2\n");
        bench.look();
        bench.copy("app.log", "app.log.1");
        bench.truncate("app.log");
        bench.append("app.log", regrown);
        bench.look();
        bench.remove("app.log.1");
        bench.gate().open();
        bench.ship();
        assert_eq!(bench.texts()[..2], ["a1", "a2"]);
        assert_eq!(bench.lost(), []);
    }
}

#[test]
fn a_copy_serves_although_the_truncated_file_was_deleted_at_once() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.append("app.log", "a2\n");
    bench.glance();
    bench.copy("app.log", "app.log.1");
    bench.truncate("app.log");
    bench.append("app.log", "b1\n");
    bench.remove("app.log");
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2", "b1"]);
    assert_eq!(bench.lost(), []);
}

/// Cuts back to `len` what is written in `app.log`.
fn cut(bench: &Bench, len: u64) {
    std::fs::File::options().write(true).open(bench.path("app.log")).unwrap().set_len(len).unwrap();
}

#[test]
fn the_beginning_of_a_line_that_is_taken_back_leaves_no_trace() {
    let mut bench = Bench::new();
    bench.write("app.log", format!("{}\naaaaaaaaaa", "x".repeat(1999)));
    bench.ship();
    cut(&bench, 2000);
    bench.glance();
    bench.append("app.log", "b\n");
    bench.glance();
    bench.turns();
    assert_eq!(bench.texts()[1..], ["b"]);
    assert_eq!(bench.lost(), [(10, Truncated)]);
}

#[test]
fn lines_in_place_of_the_beginning_of_a_line_are_lines() {
    let mut bench = Bench::new();
    bench.write("app.log", format!("{}\naaaa", "x".repeat(1999)));
    bench.ship();
    cut(&bench, 2000);
    bench.append("app.log", "b\nc\nd\n");
    bench.glance();
    bench.turns();
    assert_eq!(bench.texts()[1..], ["b", "c", "d"]);
}

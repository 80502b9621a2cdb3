//! Very many files: what is open, and what is remembered.

use super::bench::Bench;

/// Of each wave, all of which have the same names.
const WAVE: usize = 2000;

fn names(bench: &Bench, count: usize) -> Vec<std::path::PathBuf> {
    (0..count).map(|number| bench.path(&format!("app{number}.log"))).collect()
}

#[test]
fn nothing_is_kept_of_twenty_thousand_files_that_came_and_went() {
    let mut bench = Bench::new();
    let names = names(&bench, WAVE);
    for wave in 0..10 {
        for name in &names {
            std::fs::write(name, format!("wave {wave}\n")).unwrap();
            bench.look_at(name, false);
        }
        bench.turns();
        for name in &names {
            std::fs::remove_file(name).unwrap();
            bench.look_at(name, false);
        }
        // Until nobody can be expected to write to what is deleted, nor what was closed to come
        // back; then once more to forget it.
        bench.wait(61);
        bench.wait(3600);
        for name in &names {
            bench.look_at(name, false);
        }
        bench.turns();
        bench.wait(1);
        assert_eq!((bench.open_files(), bench.lineage_count()), (0, 0), "wave {wave}");
    }
    // A number that is used twice is noticed by whoever hears of it.
    assert_eq!(bench.heard.borrow().lines.len(), 10 * WAVE);
}

#[test]
fn a_name_beside_which_something_is_left_is_not_forgotten() {
    let mut bench = Bench::new();
    bench.write("app.log", "one\n");
    bench.ship();
    bench.copy("app.log", "app.log.1");
    bench.ship();
    bench.remove("app.log");
    bench.look();
    bench.wait(61);
    bench.wait(1);
    bench.look();
    bench.turns();
    assert_eq!(bench.heard.borrow().lines.len(), 1, "the copy is no news");
    bench.remove("app.log.1");
    bench.look();
    bench.look();
    bench.wait(61);
    bench.wait(1);
    assert_eq!(bench.lineage_count(), 0);
}

#[test]
fn files_take_turns_in_being_open() {
    let mut bench = Bench::new();
    bench.open_at_most(8);
    let names = names(&bench, 100);
    for round in 0..5 {
        for name in &names {
            let name = name.file_name().unwrap().to_str().unwrap();
            bench.append(name, format!("{round}\n"));
        }
        for name in &names {
            bench.look_at(name, round == 0);
            assert!(bench.open_files() <= 9, "{} are open", bench.open_files());
        }
        bench.turns();
    }
    assert_eq!(bench.heard.borrow().lines.len(), 500);
    assert!(bench.heard.borrow().lost.is_empty());
}

#[test]
fn a_fifo_that_took_a_files_place_is_not_waited_for() {
    let mut bench = Bench::new();
    let fifo = bench.path("app.log");
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, mode, 0).unwrap();
    assert!(super::super::source::open(&fifo).is_err());
    bench.ship();
    assert_eq!(bench.open_files(), 0);
}

#[test]
fn of_files_at_rest_few_stay_open() {
    let mut bench = Bench::new();
    let names = names(&bench, 200);
    for name in &names {
        std::fs::write(name, "line\n").unwrap();
        bench.look_at(name, true);
    }
    bench.turns();
    bench.wait(1);
    assert_eq!(bench.open_files(), 200, "more may come at any moment");
    bench.wait(11);
    assert_eq!(bench.open_files(), 32);
    bench.append("app7.log", "another\n");
    bench.look_at(&names[7], false);
    bench.turns();
    assert_eq!(bench.heard.borrow().lines.len(), 201);
}

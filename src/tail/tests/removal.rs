//! What `delete_after` removes, and what it leaves.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::super::{Acknowledged, Ending, Event, Look, Restored, Tail, Turn};
use super::bench::{Bench, input};
use super::packer::{Packer, pack};
use crate::budget::{Budget, Budgets};
use crate::clock;
use crate::record::{Generation, Offset};
use crate::settings::Input;

const AFTER: u64 = 600;

fn deleting() -> Input {
    Input { delete_after: Some(Duration::from_secs(AFTER)), ..input() }
}

/// `app.log.1` and `app.log`, both read.
fn rotated() -> Bench {
    let mut bench = Bench::with(deleting(), Ending::Follow);
    bench.write("app.log", "one\n");
    bench.ship();
    bench.rotate();
    bench.write("app.log", "two\n");
    bench.ship();
    bench
}

fn exists(bench: &Bench, name: &str) -> bool {
    bench.path(name).exists()
}

#[test]
fn a_rotated_file_goes_after_delete_after_and_the_live_one_stays() {
    let mut bench = rotated();
    bench.acknowledge();
    bench.wait(1);
    bench.wait(AFTER - 2);
    assert!(exists(&bench, "app.log.1"));
    bench.wait(2);
    assert!(!exists(&bench, "app.log.1"));
    bench.look();
    bench.wait(1);
    bench.wait(10 * AFTER);
    bench.ship();
    assert!(exists(&bench, "app.log"));
    assert_eq!(fs::read_dir(bench.path("")).unwrap().count(), 1);
    assert_eq!((bench.gone(), bench.lost()), (1, Vec::new()));
    bench.restart();
    bench.ship();
    assert_eq!(bench.texts(), ["one", "two"]);
}

#[test]
fn a_file_of_which_something_is_not_acknowledged_stays() {
    let mut bench = rotated();
    bench.wait(1);
    bench.wait(10 * AFTER);
    assert!(exists(&bench, "app.log.1"));
    bench.acknowledge();
    bench.append("app.log.1", "late\n");
    bench.look();
    bench.turns();
    bench.wait(1);
    bench.wait(10 * AFTER);
    assert!(exists(&bench, "app.log.1"));
    bench.append("app.log.1", "no end yet");
    bench.look();
    bench.acknowledge();
    bench.wait(0);
    assert!(exists(&bench, "app.log.1"));
}

#[test]
fn what_is_written_meanwhile_starts_the_time_again() {
    let mut bench = rotated();
    bench.acknowledge();
    bench.wait(1);
    bench.wait(AFTER - 10);
    bench.append("app.log.1", "late\n");
    bench.ship();
    bench.acknowledge();
    bench.wait(1);
    bench.wait(20);
    assert!(exists(&bench, "app.log.1"));
    bench.wait(AFTER);
    assert!(!exists(&bench, "app.log.1"));
    assert_eq!(bench.texts_of("app.log").len(), 3);
}

#[test]
fn a_rotated_file_without_a_successor_stays() {
    let mut bench = Bench::with(deleting(), Ending::Follow);
    bench.write("app.log", "one\n");
    bench.ship();
    bench.rotate();
    bench.ship();
    bench.acknowledge();
    bench.wait(1);
    bench.wait(AFTER);
    assert!(exists(&bench, "app.log.1"));
}

#[test]
fn without_delete_after_nothing_goes() {
    let mut bench = Bench::new();
    bench.write("app.log", "one\n");
    bench.ship();
    bench.rotate();
    bench.write("app.log", "two\n");
    bench.ship();
    bench.acknowledge();
    bench.wait(1);
    bench.wait(10 * AFTER);
    assert!(exists(&bench, "app.log.1"));
}

#[test]
fn another_file_that_took_the_name_stays() {
    let mut bench = rotated();
    bench.acknowledge();
    bench.wait(1);
    // Nobody has looked since.
    bench.remove("app.log.1");
    bench.write("app.log.1", "another\n");
    bench.wait(AFTER);
    assert_eq!(fs::read_to_string(bench.path("app.log.1")).unwrap(), "another\n");
}

#[test]
fn who_still_writes_to_a_removed_file_is_read() {
    let mut bench = rotated();
    let mut writer = bench.writer("app.log.1");
    bench.acknowledge();
    bench.wait(1);
    bench.wait(AFTER);
    assert!(!exists(&bench, "app.log.1"));
    std::io::Write::write_all(&mut writer, b"late\n").unwrap();
    bench.wait(1);
    assert_eq!(bench.texts(), ["one", "two", "late"]);
    bench.pass(100);
    assert_eq!(bench.gone(), 1);
}

#[test]
fn after_a_restart_the_time_begins_again() {
    let mut bench = rotated();
    bench.acknowledge();
    bench.wait(AFTER - 1);
    bench.restart();
    bench.ship();
    bench.wait(1);
    bench.wait(2);
    assert!(exists(&bench, "app.log.1"), "nothing was acknowledged in this run");
    bench.acknowledge();
    bench.wait(1);
    bench.wait(AFTER);
    assert!(!exists(&bench, "app.log.1"));
}

#[test]
fn a_file_that_another_input_owes_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let proofs: Rc<RefCell<HashMap<usize, Arc<Acknowledged>>>> = Rc::default();
    let heard = proofs.clone();
    let emit = move |event| {
        if let Event::Seen(seen) = event {
            heard.borrow_mut().insert(seen.input, seen.acknowledged.unwrap());
        }
    };
    let inputs = [deleting(), Input { id: "other".into(), ..input() }];
    let restored =
        Restored { lineages: Vec::new(), looked_ms: HashMap::new(), floor: Generation::FIRST };
    let budgets = Budgets::new(Budget::new(1 << 20, || {}), []);
    let mut tail = Tail::new(&inputs, restored, &budgets, Ending::Follow, emit);
    // For the one it is rotated away from `app.log`, for the other it has the name.
    let look = |tail: &mut Tail<_>, input: usize, name: &str, siblings: Vec<_>| {
        let look = Look { input, path: &path(name), real: None, thorough: true, listed_ms: None };
        tail.look(look, || siblings.clone());
        tail.looked(input, Some(clock::wall_ms()));
        while tail.turn(|_, _| Vec::new()) == Turn::Worked {}
    };
    fs::write(path("app.log.1"), "one\n").unwrap();
    look(&mut tail, 0, "app.log", vec![path("app.log.1")]);
    let rotated = proofs.borrow()[&0].clone();
    look(&mut tail, 1, "app.log.1", Vec::new());
    fs::write(path("app.log"), "two\n").unwrap();
    look(&mut tail, 0, "app.log", vec![path("app.log.1")]);
    rotated.tell(Offset(4));
    proofs.borrow()[&1].tell(Offset(4));
    let wait = |tail: &mut Tail<_>, seconds| {
        clock::advance(Duration::from_secs(seconds));
        tail.sweep();
    };
    wait(&mut tail, 1);
    wait(&mut tail, AFTER);
    assert!(path("app.log.1").exists(), "it has a name that another input reads");
    fs::rename(path("app.log.1"), path("app.log.2")).unwrap();
    fs::write(path("app.log.1"), "three\n").unwrap();
    look(&mut tail, 0, "app.log", vec![path("app.log.1"), path("app.log.2")]);
    look(&mut tail, 1, "app.log.1", vec![path("app.log.2")]);
    wait(&mut tail, 1);
    wait(&mut tail, AFTER);
    assert!(!path("app.log.2").exists());
    assert!(path("app.log.1").exists());
}

#[test]
fn an_original_goes_and_what_somebody_compressed_stays() {
    let mut bench = rotated();
    bench.pack("app.log.1", "app.log.1.gz", Packer::Gzip);
    bench.write("app.log.2.gz", pack(Packer::Gzip, b"zero\n"));
    bench.ship();
    bench.acknowledge();
    bench.wait(1);
    bench.wait(AFTER);
    assert!(!exists(&bench, "app.log.1"));
    bench.ship();
    bench.acknowledge();
    bench.wait(10 * AFTER);
    assert!(exists(&bench, "app.log.1.gz") && exists(&bench, "app.log.2.gz"));
    assert_eq!(bench.texts(), ["one", "two", "zero"]);
}

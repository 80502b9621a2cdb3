//! Nothing is read that there is no memory for, and one lineage does not starve the others.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::bench::{Bench, input};
use crate::budget::{Budget, Budgets};
use crate::record::{Block, Generation, Slice};
use crate::settings::{Input, Output};
use crate::tail::{Ending, Event, Look, Restored, Tail, Turn};

fn bench_with(limit: usize) -> Bench {
    let mut bench = Bench::with(input(), Ending::Follow);
    bench.limit(Budget::new(limit, || {}));
    bench.heard.borrow_mut().blocks = Some(Vec::new());
    bench
}

#[test]
fn a_file_of_empty_lines_keeps_to_the_budget() {
    let mut bench = bench_with(8 << 20);
    bench.write("app.log", "\n".repeat(200_000));
    bench.look();
    let mut rounds = 0;
    while bench.texts().len() < 200_000 {
        rounds += 1;
        assert!(rounds < 1000, "no progress");
        bench.turns();
        assert!(bench.budget.used() <= bench.budget.limit(), "{}", bench.budget.used());
        let mut heard = bench.heard.borrow_mut();
        let blocks = heard.blocks.as_mut().unwrap();
        assert!(blocks.iter().all(|block| block.len() <= 8320));
        let costs =
            |block: &Block| block.bytes.len() + block.records.capacity() * size_of::<Slice>();
        assert!(blocks.iter().all(|block| costs(block) <= block.cost()));
        blocks.clear();
    }
    assert_eq!(bench.texts().len(), 200_000);
}

#[test]
fn a_block_pays_for_itself_however_little_is_in_it() {
    let limit = 256 * Block::OVERHEAD_BYTES;
    let mut bench = bench_with(limit);
    for number in 0..600 {
        let name = format!("{number}.log");
        bench.also(&name);
        bench.write(&name, "x\n");
    }
    bench.look();
    assert_eq!(bench.turns(), Turn::Starved);
    let in_flight = bench.texts().len();
    assert!(in_flight > 0 && in_flight <= 256, "{in_flight}");
    while bench.texts().len() < 600 {
        bench.heard.borrow_mut().blocks.as_mut().unwrap().clear();
        bench.turns();
    }
}

#[test]
fn nothing_is_read_beyond_the_budget_and_reading_resumes_when_there_is_room() {
    let mut bench = bench_with(3 << 20);
    bench.write("app.log", format!("{}\n", "x".repeat(999)).repeat(20_000));
    bench.look();
    assert_eq!(bench.turns(), Turn::Starved);
    let first = bench.texts().len();
    assert!(first > 0 && first < 20_000, "{first}");
    assert!(bench.budget.used() <= bench.budget.limit());
    assert_eq!(bench.turns(), Turn::Starved);
    assert_eq!(bench.texts().len(), first);
    while bench.texts().len() < 20_000 {
        bench.heard.borrow_mut().blocks.as_mut().unwrap().clear();
        bench.turns();
        assert!(bench.budget.used() <= bench.budget.limit());
    }
    bench.heard.borrow_mut().blocks.as_mut().unwrap().clear();
    assert_eq!(bench.budget.used(), 0);
}

#[test]
fn a_line_larger_than_the_whole_budget_goes_alone() {
    let mut bench =
        Bench::with(crate::settings::Input { max_line_bytes: 1 << 20, ..input() }, Ending::Follow);
    bench.limit(Budget::new(100_000, || {}));
    bench.write("app.log", format!("a\n{}\nb\n", "x".repeat(900_000)));
    bench.ship();
    assert_eq!(bench.texts().iter().map(String::len).collect::<Vec<_>>(), [1, 900_000, 1]);
}

#[test]
fn behind_a_closed_gate_nothing_is_read_and_others_go_on() {
    let mut bench = Bench::new();
    bench.also("web.log");
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.gate().close();
    bench.append("app.log", "a2\n");
    bench.write("web.log", "w1\n");
    bench.look();
    assert_eq!(bench.turns(), Turn::Starved);
    assert_eq!(bench.texts(), ["a1", "w1"]);
    bench.wait(100);
    assert_eq!(bench.texts(), ["a1", "w1"]);
    assert!(bench.gate().open());
    assert_eq!(bench.turns(), Turn::Idle);
    assert_eq!(bench.texts(), ["a1", "w1", "a2"]);
}

#[test]
fn each_lineage_gets_a_block_before_any_gets_a_second() {
    let mut bench = Bench::new();
    bench.also("web.log");
    let text = format!("{}\n", "x".repeat(999)).repeat(2000);
    bench.write("app.log", &text);
    bench.write("web.log", &text);
    bench.look();
    bench.turn();
    bench.turn();
    assert!(!bench.texts_of("app.log").is_empty() && !bench.texts_of("web.log").is_empty());
}

#[test]
fn files_at_rest_do_not_stay_open_without_bound() {
    let mut bench = Bench::new();
    for number in 0..600 {
        let name = format!("{number}.log");
        bench.also(&name);
        bench.write(&name, "x\n");
    }
    bench.ship();
    bench.wait(1);
    assert!(bench.open_files() <= 512, "{}", bench.open_files());
    bench.append("7.log", "y\n");
    bench.ship();
    assert_eq!(bench.texts_of("7.log"), ["x", "y"]);
}

/// All that is read of one output stays in memory: its cluster is away.
#[test]
fn who_waits_for_memory_keeps_no_other_output_waiting() {
    const FILES: usize = 20;
    const BYTES: usize = 300_000;
    let dir = tempfile::tempdir().unwrap();
    let audit = Input { id: "audit".into(), output: Output::named("audit"), ..input() };
    let inputs = [input(), audit];
    let outputs = inputs.iter().map(|input| input.output.clone());
    let budgets = Budgets::new(Budget::new(4 << 20, || {}), outputs);
    let blocks = Rc::new(RefCell::new(Vec::new()));
    let heard = blocks.clone();
    let emit = move |event| {
        if let Event::Block(block) = event {
            heard.borrow_mut().push(block);
        }
    };
    let restored =
        Restored { lineages: Vec::new(), looked_ms: HashMap::new(), floor: Generation::FIRST };
    let mut tail = Tail::new(&inputs, restored, &budgets, Ending::Follow, emit);
    let write = |tail: &mut Tail<_>, input: usize, name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let look = Look { input, path: &path, real: None, thorough: true, listed_ms: None };
        tail.look(look, Vec::new);
    };
    let turns = |tail: &mut Tail<_>| loop {
        let turn = tail.turn(|_, _| Vec::new());
        if turn != Turn::Worked {
            return turn;
        }
    };
    for number in 0..FILES {
        let line = format!("{}\n", "x".repeat(99));
        write(&mut tail, 1, &format!("audit{number}.log"), &line.repeat(BYTES / 100));
    }
    assert_eq!(turns(&mut tail), Turn::Starved);
    let away = std::mem::take(&mut *blocks.borrow_mut());
    assert!(!away.is_empty() && budgets.whole().left() >= 2 << 20);
    for round in 0..3 {
        write(&mut tail, 0, &format!("app{round}.log"), "a line\n");
        assert_eq!(turns(&mut tail), Turn::Starved);
        assert_eq!(
            blocks.take().iter().map(|block| block.record(0)).collect::<Vec<_>>(),
            [b"a line"]
        );
    }
    // It is back.
    let bytes =
        |blocks: &[crate::record::Block]| blocks.iter().map(|b| b.bytes.len()).sum::<usize>();
    let mut read = bytes(&away);
    drop(away);
    while turns(&mut tail) == Turn::Starved {
        let more = blocks.take();
        assert!(!more.is_empty(), "what was given back is used");
        read += bytes(&more);
    }
    read += bytes(&blocks.take());
    assert_eq!(read, FILES * BYTES);
}

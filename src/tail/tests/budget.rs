//! Nothing is read that there is no memory for, and one lineage does not starve the others.

use super::bench::{Bench, input};
use crate::budget::Budget;
use crate::tail::{Ending, Turn};

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
        let costs = |block: &crate::record::Block| {
            block.bytes.capacity() + block.records.capacity() * size_of::<crate::record::Slice>()
        };
        assert!(blocks.iter().all(|block| costs(block) <= block.permit.bytes()));
        blocks.clear();
    }
    assert_eq!(bench.texts().len(), 200_000);
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

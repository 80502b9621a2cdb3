//! Random lives of one log file, on real file systems, against a model of what can be known.
//!
//! Whatever is written is made of cells with ascending numbers. At the end, and wherever the
//! walk settles, every cell that could still be read has come out once; none ever came twice
//! beyond what a crash takes back; each came first in the order in which it was written; and
//! what is said to be lost is at least what was seen and destroyed, and at most what is missing.
//!
//! What nobody could know is not held against the daemon. Where possible the walk then does
//! something else; where all files begin alike, a file that went while the daemon was down, and of
//! which it had read no more than that, may be any other, so repeats and order do not count from
//! then on.
//!
//! `TAILSPOOL_SEEDS=n` walks n seeds on each file system; `TAILSPOOL_SEED=n` only one.
#![allow(clippy::print_stdout, reason = "what a walk prints is its report")]

mod action;
mod files;
mod ground;
mod mistakes;
mod model;
mod packing;

use std::path::Path;

use proptest::collection::vec;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use action::{Action, Manner, action, manner};
use model::Model;

const SEEDS: u64 = 400;
const ACTIONS_MAX: usize = 40;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Walks all seeds in directories below `dir`. Those that fail are made shorter, and the
/// shortest is told.
fn walk_in(dir: &Path) {
    let count = number("TAILSPOOL_SEEDS").unwrap_or(SEEDS);
    let seeds = number("TAILSPOOL_SEED").map_or(1..=count, |seed| seed..=seed);
    println!("{}: TAILSPOOL_SEED={seeds:?}", dir.display());
    let failed = |seed| {
        let (why, walk) = walk(dir, seed)?;
        println!("TAILSPOOL_SEED={seed}: {why}\n{walk}\n");
        Some((walk.len(), seed, why, walk))
    };
    let failures: Vec<_> = seeds.filter_map(failed).collect();
    if let Some((_, seed, why, walk)) = failures.iter().min() {
        let count = failures.len();
        panic!("{count} walks failed, the shortest with TAILSPOOL_SEED={seed}: {why}\n{walk}");
    }
}

fn rng(seed: u64) -> TestRng {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

fn walks() -> impl Strategy<Value = (Manner, Vec<Action>)> {
    (manner(), vec(action(), 1..ACTIONS_MAX))
}

/// What went wrong on a walk, and where.
fn walk(dir: &Path, seed: u64) -> Option<(String, String)> {
    let config = Config {
        cases: 1,
        max_shrink_iters: 2_000,
        failure_persistence: None,
        ..Config::default()
    };
    let result = TestRunner::new_with_rng(config, rng(seed)).run(&walks(), |(manner, walk)| {
        let mut model = Model::new(dir, manner);
        walk.iter().for_each(|action| model.act(action));
        model.settle();
        Ok(())
    });
    match result {
        Ok(()) => None,
        Err(TestError::Fail(why, walk)) => Some((why.to_string(), format!("{walk:?}"))),
        Err(TestError::Abort(why)) => panic!("TAILSPOOL_SEED={seed}: {why}"),
    }
}

#[test]
fn nothing_is_lost_repeated_or_out_of_order_whatever_becomes_of_the_files() {
    walk_in(tempfile::tempdir().unwrap().path());
}

#[test]
fn nor_on_tmpfs() {
    ground::on_tmpfs("tail::tests::walk::nor_on_tmpfs", walk_in);
}

#[test]
fn nor_on_a_small_ext4() {
    ground::on_ext4("tail::tests::walk::nor_on_a_small_ext4", walk_in);
}

//! Walks notice what goes wrong: here it is what came out that is wrong, and whatever a walk
//! excuses must not hide that.

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, TestRunner};

use super::model::{Mistake, Model};
use super::{rng, walks};

const WALKS: u64 = 300;

/// Of all walks on which it can be made, how many in a hundred notice a mistake.
fn noticed(mistake: Mistake) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let (mut made, mut noticed) = (0, 0);
    for seed in 1..=WALKS {
        let mut runner = TestRunner::new_with_rng(Config::default(), rng(seed));
        let (manner, walk) = walks().new_tree(&mut runner).unwrap().current();
        let mut model = Model::new(dir.path(), manner);
        walk.iter().for_each(|action| model.act(action));
        model.come_to_rest();
        if model.make(mistake) {
            made += 1;
            noticed += u64::from(model.check().is_err());
        }
    }
    println!("{mistake:?}: made {made} times, noticed {noticed} times");
    assert!(made > WALKS / 2, "{made} times");
    noticed * 100 / made
}

#[test]
fn a_repeated_line_is_noticed() {
    let share = noticed(Mistake::Repeat);
    assert!(share >= 95, "{share} %");
}

#[test]
fn a_line_that_comes_too_early_is_noticed() {
    let share = noticed(Mistake::Early);
    assert!(share >= 90, "{share} %");
}

/// What was destroyed by the end is not missed.
#[test]
fn a_lost_line_is_noticed() {
    let share = noticed(Mistake::Loss);
    assert!(share >= 85, "{share} %");
}

#[test]
fn a_loss_that_is_made_up_is_noticed() {
    let share = noticed(Mistake::Rumour);
    assert!(share >= 50, "{share} %");
}

//! Drives lanes, ledgers and their joint's rules through random reads, broker answers, outages,
//! flushes, checkpoints and crashes.
//!
//! Goal: nothing that was settled or is still in a file is missing from the broker's log; first
//! occurrences are in the order of their lane; a line is written twice only where a crash, a stop
//! or a new producer excuses it; nothing waits for ever. Method: a seeded walk over all that can
//! happen, then a healthy broker until nothing is left to do. What a [`Climate`] may hold, the
//! rules must stand; each [`Mistake`] must break a walk that they pass.
//!
//! `TAILSPOOL_SEEDS=n` walks n seeds in each climate; `TAILSPOOL_SEED=n` only one, and with
//! `--nocapture` tells its story.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test fails by panicking and may talk"
)]

mod client;
mod dice;
mod files;
mod flight;
mod judge;
mod line;
mod mood;
mod spool;
mod texture;
mod variant;
mod world;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use judge::Flaw;
use variant::{Climate, Mistake};
use world::{Counts, World};

const SEEDS: u64 = 2_000;
/// Most mistakes show in one of 2,500 walks, the rarest three in one of 20,000.
const SEEDS_TO_SHOW: u64 = 50_000;
const STEPS: u32 = 900;

/// Walks with each flaw, and the first seed that shows it.
#[derive(Debug, Default)]
struct Tally {
    flaws: BTreeMap<Flaw, (u64, u64)>,
    counts: Counts,
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

fn seeds(count: u64) -> RangeInclusive<u64> {
    number("TAILSPOOL_SEED").map_or(1..=count, |seed| seed..=seed)
}

fn walk(seed: u64, climate: Climate, mistake: Option<Mistake>) -> (Vec<Flaw>, Counts) {
    let mut world = World::new(seed, climate, mistake, number("TAILSPOOL_SEED").is_some());
    for _ in 0..STEPS {
        world.step();
    }
    world.settle_down();
    (world.flaws(), world.counts)
}

/// Walks all seeds; none may have one of these flaws.
fn stands(climate: Climate, flaws: &[Flaw]) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds(number("TAILSPOOL_SEEDS").unwrap_or(SEEDS)) {
        let (found, counts) = walk(seed, climate, None);
        for flaw in found {
            tally.flaws.entry(flaw).or_insert((0, seed)).0 += 1;
        }
        tally.counts += counts;
    }
    println!("{climate:?}: {tally:?}");
    for flaw in flaws {
        let walks = tally.flaws.get(flaw);
        assert!(
            walks.is_none(),
            "{climate:?}: {flaw:?} in (walks, first TAILSPOOL_SEED) {walks:?}"
        );
    }
    tally
}

/// Walks until a seed shows this flaw; returns whether one does.
fn dies(mistake: Mistake, climate: Climate, flaw: Flaw) -> bool {
    let shows = |seed: &u64| walk(*seed, climate, Some(mistake)).0.contains(&flaw);
    let seed = seeds(SEEDS_TO_SHOW).find(shows);
    println!("{mistake:?} in {climate:?}: {flaw:?} at seed {seed:?}");
    seed.is_some()
}

/// What no climate excuses.
const NEVER: [Flaw; 7] = [
    Flaw::Lost,
    Flaw::Halved,
    Flaw::Early,
    Flaw::Stuck,
    Flaw::Inexcusable,
    Flaw::InnocentDead,
    Flaw::BuriedTwice,
];

fn never_nor(flaws: &[Flaw]) -> Vec<Flaw> {
    NEVER.iter().chain(flaws).copied().collect()
}

#[test]
fn nothing_is_lost_reordered_or_repeated_without_cause() {
    stands(Climate::Wild, &never_nor(&[Flaw::Inverted]));
}

#[test]
fn outages_alone_repeat_nothing() {
    let tally = stands(Climate::Outages, &never_nor(&[Flaw::Inverted, Flaw::Repeated]));
    assert!(tally.counts.detours > 0 && tally.counts.replayed > 0);
}

/// Order then needs the files: what is on the wire may come after what was replayed.
#[test]
fn spool_that_survives_in_no_order_needs_the_files() {
    stands(Climate::PowerCuts, &never_nor(&[Flaw::InvertedWithFiles]));
}

#[test]
fn lost_spool_costs_repeats_but_no_line_of_a_file_that_is_there() {
    let tally = stands(Climate::SpoolLost, &never_nor(&[Flaw::InvertedWithFiles]));
    assert!(tally.counts.spools_lost > 0);
}

#[test]
fn refused_batch_costs_order_but_only_the_guilty() {
    let tally = stands(Climate::Poisoned, &NEVER);
    assert!(tally.counts.buried > 0);
}

#[test]
fn refused_batch_keeps_order_when_strict() {
    let tally = stands(Climate::PoisonedStrict, &never_nor(&[Flaw::Inverted]));
    assert!(tally.counts.buried > 0);
}

#[test]
fn returned_batch_costs_order_only() {
    stands(Climate::Returning, &NEVER);
}

#[test]
fn lanes_keep_their_order_while_partitions_are_added() {
    let tally = stands(Climate::Moving, &never_nor(&[Flaw::Inverted]));
    assert!(tally.counts.moved > 0);
}

#[test]
fn where_any_partition_will_do_order_is_all_that_is_given_up() {
    stands(Climate::Spread, &NEVER);
}

#[test]
fn without_a_spool_memory_waits() {
    let tally = stands(Climate::WithoutSpool, &never_nor(&[Flaw::Inverted]));
    assert_eq!(tally.counts.detours, 0);
}

#[test]
fn everything_at_once_costs_order_only() {
    stands(Climate::Everything, &NEVER);
}

/// Each mistake, where it shows, and how.
const DEADLY: [(Mistake, Climate, Flaw); 44] = [
    (Mistake::SettleStaged, Climate::Wild, Flaw::Lost),
    (Mistake::ReplayPastReader, Climate::PowerCuts, Flaw::InvertedWithFiles),
    (Mistake::GoneHoldsReplay, Climate::Wild, Flaw::Stuck),
    (Mistake::CopiesKept, Climate::Outages, Flaw::Repeated),
    (Mistake::DirectInDetour, Climate::Outages, Flaw::Inverted),
    (Mistake::PurgeFirst, Climate::Wild, Flaw::Inverted),
    (Mistake::StagedUnnumbered, Climate::Wild, Flaw::Inexcusable),
    (Mistake::StagedUnnumbered, Climate::PowerCuts, Flaw::InvertedWithFiles),
    (Mistake::FullRefusesAll, Climate::Wild, Flaw::Stuck),
    (Mistake::FullHoldsAll, Climate::PowerCuts, Flaw::InvertedWithFiles),
    (Mistake::DirectBeforeLoaded, Climate::Outages, Flaw::Inverted),
    (Mistake::HeldOvertaken, Climate::Outages, Flaw::Inverted),
    (Mistake::ReplaySharesMemory, Climate::Outages, Flaw::Stuck),
    (Mistake::CursorKept, Climate::Outages, Flaw::Stuck),
    (Mistake::MissedForgotten, Climate::Wild, Flaw::Stuck),
    (Mistake::ReturnedBehind, Climate::Wild, Flaw::Inverted),
    (Mistake::RebuildAtOnce, Climate::Wild, Flaw::Inverted),
    (Mistake::FatalDetours, Climate::PoisonedStrict, Flaw::Stuck),
    (Mistake::ChainIgnored, Climate::PowerCuts, Flaw::Lost),
    (Mistake::ChainFromStart, Climate::SpoolLost, Flaw::Lost),
    (Mistake::AheadChained, Climate::SpoolLost, Flaw::Lost),
    (Mistake::ChainForgetsLetters, Climate::Poisoned, Flaw::Lost),
    (Mistake::NotSuperseded, Climate::PowerCuts, Flaw::Inexcusable),
    (Mistake::AcknowledgedForgotten, Climate::SpoolLost, Flaw::Lost),
    (Mistake::LossNotSaved, Climate::SpoolLost, Flaw::Lost),
    (Mistake::DamageTrusted, Climate::SpoolLost, Flaw::Lost),
    (Mistake::AloneInLaneOnly, Climate::Poisoned, Flaw::InnocentDead),
    (Mistake::BlindChained, Climate::PowerCuts, Flaw::Lost),
    (Mistake::BlindSuperseded, Climate::Wild, Flaw::Lost),
    (Mistake::RaggedSuperseded, Climate::Wild, Flaw::Lost),
    (Mistake::BlindReplaced, Climate::Wild, Flaw::InvertedWithFiles),
    (Mistake::EntangledTogether, Climate::PowerCuts, Flaw::InvertedWithFiles),
    (Mistake::FilesTogether, Climate::PowerCuts, Flaw::InvertedWithFiles),
    (Mistake::AheadIsPlace, Climate::Wild, Flaw::Halved),
    (Mistake::FloorByOffset, Climate::Everything, Flaw::Lost),
    (Mistake::FloorNotKept, Climate::SpoolLost, Flaw::Lost),
    (Mistake::AheadForgotten, Climate::Wild, Flaw::Inexcusable),
    (Mistake::AheadOfBoth, Climate::Wild, Flaw::Lost),
    (Mistake::FrontierByOffset, Climate::Wild, Flaw::Inexcusable),
    (Mistake::MiddleIsPlace, Climate::Wild, Flaw::InvertedWithFiles),
    (Mistake::MovesInFlight, Climate::Moving, Flaw::Inverted),
    (Mistake::SentOnItsWay, Climate::Spread, Flaw::Inexcusable),
    (Mistake::DyingGivenBack, Climate::Poisoned, Flaw::BuriedTwice),
    (Mistake::LeftBehindForgotten, Climate::Spread, Flaw::Stuck),
];

#[test]
fn each_mistake_shows() {
    let unnoticed =
        DEADLY.into_iter().filter(|(mistake, climate, flaw)| !dies(*mistake, *climate, *flaw));
    let unnoticed: Vec<_> = unnoticed.collect();
    assert!(unnoticed.is_empty() || number("TAILSPOOL_SEED").is_some(), "{unnoticed:?}");
}

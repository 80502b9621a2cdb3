//! Random walks with crashes, power cuts, damaged disks and lost indexes: nothing proven is lost.

use super::model::{LANES, Walk};
use proptest::prelude::*;

#[derive(Debug, Clone)]
pub(super) enum Op {
    /// The next `count` records of a lane, without those in `delivered` (bits).
    Read {
        lane: u32,
        count: u32,
        delivered: u8,
    },
    Rotate {
        lane: u32,
    },
    Turn,
    Tick,
    /// Some records of one of a lane's entries were delivered.
    Deliver {
        lane: u32,
        entry: usize,
        first: u32,
        count: u32,
    },
    DeliverAll {
        lane: u32,
        entries: usize,
    },
    Replay {
        lane: u32,
    },
    Checkpoint,
    Fault {
        writes: u32,
        syncs: u32,
    },
    KeepIndex,
    Crash {
        when: When,
        index: IndexFate,
    },
    FlipByte {
        segment: usize,
        at: u32,
        index: IndexFate,
    },
    CutTail {
        bytes: u64,
        index: IndexFate,
    },
    Reopen,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum When {
    BeforeTurn,
    /// After the turn, its events not heard.
    AfterTurn,
    /// In the turn: what it wrote is cut off somewhere, or has a hole of zeros there.
    Cut(u32),
    Hole(u32),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum IndexFate {
    Kept,
    Deleted,
    /// As it was at the last `KeepIndex`.
    RolledBack,
    Garbled(u32),
}

fn op() -> impl Strategy<Value = Op> {
    let lane = 0..LANES;
    let read = (lane.clone(), 1_u32..8, any::<u8>(), any::<bool>());
    let read = read.prop_map(|(lane, count, delivered, part)| {
        let delivered = if part { delivered } else { 0 };
        Op::Read { lane, count, delivered }
    });
    let deliver = (lane.clone(), 0_usize..10, 0_u32..5, 1_u32..5);
    let deliver =
        deliver.prop_map(|(lane, entry, first, count)| Op::Deliver { lane, entry, first, count });
    let deliver_all = (lane.clone(), 1_usize..20);
    let deliver_all = deliver_all.prop_map(|(lane, entries)| Op::DeliverAll { lane, entries });
    let when = prop_oneof![
        Just(When::BeforeTurn),
        Just(When::AfterTurn),
        (0_u32..3000).prop_map(When::Cut),
        (0_u32..3000).prop_map(When::Hole),
    ];
    let flip = (0_usize..5, 0_u32..4096, index_fate());
    let flip = flip.prop_map(|(segment, at, index)| Op::FlipByte { segment, at, index });
    prop_oneof![
        20 => read,
        1 => lane.clone().prop_map(|lane| Op::Rotate { lane }),
        10 => Just(Op::Turn),
        4 => Just(Op::Tick),
        6 => deliver,
        4 => deliver_all,
        3 => lane.prop_map(|lane| Op::Replay { lane }),
        2 => Just(Op::Checkpoint),
        1 => (0_u32..3, 0_u32..3).prop_map(|(writes, syncs)| Op::Fault { writes, syncs }),
        1 => Just(Op::KeepIndex),
        4 => (when, index_fate()).prop_map(|(when, index)| Op::Crash { when, index }),
        1 => flip,
        1 => (1_u64..800, index_fate()).prop_map(|(bytes, index)| Op::CutTail { bytes, index }),
        1 => Just(Op::Reopen),
    ]
}

fn index_fate() -> impl Strategy<Value = IndexFate> {
    prop_oneof![
        6 => Just(IndexFate::Kept),
        2 => Just(IndexFate::Deleted),
        2 => Just(IndexFate::RolledBack),
        1 => any::<u32>().prop_map(IndexFate::Garbled),
    ]
}

/// Few enough for every build; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").is_ok();
    let config = ProptestConfig::default();
    if asked { config } else { ProptestConfig { cases: 40, max_shrink_iters: 400, ..config } }
}

#[test]
fn a_flipped_bit_in_a_header_costs_one_block() {
    let read = |lane, count| Op::Read { lane, count, delivered: 0 };
    // The second block's header, from its magic on.
    for at in 470..620 {
        let mut walk = Walk::new();
        let flip = Op::FlipByte { segment: 0, at, index: IndexFate::Kept };
        for op in [read(0, 14), Op::Turn, read(0, 3), Op::Turn, read(0, 6), flip, read(0, 1)] {
            walk.apply(&op);
        }
        walk.drain();
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nothing_proven_is_lost(ops in prop::collection::vec(op(), 1..120)) {
        let mut walk = Walk::new();
        for op in &ops {
            walk.apply(op);
        }
        walk.drain();
    }
}

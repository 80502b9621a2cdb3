//! How many records have left is counted once, by the spool.

use super::*;

const MIB: u64 = 1 << 20;

/// What a spool says has left its only lane.
fn left(said: &[Event]) -> Vec<u64> {
    let left = |event: &Event| {
        if let Event::Removed { records } = event {
            return Some(records.iter().map(|(_, records)| records).sum());
        }
        if let Event::Dropped { records, .. } = event { Some(*records) } else { None }
    };
    said.iter().filter_map(left).collect()
}

/// How many records had been given up, and are to be removed all the same.
fn late(said: &[Event]) -> u64 {
    let late = |event: &Event| if let Event::Late { records } = event { *records } else { 0 };
    said.iter().map(late).sum()
}

/// A record that is on its way, to Kafka or to the dead letters, when its entry is given up.
#[test]
fn what_leaves_is_counted_once_whoever_wants_it_gone() {
    let dir = tempfile::tempdir().unwrap();
    let mut stepped = Stepped::open(dir.path(), MIB);
    let id = stepped.spool.lane(lane(1));
    let entry = stepped.spool.stage(whole(id, &block(0, 0, &[b"a", b"b", b"c"])));
    let waiting = stepped.spool.stage(whole(id, &block(0, 6, &[b"d"])));
    stepped.remove(waiting, 0, 1);
    assert_eq!(left(&stepped.turn()), [1]);
    stepped.remove(entry, 0, 1);
    stepped.remove(entry, 0, 1);
    let said = stepped.turn();
    assert_eq!((left(&said), late(&said)), (vec![1], 0));
    stepped.keeper.drop_oldest();
    let said = stepped.turn();
    assert_eq!((left(&said), late(&said)), (vec![2], 0));
    stepped.spool.bury(DeadLettered::forged(Share { entry, first: 1, count: 1 }));
    stepped.remove(entry, 2, 1);
    let said = stepped.turn();
    assert_eq!((left(&said), late(&said)), (vec![], 2));
}

/// It was counted when it was staged, and when it was found.
#[test]
fn what_is_staged_again_leaves_as_often_as_it_was_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut stepped = Stepped::open(dir.path(), MIB);
    let id = stepped.spool.lane(lane(1));
    let entry = stepped.spool.stage(whole(id, &block(0, 0, &[b"a", b"b", b"c"])));
    stepped.turn();
    stepped.remove(entry, 0, 1);
    stepped.turn();
    drop(stepped);
    let mut stepped = Stepped::open(dir.path(), MIB);
    assert_eq!(stepped.recovered.lanes[0].records, 2);
    let entry = stepped.spool.stage(whole(id, &block(0, 0, &[b"a", b"b", b"c"])));
    assert_eq!(left(&stepped.turn()), [3]);
    stepped.remove(entry, 0, 3);
    assert_eq!(left(&stepped.turn()), [2]);
}

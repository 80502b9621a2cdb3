//! What the spool promises, one by one.

use rustix::fs::{FlockOperation, flock};

use super::*;

const MIB: u64 = 1 << 20;

#[test]
fn unused_spool_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spool");
    let (spool, _heard, recovered) = Heard::open(&path, MIB);
    assert!(recovered.lanes.is_empty() && !recovered.lost);
    assert!(spool.has_room());
    assert_eq!(spool.close().unstored, 0);
    assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
}

#[test]
fn second_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _first = Stepped::open(dir.path(), MIB);
    let second = Stepped::try_open(dir.path(), &settings(MIB));
    assert!(matches!(second.err(), Some(OpenError::Locked { .. })));
}

/// An earlier run has left an entry of two records, of which the first is removed.
fn leave_half(dir: &Path) -> (LaneId, EntryId) {
    let mut stepped = Stepped::open(dir, MIB);
    let id = stepped.spool.lane(lane(1));
    let first = stepped.spool.stage(whole(id, &block(0, 0, &[b"a", b"b"])));
    stepped.turn();
    stepped.remove(first, 0, 1);
    stepped.turn();
    (id, first)
}

/// A process that is ending closes what it has open one by one.
#[test]
fn an_index_that_is_still_open_is_not_taken_for_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let (id, _) = leave_half(dir.path());
    let held = loop {
        let db = fs::File::open(dir.path().join("state/db")).unwrap();
        match flock(&db, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => std::thread::yield_now(),
            locked => break locked.map(|()| db).unwrap(),
        }
    };
    let second = Stepped::try_open(dir.path(), &settings(MIB));
    assert!(matches!(second.err(), Some(OpenError::Locked { .. })));
    drop(held);
    let mut stepped = Stepped::open(dir.path(), MIB);
    let (entries, _) = stepped.replay(id);
    assert_eq!(entries[0].removed, Runs::all(1));
}

#[test]
fn records_come_back_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let (mut spool, heard, _) = Heard::open(dir.path(), MIB);
    let lane = spool.lane(lane(1));
    let block = block(7, 1000, &[b"first", b"", b"third\xff", b"fourth"]);
    let id = spool.stage(put(lane, &block, [0..1, 2..4].into_iter().collect()));
    let proven = heard.wait_stored();
    assert_eq!(proven.len(), 1);
    assert_eq!(proven[0].1, id);
    spool.load(lane, None);
    let loaded = heard.wait_loaded();
    assert_eq!(loaded.id, id);
    assert_eq!((loaded.start(), loaded.end()), (Some(block.start), Some(block.end)));
    assert_eq!((loaded.partition, &*loaded.label), (Some(3), &label()));
    let records = [(0, "first".into()), (2, b"third\xff".to_vec()), (3, "fourth".into())];
    let records = records.map(|(number, bytes)| (bytes, block.end_of(number).0));
    assert_eq!(contents(&loaded), records);
    spool.load(lane, Some(id));
    heard.wait(|event| matches!(event, Event::NoMore { lane: l } if l == lane).then_some(()));
    assert_eq!(spool.usage().records, 3);
    assert_eq!(spool.close().unstored, 0);
}

#[test]
fn nothing_is_proven_before_the_sync() {
    let dir = tempfile::tempdir().unwrap();
    let mut stepped = Stepped::open(dir.path(), MIB);
    let lane = stepped.spool.lane(lane(1));
    stepped.keeper.log.faults.syncs = 1;
    let first = stepped.spool.stage(whole(lane, &block(0, 0, &[b"one"])));
    let said = stepped.turn();
    assert_eq!(stored(&said), 0);
    assert!(said.iter().any(|event| matches!(event, Event::Failing(_))));
    assert!(!stepped.spool.has_room());

    // It can be replayed all the same, and in order.
    let (entries, _) = stepped.replay(lane);
    assert_eq!(entries.iter().map(|loaded| loaded.id).collect::<Vec<_>>(), [first]);
    assert_eq!((&*entries[0].label, contents(&entries[0])), (&label(), vec![(b"one".to_vec(), 4)]));

    let said = stepped.tick();
    assert_eq!(stored(&said), 1);
    assert!(said.iter().any(|event| matches!(event, Event::Mended)));
    assert!(said.iter().any(|event| matches!(event, Event::Freed)));
    // Not into the segment whose end nobody knows.
    assert_eq!(stepped.segments(), [2]);
}

#[test]
fn failed_write_is_cut_back_and_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut stepped = Stepped::open(dir.path(), MIB);
    let lane = stepped.spool.lane(lane(1));
    stepped.spool.stage(whole(lane, &block(0, 0, &[b"one"])));
    stepped.turn();
    let path = segment::path(dir.path(), 1);
    let len = fs::metadata(&path).unwrap().len();
    stepped.keeper.log.faults.writes = 2;
    stepped.spool.stage(whole(lane, &block(0, 4, &[b"two"])));
    assert!(matches!(stepped.turn()[..], [Event::Failing(_)]));
    assert_eq!(fs::metadata(&path).unwrap().len(), len);
    // Said once.
    assert!(stepped.tick().is_empty());
    assert_eq!(stored(&stepped.tick()), 1);
    assert_eq!(stepped.segments(), [1]);
    assert_eq!(stepped.replay(lane).0.len(), 2);
}

#[test]
fn delivered_before_it_could_be_stored_is_settled() {
    let dir = tempfile::tempdir().unwrap();
    let mut stepped = Stepped::open(dir.path(), MIB);
    let lane = stepped.spool.lane(lane(1));
    stepped.keeper.log.faults.writes = 1;
    let id = stepped.spool.stage(whole(lane, &block(0, 0, &[b"one", b"two"])));
    stepped.turn();
    stepped.remove(id, 0, 1);
    assert_eq!(stored(&stepped.turn()), 0);
    stepped.remove(id, 1, 1);
    assert_eq!(stored(&stepped.turn()), 2);
    assert!(stepped.replay(lane).0.is_empty());
}

#[test]
fn removed_records_stay_removed() {
    let dir = tempfile::tempdir().unwrap();
    let mut stepped = Stepped::open(dir.path(), MIB);
    let id = stepped.spool.lane(lane(1));
    let first = stepped.spool.stage(whole(id, &block(0, 0, &[b"a", b"b", b"c"])));
    let second = stepped.spool.stage(whole(id, &block(0, 6, &[b"d"])));
    stepped.turn();
    stepped.remove(first, 1, 1);
    stepped.spool.bury(DeadLettered::forged(Share { entry: second, first: 0, count: 1 }));
    stepped.turn();
    assert_eq!(stepped.spool.usage().records, 2);
    drop(stepped);

    let mut stepped = Stepped::open(dir.path(), MIB);
    assert_eq!(stepped.recovered.lanes.len(), 1);
    assert_eq!(stepped.recovered.lanes[0].records, 2);
    let (entries, _) = stepped.replay(id);
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].removed, run(1, 2));
    stepped.remove(first, 0, 3);
    stepped.tick();
    assert!(stepped.segments().is_empty());
    assert_eq!(stepped.spool.usage().records, 0);
    assert_eq!(stepped.spool.usage().oldest_ms, None);
}

#[test]
fn lost_index_does_not_bring_back_removed_entries() {
    let dir = tempfile::tempdir().unwrap();
    let mut stepped = Stepped::open(dir.path(), MIB);
    let id = stepped.spool.lane(lane(1));
    let first = stepped.spool.stage(whole(id, &block(0, 0, &[b"a"])));
    let second = stepped.spool.stage(whole(id, &block(0, 2, &[b"b"])));
    stepped.turn();
    stepped.remove(first, 0, 1);
    stepped.turn();
    drop(stepped);
    fs::remove_dir_all(dir.path().join("state")).unwrap();
    let mut stepped = Stepped::open(dir.path(), MIB);
    let (entries, _) = stepped.replay(id);
    assert_eq!(entries.iter().map(|loaded| loaded.id).collect::<Vec<_>>(), [second]);
}

#[test]
fn lanes_drain_each_in_its_own_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut stepped = Stepped::open(dir.path(), MIB);
    let lanes = [1, 2].map(|number| stepped.spool.lane(lane(number)));
    for (generation, start) in [(1, 0), (0, 20), (0, 0), (2, 5)] {
        for id in lanes {
            stepped.spool.stage(whole(id, &block(generation, start, &[b"x"])));
        }
    }
    stepped.turn();
    for id in lanes {
        let (entries, _) = stepped.replay(id);
        let order = entries.iter().map(|l| (l.id.generation.0, l.id.start.0));
        assert_eq!(order.collect::<Vec<_>>(), [(0, 0), (0, 20), (1, 0), (2, 5)]);
    }
}

#[test]
fn full_spool_has_no_room_until_something_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let mut stepped = Stepped::open(dir.path(), 8 * MIB);
    let lane = stepped.spool.lane(lane(1));
    let noise: Vec<u8> =
        (0..100_000_u32).flat_map(|n| n.wrapping_mul(n ^ 0x4d).to_le_bytes()).collect();
    let mut entries = Vec::new();
    while stepped.spool.has_room() {
        let start = entries.len() as u64 * 1_000_000;
        entries.push(stepped.spool.stage(whole(lane, &block(0, start, &[&noise]))));
        stepped.turn();
        assert!(entries.len() < 50);
    }
    assert!(entries.len() > 5, "{}", entries.len());
    let reach = Offset(entries.last().unwrap().end.0);
    assert!(stepped.spool.admits(lane, Generation(0), reach));
    assert!(!stepped.spool.admits(lane, Generation(0), reach.advance(1)));
    assert!(stepped.spool.usage().bytes <= 8 * MIB);
    let half = entries.len() / 2;
    for entry in entries.drain(..half) {
        stepped.remove(entry, 0, 1);
    }
    let said = stepped.tick();
    assert!(said.iter().any(|event| matches!(event, Event::Freed)));
    assert!(stepped.spool.has_room());
}

#[test]
fn oldest_are_dropped_when_asked_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut stepped = Stepped::open(dir.path(), 16 * 1024);
    let lane = stepped.spool.lane(lane(1));
    for start in 0..20 {
        stepped.spool.stage(whole(lane, &block(0, start * 10, &[b"x", b"y"])));
    }
    stepped.turn();
    let before = stepped.segments().len();
    stepped.keeper.drop_oldest();
    let said = stepped.turn();
    let [Event::Dropped { records, bytes, .. }] = said[..] else { panic!("{said:?}") };
    assert!(records > 0 && bytes > 0);
    assert_eq!(stepped.segments().len(), before - 1);
    let (entries, _) = stepped.replay(lane);
    assert_eq!(entries.len() as u64 * 2 + records, 40);
    assert_eq!(stepped.spool.usage().records, 40 - records);
    assert_eq!(entries[0].id.start.0, records / 2 * 10);
}

#[test]
fn aged_entries_expire() {
    let dir = tempfile::tempdir().unwrap();
    let aging = settings::Spool { max_age: Some(Duration::from_hours(1)), ..settings(MIB) };
    let mut stepped = Stepped::try_open(dir.path(), &aging).unwrap();
    let lane = stepped.spool.lane(lane(1));
    for start in [0, 10] {
        stepped.spool.stage(whole(lane, &block(0, start, &[b"x", b"y"])));
    }
    let mut commands: Vec<Command> = stepped.inbox.try_iter().collect();
    let aged = commands
        .iter_mut()
        .find_map(|command| if let Command::Put(pending) = command { Some(pending) } else { None });
    aged.unwrap().wall_ms -= 3_601_000;
    stepped.keeper.turn(commands);
    let said = stepped.tick();
    assert!(said.iter().any(|e| matches!(e, Event::Expired { records: 2, .. })), "{said:?}");
    let (entries, _) = stepped.replay(lane);
    assert_eq!(entries.iter().map(|l| l.id.start.0).collect::<Vec<_>>(), [10]);
    assert!(stepped.spool.usage().oldest_ms.unwrap() > clock::wall_ms() - 60_000);
}

#[test]
fn poisoned_lane_does_not_keep_the_others_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let mut stepped = Stepped::open(dir.path(), 64 * 1024);
    let [poisoned, healthy] = [1, 2].map(|number| stepped.spool.lane(lane(number)));
    let (mut stuck, mut done) = (Vec::new(), Vec::new());
    for start in 0..200 {
        let block = block(0, start * 10, &[b"x", b"y"]);
        if start % 20 == 0 {
            stuck.push(stepped.spool.stage(whole(poisoned, &block)));
        }
        done.push(stepped.spool.stage(whole(healthy, &block)));
    }
    stepped.turn();
    let before = stepped.spool.usage();
    stepped.remove(stuck[3], 1, 1);
    for entry in done {
        stepped.remove(entry, 0, 2);
    }
    stepped.turn();
    for _ in 0..before.bytes / 4096 {
        stepped.tick();
    }
    assert!(stepped.segments().len() <= 2, "{:?}", stepped.segments());
    assert_eq!(stepped.spool.usage().oldest_ms, before.oldest_ms);
    let check = |stepped: &mut Stepped| {
        let (entries, _) = stepped.replay(poisoned);
        assert_eq!(entries.iter().map(|loaded| loaded.id).collect::<Vec<_>>(), stuck);
        assert_eq!(entries[3].removed, run(1, 2));
        assert_eq!(stepped.spool.usage().records, 19);
    };
    check(&mut stepped);
    drop(stepped);
    check(&mut Stepped::open(dir.path(), 64 * 1024));
}

#[test]
fn listing_needs_no_index_and_no_lock() {
    let dir = tempfile::tempdir().unwrap();
    let mut stepped = Stepped::open(dir.path(), MIB);
    let lanes = [1, 2].map(|number| stepped.spool.lane(lane(number)));
    for start in 0..3 {
        stepped.spool.stage(whole(lanes[0], &block(0, start * 10, &[b"x", b"y"])));
    }
    let gone = stepped.spool.stage(whole(lanes[1], &block(0, 0, &[b"x"])));
    stepped.turn();
    stepped.remove(gone, 0, 1);
    stepped.turn();
    let listed = list(dir.path()).unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].entries, listed[0].records), (3, 6));
    assert_eq!(listed[0].lane, lane(1));
}

#[test]
fn empty_index_is_closed_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut stepped = Stepped::open(dir.path(), MIB);
    let lane = stepped.spool.lane(lane(1));
    let id = stepped.spool.stage(whole(lane, &block(0, 0, &[b"x"])));
    stepped.turn();
    stepped.remove(id, 0, 1);
    stepped.turn();
    assert_eq!(stepped.segments(), [1]);
    for account in stepped.keeper.accounts.values_mut() {
        account.touched = long_ago();
    }
    stepped.tick();
    assert!(stepped.segments().is_empty());
    stepped.keeper.house.empty_since = Some(long_ago());
    stepped.tick();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    assert!(stepped.keeper.deadline().is_none());
    stepped.spool.stage(whole(lane, &block(0, 10, &[b"y"])));
    assert_eq!(stored(&stepped.turn()), 1);
}

#[test]
fn what_is_read_again_takes_its_own_place() {
    let dir = tempfile::tempdir().unwrap();
    let (id, first) = leave_half(dir.path());
    let mut stepped = Stepped::open(dir.path(), MIB);
    let again = stepped.spool.stage(whole(id, &block(0, 0, &[b"a", b"b"])));
    // Cut otherwise, it goes before what it reaches further back than.
    let later = stepped.spool.stage(whole(id, &block(0, 0, &[b"a", b"b", b"c"])));
    stepped.turn();
    assert!(again != first && again < later);
    let (entries, _) = stepped.replay(id);
    assert_eq!(entries.iter().map(|loaded| loaded.id).collect::<Vec<_>>(), [again, later]);
    assert_eq!(entries[0].removed, Runs::all(1));
    assert_eq!(stepped.spool.usage().records, 4);
}

#[test]
fn other_records_of_the_same_range_do_not_take_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let mut stepped = Stepped::open(dir.path(), MIB);
    let id = stepped.spool.lane(lane(1));
    let block = block(0, 0, &[b"a", b"b", b"c", b"d"]);
    let first = stepped.spool.stage(put(id, &block, [0..2, 3..4].into_iter().collect()));
    stepped.turn();
    drop(stepped);
    let mut stepped = Stepped::open(dir.path(), MIB);
    let other = stepped.spool.stage(put(id, &block, [0..1, 2..4].into_iter().collect()));
    stepped.turn();
    let (entries, _) = stepped.replay(id);
    assert_eq!(entries.iter().map(|loaded| loaded.id).collect::<Vec<_>>(), [first, other]);
}

/// A block like this one, of a container whose other stream waits for the rest of its line: it
/// begins and ends there, with what it made records of ahead.
fn blind(block: &Arc<Block>, waits_at: u64, ahead: [u64; 2]) -> Arc<Block> {
    let place = |ahead| Mark { ahead: Ahead([Offset(ahead), Offset::START]), ..mark(waits_at) };
    let mut records = block.records.clone();
    for slice in &mut records {
        slice.end += block.start.offset.0 - waits_at;
    }
    let (bytes, label) = (block.bytes.clone(), Arc::clone(&block.label));
    let [start, end] = ahead.map(place);
    let permit = Budget::new(1, || {}).take_now(1);
    let (times, tally) = (block.times.clone(), block.tally.clone());
    Arc::new(Block { start, end, bytes, records, tally, label, times, permit, ..**block })
}

/// How many puts each sync stored.
fn stored_together(events: &[Event]) -> Vec<usize> {
    let stored = |event: &Event| {
        if let Event::Stored { proofs } = event { Some(proofs.len()) } else { None }
    };
    events.iter().filter_map(stored).collect()
}

/// A power cut leaves any of what was being written. Of plain lines what is beyond a hole is found
/// by its place; this is not.
#[test]
fn what_begins_where_something_lies_ahead_is_stored_after_what_comes_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut stepped = Stepped::open(dir.path(), MIB);
    let [one, other] = [1, 2].map(|number| stepped.spool.lane(lane(number)));
    for id in [one, other] {
        stepped.spool.stage(whole(id, &block(0, 0, &[b"a"])));
        stepped.spool.stage(whole(id, &block(0, 2, &[b"b"])));
    }
    assert_eq!(stored_together(&stepped.turn()), [4]);
    let (first, second) = (block(0, 10, &[b"c"]), block(0, 12, &[b"d"]));
    let third = block(0, 14, &[b"e"]);
    for id in [one, other] {
        stepped.spool.stage(whole(id, &blind(&first, 4, [0, 12])));
        stepped.spool.stage(whole(id, &blind(&second, 4, [12, 14])));
        stepped.spool.stage(whole(id, &third));
    }
    assert_eq!(stored_together(&stepped.turn()), [2, 4]);
}

#[test]
fn files_of_a_lane_are_stored_one_after_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let mut stepped = Stepped::open(dir.path(), MIB);
    let id = stepped.spool.lane(lane(1));
    for (generation, start) in [(0, 0), (0, 2), (1, 0), (1, 2)] {
        stepped.spool.stage(whole(id, &block(generation, start, &[b"a"])));
    }
    assert_eq!(stored_together(&stepped.turn()), [2, 2]);
}

/// It would come behind what follows it.
#[test]
fn what_ends_where_it_begins_does_not_give_way_to_the_same_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut stepped = Stepped::open(dir.path(), MIB);
    let id = stepped.spool.lane(lane(1));
    let (first, second) = (block(0, 10, &[b"a"]), block(0, 12, &[b"b"]));
    let old = [blind(&first, 4, [0, 12]), blind(&second, 4, [12, 14])];
    let old = old.map(|block| stepped.spool.stage(whole(id, &block)));
    stepped.turn();
    drop(stepped);
    let mut stepped = Stepped::open(dir.path(), MIB);
    let again = stepped.spool.stage(whole(id, &blind(&first, 4, [0, 12])));
    stepped.turn();
    let (entries, _) = stepped.replay(id);
    let ids: Vec<_> = entries.iter().map(|loaded| loaded.id).collect();
    assert_eq!(ids, [old[0], old[1], again]);
}

#[test]
fn only_what_lies_between_its_places_is_an_entry_known_to_be_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut stepped = Stepped::open(dir.path(), MIB);
    let id = stepped.spool.lane(lane(1));
    let lines = block(0, 4, &[b"a", b"b"]);
    let ahead = Mark { ahead: Ahead([Offset(8), Offset::START]), ..mark(6) };
    let (records, bytes, label) = (lines.records.clone(), lines.bytes.clone(), lines.label.clone());
    let permit = Budget::new(1, || {}).take_now(1);
    let (times, tally) = (lines.times.clone(), lines.tally.clone());
    let ragged = Block {
        end: ahead,
        bytes,
        records,
        is_ragged: true,
        tally,
        label,
        times,
        permit,
        ..*lines
    };
    stepped.spool.stage(whole(id, &blind(&lines, 4, [0, 8])));
    stepped.spool.stage(whole(id, &Arc::new(ragged)));
    stepped.spool.stage(whole(id, &lines));
    stepped.turn();
    let (entries, _) = stepped.replay(id);
    let ends: Vec<_> =
        entries.iter().map(|loaded| (loaded.id.end.0, loaded.is_self_contained())).collect();
    assert_eq!(ends, [(4, false), (6, false), (8, true)]);
}

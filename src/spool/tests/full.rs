//! What goes when the spool is full, and what does not.

use std::io::ErrorKind;
use std::sync::LazyLock;

use super::disk::noise;
use super::*;
use crate::state_dir::small_disk::SmallDisk;

const MIB: u64 = 1 << 20;
/// Of a block: two fill a segment of a spool of 16 MiB.
const LEN: usize = 1_000_000;
/// Does not get smaller.
static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| noise(1, LEN));

/// A spool on which lines are forced, one block after the other.
struct Flood {
    stepped: Stepped,
    lane: LaneId,
    staged: u64,
    stored: u64,
    dropped: u64,
}

impl Flood {
    fn of(dir: &Path, max_size_bytes: u64, when_full: WhenFull) -> Self {
        let settings = settings::Spool { when_full, ..settings(max_size_bytes) };
        let mut stepped = Stepped::try_open(dir, &settings).unwrap();
        let lane = stepped.spool.lane(lane(1));
        Self { stepped, lane, staged: 0, stored: 0, dropped: 0 }
    }

    fn stage(&mut self, bytes: &[u8]) {
        let start = self.staged * LEN as u64 * 2;
        self.stepped.spool.stage(whole(self.lane, &block(0, start, &[bytes])));
        self.staged += 1;
    }

    fn stage_noise(&mut self) {
        self.stage(&NOISE);
    }

    /// Stages until there is no room, and lets that be stored.
    fn fill(&mut self) {
        while self.stepped.spool.has_room() {
            self.stage_noise();
            self.turn();
        }
    }

    fn turn(&mut self) -> Vec<Event> {
        let said = self.stepped.turn();
        self.hear(said)
    }

    fn tick(&mut self) -> Vec<Event> {
        let said = self.stepped.tick();
        self.hear(said)
    }

    fn hear(&mut self, said: Vec<Event>) -> Vec<Event> {
        let dropped =
            |event: &Event| if let Event::Dropped { records, .. } = event { *records } else { 0 };
        self.stored += stored(&said);
        self.dropped += said.iter().map(dropped).sum::<u64>();
        said
    }

    fn segments(&self) -> usize {
        self.stepped.segments().len()
    }
}

fn failed(said: &[Event]) -> bool {
    said.iter().any(|event| matches!(event, Event::Failing(_)))
}

#[test]
fn nothing_is_dropped_for_what_fits_once_it_is_compressed() {
    let dir = tempfile::tempdir().unwrap();
    let mut flood = Flood::of(dir.path(), 16 * MIB, WhenFull::DropOldest);
    flood.stage_noise();
    flood.turn();
    while flood.stepped.spool.has_room() {
        flood.stage(&vec![b'x'; LEN]);
    }
    flood.stepped.spool.make_room();
    let said = flood.turn();
    assert_eq!(flood.dropped, 0, "{said:?}");
    assert!(said.iter().any(|event| matches!(event, Event::Freed)));
}

#[test]
fn who_asks_often_while_the_disk_is_slow_loses_one_segment() {
    let dir = tempfile::tempdir().unwrap();
    let mut flood = Flood::of(dir.path(), 16 * MIB, WhenFull::DropOldest);
    flood.fill();
    let before = flood.segments();
    assert!(before > 4, "{before}");
    for _ in 0..8 {
        flood.stepped.spool.make_room();
    }
    let said = flood.turn();
    assert_eq!(flood.segments(), before - 1, "{said:?}");
    assert!(said.iter().any(|event| matches!(event, Event::Freed)));
    // It was meant for what has found room by now.
    flood.stepped.spool.make_room();
    flood.stage_noise();
    flood.stage_noise();
    flood.turn();
    assert!(flood.stepped.spool.is_full());
    assert_eq!(flood.dropped, 2);
}

#[test]
fn a_full_spool_takes_in_what_comes_for_a_segment_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut flood = Flood::of(dir.path(), 16 * MIB, WhenFull::DropOldest);
    for _ in 0..100 {
        let mut asked = 0;
        while !flood.stepped.spool.has_room() {
            let (before, dropped) = (flood.segments(), flood.dropped);
            flood.stepped.spool.make_room();
            flood.turn();
            assert!(flood.segments() + 1 >= before);
            asked += 1;
            assert!(asked <= 2, "one segment makes room for a block");
            assert!(flood.dropped - dropped <= 2, "a segment holds two of them");
        }
        flood.stage_noise();
        flood.turn();
    }
    assert_eq!(flood.stored, 100);
    let left = flood.stepped.spool.usage();
    assert_eq!(left.records + flood.dropped, 100);
    // 1 MiB is kept for what is in memory, and a segment may just have gone.
    assert!(left.records >= 10, "{left:?}");
}

#[test]
fn a_disk_that_fails_costs_no_lines() {
    for when_full in [WhenFull::DropOldest, WhenFull::DropNewest] {
        let dir = tempfile::tempdir().unwrap();
        let mut flood = Flood::of(dir.path(), 16 * MIB, when_full);
        (0..6).for_each(|_| flood.stage_noise());
        flood.turn();
        let faults = &mut flood.stepped.keeper.log.faults;
        (faults.syncs, faults.kind) = (6, Some(ErrorKind::Other));
        flood.stage_noise();
        for _ in 0..6 {
            flood.tick();
            assert!(!flood.stepped.spool.has_room() && !flood.stepped.spool.is_full());
            flood.stepped.spool.make_room();
        }
        flood.tick();
        assert_eq!((flood.stored, flood.dropped), (7, 0));
        assert!(flood.stepped.spool.has_room());
    }
}

#[test]
fn a_full_disk_costs_a_segment_for_each_attempt_at_most() {
    let dir = tempfile::tempdir().unwrap();
    let mut flood = Flood::of(dir.path(), 16 * MIB, WhenFull::DropOldest);
    (0..6).for_each(|_| flood.stage_noise());
    flood.turn();
    let before = flood.segments();
    // It helps at once: nobody need hear that it did not.
    flood.stepped.keeper.log.faults.writes = 1;
    flood.stage_noise();
    assert!(!failed(&flood.turn()));
    assert_eq!((flood.stored, flood.dropped), (7, 2));
    // It does not.
    flood.stepped.keeper.log.faults.writes = 3;
    flood.stage_noise();
    assert!(failed(&flood.turn()));
    assert_eq!(flood.dropped, 4);
    flood.stepped.keeper.trouble.as_mut().unwrap().retry_at += Duration::from_hours(1);
    for _ in 0..9 {
        assert!(!flood.stepped.spool.has_room());
        flood.stepped.spool.make_room();
        flood.turn();
    }
    assert_eq!(flood.dropped, 4, "nothing was attempted");
    flood.tick();
    assert_eq!((flood.stored, flood.dropped), (8, 6));
    assert!(flood.segments() < before);
}

#[test]
fn a_full_disk_costs_nothing_that_is_not_to_be_dropped() {
    for when_full in [WhenFull::Block, WhenFull::DropNewest] {
        let dir = tempfile::tempdir().unwrap();
        let mut flood = Flood::of(dir.path(), 16 * MIB, when_full);
        (0..6).for_each(|_| flood.stage_noise());
        flood.turn();
        flood.stepped.keeper.log.faults.writes = 2;
        flood.stage_noise();
        assert!(failed(&flood.turn()));
        assert!(flood.stepped.spool.is_full());
        flood.tick();
        flood.tick();
        assert_eq!((flood.stored, flood.dropped), (7, 0));
    }
}

#[test]
fn a_disk_smaller_than_its_spool_takes_the_newest_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let Some(_disk) = SmallDisk::mount(dir.path(), "64m") else { return };
    // Nearly full is what has less than a reserve free, here 2 MiB.
    let mut flood = Flood::of(&dir.path().join("spool"), 128 * MIB, WhenFull::DropOldest);
    for _ in 0..120 {
        let mut asked = 0;
        while !flood.stepped.spool.has_room() {
            let before = flood.segments();
            flood.stepped.spool.make_room();
            flood.tick();
            assert!(flood.segments() + 1 >= before);
            asked += 1;
            assert!(asked <= 3, "a segment makes room for a block");
        }
        flood.stage_noise();
        flood.tick();
    }
    assert_eq!(flood.stored, 120);
    let left = flood.stepped.spool.usage();
    assert_eq!(left.records + flood.dropped, 120);
    // It has 64 MB, of which a segment of 16 may just have gone.
    assert!(left.records >= 35, "{left:?}");
    drop(flood);
}

#[test]
fn what_others_leave_no_room_for_takes_that_of_the_oldest() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(dir.path(), "64m") else { return };
    let mut flood = Flood::of(&dir.path().join("spool"), 128 * MIB, WhenFull::DropOldest);
    flood.stepped.keeper.house.tick_at += Duration::from_hours(1);
    for _ in 0..40 {
        flood.stage_noise();
        flood.turn();
    }
    disk.fill();
    let segments = flood.segments();
    for _ in 0..10 {
        flood.stage_noise();
        let said = flood.turn();
        assert!(!failed(&said), "{said:?}");
    }
    assert_eq!(flood.stored, 50);
    // A segment holds 16 of them, and one is enough.
    assert_eq!((flood.dropped, flood.segments()), (16, segments));
    drop(flood);
}

#[test]
fn a_disk_that_has_room_again_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut flood = Flood::of(dir.path(), 16 * MIB, WhenFull::DropOldest);
    flood.stage_noise();
    flood.turn();
    flood.stepped.keeper.house.low_space = true;
    flood.stepped.keeper.house.tick_at += Duration::from_hours(1);
    flood.stage_noise();
    flood.turn();
    assert!(!flood.stepped.spool.has_room() && flood.stepped.spool.is_full());
    flood.stepped.spool.make_room();
    flood.turn();
    assert_eq!(flood.dropped, 0);
    assert!(flood.stepped.spool.has_room());
}

#[test]
fn the_newest_are_dropped_only_when_nothing_more_would_fit() {
    let dir = tempfile::tempdir().unwrap();
    let mut flood = Flood::of(dir.path(), 16 * MIB, WhenFull::DropNewest);
    let ticket = || put(LaneId(0), &block(0, 0, &[b"x"]), run(0, 1)).ticket;
    while flood.stepped.spool.has_room() {
        flood.stage(&vec![b'x'; LEN]);
    }
    assert!(flood.stepped.spool.drop_newest(ticket()).is_err(), "it fits once it is compressed");
    flood.turn();
    flood.fill();
    assert!(flood.stepped.spool.drop_newest(ticket()).is_ok());
}

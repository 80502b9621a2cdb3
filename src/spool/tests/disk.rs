//! Disks that are full, directories that hold garbage, processes that are killed.

use std::io::Write;
use std::os::unix::fs::FileExt;
use std::process::{Command as Process, Stdio};

use super::*;
use crate::state_dir::small_disk::SmallDisk;

const MIB: u64 = 1 << 20;

pub(super) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn newer_format_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let mut stepped = Stepped::open(dir.path(), MIB);
    let lane = stepped.spool.lane(lane(1));
    stepped.spool.stage(whole(lane, &block(0, 0, &[b"x"])));
    stepped.turn();
    drop(stepped);
    segment::write_newer(dir.path(), 9);
    let before = fs::read(segment::path(dir.path(), 1)).unwrap();
    let refused = Stepped::try_open(dir.path(), &settings(MIB)).err();
    assert!(matches!(refused, Some(OpenError::Newer { found: 4, .. })), "{refused:?}");
    assert!(matches!(list(dir.path()), Err(OpenError::Newer { .. })));
    assert_eq!(fs::read(segment::path(dir.path(), 1)).unwrap(), before);
    assert!(dir.path().join("state").exists());
}

/// What was written by a version of this format, opened.
fn fixture(name: &str) -> (tempfile::TempDir, Stepped) {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let dir = tempfile::tempdir().unwrap();
    copy_dir(&fixture, dir.path());
    let stepped = Stepped::open(dir.path(), MIB);
    assert_eq!(stepped.recovered.damaged_blocks, 0);
    (dir, stepped)
}

#[test]
fn format_1_is_read_for_ever() {
    let (_dir, mut stepped) = fixture("spool-1");
    let backlogs = &stepped.recovered.lanes;
    let found: Vec<_> = backlogs.iter().map(|b| (b.lane.clone(), b.id, b.records)).collect();
    assert_eq!(found.len(), 2);
    for (name, id, records) in found {
        let (entries, _) = stepped.replay(id);
        let first = contents(&entries[0]);
        assert_eq!(*entries[0].label, Label::to("logs".into()));
        if name == lane(1) {
            assert_eq!(records, 3);
            assert_eq!(first, [(b"one".to_vec(), 1004), (b"".to_vec(), 1005)]);
            assert_eq!(entries[0].start(), Some(mark(1000)));
            assert_eq!(entries[1].id.generation, Generation(8));
            assert_eq!(entries[1].partition, Some(3));
        } else {
            assert_eq!((name, records), (lane(2), 1));
            assert_eq!(first, [(b"three".to_vec(), 11)]);
            assert_eq!(entries[0].start(), None);
            assert_eq!(entries[0].end(), Some(mark(11)));
        }
    }
    let coverage = &stepped.recovered.coverage;
    let first = coverage.iter().find(|c| c.generation.0 == 7).unwrap();
    assert_eq!(first.advance(mark(1000)), mark(1005));
}

#[test]
fn a_cut_line_of_format_1_still_says_so() {
    let (_dir, mut stepped) = fixture("spool-1-cut");
    let id = stepped.spool.lane(lane(1));
    let (entries, _) = stepped.replay(id);
    assert_eq!(contents(&entries[0]), [(b"begins".to_vec(), 1007)]);
    assert_eq!(entries[0].remarks, Remarks { cut_from: Some(5000), ..Remarks::default() });
}

/// What lives of an old segment is copied into one of the present format.
#[test]
fn blocks_of_format_1_may_be_copied_forward() {
    let (dir, mut stepped) = fixture("spool-1");
    let id = stepped.spool.lane(lane(1));
    let (before, _) = stepped.replay(id);
    stepped.keeper.accounts.get_mut(&1).unwrap().live_bytes = 0;
    stepped.tick();
    assert_eq!(stepped.segments(), [2]);
    let check = |stepped: &mut Stepped| {
        let (after, _) = stepped.replay(id);
        let found = after.iter().map(|l| (l.id, contents(l))).collect::<Vec<_>>();
        assert_eq!(found, before.iter().map(|l| (l.id, contents(l))).collect::<Vec<_>>());
    };
    check(&mut stepped);
    drop(stepped);
    check(&mut Stepped::open(dir.path(), MIB));
}

#[test]
fn format_2_is_read_for_ever() {
    holds_two_entries("spool-2", lane(1));
}

/// Since then a lane may lead to another output than `kafka`.
#[test]
fn format_3_is_read_for_ever() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/spool-3");
    let lane = Lane { output: settings::Output::named("audit"), ..lane(1) };
    if std::env::var_os("TAILSPOOL_WRITE_FIXTURES").is_some() {
        write_fixture(&path, lane.clone());
    }
    holds_two_entries("spool-3", lane);
}

fn holds_two_entries(name: &str, lane: Lane) {
    let (_dir, mut stepped) = fixture(name);
    assert_eq!(stepped.recovered.lanes.len(), 1);
    let id = stepped.spool.lane(lane);
    let (entries, _) = stepped.replay(id);
    let [first, last] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!((&*first.label, first.remarks), (&label(), Remarks::default()));
    assert_eq!(contents(first), [(b"one".to_vec(), 1004), (b"".to_vec(), 1005)]);
    assert_eq!((first.start(), first.end()), (Some(mark(1000)), Some(mark(1005))));
    let remarks = Remarks { cut_from: Some(5000), unfinished: true, failed: None };
    assert_eq!((&*last.label, last.remarks), (&Label::to("logs".into()), remarks));
    assert_eq!(contents(last), [(b"two".to_vec(), 1009)]);
}

/// When records were made, as far as that cannot be told from when they were staged.
#[test]
fn times_and_ids_are_read_for_ever() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/spool-2-times");
    if std::env::var_os("TAILSPOOL_WRITE_FIXTURES").is_some() {
        write_times(&path);
    }
    let (_dir, mut stepped) = fixture("spool-2-times");
    let id = stepped.spool.lane(lane(1));
    let (entries, _) = stepped.replay(id);
    let times: Vec<_> = entries.iter().map(|loaded| loaded.times.clone()).collect();
    assert_eq!(times, [Times::Each(vec![5, 1_700_000_000_000, 7]), Times::Read(9)]);
    let ids: Vec<_> = entries.iter().map(|loaded| loaded.label.record_id).collect();
    assert_eq!(ids, [Some(RecordId::Key), Some(RecordId::Headers)]);
    assert_eq!(contents(&entries[0])[2], (b"three".to_vec(), 1014));
}

/// The first of four records of the first block is not among those that are put.
fn write_times(dir: &Path) {
    let work = tempfile::tempdir().unwrap();
    let mut stepped = Stepped::open(work.path(), MIB);
    let lane = stepped.spool.lane(lane(1));
    let made = |start, lines: &[&[u8]], times, id| {
        let label = Label { record_id: Some(id), ..Label::to("logs".into()) };
        let block = Arc::into_inner(block(7, start, lines)).unwrap();
        Arc::new(Block { label: Arc::new(label), times, ..block })
    };
    let times = Times::Each(vec![1, 5, 1_700_000_000_000, 7]);
    let first = made(998, &[b"-", b"one", b"two", b"three"], times, RecordId::Key);
    stepped.spool.stage(put(lane, &first, run(1, 4)));
    let last = made(1014, &[b"four"], Times::Read(9), RecordId::Headers);
    stepped.spool.stage(whole(lane, &last));
    stepped.turn();
    fs::create_dir_all(dir).unwrap();
    fs::copy(segment::path(work.path(), 1), segment::path(dir, 1)).unwrap();
}

fn write_fixture(dir: &Path, lane: Lane) {
    let work = tempfile::tempdir().unwrap();
    let mut stepped = Stepped::open(work.path(), MIB);
    let lane = stepped.spool.lane(lane);
    let block = |start, lines: &[&[u8]]| Arc::into_inner(block(7, start, lines)).unwrap();
    let remarks = Remarks { cut_from: Some(5000), unfinished: true, failed: None };
    let label = Arc::new(Label::to("logs".into()));
    let last = Block { label, remarks, ..block(1005, &[b"two"]) };
    for block in [block(1000, &[b"one", b""]), last] {
        stepped.spool.stage(whole(lane, &Arc::new(block)));
    }
    stepped.turn();
    fs::create_dir_all(dir).unwrap();
    fs::copy(segment::path(work.path(), 1), segment::path(dir, 1)).unwrap();
}

/// A spool with one entry in each of several segments, closed.
fn filled(dir: &Path) -> Vec<EntryId> {
    let mut stepped = Stepped::open(dir, 16 * 1024);
    let lane = stepped.spool.lane(lane(1));
    let lines: Vec<Vec<u8>> = (0..20).map(|n| noise(n + 1, 300)).collect();
    let stage = |(start, line): (u64, &Vec<u8>)| {
        stepped.spool.stage(whole(lane, &block(0, start * 301, &[line])))
    };
    let ids = (0..).zip(&lines).map(stage).collect();
    stepped.turn();
    ids
}

fn replayed(dir: &Path) -> (Vec<EntryId>, Stepped) {
    let mut stepped = Stepped::open(dir, 16 * 1024);
    let lane = stepped.spool.lane(lane(1));
    let (entries, _) = stepped.replay(lane);
    (entries.iter().map(|loaded| loaded.id).collect(), stepped)
}

#[test]
fn garbage_for_an_index_is_set_aside() {
    type Spoil = fn(&Path);
    let spoils: [Spoil; 6] = [
        |state| fs::write(state.join("db"), noise(3, 700_000)).unwrap(),
        |state| fs::write(state.join("conf"), b"").unwrap(),
        |state| fs::write(state.join("snap.0000000000000001.generating"), b"half").unwrap(),
        |state| fs::write(state.join("db"), b"").unwrap(),
        |state| {
            fs::remove_dir_all(state).unwrap();
            fs::write(state, b"a file").unwrap();
        },
        |state| fs::write(state.join("snap.00000000000FFFFF"), noise(4, 500)).unwrap(),
    ];
    for spoil in spoils {
        let dir = tempfile::tempdir().unwrap();
        let ids = filled(dir.path());
        spoil(&dir.path().join("state"));
        let (found, stepped) = replayed(dir.path());
        assert_eq!(found, ids);
        assert!(!stepped.recovered.lost && stepped.recovered.damaged_blocks == 0);
    }
}

#[test]
fn failing_index_is_made_again_while_running() {
    let dir = tempfile::tempdir().unwrap();
    let ids = filled(dir.path());
    let (found, mut stepped) = replayed(dir.path());
    assert_eq!(found, ids);
    stepped.remove(ids[0], 0, 1);
    stepped.turn();
    // More often than sled is given another chance.
    for round in 1..7 {
        stepped.keeper.index.as_mut().unwrap().fail_next();
        stepped.remove(ids[round], 0, 1);
        let said = stepped.turn();
        assert!(said.iter().any(|event| matches!(event, Event::Reindexed(_))));
        let lane = stepped.spool.lane(lane(1));
        let (entries, _) = stepped.replay(lane);
        let found: Vec<EntryId> = entries.iter().map(|loaded| loaded.id).collect();
        assert_eq!(found, ids[round + 1..]);
        assert_eq!(stepped.spool.usage().records, found.len() as u64);
    }
}

#[test]
fn flipped_byte_costs_one_block_and_is_counted() {
    for delete_index in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let ids = filled(dir.path());
        let path = segment::path(dir.path(), 2);
        let file = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let at = file.metadata().unwrap().len() / 2;
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[!byte[0]], at).unwrap();
        if delete_index {
            fs::remove_dir_all(dir.path().join("state")).unwrap();
        }
        let mut stepped = Stepped::open(dir.path(), 16 * 1024);
        let lane = stepped.spool.lane(lane(1));
        let (entries, said) = stepped.replay(lane);
        assert_eq!(entries.len(), ids.len() - 1);
        let said = said.iter().any(|e| matches!(e, Event::Damaged { records: 1, .. }));
        assert_ne!(said, stepped.recovered.damaged_blocks == 1);
        assert_eq!(fs::read_dir(dir.path().join("damaged")).unwrap().count(), 1);
        assert_eq!(stepped.spool.usage().records, 19);
    }
}

#[test]
fn missing_segment_is_said_to_be_lost() {
    let dir = tempfile::tempdir().unwrap();
    let ids = filled(dir.path());
    fs::remove_file(segment::path(dir.path(), 2)).unwrap();
    let (found, stepped) = replayed(dir.path());
    assert!(found.len() < ids.len());
    assert!(stepped.recovered.lost);
}

#[test]
fn full_disk_holds_back_and_recovers_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let Some(_disk) = SmallDisk::mount(dir.path(), "12m") else { return };
    let path = dir.path().join("spool");
    let mut stepped = Stepped::open(&path, 64 * MIB);
    let lane = stepped.spool.lane(lane(1));
    let (mut staged, mut proven, mut entries) = (0, 0, Vec::new());
    while stepped.spool.has_room() {
        let bytes = noise(staged + 1, 500_000);
        entries.push(stepped.spool.stage(whole(lane, &block(0, staged * 1_000_000, &[&bytes]))));
        staged += 1;
        proven += stored(&stepped.turn());
        assert!(staged < 60, "the disk never gets full");
    }
    assert!(proven < staged);
    assert!(proven > 10, "{proven}");

    // Full, it can be opened, drained, and then takes the rest.
    let stepped_again = |stepped: Stepped| {
        drop(stepped);
        Stepped::open(&path, 64 * MIB)
    };
    let (found, _) = stepped.replay(lane);
    assert_eq!(found.len() as u64, staged);
    let mut stepped = stepped_again(stepped);
    let (found, _) = stepped.replay(lane);
    assert_eq!(found.len() as u64, proven);
    for loaded in &found {
        stepped.remove(loaded.id, 0, 1);
    }
    stepped.tick();
    for start in proven..staged {
        let bytes = noise(start + 1, 500_000);
        stepped.spool.stage(whole(lane, &block(0, start * 1_000_000, &[&bytes])));
    }
    assert_eq!(stored(&stepped.tick()), staged - proven);
    assert!(stepped.tick().is_empty());
    drop(stepped);
}

#[test]
fn full_disk_is_drained_by_the_same_process() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(dir.path(), "8m") else { return };
    let mut stepped = Stepped::open(&dir.path().join("spool"), 64 * MIB);
    let lane = stepped.spool.lane(lane(1));
    let first = stepped.spool.stage(whole(lane, &block(0, 0, &[&noise(1, 100_000)])));
    assert_eq!(stored(&stepped.turn()), 1);
    disk.fill();
    let second = stepped.spool.stage(whole(lane, &block(0, 100_001, &[&noise(2, 100_000)])));
    let said = stepped.turn();
    assert!(said.iter().any(|event| matches!(event, Event::Failing(_))), "{said:?}");
    for n in 0..20 {
        assert!(stored(&stepped.tick()) == 0, "{n}");
    }
    // The lane still drains: what is stored, and what is not.
    let (entries, _) = stepped.replay(lane);
    assert_eq!(entries.iter().map(|l| l.id).collect::<Vec<_>>(), [first, second]);
    stepped.remove(first, 0, 1);
    let mut said = stepped.tick();
    disk.clear();
    said.extend(stepped.tick());
    assert_eq!(stored(&said), 1, "{said:?}");
    assert!(said.iter().any(|event| matches!(event, Event::Mended)));
    let (entries, _) = stepped.replay(lane);
    assert_eq!(entries.iter().map(|l| l.id).collect::<Vec<_>>(), [second]);
    drop(stepped);
}

#[test]
fn what_was_delivered_before_it_could_be_stored_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut stepped = Stepped::open(dir.path(), MIB);
    let lane = stepped.spool.lane(lane(1));
    let entry = stepped.spool.stage(whole(lane, &block(0, 0, &[b"x"])));
    stepped.keeper.log.faults.writes = 1;
    stepped.turn();
    stepped.remove(entry, 0, 1);
    assert_eq!(stored(&stepped.turn()), 1);
    stepped.tick();
    assert!(stepped.segments().is_empty());
}

const KILLED_DIR: &str = "TAILSPOOL_TEST_SPOOL";

/// What is killed: stores, says what is proven, removes every other entry, says so.
#[test]
#[ignore = "run by spooled_records_survive_kill"]
fn killed() {
    let Some(dir) = std::env::var_os(KILLED_DIR) else { return };
    let (mut spool, heard, _) = Heard::open(Path::new(&dir), MIB);
    let lane = spool.lane(lane(1));
    let mut out = std::io::stdout().lock();
    for start in 0.. {
        let bytes = noise(start + 1, 200);
        let id =
            spool.stage(whole(lane, &block(u64::from(std::process::id()), start * 201, &[&bytes])));
        heard.wait(|event| matches!(event, Event::Stored { .. }).then_some(()));
        writeln!(out, "{} {}", id.generation.0, id.start.0).unwrap();
        if start % 2 == 0 {
            spool.remove(Delivered::forged(Share { entry: id, first: 0, count: 1 }));
        }
    }
}

#[test]
fn spooled_records_survive_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut owed = std::collections::BTreeSet::new();
    for round in 0..6 {
        let mut child = Process::new(std::env::current_exe().unwrap())
            .args(["--exact", "spool::tests::disk::killed", "--ignored", "--nocapture"])
            .env(KILLED_DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(60 + 90 * round));
        child.kill().unwrap();
        let said = child.wait_with_output().unwrap().stdout;
        for line in String::from_utf8_lossy(&said).lines() {
            let numbers: Vec<u64> = line.split(' ').filter_map(|n| n.parse().ok()).collect();
            if let [generation, start] = numbers[..] {
                // Every other one was removed, or was about to be.
                owed.extend((start / 201 % 2 == 1).then_some((generation, start)));
            }
        }
        let mut stepped = Stepped::open(dir.path(), MIB);
        let lane = stepped.spool.lane(lane(1));
        let (entries, _) = stepped.replay(lane);
        let found = entries.iter().map(|l| (l.id.generation.0, l.id.start.0)).collect();
        assert!(owed.is_subset(&found), "{:?}", owed.difference(&found));
        assert!(found.len() <= owed.len() + 2 * usize::try_from(round + 1).unwrap());
        assert_eq!(stepped.recovered.damaged_blocks, 0);
    }
    assert!(owed.len() > 5);
}

/// `cargo test --release --lib spool::tests::disk::throughput -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn throughput() {
    let dir = tempfile::tempdir_in(std::env::temp_dir()).unwrap();
    let (mut spool, heard, _) = Heard::open(dir.path(), 4096 * MIB);
    let lane = spool.lane(lane(1));
    let text = |n: u64| {
        format!("2024-05-06T07:08:09.{n:06}Z INFO request id={:x} path=/api/v1/items/{} status=200 took={}us user=u{} agent=\"Mozilla/5.0 (X11; Linux x86_64)\" referer=https://example.org/{}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15), n % 977, n * 31 % 9973, n % 313, n % 41).into_bytes()
    };
    let (blocks, lines) = (1000_u64, 1000_u64);
    let mut made = Vec::new();
    let mut start = 0;
    for b in 0..blocks {
        let made_of: Vec<Vec<u8>> = (0..lines).map(|n| text(b * lines + n)).collect();
        let made_of: Vec<&[u8]> = made_of.iter().map(Vec::as_slice).collect();
        made.push(block(0, start, &made_of));
        start = made.last().unwrap().end.offset.0;
    }
    let began = clock::now();
    let (mut waiting, mut ids) = (0, Vec::new());
    for block in &made {
        ids.push(spool.stage(whole(lane, block)));
        waiting += 1;
        while waiting > 16 {
            waiting -= heard.wait_stored().len();
        }
    }
    while waiting > 0 {
        waiting -= heard.wait_stored().len();
    }
    let stored = began.elapsed();
    let usage = spool.usage();
    let began = clock::now();
    let mut after = None;
    for _ in 0..blocks {
        spool.load(lane, after);
        let loaded = heard.wait_loaded();
        after = Some(loaded.id);
        spool.remove(Delivered::forged(Share {
            entry: loaded.id,
            first: 0,
            count: wire::len32(loaded.records.len()),
        }));
    }
    spool.load(lane, after);
    heard.wait(|event| matches!(event, Event::NoMore { .. }).then_some(()));
    let drained = began.elapsed();
    let raw_mib = start / MIB;
    writeln!(
        std::io::stderr(),
        "{} records, {raw_mib} MiB: stored in {stored:?}, {} MiB on disk, drained in {drained:?}",
        blocks * lines,
        usage.bytes / MIB,
    )
    .unwrap();
}

//! The room from outside, on a disk; what becomes of damaged bytes is in `recovery`.

mod model;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::ledger::{Frontier, Ledger};
use crate::record::{Anchor, Generation, Identity, Lineage, LineageId, Mark, Offset, SourceId};
use crate::state_dir::small_disk::SmallDisk;

const WEEK: Duration = Duration::from_hours(7 * 24);
const FIXTURE_V1: &[u8] = include_bytes!("../fixtures/version-1.log");

fn lineage(path: &str) -> Lineage {
    Lineage { input: "app".into(), path: PathBuf::from(path) }
}

fn source(lineage: u32, generation: u64) -> SourceId {
    SourceId { lineage: LineageId(lineage), generation: Generation(generation) }
}

fn mark(offset: u64) -> Mark {
    Mark::new(Offset(offset), Anchor(offset.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
}

fn frontier(source: SourceId, offset: u64) -> Frontier {
    Ledger::resume(source, mark(offset)).frontier()
}

fn identity(ino: u64) -> Identity {
    Identity { dev: 2049, ino, born_ns: Some(ino), head_len: 1024, head_hash: u64::MAX - ino }
}

fn known(source: SourceId, path: &str) -> Change {
    let lineage = lineage(path);
    let path = lineage.path.clone();
    Change::Known {
        source,
        lineage: lineage.into(),
        identity: identity(7),
        path,
        seen_ms: 1_700_000_000_000,
    }
}

fn moved(source: SourceId, accepted: u64, acknowledged: u64) -> Change {
    Change::Moved { frontier: frontier(source, accepted), acknowledged: mark(acknowledged) }
}

fn gone(source: SourceId, path: &str, at_ms: u64) -> Change {
    Change::Gone { source, lineage: lineage(path).into(), at_ms }
}

fn open(dir: &TempDir) -> (Checkpoints, Restored) {
    Checkpoints::open(dir.path(), WEEK).unwrap()
}

fn log_path(dir: &TempDir) -> PathBuf {
    dir.path().join("checkpoints/checkpoints.log")
}

fn place(restored: &Restored, path: &str) -> (u64, u64) {
    let saved = restored.sources.iter().find(|saved| *saved.lineage == lineage(path)).unwrap();
    (saved.accepted.offset.0, saved.acknowledged.offset.0)
}

#[test]
fn what_was_saved_is_restored() {
    let dir = tempfile::tempdir().unwrap();
    let (mut checkpoints, restored) = open(&dir);
    assert!(restored.is_first_start("app"));
    let born_ms = restored.born_ms;
    assert!(born_ms > 0);
    let odd = Path::new(OsStr::from_bytes(b"/log/\xff 100%/a.log")).to_owned();
    let lineage = Lineage { input: "app".into(), path: odd };
    let path = PathBuf::from("/log/a.log.1");
    let (id, identity) = (source(3, 5), identity(9));
    let about =
        Change::Known { source: id, lineage: lineage.clone().into(), identity, path, seen_ms: 42 };
    checkpoints.save([about, moved(id, 300, 200)]).unwrap();
    checkpoints.save([Change::Looked { input: "app".to_owned(), at_ms: 77 }]).unwrap();
    drop(checkpoints);

    let (_, restored) = open(&dir);
    let expected = Saved {
        lineage: lineage.clone().into(),
        generation: Generation(5),
        identity,
        path: PathBuf::from("/log/a.log.1"),
        accepted: mark(300),
        acknowledged: mark(200),
        seen_ms: 42,
        gone_ms: None,
    };
    assert_eq!(restored.sources, [expected]);
    assert_eq!(restored.looks["app"], 77);
    assert_eq!(restored.next_generation(&lineage), Generation(6));
    assert_eq!(restored.damaged_lines, 0);
    assert_eq!(restored.born_ms, born_ms);
    assert!(!restored.is_first_start("app"));
}

#[test]
fn version_1_is_read() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("checkpoints")).unwrap();
    fs::write(log_path(&dir), FIXTURE_V1).unwrap();
    let restored = read_only(dir.path()).unwrap();
    assert_eq!(restored.damaged_lines, 0);
    assert_eq!(restored.looks["nginx"], 1_700_000_300_000);
    let [second, third, first] = restored.sources.as_slice() else { panic!("{restored:?}") };
    assert_eq!(first.lineage.path.as_os_str().as_bytes(), b"/var/log/nginx/\xe9t\xe9 100%.log");
    assert_eq!(first.gone_ms, Some(1_700_000_200_000));
    assert_eq!(second.path, Path::new("/var/log/nginx/access.log.1"));
    assert_eq!((second.accepted.offset.0, second.acknowledged.offset.0), (4096, 1024));
    assert_eq!(second.acknowledged.anchor, Anchor(0x0123_4567_89ab_cdef));
    assert_eq!(
        (second.identity.ino, second.identity.born_ns),
        (131, Some(1_699_999_999_123_456_789))
    );
    assert_eq!((third.generation, third.accepted), (Generation(8), Mark::START));
    assert_eq!(restored.next_generation(&third.lineage), Generation(12));
    assert_eq!(restored.floor(), Generation(40));
}

#[test]
fn a_newer_version_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("checkpoints")).unwrap();
    let json = r#"{"header":{"format":"tailspool checkpoints","version":2,"more":[]}}"#;
    let text = format!("{:08x} {json}\nwho knows\n", crc32fast::hash(json.as_bytes()));
    fs::write(log_path(&dir), &text).unwrap();
    let error = Checkpoints::open(dir.path(), WEEK).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 2, known: 1, .. }), "{error}");
    assert_eq!(fs::read_to_string(log_path(&dir)).unwrap(), text);
    assert_eq!(fs::read_dir(dir.path().join("checkpoints")).unwrap().count(), 1);
}

#[test]
fn damage_is_set_aside_once_and_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let (mut checkpoints, _) = open(&dir);
    checkpoints.save([known(source(1, 0), "/a"), moved(source(1, 0), 10, 10)]).unwrap();
    checkpoints.save([moved(source(1, 0), 20, 20)]).unwrap();
    checkpoints.save([known(source(2, 0), "/b")]).unwrap();
    drop(checkpoints);
    let mut bytes = fs::read(log_path(&dir)).unwrap();
    let at = bytes.windows(11).position(|w| w == b"\"offset\":20").unwrap();
    bytes[at + 9] = b'9';
    bytes[3] ^= 1;
    fs::write(log_path(&dir), &bytes).unwrap();

    let (_, restored) = open(&dir);
    assert_eq!(restored.damaged_lines, 2);
    assert_eq!(place(&restored, "/a"), (10, 10));
    assert!(restored.next_generation(&lineage("/a")) > Generation(1_000_000));
    let names = fs::read_dir(dir.path().join("checkpoints")).unwrap();
    let aside = names.map(|e| e.unwrap().path()).find(|p| p.to_string_lossy().contains("damaged-"));
    let aside = fs::read_to_string(aside.unwrap()).unwrap();
    assert!(aside.contains("\"offset\":90") && aside.contains("header"), "{aside}");

    let (_, restored) = open(&dir);
    assert_eq!(restored.damaged_lines, 0);
    assert!(!restored.is_first_start("new"), "it may be one of the lost");
}

#[test]
fn a_log_of_which_nothing_is_whole_is_no_reason_not_to_start() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("checkpoints")).unwrap();
    fs::write(log_path(&dir), [b"\0".repeat(4096), b"\n".to_vec(), b"\xff".repeat(99)].concat())
        .unwrap();
    let (mut checkpoints, restored) = open(&dir);
    assert_eq!(restored.damaged_lines, 1);
    assert!(!restored.is_first_start("app"));
    checkpoints.save([known(source(1, 0), "/a")]).unwrap();
    assert_eq!(open(&dir).1.sources.len(), 1);
}

#[test]
fn a_failed_save_costs_only_freshness() {
    let dir = tempfile::tempdir().unwrap();
    let (mut checkpoints, _) = open(&dir);
    checkpoints.save([known(source(1, 0), "/a"), moved(source(1, 0), 10, 10)]).unwrap();
    let path = log_path(&dir);
    checkpoints.log().file().break_off(&path, b"00000000 {\"sou");
    let error = checkpoints.save([moved(source(1, 0), 20, 10)]).unwrap_err();
    assert!(error.to_string().contains("checkpoints.log"), "{error}");
    assert_eq!(place(&read_only(dir.path()).unwrap(), "/a"), (10, 10));
    checkpoints.log().file().mend(&path);
    checkpoints.save([known(source(2, 0), "/b")]).unwrap();
    let restored = open(&dir).1;
    assert_eq!((place(&restored, "/a"), place(&restored, "/b")), ((20, 10), (0, 0)));
}

#[test]
fn a_long_log_is_rewritten_to_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let (mut checkpoints, _) = open(&dir);
    let sources: Vec<_> = (0..500).map(|n| source(n, 0)).collect();
    let path = |id: SourceId| format!("/log/{}", id.lineage.0);
    checkpoints.save(sources.iter().map(|id| known(*id, &path(*id)))).unwrap();
    let mut longest = 0;
    for round in 1..40 {
        checkpoints.save(sources.iter().map(|id| moved(*id, round, round))).unwrap();
        longest = longest.max(fs::metadata(log_path(&dir)).unwrap().len());
    }
    assert!(longest < (1 << 20) + 200_000, "{longest}");
    let restored = open(&dir).1;
    assert!(restored.sources.iter().all(|saved| saved.accepted == mark(39)));
    assert_eq!(restored.sources.len(), 500);
}

#[test]
fn a_place_that_goes_back_leaves_no_farther_one_behind() {
    let dir = tempfile::tempdir().unwrap();
    let (mut checkpoints, _) = open(&dir);
    checkpoints.save([known(source(1, 0), "/a"), moved(source(1, 0), 900, 100)]).unwrap();
    checkpoints.save([moved(source(1, 0), 100, 100)]).unwrap();
    assert!(!fs::read_to_string(log_path(&dir)).unwrap().contains("\"offset\":900"));
    assert_eq!(place(&open(&dir).1, "/a"), (100, 100));
}

#[test]
#[should_panic(expected = "what is acknowledged is accepted")]
fn acknowledged_never_passes_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let (mut checkpoints, _) = open(&dir);
    checkpoints.apply([known(source(1, 0), "/a"), moved(source(1, 0), 10, 11)]);
}

#[test]
fn a_source_that_left_is_forgotten_once_nothing_of_it_is_owed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut checkpoints, _) = open(&dir);
    let (a, b, c) = (source(1, 3), source(2, 0), source(3, 0));
    checkpoints.apply([known(a, "/a"), moved(a, 10, 10), gone(a, "/a", 1)]);
    checkpoints.apply([known(b, "/b"), moved(b, 10, 9), gone(b, "/b", 1)]);
    checkpoints.apply([known(c, "/c"), moved(c, 10, 10), gone(c, "/c", crate::clock::wall_ms())]);
    checkpoints.flush().unwrap();
    drop(checkpoints);
    let (mut checkpoints, restored) = open(&dir);
    assert_eq!(
        restored.forgotten,
        [Forgotten { lineage: lineage("/a"), generation: Generation(3) }]
    );
    assert_eq!(restored.sources.len(), 2);
    assert_eq!(restored.next_generation(&lineage("/a")), Generation(4), "numbers are not reused");
    checkpoints.save([gone(b, "/b", 2), moved(b, 10, 10)]).unwrap();
    drop(checkpoints);
    let restored = open(&dir).1;
    assert_eq!(restored.sources.len(), 1);
    assert_eq!(restored.next_generation(&lineage("/a")), Generation(4), "nor later on");
}

#[test]
fn numbers_outlive_their_files() {
    let dir = tempfile::tempdir().unwrap();
    let (mut checkpoints, _) = open(&dir);
    checkpoints.save([known(source(1, 0), "/a"), known(source(1, 1), "/a")]).unwrap();
    let forget =
        |generation| Change::Forget { lineage: lineage("/a"), generation: Generation(generation) };
    checkpoints.save([forget(1)]).unwrap();
    drop(checkpoints);
    let (mut checkpoints, restored) = open(&dir);
    assert_eq!(restored.next_generation(&lineage("/a")), Generation(2));
    checkpoints.log().supersede();
    checkpoints.save([]).unwrap();
    drop(checkpoints);
    let (mut checkpoints, restored) = open(&dir);
    assert_eq!(restored.next_generation(&lineage("/a")), Generation(2));
    checkpoints.save([forget(0)]).unwrap();
    drop(checkpoints);
    let restored = open(&dir).1;
    assert!(restored.sources.is_empty());
    assert_eq!(restored.next_generation(&lineage("/a")), Generation(2));
    assert_eq!(restored.next_generation(&lineage("/never seen")), Generation(2));
}

#[test]
fn numbers_that_others_know_are_not_given_again() {
    let dir = tempfile::tempdir().unwrap();
    let (mut checkpoints, mut restored) = open(&dir);
    checkpoints.save([known(source(1, 1), "/a")]).unwrap();
    let names = ["/a", "/b", "/c"].map(lineage);
    let next = |restored: &Restored| names.each_ref().map(|name| restored.next_generation(name).0);
    for (name, next) in [(&names[0], Generation(5)), (&names[1], Generation(6))] {
        assert!(restored.count_to(name, next));
        assert!(!restored.count_to(name, next));
        checkpoints.save([Change::Counted { lineage: name.clone(), next }]).unwrap();
    }
    drop(checkpoints);
    // Of "/a" nothing had been restored.
    assert_eq!(next(&restored), [6, 6, 6]);
    let mut restored = open(&dir).1;
    assert_eq!(next(&restored), [5, 6, 6]);
    assert!(
        restored.count_to(&names[0], Generation(6)) && !restored.count_to(&names[1], Generation(6))
    );
    assert_eq!(next(&restored), [6, 6, 6]);
}

#[test]
fn the_writer_saves_what_it_was_sent() {
    let dir = tempfile::tempdir().unwrap();
    let (reports, reported) = mpsc::channel();
    let writer = Writer::start(open(&dir).0, move |report| reports.send(report).unwrap()).unwrap();
    writer.send(vec![known(source(1, 0), "/a")]).unwrap();
    writer.send(vec![moved(source(1, 0), 10, 5)]).unwrap();
    let all_saved = |report| matches!(report, SaveReport::Saved { batches: 2, .. });
    assert!(reported.iter().any(all_saved));
    writer.send(vec![moved(source(1, 0), 20, 20)]).unwrap();
    assert!(writer.close(Vec::new()));
    assert_eq!(place(&open(&dir).1, "/a"), (20, 20));
}

#[test]
fn the_writer_tries_again_until_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let (mut checkpoints, _) = open(&dir);
    checkpoints.save([known(source(1, 0), "/a")]).unwrap();
    // With its directory out of the way a log that must be rewritten cannot be.
    checkpoints.log().supersede();
    let (there, away) = (dir.path().join("checkpoints"), dir.path().join("away"));
    fs::rename(&there, &away).unwrap();
    let (reports, reported) = mpsc::channel();
    let report = move |report| reports.send(report).unwrap_or_default();
    let writer = Writer::start(checkpoints, report).unwrap();
    writer.send(vec![moved(source(1, 0), 10, 5)]).unwrap();
    let first = reported.recv().unwrap();
    assert!(matches!(&first, SaveReport::Failed { error } if error.contains("No such file")));
    writer.send(vec![moved(source(1, 0), 11, 5)]).unwrap();
    fs::rename(&away, &there).unwrap();
    assert!(reported.iter().any(|report| matches!(report, SaveReport::Saved { batches: 2, .. })));
    assert_eq!(place(&read_only(dir.path()).unwrap(), "/a"), (11, 5));
}

#[test]
fn the_writer_admits_what_it_could_not_save() {
    let dir = tempfile::tempdir().unwrap();
    let (mut checkpoints, _) = open(&dir);
    checkpoints.log().supersede();
    fs::rename(dir.path().join("checkpoints"), dir.path().join("away")).unwrap();
    let writer = Writer::start(checkpoints, |_| {}).unwrap();
    writer.send(vec![known(source(1, 0), "/a")]).unwrap();
    assert!(!writer.close(Vec::new()));
}

#[test]
fn a_full_disk_is_waited_out() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(dir.path(), "1m") else { return };
    let dir = dir.path();
    fs::create_dir(dir.join("checkpoints")).unwrap();
    disk.fill();
    // Nothing can be written from the start.
    let (mut checkpoints, _) = Checkpoints::open(dir, WEEK).unwrap();
    checkpoints.save([known(source(1, 0), "/a")]).unwrap_err();
    disk.clear();
    checkpoints.save([moved(source(1, 0), 10, 10)]).unwrap();
    // Nothing more can be written.
    disk.fill();
    let many = || (2..99).map(|n| known(source(n, 0), &format!("/{n}")));
    checkpoints.save(many().chain([moved(source(1, 0), 20, 20)])).unwrap_err();
    let restored = Checkpoints::open(dir, WEEK).unwrap().1;
    assert_eq!((restored.sources.len(), place(&restored, "/a")), (1, (10, 10)));
    disk.clear();
    checkpoints.save([]).unwrap();
    let restored = Checkpoints::open(dir, WEEK).unwrap().1;
    assert_eq!((restored.sources.len(), place(&restored, "/a")), (98, (20, 20)));
    assert_eq!(restored.damaged_lines, 0);
}

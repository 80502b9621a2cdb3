//! The room from outside, on a disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::record::{Generation, Lineage, Offset, Remarks};
use crate::settings::{DeadLetters, Output};
use crate::state_dir::small_disk::SmallDisk;

const ROOMY: u64 = 1 << 20;
const FIXTURE_V1: &[u8] = include_bytes!("fixtures/version-1.jsonl");

fn letter(end: u64, value: &[u8]) -> Letter {
    Letter {
        lineage: Lineage { input: "app".into(), path: PathBuf::from("/log/a.log") },
        generation: Generation(3),
        start: Some(Offset(end - 1)),
        end: Offset(end),
        topic: "logs".to_owned(),
        output: Output::default(),
        partition: Some(2),
        reason: "MESSAGE_TOO_LARGE".to_owned(),
        error: "Broker: Message size too large".to_owned(),
        value: value.to_vec(),
        key: None,
        headers: Vec::new(),
        remarks: Remarks::default(),
        made_ms: None,
    }
}

fn labelled(end: u64) -> Letter {
    let headers = vec![("env".into(), b"prod".to_vec()), ("raw".into(), b"\xff".to_vec())];
    let remarks = Remarks { cut_from: Some(5000), unfinished: true, failed: None };
    let (made_ms, output) = (Some(1_700_000_000_000), Output::named("audit"));
    let key = Some(b"ns/pod".to_vec());
    Letter { output, key, headers, remarks, made_ms, ..letter(end, b"value") }
}

fn start(dir: &Path, max_size_bytes: u64) -> (Writer<u64>, Receiver<Report<u64>>) {
    let (reports, reported) = mpsc::channel();
    let report = move |report| reports.send(report).unwrap_or_default();
    let writer = Writer::start(dir.to_owned(), &DeadLetters { max_size_bytes }, report).unwrap();
    (writer, reported)
}

/// Writes letters with these ends, and waits for their proofs.
fn write(dir: &Path, ends: &[u64]) {
    let (writer, reported) = start(dir, ROOMY);
    for end in ends {
        writer.write(letter(*end, b"value"), *end).unwrap();
    }
    assert!(writer.close().is_empty());
    assert_eq!(proven(&reported), ends);
}

fn proven(reported: &Receiver<Report<u64>>) -> Vec<u64> {
    let mut tokens = Vec::new();
    for report in reported.try_iter() {
        if let Report::Written(proofs) = report {
            tokens.extend(proofs.into_iter().map(DeadLettered::into_inner));
        }
    }
    tokens
}

fn path(dir: &TempDir) -> PathBuf {
    dir.path().join("dead-letters/dead-letters.jsonl")
}

fn ends(dir: &TempDir) -> Vec<u64> {
    ls(dir.path()).unwrap().letters.iter().map(|letter| letter.end).collect()
}

#[test]
fn letters_are_read_back_as_they_were_written() {
    let dir = tempfile::tempdir().unwrap();
    assert!(ls(dir.path()).unwrap().letters.is_empty());
    let (writer, reported) = start(dir.path(), ROOMY);
    let bare = Letter { start: None, partition: None, ..letter(9, b"\xff\0\n") };
    let labelled = labelled(12);
    writer.write(letter(5, "naïve \"line\"\n".as_bytes()), 5).unwrap();
    writer.write(bare.clone(), 9).unwrap();
    writer.write(labelled.clone(), 12).unwrap();
    assert!(writer.close().is_empty());
    assert_eq!(proven(&reported), [5, 9, 12]);
    let found: Vec<_> = read(dir.path()).unwrap().map(Result::unwrap).collect();
    let [Found::Letter(first), Found::Letter(second), Found::Letter(third)] = found.as_slice()
    else {
        panic!("{found:?}")
    };
    assert_eq!(third.letter, labelled);
    assert_eq!(first.letter, letter(5, "naïve \"line\"\n".as_bytes()));
    assert_eq!(second.letter, bare);
    assert_eq!(second.summary().bytes, 3);
    assert!(first.time.starts_with("20") && first.time.ends_with('Z'), "{}", first.time);
    let text = fs::read_to_string(path(&dir)).unwrap();
    assert!(text.contains(r#""value":"naïve \"line\"\n""#), "{text}");
    assert!(text.contains(r#""value_base64":"/wAK""#), "{text}");
    let carried = r#""key":"ns/pod","headers":[{"name":"env","value":"prod"},{"name":"raw","value_base64":"/w=="}],"truncated_from":5000,"unfinished":true"#;
    assert!(text.contains(carried), "{text}");
}

#[test]
fn version_1_is_read() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("dead-letters")).unwrap();
    fs::write(path(&dir), FIXTURE_V1).unwrap();
    let found: Vec<_> = read(dir.path()).unwrap().map(Result::unwrap).collect();
    let [Found::Letter(first), Found::NotWhole { at, bytes: 18 }, Found::Letter(last)] =
        found.as_slice()
    else {
        panic!("{found:?}")
    };
    assert_eq!(
        (first.time.as_str(), &first.letter),
        ("2026-03-01T12:30:00.250Z", &letter(5, b"five\t5"))
    );
    assert_eq!(last.letter.value, b"\xff\xfe");
    assert_eq!((last.letter.start, last.letter.partition), (None, None));
    assert_eq!(&FIXTURE_V1[usize::try_from(*at).unwrap()..][..17], b"{\"time\":\"2026-03-");
}

#[test]
fn a_full_file_refuses_and_forgets_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let one = letter(1, b"value").line(0).len() as u64;
    let (writer, reported) = start(dir.path(), one * 2);
    for end in 1..=3 {
        writer.write(letter(end, b"value"), end).unwrap();
    }
    let full = |report: &Report<u64>| {
        matches!(report, Report::Failed { error: WriteError::Full { .. }, waiting: 1 })
    };
    assert!(reported.iter().any(|report| full(&report)));
    assert_eq!(ends(&dir), [1, 2]);
    // Room is made by moving the file away.
    fs::rename(path(&dir), dir.path().join("moved")).unwrap();
    assert!(reported.iter().any(|report| matches!(report, Report::Written(_))));
    assert_eq!(ends(&dir), [3]);
    for end in 4..=6 {
        writer.write(letter(end, b"value"), end).unwrap();
    }
    assert_eq!(writer.close(), [5, 6], "they are owed");
    assert_eq!(ends(&dir), [3, 4]);
}

#[test]
fn what_cannot_be_written_is_kept_until_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let in_the_way = dir.path().join("dead-letters");
    fs::write(&in_the_way, "a file").unwrap();
    let (writer, reported) = start(dir.path(), ROOMY);
    writer.write(letter(1, b"value"), 1).unwrap();
    let first = reported.recv().unwrap();
    assert!(matches!(first, Report::Failed { error: WriteError::Io { .. }, waiting: 1 }));
    writer.write(letter(2, b"value"), 2).unwrap();
    fs::remove_file(&in_the_way).unwrap();
    assert!(reported.iter().any(|report| matches!(report, Report::Written(_))));
    assert!(writer.close().is_empty());
    assert_eq!(ends(&dir), [1, 2]);
}

#[test]
fn what_waits_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("dead-letters"), "in the way").unwrap();
    let (writer, _reported) = start(dir.path(), ROOMY);
    let value = vec![b'x'; 1 << 20];
    let refused = (1..=9).find_map(|end| writer.write(letter(end, &value), end).err());
    assert!(matches!(refused, Some(Refused::Busy(_, 8))), "the eighth does not fit any more");
    assert_eq!(writer.close(), [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn a_crash_at_any_byte_leaves_whole_letters_and_a_file_to_go_on_with() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[1, 2, 3]);
    let bytes = fs::read(path(&dir)).unwrap();
    let third = bytes.len() / 3;
    for len in (0..=bytes.len()).step_by(7).chain([third - 1, third, third + 1]) {
        fs::write(path(&dir), &bytes[..len]).unwrap();
        // The last line's break alone may be missing.
        let whole: Vec<u64> =
            (1..=3).take_while(|n| third * n <= len + 1).map(|n| n as u64).collect();
        assert_eq!(ends(&dir), whole, "at {len}");
        write(dir.path(), &[7]);
        let listing = ls(dir.path()).unwrap();
        assert_eq!(ends(&dir), [whole.as_slice(), &[7]].concat(), "at {len}");
        let torn = !matches!(len % third, 0) && len % third != third - 1;
        assert_eq!(listing.not_whole, u64::from(torn), "at {len}");
        assert!(fs::read(path(&dir)).unwrap().starts_with(&bytes[..len]), "nothing is cut off");
    }
}

#[test]
fn a_full_disk_is_waited_out() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(dir.path(), "1m") else { return };
    let (writer, reported) = start(dir.path(), 1 << 30);
    writer.write(letter(1, b"value"), 1).unwrap();
    assert!(matches!(reported.recv().unwrap(), Report::Written(_)));
    disk.fill();
    let value = vec![b'x'; 100 << 10];
    writer.write(letter(2, &value), 2).unwrap();
    let failed = reported.recv().unwrap();
    assert!(matches!(failed, Report::Failed { error: WriteError::Io { .. }, waiting: 1 }));
    assert_eq!(ls(dir.path()).unwrap().letters.len(), 1);
    disk.clear();
    assert!(reported.iter().any(|report| matches!(report, Report::Written(_))));
    assert!(writer.close().is_empty());
    let listing = ls(dir.path()).unwrap();
    assert_eq!((listing.letters.len(), listing.not_whole), (2, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_value_survives(value in proptest::collection::vec(any::<u8>(), 0..300), text in ".*") {
        for value in [value, text.into_bytes()] {
            let key = Some(value.clone());
            let headers = vec![(String::new(), value.clone())];
            let letter = Letter { key, headers, ..letter(1, &value) };
            let line = letter.line(0);
            prop_assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
            let stored = Stored::read(line.trim_ascii_end()).unwrap();
            prop_assert_eq!(stored.letter, letter);
        }
    }

    #[test]
    fn damage_costs_no_more_than_the_lines_it_hits(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 0..6),
    ) {
        let lines: Vec<_> = (1..=8).map(|end| letter(end, b"\xffvalue").line(0)).collect();
        let intact = lines.concat();
        let mut bytes = intact.clone();
        for (at, mask) in flips {
            bytes[at.index(intact.len())] ^= mask;
        }
        let found: Vec<_> = bytes.split(|byte| *byte == b'\n').filter_map(Stored::read).collect();
        let mut from = 0;
        let mut before_is_whole = true;
        for (end, line) in (1..).zip(&lines) {
            let now = &bytes[from..from + line.len()];
            if now == line && before_is_whole {
                prop_assert!(found.iter().any(|stored| stored.letter == letter(end, b"\xffvalue")));
            }
            before_is_whole = now.last() == Some(&b'\n');
            from += line.len();
        }
    }
}

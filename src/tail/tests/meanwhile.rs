//! What becomes of files just while they are looked at.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::bench::{Bench, rotate_in, siblings};
use super::packer::{Packer, lines, pack, texts};
use crate::clock;
use crate::record::{self, Generation, Label, LineageId};
use crate::tail::beside::Beside;
use crate::tail::lineage::Lineage;
use crate::tail::reconcile::{From, Since};
use crate::tail::unpacking::UNPACKING_MAX;

#[test]
fn a_sibling_that_a_listing_missed_is_found_by_the_next_scan() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.rotate();
    bench.write("app.log", "b1\n");
    bench.rotate();
    bench.write("app.log", "c1\n");
    // A listing made before the rotations.
    let name = bench.path("app.log");
    bench.look_with(&name, &[]);
    bench.turns();
    bench.ship();
    let mut texts = bench.texts();
    texts.sort();
    assert_eq!(texts, ["a1", "b1", "c1"]);
}

#[test]
fn a_closed_file_that_a_listing_missed_is_not_gone() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.wait(400);
    assert_eq!(bench.open_files(), 0);
    bench.append("app.log", "a2\n");
    bench.rotate();
    bench.write("app.log", "b1\n");
    let name = bench.path("app.log");
    bench.look_with(&name, &[]);
    bench.ship();
    assert_eq!(bench.lost(), []);
    let mut texts = bench.texts();
    texts.sort();
    assert_eq!(texts, ["a1", "a2", "b1"]);
}

#[test]
fn a_file_that_is_rotated_between_listing_and_look_comes_before_its_successor() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.rotate();
    bench.write("app.log", "b1\n");
    bench.look_while(|dir| {
        std::fs::rename(dir.join("app.log"), dir.join("app.log.2")).unwrap();
        std::fs::write(dir.join("app.log"), "c1\n").unwrap();
    });
    bench.turns();
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "b1", "c1"]);
}

/// However often, and faster than the directory's time tells.
#[test]
fn files_rotated_while_they_are_listed_keep_their_order() {
    for times in [0..1, 1..2, 0..20] {
        let mut bench = Bench::new();
        bench.write("app.log", "0\n");
        bench.ship();
        bench.rotate();
        bench.write("app.log", "1\n");
        bench.rotate();
        let next = Cell::new(2);
        bench.look_while_listed(times.clone(), |dir| {
            let changed_at = std::fs::metadata(dir).unwrap().modified().unwrap();
            for _ in 0..2 {
                let number = next.replace(next.get() + 1);
                std::fs::write(dir.join("app.log"), format!("{number}\n")).unwrap();
                rotate_in(dir);
            }
            std::fs::File::open(dir).unwrap().set_modified(changed_at).unwrap();
        });
        bench.turns();
        bench.ship();
        let written: Vec<String> = (0..next.get()).map(|number| number.to_string()).collect();
        assert_eq!(bench.texts(), written, "{times:?}");
    }
}

/// What could be read first by then is left alone, too.
#[test]
fn files_rotated_while_they_are_opened_keep_their_order() {
    let bench = Bench::new();
    for text in ["a1\n", "b1\n", "c1\n"] {
        bench.write("app.log", text);
        bench.rotate();
    }
    let live = bench.path("app.log");
    let beside = Beside::now(&live, || siblings(&live));
    // The oldest has its next name, and the others have not.
    bench.rename("app.log.3", "app.log.4");
    let name = record::Lineage { input: "in".into(), path: live.clone() };
    let label = Arc::new(Label::to("logs".into()));
    let mut lineage = Lineage::new(LineageId(0), 0, name.into(), label, Generation::FIRST);
    let since = Since { looked_ms: None, new: From::Beginning, ignored_ms: None };
    let outcome = lineage.reconcile(beside, since);
    assert!(outcome.is_outdated);
    assert!(lineage.sources.is_empty());
    bench.rename("app.log.2", "app.log.3");
    bench.rename("app.log.1", "app.log.2");
    let outcome = lineage.reconcile(Beside::now(&live, || siblings(&live)), since);
    assert!(!outcome.is_outdated);
    let paths: Vec<_> = lineage.sources.iter().map(|source| source.path.to_path_buf()).collect();
    assert_eq!(paths, [4, 3, 2].map(|age| bench.path(&format!("app.log.{age}"))));
}

/// The copy is in no listing, or only in one from before it was whole.
#[test]
fn a_copy_is_known_of_a_file_that_is_truncated_between_listing_and_look() {
    for time in 0..3 {
        let mut bench = Bench::new();
        bench.write("app.log", "a1\n");
        bench.ship();
        // Something is beside it, so that it is listed.
        bench.write("app.log.9", "0\n");
        bench.look_while_listed(time..time + 1, |dir| {
            std::fs::copy(dir.join("app.log"), dir.join("app.log.1")).unwrap();
            std::fs::write(dir.join("app.log"), "").unwrap();
        });
        bench.ship();
        bench.append("app.log", "b1\n");
        bench.ship();
        let mut texts = bench.texts();
        texts.sort();
        assert_eq!(texts, ["0", "a1", "b1"], "{time}");
        assert_eq!(bench.lost(), []);
    }
}

#[test]
fn a_copy_is_known_of_a_file_that_is_truncated_between_look_and_read() {
    let mut bench = Bench::new();
    bench.write("app.log", "a1\n");
    bench.ship();
    bench.append("app.log", "a2\n");
    bench.truncate_before_read(|bench| {
        bench.copy("app.log", "app.log.1");
        bench.truncate("app.log");
        for (name, seconds) in [("app.log.1", 1), ("app.log", 2)] {
            let at = UNIX_EPOCH + Duration::from_millis(clock::wall_ms() + seconds * 1000);
            bench.writer(name).set_modified(at).unwrap();
        }
    });
    bench.ship();
    assert_eq!(bench.texts(), ["a1", "a2"]);
}

/// Only so many are unpacked at once, and one that is known already comes before the others.
#[test]
fn compressed_files_that_are_known_again_do_not_hold_each_other_up() {
    let mut bench = Bench::new();
    let names: Vec<String> =
        (0..=UNPACKING_MAX).map(|day| format!("app.log-202601{day:02}")).collect();
    let mut all = Vec::new();
    for name in &names {
        all.push(lines(name, 40));
        bench.write("app.log", &all[all.len() - 1]);
        bench.ship();
        bench.rename("app.log", name);
    }
    for names in [&names[..1], &names[1..]] {
        let kept = bench.stop();
        names.iter().for_each(|name| bench.compress(name, Packer::GzipOwnTime));
        bench.start(kept);
        bench.look();
        assert!(bench.unpacking_count() <= UNPACKING_MAX);
        bench.ship();
    }
    bench.write("app.log", "z\n");
    bench.ship();
    assert_eq!(bench.texts(), texts(&[&all.concat(), "z\n"]));
}

#[test]
fn many_files_of_one_log_that_were_compressed_while_stopped_are_all_gone_on_with() {
    let mut bench = Bench::new();
    let numbers = || (1..=2 * UNPACKING_MAX).rev();
    for number in numbers() {
        bench.write(&format!("app.log.{number}"), lines(&number.to_string(), 1000));
    }
    let oldest = lines("oldest", 1000);
    bench.write("app.log.99.gz", pack(Packer::Gzip, oldest.as_bytes()));
    bench.write("app.log", "end\n");
    bench.look();
    let kept = bench.stop();
    for number in numbers() {
        bench.compress(&format!("app.log.{number}"), Packer::GzipOwnTime);
    }
    bench.start(kept);
    bench.ship();
    let all = numbers().map(|number| lines(&number.to_string(), 1000)).collect::<String>();
    assert_eq!(bench.texts(), texts(&[&oldest, &all, "end\n"]));
}

#[test]
fn what_was_written_again_and_lost_its_name_to_being_compressed_is_read_once() {
    for packer in [Packer::Gzip, Packer::GzipOwnTime, Packer::Zstd] {
        let mut bench = Bench::new();
        bench.write("app.log", lines("a", 1));
        bench.look();
        bench.write("app.log", lines("b", 2));
        bench.rotate();
        bench.compress("app.log.1", packer);
        bench.ship();
        assert_eq!(bench.texts(), texts(&[&lines("b", 2)]), "{packer:?}");
    }
}

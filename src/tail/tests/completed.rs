//! Compressed files that were given up because they were not whole: they may become whole after
//! all, and hold nothing up as long as they do not.

use std::fs::File;
use std::time::Duration;

use super::bench::{Bench, input};
use super::packer::{Packer, lines, pack, texts};
use crate::settings::Input;
use crate::tail::{Ending, LostReason};

#[test]
fn what_is_completed_after_it_was_given_up_is_still_read_to_its_end() {
    let hour = Duration::from_hours(1);
    // A copy that keeps its time is older than what is ignored, once it is whole.
    for (packer, ignore_older) in
        [(Packer::Gzip, None), (Packer::Zstd, None), (Packer::Gzip, Some(2 * hour))]
    {
        let mut bench = Bench::with(Input { ignore_older, ..input() }, Ending::Follow);
        let (first, second) = (lines("a", 3000), lines("a more", 9000));
        let mut packed = pack(packer, first.as_bytes());
        let cut = packed.len() + 10;
        packed.extend(pack(packer, second.as_bytes()));
        let name = "app.log.1".to_owned() + packer.ending();
        bench.write(&name, &packed[..cut]);
        // As in life: the bench's time passes, and not that of files.
        bench.age(&name);
        bench.write("app.log", "b1\n");
        bench.ship();
        assert!(!bench.texts().contains(&"b1".to_owned()), "what is younger waits");
        for _ in 0..16 {
            bench.pass(10);
            bench.ship();
        }
        assert_eq!(bench.texts(), texts(&[&first, "b1\n"]));
        assert!(matches!(bench.lost()[..], [(1.., LostReason::Damaged)]), "{:?}", bench.lost());
        bench.append(&name, &packed[cut..]);
        if ignore_older.is_some() {
            let file = File::options().write(true).open(bench.path(&name)).unwrap();
            file.set_modified(file.metadata().unwrap().modified().unwrap() - 3 * hour).unwrap();
        }
        bench.ship();
        assert_eq!(bench.texts(), texts(&[&first, "b1\n", &second]));
    }
}

/// What is there of `packed` is shipped and given up, and what is younger shipped after it.
fn given_up(packed: &[u8]) -> Bench {
    let mut bench = Bench::new();
    bench.write("app.log.1.gz", packed);
    bench.age("app.log.1.gz");
    bench.write("app.log", "b1\n");
    for _ in 0..32 {
        bench.pass(10);
        bench.ship();
    }
    assert_eq!(bench.texts().last().map(String::as_str), Some("b1"));
    assert!(matches!(bench.lost()[..], [(1.., LostReason::Damaged)]), "{:?}", bench.lost());
    bench
}

#[test]
fn what_was_given_up_holds_nothing_up_after_a_restart_and_is_not_lost_again() {
    let packed = pack(Packer::Gzip, lines("a", 3000).as_bytes());
    // Of so much nothing can be unpacked, or about half.
    for len in [10, packed.len() / 2] {
        let mut bench = given_up(&packed[..len]);
        let (mut shipped, lost) = (bench.texts(), bench.lost());
        for next in ["b2", "b3"] {
            let mut kept = bench.stop();
            kept.look_later();
            bench.append("app.log", format!("{next}\n"));
            bench.start(kept);
            bench.ship();
            shipped.push(next.to_owned());
            assert_eq!(bench.texts(), shipped);
            for _ in 0..16 {
                bench.pass(10);
                bench.ship();
            }
            assert_eq!((bench.texts(), bench.lost()), (shipped.clone(), lost.clone()));
        }
    }
}

#[test]
fn what_is_completed_while_nobody_looks_is_read_to_its_end() {
    let hour = Duration::from_hours(1);
    let (first, second) = (lines("a", 3000), lines("a more", 3000));
    let mut packed = pack(Packer::Gzip, first.as_bytes());
    let cut = packed.len() + 10;
    packed.extend(pack(Packer::Gzip, second.as_bytes()));
    for keeps_time in [false, true] {
        let mut bench = given_up(&packed[..cut]);
        let kept = bench.stop();
        bench.append("app.log.1.gz", &packed[cut..]);
        if keeps_time {
            let file = File::options().write(true).open(bench.path("app.log.1.gz")).unwrap();
            file.set_modified(file.metadata().unwrap().modified().unwrap() - 3 * hour).unwrap();
        }
        bench.start(kept);
        bench.ship();
        assert_eq!(bench.texts(), texts(&[&first, "b1\n", &second]));
    }
}

/// As on a disk that was not mounted for a while.
#[test]
fn what_was_out_of_reach_is_read_to_its_end_although_it_has_not_changed() {
    let mut bench = Bench::new();
    let text = lines("a", 40_000);
    bench.write("app.log.1.gz", pack(Packer::Gzip, text.as_bytes()));
    bench.write("app.log", "b1\n");
    bench.look();
    bench.some_turns(7);
    let mut kept = bench.stop();
    kept.look_later();
    let place = kept.places.values_mut().find(|place| place.path.ends_with("app.log.1.gz"));
    place.unwrap().gone = true;
    bench.start(kept);
    bench.ship();
    assert_eq!(bench.texts(), texts(&[&text, "b1\n"]));
}

//! Compressed files that were given up because they were not whole, and become whole after all.

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

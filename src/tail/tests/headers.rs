//! Files that all begin with the same kilobyte.

use std::time::Duration;

use super::bench::{Bench, input};
use crate::clock;
use crate::settings::Input;
use crate::tail::Ending;

/// Its first 1024 bytes are all that is remembered of how the truncated one began.
#[test]
fn a_new_file_with_the_header_of_a_truncated_one_is_not_its_copy() {
    let header = format!("#{}\n", "=".repeat(3000));
    let mut bench = Bench::with(Input { max_line_bytes: 4096, ..input() }, Ending::Follow);
    bench.write("app.log", format!("{header}a1\na2\na3\n"));
    bench.ship();
    bench.truncate("app.log");
    bench.rotate();
    bench.write("app.log", format!("{header}b1\n"));
    let later = clock::wall() + Duration::from_secs(1);
    bench.writer("app.log").set_modified(later).unwrap();
    bench.rotate();
    bench.write("app.log", "");
    bench.ship();
    assert_eq!(bench.texts().last().unwrap(), "b1");
}

#[test]
fn a_file_that_nothing_was_read_of_and_that_is_shorter_now_was_truncated() {
    let header = format!("#{}\n", "=".repeat(3000));
    let mut bench = Bench::with(Input { max_line_bytes: 4096, ..input() }, Ending::Follow);
    bench.write("app.log", format!("{header}a1\na2\n"));
    bench.look();
    bench.copy("app.log", "app.log.1");
    bench.look();
    bench.write("app.log", format!("{header}b1\n"));
    bench.ship();
    let texts = bench.texts();
    assert_eq!((texts[1..3].concat(), texts[4].as_str()), ("a1a2".to_owned(), "b1"));
    assert_eq!(bench.lost(), []);
}

//! Rotated files that real tools have compressed, before they were read to their ends.

use std::process::Command;

use crate::support::kafka::Kafka;
use crate::support::reader::Reader;
use crate::support::site::Site;
use crate::support::verdict::{Verdict, Written};
use crate::support::wait::GENEROUS;
use crate::support::writer::Log;

#[test]
fn what_was_rotated_and_compressed_after_a_kill_is_finished() {
    for tool in [&["gzip"][..], &["zstd", "-q", "--rm"]] {
        let kafka = Kafka::single();
        let (site, topic) = (Site::new(), kafka.topic("packed", 3, &[]));
        let daemon = site.run(&site.config(&kafka.bootstrap(), &topic));
        let path = site.log("a.log");
        let mut log = Log::by_hand(&path);
        let mut reader = Reader::from_beginning(&kafka.bootstrap(), &topic);
        let mut verdict = Verdict::default();
        log.write(3_000);
        let written = |log: &Log| Written::from([(log.name(), log.count())]);
        reader.judge(&mut verdict, &written(&log), GENEROUS);
        daemon.kill();
        for _ in 0..3 {
            log.write(2_000);
            log.rotate();
        }
        log.write(100);
        for entry in path.parent().expect("a file is in a folder").read_dir().expect("it is there")
        {
            let rotated = entry.expect("it can be listed").path();
            if rotated != path {
                let (program, options) = tool.split_first().expect("it has a name");
                let done = Command::new(program).args(options).arg(&rotated).status();
                assert!(done.expect("gzip and zstd are installed").success());
            }
        }
        let daemon = site.run_again();
        reader.judge(&mut verdict, &written(&log), GENEROUS);
        daemon.stop().assert_code(0);
        reader.judge_rest(&mut verdict);
        verdict.assert_complete_and_in_order(&written(&log));
        // The checkpoint is up to a second older than the kill.
        assert!(verdict.repeats() <= 3_000, "{verdict}");
    }
}

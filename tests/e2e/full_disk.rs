//! The disk is full for the checkpoints alone, while the spool has room: nothing is lost, and it
//! heals by itself.

use std::fs;

use crate::support::config::Config;
use crate::support::daemon::Daemon;
use crate::support::kafka::Kafka;
use crate::support::pulse::Marks;
use crate::support::reader::Reader;
use crate::support::site::Site;
use crate::support::small_disk::SmallDisk;
use crate::support::verdict::{Verdict, Written};
use crate::support::wait::{GENEROUS, wait_until};
use crate::support::writer::Log;

const NOT_SAVED: &str = "checkpoints not saved; tried again until they are";
const SAVED_AGAIN: &str = "checkpoints are saved again";

/// A site whose checkpoints have a disk of their own, and a log with all its lines in Kafka.
struct Scene<'k> {
    kafka: &'k Kafka,
    topic: String,
    log: Log,
    // Unmounted before its site goes.
    disk: SmallDisk,
    site: Site,
}

impl<'k> Scene<'k> {
    /// None where nothing may be mounted.
    fn set(test: &str, kafka: &'k Kafka) -> Option<(Self, Daemon)> {
        let site = Site::new();
        let checkpoints = site.state().join("checkpoints");
        fs::create_dir_all(&checkpoints).unwrap();
        let disk = SmallDisk::mount(&checkpoints, "1m")?;
        let (topic, log) = (kafka.topic(test, 3, &[]), Log::by_hand(&site.log("a.log")));
        let mut scene = Self { kafka, topic, log, disk, site };
        let daemon = scene.site.run(&scene.config());
        scene.log.write(1000);
        wait_until("the place to be saved", GENEROUS, || scene.site.kept().owed() == 0);
        scene.wait_delivered(1000);
        Some((scene, daemon))
    }

    /// Kafka counts as away after two seconds.
    fn config(&self) -> Config {
        let config = self.site.config(&self.kafka.bootstrap(), &self.topic);
        let config = config.top("checkpoint_interval", "100ms").kafka("linger.ms", "20");
        config.kafka("request.timeout.ms", "1s").kafka("delivery.timeout.ms", "2s")
    }

    /// No checkpoint is saved any more. What their file has of its last page is used up first.
    fn fill(&mut self, daemon: &Daemon) {
        self.disk.fill();
        wait_until("saving to fail", GENEROUS, || {
            self.log.write(1);
            daemon.said().iter().any(|line| line.contains(NOT_SAVED))
        });
    }

    fn wait_delivered(&self, records: u64) {
        let marks = Marks::of(&self.kafka.bootstrap(), &self.topic);
        wait_until("lines to be delivered", GENEROUS, || {
            marks.records().is_some_and(|there| there >= records)
        });
    }

    /// There is room: all that is owed is saved, a stop is clean, and a start has nothing to send
    /// again. Every line of all `logs` has come, in order.
    fn heal(&self, mut daemon: Daemon, logs: &[&Log]) -> Verdict {
        self.disk.clear();
        daemon.hears("that checkpoints are saved again", |line| line.contains(SAVED_AGAIN));
        wait_until("every place to be saved", GENEROUS, || self.site.kept().owed() == 0);
        let written: Written = logs.iter().map(|log| (log.name(), log.count())).collect();
        let mut verdict = Verdict::default();
        let mut reader = Reader::from_beginning(&self.kafka.bootstrap(), &self.topic);
        reader.judge(&mut verdict, &written, GENEROUS);
        daemon.stop().assert_code(0);
        reader.judge_rest(&mut verdict);
        let repeats = verdict.repeats();
        self.site.tailspool(&["run", "--once"]).assert_code(0);
        reader.judge_rest(&mut verdict);
        assert_eq!(verdict.repeats(), repeats, "sent again after a clean stop\n{verdict}");
        verdict.assert_complete_and_in_order(&written);
        verdict
    }
}

#[test]
fn without_room_for_checkpoints_lines_go_on_to_kafka() {
    let kafka = Kafka::single();
    let Some((mut scene, mut daemon)) = Scene::set("full-direct", kafka) else { return };
    scene.fill(&daemon);
    let unsaved = scene.site.kept().owed();
    assert!(unsaved > 0, "nothing could be saved");
    // Of a file that nobody has saved anything of, too.
    let mut new = Log::by_hand(&scene.site.log("new.log"));
    scene.log.write(100);
    new.write(100);
    scene.wait_delivered(scene.log.count() + new.count());
    assert!(daemon.runs());
    let verdict = scene.heal(daemon, &[&scene.log, &new]);
    assert_eq!(verdict.repeats(), 0, "{verdict}");
}

#[test]
fn what_could_not_be_saved_is_sent_again_after_a_kill_on_the_full_disk() {
    let kafka = Kafka::single();
    let Some((mut scene, daemon)) = Scene::set("full-killed", kafka) else { return };
    scene.fill(&daemon);
    let mut new = Log::by_hand(&scene.site.log("new.log"));
    new.write(100);
    scene.wait_delivered(scene.log.count() + new.count());
    daemon.kill();
    let mut daemon = scene.site.run_again();
    daemon.hears("that the disk is still full", |line| line.contains(NOT_SAVED));
    scene.log.write(100);
    let verdict = scene.heal(daemon, &[&scene.log, &new]);
    // What came after the last place that was saved.
    let most = scene.log.count() - 1000 + new.count();
    assert!(verdict.repeats() <= most, "more than {most}\n{verdict}");
}

#[test]
fn without_room_for_checkpoints_an_outage_is_outlived_by_the_spool() {
    let kafka = Kafka::lone();
    let Some((mut scene, daemon)) = Scene::set("full-outage", &kafka) else { return };
    kafka.kill(0);
    scene.fill(&daemon);
    let in_spool = |scene: &Scene<'_>| {
        let away = scene.log.count() - 1000;
        wait_until("the lines to be in the spool", GENEROUS, || {
            scene.site.kept().spooled() == away
        });
    };
    in_spool(&scene);
    // What the spool has need not be read again, whatever the checkpoints say.
    daemon.kill();
    let mut daemon = scene.site.run_again();
    scene.log.write(100);
    let mut new = Log::by_hand(&scene.site.log("new.log"));
    new.write(100);
    daemon.hears("that the disk is still full", |line| line.contains(NOT_SAVED));
    in_spool(&scene);
    kafka.heal();
    scene.wait_delivered(scene.log.count());
    let verdict = scene.heal(daemon, &[&scene.log, &new]);
    assert_eq!(verdict.repeats(), 0, "{verdict}");
}

//! A clean stop and a start: nothing missing, and nothing twice.

use crate::support::daemon::Daemon;
use crate::support::kafka::Kafka;
use crate::support::reader::Reader;
use crate::support::site::Site;
use crate::support::verdict::{Verdict, Written};
use crate::support::wait::{GENEROUS, wait_until};
use crate::support::writer::{Log, Plan, Writer};

struct Scene {
    site: Site,
    reader: Reader,
    verdict: Verdict,
    daemon: Option<Daemon>,
}

impl Scene {
    fn set(name: &str) -> Self {
        let kafka = Kafka::single();
        let (site, topic) = (Site::new(), kafka.topic(name, 3, &[]));
        let daemon = site.run(&site.config(&kafka.bootstrap(), &topic));
        let reader = Reader::from_beginning(&kafka.bootstrap(), &topic);
        Self { site, reader, verdict: Verdict::default(), daemon: Some(daemon) }
    }

    fn arrives(&mut self, written: &Written) {
        self.reader.judge(&mut self.verdict, written, GENEROUS);
    }

    fn stop(&mut self) {
        self.daemon.take().expect("it runs").stop().assert_code(0);
    }

    fn start(&mut self) {
        self.daemon = Some(self.site.run_again());
    }

    /// All is there exactly once, and stays so when the daemon is gone.
    fn assert_each_line_once(mut self, written: &Written) {
        self.arrives(written);
        self.stop();
        self.reader.judge_rest(&mut self.verdict);
        self.verdict.assert_complete_and_in_order(written);
        assert_eq!(self.verdict.repeats(), 0, "repeats after a clean stop\n{}", self.verdict);
    }
}

fn written(logs: &[&Log]) -> Written {
    logs.iter().map(|log| (log.name(), log.count())).collect()
}

#[test]
fn a_clean_stop_under_load_repeats_nothing() {
    let mut scene = Scene::set("stop-load");
    let plan = Plan { lines_per_second: 2000, rotate_every: 1500 };
    let writer = Writer::start(&scene.site.log("a.log"), plan);
    for lines in [2_000, 5_000, 8_000] {
        wait_until("more lines to be written", GENEROUS, || writer.written() >= lines);
        scene.stop();
        scene.start();
    }
    let written = Written::from([writer.stop()]);
    scene.assert_each_line_once(&written);
}

#[test]
fn what_was_written_and_rotated_while_stopped_arrives_once() {
    let mut scene = Scene::set("stop-rotated");
    let mut log = Log::by_hand(&scene.site.log("a.log"));
    log.write(500);
    scene.arrives(&written(&[&log]));
    scene.stop();
    log.write(300);
    log.rotate();
    log.write(200);
    scene.start();
    scene.assert_each_line_once(&written(&[&log]));
}

#[test]
fn a_file_born_and_rotated_while_stopped_arrives_whole() {
    let mut scene = Scene::set("stop-born");
    let mut log = Log::by_hand(&scene.site.log("a.log"));
    log.write(500);
    scene.arrives(&written(&[&log]));
    scene.stop();
    log.rotate();
    log.write(400);
    log.rotate();
    log.write(300);
    let mut other = Log::by_hand(&scene.site.log("b.log"));
    other.write(100);
    other.rotate();
    other.write(100);
    scene.start();
    scene.assert_each_line_once(&written(&[&log, &other]));
}

#[test]
fn a_file_rotated_away_and_not_recreated_while_stopped_is_finished() {
    let mut scene = Scene::set("stop-away");
    let mut log = Log::by_hand(&scene.site.log("a.log"));
    log.write(500);
    scene.arrives(&written(&[&log]));
    scene.stop();
    log.write(250);
    std::fs::rename(scene.site.log("a.log"), scene.site.log("a.log.1")).unwrap();
    scene.start();
    scene.assert_each_line_once(&written(&[&log]));
}

#[test]
fn a_new_configuration_is_taken_over_and_a_wrong_one_is_not() {
    let kafka = Kafka::single();
    let (site, topic) = (Site::new(), kafka.topic("reload", 1, &[]));
    let first = site.config(&kafka.bootstrap(), &topic);
    let (mut a, mut b) = (Log::by_hand(&site.log("a.log")), Log::by_hand(&site.log("b.txt")));
    a.write(100);
    b.write(100);
    let mut daemon = site.run(&first);
    let mut reader = Reader::from_beginning(&kafka.bootstrap(), &topic);
    let mut verdict = Verdict::default();
    reader.judge(&mut verdict, &written(&[&a]), GENEROUS);

    site.write_config("inputs: nonsense\n");
    daemon.hang_up();
    daemon.hears("that the new configuration is wrong", |line| line.contains("wrong"));
    a.write(100);
    reader.judge(&mut verdict, &written(&[&a]), GENEROUS);

    let second = site.config(&kafka.bootstrap(), &topic).input("more", &site.log("b.txt"), &topic);
    site.write_config(&second.to_yaml());
    daemon.hang_up();
    reader.judge(&mut verdict, &written(&[&a, &b]), GENEROUS);
    a.write(100);
    let all = written(&[&a, &b]);
    reader.judge(&mut verdict, &all, GENEROUS);
    assert!(daemon.runs());
    daemon.stop().assert_code(0);
    reader.judge_rest(&mut verdict);
    verdict.assert_complete_and_in_order(&all);
    assert_eq!(verdict.repeats(), 0, "repeats over a reload\n{verdict}");
}

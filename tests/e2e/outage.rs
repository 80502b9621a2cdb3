//! Kafka is away for longer than a line may wait: what goes to the spool then comes back, each
//! line, in order over rotation, and none twice without a crash or a stop that explains it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::support::config::Config;
use crate::support::daemon::Daemon;
use crate::support::dice::Dice;
use crate::support::kafka::Kafka;
use crate::support::kept::Kept;
use crate::support::pulse::Marks;
use crate::support::reader::Reader;
use crate::support::site::Site;
use crate::support::verdict::{Verdict, Written};
use crate::support::wait::{GENEROUS, wait_until};
use crate::support::writer::{Log, Plan, Writer};

const CATCH_UP: Duration = Duration::from_mins(4);
/// `shutdown_grace` and what a busy machine adds.
const STOP_MAX: Duration = Duration::from_secs(15);

/// `TAILSPOOL_LONG=1` makes the numbers those that are promised.
fn long() -> bool {
    std::env::var_os("TAILSPOOL_LONG").is_some()
}

/// A site, its topic, and the daemon between them.
struct Scene<'k> {
    kafka: &'k Kafka,
    topic: String,
    site: Site,
    kept: Kept,
    daemon: Option<Daemon>,
}

impl<'k> Scene<'k> {
    fn set(test: &str, kafka: &'k Kafka) -> Self {
        let (topic, site) = (kafka.topic(test, 3, &[]), Site::new());
        Self { kafka, topic, kept: site.kept(), site, daemon: None }
    }

    fn config(&self) -> Config {
        impatient(self.site.config(&self.kafka.bootstrap(), &self.topic))
    }

    fn run(&mut self, config: &Config) {
        self.daemon = Some(self.site.run(config));
    }

    fn run_again(&mut self) {
        self.daemon = Some(self.site.run_again());
    }

    fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().expect("it runs")
    }

    fn kill(&mut self) {
        self.daemon.take().expect("it runs").kill();
    }

    /// SIGTERM is obeyed, whether Kafka is there or not.
    fn stop(&mut self) {
        let daemon = self.daemon.take().expect("it runs");
        daemon.terminate();
        daemon.finish(STOP_MAX).assert_code(0);
    }

    /// A line of the log for each of these files.
    fn hears_of(&mut self, names: &[String], what: &str) {
        for name in names {
            let fits = |line: &str| line.contains(what) && line.contains(name.as_str());
            self.daemon().hears(&format!("{what}: {name}"), fits);
        }
    }

    /// Everything in the logs has been acknowledged or is in the spool.
    fn wait_kept(&mut self) {
        wait_until("every line to be safe", GENEROUS, || self.kept.owed() == 0);
    }

    fn wait_delivered(&self, records: u64) {
        let marks = Marks::of(&self.kafka.bootstrap(), &self.topic);
        let arrived = || marks.records().is_some_and(|there| there >= records);
        wait_until("lines to be delivered", GENEROUS, arrived);
    }

    /// Lets the daemon finish, stops it, and judges.
    fn judge(&mut self, test: &str, written: &Written) -> Verdict {
        let mut verdict = Verdict::default();
        let mut reader = Reader::from_beginning(&self.kafka.bootstrap(), &self.topic);
        reader.judge(&mut verdict, written, CATCH_UP);
        self.stop();
        reader.judge_rest(&mut verdict);
        let (lines, repeats) = (written.values().sum::<u64>(), verdict.repeats());
        println!("{test}: {lines} lines, {repeats} repeats");
        verdict.assert_complete_and_in_order(written);
        verdict
    }

    fn judge_once(&mut self, test: &str, written: &Written) {
        let verdict = self.judge(test, written);
        assert_eq!(verdict.repeats(), 0, "nothing explains a repeat\n{verdict}");
    }
}

/// Kafka counts as away after two seconds, and a stop takes no more than four.
fn impatient(config: Config) -> Config {
    config
        .top("checkpoint_interval", "200ms")
        .top("shutdown_grace", "4s")
        .kafka("linger.ms", "20")
        .kafka("request.timeout.ms", "1s")
        .kafka("delivery.timeout.ms", "2s")
}

/// Growing, rotating files, whose rotated ones are deleted as soon as all of them is safe.
struct Writers {
    writers: Vec<Writer>,
    names: Vec<String>,
    deleted: Arc<AtomicU64>,
}

impl Writers {
    fn start(scene: &Scene<'_>, files: usize, plan: &Plan) -> Self {
        let deleted = Arc::new(AtomicU64::new(0));
        let names: Vec<_> = (0..files).map(|number| format!("app{number}.log")).collect();
        let start = |name: &String| {
            let (kept, count) = (scene.kept.clone(), Arc::clone(&deleted));
            let may_go = move |path: &Path| {
                let may_go = kept.has_accepted(path);
                count.fetch_add(u64::from(may_go), Ordering::Relaxed);
                may_go
            };
            Writer::reaping(&scene.site.log(name), plan.clone(), may_go)
        };
        Self { writers: names.iter().map(start).collect(), names, deleted }
    }

    fn written(&self) -> u64 {
        self.writers.iter().map(Writer::written).sum()
    }

    fn wait_written(&self, more: u64) {
        let until = self.written() + more;
        wait_until("more lines to be written", GENEROUS, || self.written() >= until);
    }

    fn wait_deleted(&self, more: u64) {
        let until = self.deleted.load(Ordering::Relaxed) + more;
        let deleted = || self.deleted.load(Ordering::Relaxed) >= until;
        wait_until("more rotated files to be safe and deleted", GENEROUS, deleted);
    }

    fn stop(self) -> Written {
        self.writers.into_iter().map(Writer::stop).collect()
    }
}

fn written(logs: &[Log]) -> Written {
    logs.iter().map(|log| (log.name(), log.count())).collect()
}

const FILES: usize = 5;
const PLAN: Plan = Plan { lines_per_second: 400, rotate_every: 500 };

/// What is done to the brokers, one after the other; the last makes all whole again.
type Strike = fn(&Kafka);

/// A daemon that lives through an outage has no reason to lose, swap or repeat anything.
fn lives_through(test: &str, strikes: &[Strike]) {
    let kafka = Kafka::triple();
    let mut scene = Scene::set(test, &kafka);
    kafka.wait_in_sync(&scene.topic);
    scene.run(&scene.config());
    let writers = Writers::start(&scene, FILES, &PLAN);
    scene.wait_delivered(1_000);
    for strike in strikes {
        strike(&kafka);
        scene.hears_of(&writers.names, "lines go to the spool");
        writers.wait_deleted(if long() { 100 } else { 10 });
        println!("{test}: {} records in the spool", scene.kept.spooled());
    }
    kafka.heal();
    scene.hears_of(&writers.names, "lines go to kafka directly again");
    writers.wait_written(1_000);
    let written = writers.stop();
    scene.judge_once(test, &written);
}

/// The controller and one broker stay: what they answer is NOT_ENOUGH_REPLICAS.
fn two_of_three_die(kafka: &Kafka) {
    kafka.kill(1);
    kafka.kill(2);
}

#[test]
fn brokers_die_one_after_the_other_and_return_while_files_rotate_and_are_deleted() {
    lives_through("dead", &[two_of_three_die, Kafka::kill_all]);
}

#[test]
fn all_brokers_freeze_and_thaw_while_files_rotate_and_are_deleted() {
    lives_through("frozen", &[Kafka::freeze_all]);
}

#[test]
#[ignore = "long: make test-chaos"]
fn all_brokers_die_at_once_and_return() {
    lives_through("all-dead", &[Kafka::kill_all]);
}

#[test]
#[ignore = "long: make test-chaos"]
fn too_few_replicas_in_sync_are_an_outage_too() {
    lives_through("too-few", &[two_of_three_die]);
}

#[test]
fn a_daemon_killed_again_and_again_in_an_outage_loses_nothing() {
    let test = "killed-in-outage";
    let kafka = Kafka::lone();
    let mut scene = Scene::set(test, &kafka);
    let mut dice = Dice::thrown_for(test);
    scene.run(&scene.config());
    let writers = Writers::start(&scene, FILES, &PLAN);
    scene.wait_delivered(1_000);
    let marks = Marks::of(&kafka.bootstrap(), &scene.topic);
    let acknowledged = marks.records().expect("the broker answers");
    kafka.freeze_all();
    scene.hears_of(&writers.names, "lines go to the spool");
    writers.wait_deleted(2);
    // What the broker may have got before it froze, of what nobody has heard.
    let in_flight = writers.written() - acknowledged;
    for _ in 0..if long() { 20 } else { 4 } {
        scene.kill();
        scene.run_again();
        writers.wait_written(dice.between(200, 2_000));
    }
    kafka.heal();
    scene.hears_of(&writers.names, "lines go to kafka directly again");
    let written = writers.stop();
    let repeats = scene.judge(test, &written).repeats();
    println!("{test}: at most {in_flight} repeats");
    assert!(repeats <= in_flight, "{repeats} repeats, {in_flight} at most");
}

/// Logs written by hand where a test wants to say when.
fn logs<const N: usize>(scene: &Scene<'_>) -> [Log; N] {
    std::array::from_fn(|number| Log::by_hand(&scene.site.log(&format!("app{number}.log"))))
}

/// Each log grows, rotates and grows again.
fn write_and_rotate(logs: &mut [Log], lines: u64) {
    for log in logs {
        log.write(lines);
        log.rotate();
        log.write(lines);
    }
}

fn delete(logs: &mut [Log]) {
    logs.iter_mut().for_each(Log::vanish);
}

fn reopen(logs: &mut [Log]) {
    logs.iter_mut().for_each(Log::reopen);
}

#[test]
fn what_only_the_spool_has_outlives_stops_in_an_outage() {
    let test = "stopped-in-outage";
    let kafka = Kafka::lone();
    let mut scene = Scene::set(test, &kafka);
    scene.run(&scene.config());
    let mut logs: [Log; 3] = logs(&scene);
    write_and_rotate(&mut logs, 200);
    scene.wait_delivered(1_200);
    kafka.freeze_all();
    write_and_rotate(&mut logs, 1_000);
    scene.wait_kept();
    scene.stop();
    delete(&mut logs);

    scene.run_again();
    reopen(&mut logs);
    write_and_rotate(&mut logs, 300);
    scene.wait_kept();
    scene.stop();
    delete(&mut logs);

    scene.run_again();
    reopen(&mut logs);
    write_and_rotate(&mut logs, 300);
    kafka.heal();
    let repeats = scene.judge(test, &written(&logs)).repeats();
    // Written to the broker before the first stop, and not heard of.
    assert!(repeats <= 6_000, "{repeats} repeats");
}

#[test]
fn what_was_read_before_kafka_was_ever_there_arrives_without_its_files() {
    let test = "never-there";
    let kafka = Kafka::lone();
    let mut scene = Scene::set(test, &kafka);
    kafka.kill_all();
    let mut logs: [Log; 3] = logs(&scene);
    write_and_rotate(&mut logs, 1_000);
    scene.run(&scene.config());
    scene.wait_kept();
    scene.stop();
    delete(&mut logs);
    kafka.heal();
    scene.run_again();
    scene.judge_once(test, &written(&logs));
}

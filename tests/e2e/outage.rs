//! Kafka is away for longer than a line may wait: what goes to the spool then comes back, each
//! line, in order over rotation, and none twice without a crash or a stop that explains it.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::support::config::Config;
use crate::support::daemon::Daemon;
use crate::support::dice::Dice;
use crate::support::kafka::Kafka;
use crate::support::kept::Kept;
use crate::support::pulse::Marks;
use crate::support::reader::Reader;
use crate::support::site::Site;
use crate::support::totals::counted;
use crate::support::verdict::{Verdict, Written};
use crate::support::wait::{GENEROUS, wait_until};
use crate::support::writer::{Log, Plan, Writer};

use RDKafkaRespErr::{
    RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED as CLUSTER_AUTHORIZATION_FAILED,
    RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER as OUT_OF_ORDER_SEQUENCE_NUMBER,
    RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED as TOPIC_AUTHORIZATION_FAILED,
};

const CATCH_UP: Duration = Duration::from_mins(2);
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
        let verdict = self.verdict(test, written);
        verdict.assert_complete_and_in_order(written);
        verdict
    }

    fn verdict(&mut self, test: &str, written: &Written) -> Verdict {
        let mut verdict = Verdict::default();
        let mut reader = Reader::from_beginning(&self.kafka.bootstrap(), &self.topic);
        reader.judge(&mut verdict, written, CATCH_UP);
        self.stop();
        reader.judge_rest(&mut verdict);
        let (lines, repeats) = (written.values().sum::<u64>(), verdict.repeats());
        println!("{test}: {lines} lines, {repeats} repeats");
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

/// The controller and one broker stay: what they answer is `NOT_ENOUGH_REPLICAS`.
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

#[test]
fn a_missing_topic_holds_back_nobody_else() {
    let test = "missing";
    let kafka = Kafka::single();
    let topics = ["here", "there"].map(|stem| kafka.topic(stem, 3, &[]));
    let missing = format!("{}-nowhere", topics[0]);
    let site = Site::new();
    let mut config = impatient(Config::new(&site.state(), &kafka.bootstrap()));
    let mut logs: Vec<Log> = Vec::new();
    for (id, topic) in
        ["here", "nowhere", "there"].into_iter().zip([&topics[0], &missing, &topics[1]])
    {
        config = config.input(id, &site.log(&format!("{id}.log")), topic);
        logs.push(Log::by_hand(&site.log(&format!("{id}.log"))));
    }
    let mut daemon = site.run(&config);
    // More than the share of memory that one partition gets.
    let lines = if long() { 400_000 } else { 80_000 };
    write_and_rotate(&mut logs, lines);
    let arrives = |topic: &str, log: &Log| {
        let (mut verdict, written) = (Verdict::default(), written(std::slice::from_ref(log)));
        Reader::from_beginning(&kafka.bootstrap(), topic).judge(&mut verdict, &written, CATCH_UP);
        verdict.assert_complete_and_in_order(&written);
        assert_eq!(verdict.repeats(), 0, "{verdict}");
    };
    arrives(&topics[0], &logs[0]);
    arrives(&topics[1], &logs[2]);
    daemon.hears("that the topic is missing", |line| {
        line.contains("topic does not exist") && line.contains(&missing)
    });
    let kept = site.kept();
    wait_until("every line to be safe", GENEROUS, || kept.owed() == 0);
    println!("{test}: {} records in the spool", kept.spooled());
    assert_eq!(kept.spooled(), 2 * lines, "all that waits for the topic is in the spool");
    kafka.create(&missing, 3, &[]);
    arrives(&missing, &logs[1]);
    daemon.stop().assert_code(0);
}

/// A spool of this size is full soon.
const SMALL: u64 = 4 << 20;
/// What is staged when it is found to be full, and the index.
const SMALL_SLACK: u64 = 2 << 20;

/// What a full spool did: what was written to how many files, what arrived.
struct Overfull {
    written: Written,
    verdict: Verdict,
    /// What the log says was dropped.
    dropped: u64,
    /// What was counted as delivered in spite of that.
    late: u64,
    said: Vec<String>,
}

const NOISE: [&str; 3] = ["noise0.log", "noise1.log", "noise2.log"];

/// Files that are larger than the spool, while Kafka is away, and `when_full` says what then.
fn overfill(test: &str, when_full: &str) -> Overfull {
    let kafka = Kafka::lone();
    let mut scene = Scene::set(test, &kafka);
    kafka.freeze_all();
    scene.run(&confined(&scene, when_full));
    let logs = NOISE.map(|name| Log::by_hand(&scene.site.log(name)));
    overfill_from(test, when_full, scene, logs)
}

fn confined(scene: &Scene<'_>, when_full: &str) -> Config {
    let spool = format!("{{max_size: {SMALL}, when_full: {when_full}, stall_after: 1s}}");
    scene.config().top("spool", &spool).kafka("buffer.memory", "4MiB")
}

/// The same from where Kafka has gone.
fn overfill_from(
    test: &str,
    when_full: &str,
    mut scene: Scene<'_>,
    mut logs: [Log; 3],
) -> Overfull {
    let kafka = scene.kafka;
    logs.iter_mut().for_each(|log| log.write(30_000));
    let full = |line: &str| line.contains("the spool is full");
    scene.daemon().hears("that the spool is full", full);
    let mut largest = 0;
    let mut is_over = |scene: &mut Scene<'_>| {
        largest = largest.max(scene.kept.spool_bytes());
        match when_full {
            // It stands still: as long as we look, which is a hundred times.
            "block" => scene.kept.owed() > 0,
            _ => scene.kept.owed() == 0,
        }
    };
    let mut looks = 0;
    wait_until("the files to be read as far as they may be", GENEROUS, || {
        looks += 1;
        is_over(&mut scene) && looks > 100
    });
    println!("{test}: the spool had {largest} bytes at most, {} owed", scene.kept.owed());
    assert!(largest <= SMALL + SMALL_SLACK, "{largest} bytes in a spool of {SMALL}");
    let said = scene.daemon().said();
    kafka.heal();
    scene.hears_of(&NOISE.map(str::to_owned), "lines go to kafka directly again");
    logs.iter_mut().for_each(|log| log.write(1_000));
    let written = written(&logs);
    let mut verdict = Verdict::default();
    let mut reader = Reader::from_beginning(&kafka.bootstrap(), &scene.topic);
    // What was written last arrives last, and nothing after it.
    let last =
        |verdict: &Verdict| written.iter().all(|(name, count)| verdict.has(name, *count - 1));
    reader.judge_until(&mut verdict, CATCH_UP, last);
    let daemon = scene.daemon.take().expect("it runs");
    daemon.terminate();
    let finished = daemon.finish(STOP_MAX);
    finished.assert_code(0);
    reader.judge_rest(&mut verdict);
    let dropped =
        finished.err.lines().filter(|line| line.contains("dropped")).map(records_in).sum();
    let late =
        counted(&finished.err.lines().map(str::to_owned).collect::<Vec<_>>(), "dropped_late");
    println!(
        "{test}: {dropped} dropped, {late} late, {} missing\n{verdict}",
        missing(&verdict, &written)
    );
    Overfull { written, verdict, dropped, late, said }
}

/// The `records=` of a line of the log.
fn records_in(line: &str) -> u64 {
    let number = line.split(" records=").nth(1).and_then(|rest| rest.split(' ').next());
    number.map_or(0, |number| number.parse().expect("a number of records"))
}

fn missing(verdict: &Verdict, written: &Written) -> u64 {
    written.iter().map(|(name, count)| verdict.missing(name, *count).len() as u64).sum()
}

#[test]
fn a_full_spool_stops_the_reading_and_loses_nothing() {
    let Overfull { written, verdict, said, .. } = overfill("full-block", "block");
    verdict.assert_complete_and_in_order(&written);
    assert_eq!(verdict.repeats(), 0, "{verdict}");
    let once = said.iter().filter(|line| line.contains("the spool is full")).count();
    assert_eq!(once, 1, "said once:\n{}", said.join("\n"));
}

#[test]
fn what_is_dropped_from_a_full_spool_is_counted_oldest() {
    let Overfull { written, verdict, dropped, .. } = overfill("full-oldest", "drop_oldest");
    assert_eq!((verdict.inversions(), verdict.repeats()), (0, 0), "{verdict}");
    assert!(dropped > 0, "it was to overflow");
    assert_eq!(missing(&verdict, &written), dropped, "{verdict}");
}

/// What librdkafka has in an outage is the oldest in the spool, too.
#[test]
fn what_is_dropped_on_its_way_and_arrives_is_counted_as_late() {
    let kafka = Kafka::lone();
    let mut scene = Scene::set("full-late", &kafka);
    scene.run(&confined(&scene, "drop_oldest"));
    let mut logs = NOISE.map(|name| Log::by_hand(&scene.site.log(name)));
    logs.iter_mut().for_each(|log| log.write(1));
    scene.wait_delivered(3);
    kafka.freeze_all();
    logs.iter_mut().for_each(|log| log.write(3_000));
    scene.hears_of(&NOISE.map(str::to_owned), "lines go to the spool");
    let Overfull { written, verdict, dropped, late, .. } =
        overfill_from("full-late", "drop_oldest", scene, logs);
    assert_eq!((verdict.inversions(), verdict.repeats()), (0, 0), "{verdict}");
    assert!(late > 0, "something was to be on its way");
    assert_eq!(missing(&verdict, &written), dropped - late, "{verdict}");
}

#[test]
fn what_is_dropped_from_a_full_spool_is_counted_newest() {
    let Overfull { written, verdict, dropped, .. } = overfill("full-newest", "drop_newest");
    assert_eq!((verdict.inversions(), verdict.repeats()), (0, 0), "{verdict}");
    assert!(dropped > 0, "it was to overflow");
    assert_eq!(missing(&verdict, &written), dropped, "{verdict}");
}

/// What memory may grow by beside `buffer.memory`, the pages of a build with debug information
/// included.
const BESIDE_BUFFER: u64 = 36_000_000;

#[test]
fn memory_stays_within_its_budget_in_an_outage_of_twenty_lanes() {
    let test = "memory";
    let kafka = Kafka::lone();
    let mut scene = Scene::set(test, &kafka);
    scene.run(&scene.config());
    let mut logs: [Log; 20] = logs(&scene);
    logs.iter_mut().for_each(|log| log.write(10));
    scene.wait_delivered(200);
    kafka.freeze_all();
    let lines = if long() { 100_000 } else { 20_000 };
    logs.iter_mut().for_each(|log| log.write(lines));
    scene.wait_kept();
    let spooling = scene.daemon().peak_bytes();
    kafka.heal();
    let mut verdict = Verdict::default();
    let mut reader = Reader::from_beginning(&kafka.bootstrap(), &scene.topic);
    let written = written(&logs);
    reader.judge(&mut verdict, &written, CATCH_UP);
    let peak = scene.daemon().peak_bytes();
    println!(
        "{test}: {} MB at most while spooling, {} MB in all",
        spooling / 1_000_000,
        peak / 1_000_000
    );
    verdict.assert_complete_and_in_order(&written);
    assert_eq!(verdict.repeats(), 0, "{verdict}");
    scene.stop();
    let most = (32 << 20) + BESIDE_BUFFER;
    assert!(peak <= most, "{peak} bytes of memory, {most} at most");
}

/// What befalls a spool while nobody looks.
#[derive(Debug, Clone, Copy)]
enum Damage {
    /// A byte in the middle of each segment is another one.
    FlippedBytes,
    /// sled's directory is gone, and so are the files that the spool has.
    NoIndexNoFiles,
    /// All of it is gone.
    NoSpool,
}

impl Damage {
    fn happen(self, scene: &Scene<'_>, logs: &mut [Log]) {
        let dir = scene.kept.spool_dir();
        match self {
            Self::FlippedBytes => flip_bytes(&dir),
            Self::NoIndexNoFiles => {
                fs::remove_dir_all(dir.join("state")).expect("the spool has an index");
                delete(logs);
                reopen(logs);
            }
            Self::NoSpool => fs::remove_dir_all(&dir).expect("there is a spool"),
        }
    }
}

fn flip_bytes(dir: &Path) {
    let mut flipped = 0;
    for path in fs::read_dir(dir).expect("there is a spool").map(|entry| entry.unwrap().path()) {
        let mut bytes = if path.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        let middle = bytes.len() / 2;
        if let Some(byte) = bytes.get_mut(middle) {
            *byte ^= 0x10;
            fs::write(&path, bytes).unwrap();
            flipped += 1;
        }
    }
    assert!(flipped > 0, "there are segments");
}

/// Each damage befalls a daemon of its own, all in one outage.
#[test]
fn a_damaged_spool_loses_nothing_that_is_still_there() {
    let kafka = Kafka::lone();
    let damages = [Damage::FlippedBytes, Damage::NoIndexNoFiles, Damage::NoSpool];
    let mut scenes = damages.map(|damage| {
        let mut scene = Scene::set(&format!("{damage:?}"), &kafka);
        scene.run(&scene.config());
        let mut logs: [Log; 3] = logs(&scene);
        write_and_rotate(&mut logs, 100);
        scene.wait_delivered(600);
        (damage, scene, logs)
    });
    kafka.freeze_all();
    for (_, scene, logs) in &mut scenes {
        write_and_rotate(logs, 1_000);
        scene.wait_kept();
    }
    // Twice: what the first start finds in the spool is as good as what it put there itself.
    for (_, scene, _) in &mut scenes {
        scene.stop();
        scene.run_again();
        scene.daemon().hears("that it runs", |line| line.contains("running"));
    }
    for (damage, scene, logs) in &mut scenes {
        write_and_rotate(logs, 300);
        scene.wait_kept();
        scene.stop();
        damage.happen(scene, logs);
        scene.run_again();
        write_and_rotate(logs, 100);
        scene.daemon().hears("that it runs", |line| line.contains("running"));
    }
    kafka.heal();
    for (damage, scene, logs) in &mut scenes {
        let test = format!("{damage:?}");
        match damage {
            Damage::FlippedBytes => {
                let says_so = |line: &str| line.contains("lines in the spool are damaged");
                scene.daemon().hears("that lines are damaged", says_so);
                let names: Vec<_> = logs.iter().map(Log::name).collect();
                scene.hears_of(&names, "lines go to kafka directly again");
                scene.stop();
                scene.run_again();
                // What was found to be damaged only on its way out comes late.
                scene.verdict(&test, &written(logs)).assert_complete(&written(logs));
            }
            Damage::NoIndexNoFiles | Damage::NoSpool => drop(scene.judge(&test, &written(logs))),
        }
    }
}

fn mock() -> MockCluster<'static, DefaultProducerContext> {
    let mock = MockCluster::new(3).expect("a mock cluster");
    mock.create_topic("logs", 2, 3).expect("a mock topic");
    mock
}

#[test]
fn a_producer_that_failed_for_good_is_replaced_and_nothing_is_lost() {
    let test = "fatal";
    let (mock, site) = (mock(), Site::new());
    let mut daemon = site.run(&impatient(site.config(&mock.bootstrap_servers(), "logs")));
    let mut log = Log::by_hand(&site.log("app.log"));
    let mut reader = Reader::from_beginning(&mock.bootstrap_servers(), "logs");
    let mut verdict = Verdict::default();
    for round in 1..=3 {
        log.write(2_000);
        reader.judge(&mut verdict, &written(std::slice::from_ref(&log)), CATCH_UP);
        mock.request_errors(RDKafkaApiKey::Produce, &[OUT_OF_ORDER_SEQUENCE_NUMBER]);
        let said = daemon.said().len();
        log.write(2_000);
        daemon.hears_after(said, "that the producer failed", |line| {
            line.contains("the producer failed for good")
        });
        reader.judge(&mut verdict, &written(std::slice::from_ref(&log)), CATCH_UP);
        println!("{test}: round {round}, {} repeats", verdict.repeats());
    }
    daemon.stop().assert_code(0);
    verdict.assert_complete_and_in_order(&written(std::slice::from_ref(&log)));
    assert_eq!(verdict.repeats(), 0, "the mock refused the batch and has none of it\n{verdict}");
}

/// What goes one by one is told the cause of the failure where what goes together is told of the
/// failure.
#[test]
fn a_producer_that_was_denied_its_number_is_replaced_where_lines_go_one_by_one() {
    let (mock, site) = (mock(), Site::new());
    mock.request_errors(RDKafkaApiKey::InitProducerId, &[CLUSTER_AUTHORIZATION_FAILED]);
    let config = site.config(&mock.bootstrap_servers(), "logs");
    let mut daemon = site.run(&impatient(config.of_input("headers", "{env: prod}")));
    let mut log = Log::by_hand(&site.log("app.log"));
    log.write(2_000);
    daemon.hears("that the producer failed", |line| line.contains("the producer failed for good"));
    let (written, mut verdict) = (written(std::slice::from_ref(&log)), Verdict::default());
    Reader::from_beginning(&mock.bootstrap_servers(), "logs").judge(
        &mut verdict,
        &written,
        CATCH_UP,
    );
    daemon.stop().assert_code(0);
    verdict.assert_complete_and_in_order(&written);
    assert_eq!(verdict.repeats(), 0, "{verdict}");
}

#[test]
fn a_denied_topic_holds_back_nobody_else() {
    let (mock, site) = (mock(), Site::new());
    mock.create_topic("secret", 2, 3).expect("a mock topic");
    mock.topic_error("secret", TOPIC_AUTHORIZATION_FAILED).expect("a mock topic");
    let config = Config::new(&site.state(), &mock.bootstrap_servers())
        .input("plain", &site.log("plain.log"), "logs")
        .input("secret", &site.log("secret.log"), "secret");
    let mut daemon = site.run(&impatient(config));
    let mut logs = ["plain.log", "secret.log"].map(|name| Log::by_hand(&site.log(name)));
    logs.iter_mut().for_each(|log| log.write(3_000));
    let arrives = |topic: &str, log: &Log| {
        let (mut verdict, written) = (Verdict::default(), written(std::slice::from_ref(log)));
        Reader::from_beginning(&mock.bootstrap_servers(), topic).judge(
            &mut verdict,
            &written,
            CATCH_UP,
        );
        verdict.assert_complete_and_in_order(&written);
        assert_eq!(verdict.repeats(), 0, "{verdict}");
    };
    arrives("logs", &logs[0]);
    daemon.hears("that it may not write", |line| line.contains("not allowed to write"));
    daemon.hears("the way into the spool", |line| line.contains("lines go to the spool"));
    let kept = site.kept();
    wait_until("every line to be safe", GENEROUS, || kept.owed() == 0);
    mock.topic_error("secret", RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).expect("a mock topic");
    arrives("secret", &logs[1]);
    daemon.stop().assert_code(0);
}

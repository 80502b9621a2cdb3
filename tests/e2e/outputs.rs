//! Two clusters: each gets its own lines, and one that is away keeps nothing from the other.

use crate::support::config::Config;
use crate::support::daemon::Daemon;
use crate::support::kafka::Kafka;
use crate::support::lines::lines;
use crate::support::ports::Port;
use crate::support::reader::Reader;
use crate::support::site::{Site, append};
use crate::support::verdict::{Verdict, Written};
use crate::support::wait::{GENEROUS, wait_until};

/// So many logs go to the cluster that goes away, over several partitions, and so much of each,
/// that together it is several times the memory there is.
const FILES: usize = 8;
const AT_ONCE: u64 = 6_000;

struct Scene<'k> {
    kafka: &'k Kafka,
    topic: String,
    other: &'k Kafka,
    other_topic: String,
    site: Site,
    written: Written,
    other_written: Written,
}

impl<'k> Scene<'k> {
    fn set(kafka: &'k Kafka, other: &'k Kafka) -> Self {
        let (topic, other_topic) = (kafka.topic("here", 2, &[]), other.topic("there", 6, &[]));
        let (written, other_written) = (Written::new(), Written::new());
        Self { kafka, topic, other, other_topic, site: Site::new(), written, other_written }
    }

    /// Both outputs, with little memory and little patience.
    fn config(&self) -> Config {
        let other = format!("['{}']", self.other.bootstrap());
        self.alone()
            .output("audit", &[("bootstrap.servers", &other), ("linger.ms", "5")])
            .input("audit", &self.site.log("audit*.log"), &self.other_topic)
            .of_input("output", "audit")
    }

    fn alone(&self) -> Config {
        Config::new(&self.site.state(), &self.kafka.bootstrap())
            .top("checkpoint_interval", "200ms")
            .top("shutdown_grace", "4s")
            .top("spool", "{stall_after: 2s}")
            .kafka("linger.ms", "20")
            .kafka("request.timeout.ms", "1s")
            .kafka("delivery.timeout.ms", "2s")
            .kafka("buffer.memory", "8MiB")
            .input("app", &self.site.log("app.log"), &self.topic)
    }

    fn write(&mut self, name: &str, count: u64) {
        let is_audit = name.starts_with("audit");
        let written = if is_audit { &mut self.other_written } else { &mut self.written };
        let from = written.get(name).copied().unwrap_or(0);
        append(&self.site.log(name), lines(name, from..from + count).as_bytes());
        written.insert(name.to_owned(), from + count);
    }

    fn write_audits(&mut self, count: u64) {
        for number in 0..FILES {
            self.write(&format!("audit{number}.log"), count);
        }
    }

    fn wait_safe(&self) {
        let kept = self.site.kept();
        wait_until("every line to be safe", GENEROUS, || kept.has_looked() && kept.owed() == 0);
    }

    /// All of one cluster's lines are there, in order, once, and none of the other's.
    fn arrived(kafka: &Kafka, topic: &str, written: &Written) {
        let mut verdict = Verdict::default();
        let mut reader = Reader::from_beginning(&kafka.bootstrap(), topic);
        reader.judge(&mut verdict, written, GENEROUS);
        reader.judge_rest(&mut verdict);
        verdict.assert_complete_and_in_order(written);
        assert_eq!(verdict.repeats(), 0, "{verdict}");
    }

    fn arrived_here(&self) {
        Self::arrived(self.kafka, &self.topic, &self.written);
    }

    fn arrived_there(&self) {
        Self::arrived(self.other, &self.other_topic, &self.other_written);
    }
}

#[test]
fn a_cluster_that_is_away_keeps_nothing_from_the_other_over_restarts() {
    let (kafka, other) = (Kafka::single(), Kafka::lone());
    let mut scene = Scene::set(kafka, &other);
    let config = scene.config();
    let mut daemon = scene.site.run(&config);
    scene.write("app.log", 1_000);
    scene.write_audits(100);
    scene.arrived_here();
    scene.arrived_there();

    other.kill_all();
    scene.write_audits(AT_ONCE);
    daemon.hears("that the other is away", |line| {
        line.contains("lines go to the spool") && line.contains("audit")
    });
    scene.write("app.log", 1_000);
    scene.arrived_here();
    scene.wait_safe();
    assert!(
        !daemon
            .said()
            .iter()
            .any(|line| { line.contains("lines go to the spool") && line.contains("app.log") })
    );

    daemon.stop().assert_code(0);
    let listed = scene.site.tailspool(&["spool", "ls"]);
    listed.assert_code(0);
    let to = format!("to {} of audit", scene.other_topic);
    assert!(listed.out.lines().any(|line| line.contains(&to)), "{}", listed.out);

    let daemon = scene.site.run_again();
    scene.write("app.log", 1_000);
    scene.write_audits(100);
    scene.arrived_here();
    scene.wait_safe();
    daemon.kill();

    let daemon = scene.site.run_again();
    scene.write_audits(100);
    other.heal();
    scene.arrived_there();
    scene.arrived_here();
    daemon.stop().assert_code(0);
}

/// What counts as sent never goes to the spool: it fills what memory there is for its output.
#[test]
fn what_counts_as_sent_to_a_cluster_that_is_away_leaves_memory_to_the_other() {
    let (kafka, other) = (Kafka::single(), Kafka::lone());
    let mut scene = Scene::set(kafka, &other);
    let daemon = scene.site.run(&scene.config().of_input("confirm", "none"));
    scene.write("app.log", 100);
    scene.write_audits(100);
    scene.arrived_here();
    scene.arrived_there();

    other.kill_all();
    let kept = scene.site.kept();
    let mut written = 0;
    for name in (0..3 * FILES).map(|number| format!("audit{number}.log")) {
        scene.write(&name, AT_ONCE);
        written += lines(&name, 0..AT_ONCE).len() as u64;
    }
    wait_until("some of it to count as sent", GENEROUS, || kept.owed() + (1 << 19) < written);
    for _ in 0..5 {
        scene.write("app.log", 5_000);
        scene.arrived_here();
    }
    assert!(kept.owed() > 1 << 20, "the rest waits in its files");
    other.heal();
    scene.arrived_there();
    let finished = daemon.stop();
    finished.assert_code(0);
    assert!(!finished.err.contains("lines go to the spool"), "{}", finished.err);
}

/// Not to the cluster that is there: that would be another's lines in another's topic.
#[test]
fn what_waits_for_an_output_that_is_gone_waits_until_it_is_back() {
    let (kafka, other) = (Kafka::single(), Kafka::lone());
    let mut scene = Scene::set(kafka, &other);
    other.kill_all();
    let config = scene.config();
    let daemon = scene.site.run(&config);
    scene.write("app.log", 100);
    scene.write_audits(100);
    scene.arrived_here();
    scene.wait_safe();

    // By a reload, and as a start.
    scene.site.write_config(&scene.alone().to_yaml());
    daemon.hang_up();
    is_missed(daemon, &mut scene);
    is_missed(scene.site.run_again(), &mut scene);
    let once = scene.site.tailspool(&["run", "--once"]);
    once.assert_code(69);

    let daemon = scene.site.run(&config);
    other.heal();
    scene.arrived_there();
    daemon.stop().assert_code(0);
}

fn is_missed(mut daemon: Daemon, scene: &mut Scene<'_>) {
    daemon.hears("that an output is missing", |line| {
        line.contains("an output that is not configured") && line.contains("audit")
    });
    scene.write("app.log", 100);
    scene.arrived_here();
    let said = daemon.stop();
    said.assert_code(0);
    assert!(said.err.contains(" stranded=800 "), "{}", said.err);
}

/// The files are those of the default output; what differs is how they are sent.
#[test]
fn a_profile_sends_to_the_same_cluster_in_its_own_way() {
    let kafka = Kafka::single();
    let (site, topic) = (Site::new(), kafka.topic("profiles", 2, &[]));
    let config = site
        .config(&kafka.bootstrap(), &topic)
        .output("debug", &[("acks", "0"), ("compression.type", "lz4")])
        .input("debug", &site.log("*.debug"), &topic)
        .of_input("output", "debug");
    append(&site.log("a.log"), lines("a.log", 0..300).as_bytes());
    append(&site.log("b.debug"), lines("b.debug", 0..500).as_bytes());
    site.write_config(&config.to_yaml());
    let finished = site.tailspool(&["run", "--once"]);
    finished.assert_code(0);
    assert!(finished.err.contains(" delivered=300 unconfirmed=500 "), "{}", finished.err);
    let written = Written::from([("a.log".to_owned(), 300), ("b.debug".to_owned(), 500)]);
    Scene::arrived(kafka, &topic, &written);
}

#[test]
fn check_says_which_output_it_speaks_of() {
    let kafka = Kafka::single();
    let (site, topic) = (Site::new(), kafka.topic("checked", 1, &[]));
    append(&site.log("a.log"), b"a line\n");
    let nobody = Port::reserve().address();
    let config = site
        .config(&kafka.bootstrap(), &topic)
        .output("away", &[("bootstrap.servers", &format!("['{nobody}']"))])
        .output("odd", &[("security.protocol", "SSL"), ("ssl.cipher.suites", "TLS_OF_JAVA")])
        .input("b", &site.log("*.b"), "t")
        .of_input("output", "away");
    site.write_config(&config.to_yaml());
    let checked = site.tailspool(&["check"]);
    checked.assert_code(69);
    for parts in [
        ["output kafka: topic", topic.as_str()],
        ["✗ output away: server", &nobody],
        ["✗ output odd: cannot start the Kafka client", "ssl.cipher.suites"],
    ] {
        let has = |line: &str| parts.iter().all(|part| line.contains(part));
        assert!(checked.out.lines().any(has), "no line has {parts:?}:\n{}", checked.out);
    }
}

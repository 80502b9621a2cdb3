//! Which partitions records go to: by key as with Kafka's own client, spread, and as partitions are
//! added.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::num::NonZeroU32;
use std::time::Duration;

use rdkafka::mocking::MockCluster;
use tailspool::partition::of_key;

use crate::support::config::Config;
use crate::support::daemon::Daemon;
use crate::support::kafka::Kafka;
use crate::support::lines::{self, lines};
use crate::support::reader::{Reader, Record};
use crate::support::site::{Site, append};
use crate::support::verdict::{Verdict, Written};
use crate::support::wait::{GENEROUS, wait_until};
use crate::support::writer::{Plan, Writer};

const PARTITIONS: i32 = 7;

/// Short, long, in several alphabets, and of each length that Murmur treats in its own way.
fn keys() -> Vec<String> {
    let mut keys: Vec<String> = (0..300).map(|number| format!("key-{number}")).collect();
    keys.extend((1..40).map(|length| "x".repeat(length)));
    keys.extend(
        ["日志", "größer", "журнал", "🪵🪵", "a b", "ключ-1", "\u{7f}", "é"].map(str::to_owned),
    );
    keys.extend([200, 255].map(|length| "l".repeat(length)));
    keys
}

fn by_key(records: &[Record]) -> BTreeMap<Vec<u8>, BTreeSet<i32>> {
    let mut found = BTreeMap::<_, BTreeSet<_>>::new();
    for record in records {
        let key = record.key.clone().expect("each has a key");
        found.entry(key).or_default().insert(record.partition);
    }
    found
}

fn arrived(kafka: &Kafka, topic: &str, count: usize) -> Vec<Record> {
    Reader::from_beginning(&kafka.bootstrap(), topic).records(count, GENEROUS)
}

/// How many of the records each partition has.
fn shares(records: &[Record], partitions: i32) -> Vec<usize> {
    let share = |number| records.iter().filter(|record| record.partition == number).count();
    (0..partitions).map(share).collect()
}

/// Files of one block each, whose lines a verdict can judge.
fn many_files(site: &Site, files: u64, lines_each: u64) -> Written {
    let mut written = Written::new();
    for number in 0..files {
        let name = format!("{number}.log");
        append(&site.log(&name), lines(&name, 0..lines_each).as_bytes());
        written.insert(name, lines_each);
    }
    written
}

#[test]
fn keys_lead_where_kafkas_own_producer_has_them() {
    let kafka = Kafka::single();
    let [java, send, own] = ["java", "send", "own"].map(|stem| kafka.topic(stem, PARTITIONS, &[]));
    let site = Site::new();
    let mut keys = keys();
    keys.push(String::new());
    keys.push("m".repeat(5000));
    let pairs = keys.iter().flat_map(|key| [[key, "\t1\n"], [key, "\t2\n"]].concat());
    let text: String = pairs.collect();
    let input = site.root().join("input");
    fs::write(&input, &text).unwrap();
    let parsed = ["--property", "parse.key=true"];
    kafka.java_produces(&java, File::open(&input).unwrap(), &parsed);
    let arguments = ["send", "--bootstrap-server", &kafka.bootstrap(), "--topic", &send];
    let arguments = [arguments.as_slice(), &parsed].concat();
    Daemon::start_fed(File::open(&input).unwrap(), &arguments).finish(GENEROUS).assert_code(0);

    let java = by_key(&arrived(kafka, &java, 2 * keys.len()));
    assert_eq!(java.len(), keys.len());
    let count = NonZeroU32::new(7).unwrap();
    for (key, partitions) in &java {
        assert_eq!(*partitions, BTreeSet::from([of_key(key, count)]), "{}", key.escape_ascii());
    }
    assert_eq!(by_key(&arrived(kafka, &send, 2 * keys.len())), java);

    // Through files that are named so, in two directories.
    let names: Vec<_> = self::keys().into_iter().filter(|key| key.len() < 250).collect();
    for folder in ["a", "b"] {
        fs::create_dir(site.log(folder)).unwrap();
        for name in &names {
            append(&site.log(folder).join(name), format!("{folder} 1\n{folder} 2\n").as_bytes());
        }
    }
    let config = Config::new(&site.state(), &kafka.bootstrap())
        .input("own", &site.log("*/*"), &own)
        .of_input("key", "'{file.name}'")
        .of_input("partition", "key");
    site.write_config(&config.to_yaml());
    site.tailspool(&["run", "--once"]).assert_code(0);
    let own = arrived(kafka, &own, 4 * names.len());
    for name in &names {
        let of_key = own.iter().filter(|record| record.key.as_deref() == Some(name.as_bytes()));
        let values: Vec<_> = of_key.map(|record| &*record.payload).collect();
        let of_folder = |folder: &[u8]| values.iter().filter(|it| it.starts_with(folder)).collect();
        let of_folders: [Vec<_>; 2] = [b"a", b"b"].map(|folder| of_folder(folder));
        assert_eq!(of_folders, [[b"a 1", b"a 2"], [b"b 1", b"b 2"]], "{name}: in order");
    }
    let own = by_key(&own);
    assert_eq!(own.len(), names.len());
    for (key, partitions) in &own {
        assert_eq!(java.get(key), Some(partitions), "{}", key.escape_ascii());
    }
}

#[test]
fn where_any_will_do_every_partition_gets_its_share_as_in_java() {
    let kafka = Kafka::single();
    for (rule, partitioner) in [
        ("sticky", None),
        ("round_robin", Some("org.apache.kafka.clients.producer.RoundRobinPartitioner")),
        ("random", None),
    ] {
        let (site, topic) = (Site::new(), kafka.topic(rule, 4, &[]));
        let written = many_files(&site, 100, 20);
        let config = site
            .config(&kafka.bootstrap(), &topic)
            .of_input("partition", rule)
            .kafka("batch.size", "1KiB");
        site.write_config(&config.to_yaml());
        site.tailspool(&["run", "--once"]).assert_code(0);
        let records = arrived(kafka, &topic, 2000);
        let ours = shares(&records, 4);
        let mut verdict = Verdict::default();
        records.iter().for_each(|record| verdict.take(record.partition, &record.payload));
        verdict.assert_complete(&written);
        assert_eq!(verdict.repeats(), 0, "{verdict}");

        let java = kafka.topic("java-spread", 4, &[]);
        let input = site.root().join("input");
        fs::write(&input, lines("java.log", 0..2000)).unwrap();
        let partitioner = partitioner.map(|class| format!("partitioner.class={class}"));
        let mut properties = vec!["--producer-property", "batch.size=1000"];
        properties.extend(partitioner.iter().flat_map(|it| ["--producer-property", it]));
        kafka.java_produces(&java, File::open(&input).unwrap(), &properties);
        let javas = shares(&arrived(kafka, &java, 2000), 4);
        println!("{rule}: {ours:?}, Java {javas:?}");
        // A quarter would be 500. Java's goes by what brokers take at the moment, too.
        assert!(ours.iter().all(|share| (100..=1200).contains(share)), "{rule}: {ours:?}");
        assert!(javas.iter().all(|share| *share > 0), "Java's {rule}: {javas:?}");
    }
}

/// Order is given up, and nothing else.
#[test]
fn spread_lines_survive_an_outage_and_a_kill() {
    let kafka = Kafka::lone();
    let (site, topic) = (Site::new(), kafka.topic("spread", 4, &[]));
    let config = impatient(site.config(&kafka.bootstrap(), &topic));
    let config = config.of_input("partition", "round_robin");
    let (log, kept) = (site.log("a.log"), site.kept());
    let mut daemon = site.run(&config);
    append(&log, lines("a.log", 0..20_000).as_bytes());
    wait_until("lines to be safe", GENEROUS, || kept.owed() == 0);
    kafka.freeze_all();
    append(&log, lines("a.log", 20_000..40_000).as_bytes());
    daemon.hears("the way into the spool", |line| line.contains("lines go to the spool"));
    wait_until("lines to be safe", GENEROUS, || kept.owed() == 0);
    daemon.kill();
    let daemon = site.run_again();
    append(&log, lines("a.log", 40_000..50_000).as_bytes());
    wait_until("lines to be safe", GENEROUS, || kept.owed() == 0);
    kafka.heal();
    let written = Written::from([("a.log".to_owned(), 50_000)]);
    let mut verdict = Verdict::default();
    let mut reader = Reader::from_beginning(&kafka.bootstrap(), &topic);
    reader.judge(&mut verdict, &written, GENEROUS);
    daemon.stop().assert_code(0);
    verdict.assert_complete(&written);
}

/// A partition that is dead holds up what was sent to it, and nothing else.
#[test]
fn spread_lines_go_around_a_dead_partition() {
    let (mock, site) = (MockCluster::new(3).expect("a mock cluster"), Site::new());
    mock.create_topic("spread", 3, 1).expect("a mock topic");
    for number in 0..3 {
        mock.partition_leader("spread", number, Some(number + 1)).expect("a mock broker");
    }
    let config = impatient(site.config(&mock.bootstrap_servers(), "spread"));
    let config = config.of_input("partition", "round_robin").kafka("linger.ms", "5");
    let mut daemon = site.run(&config);
    let (log, mut verdict) = (site.log("a.log"), Verdict::default());
    let mut reader = Reader::from_beginning(&mock.bootstrap_servers(), "spread");
    let mut wait_for = |numbers: std::ops::Range<u64>| {
        wait_until("lines to arrive", GENEROUS, || {
            for record in reader.records(0, Duration::from_secs(1)) {
                verdict.take(record.partition, &record.payload);
            }
            numbers.clone().all(|number| verdict.has("a.log", number))
        });
        verdict.repeats()
    };
    append(&log, lines("a.log", 0..10).as_bytes());
    wait_for(0..10);
    mock.broker_down(3).expect("a mock broker");
    append(&log, lines("a.log", 10..20_000).as_bytes());
    daemon.hears("the way into the spool", |line| line.contains("lines go to the spool"));
    append(&log, lines("a.log", 20_000..30_000).as_bytes());
    wait_for(20_000..30_000);
    daemon.hears("the way out of it", |line| line.contains("directly again"));
    mock.broker_up(3).expect("a mock broker");
    assert_eq!(wait_for(0..30_000), 0, "nothing explains a repeat");
    daemon.stop().assert_code(0);
}

/// Each has less than its quarter, and together they leave less than one read asks for.
#[test]
fn what_dead_partitions_hold_does_not_starve_a_file_that_could_be_sent() {
    let (mock, site) = (MockCluster::new(2).expect("a mock cluster"), Site::new());
    let mut config = Config::new(&site.state(), &mock.bootstrap_servers())
        .top("spool", "{stall_after: 1s}")
        .kafka("buffer.memory", "4MiB")
        .kafka("request.timeout.ms", "1s")
        .kafka("delivery.timeout.ms", "10m");
    let topics = [("dead0", 2), ("dead1", 2), ("dead2", 2), ("live", 1)];
    for (topic, broker) in topics {
        mock.create_topic(topic, 1, 1).expect("a mock topic");
        mock.partition_leader(topic, 0, Some(broker)).expect("a mock broker");
        config = config.input(topic, &site.log(&format!("{topic}.log")), topic);
    }
    mock.broker_down(2).expect("a mock broker");
    let mut daemon = site.run(&config);
    daemon.hears("the start", |line| line.contains("running"));
    let before = daemon.read_bytes();
    let line = |_| format!("{}\n", "x".repeat(99));
    let dead: String = (0..1_900).map(line).collect();
    for (topic, _) in &topics[..3] {
        append(&site.log(topic).with_extension("log"), dead.as_bytes());
    }
    wait_until("memory to be held", GENEROUS, || {
        daemon.read_bytes() >= before + 3 * dead.len() as u64
    });
    let whole: String = (0..3_000).map(line).collect();
    // All at once: one read asks for all it may.
    let aside = site.root().join("aside");
    fs::write(&aside, whole).expect("a file");
    fs::rename(&aside, site.log("live.log")).expect("the same disk");
    let mut reader = Reader::from_beginning(&mock.bootstrap_servers(), "live");
    assert_eq!(reader.records(3_000, GENEROUS).len(), 3_000);
    daemon.kill();
}

/// Together they would have all that librdkafka may have of memory.
#[test]
fn what_dead_partitions_hold_leaves_a_way_to_those_that_answer() {
    const DEAD: [&str; 4] = ["dead0", "dead1", "dead2", "dead3"];
    let (mock, site) = (MockCluster::new(2).expect("a mock cluster"), Site::new());
    let mut config = Config::new(&site.state(), &mock.bootstrap_servers())
        .top("spool", "{stall_after: 1s}")
        .kafka("buffer.memory", "8MiB")
        .kafka("request.timeout.ms", "1s")
        .kafka("delivery.timeout.ms", "10m");
    for (topic, broker) in DEAD.map(|topic| (topic, 2)).into_iter().chain([("live", 1)]) {
        mock.create_topic(topic, 1, 1).expect("a mock topic");
        mock.partition_leader(topic, 0, Some(broker)).expect("a mock broker");
        config = config.input(topic, &site.log(&format!("{topic}.log")), topic);
    }
    mock.broker_down(2).expect("a mock broker");
    let mut daemon = site.run(&config);
    let lines = format!("{}\n", "x".repeat(9_999)).repeat(300);
    for topic in DEAD {
        append(&site.log(&format!("{topic}.log")), lines.as_bytes());
    }
    let detours = |line: &str| line.contains("lines go to the spool");
    // Whose lines are all read by then may wait for longer.
    daemon.hears("the way into the spool", detours);
    let mut reader = Reader::from_beginning(&mock.bootstrap_servers(), "live");
    for _ in 0..3 {
        append(&site.log("live.log"), lines.as_bytes());
        assert_eq!(reader.records(300, GENEROUS).len(), 300);
    }
    let live = |line: &String| detours(line) && line.contains("live.log");
    assert_eq!(daemon.said().into_iter().find(live), None);
    daemon.kill();
}

/// Of each file everything in its old partition was appended before anything in its new one.
#[test]
fn files_move_to_added_partitions_in_order_and_whole() {
    let kafka = Kafka::single();
    let topic = kafka.topic("growing", 1, &[("message.timestamp.type", "LogAppendTime")]);
    let site = Site::new();
    let daemon = site.run(&site.config(&kafka.bootstrap(), &topic).kafka("linger.ms", "20"));
    let plan = Plan { lines_per_second: 200, rotate_every: u64::MAX };
    let names = (0..12).map(|number| format!("{number}.log"));
    let writers: Vec<_> = names.map(|name| Writer::start(&site.log(&name), plan.clone())).collect();
    wait_until("lines of each", GENEROUS, || writers.iter().all(|writer| writer.written() > 200));
    kafka.add_partitions(&topic, 5);
    let mut reader = Reader::from_beginning(&kafka.bootstrap(), &topic);
    let mut records = Vec::new();
    let moved = |records: &[Record]| records.iter().filter(|record| record.partition > 0).count();
    wait_until("lines in a new partition", GENEROUS, || {
        records.extend(reader.records(0, Duration::from_secs(1)));
        moved(&records) > 1000
    });
    let written: Written = writers.into_iter().map(Writer::stop).collect();
    let all: u64 = written.values().sum();
    wait_until("all lines", GENEROUS, || {
        records.extend(reader.records(0, Duration::from_secs(1)));
        records.len() as u64 >= all
    });
    daemon.stop().assert_code(0);
    assert_eq!(records.len() as u64, all, "none twice");
    for (name, count) in &written {
        let mut of_file = numbered(&records, name);
        // By the broker's clock; at the same moment, by partition: the first was the older.
        of_file.sort_by_key(|(at_ms, partition, _)| (*at_ms, *partition));
        let numbers: Vec<_> = of_file.iter().map(|(_, _, number)| *number).collect();
        assert_eq!(numbers, (0..*count).collect::<Vec<_>>(), "{name}");
        let turns = of_file.windows(2).filter(|pair| pair[0].1 != pair[1].1).count();
        assert!(turns <= 1, "{name} moves once, not {turns} times");
    }
}

/// The lines of a file: when each was appended, where, and its number; as each partition has them.
fn numbered(records: &[Record], name: &str) -> Vec<(i64, i32, u64)> {
    let of_file = |record: &Record| {
        let line = lines::parse(&record.payload).expect("a line of ours");
        (line.file == name).then_some((record.timestamp, record.partition, line.number))
    };
    records.iter().filter_map(of_file).collect()
}

/// What waits has not been sent: it may go where nothing of its file is.
#[test]
fn what_waits_in_the_spool_goes_to_added_partitions_in_order() {
    let kafka = Kafka::lone();
    let topic = kafka.topic("spooled", 1, &[("message.timestamp.type", "LogAppendTime")]);
    let (site, names) = (Site::new(), (0..12).map(|number| format!("{number}.log")));
    let (names, kept): (Vec<_>, _) = (names.collect(), site.kept());
    let write = |numbers: std::ops::Range<u64>| {
        for name in &names {
            append(&site.log(name), lines(name, numbers.clone()).as_bytes());
        }
        wait_until("lines to be safe", GENEROUS, || kept.owed() == 0);
    };
    let config = impatient(site.config(&kafka.bootstrap(), &topic));
    let mut daemon = site.run(&config);
    write(0..200);
    kafka.freeze_all();
    write(200..400);
    for name in &names {
        let fits = |line: &str| {
            line.contains("lines go to the spool") && line.contains(&format!("/{name}"))
        };
        daemon.hears("the way into the spool", fits);
    }
    daemon.stop().assert_code(0);
    kafka.heal();
    kafka.add_partitions(&topic, 5);
    let daemon = site.run_again();
    write(400..500);
    let mut records = Vec::new();
    let mut reader = Reader::from_beginning(&kafka.bootstrap(), &topic);
    let all: Written = names.iter().map(|name| (name.clone(), 500)).collect();
    wait_until("all lines", GENEROUS, || {
        records.extend(reader.records(0, Duration::from_secs(1)));
        let mut verdict = Verdict::default();
        records.iter().for_each(|record| verdict.take(record.partition, &record.payload));
        verdict.has_all(&all)
    });
    daemon.stop().assert_code(0);
    assert!(records.iter().any(|record| record.partition > 0));
    for name in &names {
        let mut of_file = numbered(&records, name);
        of_file.sort_by_key(|(at_ms, partition, _)| (*at_ms, *partition));
        let mut seen = BTreeSet::new();
        let first = of_file.iter().map(|(_, _, number)| *number).filter(|it| seen.insert(*it));
        assert_eq!(first.collect::<Vec<_>>(), (0..500).collect::<Vec<_>>(), "{name}");
    }
}

/// Kafka counts as away after two seconds, and a stop takes no more than four.
fn impatient(config: Config) -> Config {
    config
        .top("checkpoint_interval", "200ms")
        .top("shutdown_grace", "4s")
        .kafka("request.timeout.ms", "1s")
        .kafka("delivery.timeout.ms", "2s")
}

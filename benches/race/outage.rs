//! All lines straight to Kafka; then into the spool while Kafka is away, kill -9, and out of the spool
//! again.

use std::time::Duration;

use tailspool::clock;

use crate::course::{Course, Plan};
use crate::entrant::{Entrant, Setup};
use crate::process::cpu;
use crate::score::surplus;
use crate::support::daemon::Daemon;
use crate::support::pulse::Marks;
use crate::support::wait::wait_until;

const PART_MAX: Duration = Duration::from_mins(15);

pub(crate) fn run(plan: Plan, rounds: u64) {
    let course = Course::lay(plan);
    let straight = [Entrant::tailspool("straight to Kafka", Setup::PLAIN)];
    surplus(course.plan.lines, &straight, &course.race(&straight, rounds));
    let (site, lines) = (&course.site, course.total());
    let topic = course.kafka.topic("outage", course.plan.partitions, &[]);
    course.kafka.kill(0);
    let config = site.config(&course.kafka.bootstrap(), &topic);
    let config = config
        .kafka("compression.type", &course.plan.codec)
        .kafka("request.timeout.ms", "1s")
        .kafka("delivery.timeout.ms", "1500ms")
        .top("spool", "{max_size: 100GiB}");

    let began = clock::now();
    let mut daemon = site.run(&config);
    wait_until("everything in the spool", PART_MAX, || {
        assert!(daemon.runs(), "it ended");
        site.kept().owed() == 0
    });
    say("into the spool", lines, began.elapsed(), cpu(daemon.id()), &daemon);
    println!("    {} MiB on disk", site.kept().spool_bytes() >> 20);
    daemon.kill();

    let began = clock::now();
    let mut daemon = site.run_again();
    daemon.hears("that it runs", |line| line.contains("running"));
    println!("opened after kill -9: {:.1} s", began.elapsed().as_secs_f64());

    course.kafka.restart(0);
    let marks = Marks::of(&course.kafka.bootstrap(), &topic);
    let records = || marks.records().unwrap_or(0);
    wait_until("the first record", PART_MAX, || records() > 0);
    let (began, before, already) = (clock::now(), cpu(daemon.id()), records());
    wait_until("the last record", PART_MAX, || records() >= lines);
    let used = cpu(daemon.id()).saturating_sub(before);
    say("out of the spool", lines - already, began.elapsed(), used, &daemon);
    daemon.stop().assert_code(0);
    assert_eq!(records(), lines, "repeated");
    println!("closed: {} MiB on disk", site.kept().spool_bytes() >> 20);
}

fn say(what: &str, lines: u64, took: Duration, cpu: Duration, daemon: &Daemon) {
    let lines = f64::from(u32::try_from(lines).expect("fewer than 4 billion"));
    println!(
        "{what}: {:.1} s, {:.0} lines/s, CPU {:.2} s per million, peak {} MiB",
        took.as_secs_f64(),
        lines / took.as_secs_f64(),
        cpu.as_secs_f64() / lines * 1e6,
        daemon.peak_bytes() >> 20
    );
}

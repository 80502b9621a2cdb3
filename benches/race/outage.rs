//! All lines straight to Kafka; then into the spool while Kafka is away, kill -9, and out of the spool
//! again, into a Kafka that is as warm as it was for those that went straight.

use std::fs;
use std::time::{Duration, Instant};

use tailspool::clock;

use crate::course::{Course, Plan};
use crate::entrant::{Entrant, Setup};
use crate::process::{Used, cpu};
use crate::score::{Lap, Row, report};
use crate::support::daemon::Daemon;
use crate::support::pulse::Marks;
use crate::support::wait::wait_until;

const PART_MAX: Duration = Duration::from_mins(15);

pub(crate) fn run(plan: Plan, rounds: u64) {
    let course = Course::lay(plan);
    course.announce();
    let straight = Entrant::tailspool("straight to Kafka", Setup::PLAIN);
    let mut rows = ["out of the spool", straight.name.as_str(), "into the spool"]
        .map(|name| Row { name: name.to_owned(), laps: Vec::new() });
    for round in 1..=rounds {
        let topic = course.kafka.topic("outage", course.plan.partitions, &[]);
        course.kafka.kill(0);
        rows[2].add(round, into(&course, &topic));
        course.kafka.restart(0);
        course.warm_up(&straight);
        rows[1].add(round, course.run(&straight));
        rows[0].add(round, out(&course, &topic));
        course.kafka.delete(&topic);
        fs::remove_dir_all(course.site.state()).expect("a temporary folder of ours");
    }
    report(course.plan.lines, &rows);
}

fn into(course: &Course, topic: &str) -> Lap {
    let config = course.site.config(&course.kafka.bootstrap(), topic);
    let config = config
        .kafka("compression.type", &course.plan.codec)
        .kafka("request.timeout.ms", "1s")
        .kafka("delivery.timeout.ms", "1500ms")
        .top("spool", "{max_size: 100GiB}");
    let began = clock::now();
    let mut daemon = course.site.run(&config);
    wait_until("everything in the spool", PART_MAX, || {
        assert!(daemon.runs(), "it ended");
        course.site.kept().owed() == 0
    });
    let lap = lap(began, &daemon);
    println!("    {} MiB on disk", course.site.kept().spool_bytes() >> 20);
    daemon.kill();
    lap
}

fn out(course: &Course, topic: &str) -> Lap {
    let marks = Marks::of(&course.kafka.bootstrap(), topic);
    let began = clock::now();
    let mut daemon = course.site.run_again();
    daemon.hears("that it runs", |line| line.contains("running"));
    println!("    opened after kill -9: {:.1} s", began.elapsed().as_secs_f64());
    wait_until("the last record", PART_MAX, || {
        marks.records().is_some_and(|records| records >= course.total())
    });
    let lap = lap(began, &daemon);
    daemon.stop().assert_code(0);
    assert_eq!(marks.records(), Some(course.total()), "repeated");
    println!("    closed: {} MiB on disk", course.site.kept().spool_bytes() >> 20);
    lap
}

fn lap(began: Instant, daemon: &Daemon) -> Lap {
    let used = Used { cpu: cpu(daemon.id()), peak_bytes: daemon.peak_bytes() };
    Lap { took: began.elapsed(), used, lost: 0, repeated: 0 }
}

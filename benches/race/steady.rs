//! What a writer of so many lines a second costs, with a short and a long linger.

use std::fs::File;
use std::io::Write;
use std::thread;
use std::time::Duration;

use tailspool::clock;

use crate::process::cpu;
use crate::support::config::Config;
use crate::support::kafka::{Kafka, Pace};
use crate::support::lines;
use crate::support::pulse::Marks;
use crate::support::site::Site;
use crate::support::wait::{GENEROUS, wait_until};

const BURST: u64 = 100;

pub(crate) fn run(rate: u64, time: Duration) {
    let kafka = Kafka::up(1, Pace::Racing);
    for linger in ["5", "100"] {
        let (site, topic) = (Site::new(), kafka.topic("steady", 3, &[]));
        let config = Config::new(&site.state(), &kafka.bootstrap())
            .kafka("linger.ms", linger)
            .kafka("compression.type", "none");
        let mut log = File::create(site.log("app.log")).expect("a temporary folder is writable");
        let marks = Marks::of(&kafka.bootstrap(), &topic);
        let daemon = site.run(&config.input("steady", &site.log("*.log"), &topic));
        let mut write = |numbers| {
            log.write_all(lines::lines("app.log", numbers).as_bytes()).expect("a log");
        };
        // Connections are made, code is warm.
        write(0..BURST);
        wait_until("the first lines", GENEROUS, || marks.records() == Some(BURST));
        let (before, began, mut written) = (cpu(daemon.id()), clock::now(), BURST);
        while began.elapsed() < time {
            write(written..written + BURST);
            written += BURST;
            let due = Duration::from_secs(1) * u32::try_from(written).expect("below 4 billion")
                / u32::try_from(rate).expect("as few");
            thread::sleep(due.saturating_sub(began.elapsed()));
        }
        wait_until("the last lines", GENEROUS, || marks.records() == Some(written));
        let used = cpu(daemon.id()).saturating_sub(before);
        println!(
            "{rate} lines/s in bursts of {BURST}, linger.ms={linger}: {:.2} % of a core, peak {} MiB",
            100.0 * used.as_secs_f64() / time.as_secs_f64(),
            daemon.peak_bytes() >> 20
        );
        daemon.stop().assert_code(0);
    }
}

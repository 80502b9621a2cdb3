//! Crashes, the daemon's and the brokers', under load: every line arrives, in order, and what is
//! repeated stays within what a crash explains.

use std::time::Duration;

use tailspool::clock;

use crate::support::daemon::Daemon;
use crate::support::dice::Dice;
use crate::support::kafka::Kafka;
use crate::support::lines::MEAN_BYTES;
use crate::support::pulse::Pulse;
use crate::support::reader::Reader;
use crate::support::site::Site;
use crate::support::verdict::{Verdict, Written};
use crate::support::wait::{GENEROUS, wait_until};
use crate::support::writer::{Plan, Writer};

const FILES: usize = 5;
const PLAN: Plan = Plan { lines_per_second: 2000, rotate_every: 5000 };
const BUFFER_BYTES: u64 = 4 << 20;
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(1);
/// A checkpoint takes its time to be written, and the pulse is felt every 100 ms.
const SLACK: Duration = Duration::from_millis(500);
const CATCH_UP: Duration = Duration::from_mins(4);

/// `TAILSPOOL_LONG=1` makes the numbers those that are promised.
fn kills() -> u32 {
    if std::env::var_os("TAILSPOOL_LONG").is_some() { 20 } else { 5 }
}

/// Five growing, rotating files, a daemon that ships them, and what its crashes may repeat.
pub(crate) struct Scene<'k> {
    kafka: &'k Kafka,
    topic: String,
    site: Site,
    writers: Vec<Writer>,
    pulse: Pulse,
    pub(crate) daemon: Option<Daemon>,
    pub(crate) dice: Dice,
    crashes: u32,
    repeats_max: u64,
}

impl<'k> Scene<'k> {
    pub(crate) fn set(test: &str, kafka: &'k Kafka, plan: &Plan) -> Self {
        let (topic, site) = (kafka.topic(test, 6, &[]), Site::new());
        let bootstrap = kafka.bootstrap();
        let config = site
            .config(&bootstrap, &topic)
            .top("checkpoint_interval", &format!("{}ms", CHECKPOINT_INTERVAL.as_millis()))
            .kafka("acks", "all")
            .kafka("buffer.memory", &BUFFER_BYTES.to_string());
        let logs = (0..FILES).map(|number| site.log(&format!("app{number}.log")));
        Self {
            writers: logs.map(|path| Writer::start(&path, plan.clone())).collect(),
            pulse: Pulse::of(&bootstrap, &topic),
            daemon: Some(site.run(&config)),
            dice: Dice::thrown_for(test),
            kafka,
            topic,
            site,
            crashes: 0,
            repeats_max: 0,
        }
    }

    pub(crate) fn written(&self) -> u64 {
        self.writers.iter().map(Writer::written).sum()
    }

    /// A moment at random, counted in lines: between 0.2 and 3 seconds at full rate.
    pub(crate) fn at_some_moment(&mut self) {
        let until = self.written() + self.dice.between(2_000, 30_000);
        wait_until("more lines to be written", GENEROUS, || self.written() >= until);
    }

    /// kill -9 and start again. Allowed to come again is what was in flight, and what was
    /// acknowledged since the last checkpoint.
    pub(crate) fn crash(&mut self) {
        let unsaved_since =
            clock::now().checked_sub(CHECKPOINT_INTERVAL + SLACK).expect("not just booted");
        self.daemon.take().expect("it runs").kill();
        self.repeats_max +=
            BUFFER_BYTES / MEAN_BYTES + self.pulse.acknowledged_since(unsaved_since);
        self.crashes += 1;
        self.daemon = Some(self.site.run_again());
    }

    /// The broker dies, the daemon once meanwhile, and the broker returns.
    pub(crate) fn broker_dies_and_returns(&mut self, broker: usize) {
        self.kafka.wait_in_sync(&self.topic);
        self.at_some_moment();
        self.kafka.kill(broker);
        self.at_some_moment();
        self.crash();
        self.at_some_moment();
        self.kafka.restart(broker);
    }

    /// The broker answers nothing until the others have taken over.
    pub(crate) fn broker_freezes_and_thaws(&mut self, broker: usize) {
        self.kafka.wait_in_sync(&self.topic);
        self.kafka.freeze(broker);
        let noticed = || self.kafka.in_sync(&self.topic).is_some_and(|replicas| replicas < 3);
        wait_until("the others take over", GENEROUS, noticed);
        self.at_some_moment();
        self.kafka.thaw(broker);
    }

    /// Stops writing, lets the daemon finish, and judges.
    pub(crate) fn judge(mut self, test: &str) {
        let written: Written = self.writers.drain(..).map(Writer::stop).collect();
        let mut verdict = Verdict::default();
        let mut reader = Reader::from_beginning(&self.kafka.bootstrap(), &self.topic);
        reader.judge(&mut verdict, &written, CATCH_UP);
        self.daemon.take().expect("it runs").stop().assert_code(0);
        reader.judge_rest(&mut verdict);
        let (lines, repeats) = (written.values().sum::<u64>(), verdict.repeats());
        let (crashes, repeats_max) = (self.crashes, self.repeats_max);
        println!(
            "{test}: {lines} lines, {crashes} crashes, {repeats} repeats (at most {repeats_max})"
        );
        println!("{verdict}");
        verdict.assert_complete_and_in_order(&written);
        assert!(repeats <= repeats_max, "{repeats} repeats, {repeats_max} at most\n{verdict}");
    }
}

#[test]
fn every_line_arrives_in_order_when_the_daemon_is_killed_at_random() {
    let kafka = Kafka::triple();
    let mut scene = Scene::set("killed", &kafka, &PLAN);
    for _ in 0..kills() {
        scene.at_some_moment();
        scene.crash();
    }
    scene.at_some_moment();
    scene.judge("killed");
}

#[test]
fn every_line_arrives_in_order_when_brokers_die_in_turn_and_the_daemon_too() {
    let kafka = Kafka::triple();
    let mut scene = Scene::set("in-turn", &kafka, &PLAN);
    for broker in 0..3 {
        scene.broker_dies_and_returns(broker);
    }
    for _ in 3..kills() {
        scene.at_some_moment();
        scene.crash();
    }
    scene.judge("in-turn");
}

#[test]
fn a_frozen_broker_costs_no_line_and_no_repeat() {
    let kafka = Kafka::triple();
    let mut scene = Scene::set("frozen", &kafka, &PLAN);
    let broker = usize::try_from(scene.dice.between(0, 3)).expect("small");
    scene.broker_freezes_and_thaws(broker);
    scene.at_some_moment();
    scene.judge("frozen");
}

//! The chaos for as long as one likes; memory and descriptors must not grow with time.

use std::time::Duration;

use tailspool::clock;

use crate::chaos::Scene;
use crate::support::kafka::Kafka;
use crate::support::writer::Plan;

/// What is written is kept by three brokers: a tenth of the chaos' rate keeps it small.
const PLAN: Plan = Plan { lines_per_second: 300, rotate_every: 3000 };
const MEMORY_MAX_BYTES: u64 = 128 << 20;
/// Every rotated file may be open for a while, beside sockets and state.
const DESCRIPTORS_MAX: usize = 256;

fn minutes() -> Duration {
    let given = std::env::var("TAILSPOOL_SOAK_MINUTES").ok();
    let minutes =
        given.map_or(20, |text| text.parse().expect("TAILSPOOL_SOAK_MINUTES is a number"));
    Duration::from_mins(minutes)
}

#[test]
#[ignore = "takes 20 minutes: make test-soak"]
fn random_faults_for_a_long_time_leave_nothing_behind() {
    let kafka = Kafka::triple();
    let mut scene = Scene::set("soak", &kafka, &PLAN);
    let (started, limit) = (clock::now(), minutes());
    while started.elapsed() < limit {
        let broker = usize::try_from(scene.dice.between(0, 3)).expect("small");
        match scene.dice.between(0, 5) {
            0 => scene.crash(),
            1 => scene.broker_dies_and_returns(broker),
            2 => scene.broker_freezes_and_thaws(broker),
            _ => scene.at_some_moment(),
        }
        within_bounds(&scene);
    }
    scene.judge("soak");
}

fn within_bounds(scene: &Scene<'_>) {
    let daemon = scene.daemon.as_ref().expect("it runs");
    let (resident, descriptors) = (daemon.resident_bytes(), daemon.descriptors());
    println!("soak: {} lines, {} MiB, {descriptors} descriptors", scene.written(), resident >> 20);
    assert!(resident < MEMORY_MAX_BYTES, "{resident} bytes of memory");
    assert!(descriptors < DESCRIPTORS_MAX, "{descriptors} descriptors");
}

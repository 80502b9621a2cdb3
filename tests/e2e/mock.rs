//! Errors that a broker may answer with, injected one by one into librdkafka's mock cluster.

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::support::config::Config;
use crate::support::lines::lines;
use crate::support::ports::Port;
use crate::support::reader::Reader;
use crate::support::site::{Site, append};
use crate::support::verdict::{Verdict, Written};
use crate::support::wait::GENEROUS;

use RDKafkaRespErr::{
    RD_KAFKA_RESP_ERR__TRANSPORT as CONNECTION_LOST,
    RD_KAFKA_RESP_ERR_INVALID_RECORD as INVALID_RECORD,
    RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE as LEADER_NOT_AVAILABLE,
    RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS as NOT_ENOUGH_REPLICAS,
    RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION as NOT_LEADER_FOR_PARTITION,
    RD_KAFKA_RESP_ERR_POLICY_VIOLATION as POLICY_VIOLATION,
    RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT as REQUEST_TIMED_OUT,
    RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED as TOPIC_AUTHORIZATION_FAILED,
};

const LINES: u64 = 500;

fn written(count: u64) -> Written {
    Written::from([("a.log".to_owned(), count)])
}

struct Scene {
    mock: MockCluster<'static, DefaultProducerContext>,
    site: Site,
}

impl Scene {
    fn set(answers: &[RDKafkaRespErr]) -> Self {
        let mock = MockCluster::new(3).expect("a mock cluster");
        mock.create_topic("logs", 2, 3).expect("a mock topic");
        mock.request_errors(RDKafkaApiKey::Produce, answers);
        let site = Site::new();
        append(&site.log("a.log"), lines("a.log", 0..LINES).as_bytes());
        Self { mock, site }
    }

    fn config(&self) -> Config {
        self.site.config(&self.mock.bootstrap_servers(), "logs")
    }

    fn read(&self) -> (Verdict, Written) {
        (self.judge(&written(LINES)), written(LINES))
    }

    fn judge(&self, written: &Written) -> Verdict {
        let mut verdict = Verdict::default();
        let mut reader = Reader::from_beginning(&self.mock.bootstrap_servers(), "logs");
        reader.judge(&mut verdict, written, GENEROUS);
        verdict
    }

    /// `run --once` ends well, and every line is there once and in order.
    fn assert_ships_all_once(&self) {
        self.site.write_config(&self.config().to_yaml());
        self.site.tailspool(&["run", "--once"]).assert_code(0);
        let (verdict, written) = self.read();
        verdict.assert_complete_and_in_order(&written);
        assert_eq!(verdict.repeats(), 0, "{verdict}");
    }
}

#[test]
fn once_ships_what_is_there_and_ends() {
    Scene::set(&[]).assert_ships_all_once();
}

#[test]
fn once_again_ships_nothing_again() {
    let scene = Scene::set(&[]);
    scene.assert_ships_all_once();
    scene.assert_ships_all_once();
}

#[test]
fn a_leader_that_moved_is_found() {
    Scene::set(&[NOT_LEADER_FOR_PARTITION, LEADER_NOT_AVAILABLE]).assert_ships_all_once();
}

#[test]
fn too_few_replicas_are_waited_for() {
    Scene::set(&[NOT_ENOUGH_REPLICAS; 3]).assert_ships_all_once();
}

#[test]
fn a_request_that_timed_out_is_repeated() {
    Scene::set(&[REQUEST_TIMED_OUT]).assert_ships_all_once();
}

#[test]
fn a_lost_connection_is_made_again() {
    Scene::set(&[CONNECTION_LOST]).assert_ships_all_once();
}

/// Refused together is not refused alone: each record of the batch is sent again by itself.
#[test]
fn a_batch_refused_once_loses_no_record() {
    let scene = Scene::set(&[INVALID_RECORD]);
    scene.site.write_config(&scene.config().to_yaml());
    scene.site.tailspool(&["run", "--once"]).assert_code(0);
    let (verdict, written) = scene.read();
    assert!(verdict.has_all(&written), "{verdict}");
    assert_eq!(verdict.repeats(), 0, "{verdict}");
    let listed = scene.site.tailspool(&["dead-letters", "ls"]);
    assert!(!listed.out.contains("a.log"), "nothing was refused alone:\n{}", listed.out);
}

/// A record refused by itself, again and again, is what dead letters are for.
#[test]
fn a_record_refused_alone_is_kept_as_a_dead_letter() {
    let scene = Scene::set(&[]);
    scene.mock.request_errors(RDKafkaApiKey::Produce, &[POLICY_VIOLATION; 8]);
    std::fs::write(scene.site.log("a.log"), "never\n").expect("a temporary folder is writable");
    scene.site.write_config(&scene.config().to_yaml());
    scene.site.tailspool(&["run", "--once"]).assert_code(0);
    let listed = scene.site.tailspool(&["dead-letters", "ls"]);
    let naming = listed.out.lines().filter(|line| line.contains("a.log")).count();
    assert_eq!(naming, 1, "one dead letter:\n{}", listed.out);
}

/// No permission today is a mistake somebody mends tomorrow: never a reason to let go of a line.
#[test]
fn a_denied_topic_is_tried_again() {
    let scene = Scene::set(&[TOPIC_AUTHORIZATION_FAILED]);
    let daemon = scene.site.run(&scene.config());
    let (verdict, written) = scene.read();
    assert!(verdict.has_all(&written), "{verdict}");
    daemon.stop().assert_code(0);
}

#[test]
fn brokers_that_go_away_and_return_cost_nothing() {
    let scene = Scene::set(&[]);
    let mut daemon = scene.site.run(&scene.config());
    scene.read().0.assert_complete_and_in_order(&written(LINES));
    let said = daemon.said().len();
    scene.mock.broker_down(-1).expect("a mock broker");
    append(&scene.site.log("a.log"), lines("a.log", LINES..2 * LINES).as_bytes());
    daemon
        .hears_after(said, "that Kafka is not there", |line| line.to_lowercase().contains("kafka"));
    scene.mock.broker_up(-1).expect("a mock broker");
    let verdict = scene.judge(&written(2 * LINES));
    verdict.assert_complete_and_in_order(&written(2 * LINES));
    assert_eq!(verdict.repeats(), 0, "{verdict}");
    daemon.stop().assert_code(0);
}

#[test]
fn once_with_a_deadline_says_that_kafka_is_away() {
    let (site, nobody) = (Site::new(), Port::reserve());
    append(&site.log("a.log"), b"a line\n");
    site.write_config(&site.config(&nobody.address(), "logs").to_yaml());
    let ended = site.tailspool(&["run", "--once", "--deadline", "3s"]);
    ended.assert_code(69);
    assert!(ended.err.contains(&nobody.address()), "which broker:\n{}", ended.err);
}

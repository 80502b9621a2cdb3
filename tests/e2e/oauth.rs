//! Coming in with tokens: of an issuer, and out of a file.

use std::fs;
use std::path::PathBuf;

use rdkafka_sys::rd_kafka_AclOperation_t as Acl;

use crate::support::config::Config;
use crate::support::daemon::Daemon;
use crate::support::guard::Guard;
use crate::support::issuer::{CLIENT_SECRET, Issuer};
use crate::support::kafka::Kafka;
use crate::support::lines::lines;
use crate::support::reader::Reader;
use crate::support::site::{Site, append};
use crate::support::verdict::{Verdict, Written};
use crate::support::wait::{GENEROUS, wait_until};

const LINES: u64 = 1000;

struct Stage<'k> {
    kafka: &'k Kafka,
    site: Site,
    topic: String,
    client: String,
}

impl<'k> Stage<'k> {
    /// A file that is there, and a topic that `client` may write to.
    fn new(kafka: &'k Kafka, client: &str) -> Self {
        let (site, topic) = (Site::new(), kafka.topic(client, 3, &[]));
        append(&site.log("a.log"), lines("a.log", 0..LINES).as_bytes());
        kafka.allow(&format!("User:{client}"), &topic, Acl::RD_KAFKA_ACL_OPERATION_WRITE);
        Self { kafka, site, topic, client: client.to_owned() }
    }

    fn plain(&self) -> Config {
        // What librdkafka may have to say, too.
        self.site.config(&self.kafka.sasl(), &self.topic).top("log", "{level: trace}")
    }

    fn secret(&self, text: &str) -> PathBuf {
        let path = self.site.root().join("secret");
        fs::write(&path, text).unwrap();
        path
    }

    /// With the right secret of the client.
    fn config(&self, issuer: &Issuer<'_>) -> Config {
        let secret = self.secret(CLIENT_SECRET);
        self.kafka.guard().with_client(self.plain(), &issuer.url(), &self.client, &secret)
    }

    /// The first `count` lines are in the topic, in order, and once.
    fn arrive(&self, count: u64) {
        let written = Written::from([("a.log".to_owned(), count)]);
        let mut verdict = Verdict::default();
        let mut reader = Reader::from_beginning(&self.kafka.bootstrap(), &self.topic);
        reader.judge(&mut verdict, &written, GENEROUS);
        reader.judge_rest(&mut verdict);
        verdict.assert_complete_and_in_order(&written);
        assert_eq!(verdict.repeats(), 0, "{verdict}");
    }
}

/// Stops; and in all that was ever said there is neither a secret nor a token.
fn ends(daemon: Daemon) {
    let mut said = daemon.said().join("\n");
    let finished = daemon.stop();
    finished.assert_code(0);
    said.push_str(&finished.out);
    assert!(!said.contains("canary"), "the secret was said:\n{said}");
    // How a JWT begins.
    assert!(!said.contains("eyJ"), "a token was said:\n{said}");
}

fn is_refusal(line: &str) -> bool {
    line.contains("does not let us in")
}

/// A refusal in which all `parts` are.
fn hears_refusal(daemon: &mut Daemon, what: &str, parts: &[&str]) {
    daemon.hears(what, |line| is_refusal(line) && parts.iter().all(|part| line.contains(part)));
}

fn refusals(daemon: &Daemon) -> usize {
    daemon.said().iter().filter(|line| is_refusal(line)).count()
}

#[test]
fn a_file_is_shipped_with_tokens_of_an_issuer() {
    let kafka = Kafka::triple();
    let stage = Stage::new(&kafka, "token-https");
    let issuer = Issuer::open_with(kafka.guard(), kafka.guard().papers("issuer"));
    let authority = kafka.guard().authority().display().to_string();
    let config = stage.config(&issuer).kafka("https.ca.location", &authority);
    let config = config.kafka("sasl.oauthbearer.extensions", "team=shop,site=north");
    let daemon = stage.site.run(&config);
    stage.arrive(LINES);
    assert_eq!(issuer.given(), 1);
    ends(daemon);
}

#[test]
fn a_token_is_renewed_and_nothing_waits_for_it() {
    let kafka = Kafka::triple();
    let stage = Stage::new(&kafka, "token-short");
    let issuer = Issuer::open(kafka.guard());
    issuer.manner().lifetime_s = 12;
    let daemon = stage.site.run(&stage.config(&issuer).kafka("linger.ms", "5"));
    let mut count = LINES;
    wait_until("the third token", GENEROUS, || {
        append(&stage.site.log("a.log"), lines("a.log", count..count + 10).as_bytes());
        count += 10;
        issuer.given() >= 3
    });
    stage.arrive(count);
    let said = daemon.said();
    let is_trouble = |line: &&String| is_refusal(line) || line.contains("lines go to the spool");
    assert_eq!(said.iter().find(is_trouble), None);
    ends(daemon);
}

#[test]
fn a_wrong_secret_is_said_and_healed_by_the_right_one() {
    let kafka = Kafka::triple();
    let stage = Stage::new(&kafka, "token-secret");
    let issuer = Issuer::open(kafka.guard());
    let config = stage.config(&issuer);
    stage.secret("a-canary-too");
    let mut daemon = stage.site.run(&config);
    let parts = ["answers 401: invalid_client: who is token-secret:***", "client.secret`"];
    hears_refusal(&mut daemon, "why nothing is sent", &parts);
    stage.secret(CLIENT_SECRET);
    daemon.hang_up();
    stage.arrive(LINES);
    assert_eq!(refusals(&daemon), 1, "the same is said once");
    ends(daemon);
}

#[test]
fn an_issuer_that_is_away_is_said_and_waited_for() {
    let kafka = Kafka::triple();
    let stage = Stage::new(&kafka, "token-away");
    let mut issuer = Issuer::open(kafka.guard());
    issuer.close();
    let mut daemon = stage.site.run(&stage.config(&issuer));
    hears_refusal(&mut daemon, "why nothing is sent", &["refused", "token.endpoint.url`"]);
    issuer.manner().lifetime_s = 5;
    issuer.reopen();
    stage.arrive(LINES);
    // Away while there is a token, and until that is over.
    issuer.close();
    daemon.hears("that there will be none", |line| line.contains("no new token; the last one"));
    let before = daemon.said().len();
    daemon.hears_after(before, "that there is none", is_refusal);
    append(&stage.site.log("a.log"), lines("a.log", LINES..LINES + 10).as_bytes());
    issuer.reopen();
    stage.arrive(LINES + 10);
    ends(daemon);
}

#[test]
fn a_token_that_brokers_do_not_take_is_said_and_another_one_is_asked_for() {
    let kafka = Kafka::triple();
    let stage = Stage::new(&kafka, "token-forged");
    let issuer = Issuer::open(kafka.guard());
    issuer.manner().forges = true;
    let mut daemon = stage.site.run(&stage.config(&issuer));
    let part = "a token that the broker does not take";
    hears_refusal(&mut daemon, "why nothing is sent", &[part]);
    issuer.manner().forges = false;
    stage.arrive(LINES);
    assert_eq!(refusals(&daemon), 1, "the same is said once");
    ends(daemon);
}

#[test]
fn a_token_in_a_file_is_read_again_when_it_ends() {
    let kafka = Kafka::triple();
    let stage = Stage::new(&kafka, "token-file");
    let path = stage.site.root().join("token");
    let url = format!("file://{}", path.display());
    let mut daemon = stage.site.run(&kafka.guard().with_tokens(stage.plain(), &url));
    hears_refusal(&mut daemon, "why nothing is sent", &["No such file"]);
    let put = |lifetime_s| {
        let token = kafka.guard().mint().token(&stage.client, lifetime_s);
        fs::write(&path, token).unwrap();
    };
    put(5);
    stage.arrive(LINES);
    let before = daemon.said().len();
    daemon.hears_after(before, "that it has expired", |line| {
        is_refusal(line) && line.contains("expired")
    });
    append(&stage.site.log("a.log"), lines("a.log", LINES..LINES + 10).as_bytes());
    put(3600);
    stage.arrive(LINES + 10);
    ends(daemon);
}

#[test]
fn an_answer_without_a_token_and_an_unknown_authority_are_said() {
    let kafka = Kafka::triple();
    let stage = Stage::new(&kafka, "token-none");
    let issuer = Issuer::open_with(kafka.guard(), kafka.guard().unknown("stranger"));
    let authority = kafka.guard().authority().display().to_string();
    let config = stage.config(&issuer).kafka("https.ca.location", &authority);
    let mut daemon = stage.site.run(&config);
    let parts = ["certificate verify failed", "https.ca.location`"];
    hears_refusal(&mut daemon, "that nobody vouches for the issuer", &parts);
    ends(daemon);
    let issuer = Issuer::open(kafka.guard());
    issuer.manner().body = Some("{}");
    let mut daemon = stage.site.run(&stage.config(&issuer));
    hears_refusal(&mut daemon, "that there is no token", &["without an `access_token`"]);
    issuer.manner().body = None;
    stage.arrive(LINES);
    ends(daemon);
}

#[test]
fn a_console_producer_comes_in_with_a_token_too() {
    let kafka = Kafka::single();
    let stage = Stage::new(kafka, "token-send");
    let issuer = Issuer::open(kafka.guard());
    stage.site.write_config(&stage.config(&issuer).to_yaml());
    let input = fs::File::open(stage.site.log("a.log")).unwrap();
    let arguments = stage.site.with_config(&["send", "--topic", &stage.topic]);
    Daemon::start_fed(input, &arguments).finish(GENEROUS).assert_code(0);
    assert_eq!(issuer.given(), 1);
}

#[test]
fn a_console_producer_keeps_its_lines_if_nobody_gives_it_a_token() {
    let kafka = Kafka::single();
    let stage = Stage::new(kafka, "token-send-away");
    let mut issuer = Issuer::open(kafka.guard());
    let config = stage.config(&issuer);
    issuer.close();
    let config = config.kafka("request.timeout.ms", "1s").kafka("delivery.timeout.ms", "1500ms");
    stage.site.write_config(&config.to_yaml());
    let undelivered = stage.site.root().join("undelivered");
    let own = ["send", "--topic", &stage.topic, "--undelivered", undelivered.to_str().unwrap()];
    let input = fs::File::open(stage.site.log("a.log")).unwrap();
    let sent = Daemon::start_fed(input, &stage.site.with_config(&own)).finish(GENEROUS);
    sent.assert_code(69);
    assert!(sent.err.contains("token.endpoint.url`"), "{}", sent.err);
    assert_eq!(fs::read_to_string(undelivered).unwrap(), lines("a.log", 0..LINES));
}

#[test]
fn check_finds_without_a_cluster_that_a_file_has_no_token() {
    let site = Site::new();
    let guard = Guard::new(&site.root().join("guard"));
    let path = site.root().join("token");
    let config = site.config("localhost:9093", "any");
    site.write_config(&guard.with_tokens(config, &format!("file://{}", path.display())).to_yaml());
    let check = |code: i32, part: &str| {
        let checked = site.tailspool(&["check", "--offline"]);
        checked.assert_code(code);
        let named = format!("{}: {part}", path.display());
        assert_eq!(checked.out.contains(&named), code != 0, "{}", checked.out);
    };
    check(65, "No such file");
    fs::write(&path, "").unwrap();
    check(65, "holds no token");
    fs::write(&path, guard.mint().token("offline", 0)).unwrap();
    check(65, "gives a token that has expired");
    fs::write(&path, guard.mint().token("offline", 3600)).unwrap();
    check(0, "");
}

#[test]
fn check_comes_in_with_a_token_and_finds_why_there_is_none() {
    let kafka = Kafka::single();
    let stage = Stage::new(kafka, "token-check");
    let mut issuer = Issuer::open(kafka.guard());
    let config = stage.config(&issuer);
    let check = |config: &Config, code: i32, parts: &[&str]| {
        stage.site.write_config(&config.to_yaml());
        let checked = stage.site.tailspool(&["check"]);
        checked.assert_code(code);
        let has = |part: &&str| checked.out.contains(*part);
        assert!(parts.iter().all(has), "{parts:?} are not all in:\n{}", checked.out);
        assert!(!checked.out.contains("canary"), "{}", checked.out);
    };
    check(&config, 0, &["✓ cluster"]);
    let over = kafka.guard().expired("issuers-authority").certificate.display().to_string();
    check(&config.clone().kafka("https.ca.location", &over), 65, &["✗", "issuers-authority"]);
    issuer.manner().forges = true;
    check(&config, 65, &["✗", "a token that the broker does not take"]);
    stage.secret("not it");
    check(&config, 65, &["✗", "invalid_client", "client.secret`"]);
    issuer.close();
    check(&config, 69, &["✗", "refused", "token.endpoint.url`"]);
    let config = config.kafka("https.ca.location", "/nowhere");
    stage.site.write_config(&config.to_yaml().replace("http:", "https:"));
    let checked = stage.site.tailspool(&["check", "--offline"]);
    checked.assert_code(65);
    assert!(checked.out.contains("authorities in /nowhere"), "{}", checked.out);
}

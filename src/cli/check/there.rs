//! What the cluster has to say.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::CheckArgs;
use super::here::Targets;
use super::of_output;
use super::papers::expiry;
use crate::checkup::{self, Findings, Target, Verdict};
use crate::clock;
use crate::cluster::{Answer, Broker, Topic};
use crate::produce::{Contact, Survey, Trouble, Unanswered, reach};
use crate::settings::{Kafka, Settings};

/// One broker that does not answer leaves time for the others.
const REACH: Duration = Duration::from_secs(3);
/// Kafka refuses records from the future by default from an hour on; what differs by less than
/// this may be the network.
const SKEW_MAX: Duration = Duration::from_secs(5);

/// Returns false if of one output there is nobody to ask.
pub(super) fn outputs(
    settings: &Settings,
    targets: &Targets,
    args: &CheckArgs,
    findings: &mut Findings,
) -> bool {
    let mut are_reachable = true;
    for (output, kafka) in settings.all_outputs() {
        let own = targets.iter().filter(|((of, _), _)| *of == output);
        let own = own.map(|((_, topic), target)| (topic.as_str(), target)).collect();
        are_reachable &=
            of_output(settings, &output, findings, |found| self::kafka(kafka, &own, args, found));
    }
    are_reachable
}

fn kafka(
    kafka: &Kafka,
    targets: &BTreeMap<&str, &Target>,
    args: &CheckArgs,
    findings: &mut Findings,
) -> bool {
    if !bootstrap(kafka, args.timeout, findings) {
        return false;
    }
    // Why there can be none has been said.
    let Ok(survey) = Survey::new(kafka, args.timeout) else { return true };
    let cluster = match survey.cluster() {
        Ok(cluster) => cluster,
        Err(error) => return unanswered(&error, &survey, kafka, findings),
    };
    checkup::cluster(&cluster, kafka, findings);
    brokers(&cluster.brokers, kafka, args.timeout, findings);
    let names: Vec<String> = targets.keys().copied().map(str::to_owned).collect();
    match survey.topics(&names) {
        Ok(topics) => {
            let none = Target::default();
            for topic in &topics {
                let target = targets.get(topic.name.as_str()).copied().unwrap_or(&none);
                checkup::topic(topic, target, &cluster, kafka, findings);
                if args.produce && matches!(topic.answer, Answer::There(_)) {
                    write(&survey, topic, target, findings);
                }
            }
        }
        Err(error) => return unanswered(&error, &survey, kafka, findings),
    }
    for trouble in survey.troubles() {
        findings.note(Verdict::Warning, trouble.reason);
    }
    true
}

/// Says why, and returns whether there was somebody at all, and to give us a token, too.
fn unanswered(error: &Unanswered, survey: &Survey, kafka: &Kafka, findings: &mut Findings) -> bool {
    let troubles = survey.troubles();
    let is_refused = troubles.iter().any(Trouble::is_refusal) || speaks_tls(kafka, findings);
    for trouble in troubles.iter().filter(|trouble| !trouble.is_unreachable()) {
        if trouble.is_refusal() {
            findings.advise(Verdict::Wrong, trouble.reason.as_str(), trouble.advice());
        } else {
            findings.note(Verdict::Warning, trouble.reason.as_str());
        }
    }
    if !is_refused {
        findings.note(Verdict::Wrong, format!("the cluster does not answer: {error}"));
    }
    is_refused && !troubles.iter().any(Trouble::lacks_issuer)
}

fn protocol(kafka: &Kafka) -> &str {
    kafka.security.get("security.protocol").unwrap_or("PLAINTEXT")
}

/// librdkafka keeps to itself why a listener that expects TLS hangs up.
fn speaks_tls(kafka: &Kafka, findings: &mut Findings) -> bool {
    let protocol = protocol(kafka);
    let speaks =
        |server: &&String| reach(server, REACH).is_ok_and(|contact| contact.speaks_tls(REACH));
    if protocol.ends_with("SSL") {
        return false;
    }
    let Some(server) = kafka.bootstrap_servers.iter().find(speaks) else { return false };
    let meant = if protocol == "PLAINTEXT" { "SSL or SASL_SSL" } else { "SASL_SSL" };
    findings.advise(
        Verdict::Wrong,
        format!("server {server} speaks TLS, `security.protocol: {protocol}` does not"),
        format!("set `kafka.security.protocol` to {meant}"),
    );
    true
}

/// Whether one of the given servers is there.
fn bootstrap(kafka: &Kafka, timeout: Duration, findings: &mut Findings) -> bool {
    let reached = kafka
        .bootstrap_servers
        .iter()
        .map(|server| (server, reach(server, timeout.min(REACH)).map(drop)));
    let reached: Vec<_> = reached.collect();
    let is_there = reached.iter().any(|(_, result)| result.is_ok());
    let verdict = if is_there { Verdict::Warning } else { Verdict::Wrong };
    for (server, result) in reached {
        if let Err(error) = result {
            findings.note(verdict, format!("server {server}: {error}"));
        }
    }
    is_there
}

/// Clients are told to go to the addresses that brokers give of themselves.
fn brokers(brokers: &[Broker], kafka: &Kafka, timeout: Duration, findings: &mut Findings) {
    for Broker { id, host, port } in brokers {
        let address =
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        match reach(&address, timeout.min(REACH)) {
            Ok(contact) => certificates(*id, host, contact, kafka, findings),
            Err(error) => findings.advise(
                Verdict::Wrong,
                format!("broker {id} gives {address} as its address: {error}"),
                "see the broker's `advertised.listeners`",
            ),
        }
    }
}

fn certificates(id: i32, host: &str, contact: Contact, kafka: &Kafka, findings: &mut Findings) {
    if !protocol(kafka).ends_with("SSL") {
        return;
    }
    match contact.certificates(host, kafka, REACH) {
        Ok(chain) => {
            for certificate in chain {
                expiry(&format!("broker {id}'s certificate"), &certificate, findings);
            }
        }
        Err(error) => {
            findings.note(Verdict::Warning, format!("broker {id}: no TLS handshake: {error}"));
        }
    }
}

fn write(survey: &Survey, topic: &Topic, target: &Target, findings: &mut Findings) {
    let name = &topic.name;
    let written =
        survey.write(name, target.partition, Some(b"tailspool check"), b"tailspool check");
    match written {
        Ok(written) => {
            findings.note(
                Verdict::Fine,
                format!(
                    "topic {name}: a record was written to partition {}, offset {}",
                    written.partition, written.offset
                ),
            );
            if let Some(appended_ms) = written.appended_ms {
                skew(appended_ms, findings);
            }
        }
        Err(error) => {
            findings.note(Verdict::Wrong, format!("topic {name}: cannot be written to: {error}"));
        }
    }
}

/// Broker and network took their time, too.
fn skew(appended_ms: i64, findings: &mut Findings) {
    let now = i64::try_from(clock::wall_ms()).unwrap_or(i64::MAX);
    let apart = Duration::from_millis(now.abs_diff(appended_ms));
    if apart > SKEW_MAX {
        let which = if appended_ms > now { "behind" } else { "ahead of" };
        findings.advise(
            Verdict::Warning,
            format!("this machine's clock is {} s {which} the brokers'", apart.as_secs()),
            "let NTP or chrony set it; Kafka refuses records from the future",
        );
    }
}

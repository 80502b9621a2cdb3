//! What an output takes over from `kafka`, and what it does not.

use std::time::Duration;

use super::{lines, load};
use crate::settings::{Acks, Compression, Kafka, Output, Settings};

/// `kafka:` with these lines, and an output `audit`, which the one input goes to.
fn text(kafka: &str, audit: &str) -> String {
    format!(
        "kafka:\n  bootstrap.servers: [k1:9092, k2:9092]\n{kafka}outputs: {{audit: {{{audit}}}}}\n\
         inputs: [{{id: a, paths: [/a], topic: t, output: audit}}]\n"
    )
}

fn settings(kafka: &str, audit: &str) -> Settings {
    load(&text(kafka, audit)).map_err(|error| error.to_string()).expect("is right").settings
}

fn audit(kafka: &str, audit: &str) -> Kafka {
    settings(kafka, audit).outputs.remove("audit").expect("is there")
}

const SASL: &str = "  security.protocol: SASL_SSL\n  sasl.mechanism: PLAIN\n  sasl.username: u\n  \
                    sasl.password: canary\n";

#[test]
fn an_input_names_its_output() {
    let settings = settings("", "acks: 1");
    assert_eq!(settings.inputs[0].output, Output::named("audit"));
    assert_eq!(settings.output(&Output::named("audit")).unwrap().acks, Acks::Leader);
    assert_eq!(settings.output(&Output::default()).unwrap().acks, Acks::All);
    assert!(settings.output(&Output::named("other")).is_none());
}

#[test]
fn what_an_output_does_not_say_is_as_in_kafka() {
    let kafka = "  linger.ms: 7\n  compression.type: gzip\n  compression.level: 9\n  \
                 client.id: x\n  buffer.memory: 64MiB\n  request.timeout.ms: 10s\n";
    let profile = audit(kafka, "acks: 1");
    assert_eq!((profile.acks, profile.enable_idempotence), (Acks::Leader, false));
    assert_eq!(profile.bootstrap_servers, ["k1:9092", "k2:9092"]);
    assert_eq!((profile.linger, profile.client_id.as_str()), (Duration::from_millis(7), "x"));
    assert_eq!(profile.compression_level, Some(9));
    assert_eq!(profile.buffer_memory_bytes, 64 << 20);
    // A level is its codec's.
    let profile = audit(kafka, "compression.type: lz4");
    assert_eq!((profile.compression_type, profile.compression_level), (Compression::Lz4, Some(1)));
}

#[test]
fn idempotence_follows_the_output_own_acks_unless_it_was_turned_off() {
    assert!(audit("  acks: 1\n", "acks: all").enable_idempotence);
    assert!(!audit("  enable.idempotence: true\n", "acks: 1").enable_idempotence);
    assert!(!audit("  enable.idempotence: false\n", "acks: all").enable_idempotence);
}

/// The password of one cluster is never told another one.
#[test]
fn security_is_taken_over_for_the_same_servers_only() {
    assert_eq!(audit(SASL, "acks: 1").security.get("sasl.password"), Some("canary"));
    let other = "bootstrap.servers: 'x:1, y:1'";
    assert!(audit(SASL, other).security.0.is_empty());
    assert!(lines(&text(SASL, other)).iter().any(|line| line.ends_with(
        "warning: other servers: the security settings of `kafka` are not taken over, this is \
         `security.protocol: PLAINTEXT`"
    )));
    let tls = format!("{other}, security.protocol: SSL");
    let found = audit(SASL, &tls).security;
    assert_eq!(
        found.0.into_iter().collect::<Vec<_>>(),
        [("security.protocol".into(), "SSL".into())]
    );
}

#[test]
fn nobody_comes_in_with_half_of_two_names() {
    for (given, protocol) in [("sasl.username: other", "SASL_SSL"), ("ssl.ca.location: /c", "SSL")]
    {
        // Of the password itself more is said.
        let own = SASL.replace("canary", "${PASSWORD}");
        let found = lines(&text(&own, given));
        let missing = format!(
            "error: `security.protocol` is missing: with security settings of its own an output \
             takes over none of `kafka`; set `security.protocol: {protocol}`"
        );
        assert!(matches!(&found[..], [line] if line.ends_with(&missing)), "{found:?}");
    }
}

#[test]
fn mistakes_are_said_with_their_output_and_once() {
    for (kafka, audit, expected) in [
        ("", "acks: 3", "4:25 error: `acks`: `3` is none of all, 1, 0, -1"),
        (
            "",
            "buffer.memory: 8MiB",
            "4:19 error: `buffer.memory` is not taken here: all outputs share `kafka.buffer.memory`",
        ),
        ("", "lingerms: 5", "4:19 error: unknown key `lingerms` => linger.ms"),
        (
            "  acks: 1\n",
            "linger.ms: 5",
            "3:9 warning: `acks` below `all` turns `enable.idempotence` off: order and no repeats on a retry are not promised",
        ),
    ] {
        let text = text(kafka, audit);
        let line =
            if kafka.is_empty() { expected.replacen("4:", "3:", 1) } else { expected.to_owned() };
        assert_eq!(lines(&text), [line], "{text}");
    }
}

#[test]
fn names_of_outputs_are_plain_and_there() {
    let with = |outputs: &str, output: &str| {
        lines(&format!(
            "kafka: {{bootstrap.servers: [k1:9092, k2:9092]}}\noutputs: {outputs}\n\
             inputs: [{{id: a, paths: [/a], topic: t, output: {output}}}]\n"
        ))
    };
    assert!(with("{audit: {}}", "audit").is_empty());
    assert!(with("~", "kafka").is_empty());
    assert_eq!(
        with("{audit: {}}", "audti"),
        [
            "2:11 warning: no input has `output: audit`; what is in the spool for it is sent",
            "3:49 error: `output`: `audti` is none of audit, kafka => audit",
        ]
    );
    assert_eq!(with("{kafka: {}}", "kafka").len(), 1);
    assert_eq!(with("{a.b: {}}", "kafka").len(), 1);
    assert_eq!(with("[audit]", "kafka").len(), 1);
}

#[test]
fn a_line_must_fit_into_a_request_of_its_output() {
    let text = "kafka: {bootstrap.servers: [k1:9092, k2:9092]}\noutputs: {small: {max.request.size: 2000}}\n\
                inputs: [{id: a, paths: [/a], topic: t, max_line: 5000, output: small}]\n";
    let found = lines(text);
    assert!(
        found.iter().any(|line| line.contains("`outputs.small.max.request.size`")),
        "{found:?}"
    );
}

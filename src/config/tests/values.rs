//! What right configurations mean.

use std::time::Duration;

use super::{lines, load, with_input, with_kafka, with_top};
use crate::settings::{
    Acks, Compression, Kafka, Partition, RateLimit, Rotated, Settings, WhenFull,
};

fn settings(text: &str) -> Settings {
    load(text).map_err(|e| e.to_string()).expect("is right").settings
}

fn kafka(lines: &str) -> Kafka {
    settings(&with_kafka(lines)).kafka
}

#[test]
fn kafka_names_and_units() {
    let kafka = kafka(
        "  acks: -1\n  linger.ms: 5\n  batch.size: 16384\n  buffer.memory: 64MiB\n  \
         compression.type: lz4\n  compression.level: -1\n  client.id: x-{host}\n  \
         delivery.timeout.ms: 2m\n  retry.backoff.ms: 50\n  send.buffer.bytes: -1",
    );
    assert_eq!(kafka.bootstrap_servers, ["k1:9092", "k2:9092"]);
    assert_eq!(kafka.acks, Acks::All);
    assert!(kafka.enable_idempotence);
    assert_eq!(kafka.linger, Duration::from_millis(5));
    assert_eq!(kafka.batch_size_bytes, 16_384);
    assert_eq!(kafka.buffer_memory_bytes, 64 << 20);
    assert_eq!((kafka.compression_type, kafka.compression_level), (Compression::Lz4, None));
    assert_eq!(kafka.client_id, "x-web-1");
    assert_eq!(kafka.send_buffer_bytes, 0);
}

#[test]
fn librdkafka_names_work_too() {
    let kafka = kafka(
        "  request.required.acks: 1\n  queue.buffering.max.ms: 7\n  compression.codec: none\n  \
         max.in.flight: 9\n  message.send.max.retries: 3\n  message.max.bytes: 2000000",
    );
    assert_eq!(kafka.acks, Acks::Leader);
    assert!(!kafka.enable_idempotence);
    assert_eq!(kafka.linger, Duration::from_millis(7));
    assert_eq!((kafka.compression_type, kafka.compression_level), (Compression::None, None));
    assert_eq!((kafka.max_in_flight_requests, kafka.retries), (9, 3));
    assert_eq!(kafka.max_request_size_bytes, 2_000_000);
}

#[test]
fn connections_have_kafka_names_and_units() {
    let kafka = kafka(
        "  metadata.max.age.ms: 5m\n  connections.max.idle.ms: -1\n  reconnect.backoff.ms: 50\n  \
         reconnect.backoff.max.ms: 10s\n  socket.keepalive.enable: false\n  \
         socket.timeout.ms: 60s\n  socket.connection.setup.timeout.ms: 30s",
    );
    assert_eq!(kafka.metadata_max_age, Duration::from_mins(5));
    assert_eq!(kafka.connections_max_idle, Some(Duration::ZERO));
    assert_eq!(kafka.reconnect_backoff, Duration::from_millis(50));
    assert_eq!(kafka.reconnect_backoff_max, Duration::from_secs(10));
    assert!(!kafka.socket_keepalive);
    assert_eq!(kafka.socket_timeout, Some(Duration::from_mins(1)));
    assert_eq!(kafka.connection_setup_timeout, Some(Duration::from_secs(30)));
}

#[test]
fn papers_may_be_given_as_text_by_either_name() {
    for names in [
        ["ssl.ca.pem", "ssl.certificate.pem", "ssl.key.pem"],
        ["ssl.truststore.certificates", "ssl.keystore.certificate.chain", "ssl.keystore.key"],
    ] {
        let given = names.map(|name| format!("  {name}: |\n    {name}\n    two\n")).concat();
        let security = kafka(&format!(
            "  security.protocol: SSL\n  ssl.cipher.suites: [A, B]\n  ssl.curves.list: 'X, Y'\n{given}"
        ))
        .security;
        let pem =
            ["ssl.ca.pem", "ssl.certificate.pem", "ssl.key.pem"].map(|name| security.get(name));
        assert_eq!(
            pem,
            names.map(|name| format!("{name}\ntwo\n")).each_ref().map(|t| Some(t.as_str()))
        );
        assert_eq!(security.get("ssl.cipher.suites"), Some("A:B"));
        assert_eq!(security.get("ssl.curves.list"), Some("X:Y"));
    }
}

#[test]
fn security_goes_through_under_librdkafka_names() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("password");
    std::fs::write(&file, " pass word \n").expect("written");
    let kafka = kafka(&format!(
        "  security.protocol: sasl_ssl\n  sasl.mechanism: SCRAM-SHA-512\n  sasl.username: 007\n  \
         sasl.password_file: {}\n  ssl.ca.location: /ca.pem\n  \
         ssl.endpoint.identification.algorithm: ''",
        file.display()
    ));
    let pairs: Vec<_> = kafka.security.0.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(
        pairs,
        [
            "sasl.mechanisms=SCRAM-SHA-512",
            "sasl.password= pass word ",
            "sasl.username=007",
            "security.protocol=SASL_SSL",
            "ssl.ca.location=/ca.pem",
            "ssl.endpoint.identification.algorithm=none",
        ]
    );
}

#[test]
fn the_case_does_not_matter_where_it_does_not_to_kafka() {
    let kafka = kafka(
        "  security.protocol: Ssl\n  ssl.endpoint.identification.algorithm: HTTPS\n  \
         ssl.ca.location: /ca.pem",
    );
    let pairs: Vec<_> = kafka.security.0.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(
        pairs,
        [
            "security.protocol=SSL",
            "ssl.ca.location=/ca.pem",
            "ssl.endpoint.identification.algorithm=https",
        ]
    );
}

#[test]
fn where_tokens_come_from_is_given_by_names_of_java_or_librdkafka() {
    for client in ["sasl.oauthbearer.client", "sasl.oauthbearer.client.credentials.client"] {
        let kafka = kafka(&format!(
            "  security.protocol: SASL_SSL\n  sasl.mechanism: OAUTHBEARER\n  \
             sasl.oauthbearer.method: OIDC\n  \
             sasl.oauthbearer.token.endpoint.url: https://issuer:8443/a/b?c\n  \
             {client}.id: tailspool\n  {client}.secret: ' ${{PASSWORD}}'\n  \
             sasl.oauthbearer.scope: produce logs\n  \
             sasl.oauthbearer.extensions: 'team=shop, site=a b'\n  https.ca.location: /ca.pem"
        ));
        let pairs: Vec<_> = kafka.security.0.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(
            pairs,
            [
                "https.ca.location=/ca.pem",
                "sasl.mechanisms=OAUTHBEARER",
                "sasl.oauthbearer.client.credentials.client.id=tailspool",
                "sasl.oauthbearer.client.credentials.client.secret= canary-from-env",
                "sasl.oauthbearer.extensions=team=shop,site=a b",
                "sasl.oauthbearer.scope=produce logs",
                "sasl.oauthbearer.token.endpoint.url=https://issuer:8443/a/b?c",
                "security.protocol=SASL_SSL",
            ]
        );
    }
    for url in ["file:/run/token", "file:///run/token"] {
        let kafka = kafka(&format!(
            "  security.protocol: SASL_SSL\n  sasl.mechanism: OAUTHBEARER\n  \
             sasl.oauthbearer.token.endpoint.url: {url}"
        ));
        let found = kafka.security.get("sasl.oauthbearer.token.endpoint.url");
        assert_eq!(found, Some("file:/run/token"));
    }
}

#[test]
fn passwords_are_taken_as_they_are_written() {
    for (written, meant) in [
        ("0x1F", "0x1F"),
        ("1.10", "1.10"),
        ("true", "true"),
        ("\"a\\tb\"", "a\tb"),
        ("pa$$word", "pa$word"),
        ("pa$word", "pa$word"),
        ("${PASSWORD}", "canary-from-env"),
        ("${NOT_SET:-a, [b]: #c}", "a, [b]: #c"),
        ("x${PASSWORD}$", "xcanary-from-env$"),
    ] {
        let kafka = kafka(&format!(
            "  security.protocol: SASL_SSL\n  sasl.mechanism: PLAIN\n  sasl.username: u\n  \
             sasl.password: {written}"
        ));
        assert_eq!(kafka.security.0.get("sasl.password").map(String::as_str), Some(meant));
    }
}

#[test]
fn inputs() {
    let settings = settings(&with_input(
        "    rotated: ['a.*']\n    partition: 3\n    max_line: 10\n    partial_timeout: 5s\n    \
         follow_symlinks: []\n    exclude_paths: ['*.tmp']",
    ));
    let input = &settings.inputs[0];
    assert_eq!(input.rotated, Rotated::Patterns(vec!["a.*".into()]));
    assert_eq!(input.partition, Partition::Number(3));
    assert_eq!(input.max_line_bytes, 10);
    assert_eq!(input.partial_timeout, Some(Duration::from_secs(5)));
    assert!(input.follow_symlinks.is_empty());
    assert_eq!(input.exclude_paths, ["*.tmp"]);
}

#[test]
fn an_input_says_what_is_too_old_and_how_fast_it_is_read() {
    let text = with_input("    ignore_older: 2d\n    rate_limit: {records: 500, bytes: 1MiB}");
    let input = &settings(&text).inputs[0];
    assert_eq!(input.ignore_older, Some(Duration::from_hours(48)));
    assert_eq!(input.rate_limit, RateLimit { records: Some(500), bytes: Some(1 << 20) });
    let input = &settings(&with_input("    rate_limit: {records: ~}")).inputs[0];
    assert_eq!((input.ignore_older, input.rate_limit), (None, RateLimit::default()));
}

#[test]
fn topics_take_host_and_input() {
    let text = "kafka: {bootstrap.servers: 'k1:9092,k2:9092'}\ninputs:\n  \
                - {id: a, paths: [/a], topic: '{input}.{host}'}\n  \
                - {id: b, paths: [/b], topic: ${TOPIC}}\n";
    let topics: Vec<_> = settings(text).inputs.iter().map(|i| i.labels.topic.to_string()).collect();
    assert_eq!(topics, ["a.web-1", "logs.env"]);
}

#[test]
fn variables_work_in_flow_lists_and_cannot_add_structure() {
    let text = "kafka:\n  bootstrap.servers: [k1:${PORT}, ${SERVERS}, \"k3:${NO_PORT:-1}\"]\n";
    let text = format!("{text}inputs: [{{id: a, paths: [/a], topic: ${{TOPIC}}}}]\n");
    let servers = settings(&text).kafka.bootstrap_servers;
    assert_eq!(servers, ["k1:9092", "k1:9092", "k2:9092", "k3:1"]);
    let evil = lines(&with_top("state_dir: ${EVIL}"));
    assert_eq!(evil, ["3:12 error: `state_dir`: `${EVIL}` holds a control character"]);
}

#[test]
fn an_empty_variable_leaves_the_default() {
    assert_eq!(kafka("  compression.level: ${EMPTY}").compression_level, Some(1));
    assert_eq!(settings(&with_top("forget_after: ${NOPE:-}")).forget_after.as_secs(), 604_800);
}

#[test]
fn comments_and_keys_are_not_expanded() {
    assert_eq!(lines(&with_top("# ${NOT_SET}")), [""; 0]);
    assert_eq!(lines(&with_top("${TOPIC}: 1")), ["3:1 error: unknown key `${TOPIC}`"]);
}

#[test]
fn anchors_and_merge_keys() {
    let text = "kafka: {bootstrap.servers: [k1:1, k2:1]}\ninputs:\n  - &base\n    id: a\n    \
                paths: [/a]\n    topic: t\n    partition: 1\n  - <<: *base\n    id: b\n    topic: u\n";
    let inputs = settings(text).inputs;
    assert_eq!((inputs[1].id.as_str(), inputs[1].labels.topic.constant()), ("b", Some("u")));
    assert_eq!(inputs[1].partition, Partition::Number(1));
}

#[test]
fn what_is_planned_may_be_named_with_nothing() {
    let text = with_top("outputs: ~\nhttp:\nspool: {when_full: drop_oldest}");
    assert_eq!(lines(&text), [""; 0]);
    assert_eq!(settings(&text).spool.when_full, WhenFull::DropOldest);
}

#[test]
fn a_small_request_makes_the_defaults_small() {
    let settings = settings(&with_kafka("  max.request.size: 100000"));
    assert_eq!(settings.inputs[0].max_line_bytes, 100_000 - 256);
    assert_eq!(settings.kafka.batch_size_bytes, 100_000);
}

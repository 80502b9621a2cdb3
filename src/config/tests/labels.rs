//! Topic, key and headers of an input.

use super::{lines, load, with_input, with_kafka};
use crate::record::RecordId;
use crate::settings::Settings;

fn settings(text: &str) -> Settings {
    load(text).map_err(|e| e.to_string()).expect("is right").settings
}

/// A whole configuration around some lines of an input, its topic among them.
fn with_topic(lines: &str) -> String {
    with_input(lines).replacen("    topic: t\n", "", 1)
}

#[test]
fn labels() {
    let settings = settings(&with_input(
        "    key: '{namespace}/{pod}'\n    topic_fallback: rest\n    topics_max: 7\n    \
             headers: {env: prod, of: '{host}/{input}/{file.name}', braces: '{{}}'}",
    ));
    let labels = &settings.inputs[0].labels;
    assert_eq!(labels.key.as_ref().map(ToString::to_string).as_deref(), Some("{namespace}/{pod}"));
    assert_eq!((labels.topic_fallback.as_deref(), labels.topics_max), (Some("rest"), 7));
    let headers = labels.headers.iter().map(|(name, value)| format!("{name}={value}"));
    assert_eq!(headers.collect::<Vec<_>>(), ["env=prod", "of=web-1/a/{file.name}", "braces={{}}"]);
}

#[test]
fn what_is_the_same_for_an_input_is_put_in() {
    let text = "    format: cri\n    stream: stderr\n    fields: {team: shop}\n    record_id: headers\n    \
                topic: '{field:team}.{stream}'\n    key: '{field:team}'";
    let found = load(&with_topic(text)).map_err(|e| e.to_string()).expect("is right");
    assert_eq!(found.warnings.len(), 0);
    let labels = &found.settings.inputs[0].labels;
    assert_eq!(labels.topic.constant(), Some("shop.stderr"));
    assert_eq!(labels.record_id, Some(RecordId::Headers));
}

#[test]
fn an_id_as_key_decides_about_no_partition() {
    let found = lines(&with_input("    record_id: key\n    partition: key"));
    assert!(found.iter().any(|line| line.contains("with `partition: key`")), "{found:?}");
    let found = lines(&with_input("    record_id: headers\n    partition: key"));
    assert!(found.iter().all(|line| !line.contains("record_id")), "{found:?}");
}

#[test]
fn a_stream_decides_about_no_topic() {
    let found = lines(&with_topic("    format: cri\n    topic: 'a.{stream}'"));
    let message = "6:12 error: `topic`: `{stream}` is not for topics in this version: two inputs, with `stream: stdout` and `stream: stderr`, have a topic each";
    assert_eq!(found, [message]);
}

#[test]
fn key_and_headers_leave_less_for_the_line() {
    let small = |lines: &str| {
        let text = with_kafka("  max.request.size: 100000");
        let text = text.replace("topic: t", &format!("topic: t, {lines}"));
        settings(&text).inputs[0].max_line_bytes
    };
    assert_eq!(small("partition: file"), 100_000 - 256);
    assert_eq!(small("key: '{path}-'"), 100_000 - 256 - 4097);
    assert_eq!(small("headers: {env: '{pod}'}"), 100_000 - 256 - 255 - 3 - 10);
    assert_eq!(small("record_id: key"), 100_000 - 256 - 32 - 1 - 20);
    assert_eq!(small("record_id: headers"), 100_000 - 256 - (16 + 32 + 10) - (16 + 20 + 10));
}

#[test]
fn a_topic_may_depend_on_the_path() {
    let text = with_topic("    topic: '{input}.{namespace}'\n    topic_fallback: a.rest");
    let labels = &settings(&text).inputs[0].labels;
    assert_eq!(labels.topic.to_string(), "a.{namespace}");
    assert_eq!((labels.topic_fallback.as_deref(), labels.topics_max), (Some("a.rest"), 100));
}

#[test]
fn key_and_headers_leave_room_for_a_line() {
    let key = "x".repeat(999_744);
    let found = lines(&with_input(&format!("    key: {key}")));
    let message = "6:10 error: key and headers may take 999744 bytes: no line fits beside them into `kafka.max.request.size` (1000000)";
    assert_eq!(found, [message]);
    assert_eq!(lines(&with_input(&format!("    key: {}", &key[1..]))), [""; 0]);
}

#[test]
fn what_is_wrong_with_a_topic() {
    for (given, found) in [
        (
            "    topic: '{pod}'",
            "5:12 error: `topic` depends on the path, which need not say it: `topic_fallback` is missing",
        ),
        (
            "    topic: '{pod}'\n    topic_fallback: a b",
            "6:21 error: `topic_fallback`: ` ` in `a b` is not for topics (only A-Z a-z 0-9 . _ -)",
        ),
        (
            "    topic: '{path}'\n    topic_fallback: x",
            "5:12 error: `topic`: `{path}` holds `/`, which is not for topics (only A-Z a-z 0-9 . _ -)",
        ),
        (
            "    topic: 'x {pod}'\n    topic_fallback: x",
            "5:12 error: `topic`: ` ` in `x ` is not for topics (only A-Z a-z 0-9 . _ -)",
        ),
        (
            "    topic: u\n    topics_max: 0",
            "6:17 error: `topics_max`: `0` is less than 1, the least possible",
        ),
        (
            "    topic: 't}'",
            "5:12 error: `topic`: `}` without its `{`; a brace itself is written twice",
        ),
    ] {
        assert_eq!(lines(&with_topic(given)), [found], "{given}");
    }
}

#[test]
fn what_is_wrong_with_key_and_headers() {
    for (given, found) in [
        (
            "    key: '{contaner}'",
            "6:10 error: `key`: `{contaner}` is no field of a template => {container}",
        ),
        (
            "    key: '{field:a.b}'",
            "6:10 error: `key`: `{field:a.b}` is none of the input's `fields`; what `processors` find in messages is not for templates in this version",
        ),
        (
            "    key: '{stream}'",
            "6:10 error: `key`: `{stream}` is known of containers' logs only (`format: container`)",
        ),
        (
            "    key: x\n    record_id: key",
            "7:16 error: `record_id: key` is the key of a record: `key` cannot be another one; `record_id: headers` goes with it",
        ),
        ("    headers: {a: '{pod'}", "6:18 error: `headers`: `{` without its `}`"),
        ("    headers: {a: [b]}", "6:18 error: `headers` takes a single value, not a list"),
        ("    headers: [a]", "6:14 error: `headers` takes a mapping (`key: value`), not a list"),
        (
            "    headers: {tailspool-x: y}",
            "6:15 error: `headers`: `tailspool-x` begins like what tailspool adds itself",
        ),
        ("    headers: {'': y}", "6:15 error: `headers`: must not be empty"),
        ("    headers: {a: b, a: c}", "6:21 error: duplicate key `a`, first on line 6"),
        (
            "    headers: {a: b}\n    max_line: 999740",
            "7:15 error: `max_line` is more than fits into `kafka.max.request.size` (1000000) beside key and headers: at most 999732",
        ),
    ] {
        assert_eq!(lines(&with_input(given)), [found], "{given}");
    }
}

//! Documents as Filebeat 8 sends them to Kafka, so that what reads those can read these.

use super::text::{push_field, push_fields, push_object};
use super::{Constant, Told};
use crate::processors::Fields;
use crate::record::NS_PER_MS;
use crate::template::Field;
use crate::time_text;

/// Whose documents these look like. Pipelines choose indices and steps by it.
const BEAT: &str = "filebeat";
const BEAT_VERSION: &str = "8.17.0";
/// What that version says of its documents.
const ECS_VERSION: &str = "8.0.0";
/// Who made them.
const BUILD: &str = concat!("tailspool ", env!("CARGO_PKG_VERSION"));

/// From the path of the file on: what is the same for all records of a lineage.
pub(super) fn constant(told: &Constant<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    push_object(&mut out, "@metadata", |out| {
        for (name, text) in [("beat", BEAT), ("type", "_doc"), ("version", BEAT_VERSION)] {
            push_field(out, name, text.as_bytes());
        }
    });
    push_object(&mut out, "agent", |out| {
        for (name, text) in [("type", BEAT), ("version", BEAT_VERSION), ("name", told.host)] {
            push_field(out, name, text.as_bytes());
        }
        push_object(out, "build", |out| push_field(out, "original", BUILD.as_bytes()));
    });
    push_object(&mut out, "ecs", |out| push_field(out, "version", ECS_VERSION.as_bytes()));
    push_object(&mut out, "host", |out| push_field(out, "name", told.host.as_bytes()));
    let kind = if told.is_container { "container" } else { "filestream" };
    push_object(&mut out, "input", |out| push_field(out, "type", kind.as_bytes()));
    push_object(&mut out, "container", |out| push_known(out, told, "id", Field::Id));
    push_object(&mut out, "kubernetes", |out| {
        push_known(out, told, "namespace", Field::Namespace);
        push_object(out, "pod", |out| {
            push_known(out, told, "name", Field::Pod);
            push_known(out, told, "uid", Field::Uid);
        });
        push_object(out, "container", |out| push_known(out, told, "name", Field::Container));
    });
    push_fields(&mut out, told.fields, &Fields::default());
    out.extend_from_slice(br#""log":{"#);
    push_object(&mut out, "file", |out| push_field(out, "path", told.origin.path()));
    out
}

fn push_known(out: &mut Vec<u8>, told: &Constant<'_>, name: &str, field: Field) {
    if let Some(value) = told.origin.get(field) {
        push_field(out, name, value);
    }
}

/// All but the message.
pub(super) fn push(out: &mut Vec<u8>, constant: &[u8], told: &Told<'_>) {
    out.extend_from_slice(br#"{"@timestamp":""#);
    // Filebeat's times end with the milliseconds.
    time_text::push_rfc3339(out, told.time_ns - told.time_ns.rem_euclid(NS_PER_MS));
    out.extend_from_slice(br#"","#);
    if let Some(stream) = told.stream {
        push_field(out, "stream", stream.name().as_bytes());
    }
    out.extend_from_slice(constant);
    let flags = [(told.is_cut, &br#""truncated""#[..]), (told.is_event, br#""multiline""#)];
    let flags: Vec<&[u8]> = flags.iter().filter(|(is, _)| *is).map(|(_, flag)| *flag).collect();
    if !flags.is_empty() {
        out.extend_from_slice(br#""flags":["#);
        out.extend_from_slice(&flags.join(&b','));
        out.extend_from_slice(b"],");
    }
    out.extend_from_slice(br#""offset":"#);
    out.extend_from_slice(told.start.0.to_string().as_bytes());
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tests::{input, told, value};
    use super::*;
    use crate::settings::{Document, Format};

    #[test]
    fn a_container_is_told_of_as_filebeat_does() {
        let path = "/var/log/pods/shop_cart-1_0a1b/web/3.log";
        let input = crate::settings::Input { format: Format::Cri, ..input(Document::Ecs, 2000) };
        let found = value(&input, path, &told(b"a\t\"b\" \xFF"));
        let expected = serde_json::json!({
            "@timestamp": "1970-01-01T00:00:01.500Z",
            "@metadata": {"beat": "filebeat", "type": "_doc", "version": "8.17.0"},
            "stream": "stderr",
            "message": "a\t\"b\" \u{fffd}",
            "log": {"offset": 17, "file": {"path": path}},
            "input": {"type": "container"},
            "agent": {
                "type": "filebeat", "version": "8.17.0", "name": "h",
                "build": {"original": BUILD},
            },
            "ecs": {"version": "8.0.0"},
            "host": {"name": "h"},
            "kubernetes": {
                "namespace": "shop",
                "pod": {"name": "cart-1", "uid": "0a1b"},
                "container": {"name": "web"},
            },
            "fields": {"env": "prod \"1\""},
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn what_was_joined_or_cut_has_flags() {
        let input = input(Document::Ecs, 2000);
        let told = Told { stream: None, time_ns: 1_500_999, ..told(b"a\nb") };
        let event = value(&input, "/a.log", &Told { is_event: true, ..told });
        assert_eq!(event["log"]["flags"], serde_json::json!(["multiline"]));
        assert_eq!(event["@timestamp"], "1970-01-01T00:00:00.001Z");
        assert_eq!(event["input"]["type"], "filestream");
        assert!(event.get("kubernetes").is_none() && event.get("container").is_none());
        let both = value(&input, "/a.log", &Told { is_event: true, is_cut: true, ..told });
        assert_eq!(both["log"]["flags"], serde_json::json!(["truncated", "multiline"]));
    }

    #[test]
    fn what_does_not_fit_is_cut_and_says_so() {
        let message = vec![b'x'; 3000];
        let cut = value(&input(Document::Ecs, 1000), "/a.log", &told(&message));
        assert_eq!(cut["log"]["flags"], serde_json::json!(["truncated"]));
        let long_lines = crate::settings::LongLine::Split;
        let split =
            crate::settings::Input { on_long_line: long_lines, ..input(Document::Ecs, 1000) };
        assert!(value(&split, "/a.log", &told(&message))["log"].get("flags").is_none());
        let docker = "/var/lib/docker/containers/ab/ab-json.log";
        assert!(Path::new(docker).is_absolute());
        let found = value(&input(Document::Ecs, 1000), docker, &told(b"x"));
        assert_eq!(found["container"]["id"], "ab");
    }
}

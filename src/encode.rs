//! What a record's value is around its message: nothing, or JSON.
//!
//! Pure. The fields that are the same for all records of a lineage are rendered once.

use serde::de::IgnoredAny;

use crate::frame;
use crate::record::{Offset, Stream};
use crate::settings::{Format, Input, Value};
use crate::template::Origin;
use crate::time_text;

/// Makes the values of one lineage.
#[derive(Debug)]
pub struct Encoder {
    /// Host, input, path, what that says of a container, and the configured fields.
    constant: Vec<u8>,
    /// Messages may be JSON themselves.
    is_json: bool,
    /// The most bytes of a value.
    value_max: usize,
}

/// What a value tells of its record.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    pub message: &'a [u8],
    /// Where it begins in its source.
    pub start: Offset,
    /// When it was written, or else read; in nanoseconds since 1970.
    pub time_ns: i64,
    /// Which of a container's outputs it came from.
    pub stream: Option<Stream>,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// How many bytes of it are in the value.
    pub kept: usize,
    /// It is not in the format it should have.
    pub is_foreign: bool,
}

impl Encoder {
    /// Nothing if values are the messages as they are.
    pub fn of(input: &Input, origin: &Origin<'_>) -> Option<Self> {
        let Value::Json { host, fields, value_max } = &input.value else { return None };
        let mut constant = Vec::new();
        let path = String::from_utf8_lossy(origin.path());
        for (name, text) in [("host", host.as_str()), ("input", &input.id), ("path", &path)] {
            push_field(&mut constant, name, text.as_bytes());
        }
        for (name, value) in origin.attributes() {
            push_field(&mut constant, name, value.as_bytes());
        }
        if !fields.is_empty() {
            constant.extend_from_slice(br#""fields":{"#);
            for (name, value) in fields {
                push_field(&mut constant, name, value.as_bytes());
            }
            constant.pop();
            constant.extend_from_slice(b"},");
        }
        let is_json = input.format == Format::Json;
        Some(Self { constant, is_json, value_max: *value_max })
    }

    /// Appends the value, with less than the whole message if that would make it too large.
    pub fn push(&self, out: &mut Vec<u8>, told: &Told<'_>) -> Written {
        let begin = out.len();
        let mut kept = told.message.len();
        loop {
            let message = told.message.get(..kept).unwrap_or_default();
            let is_foreign = self.push_all(out, &Told { message, ..*told });
            let len = out.len() - begin;
            if len <= self.value_max || kept == 0 {
                return Written { kept, is_foreign };
            }
            // Escapes make a byte six, so what is left out may be little or nearly all.
            let over = (len - self.value_max).div_ceil(6).max(kept / 8);
            let most = kept.saturating_sub(over);
            kept = frame::character_border(told.message, most).unwrap_or(most);
            out.truncate(begin);
        }
    }

    /// Returns whether a message is not what it should be.
    fn push_all(&self, out: &mut Vec<u8>, told: &Told<'_>) -> bool {
        out.extend_from_slice(br#"{"time":""#);
        time_text::push_rfc3339(out, told.time_ns);
        out.extend_from_slice(br#"","#);
        out.extend_from_slice(&self.constant);
        if let Some(stream) = told.stream {
            push_field(out, "log.iostream", stream.name().as_bytes());
        }
        out.extend_from_slice(br#""offset":"#);
        out.extend_from_slice(told.start.0.to_string().as_bytes());
        let is_json = self.is_json && serde_json::from_slice::<IgnoredAny>(told.message).is_ok();
        if is_json {
            out.extend_from_slice(br#","json":"#);
            out.extend_from_slice(told.message);
        } else {
            out.extend_from_slice(br#","message":"#);
            push_text(out, told.message);
        }
        out.push(b'}');
        self.is_json && !is_json
    }
}

fn push_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    push_text(out, name.as_bytes());
    out.push(b':');
    push_text(out, value);
    out.push(b',');
}

/// A JSON string (RFC 8259). What is not UTF-8 becomes U+FFFD.
fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let begin = out.len();
    if serde_json::to_writer(&mut *out, &*text).is_err() {
        // Writing into memory does not fail; if it did, JSON must still come out.
        out.truncate(begin);
        out.extend_from_slice(b"null");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn input(value_max: usize) -> Input {
        let fields = vec![("env".into(), "prod \"1\"".into())];
        let value = Value::Json { host: "h".into(), fields, value_max };
        Input { id: "pods".into(), value, ..Input::example() }
    }

    fn told(message: &[u8]) -> Told<'_> {
        Told { message, start: Offset(17), time_ns: 1_500_000_000, stream: Some(Stream::Stderr) }
    }

    fn value(input: &Input, path: &str, message: &[u8]) -> serde_json::Value {
        let encoder = Encoder::of(input, &Origin::of(Path::new(path), None)).unwrap();
        let mut out = b"before".to_vec();
        encoder.push(&mut out, &told(message));
        serde_json::from_slice(&out[6..]).expect("is JSON")
    }

    #[test]
    fn a_value_says_where_it_comes_from_in_open_telemetrys_names() {
        let path = "/var/log/pods/shop_cart-1_0a1b/web/3.log";
        let found = value(&input(1000), path, b"a\t\"b\" \xFF");
        let expected = serde_json::json!({
            "time": "1970-01-01T00:00:01.500Z",
            "host": "h",
            "input": "pods",
            "path": path,
            "offset": 17,
            "message": "a\t\"b\" \u{fffd}",
            "fields": {"env": "prod \"1\""},
            "log.iostream": "stderr",
            "k8s.namespace.name": "shop",
            "k8s.pod.name": "cart-1",
            "k8s.pod.uid": "0a1b",
            "k8s.container.name": "web",
            "k8s.container.restart_count": "3",
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn json_is_taken_over_as_it_is_and_what_is_none_stays_a_message() {
        let input = Input { format: Format::Json, ..input(1000) };
        assert_eq!(value(&input, "/a", br#"{"a":[1]}"#)["json"]["a"][0], 1);
        assert_eq!(value(&input, "/a", b"{torn")["message"], "{torn");
    }

    proptest! {
        #[test]
        fn whatever_is_in_a_message_its_value_is_json_and_not_too_large(
            message in prop::collection::vec(any::<u8>(), 0..500),
            value_max in 300..600_usize,
        ) {
            let encoder = Encoder::of(&input(value_max), &Origin::of(Path::new("/a"), None)).unwrap();
            let mut out = Vec::new();
            let Written { kept, .. } = encoder.push(&mut out, &told(&message));
            prop_assert!(out.len() <= value_max);
            let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
            let text = String::from_utf8_lossy(&message[..kept]);
            prop_assert_eq!(value["message"].as_str().unwrap(), &*text);
            prop_assert!(kept == message.len() || out.len() + 6 * 60 > value_max / 2);
        }
    }
}

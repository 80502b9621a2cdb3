//! What a record's value is around its message: nothing, or a JSON document.
//!
//! Pure. What is the same for all records of a lineage is rendered once.

mod ecs;
mod json;
mod text;

use serde::de::IgnoredAny;

use self::text::push_text;
use crate::frame;
use crate::record::{Offset, Stream};
use crate::settings::{Document, Format, Input, LongLine, Value};
use crate::template::Origin;

/// Makes the values of one lineage.
#[derive(Debug)]
pub struct Encoder {
    document: Document,
    constant: Vec<u8>,
    /// Messages may be JSON themselves.
    is_json: bool,
    /// What does not fit is in the next value.
    is_split: bool,
    /// The most bytes of a value.
    value_max: usize,
}

/// What is the same for all records of a lineage.
#[derive(Debug, Clone, Copy)]
struct Constant<'a> {
    host: &'a str,
    input: &'a str,
    origin: &'a Origin<'a>,
    fields: &'a [(String, String)],
    is_container: bool,
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
    /// It was made of several lines.
    pub is_event: bool,
    /// There was more of it.
    pub is_cut: bool,
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
        let Value::Document { document, host, fields, value_max } = &input.value else {
            return None;
        };
        let is_container = !matches!(input.format, Format::Text | Format::Json);
        let constant = Constant { host, input: &input.id, origin, fields, is_container };
        Some(Self {
            document: *document,
            constant: match document {
                Document::Json => json::constant(&constant),
                Document::Ecs => ecs::constant(&constant),
            },
            is_json: input.format == Format::Json,
            is_split: input.on_long_line == LongLine::Split,
            value_max: *value_max,
        })
    }

    /// Appends the value, with less than the whole message if that would make it too large.
    pub fn push(&self, out: &mut Vec<u8>, told: &Told<'_>) -> Written {
        let begin = out.len();
        let mut kept = told.message.len();
        loop {
            let message = told.message.get(..kept).unwrap_or_default();
            let is_cut = told.is_cut || (kept < told.message.len() && !self.is_split);
            let is_foreign = self.push_all(out, &Told { message, is_cut, ..*told });
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
        match self.document {
            Document::Json => json::push(out, &self.constant, told),
            Document::Ecs => ecs::push(out, &self.constant, told),
        }
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    pub(super) fn input(document: Document, value_max: usize) -> Input {
        let fields = vec![("env".into(), "prod \"1\"".into())];
        let value = Value::Document { document, host: "h".into(), fields, value_max };
        Input { id: "pods".into(), value, ..Input::example() }
    }

    pub(super) fn told(message: &[u8]) -> Told<'_> {
        let stream = Some(Stream::Stderr);
        let (start, time_ns) = (Offset(17), 1_500_000_000);
        Told { message, start, time_ns, stream, is_event: false, is_cut: false }
    }

    pub(super) fn value(input: &Input, path: &str, told: &Told<'_>) -> serde_json::Value {
        let encoder = Encoder::of(input, &Origin::of(Path::new(path), None)).unwrap();
        let mut out = b"before".to_vec();
        encoder.push(&mut out, told);
        serde_json::from_slice(&out[6..]).expect("is JSON")
    }

    #[test]
    fn a_value_says_where_it_comes_from_in_open_telemetrys_names() {
        let path = "/var/log/pods/shop_cart-1_0a1b/web/3.log";
        let found = value(&input(Document::Json, 1000), path, &told(b"a\t\"b\" \xFF"));
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
        for document in [Document::Json, Document::Ecs] {
            let input = Input { format: Format::Json, ..input(document, 1000) };
            assert_eq!(value(&input, "/a", &told(br#"{"a":[1]}"#))["json"]["a"][0], 1);
            assert_eq!(value(&input, "/a", &told(b"{torn"))["message"], "{torn");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_in_a_message_its_value_is_json_and_not_too_large(
            message in prop::collection::vec(any::<u8>(), 0..500),
            document in prop::sample::select(vec![Document::Json, Document::Ecs]),
            value_max in 600..1000_usize,
        ) {
            let origin = Origin::of(Path::new("/a"), None);
            let encoder = Encoder::of(&input(document, value_max), &origin).unwrap();
            let mut out = Vec::new();
            let Written { kept, .. } = encoder.push(&mut out, &told(&message));
            prop_assert!(out.len() <= value_max);
            let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
            let text = String::from_utf8_lossy(&message[..kept]);
            prop_assert_eq!(value["message"].as_str().unwrap(), &*text);
            prop_assert!(kept == message.len() || out.len() + 6 * 60 > value_max / 2);
            let is_cut = value["log"]["flags"] == serde_json::json!(["truncated"]);
            prop_assert_eq!(is_cut, document == Document::Ecs && kept < message.len());
        }
    }
}

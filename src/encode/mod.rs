//! What a record's value is around its message: nothing, or a JSON document.
//!
//! Pure. What is the same for all records of a lineage is rendered once.

mod ecs;
mod json;
mod text;

use serde::de::IgnoredAny;

use self::text::{push_fields, push_text};
use crate::frame;
use crate::processors::Fields;
use crate::record::{Offset, Stream};
use crate::settings::{Document, Format, Input, LongLine, Value};
use crate::template::Origin;

/// Makes the values of one lineage.
#[derive(Debug)]
pub struct Encoder {
    document: Document,
    constant: Vec<u8>,
    /// Those of the input, if more are found in messages; else they are in `constant`.
    fields: Option<Vec<(String, String)>>,
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
    /// What was found in it.
    pub fields: &'a Fields<'a>,
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
    /// What was found in it is not in the value: there was no room beside the message.
    pub lacks_fields: bool,
}

impl Encoder {
    /// Nothing if values are the messages as they are.
    pub fn of(input: &Input, origin: &Origin<'_>) -> Option<Self> {
        let Value::Document { document, host, fields, value_max } = &input.value else {
            return None;
        };
        let is_container = !matches!(input.format, Format::Text | Format::Json);
        let finds_more = input.processors.iter().any(|processor| processor.action.gives_fields());
        let given = finds_more.then(|| fields.clone());
        let fields = if finds_more { &[] } else { fields.as_slice() };
        let constant = Constant { host, input: &input.id, origin, fields, is_container };
        Some(Self {
            document: *document,
            constant: match document {
                Document::Json => json::constant(&constant),
                Document::Ecs => ecs::constant(&constant),
            },
            fields: given,
            is_json: input.format == Format::Json,
            is_split: input.on_long_line == LongLine::Split,
            value_max: *value_max,
        })
    }

    /// Appends the value. If that would be too large, what was found in the message is left out,
    /// and then as much of the message as has to be.
    pub fn push(&self, out: &mut Vec<u8>, told: &Told<'_>) -> Written {
        let begin = out.len();
        let mut kept = told.message.len();
        if !told.fields.is_empty() {
            let is_foreign = self.push_all(out, told);
            if out.len() - begin <= self.value_max {
                return Written { kept, is_foreign, lacks_fields: false };
            }
            out.truncate(begin);
            let bare = Told { fields: &Fields::default(), ..*told };
            return Written { lacks_fields: true, ..self.push(out, &bare) };
        }
        loop {
            let message = told.message.get(..kept).unwrap_or_default();
            let is_cut = told.is_cut || (kept < told.message.len() && !self.is_split);
            let is_foreign = self.push_all(out, &Told { message, is_cut, ..*told });
            let len = out.len() - begin;
            if len <= self.value_max || kept == 0 {
                return Written { kept, is_foreign, lacks_fields: false };
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
        out.push(b',');
        if let Some(given) = &self.fields {
            push_fields(out, given, told.fields);
        }
        let is_json = self.is_json && is_json(told.message);
        if is_json {
            out.extend_from_slice(br#""json":"#);
            out.extend_from_slice(told.message);
        } else {
            out.extend_from_slice(br#""message":"#);
            push_text(out, told.message);
        }
        out.push(b'}');
        self.is_json && !is_json
    }
}

fn is_json(message: &[u8]) -> bool {
    // What is passed over in a text is not looked at, and it may be no UTF-8.
    let text = std::str::from_utf8(message);
    text.is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::processors::{Given, Processors};
    use crate::settings::{Action, OnError, Processor};

    pub(super) fn input(document: Document, value_max: usize) -> Input {
        let fields = vec![("env".into(), "prod \"1\"".into())];
        let value = Value::Document { document, host: "h".into(), fields, value_max };
        Input { id: "pods".into(), value, ..Input::example() }
    }

    pub(super) fn told(message: &[u8]) -> Told<'_> {
        static NONE: LazyLock<Fields<'_>> = LazyLock::new(Fields::default);
        let (fields, stream) = (&*NONE, Some(Stream::Stderr));
        let (start, time_ns) = (Offset(17), 1_500_000_000);
        Told { message, fields, start, time_ns, stream, is_event: false, is_cut: false }
    }

    fn parsing(document: Document, value_max: usize) -> Input {
        let processors = vec![Processor { action: Action::ParseJson, on_error: OnError::Keep }];
        Input { processors, ..input(document, value_max) }
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
            assert_eq!(value(&input, "/a", &told(b"\"\xFF\""))["message"], "\"\u{fffd}\"");
        }
    }

    #[test]
    fn what_is_found_in_a_message_stands_among_the_fields() {
        let text = br#"{"env": "test", "n": 1.10e400, "o": {"p": [null]}}"#;
        for document in [Document::Json, Document::Ecs] {
            let input = parsing(document, 1000);
            let processors = Processors::of(&input.processors).unwrap();
            let given = Given { text, is_cut: false, read_ns: 0 };
            let fields = &processors.run(&given, |failure| panic!("{failure}")).fields;
            let encoder = Encoder::of(&input, &Origin::of(Path::new("/a"), None)).unwrap();
            let mut out = Vec::new();
            encoder.push(&mut out, &Told { fields, ..told(text) });
            let found = String::from_utf8(out).unwrap();
            let expected =
                r#","fields":{"env":"test","n":1.10e400,"o":{"p": [null]}},"message":"{"#;
            assert!(found.contains(expected), "{found}");
            let bare = value(&input, "/a", &told(b"no object"));
            assert_eq!(bare["fields"], serde_json::json!({"env": "prod \"1\""}));
        }
    }

    #[test]
    fn what_does_not_fit_beside_its_message_is_left_out() {
        let text = format!(r#"{{"a":"{}"}}"#, "x".repeat(400));
        let input = parsing(Document::Json, 1000);
        let processors = Processors::of(&input.processors).unwrap();
        let encoder = Encoder::of(&input, &Origin::of(Path::new("/a"), None)).unwrap();
        for (len, is_whole, lacks_fields) in
            [(5, true, false), (700, true, true), (2000, false, true)]
        {
            let given = Given { text: text.as_bytes(), is_cut: false, read_ns: 0 };
            let fields = &processors.run(&given, |failure| panic!("{failure}")).fields;
            let (mut out, message) = (Vec::new(), vec![b'y'; len]);
            let written = encoder.push(&mut out, &Told { fields, ..told(&message) });
            let found: serde_json::Value = serde_json::from_slice(&out).unwrap();
            assert!(out.len() <= 1000, "{found}");
            assert_eq!(written.lacks_fields, lacks_fields, "{found}");
            assert_eq!(found["fields"].get("a").is_none(), lacks_fields, "{found}");
            assert_eq!(found["fields"]["env"], "prod \"1\"");
            assert_eq!(written.kept == len, is_whole, "{found}");
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

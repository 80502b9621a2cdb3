//! One dead letter, and its line in the file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::path_text;
use crate::record::{Generation, Lineage, Offset};

/// A record that was refused, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub lineage: Lineage,
    pub generation: Generation,
    /// Where the record begins in its source, if that is known.
    pub start: Option<Offset>,
    /// Where it ends.
    pub end: Offset,
    pub topic: String,
    /// None if it was never given one.
    pub partition: Option<i32>,
    /// Kafka's name of the error, such as `MESSAGE_TOO_LARGE`.
    pub reason: String,
    /// The error in words.
    pub error: String,
    /// The record as it would have been sent.
    pub value: Vec<u8>,
}

/// A letter as it is in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// When it was written, in RFC 3339.
    pub time: String,
    pub letter: Letter,
}

/// A letter without its value, for lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub time: String,
    pub input: String,
    /// The path as [`path_text`] writes it.
    pub path: String,
    pub generation: u64,
    pub end: u64,
    pub topic: String,
    pub partition: Option<i32>,
    pub reason: String,
    /// The value's length.
    pub bytes: u64,
}

/// The JSON. The value is in the one of the two fields that can hold it.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    time: String,
    input: String,
    path: String,
    generation: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    start: Option<u64>,
    end: u64,
    topic: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    partition: Option<i32>,
    reason: String,
    error: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    value: Option<std::borrow::Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    value_base64: Option<String>,
}

impl Letter {
    /// Its line, line break included, as written at `time_ms`.
    pub(super) fn line(&self, time_ms: u64) -> Vec<u8> {
        let text = std::str::from_utf8(&self.value).ok();
        let wire = Wire {
            time: clock::rfc3339(time_ms),
            input: self.lineage.input.clone(),
            path: path_text::encode(&self.lineage.path),
            generation: self.generation.0,
            start: self.start.map(|start| start.0),
            end: self.end.0,
            topic: self.topic.clone(),
            partition: self.partition,
            reason: self.reason.clone(),
            error: self.error.clone(),
            value: text.map(Into::into),
            value_base64: text.is_none().then(|| STANDARD.encode(&self.value)),
        };
        let Ok(mut line) = serde_json::to_vec(&wire) else {
            unreachable!("strings and numbers have a JSON form")
        };
        line.push(b'\n');
        line
    }
}

impl Stored {
    /// Reads a line, its break taken off; nothing if it is not a letter.
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        let wire: Wire<'_> = serde_json::from_slice(line).ok()?;
        let value = match (wire.value, wire.value_base64) {
            (Some(text), None) => text.into_owned().into_bytes(),
            (None, Some(encoded)) => STANDARD.decode(encoded).ok()?,
            (Some(_), Some(_)) | (None, None) => return None,
        };
        let letter = Letter {
            lineage: Lineage { input: wire.input, path: path_text::decode(&wire.path) },
            generation: Generation(wire.generation),
            start: wire.start.map(Offset),
            end: Offset(wire.end),
            topic: wire.topic,
            partition: wire.partition,
            reason: wire.reason,
            error: wire.error,
            value,
        };
        Some(Self { time: wire.time, letter })
    }

    pub fn summary(&self) -> Summary {
        let Self { time, letter } = self;
        Summary {
            time: time.clone(),
            input: letter.lineage.input.clone(),
            path: path_text::encode(&letter.lineage.path),
            generation: letter.generation.0,
            end: letter.end.0,
            topic: letter.topic.clone(),
            partition: letter.partition,
            reason: letter.reason.clone(),
            bytes: letter.value.len() as u64,
        }
    }
}

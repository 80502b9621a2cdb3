//! One dead letter, and its line in the file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::path_text;
use crate::record::{Generation, Lineage, Offset, Remarks};
use crate::settings::Output;
use crate::time_text;

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
    pub output: Output,
    /// None if it was never given one.
    pub partition: Option<i32>,
    /// Kafka's name of the error, such as `MESSAGE_TOO_LARGE`.
    pub reason: String,
    /// The error in words.
    pub error: String,
    /// The record as it would have been sent.
    pub value: Vec<u8>,
    pub key: Option<Vec<u8>>,
    /// Those of the input; what `remarks` stand for is not among them.
    pub headers: Vec<(String, Vec<u8>)>,
    pub remarks: Remarks,
    /// When the record was made, in milliseconds since 1970, if that is known.
    pub made_ms: Option<i64>,
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

/// The JSON. Bytes are in the one of two fields that can hold them.
#[derive(Serialize, Deserialize)]
struct Wire {
    time: String,
    input: String,
    path: String,
    generation: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    start: Option<u64>,
    end: u64,
    topic: String,
    /// None: `kafka`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    output: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    partition: Option<i32>,
    reason: String,
    error: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    key_base64: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    headers: Vec<WireHeader>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    truncated_from: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    unfinished: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    timestamp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    value_base64: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct WireHeader {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    value_base64: Option<String>,
}

impl WireHeader {
    fn read(self) -> Option<(String, Vec<u8>)> {
        Some((self.name, one_of(self.value, self.value_base64)?))
    }
}

/// As text if it is UTF-8, else in base64.
fn either(bytes: &[u8]) -> (Option<String>, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text.to_owned()), None),
        Err(_) => (None, Some(STANDARD.encode(bytes))),
    }
}

/// Undoes [`either`].
fn one_of(text: Option<String>, encoded: Option<String>) -> Option<Vec<u8>> {
    match (text, encoded) {
        (Some(text), None) => Some(text.into_bytes()),
        (None, Some(encoded)) => STANDARD.decode(encoded).ok(),
        (Some(_), Some(_)) | (None, None) => None,
    }
}

impl Letter {
    /// What it holds that may be of any length.
    pub(super) fn len(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len());
        self.value.len() + self.key.as_ref().map_or(0, Vec::len) + headers.sum::<usize>()
    }

    /// Its line, line break included, as written at `time_ms`.
    pub(super) fn line(&self, time_ms: u64) -> Vec<u8> {
        let (value, value_base64) = either(&self.value);
        let (key, key_base64) = self.key.as_deref().map(either).unwrap_or_default();
        let header = |(name, value): &(String, Vec<u8>)| {
            let (value, value_base64) = either(value);
            WireHeader { name: name.clone(), value, value_base64 }
        };
        let wire = Wire {
            time: time_text::rfc3339(time_ms),
            input: self.lineage.input.to_string(),
            path: path_text::encode(&self.lineage.path),
            generation: self.generation.0,
            start: self.start.map(|start| start.0),
            end: self.end.0,
            topic: self.topic.clone(),
            output: self.output.name().map(str::to_owned),
            partition: self.partition,
            reason: self.reason.clone(),
            error: self.error.clone(),
            key,
            key_base64,
            headers: self.headers.iter().map(header).collect(),
            truncated_from: self.remarks.cut_from,
            unfinished: self.remarks.unfinished,
            timestamp: self.made_ms,
            value,
            value_base64,
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
        let wire: Wire = serde_json::from_slice(line).ok()?;
        let value = one_of(wire.value, wire.value_base64)?;
        let key = match (wire.key, wire.key_base64) {
            (None, None) => None,
            (text, encoded) => Some(one_of(text, encoded)?),
        };
        let headers: Option<Vec<_>> = wire.headers.into_iter().map(WireHeader::read).collect();
        let letter = Letter {
            lineage: Lineage { input: wire.input.into(), path: path_text::decode(&wire.path) },
            generation: Generation(wire.generation),
            start: wire.start.map(Offset),
            end: Offset(wire.end),
            topic: wire.topic,
            output: wire.output.as_deref().map_or_else(Output::default, Output::named),
            partition: wire.partition,
            reason: wire.reason,
            error: wire.error,
            value,
            key,
            headers: headers?,
            remarks: Remarks {
                cut_from: wire.truncated_from,
                unfinished: wire.unfinished,
                failed: None,
            },
            made_ms: wire.timestamp,
        };
        Some(Self { time: wire.time, letter })
    }

    pub fn summary(&self) -> Summary {
        let Self { time, letter } = self;
        Summary {
            time: time.clone(),
            input: letter.lineage.input.to_string(),
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

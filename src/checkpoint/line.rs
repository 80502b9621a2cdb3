//! One line of the log: `crc32 in 8 hex digits, space, JSON, line break`.
//!
//! The sum covers the JSON. Each line is whole by itself and says what it is about.

use std::path::PathBuf;
use std::sync::Arc;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::change::Saved;
use crate::path_text;
use crate::record::{Ahead, Anchor, Generation, Identity, Lineage, Mark, Offset};

pub(super) const FORMAT: &str = "tailspool checkpoints";
pub(super) const VERSION: u32 = 1;

/// The checksum's digits, and the space after them.
const PREFIX_LEN: usize = 9;

/// What a line says. `Saved` stands for the whole source, `Forgotten` for its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    Header { format: String, version: u32, born_ms: Option<u64> },
    Source(Box<Saved>),
    Forgotten { lineage: Lineage, generation: Generation },
    Lineage { lineage: Lineage, next: Generation },
    Floor { next: Generation },
    Look { input: String, at_ms: u64 },
    Damaged { at_ms: u64 },
}

impl Line {
    pub(super) fn header(born_ms: Option<u64>) -> Self {
        Self::Header { format: FORMAT.to_owned(), version: VERSION, born_ms }
    }

    /// Appends this line to `out`.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> std::io::Result<()> {
        let json = serde_json::to_vec(&Wire::from(self))?;
        out.extend_from_slice(format!("{:08x} ", crc32fast::hash(&json)).as_bytes());
        out.extend_from_slice(&json);
        out.push(b'\n');
        Ok(())
    }

    /// Reads a line, its break taken off; nothing if it is not whole.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        if !Self::begins(bytes) {
            return None;
        }
        let (prefix, json) = bytes.split_at_checked(PREFIX_LEN)?;
        let crc = u32::from_str_radix(std::str::from_utf8(prefix).ok()?.trim_end(), 16).ok()?;
        if crc != crc32fast::hash(json) {
            return None;
        }
        serde_json::from_slice::<Wire>(json).ok().map(Self::from)
    }

    /// Reads the line that `bytes` begin with, whatever follows it. Returns its length, too.
    pub(super) fn read_first(bytes: &[u8]) -> Option<(Self, usize)> {
        let json = bytes.get(PREFIX_LEN..)?;
        let mut values = serde_json::Deserializer::from_slice(json).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        let len = PREFIX_LEN + values.byte_offset();
        Some((Self::read(bytes.get(..len)?)?, len))
    }

    /// Whether a line seems to begin here.
    pub(super) fn begins(bytes: &[u8]) -> bool {
        let hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        bytes
            .split_at_checked(PREFIX_LEN - 1)
            .is_some_and(|(digits, rest)| digits.iter().all(hex) && rest.starts_with(b" {"))
    }
}

/// The JSON. What is as usual is left out: most lines are written once a second.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wire {
    Header {
        format: String,
        version: u32,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        born_ms: Option<u64>,
    },
    Source(WireSource),
    Forgotten {
        input: String,
        path: String,
        generation: u64,
    },
    Lineage {
        input: String,
        path: String,
        next: u64,
    },
    Floor {
        next: u64,
    },
    Look {
        input: String,
        at_ms: u64,
    },
    Damaged {
        at_ms: u64,
    },
}

#[derive(Serialize, Deserialize)]
struct WireSource {
    input: String,
    path: String,
    generation: u64,
    dev: u64,
    ino: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    born_ns: Option<u64>,
    head_len: u32,
    head_hash: Hex,
    /// The path it was last seen at, if that is not the lineage's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    now: Option<String>,
    accepted: WireMark,
    /// If that is not the accepted one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    acknowledged: Option<WireMark>,
    seen_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    gone_ms: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct WireMark {
    offset: u64,
    anchor: Hex,
    /// Where the last record of each stream ended, if that is further.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    ahead: Option<[u64; 2]>,
}

/// A hash as 16 hex digits: as a number, other JSON tools would round it.
#[derive(Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
struct Hex(u64);

impl From<Hex> for String {
    fn from(Hex(hash): Hex) -> Self {
        format!("{hash:016x}")
    }
}

impl TryFrom<String> for Hex {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        u64::from_str_radix(&text, 16).map(Self)
    }
}

impl Clone for Hex {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl From<&Line> for Wire {
    fn from(line: &Line) -> Self {
        match line {
            Line::Header { format, version, born_ms } => {
                Self::Header { format: format.clone(), version: *version, born_ms: *born_ms }
            }
            Line::Source(saved) => Self::Source(WireSource::from(&**saved)),
            Line::Forgotten { lineage, generation } => {
                let Lineage { input, path } = lineage;
                let generation = generation.0;
                Self::Forgotten {
                    input: input.to_string(),
                    path: path_text::encode(path),
                    generation,
                }
            }
            Line::Lineage { lineage: Lineage { input, path }, next } => Self::Lineage {
                input: input.to_string(),
                path: path_text::encode(path),
                next: next.0,
            },
            Line::Floor { next } => Self::Floor { next: next.0 },
            Line::Look { input, at_ms } => Self::Look { input: input.clone(), at_ms: *at_ms },
            Line::Damaged { at_ms } => Self::Damaged { at_ms: *at_ms },
        }
    }
}

impl From<Wire> for Line {
    fn from(wire: Wire) -> Self {
        match wire {
            Wire::Header { format, version, born_ms } => Self::Header { format, version, born_ms },
            Wire::Source(source) => Self::Source(Box::new(source.into())),
            Wire::Forgotten { input, path, generation } => Self::Forgotten {
                lineage: Lineage { input: input.into(), path: path_text::decode(&path) },
                generation: Generation(generation),
            },
            Wire::Lineage { input, path, next } => Self::Lineage {
                lineage: Lineage { input: input.into(), path: path_text::decode(&path) },
                next: Generation(next),
            },
            Wire::Floor { next } => Self::Floor { next: Generation(next) },
            Wire::Look { input, at_ms } => Self::Look { input, at_ms },
            Wire::Damaged { at_ms } => Self::Damaged { at_ms },
        }
    }
}

impl From<&Saved> for WireSource {
    fn from(saved: &Saved) -> Self {
        let Saved { lineage, identity, .. } = saved;
        Self {
            input: lineage.input.to_string(),
            path: path_text::encode(&lineage.path),
            generation: saved.generation.0,
            dev: identity.dev,
            ino: identity.ino,
            born_ns: identity.born_ns,
            head_len: identity.head_len,
            head_hash: Hex(identity.head_hash),
            now: (saved.path != lineage.path).then(|| path_text::encode(&saved.path)),
            accepted: saved.accepted.into(),
            acknowledged: (saved.acknowledged != saved.accepted).then(|| saved.acknowledged.into()),
            seen_ms: saved.seen_ms,
            gone_ms: saved.gone_ms,
        }
    }
}

impl From<WireSource> for Saved {
    fn from(wire: WireSource) -> Self {
        let path = path_text::decode(&wire.path);
        let accepted = Mark::from(wire.accepted);
        let acknowledged = wire.acknowledged.map_or(accepted, Mark::from);
        Self {
            path: wire.now.map_or_else(|| PathBuf::clone(&path), |now| path_text::decode(&now)),
            lineage: Arc::new(Lineage { input: wire.input.into(), path }),
            generation: Generation(wire.generation),
            identity: Identity {
                dev: wire.dev,
                ino: wire.ino,
                born_ns: wire.born_ns,
                head_len: wire.head_len,
                head_hash: wire.head_hash.0,
            },
            accepted,
            // Nobody writes a line that breaks this; should one be read, the nearer place holds.
            acknowledged: if acknowledged.offset > accepted.offset {
                accepted
            } else {
                acknowledged
            },
            seen_ms: wire.seen_ms,
            gone_ms: wire.gone_ms,
        }
    }
}

impl From<Mark> for WireMark {
    fn from(mark: Mark) -> Self {
        let Mark { offset, anchor, ahead } = mark;
        let ahead = (ahead != Ahead::NONE).then(|| ahead.0.map(|offset| offset.0));
        Self { offset: offset.0, anchor: Hex(anchor.0), ahead }
    }
}

impl From<WireMark> for Mark {
    fn from(wire: WireMark) -> Self {
        let ahead = wire.ahead.map_or(Ahead::NONE, |ahead| Ahead(ahead.map(Offset)));
        Self { offset: Offset(wire.offset), anchor: Anchor(wire.anchor.0), ahead }
    }
}

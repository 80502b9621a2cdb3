//! Templates: texts with places for what is known of a file before a line of it has been read, and
//! of a container's line for the stream that it came from.
//!
//! Pure: the same path gives the same text, so that what is read again carries the same.

mod label;
mod origin;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::record::Stream;

pub use label::{Fallback, Labeller, Labels, TopicError, check_topic};
pub use origin::Origin;

/// Longer paths than this cannot be opened, and longer names do not exist (`PATH_MAX` and
/// `NAME_MAX` of Linux).
const PATH_LEN_MAX: usize = 4096;
const NAME_LEN_MAX: usize = 255;
/// How long a stream's name is.
const STREAM_LEN: usize = 6;

/// What a template may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Host,
    Input,
    /// As matched.
    Path,
    FileName,
    Namespace,
    Pod,
    Uid,
    Container,
    Restart,
    Id,
    Stream,
}

impl Field {
    pub const ALL: &[(&str, Self)] = &[
        ("host", Self::Host),
        ("input", Self::Input),
        ("path", Self::Path),
        ("file.name", Self::FileName),
        ("namespace", Self::Namespace),
        ("pod", Self::Pod),
        ("uid", Self::Uid),
        ("container", Self::Container),
        ("restart", Self::Restart),
        ("id", Self::Id),
        ("stream", Self::Stream),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, field)| *field == self).map_or("", |(name, _)| name)
    }

    fn len_max(self) -> usize {
        match self {
            Self::Path => PATH_LEN_MAX,
            Self::Stream => STREAM_LEN,
            Self::Host
            | Self::Input
            | Self::FileName
            | Self::Namespace
            | Self::Pod
            | Self::Uid
            | Self::Container
            | Self::Restart
            | Self::Id => NAME_LEN_MAX,
        }
    }
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// `{` without its `}`.
    Unclosed,
    /// `}` without its `{`.
    Unopened,
    Unknown(String),
    /// The input has no such field among its `fields`.
    NotGiven(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(Field),
    /// One of the input's `fields`, until these are put in.
    Given(String),
}

/// What is the same for a whole input.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    pub host: &'a str,
    pub id: &'a str,
    pub fields: &'a [(String, String)],
    /// If lines of the other one are not wanted.
    pub stream: Option<Stream>,
}

/// A text with fields in it. `{{` and `}}` stand for the braces themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template(Vec<Part>);

/// What a template came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub bytes: Vec<u8>,
    /// The first field of which the path says nothing; it stands as nothing in `bytes`.
    pub missing: Option<Field>,
}

impl Template {
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let mut template = Self::default();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            template.push_text(before);
            rest = if let Some(after) = from.strip_prefix("{{") {
                template.push_text("{");
                after
            } else if let Some(after) = from.strip_prefix("}}") {
                template.push_text("}");
                after
            } else {
                let opened = from.strip_prefix('{').ok_or(Wrong::Unopened)?;
                let (name, after) = opened.split_once('}').ok_or(Wrong::Unclosed)?;
                template.0.push(part(name)?);
                after
            };
        }
        template.push_text(rest);
        Ok(template)
    }

    /// Puts in what is the same for a whole input.
    pub fn bind(self, input: &Input<'_>) -> Result<Self, Wrong> {
        let mut bound = Self::default();
        for part in self.0 {
            match (part, input.stream) {
                (Part::Text(text), _) => bound.push_text(&text),
                (Part::Field(Field::Host), _) => bound.push_text(input.host),
                (Part::Field(Field::Input), _) => bound.push_text(input.id),
                (Part::Field(Field::Stream), Some(stream)) => bound.push_text(stream.name()),
                (other @ Part::Field(_), _) => bound.0.push(other),
                (Part::Given(name), _) => {
                    let given = input.fields.iter().find(|(given, _)| *given == name);
                    bound.push_text(&given.ok_or(Wrong::NotGiven(name))?.1);
                }
            }
        }
        Ok(bound)
    }

    fn push_text(&mut self, text: &str) {
        match self.0.last_mut() {
            _ if text.is_empty() => {}
            Some(Part::Text(last)) => last.push_str(text),
            _ => self.0.push(Part::Text(text.to_owned())),
        }
    }

    /// The text, if no path changes it.
    pub fn constant(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The texts between its fields.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Field(_) | Part::Given(_) => None,
        })
    }

    /// Whether it asks for any of the input's `fields`.
    pub fn has_given(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Given(_)))
    }

    pub fn has(&self, field: Field) -> bool {
        self.0.contains(&Part::Field(field))
    }

    /// The most bytes that any path makes of it.
    pub fn len_max(&self) -> usize {
        let len = |part: &Part| match part {
            Part::Text(text) => text.len(),
            Part::Field(field) => field.len_max(),
            Part::Given(_) => 0,
        };
        self.0.iter().map(len).sum()
    }

    pub fn render(&self, origin: &Origin<'_>) -> Rendered {
        let mut rendered = Rendered { bytes: Vec::new(), missing: None };
        for part in &self.0 {
            match part {
                Part::Text(text) => rendered.bytes.extend_from_slice(text.as_bytes()),
                Part::Field(field) => match origin.get(*field) {
                    Some(value) => rendered.bytes.extend_from_slice(value),
                    None => rendered.missing = rendered.missing.or(Some(*field)),
                },
                Part::Given(_) => {}
            }
        }
        rendered
    }
}

fn part(name: &str) -> Result<Part, Wrong> {
    if let Some(given) = name.strip_prefix("field:") {
        return Ok(Part::Given(given.to_owned()));
    }
    let known = Field::ALL.iter().find(|(known, _)| *known == name);
    known.map(|(_, field)| Part::Field(*field)).ok_or_else(|| Wrong::Unknown(name.to_owned()))
}

/// As it would be written.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            match part {
                Part::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}"))?,
                Part::Field(field) => write!(f, "{{{}}}", field.name())?,
                Part::Given(name) => write!(f, "{{field:{name}}}")?,
            }
        }
        Ok(())
    }
}

//! Templates: texts with places for what is known of a file before a line of it has been read.
//!
//! Pure: the same path gives the same text, so that what is read again carries the same.

mod label;
mod origin;
#[cfg(test)]
mod tests;

use std::fmt;

pub use label::{Fallback, Labeller, Labels, TopicError, check_topic};
pub use origin::Origin;

/// Longer paths than this cannot be opened, and longer names do not exist (`PATH_MAX` and
/// `NAME_MAX` of Linux).
const PATH_LEN_MAX: usize = 4096;
const NAME_LEN_MAX: usize = 255;

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
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, field)| *field == self).map_or("", |(name, _)| name)
    }

    fn len_max(self) -> usize {
        if self == Self::Path { PATH_LEN_MAX } else { NAME_LEN_MAX }
    }
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// `{` without its `}`.
    Unclosed,
    /// `}` without its `{`.
    Unopened,
    /// Differs from record to record, and is to come.
    PerRecord(String),
    Unknown(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(Field),
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
                template.0.push(Part::Field(field(name)?));
                after
            };
        }
        template.push_text(rest);
        Ok(template)
    }

    /// Puts in what is the same for a whole input.
    #[must_use]
    pub fn bind(self, host: &str, input: &str) -> Self {
        let mut bound = Self::default();
        for part in self.0 {
            match part {
                Part::Text(text) => bound.push_text(&text),
                Part::Field(Field::Host) => bound.push_text(host),
                Part::Field(Field::Input) => bound.push_text(input),
                other @ Part::Field(_) => bound.0.push(other),
            }
        }
        bound
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
            Part::Field(_) => None,
        })
    }

    pub fn has(&self, field: Field) -> bool {
        self.0.contains(&Part::Field(field))
    }

    /// The most bytes that any path makes of it.
    pub fn len_max(&self) -> usize {
        let len = |part: &Part| match part {
            Part::Text(text) => text.len(),
            Part::Field(field) => field.len_max(),
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
            }
        }
        rendered
    }
}

fn field(name: &str) -> Result<Field, Wrong> {
    if name == "stream" || name.starts_with("field:") {
        return Err(Wrong::PerRecord(name.to_owned()));
    }
    let known = Field::ALL.iter().find(|(known, _)| *known == name);
    known.map(|(_, field)| *field).ok_or_else(|| Wrong::Unknown(name.to_owned()))
}

/// As it would be written.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            match part {
                Part::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}"))?,
                Part::Field(field) => write!(f, "{{{}}}", field.name())?,
            }
        }
        Ok(())
    }
}

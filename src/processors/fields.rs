//! The fields of one message.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::record::Failure;

/// By name; of the same name the last one counts.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Fields<'a> {
    #[serde(borrow)]
    all: BTreeMap<Name<'a>, Value<'a>>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl Borrow<str> for Name<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// As it stood: no digit of a number is lost.
    Json(&'a str),
    Text(&'a [u8]),
}

impl<'de: 'a, 'a> Deserialize<'de> for Value<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(from).map(|raw| Self::Json(raw.get()))
    }
}

impl<'a> Fields<'a> {
    /// The members of an object.
    pub(super) fn add_json(&mut self, text: &'a [u8]) -> Result<(), Failure> {
        let mut found: Self = serde_json::from_slice(text).map_err(|_| Failure::NoObject)?;
        self.all.append(&mut found.all);
        Ok(())
    }

    pub(super) fn set(&mut self, name: &'a str, value: Value<'a>) {
        self.all.insert(Name(Cow::Borrowed(name)), value);
    }

    /// By its name, or by names with dots between them, of which all but the last lead into an
    /// object.
    pub(super) fn find(&self, path: &str) -> Option<Value<'a>> {
        if let Some(value) = self.all.get(path) {
            return Some(*value);
        }
        let (first, rest) = path.split_once('.')?;
        match self.all.get(first)? {
            Value::Json(object) => serde_json::from_str::<Self>(object).ok()?.find(rest),
            Value::Text(_) => None,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub fn has(&self, name: &str) -> bool {
        self.all.contains_key(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, Value<'a>)> {
        self.all.iter().map(|(name, value)| (name.borrow(), *value))
    }
}

impl<'a> Value<'a> {
    /// What it says, if that is a text or a number.
    pub(super) fn text(self) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Json(json) if json.starts_with('"') => {
                let Name(text) = serde_json::from_str(json).ok()?;
                Some(match text {
                    Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                    Cow::Owned(text) => Cow::Owned(text.into_bytes()),
                })
            }
            Self::Json(json) if json.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
                Some(Cow::Borrowed(json.as_bytes()))
            }
            Self::Json(_) => None,
        }
    }
}

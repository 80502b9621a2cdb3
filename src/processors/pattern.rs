//! Fields out of a text, by a regular expression.

use regex::bytes::Regex;

use super::{Fields, Unusable, Value};
use crate::record::Failure;

/// One that gives fields: it has groups with names.
#[derive(Debug)]
pub struct Pattern(Regex);

impl Pattern {
    pub fn new(text: &str) -> Result<Self, Unusable> {
        let pattern = Self(Regex::new(text)?);
        let has_any = pattern.groups().next().is_some();
        has_any.then_some(pattern).ok_or(Unusable::NoGroup)
    }

    /// What the fields are called that it gives.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.0.capture_names().flatten()
    }

    /// A group that takes no part in the match gives no field.
    pub(super) fn find<'a>(
        &'a self,
        text: &'a [u8],
        fields: &mut Fields<'a>,
    ) -> Result<(), Failure> {
        let found = self.0.captures(text).ok_or(Failure::NoMatch)?;
        for (at, name) in self.0.capture_names().enumerate() {
            if let (Some(name), Some(group)) = (name, found.get(at)) {
                fields.set(name, Value::Text(group.as_bytes()));
            }
        }
        Ok(())
    }
}

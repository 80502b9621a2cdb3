//! What a record's value is.

use std::cell::Cell;

use super::World;
use crate::config::parse::{self, Parsed, Wrong};
use crate::config::raw::Scalar;
use crate::config::section::Section;
use crate::config::suggest::near;
use crate::settings::{Document, OnError, Processor, Value};

const PLANNED: &[&str] = &["avro"];
const KNOWN: [&str; 3] = ["raw", "json", "ecs"];

/// The fields of an input, and whether a template asks for one.
pub(super) struct Fields {
    pub(super) given: Vec<(String, String)>,
    pub(super) are_used: Cell<bool>,
}

pub(super) fn fields(s: &Section<'_>) -> Fields {
    let given = s.map("fields", parse::text, |scalar| Ok(scalar.text.clone()));
    Fields { given: given.unwrap_or_default(), are_used: Cell::new(false) }
}

/// `value_max`: what fits into a request. `processors`: if nothing is wrong with them.
pub(super) fn check(
    s: &Section<'_>,
    world: &World<'_>,
    fields: Fields,
    processors: Option<&[Processor]>,
    value_max: usize,
) -> Value {
    let document = s.read("value", None, document);
    if let Some(document) = document.value {
        let (host, fields) = (world.host.clone(), fields.given);
        return Value::Document { document, host, fields, value_max };
    }
    if !fields.given.is_empty() && !fields.are_used.get() && document.sound {
        let message = "`fields` has no effect with `value: raw` and no `{field:NAME}`; `value: json` and `value: ecs` have them";
        s.warning(s.place_of("fields"), "fields", message.into());
    }
    let is_idle = |one: &Processor| one.action.gives_fields() && one.on_error == OnError::Keep;
    let processors = processors.unwrap_or_default();
    if !processors.is_empty() && processors.iter().all(is_idle) && document.sound {
        let message = "`processors` has no effect with `value: raw`, no `timestamp` and nothing but `on_error: keep`; `value: json` and `value: ecs` have the fields";
        s.warning(s.place_of("processors"), "processors", message.into());
    }
    Value::Raw
}

fn document(scalar: &Scalar) -> Parsed<Option<Document>> {
    let shown = scalar.shown();
    match scalar.text.as_str() {
        "raw" => Ok(None),
        "json" => Ok(Some(Document::Json)),
        "ecs" => Ok(Some(Document::Ecs)),
        text if PLANNED.contains(&text) => {
            Err(Wrong::new(format!("{shown} is not supported by this version")))
        }
        text => {
            let wrong = Wrong::new(format!("{shown} is none of raw, json, ecs"));
            Err(wrong.suggest(near(text, KNOWN)))
        }
    }
}

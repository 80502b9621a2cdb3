//! What a record's value is.

use super::World;
use crate::config::parse::{self, Parsed, Wrong};
use crate::config::raw::Scalar;
use crate::config::section::Section;
use crate::config::suggest::near;
use crate::settings::Value;

const PLANNED: &[&str] = &["ecs", "avro"];

/// `value_max`: what fits into a request.
pub(super) fn check(s: &Section<'_>, world: &World<'_>, value_max: usize) -> Value {
    let is_json = s.read("value", false, is_json);
    let fields = s.map("fields", parse::text, |scalar| Ok(scalar.text.clone()));
    if is_json.value {
        let (host, fields) = (world.host.clone(), fields.unwrap_or_default());
        return Value::Json { host, fields, value_max };
    }
    if fields.is_some_and(|fields| !fields.is_empty()) && is_json.sound {
        let message = "`fields` has no effect with `value: raw`; `value: json` has them";
        s.warning(s.place_of("fields"), "fields", message.into());
    }
    Value::Raw
}

fn is_json(scalar: &Scalar) -> Parsed<bool> {
    let shown = scalar.shown();
    match scalar.text.as_str() {
        "raw" => Ok(false),
        "json" => Ok(true),
        text if PLANNED.contains(&text) => {
            Err(Wrong::new(format!("{shown} is not supported by this version")))
        }
        text => {
            let wrong = Wrong::new(format!("{shown} is none of raw, json"));
            Err(wrong.suggest(near(text, ["raw", "json"])))
        }
    }
}

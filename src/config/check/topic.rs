//! Topic names and the templates they come from.

use crate::config::parse::{Parsed, Wrong};
use crate::config::raw::Scalar;
use crate::config::suggest::{near, quoted};

/// As in `org.apache.kafka.common.internals.Topic`.
const NAME_LEN_MAX: usize = 249;
/// Differ from record to record, and are to come.
const PER_RECORD: &[&str] =
    &["path", "file.name", "namespace", "pod", "uid", "container", "restart", "stream", "id"];

/// The name that a template gives for an input on this host.
pub(super) fn name(scalar: &Scalar, host: &str, input: &str) -> Parsed<String> {
    let name = fill(&scalar.text, host, input)?;
    if name.is_empty() || name == "." || name == ".." {
        return Err(Wrong::new(format!("{} cannot be the name of a topic", scalar.shown())));
    }
    if name.len() > NAME_LEN_MAX {
        let len = name.len();
        let message = format!("the name has {len} characters; Kafka takes {NAME_LEN_MAX}");
        return Err(Wrong::new(message));
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match name.chars().find(|c| !legal(*c)) {
        None => Ok(name),
        Some(_) if scalar.written.is_some() => {
            let message = format!("{} gives a name that Kafka does not take", scalar.shown());
            Err(Wrong::new(message))
        }
        Some(c) => {
            let name = quoted(&name);
            let bad = quoted(&c.to_string());
            let message = format!("{bad} in {name} is not for topics (only A-Z a-z 0-9 . _ -)");
            Err(Wrong::new(message))
        }
    }
}

fn fill(template: &str, host: &str, input: &str) -> Parsed<String> {
    let mut name = String::new();
    let mut rest = template;
    while let Some((before, from)) = rest.split_once('{') {
        name.push_str(before);
        let unclosed = || Wrong::new("`{` without its `}`".into());
        let (field, after) = from.split_once('}').ok_or_else(unclosed)?;
        name.push_str(match field {
            "host" => host,
            "input" => input,
            other => return Err(not_filled(other)),
        });
        rest = after;
    }
    name.push_str(rest);
    Ok(name)
}

fn not_filled(field: &str) -> Wrong {
    let shown = quoted(&format!("{{{field}}}"));
    if PER_RECORD.contains(&field) || field.starts_with("field:") {
        return Wrong::new(format!("{shown} is not supported by this version"));
    }
    let meant = near(field, ["host", "input"]).map(|field| format!("{{{field}}}"));
    Wrong::new(format!("{shown} is no field of a topic's name")).suggest(meant)
}

//! What is done with the messages of an input, one after the other: items `{name: options}`.

use crate::config::parse::{self, Parsed, Wrong};
use crate::config::raw::Scalar;
use crate::config::section::{Section, planned};
use crate::config::suggest::{near, quoted};
use crate::processors::{Form, Pattern, Unusable, Zone};
use crate::settings::{Action, OnError, Processor};

/// None if something is wrong with it.
type Read = fn(&Section<'_>, &mut Known) -> Option<Action>;

const ACTIONS: [(&str, Read); 3] =
    [("parse_json", parse_json), ("parse_regex", parse_regex), ("timestamp", timestamp)];
const PLANNED: &[&str] = &[
    "parse_logfmt",
    "add_fields",
    "rename",
    "remove",
    "keep",
    "mask",
    "drop_if",
    "sample",
    "dedupe",
];
const ON_ERRORS: &[(&str, OnError)] =
    &[("keep", OnError::Keep), ("drop", OnError::Drop), ("dead_letter", OnError::DeadLetter)];

/// Which fields there may be by now.
enum Known {
    Named(Vec<String>),
    Any,
}

/// None if something is wrong with them.
pub(super) fn check(s: &Section<'_>) -> Option<Vec<Processor>> {
    let mut known = Known::Named(Vec::new());
    let mut all = Some(Vec::new());
    for item in s.children("processors").unwrap_or_default() {
        match (processor(item, &mut known), &mut all) {
            (Some(processor), Some(all)) => all.push(processor),
            (Some(_), None) => {}
            // What it would have given is not known.
            (None, _) => (all, known) = (None, Known::Any),
        }
    }
    all
}

fn processor(item: Section<'_>, known: &mut Known) -> Option<Processor> {
    let written = item.written();
    let Some((&(name, at), others)) = written.split_first() else {
        let names = ACTIONS.map(|(name, _)| name).join(", ");
        item.lacks("parse_json", format!("`processors`: one of {names} is missing"));
        return None;
    };
    if let Some((other, at)) = others.first() {
        let message = format!("`processors`: {} needs an item of its own", quoted(other));
        item.error(*at, other, message, None);
        return None;
    }
    let Some((name, read)) = ACTIONS.into_iter().find(|(known, _)| *known == name) else {
        let unknown = || format!("unknown processor {}", quoted(name));
        let meant = near(name, ACTIONS.map(|(name, _)| name)).filter(|_| !PLANNED.contains(&name));
        let message = planned(PLANNED, name).unwrap_or_else(unknown);
        item.error(at, name, message, meant.map(str::to_owned));
        return None;
    };
    let options = item.child(name);
    let action = read(&options, known);
    let on_error = options.read("on_error", OnError::Keep, parse::choice(ON_ERRORS));
    options.close(|_| None);
    item.close(|_| None);
    action.filter(|_| on_error.sound).map(|action| Processor { action, on_error: on_error.value })
}

#[allow(clippy::unnecessary_wraps, reason = "as all that read a processor")]
fn parse_json(_: &Section<'_>, known: &mut Known) -> Option<Action> {
    *known = Known::Any;
    Some(Action::ParseJson)
}

fn parse_regex(s: &Section<'_>, known: &mut Known) -> Option<Action> {
    let compiled = |scalar: &Scalar| {
        let pattern = Pattern::new(&scalar.text).map_err(|error| unusable(scalar, &error))?;
        Ok((scalar.text.clone(), pattern))
    };
    let (text, pattern) = s.need("pattern", compiled)?;
    if let Known::Named(names) = known {
        names.extend(pattern.groups().map(str::to_owned));
    }
    Some(Action::ParseRegex { pattern: text })
}

fn timestamp(s: &Section<'_>, known: &mut Known) -> Option<Action> {
    let field = s.need("field", |scalar| field(scalar, known));
    let format = s.need("format", format);
    let timezone = s.read("timezone", "UTC".to_owned(), timezone);
    if let (Some(at), Some((_, form))) = (timezone.given, &format)
        && !form.asks_for_zone()
        && timezone.sound
    {
        let message = "`timezone` has no effect: seconds since 1970 are the same everywhere";
        s.warning(at, "timezone", message.into());
    }
    let (field, (format, _)) = (field?, format?);
    timezone.sound.then_some(Action::Timestamp { field, format, timezone: timezone.value })
}

/// One that there may be.
fn field(scalar: &Scalar, known: &Known) -> Parsed<String> {
    let field = parse::text(scalar)?;
    let Known::Named(names) = known else { return Ok(field) };
    if names.is_empty() {
        let message = "there are no fields yet: `parse_json` or `parse_regex` comes before";
        return Err(Wrong::new(message.into()));
    }
    if !names.contains(&field) {
        let message = format!("{} is no group of a pattern before", scalar.shown());
        return Err(Wrong::new(message).suggest(near(&field, names.iter().map(String::as_str))));
    }
    Ok(field)
}

fn format(scalar: &Scalar) -> Parsed<(String, Form)> {
    match Form::new(&scalar.text) {
        Ok(form) => Ok((scalar.text.clone(), form)),
        Err(error) => Err(unusable(scalar, &error).suggest(near(&scalar.text, Form::NAMES))),
    }
}

fn timezone(scalar: &Scalar) -> Parsed<String> {
    match Zone::new(&scalar.text) {
        Ok(_) => Ok(scalar.text.clone()),
        Err(error) => Err(unusable(scalar, &error).suggest(near(&scalar.text, ["UTC", "local"]))),
    }
}

fn unusable(scalar: &Scalar, error: &Unusable) -> Wrong {
    Wrong::new(format!("{} {error}", scalar.shown()))
}

//! `${VAR}` and `${VAR:-default}` in values; `$$` is a `$`.
//!
//! What is put in never becomes YAML: the text is parsed first. So that `[${A}, ${B}]` parses,
//! the characters of a reference are shielded before, each by one other character, which leaves
//! every place where it was.

use std::borrow::Cow;

/// Where variables come from.
pub(super) trait Vars {
    fn get(&self, name: &str) -> Option<String>;
}

/// The environment of this process.
pub(super) struct Environment;

impl Vars for Environment {
    fn get(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

// The end of the last private-use plane, where no text has anything.
const SHIELD: u32 = 0x0010_F600;
const SHIELDED: std::ops::RangeInclusive<char> = '\u{10F600}'..='\u{10F67F}';

/// Whether a character would be taken for a shielded one.
pub(super) fn is_shield(c: char) -> bool {
    SHIELDED.contains(&c)
}

/// The text with the references in it made into plain words, character by character.
pub(super) fn shield(text: &str) -> Cow<'_, str> {
    if !text.contains("${") {
        return Cow::Borrowed(text);
    }
    let mut shielded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        let (before, from) = rest.split_at(dollar);
        shielded.push_str(before);
        let len = if from.starts_with("$$") { 2 } else { reference_len(from) };
        let (reference, after) = from.split_at(len.max(1));
        if len > 2 {
            shielded.extend(reference.chars().map(cover));
        } else {
            shielded.push_str(reference);
        }
        rest = after;
    }
    shielded.push_str(rest);
    Cow::Owned(shielded)
}

/// The length of the reference this text begins with, or 0.
fn reference_len(text: &str) -> usize {
    let Some(inner) = text.strip_prefix("${") else { return 0 };
    let Some(end) = inner.find(['}', '\n', '\r']) else { return 0 };
    let (inner, closing) = inner.split_at(end);
    let name = inner.split_once(":-").map_or(inner, |(name, _)| name);
    if closing.starts_with('}') && is_name(name) { end + 3 } else { 0 }
}

// Quotes and backslashes stay: they belong to the scalar around.
fn cover(c: char) -> char {
    if !c.is_ascii() || matches!(c, '"' | '\'' | '\\') {
        return c;
    }
    char::from_u32(SHIELD + u32::from(c)).unwrap_or(c)
}

pub(super) fn unshield(text: &str) -> String {
    let uncover = |c: char| if is_shield(c) { u32::from(c) - SHIELD } else { u32::from(c) };
    text.chars().map(|c| char::from_u32(uncover(c)).unwrap_or(c)).collect()
}

fn is_name(name: &str) -> bool {
    let rest_fits = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    rest_fits && name.bytes().next().is_some_and(|b| !b.is_ascii_digit())
}

/// The text with variables put in; `None` if there is nothing to put in.
pub(super) fn expand(text: &str, vars: &dyn Vars) -> Result<Option<String>, String> {
    let text = unshield(text);
    if !text.contains("${") && !text.contains("$$") {
        return Ok(None);
    }
    let mut expanded = String::new();
    let mut rest = text.as_str();
    while let Some(dollar) = rest.find('$') {
        let (before, from) = rest.split_at(dollar);
        expanded.push_str(before);
        rest = if let Some(after) = from.strip_prefix("$$") {
            expanded.push('$');
            after
        } else if let Some(inner) = from.strip_prefix("${") {
            let (reference, after) = inner
                .split_once('}')
                .ok_or("`${` without its `}`; a literal `$` is written `$$`")?;
            expanded.push_str(&resolve(reference, vars)?);
            after
        } else {
            expanded.push('$');
            from.strip_prefix('$').unwrap_or_default()
        };
    }
    expanded.push_str(rest);
    Ok(Some(expanded))
}

fn resolve(reference: &str, vars: &dyn Vars) -> Result<String, String> {
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    if !is_name(name) {
        return Err("`${…}` does not hold a variable's name; a literal `$` is written `$$`".into());
    }
    let value = vars.get(name);
    match default {
        Some(default) => Ok(value.filter(|v| !v.is_empty()).unwrap_or_else(|| default.into())),
        None => value.ok_or_else(|| {
            format!(
                "the environment variable `{name}` is not set; `${{{name}:-…}}` gives a default"
            )
        }),
    }
}

#[cfg(test)]
pub(super) struct Fixed(pub &'static [(&'static str, &'static str)]);

#[cfg(test)]
impl Vars for Fixed {
    fn get(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<String, String> {
        let vars = Fixed(&[("A", "one"), ("EMPTY", ""), ("EVIL", "x, y: {z}\n- q")]);
        expand(&shield(text), &vars).map(|e| e.unwrap_or_else(|| unshield(&shield(text))))
    }

    #[test]
    fn variables_and_defaults_are_put_in() {
        for (text, wanted) in [
            ("${A}", "one"),
            ("x${A}y${A}", "xoneyone"),
            ("${B:-two}", "two"),
            ("${B:-}", ""),
            ("${EMPTY:-three}", "three"),
            ("${EMPTY}", ""),
            ("$A $ a$", "$A $ a$"),
            ("$${A}", "${A}"),
            ("$$$$", "$$"),
            ("${B:-a:b, [c] #d}", "a:b, [c] #d"),
            ("${EVIL}", "x, y: {z}\n- q"),
        ] {
            assert_eq!(expanded(text).as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_put_in_is_said() {
        for text in ["${B}", "${1A}", "${A", "${}", "${A-x}"] {
            assert!(expanded(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shielding_keeps_every_place() {
        for text in ["[${A}, ${B:-x: y}]", "$${A} ${ü} ${A", "no"] {
            assert_eq!(shield(text).chars().count(), text.chars().count());
            assert_eq!(unshield(&shield(text)), text);
        }
        assert!(!shield("[${A}, 1]").contains('{'));
    }
}

//! From the text of a single value to what it means: one small parser per kind of value.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::raw::Scalar;
use super::suggest::near;
use super::units;

/// Why a value does not fit, in words that follow the name of its key.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) suggestion: Option<String>,
}

impl Wrong {
    pub(super) fn new(message: String) -> Self {
        Self { message, suggestion: None }
    }

    pub(super) fn suggest(self, suggestion: Option<impl Into<String>>) -> Self {
        Self { suggestion: suggestion.map(Into::into), ..self }
    }
}

pub(super) type Parsed<T> = Result<T, Wrong>;

/// Text without control characters, which no name or path here may hold.
pub(super) fn text(scalar: &Scalar) -> Parsed<String> {
    if scalar.text.is_empty() {
        return Err(Wrong::new("must not be empty".into()));
    }
    if scalar.text.contains(char::is_control) {
        let shown = scalar.shown();
        return Err(Wrong::new(format!("{shown} holds a control character")));
    }
    Ok(scalar.text.clone())
}

pub(super) fn flag(scalar: &Scalar) -> Parsed<bool> {
    match scalar.text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        other => {
            let meant = match other {
                "yes" | "on" | "1" => Some("true"),
                "no" | "off" | "0" => Some("false"),
                _ => near(other, ["true", "false"]),
            };
            let message = format!("{} is neither true nor false", scalar.shown());
            Err(Wrong::new(message).suggest(meant))
        }
    }
}

/// One of a table's words.
pub(super) fn choice<T: Copy>(
    table: &'static [(&'static str, T)],
) -> impl Fn(&Scalar) -> Parsed<T> {
    move |scalar| {
        if let Some((_, value)) = table.iter().find(|(word, _)| *word == scalar.text) {
            return Ok(*value);
        }
        let words = table.iter().map(|(word, _)| *word);
        let list = words.clone().collect::<Vec<_>>().join(", ");
        let message = format!("{} is none of {list}", scalar.shown());
        Err(Wrong::new(message).suggest(near(&scalar.text, words)))
    }
}

/// The same, where Kafka does not mind the case.
pub(super) fn choice_in_any_case<T: Copy>(
    table: &'static [(&'static str, T)],
) -> impl Fn(&Scalar) -> Parsed<T> {
    let choice = choice(table);
    move |scalar| {
        let found = table.iter().find(|(word, _)| word.eq_ignore_ascii_case(&scalar.text));
        found.map_or_else(|| choice(scalar), |(_, value)| Ok(*value))
    }
}

pub(super) fn number(range: RangeInclusive<i64>) -> impl Fn(&Scalar) -> Parsed<i64> {
    move |scalar| {
        let number = scalar.text.parse().ok().filter(|_| !scalar.text.starts_with('+'));
        let wrong = || Wrong::new(format!("{} is not a whole number", scalar.shown()));
        within(number.ok_or_else(wrong)?, &range, scalar, i64::to_string)
    }
}

pub(super) fn duration(range: RangeInclusive<Duration>) -> impl Fn(&Scalar) -> Parsed<Duration> {
    move |scalar| {
        let wrong = || {
            let shown = scalar.shown();
            Wrong::new(format!("{shown} is not a duration (500ms, 30s, 5m, 2h, 7d)"))
        };
        let duration = units::duration(&scalar.text).ok_or_else(wrong)?;
        within(duration, &range, scalar, |d| units::show_duration(*d))
    }
}

pub(super) fn size(range: RangeInclusive<u64>) -> impl Fn(&Scalar) -> Parsed<u64> {
    move |scalar| {
        let wrong = || {
            let message = format!("{} is not a size (512, 64KiB, 32MiB, 1GiB)", scalar.shown());
            Wrong::new(message).suggest(with_unit(&scalar.text))
        };
        let bytes = units::size(&scalar.text).ok_or_else(wrong)?;
        within(bytes, &range, scalar, |b| units::show_size(*b))
    }
}

/// A size of something that is held in memory.
pub(super) fn length(range: RangeInclusive<u64>) -> impl Fn(&Scalar) -> Parsed<usize> {
    let size = size(range);
    move |scalar| {
        let bytes = usize::try_from(size(scalar)?);
        bytes.map_err(|_| Wrong::new(format!("{} does not fit in memory", scalar.shown())))
    }
}

/// `64k` for `64KiB`.
fn with_unit(text: &str) -> Option<String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.get(number.len()..)?.to_ascii_uppercase();
    let known = ["K", "M", "G", "T"].contains(&unit.as_str()) && units::size(number).is_some();
    known.then(|| format!("{}{unit}iB", number.trim_end()))
}

fn within<T: PartialOrd>(
    value: T,
    range: &RangeInclusive<T>,
    scalar: &Scalar,
    show: impl Fn(&T) -> String,
) -> Parsed<T> {
    let shown = scalar.shown();
    if value < *range.start() {
        let least = show(range.start());
        return Err(Wrong::new(format!("{shown} is less than {least}, the least possible")));
    }
    if value > *range.end() {
        let most = show(range.end());
        return Err(Wrong::new(format!("{shown} is more than {most}, the most possible")));
    }
    Ok(value)
}

/// Makes a parser of something that may be left out.
pub(super) fn some<T>(
    parse: impl Fn(&Scalar) -> Parsed<T>,
) -> impl Fn(&Scalar) -> Parsed<Option<T>> {
    move |scalar| parse(scalar).map(Some)
}

pub(super) fn directory(scalar: &Scalar) -> Parsed<PathBuf> {
    absolute(scalar).map(PathBuf::from)
}

/// A glob for whole paths.
pub(super) fn path_glob(scalar: &Scalar) -> Parsed<String> {
    let path = absolute(scalar)?;
    if path.ends_with('/') {
        let message = format!("{} names a directory, not files", scalar.shown());
        let meant = scalar.written.is_none().then(|| format!("{path}*.log"));
        return Err(Wrong::new(message).suggest(meant));
    }
    if Path::new(&path).components().any(|part| part == Component::ParentDir) {
        return Err(Wrong::new(format!("{} goes through `..`", scalar.shown())));
    }
    glob(scalar)
}

/// A glob for the names of files.
pub(super) fn name_glob(scalar: &Scalar) -> Parsed<String> {
    if scalar.text.contains('/') {
        let message = format!("{} holds a `/`, but is compared with file names", scalar.shown());
        return Err(Wrong::new(message));
    }
    glob(scalar)
}

pub(super) fn glob(scalar: &Scalar) -> Parsed<String> {
    let text = text(scalar)?;
    let built = globset::GlobBuilder::new(&text).literal_separator(true).build();
    let wrong = |what: &dyn Display| Wrong::new(format!("{} is no glob: {what}", scalar.shown()));
    built.map(|_| text.clone()).map_err(|error| wrong(error.kind()))
}

fn absolute(scalar: &Scalar) -> Parsed<String> {
    let text = text(scalar)?;
    if Path::new(&text).is_absolute() {
        return Ok(text);
    }
    Err(Wrong::new(format!("{} is not an absolute path", scalar.shown())))
}

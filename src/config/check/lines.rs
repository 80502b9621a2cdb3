//! What the lines of an input look like, which are wanted, and what makes an event of several.

use std::time::Duration;

use super::period;
use crate::config::parse::{self, Parsed, Wrong};
use crate::config::raw::Scalar;
use crate::config::section::Section;
use crate::config::suggest::near;
use crate::decode::{Encoding, LABELS};
use crate::multiline::Rules;
use crate::process::Recipe;
use crate::record::Stream;
use crate::settings::{Format, Multiline, Preset};

const FORMATS: &[(&str, Format)] = &[
    ("text", Format::Text),
    ("json", Format::Json),
    ("cri", Format::Cri),
    ("docker", Format::Docker),
    ("container", Format::Container),
];
const STREAMS: &[(&str, Stream)] = &[("stdout", Stream::Stdout), ("stderr", Stream::Stderr)];
const LINES_MAX: u64 = 1_000_000;
const BYTES_MAX: u64 = 1 << 30;

pub(super) struct Lines {
    pub(super) format: Format,
    pub(super) encoding: String,
    pub(super) delimiter: String,
    pub(super) skip_empty: bool,
    pub(super) multiline: Option<Multiline>,
    pub(super) stream: Option<Stream>,
    pub(super) include: Vec<String>,
    pub(super) exclude: Vec<String>,
}

pub(super) fn check(s: &Section<'_>, max_line: usize) -> Lines {
    let format = s.read("format", Format::Text, parse::choice(FORMATS));
    let stream = s.read("stream", None, parse::some(parse::choice(STREAMS)));
    let has_streams = !matches!(format.value, Format::Text | Format::Json);
    if stream.value.is_some() && !has_streams {
        let message =
            "`stream` is for the logs of containers: `format` is none of container, cri, docker";
        s.contradiction("stream", &[stream.part(), format.part()], message.into());
    }
    let encoding = s.read("encoding", "utf-8".to_owned(), encoding);
    let delimiter = s.read("delimiter", "\n".to_owned(), delimiter);
    if Encoding::parse(&encoding.value).is_some_and(|e| e.delimiter(&delimiter.value).is_none()) {
        let message =
            "`delimiter` cannot be told from parts of other characters in this `encoding`";
        s.contradiction("delimiter", &[delimiter.part(), encoding.part()], message.into());
    }
    Lines {
        format: format.value,
        encoding: encoding.value,
        delimiter: delimiter.value,
        skip_empty: s.read("skip_empty", false, parse::flag).value,
        multiline: multiline(s, max_line),
        stream: stream.value,
        include: s.list("include_lines", pattern).unwrap_or_default(),
        exclude: s.list("exclude_lines", pattern).unwrap_or_default(),
    }
}

/// The stream that is wanted; what is wrong is said elsewhere.
#[allow(clippy::unnecessary_wraps, reason = "as all that read a value")]
pub(super) fn stream(scalar: &Scalar) -> Parsed<Option<Stream>> {
    Ok(STREAMS.iter().find(|(name, _)| *name == scalar.text).map(|(_, stream)| *stream))
}

/// Whether lines of a format come from streams; what is wrong is said elsewhere.
#[allow(clippy::unnecessary_wraps, reason = "as all that read a value")]
pub(super) fn has_streams(scalar: &Scalar) -> Parsed<bool> {
    let known = FORMATS.iter().find(|(name, _)| *name == scalar.text);
    Ok(!matches!(known, Some((_, Format::Text | Format::Json))))
}

fn encoding(scalar: &Scalar) -> Parsed<String> {
    if Encoding::parse(&scalar.text).is_some() {
        return Ok(scalar.text.clone());
    }
    let message = format!("{} is no encoding that is known", scalar.shown());
    Err(Wrong::new(message).suggest(near(&scalar.text, LABELS.iter().copied())))
}

fn delimiter(scalar: &Scalar) -> Parsed<String> {
    if scalar.text.is_empty() {
        return Err(Wrong::new("must not be empty".into()));
    }
    Ok(scalar.text.clone())
}

fn pattern(scalar: &Scalar) -> Parsed<String> {
    match Recipe::pattern(&scalar.text) {
        Ok(()) => Ok(scalar.text.clone()),
        Err(error) => Err(Wrong::new(format!("is not a regular expression: {error}"))),
    }
}

fn multiline(s: &Section<'_>, max_line: usize) -> Option<Multiline> {
    let node = s.find("multiline")?.id;
    let m = s.child("multiline");
    let optional = |name| m.read(name, None, parse::some(pattern)).value;
    let multiline = Multiline {
        start: optional("start"),
        continues: optional("continue"),
        end: optional("end"),
        negate: m.read("negate", false, parse::flag).value,
        preset: m.read("preset", None, parse::some(parse::choice(Preset::ALL))).value,
        lines_max: m.read("max_lines", 500, parse::length(1..=LINES_MAX)).value,
        bytes_max: m.read("max_bytes", max_line, parse::length(1..=BYTES_MAX)).value,
        timeout: period(&m, "timeout", Duration::from_secs(5)),
    };
    m.close(|_| None);
    match Rules::new(&multiline) {
        Ok(_) => Some(multiline),
        Err(wrong) => {
            s.error(node, "multiline", wrong.to_string(), None);
            None
        }
    }
}

//! What an input's records carry: topic, key, headers, and the templates they come from.

use super::value::Fields;
use super::{World, lines};
use crate::config::parse::{self, Parsed, Wrong};
use crate::config::raw::Scalar;
use crate::config::section::Section;
use crate::config::suggest::{near, quoted};
use crate::record::RecordId;
use crate::template::{self, Field, Labels, Template, TopicError, check_topic};

const TOPICS_MAX: i64 = 100;
/// A cluster has some thousand topics at most, and each has a place in memory here.
const TOPICS_MAX_MOST: i64 = 10_000;
const HEADERS_MAX: usize = 100;
/// Headers that are ours begin so.
const OWN_HEADERS: &str = "tailspool-";

pub(super) fn labels(
    s: &Section<'_>,
    world: &World<'_>,
    input: &str,
    fields: &Fields,
) -> Option<Labels> {
    let input = template::Input {
        host: &world.host,
        id: input,
        fields: &fields.given,
        stream: s.read("stream", None, lines::stream).value,
    };
    let has_streams = s.read("format", false, lines::has_streams).value;
    let bind = |scalar: &Scalar| bound(scalar, &input, fields, has_streams);
    let topic = s.need("topic", |scalar| topic(scalar, bind(scalar)?));
    let fallback = s.read("topic_fallback", None, parse::some(name));
    let most = s.read("topics_max", TOPICS_MAX, parse::number(1..=TOPICS_MAX_MOST));
    let key = s.read("key", None, parse::some(bind));
    let headers = s.map("headers", header, bind).unwrap_or_default();
    if headers.len() > HEADERS_MAX {
        let message = format!("`headers` holds more than {HEADERS_MAX}");
        s.error(s.place_of("headers"), "headers", message, None);
    }
    let record_id = record_id(s);
    let topic = topic?;
    if topic.constant().is_none() && fallback.value.is_none() && fallback.sound {
        let message =
            "`topic` depends on the path, which need not say it: `topic_fallback` is missing";
        s.error(s.place_of("topic"), "topic", message.into(), None);
    }
    Some(Labels {
        topic,
        topic_fallback: fallback.value,
        topics_max: usize::try_from(most.value).unwrap_or(usize::MAX),
        key: key.value,
        headers,
        record_id,
    })
}

const RECORD_IDS: &[(&str, Option<RecordId>)] =
    &[("none", None), ("key", Some(RecordId::Key)), ("headers", Some(RecordId::Headers))];

/// As a key it leaves no room for another one, nor for what such a key decides.
fn record_id(s: &Section<'_>) -> Option<RecordId> {
    let record_id = s.read("record_id", None, parse::choice(RECORD_IDS));
    if record_id.value == Some(RecordId::Key) {
        let is_key = |scalar: &Scalar| Ok(scalar.text == "key");
        if s.has("key") {
            let message = "`record_id: key` is the key of a record: `key` cannot be another one; `record_id: headers` goes with it";
            s.error(s.place_of("record_id"), "record_id", message.into(), None);
        }
        if s.read("partition", false, is_key).value {
            let message = "`record_id: key` differs from record to record: with `partition: key` the lines of a file would be anywhere; `record_id: headers` goes with it";
            s.error(s.place_of("record_id"), "record_id", message.into(), None);
        }
    }
    record_id.value
}

/// A template whose fields are all known, with what is the same for the whole input in it.
fn bound(
    scalar: &Scalar,
    input: &template::Input<'_>,
    fields: &Fields,
    has_streams: bool,
) -> Parsed<Template> {
    let template = Template::parse(&scalar.text).map_err(wrong)?;
    if template.has_given() {
        fields.are_used.set(true);
    }
    if template.has(Field::Stream) && !has_streams {
        let message = "`{stream}` is known of containers' logs only (`format: container`)";
        return Err(Wrong::new(message.into()));
    }
    template.bind(input).map_err(wrong)
}

fn wrong(wrong: template::Wrong) -> Wrong {
    match wrong {
        template::Wrong::Unclosed => Wrong::new("`{` without its `}`".into()),
        template::Wrong::Unopened => {
            Wrong::new("`}` without its `{`; a brace itself is written twice".into())
        }
        template::Wrong::NotGiven(name) => {
            let field = shown(&format!("field:{name}"));
            let message = format!(
                "{field} is none of the input's `fields`; what `processors` find in messages is not for templates in this version"
            );
            Wrong::new(message)
        }
        template::Wrong::Unknown(field) => {
            let meant = near(&field, Field::ALL.iter().map(|(name, _)| *name));
            let meant = meant.map(|field| format!("{{{field}}}"));
            Wrong::new(format!("{} is no field of a template", shown(&field))).suggest(meant)
        }
    }
}

fn shown(field: &str) -> String {
    quoted(&format!("{{{field}}}"))
}

/// What is given of it is for topics; what paths make of it is seen when there is one.
fn topic(scalar: &Scalar, template: Template) -> Parsed<Template> {
    if let Some(name) = template.constant() {
        return legal(scalar, name).map(|()| template);
    }
    if template.has(Field::Path) {
        let message = "`{path}` holds `/`, which is not for topics (only A-Z a-z 0-9 . _ -)";
        return Err(Wrong::new(message.into()));
    }
    if template.has(Field::Stream) {
        let message = "`{stream}` is not for topics in this version: two inputs, with `stream: stdout` and `stream: stderr`, have a topic each";
        return Err(Wrong::new(message.into()));
    }
    let texts = template.texts().filter(|text| !matches!(*text, "." | ".."));
    for text in texts {
        legal(scalar, text)?;
    }
    Ok(template)
}

/// The name of a topic.
fn name(scalar: &Scalar) -> Parsed<String> {
    legal(scalar, &scalar.text).map(|()| scalar.text.clone())
}

fn legal(scalar: &Scalar, name: &str) -> Parsed<()> {
    let message = match check_topic(name) {
        Ok(()) => return Ok(()),
        Err(TopicError::NoName) => format!("{} cannot be the name of a topic", scalar.shown()),
        Err(TopicError::TooLong { len, len_max }) => {
            format!("the name has {len} characters; Kafka takes {len_max}")
        }
        Err(TopicError::Illegal(_)) if scalar.written.is_some() => {
            format!("{} gives a name that Kafka does not take", scalar.shown())
        }
        Err(TopicError::Illegal(c)) => {
            let (bad, name) = (quoted(&c.to_string()), quoted(name));
            format!("{bad} in {name} is not for topics (only A-Z a-z 0-9 . _ -)")
        }
    };
    Err(Wrong::new(message))
}

fn header(name: &Scalar) -> Parsed<String> {
    let name = parse::text(name)?;
    if name.starts_with(OWN_HEADERS) {
        let message = format!("{} begins like what tailspool adds itself", quoted(&name));
        return Err(Wrong::new(message));
    }
    Ok(name)
}

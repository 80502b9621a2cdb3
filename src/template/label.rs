//! What the records of an input carry, rendered once for each lineage.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use super::{Field, Origin, Rendered, Template};
use crate::record::{Label, RecordId, Stream};

/// As in `org.apache.kafka.common.internals.Topic`.
const TOPIC_LEN_MAX: usize = 249;

/// What an input's records carry, as configured; host and input are put in.
#[derive(Debug, Clone, Default)]
pub struct Labels {
    pub topic: Template,
    /// Where lines go whose topic cannot be; there is one if paths decide about the topic.
    pub topic_fallback: Option<String>,
    /// So many topics are made of paths at most.
    pub topics_max: usize,
    pub key: Option<Template>,
    pub headers: Vec<(String, Template)>,
    pub record_id: Option<RecordId>,
}

/// Why a lineage's lines go to `topic_fallback`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fallback {
    /// The path says nothing of what the topic is to be named after.
    Unknown(&'static str),
    Illegal(String),
    /// `topics_max` others were there before.
    TooMany(String),
}

/// Why Kafka would not take the name of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicError {
    /// Nothing, `.` or `..`.
    NoName,
    TooLong {
        len: usize,
        len_max: usize,
    },
    Illegal(char),
}

/// Whether Kafka takes a topic of this name.
pub fn check_topic(name: &str) -> Result<(), TopicError> {
    if name.is_empty() || name == "." || name == ".." {
        return Err(TopicError::NoName);
    }
    if name.len() > TOPIC_LEN_MAX {
        return Err(TopicError::TooLong { len: name.len(), len_max: TOPIC_LEN_MAX });
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    name.chars().find(|c| !legal(*c)).map_or(Ok(()), |c| Err(TopicError::Illegal(c)))
}

impl Labels {
    /// Nothing but a topic.
    #[cfg(test)]
    pub(crate) fn plain(topic: &str) -> Self {
        let topic = Template::parse(topic).unwrap_or_default();
        Self { topic, topics_max: 100, ..Self::default() }
    }

    /// What it is depends on the stream of a record.
    pub fn has_stream(&self) -> bool {
        let values = self.headers.iter().map(|(_, value)| value);
        values.chain(&self.key).any(|template| template.has(Field::Stream))
    }

    fn render(&self, topic: &Arc<str>, origin: Origin<'_>) -> Label {
        let value = |template: &Template| template.render(&origin).bytes;
        Label {
            topic: topic.clone(),
            key: self.key.as_ref().map(value),
            headers: self.headers.iter().map(|(name, v)| (name.clone(), value(v))).collect(),
            record_id: self.record_id,
            of_stderr: None,
        }
    }

    /// The most bytes of key, headers and record ids that any path makes.
    pub fn len_max(&self) -> usize {
        let key = self.key.as_ref().map_or(0, Template::len_max);
        let header = |(name, value): &(String, Template)| Label::header_len(name, value.len_max());
        let id = self.record_id.map_or(0, RecordId::len_max);
        key + self.headers.iter().map(header).sum::<usize>() + id
    }
}

/// Makes the labels of an input's lineages in one run.
#[derive(Debug)]
pub struct Labeller {
    labels: Labels,
    /// If no path changes it, nor a stream.
    constant: Option<Arc<Label>>,
    /// Topics that were made of paths.
    topics: HashSet<Arc<str>>,
}

impl Labeller {
    pub fn new(labels: &Labels) -> Self {
        let mut new = Self { labels: labels.clone(), constant: None, topics: HashSet::new() };
        let values = labels.headers.iter().map(|(_, value)| value);
        let all = values.chain(&labels.key).chain([&labels.topic]);
        if all.map(Template::constant).all(|constant| constant.is_some()) {
            new.constant = Some(new.label(Path::new(""), None).0);
        }
        new
    }

    /// The label of what was matched at `path`, where a link may lead to `real`; and why its
    /// topic is not the one that was asked for.
    pub fn label(&mut self, path: &Path, real: Option<&Path>) -> (Arc<Label>, Option<Fallback>) {
        if let Some(label) = &self.constant {
            return (Arc::clone(label), None);
        }
        let origin = Origin::of(path, real);
        let (topic, fallback) = match self.topic(&origin) {
            Ok(topic) => (topic, None),
            Err(why) => {
                (self.labels.topic_fallback.as_deref().unwrap_or_default().into(), Some(why))
            }
        };
        let mut label = self.labels.render(&topic, origin.by(Stream::Stdout));
        if self.labels.has_stream() {
            let other = self.labels.render(&topic, origin.by(Stream::Stderr));
            label.of_stderr = Some(Arc::new(other));
        }
        (Arc::new(label), fallback)
    }

    fn topic(&mut self, origin: &Origin<'_>) -> Result<Arc<str>, Fallback> {
        if let Some(name) = self.labels.topic.constant() {
            return Ok(name.into());
        }
        let Rendered { bytes, missing } = self.labels.topic.render(origin);
        if let Some(field) = missing {
            return Err(Fallback::Unknown(Field::name(field)));
        }
        let name = String::from_utf8_lossy(&bytes);
        if check_topic(&name).is_err() {
            return Err(Fallback::Illegal(name.into_owned()));
        }
        if let Some(known) = self.topics.get(&*name) {
            return Ok(Arc::clone(known));
        }
        if self.topics.len() >= self.labels.topics_max {
            return Err(Fallback::TooMany(name.into_owned()));
        }
        let name: Arc<str> = name.into();
        self.topics.insert(Arc::clone(&name));
        Ok(name)
    }
}

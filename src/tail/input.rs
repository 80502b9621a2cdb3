//! An input: how its files are read, and what is known of looks at them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::limit::Limit;
use super::manner::Manners;
use crate::budget::Budget;
use crate::clock;
use crate::record::{self, Failed, Failure, Label, Tally};
use crate::settings;
use crate::template::{Fallback, Labeller};

pub(super) struct Input {
    pub(super) id: Arc<str>,
    pub(super) settings: settings::Input,
    pub(super) limit: Limit,
    pub(super) manners: Manners,
    pub(super) labeller: Labeller,
    /// Said once that there are more topics than there may be.
    pub(super) has_too_many_topics: bool,
    /// Said once each that processors failed so.
    pub(super) failures: Vec<Failure>,
    /// What its lines are paid from.
    pub(super) budget: Budget,
    pub(super) looked: Looked,
    /// The first look of this run is not complete yet.
    pub(super) is_first_look: bool,
}

/// When all of an input was last looked at: when that began.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Looked {
    /// In wall milliseconds, earlier runs included.
    pub(super) ms: Option<u64>,
    pub(super) at: Option<Instant>,
}

impl Looked {
    pub(super) fn since(ms: u64) -> Self {
        let ago = Duration::from_millis(clock::wall_ms().saturating_sub(ms));
        Self { ms: Some(ms), at: clock::now().checked_sub(ago) }
    }
}

impl Input {
    /// Says what processors failed on first, in lines of the file there.
    pub(super) fn say_failures(&mut self, path: &Path, tally: &Tally) {
        for Failed { failure, first: offset, .. } in &tally.failed {
            if !self.failures.contains(failure) {
                self.failures.push(*failure);
                let (input, path) = (&self.id, path.display());
                tracing::warn!(%input, %path, %offset, %failure, "a processor failed on a line; further ones are counted");
            }
        }
    }

    /// What the records of a lineage carry; says if they do not go to the topic they should.
    pub(super) fn label(&mut self, lineage: &record::Lineage, real: Option<&Path>) -> Arc<Label> {
        let (label, fallback) = self.labeller.label(&lineage.path, real);
        let topic = &*label.topic;
        match fallback {
            Some(Fallback::Unknown(field)) => {
                tracing::warn!(%lineage, field, topic, "the path does not say which topic: lines go to topic_fallback");
            }
            Some(Fallback::Illegal(name)) => {
                tracing::warn!(%lineage, name, topic, "no topic can have this name: lines go to topic_fallback");
            }
            Some(Fallback::TooMany(name)) if !self.has_too_many_topics => {
                self.has_too_many_topics = true;
                let max = self.settings.labels.topics_max;
                tracing::warn!(%lineage, name, max, topic, "topics_max is reached: lines of further topics go to topic_fallback");
            }
            Some(Fallback::TooMany(_)) | None => {}
        }
        label
    }
}

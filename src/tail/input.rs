//! An input: how its files are read, and what is known of looks at them.

use std::path::Path;
use std::sync::Arc;

use super::limit::Limit;
use super::manner::Manners;
use crate::record::{self, Label};
use crate::settings;
use crate::template::{Fallback, Labeller};

pub(super) struct Input {
    pub(super) settings: settings::Input,
    pub(super) limit: Limit,
    pub(super) manners: Manners,
    pub(super) labeller: Labeller,
    /// Said once that there are more topics than there may be.
    pub(super) has_too_many_topics: bool,
    /// When all of it was last looked at before this run, or never.
    pub(super) looked_ms: Option<u64>,
    /// The first look of this run is not complete yet.
    pub(super) is_first_look: bool,
}

impl Input {
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

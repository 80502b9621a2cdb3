//! What is known of topics: how many partitions they have, or why that is not known.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use crate::produce::Cause;

/// How long an answer holds before it is asked again: partitions may have been added.
const ANSWER_HOLDS: Duration = Duration::from_secs(30);
/// How long a question without an answer rests.
const QUESTION_RESTS: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct Topic {
    partitions: Option<NonZeroU32>,
    /// The last question failed, for this reason.
    failing: Option<Cause>,
    is_asked: bool,
    ask_at: Option<Instant>,
}

/// All topics that lanes lead to.
#[derive(Debug, Default)]
pub(super) struct Topics(HashMap<String, Topic>);

impl Topics {
    /// The number of partitions, once it is known. Mentioning a topic makes it one to ask about.
    pub(super) fn partitions(&mut self, name: &str) -> Option<NonZeroU32> {
        if let Some(topic) = self.0.get(name) {
            return topic.partitions;
        }
        self.0.insert(name.to_owned(), Topic::default());
        None
    }

    /// Topics to ask about now; each is then under way until it is answered.
    pub(super) fn due(&mut self, now: Instant) -> Vec<String> {
        let is_due = |t: &Topic| !t.is_asked && t.ask_at.is_none_or(|at| at <= now);
        let topics = self.0.iter_mut().filter(|(_, topic)| is_due(topic));
        topics
            .map(|(name, topic)| {
                topic.is_asked = true;
                name.clone()
            })
            .collect()
    }

    /// Takes an answer in; true if lanes may go on that could not before.
    pub(super) fn answered(
        &mut self,
        name: &str,
        answer: Result<u32, Cause>,
        now: Instant,
    ) -> bool {
        let Some(topic) = self.0.get_mut(name) else { return false };
        topic.is_asked = false;
        match answer {
            Ok(partitions) => {
                if topic.failing.take().is_some() {
                    tracing::info!(topic = name, "topic can be reached");
                }
                topic.ask_at = Some(now + ANSWER_HOLDS);
                std::mem::replace(&mut topic.partitions, NonZeroU32::new(partitions)).is_none()
            }
            Err(cause) => {
                if topic.failing.replace(cause) != Some(cause) {
                    say_failing(name, cause);
                }
                topic.ask_at = Some(now + QUESTION_RESTS);
                false
            }
        }
    }

    /// Something sent to it came back because of what the topic is: ask again before going on.
    pub(super) fn doubt(&mut self, name: &str, cause: Cause, now: Instant) {
        let Some(topic) = self.0.get_mut(name) else { return };
        topic.partitions = None;
        topic.ask_at = Some(now + QUESTION_RESTS);
        if topic.failing.replace(cause) != Some(cause) {
            say_failing(name, cause);
        }
    }
}

fn say_failing(topic: &str, cause: Cause) {
    match cause {
        Cause::Missing(_) => tracing::error!(
            topic,
            %cause,
            "topic does not exist; its lines wait until it does: create it, or set allow.auto.create.topics"
        ),
        Cause::Unauthorized(_) => tracing::error!(
            topic,
            %cause,
            "not allowed to write to the topic; its lines wait: grant WRITE and DESCRIBE on it"
        ),
        Cause::Purged
        | Cause::Fatal(_)
        | Cause::Passing(_)
        | Cause::Misconfigured(_)
        | Cause::Refused(_) => {
            tracing::warn!(topic, %cause, "topic cannot be reached; its lines wait");
        }
    }
}

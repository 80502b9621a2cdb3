//! Why a record was not delivered, and what to do about it.

use std::fmt;

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

/// Why a record came back. librdkafka never times out by itself, so that is not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// We asked for it back, or the producer went away.
    Purged,
    /// The producer will take nothing any more.
    Fatal(Code),
    /// May work the next time; also everything that nobody has told us about.
    Passing(Code),
    /// The topic or its partition is not there.
    Missing(Code),
    Unauthorized(Code),
    /// The settings cannot work with this broker.
    Misconfigured(Code),
    /// The broker refused the batch that it was in, or the library the record itself.
    Refused(Code),
}

/// What to do about it. There is no "drop".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Send it again, after a pause.
    Again,
    /// Send it again alone: only what fails alone is a dead letter.
    Suspect,
    /// The same as `Again`, with a new producer.
    Rebuild,
}

/// What librdkafka calls it.
pub(super) fn code(error: &KafkaError) -> Code {
    error.rdkafka_error_code().unwrap_or(Code::Unknown)
}

impl Cause {
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Purged
            | Self::Passing(_)
            | Self::Missing(_)
            | Self::Unauthorized(_)
            | Self::Misconfigured(_) => Verdict::Again,
            Self::Refused(_) => Verdict::Suspect,
            Self::Fatal(_) => Verdict::Rebuild,
        }
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "the list grows with librdkafka")]
    pub(super) fn of(code: Code) -> Self {
        match code {
            Code::PurgeQueue | Code::PurgeInflight => Self::Purged,
            Code::Fatal | Code::Fenced | Code::OutOfOrderSequenceNumber => Self::Fatal(code),
            Code::UnknownTopic
            | Code::UnknownPartition
            | Code::UnknownTopicOrPartition
            | Code::InvalidTopic => Self::Missing(code),
            Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::Authentication
            | Code::SaslAuthenticationFailed => Self::Unauthorized(code),
            Code::InvalidRequiredAcks
            | Code::UnsupportedVersion
            | Code::UnsupportedCompressionType
            | Code::UnsupportedForMessageFormat => Self::Misconfigured(code),
            Code::MessageSizeTooLarge
            | Code::MessageBatchTooLarge
            | Code::InvalidRecord
            | Code::InvalidDifferentRecord
            | Code::InvalidTimestamp
            | Code::PolicyViolation => Self::Refused(code),
            _ => Self::Passing(code),
        }
    }

    /// It may be the record's time that the broker does not take. Of a batch with several such
    /// librdkafka says only that they are invalid.
    pub fn may_be_time(self) -> bool {
        matches!(self, Self::Refused(Code::InvalidTimestamp | Code::InvalidRecord))
    }

    /// Kafka's name for it, as metrics and dead letters carry it: `MESSAGE_TOO_LARGE`.
    pub fn name(self) -> String {
        match self {
            Self::Purged => "PURGED".to_owned(),
            // librdkafka calls these two by names of its own.
            Self::Refused(Code::MessageSizeTooLarge) => "MESSAGE_TOO_LARGE".to_owned(),
            Self::Refused(Code::MessageBatchTooLarge) => "RECORD_LIST_TOO_LARGE".to_owned(),
            Self::Fatal(code)
            | Self::Passing(code)
            | Self::Missing(code)
            | Self::Unauthorized(code)
            | Self::Misconfigured(code)
            | Self::Refused(code) => upper_snake(&format!("{code:?}")),
        }
    }
}

/// `UnknownTopicOrPartition` as `UNKNOWN_TOPIC_OR_PARTITION`.
fn upper_snake(camel: &str) -> String {
    let mut name = String::with_capacity(camel.len() + 8);
    let mut after_lower = false;
    for c in camel.chars() {
        if c.is_uppercase() && after_lower {
            name.push('_');
        }
        after_lower = c.is_lowercase();
        name.push(c.to_ascii_uppercase());
    }
    name
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Purged => f.write_str("taken back from the producer"),
            Self::Fatal(code)
            | Self::Passing(code)
            | Self::Missing(code)
            | Self::Unauthorized(code)
            | Self::Misconfigured(code)
            | Self::Refused(code) => write!(f, "{code}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kafkas() {
        assert_eq!(Cause::of(Code::InvalidRecord).name(), "INVALID_RECORD");
        assert_eq!(Cause::of(Code::MessageSizeTooLarge).name(), "MESSAGE_TOO_LARGE");
    }

    #[test]
    fn an_unknown_error_is_tried_again() {
        assert_eq!(Cause::of(Code::NetworkException).verdict(), Verdict::Again);
        assert_eq!(Cause::of(Code::Unknown).verdict(), Verdict::Again);
    }

    #[test]
    fn only_what_is_about_the_record_makes_it_a_suspect() {
        assert_eq!(Cause::of(Code::MessageSizeTooLarge).verdict(), Verdict::Suspect);
        assert_eq!(Cause::of(Code::NotEnoughReplicas).verdict(), Verdict::Again);
        assert_eq!(Cause::of(Code::Fatal).verdict(), Verdict::Rebuild);
    }
}

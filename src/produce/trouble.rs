//! What librdkafka says about brokers, not about records.

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::cause::code;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub code: Code,
    /// In librdkafka's words: which broker, what, and for how long.
    pub reason: String,
}

const LISTENER: &str = "compare `kafka.security.protocol` with that of the listener";
const AUTHORITY: &str = "see whether `kafka.ssl.ca.location` has who signed the broker's \
                         certificate, and whether that is valid and names this host";
const CERTIFICATE: &str = "the broker takes only clients with a certificate that it trusts: see \
                           `kafka.ssl.certificate.location` and `kafka.ssl.key.location`";
const CREDENTIALS: &str = "see `kafka.sasl.username` and `kafka.sasl.password`";
const MECHANISM: &str = "see which of `kafka.sasl.mechanism` the listener takes";

/// Parts of what OpenSSL, librdkafka and brokers say when two sides do not fit, and what to look
/// at; the first that is found counts.
const SIGNS: &[(&str, &str)] = &[
    ("certificate verify failed", AUTHORITY),
    ("alert bad certificate", CERTIFICATE),
    ("alert certificate required", CERTIFICATE),
    ("alert certificate expired", CERTIFICATE),
    ("alert certificate unknown", CERTIFICATE),
    ("alert unknown ca", CERTIFICATE),
    ("alert handshake failure", CERTIFICATE),
    ("wrong version number", LISTENER),
    ("verify that security.protocol is correctly configured", LISTENER),
    ("connecting to a SSL listener", LISTENER),
    ("SSL handshake failed", LISTENER),
    ("invalid credentials", CREDENTIALS),
    ("Invalid username or password", CREDENTIALS),
    ("mechanism", MECHANISM),
    ("Authentication failed", CREDENTIALS),
];

impl Trouble {
    pub(super) fn new(error: &KafkaError, reason: &str) -> Self {
        Self { code: code(error), reason: reason.to_owned() }
    }

    /// No broker can be reached.
    pub fn is_unreachable(&self) -> bool {
        matches!(self.code, Code::AllBrokersDown)
    }

    /// A broker was reached and does not let us in, or does not understand us.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self.code,
            Code::Authentication
                | Code::SSL
                | Code::SaslAuthenticationFailed
                | Code::UnsupportedSASLMechanism
        ) || self.sign().is_some()
    }

    /// Which settings to look at.
    pub fn advice(&self) -> &'static str {
        self.sign()
            .unwrap_or("compare `kafka.security.protocol`, `sasl.*` and `ssl.*` with the listener")
    }

    fn sign(&self) -> Option<&'static str> {
        let said = |part: &str| self.reason.contains(part);
        SIGNS.iter().find(|(part, _)| said(part)).map(|(_, advice)| *advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_sides_disagree_about_is_named() {
        let trouble =
            |reason: &str| Trouble { code: Code::BrokerTransportFailure, reason: reason.into() };
        let cases = [
            (
                "error:0A000412:SSL routines::sslv3 alert bad certificate: SSL alert number 42",
                CERTIFICATE,
            ),
            (
                "SSL handshake failed: error:0A000086:SSL routines::certificate verify failed",
                AUTHORITY,
            ),
            ("SSL handshake failed: error:0A00010B:SSL routines::wrong version number", LISTENER),
            (
                "Authentication failed during authentication due to invalid credentials with SASL mechanism PLAIN",
                CREDENTIALS,
            ),
            ("Unsupported SASL mechanism: broker's supported mechanisms: PLAIN", MECHANISM),
        ];
        for (reason, advice) in cases {
            assert!(trouble(reason).is_refusal(), "{reason}");
            assert_eq!(trouble(reason).advice(), advice, "{reason}");
        }
        assert!(!trouble("Connect to ipv4#127.0.0.1:1 failed: Connection refused").is_refusal());
    }
}

//! What librdkafka says about brokers, not about records.

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

use super::cause::code;
use super::reach::Certificate;

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
/// How librdkafka begins what [`super::login`] has it say.
const NO_TOKEN: &str = "Failed to acquire SASL OAUTHBEARER token: ";
const REFUSED_TOKEN: &str = "the issuer gave a token that the broker does not take: compare issuer, \
                             audience, scope and keys with its `sasl.oauthbearer.*`; see \
                             `kafka.sasl.oauthbearer.scope`";
const ISSUER_AUTHORITY: &str = "see whether `kafka.https.ca.location` has who signed the issuer's \
                                certificate, and whether that is valid and names this host";
const ISSUER_CREDENTIALS: &str = "see `kafka.sasl.oauthbearer.client.credentials.client.id` and \
                                  `…client.secret`, and `…scope`";
const ISSUER: &str = "see whether `kafka.sasl.oauthbearer.token.endpoint.url` leads to an issuer \
                      that is well, or to a file with a token";
/// The same of what is said about getting a token.
const SIGNS_OF_ISSUERS: &[(&str, &str)] = &[
    ("certificate verify failed", ISSUER_AUTHORITY),
    ("answers 400", ISSUER_CREDENTIALS),
    ("answers 401", ISSUER_CREDENTIALS),
    ("answers 403", ISSUER_CREDENTIALS),
    ("", ISSUER),
];
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
    // What a broker answers to a token (RFC 7628, 3.2.2).
    ("SASL authentication error: {\"status\":", REFUSED_TOKEN),
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

    /// The same whichever broker it is about, and however often it was said.
    pub fn gist(&self) -> &str {
        let reason = self.reason.split(" (after ").next().unwrap_or_default();
        match reason.split_once(": ") {
            Some((broker, rest)) if broker.contains('/') && !broker.contains(' ') => rest,
            _ => reason,
        }
    }

    /// Which settings to look at.
    pub fn advice(&self) -> &'static str {
        self.sign()
            .unwrap_or("compare `kafka.security.protocol`, `sasl.*` and `ssl.*` with the listener")
    }

    /// The same, or that a certificate that was shown is over: brokers keep to themselves what they
    /// do not like of it.
    pub fn advice_to(&self, shown: &[Certificate]) -> String {
        let is_about_ours = self.sign() == Some(CERTIFICATE);
        let mut over = shown.iter().filter(|certificate| certificate.days_left() < 0);
        match over.next().filter(|_| is_about_ours) {
            Some(Certificate { subject, not_after, .. }) => format!(
                "our certificate {subject} expired on {not_after}: renew what \
                 `kafka.ssl.certificate.location` has, and reload"
            ),
            None => self.advice().to_owned(),
        }
    }

    /// There is no token to show to a broker.
    pub fn lacks_token(&self) -> bool {
        self.reason.starts_with(NO_TOKEN)
    }

    /// For nobody answers who gives tokens, or only that this cannot be now.
    pub fn lacks_issuer(&self) -> bool {
        let signs = [": no answer: ", " answers 5"];
        self.lacks_token()
            && self.sign() == Some(ISSUER)
            && signs.iter().any(|part| self.reason.contains(part))
    }

    /// A broker was shown a token and does not take it.
    pub fn is_about_token(&self) -> bool {
        self.sign() == Some(REFUSED_TOKEN)
    }

    fn sign(&self) -> Option<&'static str> {
        let signs = if self.lacks_token() { SIGNS_OF_ISSUERS } else { SIGNS };
        let said = |part: &str| self.reason.contains(part);
        signs.iter().find(|(part, _)| said(part)).map(|(_, advice)| *advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(reason: &str) -> Trouble {
        Trouble { code: Code::BrokerTransportFailure, reason: reason.into() }
    }

    #[test]
    fn the_gist_is_the_same_for_all_brokers() {
        for reason in [
            "sasl_ssl://k1:9094/bootstrap: SASL authentication error: no (after 3ms in state AUTH)",
            "k2:9092/2: SASL authentication error: no (after 1ms in state X, 4 identical error(s))",
            "SASL authentication error: no",
        ] {
            assert_eq!(trouble(reason).gist(), "SASL authentication error: no");
        }
        let whole = "Failed to acquire SASL OAUTHBEARER token: https://issuer/token answers 503";
        assert_eq!(trouble(whole).gist(), whole);
    }

    #[test]
    fn a_certificate_that_is_over_is_named_where_ours_is_not_liked() {
        let shown = |ends_s| Certificate {
            subject: "web-1".into(),
            not_after: "then".into(),
            ends_s,
            is_early: false,
        };
        let (over, holds) = (shown(1), shown(i64::MAX / 2));
        let refused = trouble("SSL handshake failed: alert certificate expired");
        let advice = refused.advice_to(&[holds.clone(), over.clone()]);
        assert!(advice.contains("our certificate web-1 expired on then"), "{advice}");
        assert_eq!(refused.advice_to(&[holds]), CERTIFICATE);
        assert_eq!(trouble("certificate verify failed").advice_to(&[over]), AUTHORITY);
    }

    #[test]
    fn what_two_sides_disagree_about_is_named() {
        let no_token = |why: &str| format!("{NO_TOKEN}https://issuer/token{why}");
        let issuer = [
            (no_token(": no answer: native-tls: certificate verify failed"), ISSUER_AUTHORITY),
            (no_token(" answers 401: invalid_client"), ISSUER_CREDENTIALS),
            (no_token(": no answer: io: Connection refused (os error 111)"), ISSUER),
        ];
        for (reason, advice) in issuer {
            assert!(trouble(&reason).is_refusal() && trouble(&reason).lacks_token(), "{reason}");
            assert_eq!(trouble(&reason).advice(), advice, "{reason}");
        }
        let is_away = |why: &str| trouble(&no_token(why)).lacks_issuer();
        assert!(is_away(": no answer: io: Connection refused") && is_away(" answers 503"));
        assert!(!is_away(": no answer: native-tls: certificate verify failed"));
        assert!(!is_away(" answers 401: invalid_client") && !is_away(" answers with a page"));
        let cases = [
            ("k1:9094/1: SASL authentication error: {\"status\":\"invalid_token\"}", REFUSED_TOKEN),
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

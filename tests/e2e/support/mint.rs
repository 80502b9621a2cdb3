//! Tokens (JWTs) that the brokers take, and those that they do not.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sign::Signer;
use serde_json::json;

const AUDIENCE: &str = "tests' brokers";

/// What tokens are signed with; what they are to be checked with is in a file for brokers.
pub(crate) struct Mint {
    key: PKey<Private>,
}

impl Mint {
    pub(crate) fn new(dir: &Path) -> Self {
        let key = Rsa::generate(2048).expect("a key");
        let (n, e) = (encoded(key.n().to_vec()), encoded(key.e().to_vec()));
        let known = json!({"keys": [
            {"kty": "RSA", "kid": "tests", "use": "sig", "alg": "RS256", "n": n, "e": e}
        ]});
        fs::write(keys(dir), known.to_string()).expect("target is writable");
        Self { key: PKey::from_rsa(key).expect("a key") }
    }

    /// For `User:SUBJECT`, from now on for so long.
    pub(crate) fn token(&self, subject: &str, lifetime_s: u64) -> String {
        let now_s = tailspool::clock::wall_ms() / 1000;
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": "tests"});
        let claims = json!({
            "iss": "tests", "sub": subject, "aud": AUDIENCE, "scope": "produce",
            "iat": now_s, "exp": now_s + lifetime_s,
        });
        let text = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let mut signer = Signer::new(MessageDigest::sha256(), &self.key).expect("a signer");
        let signature = signer.sign_oneshot_to_vec(text.as_bytes()).expect("a key signs");
        format!("{text}.{}", encoded(signature))
    }
}

/// The same, as if somebody else had signed it.
pub(crate) fn forged(token: &str) -> String {
    let (text, signature) = token.rsplit_once('.').expect("it is signed");
    format!("{text}.{}", signature.chars().rev().collect::<String>())
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn keys(dir: &Path) -> PathBuf {
    dir.join("keys.json")
}

/// Lines of a broker's configuration. A connection lasts no longer than the token it began with.
pub(crate) fn properties(dir: &Path) -> String {
    const LISTENER: &str = "listener.name.sasl_ssl.oauthbearer";
    const PACKAGE: &str = "org.apache.kafka.common.security.oauthbearer";
    format!(
        "{LISTENER}.sasl.jaas.config={PACKAGE}.OAuthBearerLoginModule required;\n\
         {LISTENER}.sasl.server.callback.handler.class={PACKAGE}.OAuthBearerValidatorCallbackHandler\n\
         {LISTENER}.connections.max.reauth.ms=3600000\n\
         sasl.oauthbearer.jwks.endpoint.url=file://{}\n\
          sasl.oauthbearer.jwt.validator.class={PACKAGE}.BrokerJwtValidator\n\
         sasl.oauthbearer.expected.audience={AUDIENCE}\n\
         sasl.oauthbearer.clock.skew.seconds=0\n",
        keys(dir).display()
    )
}

/// A broker's Java reads the keys of nobody else.
pub(crate) fn java_options(dir: &Path) -> [String; 2] {
    let keys = keys(dir);
    let path = keys.display();
    let allowed = "-Dorg.apache.kafka.sasl.oauthbearer.allowed";
    [format!("{allowed}.urls=file://{path}"), format!("{allowed}.files={path}")]
}

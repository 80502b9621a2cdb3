//! Keeps a client that logs in by OAUTHBEARER supplied with tokens, from a thread of its own: an
//! issuer that does not answer keeps nobody waiting. What goes wrong is told by the client itself,
//! like everything else about brokers.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rdkafka::producer::{BaseProducer, ProducerContext};
use thiserror::Error;
use ureq::Agent;
use ureq::tls::{PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

use super::native;
use super::token::{self, Token};
use crate::clock;
use crate::settings::{self, Properties};

/// Java's `sasl.login.retry.backoff.ms`, `sasl.login.retry.backoff.max.ms`; the latter as well
/// between two tokens, if a broker does not take the first.
const RETRY: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(10);
/// For an answer, name and connection included.
const ANSWER: Duration = Duration::from_secs(10);
/// Of a file or an answer: more than a token of the largest kind.
const TOKEN_BYTES_MAX: u64 = 256 << 10;
/// What a client never makes its own of: where tokens come from.
const OWN: &[&str] = &["sasl.oauthbearer.", "https."];

/// What was configured cannot give a token.
#[derive(Debug, Error)]
pub enum LoginError {
    #[error("read the issuer's authorities in {path}: {reason}")]
    Authorities { path: String, reason: String },
    #[error("start a thread: {0}")]
    Thread(io::Error),
}

/// Whether a setting is for us, and not for librdkafka.
pub(super) fn is_own(name: &str) -> bool {
    OWN.iter().any(|prefix| name.starts_with(prefix))
}

/// The thread ends when this is dropped.
pub(super) struct Login(SyncSender<()>);

impl Login {
    /// None for a client that needs no tokens.
    pub(super) fn start<C: ProducerContext + 'static>(
        client: &Arc<BaseProducer<C>>,
        kafka: &settings::Kafka,
    ) -> Result<Option<Self>, LoginError> {
        let Some(source) = Source::of(&kafka.security)? else { return Ok(None) };
        let extensions = extensions(&kafka.security);
        // One wish is as good as many.
        let (wishes, wanted) = sync_channel(1);
        let client = Arc::downgrade(client);
        let keeper = Keeper { client, source, extensions, wanted, ends: None, said: None };
        let thread = thread::Builder::new().name("token".into());
        thread.spawn(move || keeper.run()).map_err(LoginError::Thread)?;
        Ok(Some(Self(wishes)))
    }

    /// A broker does not take the token that there is: another one may be better.
    pub(super) fn renew(&self) {
        // Full: that is wished for already.
        self.0.try_send(()).ok();
    }
}

struct Keeper<C: ProducerContext> {
    client: Weak<BaseProducer<C>>,
    source: Source,
    extensions: Vec<(String, String)>,
    wanted: Receiver<()>,
    /// Of the token that the client has.
    ends: Option<Instant>,
    /// Why there is no other, as said last.
    said: Option<String>,
}

impl<C: ProducerContext> Keeper<C> {
    fn run(mut self) {
        let mut retry = RETRY;
        loop {
            let got = self.source.token();
            let Some(client) = self.client.upgrade() else { return };
            let pause = match got.and_then(|token| self.hand_over(&client, &token)) {
                // As Java and librdkafka do.
                Ok(lifetime) => {
                    retry = RETRY;
                    lifetime.mul_f64(0.8).max(RETRY)
                }
                Err(reason) => {
                    self.complain(&client, reason);
                    retry = (retry * 2).min(RETRY_MAX);
                    retry
                }
            };
            drop(client);
            if !self.waits(pause) {
                return;
            }
        }
    }

    fn hand_over(&mut self, client: &BaseProducer<C>, token: &Token) -> Result<Duration, String> {
        native::set_token(client, token, &self.extensions)?;
        self.ends = Some(clock::now() + token.lifetime);
        if self.said.take().is_some() {
            tracing::info!("there is a new token");
        }
        Ok(token.lifetime)
    }

    /// Brokers go on taking the last token until that ends.
    fn complain(&mut self, client: &BaseProducer<C>, reason: String) {
        let left = self.ends.map(|ends| ends.saturating_duration_since(clock::now()));
        match left.filter(|left| !left.is_zero()) {
            None => native::set_token_failure(client, &reason),
            Some(_) if self.said.as_ref() == Some(&reason) => {}
            Some(left) => {
                let left_s = left.as_secs();
                tracing::warn!(reason, left_s, "no new token; the last one holds for a while");
                self.said = Some(reason);
            }
        }
    }

    /// Until it is time for another token, or one is wished for; false if nobody needs one.
    fn waits(&self, pause: Duration) -> bool {
        let begun = clock::now();
        let (mut due, soonest) = (begun + pause, begun + RETRY_MAX);
        loop {
            match self.wanted.recv_timeout(due.saturating_duration_since(clock::now())) {
                Ok(()) => due = due.min(soonest),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }
}

fn extensions(security: &Properties) -> Vec<(String, String)> {
    let given = security.get("sasl.oauthbearer.extensions").unwrap_or_default();
    let pairs = given.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Where tokens come from.
enum Source {
    /// Somebody else puts the next one there in time.
    File(PathBuf),
    Issuer(Box<Issuer>),
}

struct Issuer {
    agent: Agent,
    url: String,
    authorization: String,
    form: String,
    secret: String,
}

/// Whether what is configured can be used; nobody is asked.
pub(super) fn try_settings(kafka: &settings::Kafka) -> Result<(), LoginError> {
    Source::of(&kafka.security).map(drop)
}

/// Why the file that tokens come out of has none, if one is to.
pub fn lacks_token(kafka: &settings::Kafka) -> Option<String> {
    let source = Source::of(&kafka.security).ok().flatten();
    source.filter(|source| matches!(source, Source::File(_)))?.token().err()
}

impl Source {
    fn of(security: &Properties) -> Result<Option<Self>, LoginError> {
        let is_asked_for = security.get("sasl.mechanisms") == Some("OAUTHBEARER");
        let url = security.get("sasl.oauthbearer.token.endpoint.url").filter(|_| is_asked_for);
        let Some(url) = url else { return Ok(None) };
        if let Some(path) = url.strip_prefix("file:") {
            return Ok(Some(Self::File(path.into())));
        }
        let given = |name: &str| {
            security.get(&format!("sasl.oauthbearer.{name}")).unwrap_or_default().to_owned()
        };
        let secret = given("client.credentials.client.secret");
        let scope = given("scope");
        let mut form = "grant_type=client_credentials".to_owned();
        if !scope.is_empty() {
            form.push_str("&scope=");
            form.extend(utf8_percent_encode(&scope, NON_ALPHANUMERIC));
        }
        Ok(Some(Self::Issuer(Box::new(Issuer {
            agent: agent(security)?,
            url: url.to_owned(),
            authorization: basic(&given("client.credentials.client.id"), &secret),
            form,
            secret,
        }))))
    }

    fn token(&self) -> Result<Token, String> {
        let now = || Duration::from_millis(clock::wall_ms());
        match self {
            Self::File(path) => {
                let at = |reason: &str| format!("{}: {reason}", path.display());
                let mut text = String::new();
                let file = File::open(path).map(|file| file.take(TOKEN_BYTES_MAX));
                file.and_then(|mut file| file.read_to_string(&mut text))
                    .map_err(|error| at(&error.to_string()))?;
                token::of_file(&text, now()).map_err(|reason| at(&reason))
            }
            Self::Issuer(issuer) => {
                let url = &issuer.url;
                let (status, body) =
                    issuer.ask().map_err(|error| format!("{url}: no answer: {error}"))?;
                token::of_answer(status, &body, now()).map_err(|reason| {
                    // Who echoes what it was told does not make us say it.
                    format!("{url} {reason}").replace(&issuer.secret, "***")
                })
            }
        }
    }
}

impl Issuer {
    fn ask(&self) -> Result<(u16, Vec<u8>), ureq::Error> {
        let mut answer = self
            .agent
            .post(&self.url)
            .header("Authorization", &self.authorization)
            .header("Accept", "application/json")
            .content_type("application/x-www-form-urlencoded")
            .send(&self.form)?;
        let body = answer.body_mut().with_config().limit(TOKEN_BYTES_MAX).read_to_vec()?;
        Ok((answer.status().as_u16(), body))
    }
}

/// As Java's client and librdkafka have it by default: as it stands, without the escapes of
/// RFC 6749, 2.3.1.
fn basic(client: &str, secret: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    format!("Basic {}", STANDARD.encode(format!("{client}:{secret}")))
}

/// Obeys `HTTPS_PROXY` and its like.
fn agent(security: &Properties) -> Result<Agent, LoginError> {
    let roots = match authorities(security)? {
        Some(certificates) => RootCerts::new_with_certs(&certificates),
        None => RootCerts::PlatformVerifier,
    };
    let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(roots).build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .timeout_global(Some(ANSWER))
        .http_status_as_error(false)
        // A secret goes where it was meant to go.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_connections(0)
        .user_agent(concat!("tailspool/", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(config.into())
}

fn authorities(
    security: &Properties,
) -> Result<Option<Vec<ureq::tls::Certificate<'static>>>, LoginError> {
    let (path, pem) = match (security.get("https.ca.location"), security.get("https.ca.pem")) {
        (Some(path), _) => (path, fs::read(path)),
        (None, Some(pem)) => ("https.ca.pem", Ok(pem.into())),
        (None, None) => return Ok(None),
    };
    let wrong = |reason: String| LoginError::Authorities { path: path.to_owned(), reason };
    let pem = pem.map_err(|error| wrong(error.to_string()))?;
    let items = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
        Ok(_) => None,
        Err(error) => Some(Err(wrong(error.to_string()))),
    });
    let certificates: Vec<_> = items.collect::<Result<_, _>>()?;
    if certificates.is_empty() {
        return Err(wrong("no certificate is in it".into()));
    }
    Ok(Some(certificates))
}

//! Whether something listens at a broker's address, and which certificates it shows.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use openssl::asn1::Asn1Time;
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::ssl::{SslConnector, SslConnectorBuilder, SslFiletype, SslMethod, SslVerifyMode};
use openssl::x509::{X509, X509Ref};
use thiserror::Error;

use crate::clock;
use crate::settings::{self, Properties};

const DAY_S: i64 = 24 * 60 * 60;

#[derive(Debug, Error)]
pub enum ReachError {
    #[error("its name cannot be resolved: {0}")]
    Name(io::Error),
    #[error("its name leads to no address")]
    NoAddress,
    #[error("{address}: {error}")]
    Connect { address: SocketAddr, error: io::Error },
}

/// Somebody who answers.
#[derive(Debug)]
pub struct Contact(TcpStream);

/// Until when a certificate holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Its common name, or what else it has.
    pub subject: String,
    /// As OpenSSL writes it: `Nov 21 14:20:49 2026 GMT`.
    pub not_after: String,
    /// The same in seconds since 1970.
    pub ends_s: i64,
    /// Its time is still to come, or our clock is behind.
    pub is_early: bool,
}

impl Certificate {
    /// Negative once it has expired.
    pub fn days_left(&self) -> i64 {
        let now_s = i64::try_from(clock::wall_ms() / 1000).unwrap_or(i64::MAX);
        (self.ends_s - now_s).div_euclid(DAY_S)
    }
}

/// Connects to `host:port`, to whichever of its addresses answers first in their order.
pub fn reach(address: &str, timeout: Duration) -> Result<Contact, ReachError> {
    let bare = address.split_once("://").map_or(address, |(_, rest)| rest);
    let addresses = bare.to_socket_addrs().map_err(ReachError::Name)?;
    let mut failed = ReachError::NoAddress;
    for address in addresses {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => return Ok(Contact(stream)),
            Err(error) => failed = ReachError::Connect { address, error },
        }
    }
    Err(failed)
}

impl Contact {
    /// Whether it takes up a TLS handshake.
    pub fn speaks_tls(self, timeout: Duration) -> bool {
        let handshake = || {
            self.wait(timeout)?;
            let connector = unverified()?.build().configure()?.verify_hostname(false);
            connector.connect("localhost", self.0).map_err(io::Error::other)
        };
        handshake().is_ok()
    }

    fn wait(&self, timeout: Duration) -> io::Result<()> {
        self.0.set_read_timeout(Some(timeout))?;
        self.0.set_write_timeout(Some(timeout))
    }

    /// The certificates it shows in a TLS handshake, its own first. Whether they can be trusted is
    /// not asked here.
    pub fn certificates(
        self,
        host: &str,
        kafka: &settings::Kafka,
        timeout: Duration,
    ) -> io::Result<Vec<Certificate>> {
        self.wait(timeout)?;
        let mut builder = unverified()?;
        // One who has none to show may be turned away before it sees theirs.
        show(&mut builder, kafka);
        let connector = builder.build().configure()?.verify_hostname(false);
        let stream = connector.connect(host, self.0).map_err(io::Error::other)?;
        let chain = stream.ssl().peer_cert_chain();
        Ok(chain.into_iter().flatten().filter_map(|certificate| of(certificate).ok()).collect())
    }
}

fn unverified() -> io::Result<SslConnectorBuilder> {
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    builder.set_verify(SslVerifyMode::NONE);
    Ok(builder)
}

/// A key that is locked cannot be shown, and librdkafka says what is wrong with one that is broken.
fn show(builder: &mut SslConnectorBuilder, kafka: &settings::Kafka) {
    let given = |name| kafka.security.get(name);
    let is_set = match (given("ssl.certificate.location"), given("ssl.certificate.pem")) {
        (Some(path), _) => builder.set_certificate_chain_file(path).is_ok(),
        (None, Some(pem)) => set_chain(builder, pem.as_bytes()).is_ok(),
        (None, None) => false,
    };
    let set = match (given("ssl.key.location"), given("ssl.key.pem")) {
        (Some(path), _) if is_set => builder.set_private_key_file(path, SslFiletype::PEM),
        (None, Some(pem)) if is_set => {
            PKey::private_key_from_pem(pem.as_bytes()).and_then(|key| builder.set_private_key(&key))
        }
        _ => return,
    };
    drop(set);
}

fn set_chain(builder: &mut SslConnectorBuilder, pem: &[u8]) -> Result<(), ErrorStack> {
    for (number, certificate) in X509::stack_from_pem(pem)?.into_iter().enumerate() {
        if number == 0 {
            builder.set_certificate(&certificate)?;
        } else {
            builder.add_extra_chain_cert(certificate)?;
        }
    }
    Ok(())
}

/// Those that a client shows. Of one that cannot be read librdkafka says so.
pub(super) fn certificates_shown(security: &Properties) -> Vec<Certificate> {
    let text = || security.get("ssl.certificate.pem");
    let found = match security.get("ssl.certificate.location") {
        Some(path) => certificates_in(Path::new(path)),
        None => text().map_or_else(|| Ok(Vec::new()), |pem| certificates_of(pem.as_bytes())),
    };
    found.unwrap_or_default()
}

/// The certificates in a PEM file.
pub fn certificates_in(path: &Path) -> io::Result<Vec<Certificate>> {
    certificates_of(&std::fs::read(path)?)
}

/// The certificates in a PEM text.
pub fn certificates_of(pem: &[u8]) -> io::Result<Vec<Certificate>> {
    let chain = X509::stack_from_pem(pem)?;
    chain.iter().map(|certificate| of(certificate).map_err(io::Error::from)).collect()
}

fn of(certificate: &X509Ref) -> Result<Certificate, ErrorStack> {
    let (now, end) = (Asn1Time::days_from_now(0)?, certificate.not_after());
    let since_1970 = Asn1Time::from_unix(0)?.diff(end)?;
    Ok(Certificate {
        subject: subject(certificate),
        not_after: end.to_string(),
        ends_s: i64::from(since_1970.days) * DAY_S + i64::from(since_1970.secs),
        is_early: now.compare(certificate.not_before())? == std::cmp::Ordering::Less,
    })
}

fn subject(certificate: &X509Ref) -> String {
    let name = certificate.subject_name();
    let common = name.entries_by_nid(Nid::COMMONNAME).next();
    let entry = common.or_else(|| name.entries().next());
    let text = entry.and_then(|entry| entry.data().to_string().ok());
    text.unwrap_or_else(|| "without a name".to_owned())
}

//! Who may come in: an authority and its certificates, users and their passwords.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name, X509NameBuilder};

use super::config::Config;
use super::mint::{self, Mint};

/// Known to every listener that asks for a name; may do only what lists allow.
pub(crate) const USER: &str = "writer";
pub(crate) const PASSWORD: &str = "canary-of-the-writer";

/// An authority that brokers and clients trust, and what it has signed, as files.
pub(crate) struct Guard {
    dir: PathBuf,
    signer: Signer,
    mint: Arc<Mint>,
}

/// A certificate and its key, in PEM files.
pub(crate) struct Papers {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

struct Signer {
    certificate: X509,
    key: PKey<Private>,
}

/// From when until when, in days from now.
#[derive(Clone, Copy)]
struct Validity(i64, i64);

const VALID: Validity = Validity(-1, 365);
const EXPIRED: Validity = Validity(-10, -1);
const SOON: Validity = Validity(-1, 5);

impl Guard {
    pub(crate) fn new(dir: &Path) -> Self {
        fs::create_dir_all(dir).expect("target is writable");
        let (signer, mint) = (Signer::new("tests' authority"), Arc::new(Mint::new(dir)));
        let guard = Self { dir: dir.to_owned(), signer, mint };
        let pem = guard.signer.certificate.to_pem().expect("a certificate is text");
        fs::write(guard.authority(), pem).expect("target is writable");
        let broker = guard.sign(&guard.signer, "broker", VALID);
        let mut store = fs::read(&broker.key).expect("just written");
        store.extend(fs::read(&broker.certificate).expect("just written"));
        fs::write(guard.dir.join("broker.store.pem"), store).expect("target is writable");
        guard
    }

    pub(crate) fn authority(&self) -> PathBuf {
        self.dir.join("authority.pem")
    }

    pub(crate) fn mint(&self) -> Arc<Mint> {
        Arc::clone(&self.mint)
    }

    /// Signed by the authority, for `User:CN=NAME`.
    pub(crate) fn papers(&self, name: &str) -> Papers {
        self.sign(&self.signer, name, VALID)
    }

    pub(crate) fn expired(&self, name: &str) -> Papers {
        self.sign(&self.signer, name, EXPIRED)
    }

    pub(crate) fn expiring(&self, name: &str) -> Papers {
        self.sign(&self.signer, name, SOON)
    }

    /// Signed by somebody whom the brokers do not know.
    pub(crate) fn unknown(&self, name: &str) -> Papers {
        self.sign(&Signer::new("a stranger"), name, VALID)
    }

    /// Lines of a broker's configuration.
    pub(crate) fn properties(&self) -> String {
        format!(
            "ssl.keystore.type=PEM\n\
             ssl.keystore.location={}\n\
             ssl.truststore.type=PEM\n\
             ssl.truststore.location={}\n\
             listener.name.ssl.ssl.client.auth=required\n\
             sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER\n\
             listener.name.sasl_ssl.plain.sasl.jaas.config=\
             org.apache.kafka.common.security.plain.PlainLoginModule required \
             user_{USER}=\"{PASSWORD}\";\n\
             listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=\
             org.apache.kafka.common.security.scram.ScramLoginModule required;\n\
             listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\
             org.apache.kafka.common.security.scram.ScramLoginModule required;\n\
             authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
             super.users=User:ANONYMOUS\n{}",
            self.dir.join("broker.store.pem").display(),
            self.authority().display(),
            mint::properties(&self.dir),
        )
    }

    /// What the Java of a node gets, whose folder is beside ours.
    pub(crate) fn java_options(node: &Path) -> [String; 2] {
        mint::java_options(&node.with_file_name("guard"))
    }

    /// What a controller is formatted with.
    pub(crate) fn users() -> Vec<String> {
        let user = |mechanism| format!("{mechanism}=[name={USER},password={PASSWORD}]");
        ["SCRAM-SHA-256", "SCRAM-SHA-512"].map(user).to_vec()
    }

    /// A configuration with a certificate of one's own.
    pub(crate) fn with_papers(&self, config: Config, papers: &Papers) -> Config {
        config
            .kafka("security.protocol", "SSL")
            .kafka("ssl.ca.location", &self.authority().display().to_string())
            .kafka("ssl.certificate.location", &papers.certificate.display().to_string())
            .kafka("ssl.key.location", &papers.key.display().to_string())
    }

    /// A configuration with a name and a file that holds the password.
    pub(crate) fn with_password(&self, config: Config, mechanism: &str, password: &Path) -> Config {
        config
            .kafka("security.protocol", "SASL_SSL")
            .kafka("ssl.ca.location", &self.authority().display().to_string())
            .kafka("sasl.mechanism", mechanism)
            .kafka("sasl.username", USER)
            .kafka("sasl.password_file", &password.display().to_string())
    }

    /// A configuration with tokens from a file.
    pub(crate) fn with_tokens(&self, config: Config, url: &str) -> Config {
        config
            .kafka("security.protocol", "SASL_SSL")
            .kafka("ssl.ca.location", &self.authority().display().to_string())
            .kafka("sasl.mechanism", "OAUTHBEARER")
            .kafka("sasl.oauthbearer.token.endpoint.url", url)
    }

    /// With a file that holds the client's secret.
    pub(crate) fn with_client(
        &self,
        config: Config,
        url: &str,
        client: &str,
        secret: &Path,
    ) -> Config {
        self.with_tokens(config, url)
            .kafka("sasl.oauthbearer.client.id", client)
            .kafka("sasl.oauthbearer.client.secret_file", &secret.display().to_string())
            .kafka("sasl.oauthbearer.scope", "produce logs")
    }

    fn sign(&self, signer: &Signer, name: &str, validity: Validity) -> Papers {
        let key = new_key();
        let mut builder = builder(name, &key, validity);
        builder.set_issuer_name(signer.certificate.subject_name()).expect("a name");
        let context = builder.x509v3_context(Some(&signer.certificate), None);
        let names = SubjectAlternativeName::new().ip("127.0.0.1").dns("localhost").build(&context);
        builder.append_extension(names.expect("names are right")).expect("an extension");
        builder.sign(&signer.key, MessageDigest::sha256()).expect("a key signs");
        let papers = Papers {
            certificate: self.dir.join(format!("{name}.pem")),
            key: self.dir.join(format!("{name}.key")),
        };
        let pem = builder.build().to_pem().expect("a certificate is text");
        fs::write(&papers.certificate, pem).expect("target is writable");
        let pem = key.private_key_to_pem_pkcs8().expect("a key is text");
        fs::write(&papers.key, pem).expect("target is writable");
        papers
    }
}

impl Signer {
    fn new(name: &str) -> Self {
        let key = new_key();
        let mut builder = builder(name, &key, VALID);
        builder.set_issuer_name(&x509_name(name)).expect("a name");
        let constraints = BasicConstraints::new().critical().ca().build().expect("constraints");
        builder.append_extension(constraints).expect("an extension");
        builder.sign(&key, MessageDigest::sha256()).expect("a key signs");
        Self { certificate: builder.build(), key }
    }
}

fn new_key() -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key")
}

fn x509_name(common: &str) -> X509Name {
    let mut name = X509NameBuilder::new().expect("memory");
    name.append_entry_by_text("CN", common).expect("a name");
    name.build()
}

/// All but who signs it.
fn builder(name: &str, key: &PKey<Private>, validity: Validity) -> X509Builder {
    let mut builder = X509::builder().expect("memory");
    builder.set_version(2).expect("version 3");
    let mut serial = BigNum::new().expect("memory");
    serial.rand(64, openssl::bn::MsbOption::MAYBE_ZERO, false).expect("random numbers");
    let serial = serial.to_asn1_integer().expect("a number");
    builder.set_serial_number(&serial).expect("a number");
    builder.set_subject_name(&x509_name(name)).expect("a name");
    builder.set_pubkey(key).expect("a key");
    builder.set_not_before(&days(validity.0)).expect("a time");
    builder.set_not_after(&days(validity.1)).expect("a time");
    builder
}

fn days(from_now: i64) -> Asn1Time {
    let now = i64::try_from(tailspool::clock::wall_ms() / 1000).expect("before the end of time");
    Asn1Time::from_unix(now + from_now * 86_400).expect("a time")
}

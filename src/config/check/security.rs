//! Who we are to the cluster and whom we trust: handed to librdkafka as it stands, by its names.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{World, oauth};
use crate::config::parse::{self, Parsed, Wrong};
use crate::config::raw::{Scalar, Value};
use crate::config::section::Section;
use crate::settings::Properties;

type Words = &'static [(&'static str, &'static str)];

const PROTOCOLS: Words = &[
    ("PLAINTEXT", "PLAINTEXT"),
    ("SSL", "SSL"),
    ("SASL_PLAINTEXT", "SASL_PLAINTEXT"),
    ("SASL_SSL", "SASL_SSL"),
];
const MECHANISMS: Words = &[
    ("PLAIN", "PLAIN"),
    ("SCRAM-SHA-256", "SCRAM-SHA-256"),
    ("SCRAM-SHA-512", "SCRAM-SHA-512"),
    (oauth::MECHANISM, oauth::MECHANISM),
];
const MECHANISMS_PLANNED: &[&str] = &["GSSAPI", "AWS_MSK_IAM"];
const PASSWORD: [&str; 3] = ["sasl.username", "sasl.password", "sasl.password_file"];
const IDENTIFICATIONS: Words = &[("https", "https"), ("none", "none")];
const FILES: &[&str] = &["ssl.ca.location", "ssl.certificate.location", "ssl.key.location"];
const PEMS: &[&str] = &["ssl.ca.pem", "ssl.certificate.pem"];
/// OpenSSL's lists, which end up with colons between their parts.
const LISTS: &[&str] = &["ssl.cipher.suites", "ssl.curves.list", "ssl.sigalgs.list"];
const KEY: [&str; 2] = ["ssl.key.pem", "ssl.key.pem_file"];
const KEY_PASSWORD: [&str; 2] = ["ssl.key.password", "ssl.key.password_file"];
const VERIFICATION: &str = "enable.ssl.certificate.verification";
const IDENTIFICATION: &str = "ssl.endpoint.identification.algorithm";
/// A secret that is longer is some other file.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// `unsaid` is the protocol where none is given; without that, one has to be as soon as anything
/// else is.
pub(super) fn check(
    s: &Section<'_>,
    world: &World<'_>,
    unsaid: Option<&'static str>,
) -> Properties {
    let protocol = parse::some(parse::choice_in_any_case(PROTOCOLS));
    let protocol = s.read("security.protocol", unsaid, protocol);
    let mechanism = s.read("sasl.mechanism", None, parse::some(mechanism));
    let text = |name| s.read(name, None, parse::some(parse::text)).value;
    let mut found = vec![
        ("security.protocol", protocol.given.and(protocol.value).map(str::to_owned)),
        ("sasl.mechanisms", mechanism.value.map(str::to_owned)),
        ("sasl.username", text("sasl.username")),
        ("sasl.password", secret(s, ["sasl.password", "sasl.password_file"], world)),
        ("ssl.key.password", secret(s, KEY_PASSWORD, world)),
        ("ssl.key.pem", secret(s, KEY, world)),
        (IDENTIFICATION, identification(s)),
        (VERIFICATION, verification(s)),
    ];
    found.extend(FILES.iter().map(|name| (*name, text(name))));
    found.extend(PEMS.iter().map(|name| (*name, s.read(name, None, parse::some(pem)).value)));
    found.extend(LISTS.iter().map(|name| (*name, list(s, name))));
    let tokens = oauth::check(s, world);
    if let (Some(protocol), true) = (protocol.value, protocol.sound) {
        let url = tokens.first().and_then(|(_, url)| url.as_deref());
        // What goes with a mechanism that is not there, nobody knows.
        if mechanism.sound {
            sasl_fits(s, protocol, mechanism.value, url);
        }
        ssl_fits(s, protocol);
    }
    found.extend(tokens);
    let given = found.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let given = Properties(given.collect());
    if protocol.value.is_none() && protocol.sound && !given.0.is_empty() {
        lacks_protocol(s);
    }
    given
}

fn lacks_protocol(s: &Section<'_>) {
    let name = "security.protocol";
    let meant = if sasl_names().iter().any(|name| s.has(name)) { "SASL_SSL" } else { "SSL" };
    let message = format!(
        "`{name}` is missing: with security settings of its own an output takes over none of \
         `kafka`; set `{name}: {meant}`"
    );
    s.error(s.node(), name, message, None);
}

fn mechanism(scalar: &Scalar) -> Parsed<&'static str> {
    if MECHANISMS_PLANNED.contains(&scalar.text.as_str()) {
        let shown = scalar.shown();
        return Err(Wrong::new(format!("{shown} is not supported by this version")));
    }
    parse::choice(MECHANISMS)(scalar)
}

fn identification(s: &Section<'_>) -> Option<String> {
    let choice = parse::choice_in_any_case(IDENTIFICATIONS);
    // Java's word for none is nothing at all.
    let read = |scalar: &Scalar| if scalar.text.is_empty() { Ok("none") } else { choice(scalar) };
    let how = s.read(IDENTIFICATION, None, parse::some(read));
    if let (Some("none"), Some(at)) = (how.value, how.given) {
        s.warning(
            at,
            IDENTIFICATION,
            "any certificate of a trusted authority can pose as the broker".into(),
        );
    }
    how.value.map(str::to_owned)
}

fn verification(s: &Section<'_>) -> Option<String> {
    let asked = s.read(VERIFICATION, None, parse::some(parse::flag));
    if let (Some(false), Some(at)) = (asked.value, asked.given) {
        let message = "no certificate is looked at: anybody between here and the brokers can read \
                       the lines, and the password";
        s.warning(at, VERIFICATION, message.into());
    }
    asked.value.map(|asked| asked.to_string())
}

/// Several lines; what is in them librdkafka will say.
pub(super) fn pem(scalar: &Scalar) -> Parsed<String> {
    if scalar.text.trim().is_empty() {
        return Err(Wrong::new("must not be empty".into()));
    }
    Ok(scalar.text.clone())
}

/// A list, or one text with commas or colons.
fn list(s: &Section<'_>, name: &'static str) -> Option<String> {
    let plain = |scalar: &Scalar| {
        Ok(parse::text(scalar)?
            .split([',', ' ', ':'])
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(":"))
    };
    if let Some(Value::List(_)) = s.find(name).map(|node| &node.value) {
        let parts = s.list(name, parse::text)?;
        return (!parts.is_empty()).then(|| parts.join(":"));
    }
    s.read(name, None, parse::some(plain)).value
}

fn sasl_names() -> Vec<&'static str> {
    [&["sasl.mechanism"], &PASSWORD[..], &oauth::names()].concat()
}

fn sasl_fits(s: &Section<'_>, protocol: &str, mechanism: Option<&str>, url: Option<&str>) {
    let with_protocol = format!("`security.protocol: {protocol}`");
    if !protocol.starts_with("SASL_") {
        idle(s, &sasl_names(), &with_protocol, "SASL_SSL");
        return;
    }
    if mechanism == Some(oauth::MECHANISM) {
        let with = format!("`sasl.mechanism: {}`", oauth::MECHANISM);
        idle(s, &PASSWORD, &with, "SCRAM or PLAIN");
        oauth::fits(s, protocol, url);
        return;
    }
    if let Some(mechanism) = mechanism {
        idle(s, &oauth::names(), &format!("`sasl.mechanism: {mechanism}`"), oauth::MECHANISM);
    }
    for name in ["sasl.mechanism", "sasl.username"] {
        if !s.has(name) {
            let message = format!("{with_protocol} needs `{name}`");
            s.error(s.place_of("security.protocol"), name, message, None);
        }
    }
    if !s.has("sasl.password") && !s.has("sasl.password_file") {
        let message = format!("{with_protocol} needs `sasl.password` or `sasl.password_file`");
        s.error(s.place_of("security.protocol"), "sasl.password", message, None);
    }
    if protocol == "SASL_PLAINTEXT" && mechanism == Some("PLAIN") {
        let message = "the password crosses the network in the clear; use SASL_SSL or SCRAM";
        s.warning(s.place_of("security.protocol"), "security.protocol", message.into());
    }
}

fn ssl_fits(s: &Section<'_>, protocol: &str) {
    let own = [IDENTIFICATION, VERIFICATION];
    let names = [FILES, PEMS, LISTS, &KEY, &KEY_PASSWORD, &own].concat();
    if !protocol.ends_with("SSL") {
        idle(s, &names, &format!("`security.protocol: {protocol}`"), "SSL");
        return;
    }
    let ca = ["ssl.ca.location", "ssl.ca.pem"];
    let certificate = ["ssl.certificate.location", "ssl.certificate.pem"];
    let key = ["ssl.key.location", KEY[0], KEY[1]];
    for forms in [&ca[..], &certificate, &key] {
        only_one(s, forms);
    }
    for (these, others) in [(&certificate[..], &key[..]), (&key, &certificate)] {
        if let Some(name) = these.iter().find(|name| s.has(name))
            && !others.iter().any(|other| s.has(other))
        {
            let other = others.first().copied().unwrap_or_default();
            s.error(s.place_of(name), name, format!("`{name}` needs `{other}`"), None);
        }
    }
}

/// The same may be given in several forms, but only once.
pub(super) fn only_one(s: &Section<'_>, forms: &[&'static str]) {
    let mut given = forms.iter().filter(|name| s.has(name));
    let Some(first) = given.next() else { return };
    for second in given {
        // Of a secret and its file it has been said already.
        if second.strip_suffix("_file") != Some(*first) {
            let message = format!("`{first}` and `{second}` are both given");
            s.error(s.place_of(second), second, message, None);
        }
    }
}

/// Keys that do nothing `with` what is there were meant to do something.
pub(super) fn idle(s: &Section<'_>, names: &[&'static str], with: &str, wanted: &str) {
    for name in names.iter().filter(|name| s.has(name)) {
        let message = format!("`{name}` has no effect with {with}; {wanted} uses it");
        s.warning(s.place_of(name), name, message);
    }
}

/// A secret, as it stands or from its file. Nothing of it is ever put into a message.
pub(super) fn secret(
    s: &Section<'_>,
    [name, file_name]: [&'static str; 2],
    world: &World<'_>,
) -> Option<String> {
    let literal = s.read(name, None, |scalar| {
        if scalar.text.is_empty() {
            return Err(Wrong::new("must not be empty".into()));
        }
        Ok(Some((scalar.text.clone(), scalar.written.is_none())))
    });
    let file = s.read(file_name, None, |scalar| read_secret(scalar, world).map(Some));
    if let (Some(_), Some(at)) = (literal.given, file.given) {
        s.error(at, file_name, format!("`{name}` and `{file_name}` are both given"), None);
    }
    if let (Some(at), Some((_, true)), true) = (literal.given, &literal.value, world.exposed) {
        let message =
            format!("everybody on this machine can read this; use `{file_name}` or mode 0640");
        s.warning(at, name, message);
    }
    literal.value.map(|(text, _)| text).or(file.value)
}

fn read_secret(scalar: &Scalar, world: &World<'_>) -> Parsed<String> {
    let path = secret_path(&parse::text(scalar)?, world)?;
    // As it is written: some put the secret itself here, by way of a variable.
    let cannot = |why: &str| Wrong::new(format!("cannot read {}: {why}", scalar.shown()));
    let text = read_text(&path).map_err(|error| cannot(&error.to_string()))?;
    let secret = text.trim_end_matches(['\n', '\r']);
    if secret.is_empty() {
        return Err(cannot("it is empty"));
    }
    Ok(secret.into())
}

/// A name without a directory is a credential that systemd hands over.
fn secret_path(text: &str, world: &World<'_>) -> Parsed<PathBuf> {
    if Path::new(text).is_absolute() {
        return Ok(text.into());
    }
    let directory = world.vars.get("CREDENTIALS_DIRECTORY").filter(|d| !d.is_empty());
    let missing =
        "a path that is not absolute is looked up in $CREDENTIALS_DIRECTORY, which is not set";
    directory.map(|d| Path::new(&d).join(text)).ok_or_else(|| Wrong::new(missing.into()))
}

fn read_text(path: &Path) -> io::Result<String> {
    // A pipe without a writer would be waited for for ever.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut text = String::new();
    let len = File::open(path)?.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text)?;
    if len as u64 > SECRET_BYTES_MAX {
        return Err(io::Error::other("it is larger than any secret"));
    }
    Ok(text)
}

//! Where the tokens of OAUTHBEARER come from. All of it is for `produce`: librdkafka gets only the
//! tokens.

use super::World;
use super::security::{idle, only_one, pem, secret};
use crate::config::parse::{self, Parsed, Wrong};
use crate::config::raw::Scalar;
use crate::config::section::Section;

pub(super) const MECHANISM: &str = "OAUTHBEARER";
const METHOD: &str = "sasl.oauthbearer.method";
const URL: &str = "sasl.oauthbearer.token.endpoint.url";
const CLIENT: &str = "sasl.oauthbearer.client.credentials.client.id";
const SECRET: [&str; 2] = [
    "sasl.oauthbearer.client.credentials.client.secret",
    "sasl.oauthbearer.client.credentials.client.secret_file",
];
const SCOPE: &str = "sasl.oauthbearer.scope";
const EXTENSIONS: &str = "sasl.oauthbearer.extensions";
const AUTHORITIES: [&str; 2] = ["https.ca.location", "https.ca.pem"];
/// What a file does not ask for.
const OF_ISSUERS: [&str; 6] = [CLIENT, SECRET[0], SECRET[1], SCOPE, AUTHORITIES[0], AUTHORITIES[1]];

pub(super) fn check(s: &Section<'_>, world: &World<'_>) -> Vec<(&'static str, Option<String>)> {
    s.read(METHOD, None, parse::some(method));
    let text = |name| s.read(name, None, parse::some(parse::text)).value;
    vec![
        (URL, s.read(URL, None, parse::some(url)).value),
        (CLIENT, text(CLIENT)),
        (SECRET[0], secret(s, SECRET, world)),
        (SCOPE, text(SCOPE)),
        (EXTENSIONS, s.read(EXTENSIONS, None, parse::some(extensions)).value),
        (AUTHORITIES[0], text(AUTHORITIES[0])),
        (AUTHORITIES[1], s.read(AUTHORITIES[1], None, parse::some(pem)).value),
    ]
}

/// All keys, for whom they do nothing.
pub(super) fn names() -> Vec<&'static str> {
    [&OF_ISSUERS[..], &[METHOD, URL, EXTENSIONS]].concat()
}

pub(super) fn fits(s: &Section<'_>, protocol: &str, url: Option<&str>) {
    let with = format!("`sasl.mechanism: {MECHANISM}`");
    let needs = |name, what: &str| {
        let message = format!("{with} needs {what}");
        s.error(s.place_of("sasl.mechanism"), name, message, None);
    };
    if protocol == "SASL_PLAINTEXT" {
        let message = "tokens cross the network in the clear; use SASL_SSL";
        s.warning(s.place_of("security.protocol"), "security.protocol", message.into());
    }
    if !s.has(URL) {
        needs(URL, &format!("`{URL}`"));
    }
    let Some(url) = url else { return };
    if url.starts_with("file:") {
        idle(s, &OF_ISSUERS, "a token from a file", "an issuer's URL");
        return;
    }
    if !s.has(CLIENT) {
        needs(CLIENT, &format!("`{CLIENT}`"));
    }
    if !SECRET.iter().any(|name| s.has(name)) {
        needs(SECRET[0], &format!("`{}` or `{}`", SECRET[0], SECRET[1]));
    }
    if url.starts_with("https:") {
        only_one(s, &AUTHORITIES);
    } else {
        idle(s, &AUTHORITIES, "an `http:` URL", "`https:`");
        let message = "the client's secret crosses the network in the clear; use `https:`";
        s.warning(s.place_of(URL), URL, message.into());
    }
}

/// A setting of librdkafka's, which does not mind the case.
fn method(scalar: &Scalar) -> Parsed<()> {
    match scalar.text.to_ascii_lowercase().as_str() {
        "oidc" => Ok(()),
        "default" => Err(Wrong::new(format!(
            "`default` is a program's own way to a token; here it is `oidc`, from `{URL}`"
        ))),
        _ => parse::choice(&[("oidc", ())])(scalar),
    }
}

/// Of an issuer, or of the file that the token is in. Not shown: who should not puts a password
/// into it.
fn url(scalar: &Scalar) -> Parsed<String> {
    let wrong = |what: &str| Err(Wrong::new(what.into()));
    let text = parse::text(scalar)?;
    if let Some(path) = text.strip_prefix("file:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        if !path.starts_with('/') {
            return wrong("a file's URL is `file:///` and an absolute path");
        }
        return Ok(format!("file:{path}"));
    }
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let Some(rest) = rest else { return wrong("begins neither with `https://` nor `file:///`") };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.contains('@') {
        return wrong(&format!("takes no name and password; they are `{CLIENT}` and its secret"));
    }
    if host.is_empty() || text.contains(char::is_whitespace) {
        return wrong("is no URL");
    }
    Ok(text)
}

/// `name=value,name=value`, of what RFC 7628 lets through.
fn extensions(scalar: &Scalar) -> Parsed<String> {
    let text = parse::text(scalar)?;
    let parts: Option<Vec<_>> = text.split(',').map(|part| part.trim().split_once('=')).collect();
    let is_name = |name: &str| {
        !name.is_empty() && name != "auth" && name.bytes().all(|b| b.is_ascii_alphabetic())
    };
    let is_value = |value: &str| value.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    match parts {
        Some(parts) if parts.iter().all(|(name, value)| is_name(name) && is_value(value)) => {
            let pairs = parts.iter().map(|(name, value)| format!("{name}={value}"));
            Ok(pairs.collect::<Vec<_>>().join(","))
        }
        _ => {
            let shown = scalar.shown();
            Err(Wrong::new(format!("{shown} is not NAME=VALUE,…; names are of letters only")))
        }
    }
}

//! Mistakes about OAUTHBEARER.

use super::super::with_kafka;
use super::check;

#[test]
fn in_what_tokens_come_from() {
    let sasl = |lines: &str| {
        let start = "  security.protocol: SASL_SSL\n  sasl.mechanism: OAUTHBEARER\n";
        with_kafka(&format!("{start}{lines}"))
    };
    check(IN_TOKENS, sasl);
}

#[test]
fn where_no_tokens_are_asked_for() {
    check(ELSEWHERE, with_kafka);
}

const IN_TOKENS: &[(&str, &str)] = &[
    ("", "4:19 error: `sasl.mechanism: OAUTHBEARER` needs `sasl.oauthbearer.token.endpoint.url`"),
    (
        "  sasl.oauthbearer.token.endpoint.url: https://issuer/token",
        "4:19 error: `sasl.mechanism: OAUTHBEARER` needs `sasl.oauthbearer.client.credentials.client.id`\n4:19 error: `sasl.mechanism: OAUTHBEARER` needs `sasl.oauthbearer.client.credentials.client.secret` or `sasl.oauthbearer.client.credentials.client.secret_file`",
    ),
    (
        "  sasl.oauthbearer.token.endpoint.url: http://issuer/token\n  sasl.oauthbearer.client.id: c\n  sasl.oauthbearer.client.secret: ${PASSWORD}\n  https.ca.location: /ca",
        "5:40 warning: the client's secret crosses the network in the clear; use `https:`\n8:22 warning: `https.ca.location` has no effect with an `http:` URL; `https:` uses it",
    ),
    (
        "  sasl.oauthbearer.token.endpoint.url: https://issuer/token\n  sasl.oauthbearer.client.id: c\n  sasl.oauthbearer.client.secret: ${PASSWORD}\n  https.ca.location: /ca\n  https.ca.pem: x",
        "9:17 error: `https.ca.location` and `https.ca.pem` are both given",
    ),
    (
        "  sasl.oauthbearer.token.endpoint.url: https://issuer/token\n  sasl.oauthbearer.client.id: c\n  sasl.oauthbearer.client.secret_file: /nowhere/secret",
        "7:40 error: `sasl.oauthbearer.client.credentials.client.secret_file`: cannot read `/nowhere/secret`: No such file or directory (os error 2)",
    ),
    (
        "  sasl.oauthbearer.token.endpoint.url: issuer/token",
        "5:40 error: `sasl.oauthbearer.token.endpoint.url`: begins neither with `https://` nor `file:///`",
    ),
    (
        "  sasl.oauthbearer.token.endpoint.url: https://me:hidden@issuer/token",
        "5:40 error: `sasl.oauthbearer.token.endpoint.url`: takes no name and password; they are `sasl.oauthbearer.client.credentials.client.id` and its secret",
    ),
    (
        "  sasl.oauthbearer.token.endpoint.url: https:///token",
        "5:40 error: `sasl.oauthbearer.token.endpoint.url`: is no URL",
    ),
    (
        "  sasl.oauthbearer.token.endpoint.url: file://token",
        "5:40 error: `sasl.oauthbearer.token.endpoint.url`: a file's URL is `file:///` and an absolute path",
    ),
    (
        "  sasl.oauthbearer.token.endpoint.url: file:///token\n  sasl.oauthbearer.scope: s\n  sasl.username: u",
        "6:27 warning: `sasl.oauthbearer.scope` has no effect with a token from a file; an issuer's URL uses it\n7:18 warning: `sasl.username` has no effect with `sasl.mechanism: OAUTHBEARER`; SCRAM or PLAIN uses it",
    ),
    (
        "  sasl.oauthbearer.token.endpoint.url: file:///token\n  sasl.oauthbearer.extensions: [a]\n  sasl.oauthbearer.method: default",
        "6:32 error: `sasl.oauthbearer.extensions` takes a single value, not a list\n7:28 error: `sasl.oauthbearer.method`: `default` is a program's own way to a token; here it is `oidc`, from `sasl.oauthbearer.token.endpoint.url`",
    ),
    (
        "  sasl.oauthbearer.token.endpoint.url: file:///token\n  sasl.oauthbearer.extensions: a-b=c",
        "6:32 error: `sasl.oauthbearer.extensions`: `a-b=c` is not NAME=VALUE,…; names are of letters only",
    ),
    (
        "  sasl.oauthbearer.token.endpoint.url: file:///token\n  sasl.oauthbearer.assertion.file: /a",
        "6:3 error: `sasl.oauthbearer.assertion.file` is not supported by this version",
    ),
    (
        "  sasl.oauthbearer.token.endpoint.url: file:///token\n  sasl.oauthbearer.scop: s\n  sasl.oauthbearer.jwks.endpoint.url: x",
        "6:3 error: unknown key `sasl.oauthbearer.scop` => sasl.oauthbearer.scope\n7:3 error: `sasl.oauthbearer.jwks.endpoint.url` is not taken: brokers check tokens",
    ),
    (
        "  sasl.oauthbearer.token.endpoint.url: file:///token\n  sasl.login.refresh.window.factor: 0.8",
        "6:3 error: `sasl.login.refresh.window.factor` is not taken: a token is renewed at 80 % of its time, and asked for again within 10 s",
    ),
];

const ELSEWHERE: &[(&str, &str)] = &[
    (
        "  sasl.oauthbearer.scope: s",
        "3:27 warning: `sasl.oauthbearer.scope` has no effect with `security.protocol: PLAINTEXT`; SASL_SSL uses it",
    ),
    (
        "  security.protocol: SASL_SSL\n  sasl.mechanism: PLAIN\n  sasl.username: u\n  sasl.password: ${PASSWORD}\n  sasl.oauthbearer.client.id: c",
        "7:31 warning: `sasl.oauthbearer.client.credentials.client.id` has no effect with `sasl.mechanism: PLAIN`; OAUTHBEARER uses it",
    ),
    (
        "  security.protocol: SASL_PLAINTEXT\n  sasl.mechanism: OAUTHBEARER\n  sasl.oauthbearer.token.endpoint.url: file:///token",
        "3:22 warning: tokens cross the network in the clear; use SASL_SSL",
    ),
];

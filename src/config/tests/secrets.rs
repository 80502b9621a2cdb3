//! No secret in anything that is printed.

use super::{load, with_kafka};
use crate::config::LoadError;

const CANARY: &str = "canary-hunter2";

fn printed(text: &str) -> String {
    match load(text) {
        Ok(loaded) => format!("{:?} {:?}", loaded.settings, loaded.warnings),
        Err(error @ LoadError::Problems(_)) => format!("{error} {error:?}"),
        Err(LoadError::Unreadable { .. }) => String::new(),
    }
}

#[test]
fn a_canary_is_never_printed() {
    let sasl = "  security.protocol: SASL_SSL\n  sasl.mechanism: PLAIN\n  sasl.username: u\n";
    let tokens = "  security.protocol: SASL_SSL\n  sasl.mechanism: OAUTHBEARER\n  \
                  sasl.oauthbearer.token.endpoint.url";
    for lines in [
        format!("{sasl}  sasl.password: {CANARY}"),
        format!("  sasl.password: {CANARY}"),
        format!("  sasl.password: [{CANARY}]"),
        format!("  sasl.password: {{a: {CANARY}, b: [{CANARY}]}}"),
        format!("  sasl.password: !tag {CANARY}"),
        format!("  sasl.password: !!int {CANARY}"),
        format!("  sasl.password: *{CANARY}"),
        format!("  sasl.password: |\n    {CANARY}\n  bogus: 1"),
        format!("  sasl.password:\n    {CANARY}\n  bogus: 1"),
        format!("  sasl.password: '{CANARY}\n  bogus: 1"),
        format!("  sasl.password: \"\\q{CANARY}\""),
        format!("  sasl.password: ${{{CANARY}}}"),
        format!("  sasl.password: ${{X:-{CANARY}}}\n  sasl.username: ${{NO_SUCH}}"),
        format!("  sasl.password: {CANARY}: x"),
        format!("  sasl.password: {CANARY}\n  sasl.password: {CANARY}"),
        format!("  sasl.pasword: {CANARY}"),
        format!("  passwd: {CANARY}"),
        format!("  sasl.jaas.config: username=\"u\" password=\"{CANARY}\";"),
        format!("  ssl.keystore.password: {CANARY}"),
        format!("  ssl.key.password: {CANARY}\n  ssl.key.password_file: /nowhere"),
        format!("  client.id: &x {CANARY}\n  sasl.password: *x\n  acks: {CANARY}"),
        format!("  acks: {CANARY}\n  sasl.password: {CANARY}"),
        format!("  ssl.key.pem: |\n    {CANARY}\n  bogus: 1"),
        format!("  ssl.keystore.key: {CANARY}\n  ssl.key.location: /nowhere"),
        format!("  sasl.oauthbearer.client.secret: {CANARY}"),
        format!("  sasl.oauthbearer.client.credentials.client.secret: {CANARY}\n  acks: {CANARY}"),
        format!("  sasl.oauthbearer.client.secert: {CANARY}"),
        format!("{tokens}: https://me:{CANARY}@issuer/token"),
        format!("{tokens}: https://issuer/token\n  sasl.oauthbearer.client.secret: {CANARY}"),
        format!("  # sasl.password: {CANARY}\n  bogus: \u{7}"),
        format!("  sasl.password: {CANARY} \u{7}"),
        format!("  sasl.password : \"a\n{CANARY}"),
        "  sasl.password_file: /${PASSWORD}".into(),
        "  sasl.password: ${PASSWORD}\n  linger.ms: ${PASSWORD}\n  acks: ${PASSWORD}".into(),
    ] {
        let text = with_kafka(&lines);
        let printed = printed(&text);
        assert!(!printed.contains("hunter2") && !printed.contains("from-env"), "{text}\n{printed}");
        let flow = format!("kafka: {{{}, bogus: 1}}\n", lines.trim().replace('\n', ","));
        assert!(!self::printed(&flow).contains("hunter2"), "{flow}");
    }
}

#[test]
fn the_excerpt_of_a_secret_shows_its_key() {
    let printed = load(&with_kafka(&format!("  sasl.pasword: {CANARY}"))).unwrap_err().to_string();
    let lines = [
        "error: unknown key `sasl.pasword`, did you mean `sasl.password`?",
        " --> tailspool.yaml:3:3",
        "  |",
        "3 |   sasl.pasword: ***",
        "  |   ^^^^^^^^^^^^",
    ];
    assert_eq!(printed, lines.join("\n"));
}

#[test]
fn a_literal_secret_that_everybody_can_read_is_a_warning() {
    let text = with_kafka(&format!(
        "  security.protocol: SASL_SSL\n  sasl.mechanism: PLAIN\n  sasl.username: u\n  \
         sasl.password: {CANARY}"
    ));
    let loaded = load(&text).expect("is right");
    let warning = loaded.warnings.first().expect("is there");
    assert_eq!((warning.line, warning.column), (6, 18));
    assert!(
        warning.to_string().ends_with("6 |   sasl.password: ***\n  |                  ^^^"),
        "{warning}"
    );
}

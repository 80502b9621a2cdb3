//! A token for OAUTHBEARER: out of an issuer's answer, or of a file. Nothing of it is ever put into
//! a message.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// No token is meant to hold for longer; what says so would not fit into librdkafka's clock.
const LIFETIME_MAX: Duration = Duration::from_hours(10 * 365 * 24);
/// Of what an issuer says of a mistake. It is a sentence, if it is what it should be.
const SAID_CHARS_MAX: usize = 200;

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    /// Who it says we are, if it is a JWT: for librdkafka's log only.
    pub(super) principal: Option<String>,
    /// What is left of it.
    pub(super) lifetime: Duration,
}

/// Out of what an issuer answers to a request for a token (RFC 6749, 5.1 and 5.2).
pub(super) fn of_answer(status: u16, body: &[u8], now: Duration) -> Result<Token, String> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    if status != 200 {
        return Err(refusal(status, &answer));
    }
    if !answer.is_object() {
        return Err("answers with something else than a JSON object".into());
    }
    let text = answer.get("access_token").and_then(Value::as_str);
    let text = text.ok_or("answers without an `access_token`")?;
    let claims = Claims::of(text);
    let lifetime = match answer.get("expires_in").and_then(seconds) {
        Some(lifetime) => lifetime,
        // By our clock, which may not be the issuer's.
        None => claims.left(now).ok_or("answers with a token that does not say when it ends")?,
    };
    token(text, claims, lifetime)
}

/// As it stands in a file: a JWT.
pub(super) fn of_file(text: &str, now: Duration) -> Result<Token, String> {
    let text = text.trim();
    let claims = Claims::of(text);
    let lifetime = claims.left(now).ok_or("holds no token that says when it ends (a JWT)")?;
    token(text, claims, lifetime)
}

fn token(text: &str, claims: Claims, lifetime: Duration) -> Result<Token, String> {
    // What else there is would end the message to the broker early (RFC 7628, 3.1).
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("gives a token with characters that no token has".into());
    }
    if lifetime.is_zero() {
        return Err("gives a token that has expired".into());
    }
    Ok(Token {
        text: text.to_owned(),
        principal: claims.subject,
        lifetime: lifetime.min(LIFETIME_MAX),
    })
}

/// `401: invalid_client: no such client`, as far as the issuer says it.
fn refusal(status: u16, answer: &Value) -> String {
    let said = ["error", "error_description"].into_iter().filter_map(|name| {
        let text = answer.get(name)?.as_str()?;
        let plain = text.chars().filter(|c| !c.is_control()).take(SAID_CHARS_MAX);
        Some(format!(": {}", plain.collect::<String>()))
    });
    format!("answers {status}{}", said.collect::<String>())
}

/// What a JWT says in its middle part. Whether it is signed is the broker's business.
#[derive(Default)]
struct Claims {
    subject: Option<String>,
    /// Since 1970.
    ends: Option<Duration>,
}

impl Claims {
    fn of(text: &str) -> Self {
        let claims = || {
            let payload = text.split('.').nth(1)?;
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
        };
        let claims: Value = claims().unwrap_or_default();
        let subject = claims.get("sub").and_then(Value::as_str).map(str::to_owned);
        Self { subject, ends: claims.get("exp").and_then(seconds) }
    }

    fn left(&self, now: Duration) -> Option<Duration> {
        Some(self.ends?.saturating_sub(now))
    }
}

/// A number; some issuers make it a text.
fn seconds(value: &Value) -> Option<Duration> {
    let number = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
    Duration::try_from_secs_f64(number.max(0.0)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 1,800,000,000 seconds.
    const NOW: Duration = Duration::from_hours(500_000);

    fn jwt(claims: &str) -> String {
        format!("e30.{}.signature", URL_SAFE_NO_PAD.encode(claims))
    }

    fn answered(status: u16, body: &str) -> Result<(String, Option<String>, u64), String> {
        let token = of_answer(status, body.as_bytes(), NOW)?;
        Ok((token.text, token.principal, token.lifetime.as_secs()))
    }

    #[test]
    fn a_token_ends_when_the_issuer_says_or_else_when_it_says_itself() {
        let opaque = |rest: &str| format!(r#"{{"access_token": "opaque"{rest}}}"#);
        let holds = |seconds| Ok(("opaque".to_owned(), None, seconds));
        assert_eq!(answered(200, &opaque(r#", "expires_in": 300"#)), holds(300));
        assert_eq!(answered(200, &opaque(r#", "expires_in": "3599""#)), holds(3599));
        assert_eq!(answered(200, &opaque(r#", "expires_in": 1e12"#)), holds(315_360_000));
        let jwt = jwt(r#"{"sub": "me", "exp": 1800000060.5}"#);
        let own = |rest: &str| format!(r#"{{"access_token": "{jwt}"{rest}}}"#);
        let holds = |seconds| Ok((jwt.clone(), Some("me".to_owned()), seconds));
        assert_eq!(answered(200, &own("")), holds(60));
        assert_eq!(answered(200, &own(r#", "expires_in": 30"#)), holds(30));
        assert!(answered(200, &opaque("")).unwrap_err().contains("does not say when it ends"));
    }

    #[test]
    fn what_an_issuer_says_of_a_mistake_is_passed_on() {
        let said = |status, body: &str| answered(status, body).unwrap_err();
        let body = r#"{"error": "invalid_client", "error_description": "wrong\n secret"}"#;
        assert_eq!(said(401, body), "answers 401: invalid_client: wrong secret");
        assert_eq!(said(503, "<html>"), "answers 503");
        assert_eq!(said(302, ""), "answers 302");
        assert!(said(200, "<html>").contains("JSON"));
        assert!(said(200, "{}").contains("`access_token`"));
        assert!(said(200, r#"{"access_token": 7}"#).contains("`access_token`"));
        let over = r#"{"access_token": "a", "expires_in": 0}"#;
        assert!(said(200, over).contains("expired"));
        let split = r#"{"access_token": "a\u0001b", "expires_in": 9}"#;
        assert!(said(200, split).contains("characters"));
    }

    #[test]
    fn a_file_holds_a_token_that_says_when_it_ends() {
        let left = |text: &str| of_file(text, NOW).map(|token| token.lifetime.as_secs());
        assert_eq!(left(&format!("{}\n", jwt(r#"{"exp": 1800000600}"#))), Ok(600));
        assert!(left(&jwt(r#"{"exp": 1799999999}"#)).unwrap_err().contains("expired"));
        assert!(left(&jwt("{}")).unwrap_err().contains("says when it ends"));
        assert!(left("").unwrap_err().contains("says when it ends"));
    }

    proptest! {
        #[test]
        fn whatever_an_issuer_answers_is_a_token_or_a_reason(
            status in any::<u16>(), body in any::<Vec<u8>>(), text in ".*",
        ) {
            drop(of_answer(status, &body, NOW));
            drop(of_file(&text, NOW));
            let claimed = serde_json::json!({"access_token": jwt(&text), "expires_in": text});
            drop(of_answer(200, claimed.to_string().as_bytes(), NOW));
        }

        #[test]
        fn a_time_of_any_kind_is_within_bounds(number in any::<f64>(), text in "[0-9eE.+-]{0,12}") {
            for ends in [serde_json::json!(number), serde_json::json!(text)] {
                let answer = serde_json::json!({"access_token": "opaque", "expires_in": ends});
                if let Ok(token) = of_answer(200, answer.to_string().as_bytes(), NOW) {
                    prop_assert!(!token.lifetime.is_zero() && token.lifetime <= LIFETIME_MAX);
                }
            }
        }
    }
}

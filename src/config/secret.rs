//! Which keys hold secrets, and where in a text their values are. Works on text that is no YAML
//! too, and rather covers too much.

/// Whether a key holds a secret, or is a mistyped one that does.
pub(super) fn is_secret(key: &str) -> bool {
    // These hold the path of a secret, or a name.
    if [".location", "_file", ".client.id"].iter().any(|end| key.ends_with(end)) {
        return false;
    }
    let key = key.to_ascii_lowercase();
    let near = strsim::damerau_levenshtein;
    let words =
        ["pass", "secret", "token", "jaas", "cred", "pwd", "private", ".pem", "keystore.key"];
    words.iter().any(|word| key.contains(word))
        || key.split(['.', '_', '-']).any(|part| {
            part.len() > 4 && (near("password", part) <= 3 || near("secret", part) <= 1)
        })
}

/// The bytes of a text that may belong to a secret. In order.
pub(super) struct Veil(Vec<std::ops::Range<usize>>);

impl Veil {
    pub(super) fn over(text: &str) -> Self {
        let mut covered = Vec::new();
        let mut open: Option<Open> = None;
        let mut at = 0;
        for line in text.split_inclusive(['\n', '\r']) {
            let start = at;
            at += line.len();
            if open.as_ref().is_some_and(|o| o.goes_on(line)) {
                covered.push(start..at);
                continue;
            }
            open = None;
            if let Some(value) = secret_value(line) {
                covered.push(start + value..at);
                open = Some(Open::after(line, value));
            }
        }
        Self(covered)
    }

    /// The first covered byte of a line, from its start.
    pub(super) fn from(&self, start: usize, len: usize) -> Option<usize> {
        let covered = self.0.iter().find(|r| r.start <= start + len && r.end > start)?;
        Some(covered.start.saturating_sub(start))
    }
}

/// A secret that may go on in the lines below.
struct Open {
    indent: usize,
    unclosed: bool,
}

impl Open {
    fn after(line: &str, value: usize) -> Self {
        let mut value = line.get(value..).unwrap_or_default().trim();
        while let Some((_, rest)) = value.split_once(' ').filter(|_| value.starts_with(['&', '!']))
        {
            value = rest.trim_start();
        }
        let unclosed = match value.bytes().next() {
            Some(quote @ (b'"' | b'\'')) => !value.bytes().skip(1).any(|b| b == quote),
            Some(b'[' | b'{') => !value.ends_with([']', '}']),
            _ => false,
        };
        Self { indent: indent(line), unclosed }
    }

    fn goes_on(&self, line: &str) -> bool {
        self.unclosed || line.trim().is_empty() || indent(line) > self.indent || !has_key(line)
    }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Whether a line begins like an entry of a mapping or a list.
fn has_key(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("- ")
        || line.trim_end() == "-"
        || keys(line).next().is_some_and(|(at, _)| at == 0)
}

/// The first byte of the value of the first secret in a line.
fn secret_value(line: &str) -> Option<usize> {
    keys(line).find(|(_, key)| is_secret(key)).map(|(at, key)| {
        let after = at + key.len();
        let colon = line.get(after..).and_then(|rest| rest.find([':', '=']));
        colon.map_or(after, |colon| after + colon + 1)
    })
}

/// Words followed by a colon, or by the equals sign of a properties file; with their places.
fn keys(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '$');
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(rest) = line.get(at..).filter(|rest| !rest.is_empty()) {
            let start = at + rest.find(is_word).unwrap_or(rest.len());
            let word = line.get(start..).unwrap_or_default();
            let word = word.get(..word.find(|c| !is_word(c)).unwrap_or(word.len()))?;
            at = start + word.len().max(1);
            let after = line.get(start + word.len()..).unwrap_or_default();
            let after = after.trim_start_matches(['"', '\'']).trim_start();
            if !word.is_empty() && after.starts_with([':', '=']) {
                return Some((start, word));
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visible(text: &str) -> String {
        let veil = Veil::over(text);
        let mut at = 0;
        let lines = text.split_inclusive('\n').map(|line| {
            let from = veil.from(at, line.len() - 1).unwrap_or(line.len());
            at += line.len();
            line.get(..from).unwrap_or_default()
        });
        lines.collect()
    }

    #[test]
    fn secrets_are_known_by_their_keys() {
        for key in ["sasl.password", "sasl.pasword", "sasl.passwrod", "ssl.key.password", "paswd"] {
            assert!(is_secret(key), "{key}");
        }
        let client = "sasl.oauthbearer.client.credentials.client.id";
        for key in ["sasl.password_file", "sasl.username", "ssl.key.location", "topic", client] {
            assert!(!is_secret(key), "{key}");
        }
    }

    #[test]
    fn no_form_of_yaml_shows_a_secret() {
        for text in [
            "sasl.password: hunter2\n",
            "kafka: {sasl.password: hunter2, acks: 1}\n",
            "kafka: { \"sasl.password\" : 'hunter2' }\n",
            "  sasl.password: |\n    hunter2\n  acks: 1\n",
            "  sasl.password:\n    hunter2\n",
            "{\nsasl.password:\nhunter2\n}\n",
            "sasl.password: \"open\nhunter2: x\n",
            "sasl.password: [open,\nhunter2: x\n",
            "# sasl.password=hunter2\n",
            "sasl.jaas.config: org.x required username=\"a\" password=\"hunter2\";\n",
            "sasl.password: one\r  hunter2\n",
        ] {
            assert!(!visible(text).contains("hunter2"), "{text:?} shows {:?}", visible(text));
        }
        assert!(visible("  sasl.password: |\n    hunter2\n  acks: 1\n").contains("acks: 1"));
    }
}

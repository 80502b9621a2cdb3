//! What somebody who wrote this probably meant.

/// Longer texts are cut in messages.
const QUOTED_CHARS_MAX: usize = 60;

/// A shorter beginning says nothing.
const PREFIX_LEN_MIN: usize = 3;

/// The candidate nearest to a word, if one is near.
pub(super) fn near<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    // Nobody mistypes a word into a whole page.
    if word.len() > 2 * QUOTED_CHARS_MAX {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace(['_', '-'], ".");
    let word = plain(word);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let other = plain(candidate);
        let longest = word.chars().count().max(other.chars().count());
        // `bootstrap: {servers: …}` for `bootstrap.servers`, `warning` for `warn`.
        let begins = word.len().min(other.len()) >= PREFIX_LEN_MIN
            && (other.starts_with(&word) || word.starts_with(&other));
        let distance = if begins { 1 } else { strsim::damerau_levenshtein(&word, &other) };
        if 3 * distance <= longest && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// A piece of the file between backticks, on one line and not too long.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String =
        text.chars().take(QUOTED_CHARS_MAX).flat_map(char::escape_debug).collect();
    shown = shown.replace("\\\"", "\"").replace("\\'", "'");
    let end = if text.chars().nth(QUOTED_CHARS_MAX).is_some() { "…" } else { "" };
    format!("`{shown}{end}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_suggested() {
        let known = ["compression.type", "compression.level", "acks", "bootstrap.servers"];
        for (word, meant) in [
            ("compresion.type", Some("compression.type")),
            ("compression_level", Some("compression.level")),
            ("ack", Some("acks")),
            ("bootstrap", Some("bootstrap.servers")),
            ("color", None),
            ("x", None),
        ] {
            assert_eq!(near(word, known), meant, "{word}");
        }
    }

    #[test]
    fn what_is_quoted_stays_on_its_line() {
        assert_eq!(quoted("a\n\u{1b}"), "`a\\n\\u{1b}`");
        assert!(quoted(&"x".repeat(500)).chars().count() < 70);
    }
}

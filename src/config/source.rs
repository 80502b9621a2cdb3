//! The text of a configuration: lines, columns, and excerpts of it that show no secret.

use std::path::Path;

use super::problem::{Excerpt, Problem, Severity};
use super::secret::Veil;
use super::vars;
use super::yaml::Found;

/// How much of a long line is shown, before and after the place that matters.
const CONTEXT_CHARS: usize = 60;

pub(super) struct Source<'t> {
    text: &'t str,
    veil: Veil,
}

/// A place in the text, and how many characters are meant.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    pub(super) line: usize,
    pub(super) column: usize,
    at: usize,
    chars: usize,
}

impl<'t> Source<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, veil: Veil::over(text) }
    }

    /// What the parser found in the shielded text, in the text as it was written.
    pub(super) fn unshield(&self, shielded: &str, found: Found) -> Found {
        let scalar = found.scalar.map(|scalar| vars::unshield(&scalar));
        Found { at: self.unshielded(shielded, found.at), scalar }
    }

    pub(super) fn unshielded(&self, shielded: &str, at: usize) -> usize {
        let chars = shielded.char_indices().take_while(|(i, _)| *i < at).count();
        self.text.char_indices().nth(chars).map_or(self.text.len(), |(at, _)| at)
    }

    /// A problem at a byte, of a text that has no nodes.
    pub(super) fn problem(&self, file: &Path, at: usize, message: String) -> Problem {
        let spot = self.byte(at);
        Problem {
            severity: Severity::Error,
            file: file.into(),
            line: spot.line,
            column: spot.column,
            key: String::new(),
            message,
            suggestion: None,
            excerpt: self.excerpt(&spot, &[]),
        }
    }

    pub(super) fn spot(&self, found: Found) -> Spot {
        let at = skip_properties(self.text, found.at);
        let from = self.text.get(at..).unwrap_or_default();
        let chars = found.scalar.map_or(1, |s| written_chars(from, &s));
        let (line, start) = line_of(self.text, at);
        let before = self.text.get(start..at).unwrap_or_default();
        Spot { line, column: before.chars().count() + 1, at, chars }
    }

    fn byte(&self, at: usize) -> Spot {
        let mut at = at.min(self.text.len());
        // The end of a text is the end of its last line that holds something.
        if at == self.text.len() {
            at = self.text.trim_end().len();
        }
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        let (line, start) = line_of(self.text, at);
        let before = self.text.get(start..at).unwrap_or_default();
        Spot { line, column: before.chars().count() + 1, at, chars: 1 }
    }

    /// The line of a place, ready to be printed; `None` where it would show a secret.
    pub(super) fn excerpt(&self, spot: &Spot, secrets: &[String]) -> Option<Excerpt> {
        let (_, start) = line_of(self.text, spot.at);
        let line = self.text.get(start..)?.split(['\n', '\r']).next()?;
        let (shown, hidden) = match self.veil.from(start, line.len()) {
            Some(from) => (line.get(..from)?.trim_end(), true),
            None => (line.trim_end(), false),
        };
        // A covered value may still stand somewhere else, behind an anchor for example.
        if secrets.iter().any(|s| !s.is_empty() && shown.contains(s.as_str())) {
            return None;
        }
        let before = spot.at.checked_sub(start)?;
        if let Some(before) = line.get(..before).filter(|b| b.len() <= shown.len()) {
            return Some(window(shown, before, spot.chars, hidden));
        }
        let text = format!("{} ***", printable(tail(shown)));
        Some(Excerpt { indent: width(&text) - 3, width: 3, text })
    }
}

/// The part of a line around the place, and where in it the place is.
fn window(line: &str, before: &str, chars: usize, hidden: bool) -> Excerpt {
    let shown_before = tail(before);
    let cut = if shown_before.len() < before.len() { "…" } else { "" };
    let rest = line.get(before.len()..).unwrap_or_default();
    let marked: String = rest.chars().take(chars.max(1)).take(CONTEXT_CHARS).collect();
    let after: String = rest.chars().take(CONTEXT_CHARS).collect();
    let end = match (hidden, after.len() < rest.len()) {
        (true, _) => " ***",
        (false, true) => "…",
        (false, false) => "",
    };
    let text = format!("{cut}{}{}{end}", printable(shown_before), printable(&after));
    let indent = width(cut) + width(&printable(shown_before));
    Excerpt { text, indent, width: width(&printable(&marked)).max(1) }
}

fn tail(text: &str) -> &str {
    let from = text.char_indices().rev().nth(CONTEXT_CHARS).map_or(0, |(at, c)| at + c.len_utf8());
    text.get(from..).unwrap_or_default()
}

/// The number of the line, counted from 1, and its first byte. `\n`, `\r\n` and `\r` end lines.
fn line_of(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text).as_bytes();
    let (mut line, mut start) = (1, 0);
    for (i, byte) in before.iter().enumerate() {
        let ends = *byte == b'\n' || (*byte == b'\r' && text.as_bytes().get(i + 1) != Some(&b'\n'));
        if ends {
            line += 1;
            start = i + 1;
        }
    }
    (line, start)
}

/// `&anchor` and `!tag` stand before the value that is meant.
fn skip_properties(text: &str, at: usize) -> usize {
    let mut from = at;
    while let Some(rest) = text.get(from..).filter(|r| r.starts_with(['&', '!'])) {
        let word = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (word, after) = rest.split_at(word);
        let value = after.trim_start_matches([' ', '\t']);
        if value.is_empty() || value.starts_with(['\n', '\r', '#']) {
            return at;
        }
        from += word.len() + after.len() - value.len();
    }
    from
}

/// How many characters of the line a scalar takes.
fn written_chars(from: &str, scalar: &str) -> usize {
    let line = from.split(['\n', '\r']).next().unwrap_or_default();
    let end = match line.bytes().next() {
        Some(b'"') => closing_quote(line, '"'),
        Some(b'\'') => closing_quote(line, '\''),
        _ => line.starts_with(scalar).then(|| scalar.chars().count()),
    };
    end.unwrap_or(1)
}

fn closing_quote(line: &str, quote: char) -> Option<usize> {
    let mut chars = line.chars().enumerate().skip(1).peekable();
    while let Some((i, c)) = chars.next() {
        let escapes = match quote {
            '"' => c == '\\',
            _ => c == quote && chars.peek().is_some_and(|(_, next)| *next == quote),
        };
        if escapes {
            chars.next();
        } else if c == quote {
            return Some(i + 1);
        }
    }
    None
}

/// One character for one; none that a terminal would act on.
fn printable(text: &str) -> String {
    let safe = |c: char| match c {
        '\t' => ' ',
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(safe).collect()
}

/// Columns on a terminal: East Asian characters and emoji take two, combining marks none.
fn width(text: &str) -> usize {
    let columns = |c: char| match u32::from(c) {
        0x300..=0x36F | 0x200B..=0x200F | 0xFE00..=0xFE0F => 0,
        0x1100..=0x115F
        | 0x2E80..=0xA4CF
        | 0xAC00..=0xD7A3
        | 0xF900..=0xFAFF
        | 0xFE30..=0xFE6F
        | 0xFF00..=0xFF60
        | 0xFFE0..=0xFFE6
        | 0x1F300..=0x1FAFF
        | 0x20000..=0x3FFFD => 2,
        _ => 1,
    };
    text.chars().map(columns).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, at: usize, scalar: &str) -> (String, usize, usize) {
        let source = Source::new(text);
        let spot = source.spot(Found { at, scalar: Some(scalar.into()) });
        let excerpt = source.excerpt(&spot, &[]).expect("holds no secret");
        (excerpt.text, excerpt.indent, excerpt.width)
    }

    #[test]
    fn every_kind_of_line_end_counts_once() {
        for text in ["a\nb\nc", "a\r\nb\r\nc", "a\rb\rc", "a\n\rc"] {
            assert_eq!(line_of(text, text.len() - 1).0, 3, "{text:?}");
        }
    }

    #[test]
    fn marks_cover_what_is_written() {
        assert_eq!(shown("k: 'it''s' # x", 3, "it's").2, 7);
        assert_eq!(shown(r#"k: "a\"b" # x"#, 3, "a\"b").2, 6);
        assert_eq!(shown("k: plain text # x", 3, "plain text").2, 10);
        assert_eq!(shown("k: &x !!str abc", 3, "abc"), ("k: &x !!str abc".into(), 12, 3));
        assert_eq!(shown("k: one\n  two", 3, "one two").2, 1);
    }

    #[test]
    fn wide_characters_and_tabs_keep_the_mark_in_place() {
        assert_eq!(shown("日本:\tx", 8, "x"), ("日本: x".into(), 6, 1));
    }

    #[test]
    fn a_terminal_is_not_spoken_to() {
        let (text, ..) = shown("k: \u{1b}[31m\u{202E}x", 3, "");
        assert!(!text.contains(['\u{1b}', '\u{202E}']));
    }

    #[test]
    fn long_lines_are_cut() {
        let text = format!("{} x {}", "a".repeat(5000), "b".repeat(5000));
        let (text, indent, _) = shown(&text, 5001, "x");
        assert!(text.chars().count() < 130);
        assert_eq!(text.chars().nth(indent), Some('x'));
    }
}

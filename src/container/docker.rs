//! `{"log":"what the container wrote\n","stream":"stdout","attrs":{…},"time":"2026-…Z"}`, what
//! dockerd's `json-file` driver writes.
//!
//! Read by hand, because most lines need no copy that way, and because general parsers refuse half
//! a surrogate pair and bytes that are not UTF-8.

use std::borrow::Cow;

use memchr::{memchr, memchr2};
use serde::de::IgnoredAny;

use super::{Line, Stream, time};

/// What must be there for a line to be docker's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Log,
    All,
}

pub(super) fn parse(line: &[u8], need: Need) -> Option<Line<'_>> {
    let mut rest = Rest(line);
    let (mut log, mut stream, mut moment) = (None, None, None);
    rest.take(b'{')?;
    loop {
        let key = rest.text()?;
        rest.take(b':')?;
        // As in docker's own reader, the last of a repeated key counts.
        match key.unescaped()?.as_ref() {
            b"log" => log = Some(rest.text()?),
            b"stream" => stream = Some(rest.text()?),
            b"time" => moment = Some(rest.text()?),
            _ => rest.skip_value()?,
        }
        match rest.next()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    let is_whole = need == Need::Log || (stream.is_some() && moment.is_some());
    if !is_whole || rest.next().is_some() {
        return None;
    }
    let (message, is_partial) = log?.message()?;
    let stream = stream.map_or(Some(Stream::Stdout), |s| super::stream(&s.unescaped()?))?;
    let moment = moment.and_then(|text| time::parse(&text.unescaped()?));
    let time_ns = moment.and_then(time::Moment::since_epoch_ns);
    Some(Line { message, stream, time_ns, is_partial })
}

/// A JSON string as it stands between its quotes.
#[derive(Debug, Clone, Copy)]
struct Text<'a> {
    raw: &'a [u8],
    /// How many bytes there are before the first escape.
    plain: usize,
}

impl<'a> Text<'a> {
    /// Without the line's end; and whether that is missing, because the line was too long for
    /// docker (16 KiB) and goes on in the next.
    fn message(self) -> Option<(Cow<'a, [u8]>, bool)> {
        let (plain, escaped) = self.raw.split_at_checked(self.plain)?;
        if matches!(escaped, br"\n" | br"\r\n") {
            return Some((Cow::Borrowed(plain), false));
        }
        let mut message = match self.unescaped()? {
            Cow::Borrowed(message) => return Some((Cow::Borrowed(message), true)),
            Cow::Owned(message) => message,
        };
        let is_partial = message.pop_if(|last| *last == b'\n').is_none();
        if !is_partial {
            // A terminal's line ends in both; the carriage return is dropped as in any text file.
            message.pop_if(|last| *last == b'\r');
        }
        Some((Cow::Owned(message), is_partial))
    }

    /// `None` if an escape is none of JSON's.
    fn unescaped(self) -> Option<Cow<'a, [u8]>> {
        let (mut before, mut rest) = self.raw.split_at_checked(self.plain)?;
        if rest.is_empty() {
            return Some(Cow::Borrowed(before));
        }
        let mut plain = Vec::with_capacity(self.raw.len());
        while let Some((_, escape)) = rest.split_first() {
            plain.extend_from_slice(before);
            let after = unescape(escape, &mut plain)?;
            (before, rest) = after.split_at_checked(memchr(b'\\', after).unwrap_or(after.len()))?;
        }
        plain.extend_from_slice(before);
        Some(Cow::Owned(plain))
    }
}

/// Appends what the escape at the beginning of `text` stands for, and returns what follows it.
fn unescape<'a>(text: &'a [u8], plain: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (letter, rest) = text.split_first()?;
    plain.push(match letter {
        b'"' | b'\\' | b'/' => *letter,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => {
            let (found, rest) = unicode(rest)?;
            plain.extend_from_slice(found.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(rest);
        }
        _ => return None,
    });
    Some(rest)
}

/// The character of `\u` and four digits, or of two such that are a pair; U+FFFD for half a pair.
fn unicode(text: &[u8]) -> Option<(char, &[u8])> {
    let (first, rest) = unit(text)?;
    let second = rest.strip_prefix(br"\u").and_then(unit);
    let units = [Some(first), second.map(|(unit, _)| unit)];
    let first = char::decode_utf16(units.into_iter().flatten()).next()?;
    match (first, second) {
        (Ok(found), Some((_, rest))) if found.len_utf16() == 2 => Some((found, rest)),
        (found, _) => Some((found.unwrap_or(char::REPLACEMENT_CHARACTER), rest)),
    }
}

fn unit(text: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, rest) = text.split_first_chunk::<4>()?;
    let mut unit = 0;
    for digit in digits {
        let digit = char::from(*digit).to_digit(16)?;
        unit = unit << 4 | u16::try_from(digit).ok()?;
    }
    Some((unit, rest))
}

/// What has not been read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    /// The next byte that is not white space.
    fn next(&mut self) -> Option<u8> {
        while let Some((first, rest)) = self.0.split_first() {
            self.0 = rest;
            if !matches!(first, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(*first);
            }
        }
        None
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        (self.next()? == wanted).then_some(())
    }

    fn text(&mut self) -> Option<Text<'a>> {
        self.take(b'"')?;
        let mut length = memchr2(b'"', b'\\', self.0)?;
        let plain = length;
        while self.0.get(length) == Some(&b'\\') {
            length += 2;
            length += memchr2(b'"', b'\\', self.0.get(length..)?)?;
        }
        let (raw, rest) = self.0.split_at_checked(length)?;
        self.0 = rest.get(1..)?;
        Some(Text { raw, plain })
    }

    /// Steps over a value of any kind.
    fn skip_value(&mut self) -> Option<()> {
        let mut values = serde_json::Deserializer::from_slice(self.0).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        self.0 = self.0.get(values.byte_offset()..)?;
        Some(())
    }
}

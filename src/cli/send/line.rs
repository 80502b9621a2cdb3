//! What a line of the standard input holds, by kafka-console-producer's properties.

use memchr::memmem::find;

/// A record's parts, as they stand in the line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'l> {
    pub(super) key: Option<&'l [u8]>,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) value: Option<&'l [u8]>,
}

#[derive(Debug)]
pub(super) struct Reading {
    key: Option<Vec<u8>>,
    headers: Vec<(String, Vec<u8>)>,
    parse_key: bool,
    key_separator: Vec<u8>,
    parse_headers: bool,
    headers_delimiter: Vec<u8>,
    headers_separator: Vec<u8>,
    header_key_separator: Vec<u8>,
    null_marker: Option<Vec<u8>>,
    ignore_error: bool,
}

/// `NAME=VALUE`
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("not NAME=VALUE".to_owned()),
    }
}

impl Reading {
    /// What the properties say of it; those that it does not know are the producer's.
    pub(super) fn of(
        properties: &[(String, String)],
        key: Option<&str>,
        headers: &[(String, String)],
    ) -> Result<(Self, Vec<(String, String)>), String> {
        let mut reading = Self {
            key: key.map(|key| key.as_bytes().to_vec()),
            headers: headers.iter().map(|(n, v)| (n.clone(), v.as_bytes().to_vec())).collect(),
            parse_key: false,
            key_separator: b"\t".to_vec(),
            parse_headers: false,
            headers_delimiter: b"\t".to_vec(),
            headers_separator: b",".to_vec(),
            header_key_separator: b":".to_vec(),
            null_marker: None,
            ignore_error: false,
        };
        let mut rest = Vec::new();
        for (name, value) in properties {
            let flag = || match value.as_str() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(format!("--property {name}: neither true nor false")),
            };
            let text = || match value.as_bytes() {
                [] => Err(format!("--property {name} is empty")),
                text => Ok(text.to_vec()),
            };
            match name.as_str() {
                "parse.key" => reading.parse_key = flag()?,
                "key.separator" => reading.key_separator = text()?,
                "parse.headers" => reading.parse_headers = flag()?,
                "headers.delimiter" => reading.headers_delimiter = text()?,
                "headers.separator" => reading.headers_separator = text()?,
                "headers.key.separator" => reading.header_key_separator = text()?,
                "null.marker" => reading.null_marker = Some(text()?),
                "ignore.error" => reading.ignore_error = flag()?,
                _ => rest.push((name.clone(), value.clone())),
            }
        }
        if reading.parse_key && reading.key.is_some() {
            return Err("--key and --property parse.key=true contradict".to_owned());
        }
        Ok((reading, rest))
    }

    /// Takes a line apart: headers, key, value. Says what it lacks.
    pub(super) fn line<'l>(&'l self, line: &'l [u8]) -> Result<Line<'l>, &'static str> {
        let mut headers = self.headers.clone();
        let mut rest = line;
        if self.parse_headers {
            match split(rest, &self.headers_delimiter) {
                Some((written, after)) => {
                    self.headers_of(written, &mut headers)?;
                    rest = after;
                }
                None if self.ignore_error => {}
                None => return Err("it has no `headers.delimiter`"),
            }
        }
        let mut key = self.key.as_deref();
        if self.parse_key {
            match split(rest, &self.key_separator) {
                Some((written, after)) => (key, rest) = (self.unless_null(written), after),
                None if self.ignore_error => {}
                None => return Err("it has no `key.separator`"),
            }
        }
        Ok(Line { key, headers, value: self.unless_null(rest) })
    }

    fn headers_of(
        &self,
        written: &[u8],
        headers: &mut Vec<(String, Vec<u8>)>,
    ) -> Result<(), &'static str> {
        let mut rest = Some(written).filter(|written| !written.is_empty());
        while let Some(written) = rest {
            let (header, after) = match split(written, &self.headers_separator) {
                Some((header, after)) => (header, Some(after)),
                None => (written, None),
            };
            rest = after;
            match split(header, &self.header_key_separator) {
                Some((name, value)) => {
                    headers.push((String::from_utf8_lossy(name).into_owned(), value.to_vec()));
                }
                None if self.ignore_error => {}
                None => return Err("a header has no `headers.key.separator`"),
            }
        }
        Ok(())
    }

    fn unless_null<'l>(&self, bytes: &'l [u8]) -> Option<&'l [u8]> {
        (self.null_marker.as_deref() != Some(bytes)).then_some(bytes)
    }
}

fn split<'l>(bytes: &'l [u8], separator: &[u8]) -> Option<(&'l [u8], &'l [u8])> {
    let at = find(bytes, separator)?;
    Some((bytes.get(..at)?, bytes.get(at + separator.len()..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(properties: &[(&str, &str)]) -> Reading {
        let properties: Vec<_> =
            properties.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Reading::of(&properties, None, &[]).unwrap().0
    }

    #[test]
    fn a_plain_line_is_its_value() {
        let reading = reading(&[]);
        let line = reading.line(b"a\tb").unwrap();
        assert_eq!((line.key, line.value), (None, Some(&b"a\tb"[..])));
    }

    #[test]
    fn headers_come_first_then_the_key() {
        let reading = reading(&[
            ("parse.key", "true"),
            ("parse.headers", "true"),
            ("key.separator", "::"),
            ("null.marker", "NULL"),
        ]);
        let line = reading.line(b"a:1,b:x:y\tk::v::w").unwrap();
        assert_eq!((line.key, line.value), (Some(&b"k"[..]), Some(&b"v::w"[..])));
        let headers = [("a".to_owned(), b"1".to_vec()), ("b".to_owned(), b"x:y".to_vec())];
        assert_eq!(line.headers, headers);
        assert_eq!(
            reading.line(b"\tNULL::NULL").unwrap(),
            Line { key: None, headers: Vec::new(), value: None }
        );
    }

    #[test]
    fn what_a_line_lacks_is_said_unless_that_is_to_be_ignored() {
        let strict = reading(&[("parse.key", "true")]);
        assert_eq!(strict.line(b"no key"), Err("it has no `key.separator`"));
        let lax = reading(&[("parse.key", "true"), ("ignore.error", "true")]);
        let line = lax.line(b"no key").unwrap();
        assert_eq!((line.key, line.value), (None, Some(&b"no key"[..])));
    }

    #[test]
    fn what_is_not_about_lines_is_the_producers() {
        let given = [("linger.ms".to_owned(), "5".to_owned())];
        let (_, rest) = Reading::of(&given, None, &[]).unwrap();
        assert_eq!(rest, given);
    }
}

//! The encoding of a file: where its lines end, and what they are in UTF-8.
//!
//! Pure, over `encoding_rs`: labels and tables are those of the WHATWG's Encoding Standard, so
//! that `latin1` is windows-1252, as in every browser. UTF-8 is passed on untouched, right or not.

use std::borrow::Cow;

use encoding_rs::{BIG5, EUC_JP, EUC_KR, GB18030, GBK, ISO_2022_JP, REPLACEMENT, SHIFT_JIS};
use encoding_rs::{UTF_8, UTF_16BE, UTF_16LE};

const BOM_UTF_8: &[u8] = b"\xef\xbb\xbf";
const BOM_UTF_16LE: &[u8] = b"\xff\xfe";
const BOM_UTF_16BE: &[u8] = b"\xfe\xff";

/// Labels that say UTF-16 without its byte order: the file says it.
const UTF_16: &[&str] = &["utf-16", "utf16", "unicode", "ucs-2"];

/// Names from elsewhere that the standard has under another.
const ELSEWHERE: &[(&str, &str)] = &[
    ("utf16le", "utf-16le"),
    ("utf16be", "utf-16be"),
    ("cp932", "shift_jis"),
    ("cp936", "gbk"),
    ("cp949", "euc-kr"),
    ("cp950", "big5"),
];

/// What to suggest to those who mistyped.
pub const LABELS: &[&str] = &[
    "utf-8",
    "utf-16",
    "utf-16le",
    "utf-16be",
    "latin1",
    "iso-8859-1",
    "iso-8859-2",
    "iso-8859-5",
    "iso-8859-15",
    "windows-1250",
    "windows-1251",
    "windows-1252",
    "koi8-r",
    "macintosh",
    "shift_jis",
    "euc-jp",
    "iso-2022-jp",
    "gbk",
    "gb2312",
    "gb18030",
    "big5",
    "euc-kr",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding {
    tables: &'static encoding_rs::Encoding,
    /// Which of the two UTF-16 it is, the first bytes of the file say.
    is_open: bool,
}

/// A line in UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded<'a> {
    pub text: Cow<'a, [u8]>,
    /// Some of it was not in this encoding, and became U+FFFD.
    pub is_malformed: bool,
}

impl Default for Encoding {
    fn default() -> Self {
        Self { tables: UTF_8, is_open: false }
    }
}

impl Encoding {
    /// By a label in any case; `None` if there is no such encoding, or none that can be decoded.
    pub fn parse(label: &str) -> Option<Self> {
        let label = label.trim().to_ascii_lowercase();
        let label = ELSEWHERE.iter().find(|(name, _)| *name == label).map_or(&*label, |(_, to)| to);
        if UTF_16.contains(&label) {
            return Some(Self { tables: UTF_16LE, is_open: true });
        }
        let tables = encoding_rs::Encoding::for_label(label.as_bytes())?;
        (tables != REPLACEMENT).then_some(Self { tables, is_open: false })
    }

    /// The encoding of a file that begins like this, as far as its first two bytes tell.
    #[must_use]
    pub fn of_file(self, head: &[u8]) -> Self {
        if !self.is_open {
            return self;
        }
        let is_big = head.starts_with(BOM_UTF_16BE);
        Self { tables: if is_big { UTF_16BE } else { UTF_16LE }, is_open: false }
    }

    /// Whether the first bytes of a file have to be known, or nothing of it can be understood.
    pub fn needs_head(self) -> bool {
        self.is_open
    }

    pub fn is_utf8(self) -> bool {
        self.tables == UTF_8
    }

    pub fn name(self) -> &'static str {
        if self.is_open { "UTF-16" } else { self.tables.name() }
    }

    /// How many bytes a code unit has: a delimiter is to be looked for at multiples of it.
    pub fn unit(self) -> usize {
        if self.is_utf_16() { 2 } else { 1 }
    }

    /// The bytes of a delimiter; `None` if it does not exist in this encoding, or if its bytes
    /// also occur inside of other characters, where they would cut these in two.
    pub fn delimiter(self, text: &str) -> Option<Vec<u8>> {
        if self.is_utf_16() {
            let big = self.tables == UTF_16BE;
            let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
            return (!text.is_empty()).then(|| text.encode_utf16().flat_map(bytes).collect());
        }
        let (bytes, _, is_lossy) = self.tables.encode(text);
        // Second bytes begin at 0x21 in ISO-2022-JP, and higher in the others.
        let is_safe = |first: u8| first <= b' ' || !self.mixes_bytes();
        let is_usable = !is_lossy && bytes.first().copied().is_some_and(is_safe);
        is_usable.then(|| bytes.into_owned())
    }

    /// The bytes at the very beginning of a file, without the mark that some programs put there.
    pub fn without_bom(self, head: &[u8]) -> &[u8] {
        let bom = match self.tables {
            tables if tables == UTF_8 => BOM_UTF_8,
            tables if tables == UTF_16LE => BOM_UTF_16LE,
            tables if tables == UTF_16BE => BOM_UTF_16BE,
            _ => return head,
        };
        head.strip_prefix(bom).unwrap_or(head)
    }

    /// A line, given without its delimiter. Every line begins anew: ISO-2022-JP, the one encoding
    /// with a memory, has to be back in ASCII at a line's end (RFC 1468).
    pub fn line(self, bytes: &[u8]) -> Decoded<'_> {
        if self.is_utf8() {
            return Decoded { text: Cow::Borrowed(bytes), is_malformed: false };
        }
        let (text, is_malformed) = self.tables.decode_without_bom_handling(bytes);
        let text = match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        Decoded { text, is_malformed }
    }

    fn is_utf_16(self) -> bool {
        self.tables == UTF_16LE || self.tables == UTF_16BE
    }

    /// Whether the bytes of ASCII characters also occur as parts of others.
    fn mixes_bytes(self) -> bool {
        [BIG5, EUC_JP, EUC_KR, GB18030, GBK, ISO_2022_JP, SHIFT_JIS].contains(&self.tables)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn encoding(label: &str) -> Encoding {
        Encoding::parse(label).unwrap()
    }

    fn utf_16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    /// In the file's own encoding, or `None` where it cannot be written.
    fn encoded(encoding: Encoding, text: &str) -> Option<Vec<u8>> {
        match encoding.name() {
            "UTF-16LE" => Some(utf_16(text, u16::to_le_bytes)),
            "UTF-16BE" => Some(utf_16(text, u16::to_be_bytes)),
            _ => {
                let (bytes, _, is_lossy) = encoding.tables.encode(text);
                (!is_lossy).then(|| bytes.into_owned())
            }
        }
    }

    #[test]
    fn labels_are_those_of_the_web_and_some_more() {
        for (label, name) in [
            ("utf-8", "UTF-8"),
            ("UTF8", "UTF-8"),
            ("utf-16", "UTF-16"),
            ("utf-16le", "UTF-16LE"),
            ("utf16be", "UTF-16BE"),
            ("latin1", "windows-1252"),
            ("ISO-8859-1", "windows-1252"),
            ("iso-8859-15", "ISO-8859-15"),
            ("Shift_JIS", "Shift_JIS"),
            ("sjis", "Shift_JIS"),
            ("cp932", "Shift_JIS"),
            ("gb2312", "GBK"),
            ("gb18030", "gb18030"),
            ("iso-2022-jp", "ISO-2022-JP"),
        ] {
            assert_eq!(encoding(label).name(), name);
        }
        // What the standard refuses to decode, because it can hide anything.
        for label in ["utf-9", "", "hz-gb-2312", "iso-2022-kr", "utf-7"] {
            assert_eq!(Encoding::parse(label), None, "{label}");
        }
        assert!(LABELS.iter().all(|label| Encoding::parse(label).is_some()));
    }

    #[test]
    fn utf_8_passes_untouched_right_or_not() {
        let line = Encoding::default().line(b"gr\xfcn \xff\0");
        assert_eq!(line, Decoded { text: Cow::Borrowed(b"gr\xfcn \xff\0"), is_malformed: false });
    }

    #[test]
    fn text_comes_out_as_utf_8() {
        for (label, bytes, text) in [
            ("latin1", b"gr\xfcn \x80".as_slice(), "grün €"),
            ("shift_jis", b"\x93\xfa\x96{ \\", "日本 \\"),
            ("gbk", b"\xc4\xe3\xba\xc3", "你好"),
            ("gb18030", b"\x81\x30\x84\x36", "\u{a5}"),
            ("iso-2022-jp", b"\x1b$BF|K\\\x1b(B.", "日本."),
            ("utf-16le", b"h\0i\0\x3d\xd8\0\xde", "hi😀"),
            ("utf-16be", b"\0h\0i\xd8\x3d\xde\0", "hi😀"),
        ] {
            let line = encoding(label).line(bytes);
            assert_eq!(String::from_utf8_lossy(&line.text), text, "{label}");
            assert!(!line.is_malformed, "{label}");
        }
    }

    #[test]
    fn what_is_not_in_the_encoding_is_replaced_and_told() {
        for (label, bytes, text) in [
            ("shift_jis", b"a\x81".as_slice(), "a\u{fffd}"),
            ("gbk", b"\xffb", "\u{fffd}b"),
            ("utf-16le", b"h\0i", "h\u{fffd}"),
            ("utf-16le", b"\x3d\xd8h\0", "\u{fffd}h"),
        ] {
            let line = encoding(label).line(bytes);
            assert_eq!(String::from_utf8_lossy(&line.text), text, "{label}");
            assert!(line.is_malformed, "{label}");
        }
    }

    #[test]
    fn byte_order_marks_go_and_decide_what_is_open() {
        for (label, head, rest) in [
            ("utf-8", b"\xef\xbb\xbfx".as_slice(), b"x".as_slice()),
            ("utf-8", b"x\xef\xbb\xbf", b"x\xef\xbb\xbf"),
            ("utf-16le", b"\xff\xfex\0", b"x\0"),
            ("utf-16be", b"\xfe\xff\0x", b"\0x"),
            ("utf-16", b"\xff\xfex\0", b"x\0"),
            ("utf-16", b"\xfe\xff\0x", b"\0x"),
            ("utf-16", b"x\0", b"x\0"),
            ("latin1", b"\xff\xfe", b"\xff\xfe"),
        ] {
            let encoding = encoding(label).of_file(head);
            assert!(!encoding.needs_head());
            assert_eq!(encoding.without_bom(head), rest, "{label}");
        }
        let open = encoding("utf-16");
        assert!(open.needs_head());
        assert_eq!(open.of_file(b"\xfe\xff").line(b"\0x").text.as_ref(), b"x");
        assert_eq!(open.of_file(b"").line(b"x\0").text.as_ref(), b"x");
    }

    #[test]
    fn delimiters_are_in_the_files_own_bytes() {
        for (label, text, bytes) in [
            ("utf-8", "\n", Some(b"\n".as_slice())),
            ("utf-8", "→", Some("→".as_bytes())),
            ("utf-16le", "\n", Some(b"\n\0")),
            ("utf-16be", "\r\n", Some(b"\0\r\0\n")),
            ("utf-16be", "😀", Some(b"\xd8\x3d\xde\0")),
            ("latin1", "§", Some(b"\xa7")),
            ("latin1", "→", None),
            ("shift_jis", "\n", Some(b"\n")),
            ("iso-2022-jp", "\n", Some(b"\n")),
            // In Shift_JIS this is also the second half of other characters.
            ("shift_jis", "|", None),
            ("utf-8", "", None),
            ("utf-16le", "", None),
        ] {
            assert_eq!(encoding(label).delimiter(text).as_deref(), bytes, "{label} {text:?}");
        }
        assert_eq!((encoding("utf-16").unit(), encoding("gbk").unit()), (2, 1));
    }

    fn any_encoding() -> impl Strategy<Value = Encoding> {
        select(LABELS).prop_map(|label| encoding(label).of_file(b""))
    }

    /// Characters of which each encoding has some.
    fn text() -> impl Strategy<Value = String> {
        let known = select("aZ~\\|0 \t日本語你好한국ЖЩüßÉ€😀".chars().collect::<Vec<_>>());
        vec(known, 0..20).prop_map(String::from_iter)
    }

    /// Where the delimiter is found first, at multiples of the unit.
    fn find(encoding: Encoding, bytes: &[u8], delimiter: &[u8]) -> Option<usize> {
        (0..bytes.len()).step_by(encoding.unit()).find(|at| bytes[*at..].starts_with(delimiter))
    }

    proptest! {
        #[test]
        fn lines_that_were_encoded_are_found_and_decoded(
            encoding in any_encoding(),
            line in text(),
            next in text(),
            delimiter in select(&["\n", "\r\n", "\0", " |", "😀", "ü", "|"][..]),
        ) {
            prop_assume!(!line.contains(delimiter));
            let (Some(line_bytes), Some(mark)) = (encoded(encoding, &line), encoding.delimiter(delimiter)) else {
                return Ok(());
            };
            let next = encoded(encoding, &next).unwrap_or_default();
            let bytes = [line_bytes.as_slice(), &mark, &next].concat();
            prop_assert_eq!(find(encoding, &bytes, &mark), Some(line_bytes.len()));
            let decoded = encoding.line(&line_bytes);
            prop_assert_eq!(std::str::from_utf8(&decoded.text).unwrap(), &line);
            prop_assert!(!decoded.is_malformed);
        }

        #[test]
        fn whatever_the_bytes_are_what_comes_out_is_utf_8(
            encoding in any_encoding(),
            bytes in vec(any::<u8>(), 0..40),
        ) {
            prop_assume!(!encoding.is_utf8());
            let decoded = encoding.line(encoding.without_bom(&bytes));
            let text = std::str::from_utf8(&decoded.text).unwrap();
            let is_replaced = text.contains(char::REPLACEMENT_CHARACTER);
            prop_assert!(is_replaced || !decoded.is_malformed);
        }
    }
}

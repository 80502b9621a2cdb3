//! What consumers know a record by, so that they can drop repeats: the name of its source, and
//! where in it the record ends.

use std::fmt;
use std::os::unix::ffi::OsStrExt as _;

use xxhash_rust::xxh3::xxh3_128;

use super::{Generation, Label, Lineage, Offset};

/// How records carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordId {
    Key,
    Headers,
}

impl RecordId {
    pub const SOURCE_HEADER: &str = "tailspool-source";
    pub const OFFSET_HEADER: &str = "tailspool-offset";
    const OFFSET_LEN_MAX: usize = 20;

    /// The most that it takes of a request.
    pub fn len_max(self) -> usize {
        let header = Label::header_len;
        match self {
            Self::Key => SourceName::LEN + 1 + Self::OFFSET_LEN_MAX,
            Self::Headers => {
                header(Self::SOURCE_HEADER, SourceName::LEN)
                    + header(Self::OFFSET_HEADER, Self::OFFSET_LEN_MAX)
            }
        }
    }
}

/// The same for a source as long as its state directory knows it, and for no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceName(u128);

impl SourceName {
    const LEN: usize = 32;

    /// `born_ms` is when the state directory was begun: where that is lost, numbers of files
    /// begin anew.
    pub fn of(host: &str, born_ms: u64, lineage: &Lineage, generation: Generation) -> Self {
        let (born, number) = (born_ms.to_le_bytes(), generation.0.to_le_bytes());
        let path = lineage.path.as_os_str().as_bytes();
        let parts = [host.as_bytes(), &born, lineage.input.as_bytes(), path, &number];
        let mut text = Vec::new();
        for part in parts {
            text.extend_from_slice(&(part.len() as u64).to_le_bytes());
            text.extend_from_slice(part);
        }
        Self(xxh3_128(&text))
    }

    /// The key of the record that ends there.
    pub fn key(self, end: Offset) -> String {
        self.key_prefix() + &end.to_string()
    }

    /// What the keys of all its records begin with; the rest is where they end.
    pub fn key_prefix(self) -> String {
        format!("{self}:")
    }

    /// The headers of the record that ends there.
    pub fn headers(self, end: Offset) -> [(&'static str, String); 2] {
        [(RecordId::SOURCE_HEADER, self.to_string()), (RecordId::OFFSET_HEADER, end.to_string())]
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lineage(input: &str, path: &str) -> Lineage {
        Lineage { input: input.into(), path: path.into() }
    }

    #[test]
    fn whatever_differs_is_another_source() {
        let of = |host, born, input, path, number| {
            SourceName::of(host, born, &lineage(input, path), Generation(number)).to_string()
        };
        let names = [
            of("h", 1, "in", "/a", 0),
            of("h", 1, "in", "/a", 1),
            of("h", 1, "in", "/b", 0),
            of("h", 1, "i", "n/a", 0),
            of("h", 2, "in", "/a", 0),
            of("g", 1, "in", "/a", 0),
        ];
        let all: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(all.len(), names.len());
        assert_eq!(names[0], of("h", 1, "in", "/a", 0));
    }

    /// Other programs, and other versions of this one, must come to the same.
    #[test]
    fn a_key_is_a_name_and_an_offset() {
        let name = SourceName::of("host", 1_700_000_000_000, &lineage("in", "/a"), Generation(7));
        assert_eq!(name.key(Offset(1234)), "937f03ae73044cde3df89305f83df234:1234");
        assert!(name.key(Offset(u64::MAX)).len() == RecordId::Key.len_max());
    }
}

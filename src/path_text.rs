//! Paths as text, for files and headers: as they are read by people, and back without loss.
//!
//! A path is its own text, except that `%` and every byte that is not UTF-8 become `%XX`.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// The text of a path; two paths never share one.
pub fn encode(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(&chunk.valid().replace('%', "%25"));
        for byte in chunk.invalid() {
            #[allow(clippy::let_underscore_must_use, reason = "writing into a String cannot fail")]
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// The path that [`encode`] was given.
pub fn decode(text: &str) -> PathBuf {
    let mut bytes: Vec<u8> = percent_encoding::percent_decode_str(text).collect();
    // There may be very many of them.
    bytes.shrink_to_fit();
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(bytes: &[u8]) -> PathBuf {
        PathBuf::from(OsString::from_vec(bytes.to_vec()))
    }

    #[test]
    fn what_people_can_read_stays_as_it_is() {
        assert_eq!(encode(Path::new("/var/log/журнал 1.log")), "/var/log/журнал 1.log");
        assert_eq!(encode(Path::new("/a/100%41.log")), "/a/100%2541.log");
        assert_eq!(encode(&path(b"/a/\xff\xe2\x82.log")), "/a/%FF%E2%82.log");
    }

    proptest! {
        #[test]
        fn any_path_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(decode(&encode(&path(&bytes))), path(&bytes));
        }
    }
}

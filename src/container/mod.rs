//! One line of a container's log: what the container wrote, and what the runtime put around it.
//!
//! Pure, and nothing is copied unless docker had to escape it. Pieces of a line are joined by
//! whoever calls, for each stream by itself: runtimes cut long lines, and mix the streams.

mod cri;
mod docker;
mod time;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use crate::record::Stream;

/// Who wrote the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// containerd, CRI-O, and podman's `k8s-file`: `TIME STREAM TAGS MESSAGE`.
    Cri,
    /// dockerd's `json-file`: `{"log":"MESSAGE\n","stream":"…","time":"…"}`.
    Docker,
    /// Each line decides for itself.
    Detect,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// Without the line's end. Bytes that are not UTF-8 stay as they are.
    pub message: Cow<'a, [u8]>,
    pub stream: Stream,
    /// When the runtime read it, since 1970; `None` if that is not said, or outside of the years
    /// 1678 to 2262.
    pub time_ns: Option<i64>,
    /// More of the same line follows in this stream, unless the container ends here.
    pub is_partial: bool,
}

/// Takes apart a line, given without its newline; `None` if it is not in this format.
pub fn parse(line: &[u8], dialect: Dialect) -> Option<Line<'_>> {
    match dialect {
        Dialect::Docker => docker::parse(line, docker::Need::Log),
        // An application's own JSON may well have a key `log`.
        Dialect::Detect if line.first() == Some(&b'{') => docker::parse(line, docker::Need::All),
        Dialect::Detect | Dialect::Cri => cri::parse(line),
    }
}

fn stream(name: &[u8]) -> Option<Stream> {
    [Stream::Stdout, Stream::Stderr].into_iter().find(|stream| stream.name().as_bytes() == name)
}

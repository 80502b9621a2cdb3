//! What is kept of a file only while it is open: most rest, and are closed then.

use std::ops::Deref;
use std::time::Instant;

use super::content::Content;
use super::source::Source;
use crate::clock;

pub(super) struct Open {
    content: Content,
    read_at: Option<Instant>,
}

impl Open {
    pub(super) fn new(content: Content) -> Self {
        Self { content, read_at: None }
    }
}

impl Deref for Open {
    type Target = Content;

    fn deref(&self) -> &Content {
        &self.content
    }
}

impl Source {
    pub(super) fn content(&self) -> Option<&Content> {
        self.file.as_deref().map(Deref::deref)
    }

    pub(super) fn take_content(&mut self) -> Option<Content> {
        self.file.take().map(|open| open.content)
    }

    /// When it was last read, if that was since it was opened.
    pub(super) fn read_at(&self) -> Option<Instant> {
        self.file.as_ref()?.read_at
    }

    /// It is read now.
    pub(super) fn reads(&mut self) {
        if let Some(file) = &mut self.file {
            file.read_at = Some(clock::now());
        }
    }

    /// Before it is read again all is looked at that could tell that it is another file now.
    pub(super) fn doubt(&mut self) {
        if let Some(file) = &mut self.file {
            file.read_at = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tail::lineage::Lineage;

    /// There may be a hundred thousand of each; `docs/benchmarks.md` has what they come to.
    #[test]
    fn a_file_at_rest_takes_little() {
        assert!(size_of::<Source>() <= 232, "{}", size_of::<Source>());
        assert!(size_of::<Lineage>() <= 184, "{}", size_of::<Lineage>());
    }
}

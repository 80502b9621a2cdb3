//! Where a file is: nearly always under its lineage's name, whose text is not kept twice.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::record::Lineage;

pub(super) struct Whereabouts {
    lineage: Arc<Lineage>,
    /// Seldom, so it takes no more than a pointer.
    other: Option<Box<PathBuf>>,
}

impl Whereabouts {
    /// Under the lineage's name, if `path` does not say otherwise.
    pub(super) fn new(lineage: Arc<Lineage>, path: Option<PathBuf>) -> Self {
        let mut new = Self { lineage, other: None };
        if let Some(path) = path {
            new.set(path);
        }
        new
    }

    pub(super) fn set(&mut self, path: PathBuf) {
        self.other = (path != self.lineage.path).then(|| Box::new(path));
    }
}

impl Deref for Whereabouts {
    type Target = Path;

    fn deref(&self) -> &Path {
        self.other.as_deref().unwrap_or(&self.lineage.path)
    }
}

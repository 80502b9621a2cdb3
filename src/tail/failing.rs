//! What cannot be read: said once, and tried again after a while.

use std::io;
use std::path::PathBuf;

use super::lineage::Lineage;
use super::{Step, descriptors};

pub(super) fn failed(lineage: &mut Lineage, position: usize, error: io::Error) -> Step {
    let Some(source) = lineage.sources.get_mut(position) else { return Step::Worked };
    if descriptors::is_shortage(&error) {
        return Step::Short;
    }
    source.failed();
    if error.kind() == io::ErrorKind::NotFound {
        return Step::Missing;
    }
    let path = source.path.to_path_buf();
    say_unreadable(lineage, &[(path, error)]);
    Step::Worked
}

pub(super) fn say_unreadable(lineage: &mut Lineage, errors: &[(PathBuf, io::Error)]) {
    match errors.first() {
        Some((path, error)) if !lineage.is_unreadable => {
            tracing::warn!(path = %path.display(), %error, "cannot read a file; it is tried again");
            lineage.is_unreadable = true;
        }
        Some(_) => {}
        None => lineage.is_unreadable = false,
    }
}

//! The room's promises, each tried on real files.

mod bench;
mod budget;
mod deletion;
mod labels;
mod lines;
mod model;
mod process;
mod removal;
mod restart;
mod rotation;
mod settings;
mod truncation;

use std::fs;
use std::path::{Path, PathBuf};

/// The files beside `live` that may have had its name.
fn siblings(live: &Path) -> Vec<PathBuf> {
    let name = live.file_name().unwrap().to_str().unwrap();
    let mut found: Vec<PathBuf> = fs::read_dir(live.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let other = path.file_name().unwrap().to_str().unwrap();
            let added = other.strip_prefix(name).unwrap_or_default();
            added.starts_with(['.', '-'])
                && path.extension().is_none_or(|extension| extension != "gz")
        })
        .collect();
    found.sort();
    found
}

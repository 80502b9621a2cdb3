//! The whole room on real directories. Waits for conditions, never for a time.

mod finds;
mod hints;
mod links;
mod property;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::notes::Target;
use super::*;
use crate::clock;
use crate::settings::{Input, Rotated};

/// Directories to play in, and one input to begin with.
struct Bed {
    _tmp: TempDir,
    root: PathBuf,
    input: Input,
}

impl Bed {
    fn new(globs: &[&str]) -> Self {
        let tmp = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(tmp.path()).unwrap();
        let mut bed = Self { _tmp: tmp, input: input("one"), root };
        bed.input.paths = bed.globs(globs);
        bed
    }

    fn globs(&self, globs: &[&str]) -> Vec<String> {
        globs.iter().map(|glob| format!("{}/{glob}", self.root.display())).collect()
    }

    fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }

    fn write(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = fs::OpenOptions::new().append(true).create(true).open(&path).unwrap();
        std::io::Write::write_all(&mut file, b"line\n").unwrap();
        path
    }

    fn watch(&self) -> Watch {
        Watch::new(std::slice::from_ref(&self.input), || ()).unwrap()
    }

    /// What a scan finds, below the root; a sibling as `name < live name`.
    fn found(&self, watch: &mut Watch) -> Vec<String> {
        let below = |path: &Path| path.strip_prefix(&self.root).unwrap().display().to_string();
        let mut found: Vec<_> = watch.scan().found;
        found.sort();
        let text = |found: &Found| match &found.sibling_of {
            None => below(&found.path),
            Some(live) => format!("{} < {}", below(&found.path), below(live)),
        };
        found.iter().map(text).collect()
    }
}

fn input(id: &str) -> Input {
    Input { id: id.to_owned(), ..Input::example() }
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = clock::now() + Duration::from_secs(20);
    while !condition() {
        assert!(clock::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Until notify has told of `path`; scans when it says so.
fn wait_touched(watch: &mut Watch, path: &Path) {
    wait_until(&format!("{} is touched", path.display()), || {
        let changes = watch.changes();
        if changes.rescan {
            watch.scan();
        }
        changes.touched.iter().any(|touched| touched.path == path)
    });
}

fn wait_rescan(watch: &mut Watch) {
    wait_until("a rescan is due", || watch.changes().rescan);
}

/// Reads what was said so far; what comes later is news. Returns whether a scan is due.
fn hush(watch: &mut Watch) -> bool {
    // The kernel tells in order: what happens here now is told after all that happened before.
    let tmp = tempfile::tempdir().unwrap();
    let dir = fs::canonicalize(tmp.path()).unwrap();
    let (name, link) = (OsStr::new("last"), dir.join("link"));
    let target = Target { name: name.to_owned(), input: 0, link: link.clone() };
    watch.notes.add_target(&dir, target, 0);
    watch.seats.gain(&dir);
    fs::write(dir.join(name), "").unwrap();
    let mut rescan = false;
    wait_until("all is told", || {
        let changes = watch.changes();
        rescan |= changes.rescan;
        changes.touched.iter().any(|touched| touched.path == link)
    });
    watch.seats.lose(&dir);
    rescan
}

/// The same, scanning as long as it is asked for.
fn hush_and_scan(watch: &mut Watch) {
    while hush(watch) {
        watch.scan();
    }
}

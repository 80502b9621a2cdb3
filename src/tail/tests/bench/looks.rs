//! The looks at the directory, and what may happen to it meanwhile.

use std::cell::Cell;
use std::ops::Range;

use super::*;
use crate::tail::Step;
use crate::tail::beside::Beside;
use crate::tail::lineage::Next;
use crate::tail::source::Source;

/// The files beside `live` that may have had its name.
pub(in super::super) fn siblings(live: &Path) -> Vec<PathBuf> {
    let name = live.file_name().unwrap().to_str().unwrap();
    let mut found: Vec<PathBuf> = fs::read_dir(live.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let other = path.file_name().unwrap().to_str().unwrap();
            let added = other.strip_prefix(name).unwrap_or_default();
            let is_temporary = path.extension().is_some_and(|extension| extension == "tmp");
            added.starts_with(['.', '-']) && !is_temporary
        })
        .collect();
    found.sort();
    found
}

impl Bench {
    pub(in super::super) fn look_at(&mut self, name: &Path, thorough: bool) {
        let siblings = || siblings(name);
        self.tail
            .look(Look { input: 0, path: name, real: None, thorough, listed_ms: None }, siblings);
    }

    /// A look with a listing that is not what the directory holds now.
    pub(in super::super) fn look_with(&mut self, name: &Path, listing: &[PathBuf]) {
        self.tail.look(
            Look { input: 0, path: name, real: None, thorough: true, listed_ms: None },
            || listing.to_vec(),
        );
    }

    /// A look at `app.log` while `others` do something after its directory was listed.
    pub(in super::super) fn look_while(&mut self, others: impl Fn(&Path)) {
        self.look_while_listed(0..1, others);
    }

    /// The same each of these times that it is listed.
    pub(in super::super) fn look_while_listed(
        &mut self,
        times: Range<usize>,
        others: impl Fn(&Path),
    ) {
        let (name, dir) = (self.path("app.log"), self.dir().to_owned());
        let count = Cell::new(0);
        let look = Look { input: 0, path: &name, real: None, thorough: true, listed_ms: None };
        self.tail.look(look, || {
            let listed = siblings(&name);
            if times.contains(&count.replace(count.get() + 1)) {
                others(&dir);
            }
            listed
        });
    }

    /// `app.log` is seen to have grown; when it is to be read, it was truncated.
    pub(in super::super) fn truncate_before_read(&mut self, others: impl Fn(&Self)) {
        assert_eq!(self.tail.next(0), Next::Read(0));
        others(self);
        let step = self.tail.read(0, 0, Source::read);
        assert!(matches!(step, Step::Truncated));
        let name = self.path("app.log");
        self.tail.truncated(0, 0, Beside::now(&name, || siblings(&name)));
    }

    /// A look at a name that is a link.
    pub(in super::super) fn look_through(&mut self, name: &Path, real: &Path) {
        self.tail.look(
            Look { input: 0, path: name, real: Some(real), thorough: true, listed_ms: None },
            Vec::new,
        );
    }

    /// A scan: all that is there and all that was.
    pub(in super::super) fn look(&mut self) {
        let began_ms = clock::wall_ms();
        let there = |name: &Path| name.exists() || !siblings(name).is_empty();
        for name in self.names.clone() {
            if there(&name) {
                self.look_at(&name, true);
            }
        }
        for name in self.tail.absent(0, there) {
            self.look_at(&name, true);
        }
        self.tail.looked(0, Some(began_ms));
    }

    /// What notify brings: a look at the names alone.
    pub(in super::super) fn glance(&mut self) {
        for name in self.names.clone() {
            self.look_at(&name, false);
        }
    }
}

pub(in super::super) fn rotate_in(dir: &Path) {
    let aged = |age: usize| dir.join(format!("app.log.{age}"));
    for age in (1..99).rev().filter(|age| aged(*age).exists()) {
        fs::rename(aged(age), aged(age + 1)).unwrap();
    }
    fs::rename(dir.join("app.log"), aged(1)).unwrap();
}

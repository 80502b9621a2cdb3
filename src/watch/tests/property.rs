//! The walk against a naive one, and against a file system that does not hold still.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;

/// All files below `dir`, without any cleverness.
fn all_files(dir: &Path, files: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all_files(&path, files);
        } else {
            files.insert(path);
        }
    }
}

fn component() -> impl Strategy<Value = String> {
    let parts =
        ["a", "b", "*", "?", "a*", "*b", "[ab]", "[!b]*", "{a,b}", "{a/b,b}", "**", "{*,a}b"];
    proptest::sample::select(parts.to_vec()).prop_map(str::to_owned)
}

fn glob() -> impl Strategy<Value = String> {
    proptest::collection::vec(component(), 1..4).prop_map(|parts| parts.join("/"))
}

fn tree() -> impl Strategy<Value = Vec<String>> {
    let name = proptest::sample::select(vec!["a", "b", "ab", "ba", ".a"]);
    let path = proptest::collection::vec(name, 1..5).prop_map(|names| names.join("/"));
    proptest::collection::vec(path, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn a_walk_finds_what_globset_finds_in_all_files(
        files in tree(),
        globs in proptest::collection::vec(glob(), 1..4),
        excludes in proptest::collection::vec(glob(), 0..3),
    ) {
        let mut bed = Bed::new(&globs.iter().map(String::as_str).collect::<Vec<_>>());
        bed.input.exclude_paths = excludes.clone();
        bed.input.rotated = Rotated::Off;
        for file in files {
            let path = bed.at(file);
            // A file where another one needs a directory is no tree.
            if fs::create_dir_all(path.parent().unwrap()).is_ok() && !path.is_dir() {
                fs::write(path, "").unwrap();
            }
        }
        let any = |globs: Vec<String>, path: &Path| {
            globs.iter().any(|glob| pattern::compile(glob).unwrap().is_match(path))
        };
        let mut expected = BTreeSet::new();
        all_files(&bed.root, &mut expected);
        expected.retain(|path| {
            let anywhere = excludes.iter().map(|glob| format!("**/{glob}")).collect();
            any(bed.input.paths.clone(), path) && !any(anywhere, path)
        });
        let mut watch = bed.watch();
        let found: Vec<_> = watch.scan().found.into_iter().map(|found| found.path).collect();
        for path in &found {
            prop_assert_eq!(watch.matching(path), [0]);
        }
        prop_assert_eq!(found.len(), found.iter().collect::<BTreeSet<_>>().len());
        prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
    }
}

/// A few numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn name(&mut self) -> &'static str {
        ["a", "b", "c"][self.below(3)]
    }
}

/// Makes, renames and removes files and directories; not everything works, as in life.
fn play(root: &Path, seed: u64) {
    let mut dice = Dice(seed);
    for _ in 0..400 {
        let dir = root.join(dice.name()).join(dice.name());
        let file = dir.join(format!("{}.log", dice.name()));
        let other = root.join(dice.name()).join(dice.name());
        let done = match dice.below(8) {
            0 => fs::remove_dir_all(&dir),
            1 => fs::remove_dir_all(dir.parent().unwrap()),
            2 => fs::rename(&dir, &other),
            3 => fs::rename(dir.parent().unwrap(), other.parent().unwrap()),
            4 => fs::rename(&file, file.with_extension("log.1")),
            _ => fs::create_dir_all(&dir).and_then(|()| fs::write(&file, "x")),
        };
        // Whatever was not there to be removed.
        drop(done);
    }
}

#[test]
fn no_watch_is_lost_in_a_tree_that_does_not_hold_still() {
    for seed in 0..15 {
        let bed = Bed::new(&["**/*.log", "a/*/b.log", "c/b/*"]);
        let mut watch = bed.watch();
        watch.scan();
        let root = bed.root.clone();
        let player = std::thread::spawn(move || play(&root, seed));
        while !player.is_finished() {
            if watch.changes().rescan {
                watch.scan();
            }
        }
        player.join().unwrap();
        hush_and_scan(&mut watch);
        let mut files = BTreeSet::new();
        all_files(&bed.root, &mut files);
        for path in files.into_iter().filter(|path| path.extension().is_some_and(|e| e == "log")) {
            bed.write(&path);
            wait_until(&format!("{} is told (seed {seed})", path.display()), || {
                let changes = watch.changes();
                assert!(!changes.rescan);
                changes.touched.iter().any(|touched| touched.path == path)
            });
        }
    }
}

//! Inputs from several files.

use std::fs;

use tempfile::TempDir;

use super::{INPUTS, KAFKA};
use crate::config::{LoadError, Loaded, load};

/// Files in a directory of their own, the main one called `main.yaml`.
struct Site(TempDir);

impl Site {
    fn new(main: &str, others: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("conf.d")).unwrap();
        fs::write(dir.path().join("main.yaml"), main).unwrap();
        for (name, text) in others {
            fs::write(dir.path().join(name), text).unwrap();
        }
        Self(dir)
    }

    fn load(&self) -> Result<Loaded, LoadError> {
        load(&self.0.path().join("main.yaml"))
    }

    fn ids(&self) -> Vec<String> {
        let loaded = self.load().map_err(|error| error.to_string()).expect("is right");
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        loaded.settings.inputs.into_iter().map(|input| input.id).collect()
    }

    /// `file:line:column message`
    fn problems(&self) -> Vec<String> {
        let problems = match self.load() {
            Ok(loaded) => loaded.warnings,
            Err(LoadError::Problems(problems)) => problems.0,
            Err(error @ LoadError::Unreadable { .. }) => panic!("{error}"),
        };
        let below = |path: &std::path::Path| path.strip_prefix(self.0.path()).unwrap().to_owned();
        let shown = |p: &crate::config::Problem| {
            let message = p.message.replace(&format!("{}/", self.0.path().display()), "");
            format!("{}:{}:{} {message}", below(&p.file).display(), p.line, p.column)
        };
        problems.iter().map(shown).collect()
    }
}

fn one(id: &str) -> String {
    format!("- {{id: {id}, paths: [/{id}], topic: t}}\n")
}

#[test]
fn inputs_of_all_files_are_one_list() {
    let site = Site::new(
        &format!("{KAFKA}{INPUTS}include: conf.d/*.yaml\n"),
        &[
            ("conf.d/20-list.yaml", &one("c")),
            ("conf.d/10-map.yaml", &format!("inputs:\n{}", one("b"))),
            ("conf.d/30-empty.yaml", "# nothing yet\n"),
            ("conf.d/.#40-hidden.yaml", "left by an editor"),
            ("conf.d/notes.txt", "not YAML: ["),
        ],
    );
    assert_eq!(site.ids(), ["a", "b", "c"]);
}

#[test]
fn all_inputs_may_be_included_and_by_several_globs() {
    let site = Site::new(
        &format!("{KAFKA}include: [conf.d/b.yaml, 'conf.d/c.*']\n"),
        &[("conf.d/b.yaml", &one("b")), ("conf.d/c.yml", &one("c"))],
    );
    assert_eq!(site.ids(), ["b", "c"]);
}

#[test]
fn every_problem_names_its_own_file() {
    let site = Site::new(
        &format!("{KAFKA}bogus: 1\n{INPUTS}include: conf.d/*.yaml\n"),
        &[
            ("conf.d/1.yaml", "- {id: b, path: [/b], topic: t}\n"),
            ("conf.d/2.yaml", "inputs: [\n"),
            ("conf.d/3.yaml", "kafka: {}\ninputs:\n  - {id: c, paths: [/c], topic: 'x y'}\n"),
            ("conf.d/4.yaml", "just words\n"),
        ],
    );
    let found = site.problems();
    let begins = [
        "main.yaml:2:1 unknown key `bogus`",
        "conf.d/1.yaml:1:3 `paths` is missing in `inputs[0]`",
        "conf.d/1.yaml:1:11 unknown key `path`",
        "conf.d/3.yaml:1:1 `kafka`: an included file holds `inputs` and nothing else",
        "conf.d/3.yaml:3:33 `topic`: ` ` in `x y`",
        "conf.d/4.yaml:1:1 the file takes a mapping",
        "conf.d/2.yaml:1:10 this is not YAML",
    ];
    assert_eq!(found.len(), begins.len(), "{found:#?}");
    for (found, begin) in found.iter().zip(begins) {
        assert!(found.starts_with(begin), "{found} is not {begin}");
    }
}

#[test]
fn an_id_that_is_taken_is_told_with_both_places() {
    let site = Site::new(
        &format!("{KAFKA}{INPUTS}include: conf.d/*.yaml\n"),
        &[("conf.d/1.yaml", &one("b")), ("conf.d/2.yaml", &format!("{}{}", one("a"), one("b")))],
    );
    let expected = [
        "conf.d/2.yaml:1:8 the id `a` is already taken, first on line 2 of main.yaml",
        "conf.d/2.yaml:2:8 the id `b` is already taken, first on line 1 of conf.d/1.yaml",
    ];
    assert_eq!(site.problems(), expected);
}

#[test]
fn what_cannot_be_read_is_told_and_nothing_else_is_made_of_it() {
    let site = Site::new(&format!("{KAFKA}include: conf.d/*.yaml\n"), &[]);
    fs::create_dir(site.0.path().join("conf.d/2.yaml")).unwrap();
    let found = site.problems();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with("main.yaml:2:10 `include`: cannot read conf.d/2.yaml: "));
    fs::write(site.0.path().join("conf.d/1.yaml"), "\u{7}").unwrap();
    let found = site.problems();
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[1].starts_with("conf.d/1.yaml:1:1 YAML does not allow the character U+0007"));
}

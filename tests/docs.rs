//! Documents say what is so: what they quote is there.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tailspool::config::{LoadError, Loaded};
use tailspool::decode::Encoding;
use tailspool::encode::Encoder;
use tailspool::process::{Assembly, Raw, Recipe};
use tailspool::record::{Mark, Offset, Remarks};
use tailspool::template::Origin;

#[test]
fn the_readme_shows_the_minimal_configuration() {
    let (readme, minimal) = (read("README.md"), read("config/minimal.yaml"));
    let (_, shown) = readme.split_once("```yaml\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    assert_eq!(shown, minimal);
    assert_eq!(minimal.lines().count(), 10);
}

#[test]
fn make_knows_what_documents_tell_to_make() {
    let makefile = read("Makefile");
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter_map(|line| line.split_once(": ## ").map(|(target, _)| target))
        .collect();
    for (document, text) in documents() {
        for target in made(&text) {
            assert!(targets.contains(target), "{document}: make {target}");
        }
    }
}

#[test]
fn configurations_in_pages_of_whole_ones_are_right() {
    for page in ["docs/kafka.md", "docs/processors.md"] {
        let text = read(page);
        let yaml = blocks(&text, "yaml");
        assert!(!yaml.is_empty());
        for yaml in yaml {
            let found = load(yaml);
            assert!(found.is_ok_and(|loaded| loaded.warnings.is_empty()), "{yaml}");
        }
    }
}

#[test]
fn processors_make_of_the_line_what_their_page_says() {
    let page = read("docs/processors.md");
    let first = |language| blocks(&page, language)[0];
    let input = load(first("yaml")).unwrap().settings.inputs.swap_remove(0);
    let recipe = Recipe::of(&input, Encoding::default()).unwrap().map(Arc::new);
    let origin = Origin::of(Path::new(&input.paths[0]), None);
    let encoder = Encoder::of(&input, &origin).map(Arc::new);
    let mut assembly = Assembly::resume(recipe.unwrap(), encoder, Mark::START);
    let bytes = first("text").trim_end().as_bytes();
    let (start, end) = (Offset::START, Offset(bytes.len() as u64 + 1));
    assembly.feed(&Raw { bytes, start, end, remarks: Remarks::default() });
    let mut made: serde_json::Value = serde_json::from_slice(&assembly.take().bytes).unwrap();
    let told: serde_json::Value = serde_json::from_str(first("json")).unwrap();
    made["host"] = told["host"].clone();
    assert_eq!(made, told);
}

/// What stands between fences of a language.
fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let fence = format!("```{language}\n");
    text.split(&*fence).skip(1).map(|block| block.split("```").next().unwrap()).collect()
}

fn load(yaml: &str) -> Result<Loaded, LoadError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tailspool.yaml");
    fs::write(&path, yaml).unwrap();
    tailspool::config::load(&path)
}

/// What follows `make` at the beginning of code.
fn made(text: &str) -> impl Iterator<Item = &str> {
    let code = text.split(['`', '\n']).filter_map(|code| code.strip_prefix("make "));
    let target = |code: &'_ str| code.find(|c: char| !c.is_ascii_lowercase() && c != '-');
    code.map(move |code| code.get(..target(code).unwrap_or(code.len())).unwrap())
}

#[test]
fn files_that_documents_name_are_there() {
    for (document, text) in documents() {
        let beside = root().join(&document).parent().unwrap().to_owned();
        let places = [root().to_owned(), root().join("src"), beside];
        for name in text.split('`').skip(1).step_by(2).filter(|name| is_path(name)) {
            let is_there = places.iter().any(|place| place.join(name).exists());
            assert!(is_there, "{document}: {name}");
        }
    }
}

/// Whether it is the path of something in this repository.
fn is_path(name: &str) -> bool {
    let is_ours = [".md", ".rs", ".service", ".yaml"].iter().any(|end| name.ends_with(end));
    is_ours && name.contains('/') && !name.starts_with('/') && !name.contains([' ', '*', '\n'])
}

#[test]
fn what_operations_explains_is_what_the_log_says() {
    let paths = sources(&root().join("src"));
    let is_test = |path: &&PathBuf| path.components().any(|name| name.as_os_str() == "tests");
    let source: String =
        paths.iter().filter(|path| !is_test(path)).map(|path| text(path)).collect();
    let said: BTreeSet<&str> = said(&source).collect();
    let rows = rows("docs/operations.md", "What the log says");
    let explained = rows.keys().flat_map(|messages| messages.split('`').skip(1).step_by(2));
    let explained: BTreeSet<&str> = explained.collect();
    assert!(explained.len() > 50, "{explained:?}");
    let (unsaid, unexplained) = (&explained - &said, &said - &explained);
    assert!(unsaid.is_empty(), "nobody says: {unsaid:?}");
    assert!(unexplained.is_empty(), "not explained: {unexplained:?}");
}

/// Each message of level `info` and above: what stands last in a call, and is quoted.
fn said(source: &str) -> impl Iterator<Item = &str> {
    let levels = ["tracing::info!(", "tracing::warn!(", "tracing::error!("];
    levels.into_iter().flat_map(|level| source.split(level).skip(1)).map(|call| {
        let parts: Vec<&str> = call.split('"').collect();
        let mut quoted = parts.windows(2).skip(1).step_by(2);
        let last = quoted.find(|pair| pair[1].trim_start().starts_with(')'));
        last.unwrap_or_else(|| panic!("no message: {call:.80}"))[0]
    })
}

#[test]
fn each_scenario_of_tailing_has_a_test_or_a_reason() {
    let sources = [sources(&root().join("src")), sources(&root().join("tests"))].concat();
    let source: String = sources.iter().map(|path| text(path)).collect();
    let tailing = read("docs/tailing.md");
    let (_, scenarios) = tailing.split_once("\n## Scenarios\n").unwrap();
    let rows: Vec<&str> = scenarios.lines().filter(|line| line.starts_with("| ")).collect();
    assert!(rows.len() > 80, "{}", rows.len());
    for row in rows.into_iter().filter(|row| *row != "| scenario | here | test |") {
        let (_, proof) = row.trim_end_matches(" |").rsplit_once(" | ").unwrap();
        assert!(!proof.is_empty(), "neither a test nor a reason: {row}");
        let is_fn = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let quoted = proof.split('`').skip(1).step_by(2);
        let names = quoted.filter(|name| name.chars().all(is_fn) && name.matches('_').count() > 1);
        for name in names {
            assert!(source.contains(&format!("fn {name}(")), "there is no such test: {name}");
        }
    }
}

#[test]
fn exit_codes_are_those_of_the_program() {
    let source = read("src/cli/exit.rs");
    let (_, codes) = source.split_once("pub enum Exit {").unwrap();
    let (codes, _) = codes.split_once('}').unwrap();
    let codes = codes.lines().filter_map(|line| line.trim().strip_suffix(','));
    let codes: BTreeSet<&str> = codes.filter_map(|line| Some(line.split_once(" = ")?.1)).collect();
    let rows = rows("docs/operations.md", "Exit codes");
    assert_eq!(rows.keys().map(String::as_str).collect::<BTreeSet<_>>(), codes);
}

#[test]
fn each_dependency_is_accounted_for() {
    let manifest = read("Cargo.toml");
    let (_, section) = manifest.split_once("[dependencies]\n").unwrap();
    let lines = section.lines().take_while(|line| !line.is_empty());
    let named: BTreeSet<String> =
        lines.filter_map(|line| Some(format!("`{}`", line.split_once(" = ")?.0))).collect();
    let rows = rows("docs/decisions.md", "2026-11-21 · Which crates do we depend on?");
    assert_eq!(rows.into_keys().collect::<BTreeSet<_>>(), named);
}

#[test]
fn architecture_fits_on_three_pages() {
    assert!(read("docs/architecture.md").lines().count() <= 150);
}

/// The rows of the table under a heading: the first cell, and the rest.
fn rows(document: &str, heading: &str) -> BTreeMap<String, String> {
    let text = read(document);
    let (_, section) = text.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    let rows = rows.map(|(first, rest)| (first.to_owned(), rest.to_owned()));
    // The first row is the head.
    rows.skip(1).collect()
}

/// What is written for people, by its path; not the changelog, which may speak of what was.
fn documents() -> Vec<(String, String)> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().file_name());
    let docs = docs.map(|name| format!("docs/{}", name.to_string_lossy()));
    let others = ["README.md", "CONTRIBUTING.md", "tests/README.md"].map(str::to_owned);
    docs.chain(others).map(|path| (path.clone(), read(&path))).collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn read(path: &str) -> String {
    text(&root().join(path))
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

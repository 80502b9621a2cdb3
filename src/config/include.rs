//! Files with more inputs. Each is a mapping with `inputs` alone, or their list.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::parse::{self, Parsed, Wrong};
use super::part::{self, Text};
use super::problem::Problem;
use super::raw::{Entry, Node, NodeId, Scalar, Value};
use super::report::Report;
use super::section::Section;

/// More files than this were not written by people.
const FILES_MAX: usize = 1000;

/// The roots of included files, each a mapping.
#[derive(Default)]
pub(super) struct Included {
    pub(super) roots: Vec<Node>,
    /// Some could not be read, which was reported.
    pub(super) are_missing: bool,
}

impl Included {
    pub(super) fn add(&mut self, root: Node) {
        let id = root.id;
        let is_list = matches!(root.value, Value::List(_));
        let key = Node { id, value: Value::scalar("inputs") };
        self.roots.push(if is_list {
            Node { id, value: Value::Map(vec![Entry { key, value: root }]) }
        } else {
            root
        });
    }
}

/// The files that a configuration includes, as far as they can be read.
#[derive(Default)]
pub(super) struct Files {
    pub(super) texts: Vec<Text>,
    /// What is wrong with the others, and not reported yet.
    pub(super) problems: Vec<Problem>,
    pub(super) are_missing: bool,
}

/// Reads what the configuration in `file` includes, ordered by name.
pub(super) fn read(root: &Node, file: &Path, report: &Report) -> Files {
    let top = Section::open(report, root, String::new());
    let mut files = Files::default();
    for (at, glob) in globs(&top) {
        let beside = file.parent().unwrap_or(Path::new("")).join(&glob);
        let found = match matches(&beside) {
            Ok(found) => found,
            Err(error) => {
                let message = format!("`include`: cannot list {}: {error}", beside.display());
                top.error(at, "include", message, None);
                files.are_missing = true;
                continue;
            }
        };
        if found.is_empty() {
            let message = format!("`include`: no file matches {}", beside.display());
            top.warning(at, "include", message);
        }
        if files.texts.len() + found.len() > FILES_MAX {
            top.error(at, "include", format!("`include`: more than {FILES_MAX} files"), None);
            break;
        }
        for path in found {
            match part::read(&path).map(|(bytes, _)| Text::new(&path, &bytes)) {
                Ok(Ok(text)) => files.texts.push(text),
                Ok(Err(problems)) => files.problems.extend(problems.0),
                Err(error) => {
                    files.are_missing = true;
                    let message = format!("`include`: cannot read {}: {error}", path.display());
                    top.error(at, "include", message, None);
                }
            }
        }
    }
    files.are_missing |= !files.problems.is_empty();
    files
}

/// One glob, or several; and where they are written.
fn globs(top: &Section<'_>) -> Vec<(NodeId, String)> {
    let Some(node) = top.find("include") else { return Vec::new() };
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        Value::Null | Value::Scalar(_) | Value::Map(_) | Value::Tagged(_) | Value::Broken => {
            std::slice::from_ref(node)
        }
    };
    let glob = |item: &Node| Some((item.id, top.single("include", item, glob)?));
    items.iter().filter_map(glob).collect()
}

fn glob(scalar: &Scalar) -> Parsed<String> {
    let glob = parse::glob(scalar)?;
    let dir = Path::new(&glob).parent().unwrap_or(Path::new("")).to_string_lossy().into_owned();
    if dir.contains(['*', '?', '[', '{']) {
        let message = format!("{} has a wildcard in a directory's name", scalar.shown());
        return Err(Wrong::new(message));
    }
    if glob.ends_with('/') {
        let message = format!("{} names a directory, not files", scalar.shown());
        return Err(Wrong::new(message).suggest(Some(format!("{glob}*.yaml"))));
    }
    Ok(glob)
}

/// The files that a glob matches in its directory, by name. Hidden ones are what editors leave.
fn matches(glob: &Path) -> io::Result<Vec<PathBuf>> {
    let (Some(dir), Some(name)) = (glob.parent(), glob.file_name().and_then(|name| name.to_str()))
    else {
        return Ok(Vec::new());
    };
    let matcher = globset::Glob::new(name).map_err(io::Error::other)?.compile_matcher();
    let listed = if dir == Path::new("") { Path::new(".") } else { dir };
    let mut found = Vec::new();
    for entry in fs::read_dir(listed)? {
        let entry = entry?.file_name();
        let is_hidden = entry.as_encoded_bytes().starts_with(b".") && !name.starts_with('.');
        if !is_hidden && matcher.is_match(Path::new(&entry)) {
            found.push(dir.join(&entry));
        }
    }
    found.sort();
    Ok(found)
}

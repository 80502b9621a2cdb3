//! The configuration file: `raw` is what the YAML says, `check` makes of it what the daemon runs
//! on. Every problem is reported, each with its place, and none shows a secret.

mod check;
mod include;
mod parse;
mod part;
mod problem;
mod raw;
mod report;
mod secret;
mod section;
mod source;
mod suggest;
#[cfg(test)]
mod tests;
mod units;
mod vars;
mod yaml;

use std::io;
use std::path::{Path, PathBuf};

pub use problem::{Problem, Problems, Severity};
pub use units::duration;

use crate::settings::{Kafka, Settings};
use check::World;
use include::Included;
use part::{Part, Text};
use raw::NodeId;
use report::Report;

/// A configuration the daemon can run on.
#[derive(Debug)]
pub struct Loaded {
    pub settings: Settings,
    /// What may not be as it was meant.
    pub warnings: Vec<Problem>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("cannot read the configuration {}: {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    /// At least one error; warnings among them.
    #[error("{0}")]
    Problems(Problems),
}

/// Reads a configuration file, its environment variables and its secrets' files.
pub fn load(path: &Path) -> Result<Loaded, LoadError> {
    let unreadable = |error| LoadError::Unreadable { path: path.into(), error };
    let (bytes, exposed) = part::read(path).map_err(unreadable)?;
    let world = World { vars: &vars::Environment, host: host(), exposed };
    understand(&bytes, path, &world, Report::default())
}

/// Reads the producer's settings of a configuration file, if there is one. What is `given` goes
/// before them: Kafka's names and values as on a command line.
pub fn producer(
    file: Option<&Path>,
    given: &[(String, String)],
) -> Result<(Kafka, Vec<Problem>), LoadError> {
    let nowhere = Path::new("command line");
    let (bytes, exposed) = match file {
        Some(path) => {
            part::read(path).map_err(|error| LoadError::Unreadable { path: path.into(), error })?
        }
        None => (Vec::new(), false),
    };
    let quote = |text: &String| format!("'{}'", text.replace('\'', "''"));
    let line = |(name, value): &(String, String)| format!("{}: {}\n", quote(name), quote(value));
    let given: String = given.iter().map(line).collect();
    let texts = [(file.unwrap_or(nowhere), bytes), (nowhere, given.into_bytes())];
    let texts = texts.map(|(file, bytes)| Text::new(file, &bytes).map_err(LoadError::Problems));
    let [text, given] = texts;
    let (text, given) = (text?, given?);
    let report = Report::default();
    let (part, root) = Part::parse(&text, NodeId(0)).map_err(LoadError::Problems)?;
    let (second, given) = Part::parse(&given, part.after()).map_err(LoadError::Problems)?;
    let vars = &vars::Environment;
    let world = World { vars, host: host(), exposed };
    let [root, given] = [root, given].map(|root| raw::finish(root, vars, &report));
    let kafka = check::producer(&root, &given, &world, &report);
    let problems = Problems(report.place(&[part, second]));
    if problems.errors().next().is_some() {
        return Err(LoadError::Problems(problems));
    }
    Ok((kafka, problems.0))
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn understand(
    bytes: &[u8],
    file: &Path,
    world: &World<'_>,
    report: Report,
) -> Result<Loaded, LoadError> {
    let text = Text::new(file, bytes).map_err(LoadError::Problems)?;
    let (main, root) = Part::parse(&text, NodeId(0)).map_err(LoadError::Problems)?;
    let root = raw::finish(root, world.vars, &report);
    let mut files = include::read(&root, file, &report);
    let mut included = Included { are_missing: files.are_missing, ..Included::default() };
    let mut parts = vec![main];
    for text in &files.texts {
        let first = parts.last().map_or(NodeId(0), Part::after);
        match Part::parse(text, first) {
            Ok((part, root)) => {
                parts.push(part);
                included.add(raw::finish(root, world.vars, &report));
            }
            Err(problems) => {
                included.are_missing = true;
                files.problems.extend(problems.0);
            }
        }
    }
    let settings = check::settings(&root, &included, world, &report);
    let mut problems = Problems(report.place(&parts));
    problems.0.append(&mut files.problems);
    if problems.errors().next().is_some() {
        return Err(LoadError::Problems(problems));
    }
    Ok(Loaded { settings, warnings: problems.0 })
}

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

use crate::settings::Settings;
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
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let world = World { vars: &vars::Environment, host, exposed };
    understand(&bytes, path, &world, Report::default())
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

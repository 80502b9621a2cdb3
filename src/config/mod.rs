//! The configuration file: `raw` is what the YAML says, `check` makes of it what the daemon runs
//! on. Every problem is reported, each with its place, and none shows a secret.

mod check;
mod parse;
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

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub use problem::{Problem, Problems, Severity};
pub use units::duration;

use crate::settings::Settings;
use check::World;
use report::Report;
use source::Source;
use yaml::Document;

/// A larger file is something else. Aliases make a document grow, so this bounds time, too.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

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
    let (bytes, exposed) = read(path).map_err(unreadable)?;
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let world = World { vars: &vars::Environment, host, exposed };
    understand(&bytes, path, &world, Report::default())
}

fn read(path: &Path) -> io::Result<(Vec<u8>, bool)> {
    let file = File::open(path)?;
    let readable_by_all = file.metadata()?.mode() & 0o004 != 0;
    let mut bytes = Vec::new();
    file.take(CONFIG_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > CONFIG_BYTES_MAX {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok((bytes, readable_by_all))
}

fn understand(
    bytes: &[u8],
    file: &Path,
    world: &World<'_>,
    report: Report,
) -> Result<Loaded, LoadError> {
    let alone = |text: &str, at, message| {
        let source = Source::new(text);
        let problem = source.problem(file, at, message);
        LoadError::Problems(Problems(vec![problem]))
    };
    let text = match str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{FEFF}').unwrap_or(text),
        Err(error) => {
            let text = String::from_utf8_lossy(bytes);
            return Err(alone(&text, error.valid_up_to(), "this is not UTF-8".into()));
        }
    };
    if let Some((at, c)) = text.char_indices().find(|(_, c)| !is_allowed(*c)) {
        let message = format!("YAML does not allow the character U+{:04X}", u32::from(c));
        return Err(alone(text, at, message));
    }
    let source = Source::new(text);
    let shielded = vars::shield(text);
    let (document, root) = match Document::parse(&shielded) {
        Ok(parsed) => parsed,
        Err(error) => {
            let at = source.unshielded(&shielded, error.at);
            return Err(alone(text, at, format!("this is not YAML: {}", error.message)));
        }
    };
    let root = raw::finish(root, world.vars, &report);
    let settings = check::settings(&root, world, &report);
    let find = |node| source.unshield(&shielded, document.find(node));
    let problems = Problems(report.place(find, &source, file));
    if problems.errors().next().is_some() {
        return Err(LoadError::Problems(problems));
    }
    Ok(Loaded { settings, warnings: problems.0 })
}

/// What YAML calls printable, without what stands for something else here.
fn is_allowed(c: char) -> bool {
    let printable = !c.is_control() && !matches!(c, '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}');
    (printable && !vars::is_shield(c)) || matches!(c, '\t' | '\n' | '\r' | '\u{85}')
}

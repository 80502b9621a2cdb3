//! The directory that a demo plays in: logs, state, configuration, and the daemon's own log.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::Error;
use super::given::Given;
use crate::spool;

/// What a line of a given file is cut to: the embedded Kafka keeps only a few long ones.
pub(super) const LINE_MAX: usize = 256 * 1024;
/// Few enough lines come again after a kill that a person believes it.
pub(super) const CHECKPOINTS_MS: u64 = 200;
/// The outage is short, so that nobody waits for it; lines go to the spool that much sooner.
const SPOOLS_SOON: &str = "  request.timeout.ms: 1s\n  delivery.timeout.ms: 1500ms\n";
/// Names for the directory that are tried before something must be wrong.
const ATTEMPTS_MAX: usize = 100;
const BATCH_MIN: u64 = 4 * 1024;
const BATCH_MAX: u64 = 128 * 1024;
/// Into this many batches a small file is divided, so that there is something to watch.
const BATCHES: u64 = 40;

/// Removed with all that is in it when dropped, unless it is to be kept.
pub(super) struct Stage {
    dir: PathBuf,
    is_kept: bool,
}

impl Stage {
    pub(super) fn new() -> Result<Self, Error> {
        let stage = Self { dir: create().map_err(Error::TempDir)?, is_kept: false };
        fs::create_dir(stage.logs()).map_err(|error| stage.error(error))?;
        Ok(stage)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    pub(super) fn config(&self) -> PathBuf {
        self.dir.join("tailspool.yaml")
    }

    pub(super) fn daemon_log(&self) -> PathBuf {
        self.dir.join("daemon.log")
    }

    pub(super) fn keep(&mut self) {
        self.is_kept = true;
    }

    /// Something here could not be used.
    pub(super) fn error(&self, error: io::Error) -> Error {
        Error::Stage { dir: self.dir.clone(), error }
    }

    /// Lines that wait in the daemon's spool, as far as it can be read.
    pub(super) fn spooled(&self) -> u64 {
        let lanes = spool::list(&self.state().join("spool")).unwrap_or_default();
        lanes.iter().map(|lane| lane.records).sum()
    }

    fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// The configuration for the logs in here: all else by default.
    pub(super) fn configure(&self, servers: &str, topic: &str) -> Result<(), Error> {
        let glob = quoted(&self.logs().join("*.log").to_string_lossy());
        let input = input("demo", &glob, topic);
        self.write_config(&format!("{}inputs:\n{input}", self.head(servers)))
    }

    /// The configuration for given files, each with a topic of its own; slow enough to be read
    /// along.
    pub(super) fn configure_given(
        &self,
        servers: &str,
        files: &[(String, Given)],
    ) -> Result<(), Error> {
        let bytes: u64 = files.iter().map(|(_, given)| given.size).sum();
        let batch = (bytes / BATCHES).clamp(BATCH_MIN, BATCH_MAX);
        let pace = format!("  batch.size: {batch}\n  max.in.flight.requests.per.connection: 1\n");
        let mut parts = vec![self.head(servers), pace, "inputs:\n".to_owned()];
        for (topic, given) in files {
            let path = given.path.to_str().ok_or_else(|| Error::Name(given.path.clone()))?;
            parts.push(input(topic, &quoted(&literal(path)), topic));
            parts.push(format!("    rotated: off\n    max_line: {LINE_MAX}\n"));
        }
        self.write_config(&parts.concat())
    }

    fn head(&self, servers: &str) -> String {
        let state = quoted(&self.state().to_string_lossy());
        format!(
            "state_dir: {state}\ncheckpoint_interval: {CHECKPOINTS_MS}ms\n\
             kafka:\n  bootstrap.servers: {}\n{SPOOLS_SOON}",
            quoted(servers)
        )
    }

    fn write_config(&self, yaml: &str) -> Result<(), Error> {
        fs::write(self.config(), yaml).map_err(|error| self.error(error))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.is_kept {
            // What cannot be removed is left for whoever cleans the temporary directory.
            drop(fs::remove_dir_all(&self.dir));
        }
    }
}

/// A new directory that is nobody else's.
fn create() -> io::Result<PathBuf> {
    let base = format!("tailspool-demo-{}", std::process::id());
    let names = (1..).map(|number| std::env::temp_dir().join(format!("{base}-{number}")));
    for path in names.take(ATTEMPTS_MAX) {
        match fs::DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(()) => return Ok(path),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn input(id: &str, path: &str, topic: &str) -> String {
    format!("  - id: {id}\n    paths: [{path}]\n    topic: {topic}\n")
}

/// As YAML takes it, whatever is in it: JSON is YAML. `$` would be a variable.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text.replace('$', "$$")).to_string()
}

/// A glob that matches just this path.
fn literal(path: &str) -> String {
    let mut glob = String::with_capacity(path.len());
    for c in path.chars() {
        match c {
            '*' | '?' | '[' | ']' | '{' | '}' | '\\' => glob.extend(['[', c, ']']),
            c => glob.push(c),
        }
    }
    glob
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn the_configurations_are_right_whatever_a_file_is_called() {
        let stage = Stage::new().unwrap();
        let servers = "127.0.0.1:1,127.0.0.1:2";
        stage.configure(servers, "demo").unwrap();
        let loaded = config::load(&stage.config()).unwrap();
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);

        let path = stage.logs().join("a b: '$x' ${y} [1]{2}*\"ü#.log");
        fs::write(&path, "x\n").unwrap();
        let given = Given::read(&path, LINE_MAX).unwrap();
        stage.configure_given(servers, &[("demo-1".to_owned(), given)]).unwrap();
        let settings = config::load(&stage.config()).unwrap().settings;
        assert_eq!(settings.inputs[0].max_line_bytes, LINE_MAX);
        let mut watch = crate::watch::Watch::new(&settings.inputs, || {}).unwrap();
        let found: Vec<_> = watch.scan().found.into_iter().map(|found| found.path).collect();
        assert_eq!(found, [path.canonicalize().unwrap()]);
    }

    #[test]
    fn nothing_is_left_of_it() {
        let stage = Stage::new().unwrap();
        let dir = stage.dir().to_owned();
        assert!(dir.is_dir());
        drop(stage);
        assert!(!dir.exists());
    }
}

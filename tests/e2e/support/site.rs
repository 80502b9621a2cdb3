//! A host in a temporary folder: its logs, the state directory, the configuration.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::config::Config;
use super::daemon::{Daemon, Finished};
use super::kept::Kept;
use super::wait::GENEROUS;

pub(crate) struct Site {
    dir: tempfile::TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        let dir =
            tempfile::Builder::new().prefix("tailspool-").tempdir().expect("a temporary folder");
        fs::create_dir(dir.path().join("logs")).expect("a temporary folder is writable");
        Self { dir }
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.dir.path().join("logs").join(name)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// What the state directory says, for a look at any time.
    pub(crate) fn kept(&self) -> Kept {
        Kept::of(self.state(), self.dir.path().join("logs"))
    }

    pub(crate) fn config_path(&self) -> PathBuf {
        self.dir.path().join("tailspool.yaml")
    }

    /// The plain configuration: every `*.log` into `topic`.
    pub(crate) fn config(&self, bootstrap: &str, topic: &str) -> Config {
        Config::new(&self.state(), bootstrap).input("logs", &self.log("*.log"), topic)
    }

    pub(crate) fn write_config(&self, text: &str) {
        fs::write(self.config_path(), text).expect("a temporary folder is writable");
    }

    /// `tailspool run` with this configuration.
    pub(crate) fn run(&self, config: &Config) -> Daemon {
        self.write_config(&config.to_yaml());
        self.run_again()
    }

    /// `tailspool run` with the configuration that is there.
    pub(crate) fn run_again(&self) -> Daemon {
        Daemon::start(&self.with_config(&["run"]))
    }

    /// `tailspool ARGUMENTS --config FILE`, to its end.
    pub(crate) fn tailspool(&self, arguments: &[&str]) -> Finished {
        Daemon::start(&self.with_config(arguments)).finish(GENEROUS)
    }

    pub(crate) fn with_config(&self, arguments: &[&str]) -> Vec<String> {
        let config = self.config_path().display().to_string();
        arguments
            .iter()
            .map(|&argument| argument.to_owned())
            .chain(["--config".to_owned(), config])
            .collect()
    }
}

pub(crate) fn append(path: &Path, bytes: &[u8]) {
    let mut file =
        fs::OpenOptions::new().append(true).create(true).open(path).expect("a log can be opened");
    file.write_all(bytes).expect("a log can be written");
}

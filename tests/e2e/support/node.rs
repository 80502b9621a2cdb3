//! One server of a Kafka: a Java process, its doors and its disk.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::Signal;

use super::children::{Power, end, guarded, signal, spawn};
use super::guard::Guard;
use super::jars;
use super::ports::Port;

const CLUSTER_ID: &str = "dGFpbHNwb29sLXRlc3RzLQ";

/// How the brokers' Java runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Up soon, with little memory.
    Frugal,
    /// Fast once warm, for measuring.
    #[allow(dead_code, reason = "the benches race")]
    Racing,
}

impl Pace {
    pub(super) fn options(self) -> &'static [&'static str] {
        match self {
            Self::Frugal => &["-Xms64m", "-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"],
            Self::Racing => &["-Xms512m", "-Xmx512m", "-XX:+UseSerialGC"],
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Both,
    Broker,
    Controller,
}

pub(super) struct Node {
    pub(super) id: i32,
    role: Role,
    pub(super) port: Port,
    /// Of the listener that asks for a certificate.
    pub(super) tls: Port,
    /// Of the listener that asks for a password.
    pub(super) sasl: Port,
    pub(super) dir: PathBuf,
    process: Mutex<Option<Child>>,
}

impl Node {
    /// Its addresses are known; nothing runs yet.
    pub(super) fn planned(id: i32, role: Role, dir: &Path) -> Self {
        Self {
            id,
            role,
            port: Port::reserve(),
            tls: Port::reserve(),
            sasl: Port::reserve(),
            dir: dir.join(id.to_string()),
            process: Mutex::new(None),
        }
    }

    /// Where it writes what it has to say.
    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("broker.log")
    }

    pub(super) fn listeners(&self, voter: &str) -> String {
        let id = self.id;
        let (plain, tls, sasl) = (self.port.address(), self.tls.address(), self.sasl.address());
        let doors = format!("PLAINTEXT://{plain},SSL://{tls},SASL_SSL://{sasl}");
        match self.role {
            Role::Both => format!(
                "process.roles=broker,controller\nnode.id={id}\n\
                 listeners={doors},CONTROLLER://{voter}\nadvertised.listeners={doors}"
            ),
            Role::Broker => format!(
                "process.roles=broker\nnode.id={id}\n\
                 listeners={doors}\nadvertised.listeners={doors}"
            ),
            Role::Controller => {
                format!("process.roles=controller\nnode.id={id}\nlisteners=CONTROLLER://{voter}")
            }
        }
    }

    pub(super) fn format(&self, properties: &str) -> Child {
        fs::create_dir_all(&self.dir).expect("target is writable");
        fs::write(self.dir.join("server.properties"), properties).expect("target is writable");
        let mut command = self.java(Pace::Frugal);
        command.args([
            "kafka.tools.StorageTool",
            "format",
            "-t",
            CLUSTER_ID,
            "-c",
            "server.properties",
        ]);
        for user in Guard::users() {
            command.args(["--add-scram", &user]);
        }
        spawn(command)
    }

    pub(super) fn start(&self, pace: Pace) {
        let mut command = self.java(pace);
        command.args(["kafka.Kafka", "server.properties"]);
        *self.process() = Some(spawn(command));
    }

    pub(super) fn java(&self, pace: Pace) -> Command {
        let said = File::options().append(true).create(true).open(self.log());
        let said = said.expect("target is writable");
        let mut command = guarded("java", Power::AsWeAre);
        command.args(pace.options()).arg("-cp").arg(jars::lib().join("*"));
        command.args(Guard::java_options(&self.dir)).current_dir(&self.dir).stdin(Stdio::null());
        command.stdout(said.try_clone().expect("a file can be shared")).stderr(said);
        command
    }

    pub(super) fn process(&self) -> MutexGuard<'_, Option<Child>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_dead(&self) -> bool {
        let ended = |child: &mut Child| child.try_wait().is_ok_and(|end| end.is_some());
        self.process().as_mut().is_none_or(ended)
    }

    pub(super) fn signal(&self, which: Signal) {
        if let Some(child) = self.process().as_ref() {
            signal(child, which);
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.process().take() {
            end(&mut child);
        }
        fs::remove_dir_all(&self.dir).ok();
    }
}

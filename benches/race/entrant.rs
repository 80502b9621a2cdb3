//! Who takes part, and how it is started.

use std::process::{Child, Stdio};
use std::rc::Rc;

use crate::course::Heat;
use crate::support::children::{Power, guarded, spawn};
use crate::support::config::Config;
use crate::support::daemon::binary;

/// Starts its processes.
pub(crate) type Start = dyn Fn(&Heat<'_>) -> Vec<Child>;

#[derive(Clone)]
pub(crate) struct Entrant {
    pub(crate) name: String,
    pub(crate) proof: Proof,
    pub(crate) start: Rc<Start>,
}

/// What is asked of the records that it leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Every line, once, in its file's order.
    InOrder,
    /// What is missing and what is repeated is told.
    Told,
    /// As many as there are lines; they are not the lines themselves.
    Counted,
}

/// Keys and their YAML.
pub(crate) type Keys = &'static [(&'static str, &'static str)];

/// What of tailspool's configuration is not as it comes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    /// A glob of logs.
    pub(crate) logs: &'static str,
    pub(crate) kafka: Keys,
    pub(crate) input: Keys,
    pub(crate) proof: Proof,
}

impl Setup {
    pub(crate) const PLAIN: Self =
        Self { logs: "*.log", kafka: &[], input: &[], proof: Proof::InOrder };
}

impl Entrant {
    /// A peer, started by `start`.
    pub(crate) fn peer(name: &str, start: fn(&Heat<'_>) -> Vec<Child>) -> Self {
        Self { name: name.to_owned(), proof: Proof::Told, start: Rc::new(start) }
    }

    pub(crate) fn tailspool(name: &str, setup: Setup) -> Self {
        let start = move |heat: &Heat<'_>| vec![tailspool(heat, setup)];
        Self { name: name.to_owned(), proof: setup.proof, start: Rc::new(start) }
    }
}

fn tailspool(heat: &Heat<'_>, setup: Setup) -> Child {
    let mut config = Config::new(&heat.dir.join("state"), &heat.bootstrap).kafka("acks", "all");
    let is_set = |name| setup.kafka.iter().any(|(key, _)| *key == name);
    if !is_set("compression.type") {
        config = config.kafka("compression.type", &heat.plan.codec);
    }
    if let Some(level) = &heat.plan.level {
        config = config.kafka("compression.level", level);
    }
    for (key, yaml) in setup.kafka {
        config = config.kafka(key, yaml);
    }
    config = config.input("race", &heat.log_dir.join(setup.logs), &heat.topic);
    for (key, yaml) in setup.input {
        config = config.of_input(key, yaml);
    }
    let path = heat.write("tailspool.yaml", &config.to_yaml());
    heat.spawn(binary().to_str().expect("plain"), &["run", "--config", &path])
}

impl Heat<'_> {
    /// Writes a file into the entrant's own folder; returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.dir.join(name);
        std::fs::write(&path, text).expect("a temporary folder is writable");
        path.display().to_string()
    }

    /// Starts a program that reads nothing and whose output nobody needs.
    pub(crate) fn spawn(&self, program: &str, arguments: &[&str]) -> Child {
        let mut command = guarded(program, Power::AsWeAre);
        command.args(arguments).current_dir(&self.dir);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        spawn(command)
    }
}

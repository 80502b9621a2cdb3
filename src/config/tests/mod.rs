//! The room through its door: a text goes in, settings or problems come out.

mod includes;
mod labels;
mod mistakes;
mod outputs;
mod places;
mod processors;
mod reference;
mod samples;
mod secrets;
mod values;

use std::path::Path;

use super::check::World;
use super::report::Report;
use super::vars::Fixed;
use super::{LoadError, Loaded, Problem, Problems, understand};

const VARS: Fixed = Fixed(&[
    ("TOPIC", "logs.env"),
    ("PORT", "9092"),
    ("SERVERS", "k1:9092,k2:9092"),
    ("EVIL", "x\ninputs: []"),
    ("EMPTY", ""),
    ("PASSWORD", "canary-from-env"),
]);

fn load_bytes(bytes: &[u8]) -> Result<Loaded, LoadError> {
    let world = World { vars: &VARS, host: "web-1".into(), exposed: true };
    understand(bytes, Path::new("tailspool.yaml"), &world, Report::default())
}

fn load(text: &str) -> Result<Loaded, LoadError> {
    load_bytes(text.as_bytes())
}

fn problems(text: &str) -> Vec<Problem> {
    match load(text) {
        Ok(loaded) => loaded.warnings,
        Err(LoadError::Problems(Problems(problems))) => problems,
        Err(error @ LoadError::Unreadable { .. }) => panic!("{error}"),
    }
}

/// `line:column severity message, did you mean …`
fn lines(text: &str) -> Vec<String> {
    let line = |p: &Problem| {
        let meant = p.suggestion.as_ref().map(|s| format!(" => {s}")).unwrap_or_default();
        format!("{}:{} {}: {}{meant}", p.line, p.column, p.severity, p.message)
    };
    problems(text).iter().map(line).collect()
}

/// A whole configuration around some lines of `kafka:`.
fn with_kafka(lines: &str) -> String {
    format!("kafka:\n  bootstrap.servers: 'k1:9092, k2:9092'\n{lines}\n{INPUTS}")
}

/// A whole configuration around some lines of an input.
fn with_input(lines: &str) -> String {
    format!("{KAFKA}inputs:\n  - id: a\n    paths: [/a]\n    topic: t\n{lines}\n")
}

/// A whole configuration around some lines at the top.
fn with_top(lines: &str) -> String {
    format!("{KAFKA}{INPUTS}{lines}\n")
}

const KAFKA: &str = "kafka: {bootstrap.servers: ['k1:9092', 'k2:9092']}\n";
const INPUTS: &str = "inputs: [{id: a, paths: [/a], topic: t}]\n";

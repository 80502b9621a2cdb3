//! `docs/configuration.md` is made here, of what is said of each key and of the defaults in
//! `config/tailspool.yaml`; `make reference` writes it.

mod kafka;
mod keys;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use super::Fixed;
use super::samples::{FULL, known};
use crate::config::raw::{Node, NodeId, Value, finish};
use crate::config::report::Report;
use crate::config::yaml::Document;
use kafka::KAFKA;
use keys::{Key, OWN};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
/// What has no default.
const REQUIRED: &[&str] = &["kafka.bootstrap.servers", "inputs.id", "inputs.paths", "inputs.topic"];
const HEAD: &str = "\
# Configuration

Every key: what it does, its default, and when to change it. `config/tailspool.yaml` is the same as a file to start from.
Durations are written `500ms`, `30s`, `5m`, `2h`, `7d`, sizes `64KiB`, `1GiB`; a plain number means what it means in Kafka:
milliseconds, bytes. `${VAR}` and `${VAR:-default}` are taken from the environment. Unknown keys are errors.

## The producer: `kafka`
Kafka's names, dotted, as in `producer.properties`; librdkafka's are taken for the same. Names that exist in Java only are
refused with what to use instead.

| key | default | what it does | change it when | librdkafka's name |
|---|---|---|---|---|
";
const REST: &str = "
## All others

| key | default | what it does | change it when |
|---|---|---|---|
";

#[test]
fn the_reference_says_what_is_so() {
    let made = made();
    if std::env::var_os("TAILSPOOL_BLESS").is_some() {
        fs::write(PATH, &made).unwrap();
    }
    assert!(fs::read_to_string(PATH).unwrap() == made, "out of date: make reference");
}

#[test]
fn each_key_is_in_the_reference() {
    let named = |key: &Key| key.name.to_owned();
    let kafka = KAFKA.iter().map(|key| format!("kafka.{}", key.name));
    let named: BTreeSet<String> = OWN.iter().map(named).chain(kafka).collect();
    let sections = ["kafka", "inputs", "spool", "dead_letters", "log"];
    let known: BTreeSet<String> = known()
        .into_iter()
        .map(|name| name.split(['[', ']']).step_by(2).collect::<String>())
        .filter(|name| !sections.contains(&name.as_str()))
        .collect();
    assert_eq!(named, known);
}

fn made() -> String {
    let (_, root) = Document::parse(FULL, NodeId(0)).unwrap();
    let root = finish(root, &Fixed(&[]), &Report::default());
    let mut text = HEAD.to_owned();
    for key in KAFKA {
        let name = format!("kafka.{}", key.name);
        let default = default(&root, &["kafka", key.name], &name);
        let Key { name, native, what, change } = key;
        let native = if native == name { "the same".to_owned() } else { coded(native) };
        writeln!(text, "| `{name}` | {default} | {what} | {change} | {native} |").unwrap();
    }
    text.push_str(REST);
    for Key { name, what, change, .. } in OWN {
        let path: Vec<&str> = name.split('.').collect();
        let default = default(&root, &path, name);
        writeln!(text, "| `{name}` | {default} | {what} | {change} |").unwrap();
    }
    text
}

/// Names as code, a sentence as it is.
fn coded(native: &str) -> String {
    if native.contains(' ') && !native.contains(", ") || native.starts_with("none") {
        return native.to_owned();
    }
    native.split(", ").map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn default(root: &Node, path: &[&str], name: &str) -> String {
    if REQUIRED.contains(&name) {
        return "required".to_owned();
    }
    let found = path.iter().try_fold(root, |node, name| within(node, name));
    found.map_or_else(|| "–".to_owned(), |node| format!("`{}`", shown(node)))
}

fn within<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    match &node.value {
        Value::Map(entries) => {
            Some(&entries.iter().find(|entry| entry.name() == Some(name))?.value)
        }
        Value::List(items) => within(items.first()?, name),
        Value::Null | Value::Scalar(_) | Value::Tagged(_) | Value::Broken => None,
    }
}

fn shown(node: &Node) -> String {
    match &node.value {
        Value::Scalar(scalar) => scalar.text.escape_default().to_string(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(shown).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(entries) if entries.is_empty() => "{}".to_owned(),
        Value::Map(_) => "…".to_owned(),
        Value::Null | Value::Tagged(_) | Value::Broken => "~".to_owned(),
    }
}

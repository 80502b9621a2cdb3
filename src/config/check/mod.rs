//! From what the YAML says to what the daemon runs on. Every check goes on after a mistake, so
//! that all of them are found at once.

mod input;
mod kafka;
mod lines;
mod names;
mod oauth;
mod outputs;
mod processors;
mod security;
mod topic;
mod value;

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use self::outputs::Outputs;
use super::include::Included;
use super::parse;
use super::raw::Node;
use super::report::Report;
use super::section::{Section, planned};
use super::vars::Vars;
use crate::settings::{DeadLetters, Kafka, Log, LogFormat, Settings, Spool, WhenFull};

/// What a configuration may depend on, beside its text.
pub(super) struct World<'w> {
    pub(super) vars: &'w dyn Vars,
    pub(super) host: String,
    /// Everybody on this machine can read the file.
    pub(super) exposed: bool,
}

const DAY: Duration = Duration::from_hours(24);
/// No duration here is meant to be longer than ten years.
const DURATION_MAX: Duration = Duration::from_hours(10 * 365 * 24);
/// What a file system can hold at most.
const DISK_MAX: u64 = 1 << 60;
/// A plain number below this, where a key's name does not say `ms`, was probably meant as seconds.
const DOUBTFUL_MILLIS: Duration = Duration::from_secs(1);

const WHEN_FULL: &[(&str, WhenFull)] = &[
    ("block", WhenFull::Block),
    ("drop_oldest", WhenFull::DropOldest),
    ("drop_newest", WhenFull::DropNewest),
];
const LOG_FORMATS: &[(&str, LogFormat)] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];
const LOG_LEVELS: &[(&str, &str)] = &[
    ("error", "error"),
    ("warn", "warn"),
    ("info", "info"),
    ("debug", "debug"),
    ("trace", "trace"),
];
const PLANNED: &[&str] = &["schema_registry", "http"];

/// The settings; not to be used if an error was reported.
pub(super) fn settings(
    root: &Node,
    included: &Included,
    world: &World<'_>,
    report: &Report,
) -> Settings {
    let top = Section::open(report, root, String::new());
    // Those files have been read.
    top.has("include");
    let state_dir = PathBuf::from("/var/lib/tailspool");
    let second = Duration::from_secs(1);
    let outputs = Outputs::check(&top, world);
    let settings = Settings {
        state_dir: top.read("state_dir", state_dir, parse::directory).value,
        shutdown_grace: period(&top, "shutdown_grace", 10 * second),
        checkpoint_interval: period(&top, "checkpoint_interval", second),
        forget_after: period(&top, "forget_after", 7 * DAY),
        inputs: inputs(&top, included, &outputs, world),
        spool: spool(&top, outputs.kafka()),
        dead_letters: dead_letters(&top),
        log: log(&top),
        outputs: outputs.settings(&top),
        kafka: outputs.into_kafka(),
    };
    top.close(|key| planned(PLANNED, key));
    settings
}

/// The producer's settings in a configuration, where those on the command line go before; not to
/// be used if an error was reported.
pub(super) fn producer(root: &Node, given: &Node, world: &World<'_>, report: &Report) -> Kafka {
    let top = Section::open(report, root, String::new());
    let given = Section::open(report, given, String::new());
    kafka::check_with(&top, given, world).settings
}

/// A duration under one of our own names.
fn period(section: &Section<'_>, name: &'static str, default: Duration) -> Duration {
    optional_period(section, name, Some(default)).unwrap_or(default)
}

fn optional_period(
    section: &Section<'_>,
    name: &'static str,
    default: Option<Duration>,
) -> Option<Duration> {
    const RANGE: RangeInclusive<Duration> = Duration::ZERO..=DURATION_MAX;
    let plain = |text: &str| text != "0" && text.bytes().all(|b| b.is_ascii_digit());
    let read = section.read(name, (default, false), |scalar| {
        Ok((Some(parse::duration(RANGE)(scalar)?), plain(&scalar.text)))
    });
    let (duration, plain) = read.value;
    if let (Some(at), true) = (read.given, plain && duration < Some(DOUBTFUL_MILLIS)) {
        let message =
            format!("`{name}`: a plain number is milliseconds; write `ms` or `s` after it");
        section.warning(at, name, message);
    }
    duration
}

fn inputs(
    top: &Section<'_>,
    included: &Included,
    outputs: &Outputs,
    world: &World<'_>,
) -> Vec<crate::settings::Input> {
    let own = top.children("inputs");
    let given = top.find("inputs");
    // What is no list has been reported as that.
    let has_none = own.as_ref().map_or(given.is_none(), Vec::is_empty);
    let mut sections: Vec<_> = own.into_iter().flatten().collect();
    for root in &included.roots {
        let file = top.beside(root);
        sections.extend(file.children("inputs").into_iter().flatten());
        file.close(|key| {
            Some(format!("`{key}`: an included file holds `inputs` and nothing else"))
        });
    }
    if has_none && sections.is_empty() && !included.are_missing {
        top.lacks("inputs", "no inputs: there is nothing to ship".into());
    }
    let mut seen = HashMap::new();
    let check = |section: Section<'_>| input::check(section, outputs, world, &mut seen);
    sections.into_iter().filter_map(check).collect()
}

fn spool(top: &Section<'_>, kafka: &kafka::Checked) -> Spool {
    let section = top.child("spool");
    let enabled = section.read("enabled", true, parse::flag).value;
    let max_size = section.read("max_size", 1 << 30, parse::size(1..=DISK_MAX));
    let buffer = kafka.settings.buffer_memory_bytes;
    if let (Some(at), true) = (max_size.given, enabled && max_size.sound && kafka.buffer_sound) {
        // A lane that is given up is copied to disk whole.
        if usize::try_from(max_size.value).is_ok_and(|size| size < buffer) {
            let message =
                "`max_size` is less than `kafka.buffer.memory`: what is in flight does not fit";
            section.warning(at, "max_size", message.into());
        }
    }
    let spool = Spool {
        enabled,
        max_size_bytes: max_size.value,
        max_age: optional_period(&section, "max_age", None),
        when_full: section.read("when_full", WhenFull::Block, parse::choice(WHEN_FULL)).value,
        stall_after: period(&section, "stall_after", Duration::from_secs(5)),
    };
    section.close(|_| None);
    spool
}

fn dead_letters(top: &Section<'_>) -> DeadLetters {
    let section = top.child("dead_letters");
    let max_size = section.read("max_size", 256 << 20, parse::size(1..=DISK_MAX));
    section.close(|key| planned(&["topic"], key));
    DeadLetters { max_size_bytes: max_size.value }
}

fn log(top: &Section<'_>) -> Log {
    let section = top.child("log");
    let level = section.read("level", "info", parse::choice(LOG_LEVELS)).value;
    let format = section.read("format", LogFormat::Text, parse::choice(LOG_FORMATS)).value;
    section.close(|_| None);
    Log { level: level.into(), format }
}

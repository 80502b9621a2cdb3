//! What can be seen on this machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{of_output, papers};
use crate::checkup::{Findings, Target, Verdict};
use crate::produce::{lacks_token, refusals};
use crate::settings::{Format, Input, Output, Settings};
use crate::template::{Fallback, Labeller};
use crate::watch::{Found, Watch};

/// What goes to each topic of each output.
pub(super) type Targets = BTreeMap<(Output, String), Target>;

/// Whether we could keep state there; nothing is created.
pub(super) fn state_dir(path: &Path, findings: &mut Findings) {
    let nearest = path.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("/"));
    let what = format!("state directory {}", path.display());
    if !nearest.is_dir() {
        findings.note(Verdict::Wrong, format!("{what}: {} is no directory", nearest.display()));
        return;
    }
    match rustix::fs::access(nearest, rustix::fs::Access::WRITE_OK) {
        Ok(()) => findings.note(Verdict::Fine, what),
        Err(error) => findings.note(
            Verdict::Wrong,
            format!("{what}: cannot write to {}: {error}", nearest.display()),
        ),
    }
}

/// What only the Kafka client can judge: files of keys, ciphers, passwords that unlock them; and
/// until when certificates hold.
pub(super) fn clients(settings: &Settings, findings: &mut Findings) {
    for what in refusals(settings) {
        let advice = "see its `security.protocol`, `ssl.*` and `sasl.*`";
        findings.advise(Verdict::Wrong, what, advice);
    }
    for (output, kafka) in settings.all_outputs() {
        of_output(settings, &output, findings, |found| papers::own(kafka, found));
    }
}

/// Whether there is a token where a file should have one: of a cluster that is not asked.
pub(super) fn tokens(settings: &Settings, findings: &mut Findings) {
    for (output, kafka) in settings.all_outputs() {
        let Some(reason) = lacks_token(kafka) else { continue };
        of_output(settings, &output, findings, |found| {
            let advice = "see who puts a token where \
                          `kafka.sasl.oauthbearer.token.endpoint.url` leads to, and whether it may be read";
            found.advise(Verdict::Wrong, reason, advice);
        });
    }
}

/// What the globs match, whether it may be read, and which topics it goes to.
pub(super) fn inputs(settings: &Settings, findings: &mut Findings) -> Targets {
    let mut targets = Targets::new();
    let mut watch = match Watch::new(&settings.inputs, || {}) {
        Ok(watch) => watch,
        Err(error) => {
            findings.note(Verdict::Wrong, error.to_string());
            return targets;
        }
    };
    let scan = watch.scan();
    for problem in &scan.problems {
        let path = problem.path.display();
        findings.note(Verdict::Warning, format!("{path}: {}", problem.error));
    }
    for (number, input) in settings.inputs.iter().enumerate() {
        let found: Vec<_> = scan.found.iter().filter(|found| found.input == number).collect();
        for found in &found {
            if let Err(error) = fs::File::open(found.real()) {
                findings.note(Verdict::Warning, format!("{}: {error}", found.path.display()));
            }
        }
        self::input(input, &found, findings, &mut targets);
    }
    targets
}

fn input(input: &Input, found: &[&Found], findings: &mut Findings, targets: &mut Targets) {
    let mut aim = |topic: &str, has_key: bool| {
        let target = targets.entry((input.output.clone(), topic.to_owned())).or_default();
        target.lacks_keys |= !has_key;
        target.partition = target.partition.max(input.partition.pinned());
        target.brings_times |= !matches!(input.format, Format::Text | Format::Json);
    };
    // What no path can change, or what they lead to that cannot be.
    let certain = input.labels.topic.constant().or(input.labels.topic_fallback.as_deref());
    if let Some(topic) = certain {
        aim(topic, input.labels.key.is_some());
    }
    let mut labeller = Labeller::new(&input.labels);
    let mut topics = Vec::new();
    let live: Vec<_> = found.iter().filter(|found| found.sibling_of.is_none()).collect();
    for found in &live {
        let (label, fallback) = labeller.label(&found.path, found.real.as_deref());
        if let Some(fallback) = fallback {
            let path = found.path.display();
            findings.note(Verdict::Warning, format!("{path}: {}", why(&fallback, &label.topic)));
        }
        aim(&label.topic, label.key.is_some());
        if !topics.contains(&label.topic) {
            topics.push(label.topic.clone());
        }
    }
    let id = &input.id;
    match (live.len(), topics.as_slice()) {
        (0, _) => findings.note(
            Verdict::Warning,
            format!("input {id}: {} match no file", input.paths.join(", ")),
        ),
        (1, [topic, ..]) => findings.note(Verdict::Fine, format!("input {id}: 1 file to {topic}")),
        (files, [topic]) => {
            findings.note(Verdict::Fine, format!("input {id}: {files} files to {topic}"));
        }
        (files, topics) => findings
            .note(Verdict::Fine, format!("input {id}: {files} files to {} topics", topics.len())),
    }
}

fn why(fallback: &Fallback, topic: &str) -> String {
    match fallback {
        Fallback::Unknown(field) => format!("does not say {{{field}}}; its lines go to {topic}"),
        Fallback::Illegal(name) => {
            format!("{name:?} is no name for a topic; its lines go to {topic}")
        }
        Fallback::TooMany(name) => {
            format!("{name:?} would be more than `topics_max`; its lines go to {topic}")
        }
    }
}

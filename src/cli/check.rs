//! `tailspool check`: what would go wrong, before it does.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::exit::{Exit, Failure};
use super::{CheckArgs, Output};
use crate::config::{self, LoadError};
use crate::settings::Settings;
use crate::watch::Watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Fine,
    Warning,
    Wrong,
}

#[derive(Debug, Serialize)]
struct Finding {
    verdict: Verdict,
    what: String,
}

#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn note(&mut self, verdict: Verdict, what: impl Into<String>) {
        self.0.push(Finding { verdict, what: what.into() });
    }

    fn are_bad(&self) -> bool {
        self.0.iter().any(|finding| finding.verdict == Verdict::Wrong)
    }
}

pub(super) fn check(args: &CheckArgs) -> Result<Exit, Failure> {
    let mut findings = Findings::default();
    let path = &args.config.config;
    match config::load(path) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                findings.note(Verdict::Warning, warning.to_string());
            }
            findings.note(Verdict::Fine, format!("configuration {}", path.display()));
            state_dir(&loaded.settings.state_dir, &mut findings);
            inputs(&loaded.settings, &mut findings);
        }
        Err(LoadError::Problems(problems)) => findings.note(Verdict::Wrong, problems.to_string()),
        Err(unreadable @ LoadError::Unreadable { .. }) => {
            findings.note(Verdict::Wrong, unreadable.to_string());
        }
    }
    print(&findings, args.output.output)?;
    Ok(if findings.are_bad() { Exit::Configuration } else { Exit::Done })
}

/// Whether we could keep state there; nothing is created.
fn state_dir(path: &Path, findings: &mut Findings) {
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

/// What the globs match, and whether it may be read.
fn inputs(settings: &Settings, findings: &mut Findings) {
    let mut watch = match Watch::new(&settings.inputs, || {}) {
        Ok(watch) => watch,
        Err(error) => return findings.note(Verdict::Wrong, error.to_string()),
    };
    let scan = watch.scan();
    for problem in &scan.problems {
        let path = problem.path.display();
        findings.note(Verdict::Warning, format!("{path}: {}", problem.error));
    }
    for (number, input) in settings.inputs.iter().enumerate() {
        let found = || scan.found.iter().filter(|found| found.input == number);
        let live = found().filter(|found| found.sibling_of.is_none()).count();
        for found in found() {
            if let Err(error) = fs::File::open(found.real()) {
                findings.note(Verdict::Warning, format!("{}: {error}", found.path.display()));
            }
        }
        let topic = &input.labels.topic;
        match live {
            0 => findings.note(
                Verdict::Warning,
                format!("input {}: {} match no file", input.id, input.paths.join(", ")),
            ),
            1 => findings.note(Verdict::Fine, format!("input {}: 1 file to {topic}", input.id)),
            _ => {
                findings
                    .note(Verdict::Fine, format!("input {}: {live} files to {topic}", input.id));
            }
        }
    }
}

fn print(findings: &Findings, output: Output) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if output == Output::Json {
        let text = serde_json::to_string_pretty(&findings.0).map_err(io::Error::from)?;
        return writeln!(out, "{text}");
    }
    for finding in &findings.0 {
        let sign = match finding.verdict {
            Verdict::Fine => '✓',
            Verdict::Warning => '!',
            Verdict::Wrong => '✗',
        };
        writeln!(out, "{sign} {}", finding.what)?;
    }
    Ok(())
}

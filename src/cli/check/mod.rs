//! `tailspool check`: what would go wrong, before it does.

mod here;
mod papers;
mod there;

use std::io::{self, Write};

use super::exit::{Exit, Failure};
use super::{CheckArgs, Output};
use crate::checkup::{Finding, Findings, Verdict};
use crate::config::{self, LoadError};
use crate::settings::{self, Settings};

pub(super) fn check(args: &CheckArgs) -> Result<Exit, Failure> {
    let mut findings = Findings::default();
    let path = &args.config.config;
    let mut is_reachable = true;
    match config::load(path) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                findings.note(Verdict::Warning, warning.to_string());
            }
            findings.note(Verdict::Fine, format!("configuration {}", path.display()));
            let settings = &loaded.settings;
            here::state_dir(&settings.state_dir, &mut findings);
            here::clients(settings, &mut findings);
            let targets = here::inputs(settings, &mut findings);
            if args.offline {
                here::tokens(settings, &mut findings);
            } else {
                is_reachable = there::outputs(settings, &targets, args, &mut findings);
            }
        }
        Err(LoadError::Problems(problems)) => findings.note(Verdict::Wrong, problems.to_string()),
        Err(unreadable @ LoadError::Unreadable { .. }) => {
            findings.note(Verdict::Wrong, unreadable.to_string());
        }
    }
    print(&findings, args.output.output)?;
    Ok(match (is_reachable, findings.are_bad()) {
        (false, _) => Exit::Unreachable,
        (true, true) => Exit::Configuration,
        (true, false) => Exit::Done,
    })
}

/// What is found of one output, which is named if there are several.
fn of_output<T>(
    settings: &Settings,
    output: &settings::Output,
    findings: &mut Findings,
    find: impl FnOnce(&mut Findings) -> T,
) -> T {
    if settings.outputs.is_empty() {
        return find(findings);
    }
    let mut found = Findings::default();
    let result = find(&mut found);
    findings.of_output(output, found);
    result
}

fn print(findings: &Findings, output: Output) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if output == Output::Json {
        let text = serde_json::to_string_pretty(&findings.0).map_err(io::Error::from)?;
        return writeln!(out, "{text}");
    }
    for Finding { verdict, what, advice } in &findings.0 {
        let sign = match verdict {
            Verdict::Fine => '✓',
            Verdict::Warning => '!',
            Verdict::Wrong => '✗',
        };
        writeln!(out, "{sign} {what}")?;
        if let Some(advice) = advice {
            writeln!(out, "    {advice}")?;
        }
    }
    Ok(())
}

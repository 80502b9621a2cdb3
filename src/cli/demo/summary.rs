//! The end of a demo: a table, and the verdict in its last line.

use std::io::{self, Write as _};

use super::display::{Display, Tone, count, grouped};
use super::findings::{Findings, LogFindings};
use super::stage::CHECKPOINTS_MS;

const NAME_MAX: usize = 48;

/// One more column of the table: its title, and a number for every log.
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) numbers: Vec<u64>,
}

/// Tells what was found; `kills` is how often the daemon was killed.
pub(super) fn tell(
    display: &mut Display,
    findings: &Findings,
    more: Vec<Column>,
    kills: u64,
) -> io::Result<()> {
    display.close()?;
    let tone = if findings.are_good() { Tone::Good } else { Tone::Bad };
    let (on, off) = display.color(tone);
    let mut out = io::stdout().lock();
    writeln!(out, "\n{}", table(findings, more))?;
    for remark in remarks(findings, kills) {
        writeln!(out, "  {remark}")?;
    }
    writeln!(out, "\n{on}{}{off}", verdict(findings, kills))?;
    out.flush()
}

fn table(findings: &Findings, more: Vec<Column>) -> String {
    let numbers = |of: fn(&LogFindings) -> u64| findings.logs.iter().map(of).collect();
    let mut columns = vec![
        Column { title: "lines", numbers: numbers(|log| log.expected) },
        Column { title: "arrived", numbers: numbers(|log| log.arrived) },
        Column { title: "repeated", numbers: numbers(|log| log.repeated) },
    ];
    columns.extend(more);
    let names: Vec<_> = findings.logs.iter().map(|log| shortened(&log.name)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or_default().max(5);
    let mut text = row("", width, columns.iter().map(|column| column.title.to_owned()));
    for (at, name) in names.iter().enumerate() {
        let cells = columns.iter().map(|column| column.numbers.get(at).copied().unwrap_or(0));
        text.push_str(&row(name, width, cells.map(grouped)));
    }
    if names.len() > 1 {
        let sums = columns.iter().map(|column| grouped(column.numbers.iter().sum()));
        text.push_str(&row("total", width, sums));
    }
    text
}

fn row(name: &str, width: usize, cells: impl Iterator<Item = String>) -> String {
    let cells = cells.fold(String::new(), |row, cell| format!("{row}{cell:>12}"));
    format!("  {name:<width$}{cells}\n")
}

/// The end of a path says more than its beginning.
fn shortened(name: &str) -> String {
    let chars = name.chars().count();
    match chars.checked_sub(NAME_MAX) {
        None | Some(0) => name.to_owned(),
        Some(more) => format!("…{}", name.chars().skip(more + 1).collect::<String>()),
    }
}

fn remarks(findings: &Findings, kills: u64) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(missing) = findings.missing() {
        remarks.push(format!("missing: {missing}"));
    }
    let wrong = [
        (findings.sum(|log| log.damaged), "not as they were written"),
        (findings.foreign, "that are no line of these logs"),
    ];
    for (number, what) in wrong.into_iter().filter(|(number, _)| *number > 0) {
        remarks.push(format!("{} {what}", count(number, "record")));
    }
    if kills > 0 && findings.sum(|log| log.repeated) > findings.unexplained {
        remarks.push(format!(
            "A daemon that is killed has not noted down what it sent last, at most its\n  \
             checkpoint_interval (here {CHECKPOINTS_MS} ms) and what was in flight: the next one \
             repeats it."
        ));
        remarks.extend(findings.reach.map(|reach| {
            let ms = grouped(u64::try_from(reach.as_millis()).unwrap_or(u64::MAX));
            format!("Nothing of it had arrived more than {ms} ms before its kill.")
        }));
    }
    if findings.unexplained > 0 {
        remarks.push(format!("{} repeated without a kill", grouped(findings.unexplained)));
    }
    remarks
}

fn verdict(findings: &Findings, kills: u64) -> String {
    let order = match findings.sum(|log| log.out_of_order) {
        0 => "in order".to_owned(),
        wrong => format!("{} out of order", grouped(wrong)),
    };
    let repeated = match findings.sum(|log| log.repeated) {
        0 => "none repeated".to_owned(),
        repeated => format!("{} repeated", grouped(repeated)),
    };
    let after = match kills {
        0 => String::new(),
        kills => format!(" after {}", count(kills, "kill")),
    };
    let mut parts = vec![format!("lost {}", grouped(findings.lost())), order];
    parts.push(format!("{repeated}{after}"));
    for (number, what) in
        [(findings.sum(|log| log.damaged), "damaged"), (findings.foreign, "foreign")]
    {
        if number > 0 {
            parts.push(format!("{} {what}", grouped(number)));
        }
    }
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Findings {
        let log = LogFindings {
            name: "web.log".to_owned(),
            expected: 1000,
            arrived: 1000,
            repeated: 37,
            ..LogFindings::default()
        };
        Findings { logs: vec![log], ..Findings::default() }
    }

    #[test]
    fn the_verdict_says_what_was_found() {
        assert_eq!(verdict(&findings(), 2), "lost 0 · in order · 37 repeated after 2 kills");
        let mut bad = findings();
        bad.logs[0].missing.push(7..9);
        bad.logs[0].out_of_order = 1;
        bad.foreign = 5;
        assert_eq!(verdict(&bad, 0), "lost 2 · 1 out of order · 37 repeated · 5 foreign");
        assert!(remarks(&bad, 0)[0].contains("web.log 7-8"));
    }

    #[test]
    fn a_long_path_is_shown_by_its_end() {
        let long = format!("/{}/end.log", "directory/".repeat(9));
        let short = shortened(&long);
        assert_eq!(short.chars().count(), NAME_MAX);
        assert!(short.starts_with('…') && short.ends_with("/end.log"));
    }
}

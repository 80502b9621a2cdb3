//! What in a cluster does not fit the settings, said so that somebody can mend it.

mod cluster;
#[cfg(test)]
mod tests;
mod topic;

pub use cluster::cluster;
pub use topic::{Target, topic};

use serde::Serialize;

use crate::settings::Output;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Fine,
    Warning,
    Wrong,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub verdict: Verdict,
    /// What it is and how it stands.
    pub what: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// In the order in which they were found.
#[derive(Debug, Default)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    pub fn note(&mut self, verdict: Verdict, what: impl Into<String>) {
        self.0.push(Finding { verdict, what: what.into(), advice: None });
    }

    pub fn advise(&mut self, verdict: Verdict, what: impl Into<String>, advice: impl Into<String>) {
        self.0.push(Finding { verdict, what: what.into(), advice: Some(advice.into()) });
    }

    /// Takes in what was found of an output, and says of which one.
    pub fn of_output(&mut self, output: &Output, found: Self) {
        // What advice says of `kafka` goes for the output's own section.
        let own = |text: String| match output.name() {
            Some(name) => text.replace("`kafka.", &format!("`outputs.{name}.")),
            None => text,
        };
        for Finding { verdict, what, advice } in found.0 {
            let what = format!("output {output}: {}", own(what));
            self.0.push(Finding { verdict, what, advice: advice.map(own) });
        }
    }

    pub fn are_bad(&self) -> bool {
        self.0.iter().any(|finding| finding.verdict == Verdict::Wrong)
    }
}

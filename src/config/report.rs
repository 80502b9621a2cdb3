//! Collects what is wrong while the configuration is read, and places it in the file at the end.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;

use super::problem::{Problem, Severity};
use super::raw::{Node, NodeId, Value};
use super::source::Source;
use super::yaml::Found;

/// More than this nobody reads, and each costs a walk through the document.
const PROBLEMS_MAX: usize = 100;
/// A shorter secret cannot be told from ordinary words in a message.
const SECRET_LEN_MIN: usize = 4;

/// A problem whose place is still a node.
#[derive(Debug)]
#[must_use]
pub(super) struct Draft {
    severity: Severity,
    node: NodeId,
    key: String,
    message: String,
    suggestion: Option<String>,
    first: Option<NodeId>,
}

impl Draft {
    pub(super) fn error(node: NodeId, key: &str, message: String) -> Self {
        let severity = Severity::Error;
        Self { severity, node, key: key.into(), message, suggestion: None, first: None }
    }

    pub(super) fn warning(node: NodeId, key: &str, message: String) -> Self {
        Self { severity: Severity::Warning, ..Self::error(node, key, message) }
    }

    pub(super) fn suggest(self, suggestion: Option<impl Into<String>>) -> Self {
        Self { suggestion: suggestion.map(Into::into), ..self }
    }

    /// Names the line of the node it collides with.
    pub(super) fn first_at(self, node: NodeId) -> Self {
        Self { first: Some(node), ..self }
    }
}

#[derive(Debug, Default)]
pub(super) struct Report {
    drafts: RefCell<Vec<Draft>>,
    secrets: RefCell<Vec<String>>,
    #[cfg(test)]
    pub(super) known: RefCell<std::collections::BTreeSet<String>>,
}

impl Report {
    pub(super) fn add(&self, draft: Draft) {
        self.drafts.borrow_mut().push(draft);
    }

    /// Keeps every value below a node out of what is printed.
    pub(super) fn hide(&self, node: &Node) {
        match &node.value {
            Value::Scalar(scalar) => {
                let mut secrets = self.secrets.borrow_mut();
                secrets.push(scalar.text.clone());
                secrets.extend(scalar.written.clone());
            }
            Value::List(items) => items.iter().for_each(|item| self.hide(item)),
            Value::Map(entries) => entries.iter().for_each(|entry| self.hide(&entry.value)),
            Value::Null | Value::Tagged(_) | Value::Broken => {}
        }
    }

    /// Every key that can be given, for the test that the sample file has them all.
    #[cfg(test)]
    pub(super) fn knows(&self, keys: impl Iterator<Item = String>) {
        self.known.borrow_mut().extend(keys);
    }

    /// Every problem, in the order of the file, each once.
    pub(super) fn place(
        self,
        find: impl Fn(NodeId) -> Found,
        source: &Source<'_>,
        file: &Path,
    ) -> Vec<Problem> {
        let secrets = self.secrets.into_inner();
        let mut drafts = self.drafts.into_inner();
        let beyond = drafts.len().saturating_sub(PROBLEMS_MAX);
        // Errors stay when there are too many: what was loaded must not look right.
        drafts.sort_by_key(|draft| (draft.severity, draft.node));
        drafts.truncate(PROBLEMS_MAX);

        let mut found = HashMap::new();
        let mut find =
            |node: NodeId| -> Found { found.entry(node).or_insert_with(|| find(node)).clone() };
        let mut problems = Vec::new();
        for draft in drafts {
            let spot = source.spot(find(draft.node));
            let mut message = draft.message;
            if let Some(first) = draft.first {
                let line = source.spot(find(first)).line;
                message = format!("{message}, first on line {line}");
            }
            problems.push(Problem {
                severity: draft.severity,
                file: file.into(),
                line: spot.line,
                column: spot.column,
                key: redact(draft.key, &secrets),
                message: redact(message, &secrets),
                suggestion: draft.suggestion.map(|s| redact(s, &secrets)),
                excerpt: source.excerpt(&spot, &secrets),
            });
        }
        problems.sort_by_key(|p| (p.line, p.column));
        problems.dedup_by(|b, a| (a.line, a.column, &a.message) == (b.line, b.column, &b.message));
        if let (Some(last), true) = (problems.last().cloned(), beyond > 0) {
            let message = format!("{beyond} more problems are not shown");
            problems.push(Problem { message, suggestion: None, excerpt: None, ..last });
        }
        problems
    }
}

fn redact(text: String, secrets: &[String]) -> String {
    let long = secrets.iter().filter(|secret| secret.len() >= SECRET_LEN_MIN);
    long.fold(text, |text, secret| text.replace(secret.as_str(), "***"))
}

//! Collects what is wrong while the configuration is read, and places it in the file at the end.

use std::cell::RefCell;
use std::collections::HashMap;

use super::part::Part;
use super::problem::{Problem, Severity};
use super::raw::{Node, NodeId, Value};
use super::source::Spot;

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

    /// Every problem, in the order of the files, each once.
    pub(super) fn place(self, parts: &[Part<'_>]) -> Vec<Problem> {
        let secrets = self.secrets.into_inner();
        let mut drafts = self.drafts.into_inner();
        let beyond = drafts.len().saturating_sub(PROBLEMS_MAX);
        // Errors stay when there are too many: what was loaded must not look right.
        drafts.sort_by_key(|draft| (draft.severity, draft.node));
        drafts.truncate(PROBLEMS_MAX);

        let mut places = Places { parts, found: HashMap::new() };
        let mut ordered = Vec::new();
        for draft in drafts {
            let Some((number, part, spot)) = places.find(draft.node) else { continue };
            let mut message = draft.message;
            if let Some((other, there, first)) = draft.first.and_then(|first| places.find(first)) {
                message = format!("{message}, first on line {}", first.line);
                if other != number {
                    message = format!("{message} of {}", there.file.display());
                }
            }
            let problem = Problem {
                severity: draft.severity,
                file: part.file.into(),
                line: spot.line,
                column: spot.column,
                key: redact(draft.key, &secrets),
                message: redact(message, &secrets),
                suggestion: draft.suggestion.map(|s| redact(s, &secrets)),
                excerpt: part.source.excerpt(&spot, &secrets),
            };
            ordered.push((number, problem));
        }
        ordered.sort_by_key(|(number, p)| (*number, p.line, p.column));
        ordered.dedup_by(|(n, b), (m, a)| {
            (*m, a.line, a.column, &a.message) == (*n, b.line, b.column, &b.message)
        });
        let mut problems: Vec<_> = ordered.into_iter().map(|(_, problem)| problem).collect();
        if let (Some(last), true) = (problems.last().cloned(), beyond > 0) {
            let message = format!("{beyond} more problems are not shown");
            problems.push(Problem { message, suggestion: None, excerpt: None, ..last });
        }
        problems
    }
}

/// Where nodes are written. To find one is a walk through its document.
struct Places<'p, 't> {
    parts: &'p [Part<'t>],
    found: HashMap<NodeId, Spot>,
}

impl<'p, 't> Places<'p, 't> {
    fn find(&mut self, node: NodeId) -> Option<(usize, &'p Part<'t>, Spot)> {
        let (number, part) = self.parts.iter().enumerate().find(|(_, part)| node < part.after())?;
        let spot = self.found.entry(node).or_insert_with(|| part.source.spot(part.find(node)));
        Some((number, part, spot.clone()))
    }
}

fn redact(text: String, secrets: &[String]) -> String {
    let long = secrets.iter().filter(|secret| secret.len() >= SECRET_LEN_MIN);
    long.fold(text, |text, secret| text.replace(secret.as_str(), "***"))
}

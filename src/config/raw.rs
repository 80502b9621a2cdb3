//! What the YAML says: a tree of numbered nodes, `${VAR}` replaced, `<<` merged, keys unique.

use super::report::{Draft, Report};
use super::secret;
use super::suggest::quoted;
use super::vars::{self, Vars};

/// The number of a node in its document; the root is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NodeId(pub(super) usize);

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) value: Value,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: Node,
    pub(super) value: Node,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// `!name …`, which nothing here takes.
    Tagged(String),
    /// Already reported; nobody needs to hear of it twice.
    Broken,
}

impl Value {
    pub(super) fn scalar(text: &str) -> Self {
        Self::Scalar(Scalar { text: text.into(), written: None })
    }

    /// What to call it when something else was wanted.
    pub(super) fn noun(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Scalar(_) => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
            Self::Tagged(_) | Self::Broken => "something else",
        }
    }
}

/// A single value, as text: what it means is up to the key it stands at.
#[derive(Debug, Clone)]
pub(super) struct Scalar {
    pub(super) text: String,
    /// As it stands in the file, if that is something else.
    pub(super) written: Option<String>,
}

impl Scalar {
    /// For messages. What came from the environment is not shown: it may be a secret.
    pub(super) fn shown(&self) -> String {
        quoted(self.written.as_deref().unwrap_or(&self.text))
    }
}

/// Finishes a tree as parsed: variables, merges, duplicates. Reports what is wrong.
pub(super) fn finish(mut root: Node, vars: &dyn Vars, report: &Report) -> Node {
    Finish { vars, report }.node(&mut root, &mut String::new());
    root
}

struct Finish<'a> {
    vars: &'a dyn Vars,
    report: &'a Report,
}

impl Finish<'_> {
    fn node(&self, node: &mut Node, path: &mut String) {
        match &mut node.value {
            Value::Null | Value::Broken => {}
            Value::Scalar(scalar) => match vars::expand(&scalar.text, self.vars) {
                Ok(None) => scalar.text = vars::unshield(&scalar.text),
                Ok(Some(text)) if text.is_empty() => node.value = Value::Null,
                Ok(Some(text)) => {
                    let written = vars::unshield(&scalar.text);
                    *scalar = Scalar { text, written: Some(written) };
                }
                Err(message) => {
                    self.report.add(Draft::error(node.id, path, message));
                    node.value = Value::Broken;
                }
            },
            Value::List(items) => {
                for (number, item) in items.iter_mut().enumerate() {
                    self.within(path, &format!("[{number}]"), item);
                }
            }
            Value::Map(entries) => self.map(entries, path),
            Value::Tagged(tag) => {
                let message =
                    format!("tags such as {} have no meaning here", quoted(&format!("!{tag}")));
                self.report.add(Draft::error(node.id, path, message));
                node.value = Value::Broken;
            }
        }
    }

    fn within(&self, path: &mut String, step: &str, node: &mut Node) {
        let len = path.len();
        path.push_str(step);
        self.node(node, path);
        path.truncate(len);
    }

    fn map(&self, entries: &mut Vec<Entry>, path: &mut String) {
        for entry in entries.iter_mut() {
            let Value::Scalar(key) = &mut entry.key.value else {
                self.report.add(Draft::error(entry.key.id, path, "a key must be a word".into()));
                entry.key.value = Value::Broken;
                continue;
            };
            key.text = vars::unshield(&key.text);
            let step = if path.is_empty() { key.text.clone() } else { format!(".{}", key.text) };
            let secret = secret::is_secret(&key.text);
            self.within(path, &step, &mut entry.value);
            if secret {
                self.report.hide(&entry.value);
            }
        }
        self.drop_repeated(entries, path);
        merge(entries);
    }

    fn drop_repeated(&self, entries: &mut Vec<Entry>, path: &str) {
        let mut seen: std::collections::HashMap<String, NodeId> = std::collections::HashMap::new();
        entries.retain(|entry| {
            let Some(key) = entry.name() else { return false };
            let Some(first) = seen.get(key) else {
                seen.insert(key.into(), entry.key.id);
                return true;
            };
            let step = if path.is_empty() { key.into() } else { format!("{path}.{key}") };
            let message = format!("duplicate key {}", quoted(key));
            self.report.add(Draft::error(entry.key.id, &step, message).first_at(*first));
            false
        });
    }
}

impl Entry {
    pub(super) fn name(&self) -> Option<&str> {
        match &self.key.value {
            Value::Scalar(key) => Some(&key.text),
            Value::Null | Value::List(_) | Value::Map(_) | Value::Tagged(_) | Value::Broken => None,
        }
    }
}

/// YAML 1.1's merge key: `<<: *base` takes what is not given beside it from another mapping, or
/// from a list of them, of which the earlier ones win. Anything else stays, and is reported as
/// the unknown key it is.
fn merge(entries: &mut Vec<Entry>) {
    let Some(at) = entries.iter().position(|e| e.name() == Some("<<")) else { return };
    let Some(bases) = entries.get(at).and_then(|e| bases(&e.value)) else { return };
    entries.remove(at);
    for entry in bases {
        if !entries.iter().any(|e| e.name() == entry.name()) {
            entries.push(entry);
        }
    }
}

fn bases(node: &Node) -> Option<Vec<Entry>> {
    if let Value::List(list) = &node.value {
        let lists: Option<Vec<_>> = list.iter().map(bases).collect();
        return lists.map(|lists| lists.into_iter().flatten().collect());
    }
    let Value::Map(base) = &node.value else { return None };
    Some(base.clone())
}

//! One mapping of the configuration, read key by key. Reading is the table of what is known:
//! what nobody asked for by the end is reported.

use std::cell::RefCell;

use super::parse::{Parsed, Wrong};
use super::raw::{Node, NodeId, Scalar, Value};
use super::report::{Draft, Report};
use super::suggest::{near, quoted};

/// A value, and whether to trust it when it is compared with others.
#[derive(Debug, Clone)]
pub(super) struct Setting<T> {
    pub(super) value: T,
    /// Where it is written; a default is nowhere.
    pub(super) given: Option<NodeId>,
    /// Not a stand-in for something already reported.
    pub(super) sound: bool,
}

pub(super) struct Section<'a> {
    report: &'a Report,
    path: String,
    node: NodeId,
    fields: Vec<Field<'a>>,
    asked: RefCell<Vec<&'static str>>,
    /// Not something else than a mapping, of which nothing can be missing.
    sound: bool,
}

struct Field<'a> {
    /// Kafka's name, where `written` is another one for the same.
    name: &'a str,
    written: &'a str,
    key: NodeId,
    value: &'a Node,
}

impl<'a> Section<'a> {
    pub(super) fn open(report: &'a Report, node: &'a Node, path: String) -> Self {
        let mut section = Self::empty(report, node.id, path, true);
        match &node.value {
            Value::Map(entries) => {
                let field = |e: &'a super::raw::Entry| {
                    let name = e.name()?;
                    Some(Field { name, written: name, key: e.key.id, value: &e.value })
                };
                section.fields = entries.iter().filter_map(field).collect();
            }
            Value::Null => {}
            Value::Broken => section.sound = false,
            other @ (Value::Scalar(_) | Value::List(_) | Value::Tagged(_)) => {
                let noun = other.noun();
                let path = section.path.as_str();
                let what = if path.is_empty() { "the file".into() } else { quoted(path) };
                let message = format!("{what} takes a mapping (`key: value`), not {noun}");
                report.add(Draft::error(node.id, path, message));
                section.sound = false;
            }
        }
        section
    }

    fn empty(report: &'a Report, node: NodeId, path: String, sound: bool) -> Self {
        Self { report, path, node, fields: Vec::new(), asked: RefCell::default(), sound }
    }

    /// The section at a key; without any keys if it is not there.
    pub(super) fn child(&self, name: &'static str) -> Self {
        let path = self.path_of(name);
        match self.find(name) {
            Some(node) => Self::open(self.report, node, path),
            None => Self::empty(self.report, self.node, path, self.sound),
        }
    }

    /// Its own keys, and those of another for what it does not have.
    pub(super) fn or(mut self, other: Self) -> Self {
        let is_new = |field: &Field<'a>| self.fields.iter().all(|own| own.name != field.name);
        let more: Vec<_> = other.fields.into_iter().filter(is_new).collect();
        self.fields.extend(more);
        self.path = other.path;
        self
    }

    /// The root of another file.
    pub(super) fn beside(&self, root: &'a Node) -> Self {
        Self::open(self.report, root, String::new())
    }

    /// The sections of a list; `None` if there is no list.
    pub(super) fn children(&self, name: &'static str) -> Option<Vec<Self>> {
        let path = self.path_of(name);
        let items = self.items(name)?.iter().enumerate();
        let open = |(n, item)| Self::open(self.report, item, format!("{path}[{n}]"));
        Some(items.map(open).collect())
    }

    /// What is below each of the keys of a mapping that are the operator's own, with the key.
    pub(super) fn named(&self, name: &'static str) -> Vec<(&'a Scalar, NodeId, Self)> {
        let Some(node) = self.find(name) else { return Vec::new() };
        let Value::Map(entries) = &node.value else {
            // Reports what it is instead.
            Self::open(self.report, node, self.path_of(name));
            return Vec::new();
        };
        let section = |entry: &'a super::raw::Entry| {
            let Value::Scalar(key) = &entry.key.value else {
                let message = format!("a name in `{name}` is a single value");
                self.error(entry.key.id, name, message, None);
                return None;
            };
            let path = self.path_of(&format!("{name}.{}", key.text));
            Some((key, entry.key.id, Self::open(self.report, &entry.value, path)))
        };
        entries.iter().filter_map(section).collect()
    }

    /// The keys that are written, with their places, whatever is below them.
    pub(super) fn written(&self) -> Vec<(&'a str, NodeId)> {
        self.fields.iter().map(|field| (field.written, field.key)).collect()
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn node(&self) -> NodeId {
        self.node
    }

    /// The full name of a key, as problems give it.
    pub(super) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.into() } else { format!("{}.{name}", self.path) }
    }

    /// Takes other names of a key for the key itself; `(other, key)`. Both at once contradict.
    pub(super) fn rename(&mut self, names: &[(&'static str, &'static str)]) {
        for field in &mut self.fields {
            if let Some((_, name)) = names.iter().find(|(other, _)| *other == field.name) {
                field.name = name;
            }
        }
        let mut kept: Vec<Field<'a>> = Vec::new();
        for field in std::mem::take(&mut self.fields) {
            let Some(first) = kept.iter().find(|f| f.name == field.name) else {
                kept.push(field);
                continue;
            };
            let message = format!("`{}` and `{}` mean the same", field.written, first.written);
            let path = self.path_of(field.written);
            self.report.add(Draft::error(field.key, &path, message).first_at(first.key));
        }
        self.fields = kept;
    }

    /// What is given for a key, unless that is nothing.
    pub(super) fn find(&self, name: &'static str) -> Option<&'a Node> {
        self.asked.borrow_mut().push(name);
        let field = self.fields.iter().find(|field| field.name == name)?;
        (!matches!(field.value.value, Value::Null)).then_some(field.value)
    }

    /// Where a key's value is written, or else its section.
    pub(super) fn place_of(&self, name: &'static str) -> NodeId {
        self.find(name).map_or(self.node, |node| node.id)
    }

    pub(super) fn has(&self, name: &'static str) -> bool {
        self.find(name).is_some()
    }

    /// A single value, or the default.
    pub(super) fn read<T>(
        &self,
        name: &'static str,
        default: T,
        parse: impl Fn(&Scalar) -> Parsed<T>,
    ) -> Setting<T> {
        let Some(node) = self.find(name) else {
            return Setting { value: default, given: None, sound: true };
        };
        match self.single(name, node, parse) {
            Some(value) => Setting { value, given: Some(node.id), sound: true },
            None => Setting { value: default, given: Some(node.id), sound: false },
        }
    }

    /// A single value that must be there.
    pub(super) fn need<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&Scalar) -> Parsed<T>,
    ) -> Option<T> {
        let node = self.find(name);
        if node.is_none() {
            self.missing(name);
        }
        self.single(name, node?, parse)
    }

    pub(super) fn missing(&self, name: &'static str) {
        let whose = if self.path.is_empty() {
            String::new()
        } else {
            format!(" in {}", quoted(&self.path))
        };
        self.lacks(name, format!("`{name}` is missing{whose}"));
    }

    /// Something that must be there is not.
    pub(super) fn lacks(&self, name: &'static str, message: String) {
        if !self.sound {
            return;
        }
        let path = self.path_of(name);
        let written = self.fields.iter().find(|field| field.name == name);
        let node = written.map_or(self.node, |field| field.key);
        self.report.add(Draft::error(node, &path, message));
    }

    /// The items of a list, each parsed; `None` if the key is not there or not one is right.
    pub(super) fn list<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&Scalar) -> Parsed<T>,
    ) -> Option<Vec<T>> {
        let items = self.items(name)?;
        Some(items.iter().filter_map(|item| self.single(name, item, &parse)).collect())
    }

    /// The entries of a mapping with keys of the operator's own, each key and value parsed;
    /// `None` if it is not there.
    pub(super) fn map<T>(
        &self,
        name: &'static str,
        parse_key: impl Fn(&Scalar) -> Parsed<String>,
        parse: impl Fn(&Scalar) -> Parsed<T>,
    ) -> Option<Vec<(String, T)>> {
        let node = self.find(name)?;
        let entries = match &node.value {
            Value::Map(entries) => entries,
            Value::Null | Value::Broken => return None,
            other @ (Value::Scalar(_) | Value::List(_) | Value::Tagged(_)) => {
                let noun = other.noun();
                let message = format!("`{name}` takes a mapping (`key: value`), not {noun}");
                self.error(node.id, name, message, None);
                return None;
            }
        };
        let entry = |entry: &super::raw::Entry| {
            let key = self.single(name, &entry.key, &parse_key);
            let value = self.single(name, &entry.value, &parse);
            key.zip(value)
        };
        Some(entries.iter().filter_map(entry).collect())
    }

    pub(super) fn items(&self, name: &'static str) -> Option<&'a [Node]> {
        let node = self.find(name)?;
        match &node.value {
            Value::List(items) => return Some(items),
            Value::Null | Value::Broken => {}
            Value::Scalar(scalar) => {
                let message = format!("`{name}` takes a list, not a single value");
                let meant = scalar.written.is_none().then(|| format!("[{}]", scalar.text));
                let meant = meant.filter(|m| m.len() < 80 && !m.contains(char::is_control));
                self.error(node.id, name, message, meant);
            }
            other @ (Value::Map(_) | Value::Tagged(_)) => {
                self.error(
                    node.id,
                    name,
                    format!("`{name}` takes a list, not {}", other.noun()),
                    None,
                );
            }
        }
        None
    }

    /// Parses one node; reports what is wrong with it.
    pub(super) fn single<T>(
        &self,
        name: &'static str,
        node: &Node,
        parse: impl Fn(&Scalar) -> Parsed<T>,
    ) -> Option<T> {
        let wrong = match &node.value {
            Value::Scalar(scalar) => match parse(scalar) {
                Ok(value) => return Some(value),
                Err(Wrong { message, suggestion }) => {
                    Wrong { message: format!("`{name}`: {message}"), suggestion }
                }
            },
            Value::Broken => return None,
            // `{host}.logs` without quotes is a mapping.
            Value::Map(_) => Wrong::new(format!(
                "`{name}` takes a single value, not a mapping; what begins with `{{` needs quotes"
            )),
            other @ (Value::Null | Value::List(_) | Value::Tagged(_)) => {
                Wrong::new(format!("`{name}` takes a single value, not {}", other.noun()))
            }
        };
        self.error(node.id, name, wrong.message, wrong.suggestion);
        None
    }

    pub(super) fn error(
        &self,
        at: NodeId,
        name: &str,
        message: String,
        suggestion: Option<String>,
    ) {
        let path = self.path_of(name);
        self.report.add(Draft::error(at, &path, message).suggest(suggestion));
    }

    /// An error about what is already there, `first`.
    pub(super) fn repeated(&self, at: NodeId, name: &str, message: String, first: NodeId) {
        self.report.add(Draft::error(at, &self.path_of(name), message).first_at(first));
    }

    pub(super) fn warning(&self, at: NodeId, name: &str, message: String) {
        self.report.add(Draft::warning(at, &self.path_of(name), message));
    }

    /// Values that contradict each other: placed at the first that is written, and only if
    /// each is what was meant.
    pub(super) fn contradiction(
        &self,
        name: &str,
        parts: &[(Option<NodeId>, bool)],
        message: String,
    ) {
        if parts.iter().all(|(_, sound)| *sound) {
            let at = parts.iter().find_map(|(given, _)| *given).unwrap_or(self.node);
            self.error(at, name, message, None);
        }
    }

    /// Reports what nobody asked for. `refused` are keys that are known, with why they are not
    /// taken.
    pub(super) fn close(self, refused: impl Fn(&str) -> Option<String>) {
        let asked = self.asked.borrow();
        for field in self.fields.iter().filter(|field| !asked.contains(&field.name)) {
            let path = self.path_of(field.written);
            let draft = match refused(field.written) {
                // Nothing is asked for.
                Some(_) if matches!(field.value.value, Value::Null) => continue,
                Some(why) => Draft::error(field.key, &path, why),
                None => {
                    let message = format!("unknown key {}", quoted(field.written));
                    let meant = near(field.written, asked.iter().copied());
                    Draft::error(field.key, &path, message).suggest(meant)
                }
            };
            self.report.add(draft);
        }
        #[cfg(test)]
        self.report.knows(asked.iter().map(|name| self.path_of(name)));
    }
}

impl<T> Setting<T> {
    /// For [`Section::contradiction`].
    pub(super) fn part(&self) -> (Option<NodeId>, bool) {
        (self.given, self.sound)
    }
}

/// The words for a key that is to come.
pub(super) fn planned(keys: &[&str], key: &str) -> Option<String> {
    keys.contains(&key).then(|| format!("`{key}` is not supported by this version"))
}

//! Where lines may go: `kafka`, and the outputs beside it, which take over from it what they do
//! not say.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::World;
use super::kafka::{self, Checked};
use crate::config::parse::{self, Parsed, Wrong};
use crate::config::raw::{NodeId, Scalar};
use crate::config::section::Section;
use crate::config::suggest::near;
use crate::settings::{self, Kafka};

/// What inputs call the output that is not one of `outputs`.
const DEFAULT: &str = "kafka";
/// It is in each entry of the spool, and a label of metrics.
const NAME_LEN_MAX: usize = 64;

pub(super) struct Outputs {
    kafka: Checked,
    others: BTreeMap<String, (NodeId, Checked)>,
    used: RefCell<BTreeSet<String>>,
}

impl Outputs {
    pub(super) fn check(top: &Section<'_>, world: &World<'_>) -> Self {
        let kafka = kafka::check(top, world);
        let mut others = BTreeMap::new();
        for (key, at, section) in top.named("outputs") {
            match name(key) {
                Ok(name) => {
                    others.insert(name, (at, kafka::check_output(section, &kafka, world)));
                }
                Err(Wrong { message, .. }) => {
                    top.error(at, "outputs", format!("`outputs`: {message}"), None);
                }
            }
        }
        Self { kafka, others, used: RefCell::default() }
    }

    pub(super) fn kafka(&self) -> &Checked {
        &self.kafka
    }

    /// The output that an input names, and its settings.
    pub(super) fn of(&self, input: &Section<'_>) -> (settings::Output, &Checked) {
        let named = input.read("output", None, |scalar| self.find(scalar)).value;
        let Some(name) = named else { return (settings::Output::default(), &self.kafka) };
        let checked = self.others.get(&name).map_or(&self.kafka, |(_, checked)| checked);
        self.used.borrow_mut().insert(name.clone());
        (settings::Output::named(&name), checked)
    }

    fn find(&self, scalar: &Scalar) -> Parsed<Option<String>> {
        let name = parse::text(scalar)?;
        if name == DEFAULT {
            return Ok(None);
        }
        if self.others.contains_key(&name) {
            return Ok(Some(name));
        }
        let names: Vec<&str> = self.others.keys().map(String::as_str).chain([DEFAULT]).collect();
        let message = format!("{} is none of {}", scalar.shown(), names.join(", "));
        Err(Wrong::new(message).suggest(near(&name, names)))
    }

    /// The outputs' settings, once the inputs have been looked at.
    pub(super) fn settings(&self, top: &Section<'_>) -> BTreeMap<String, Kafka> {
        let used = self.used.borrow();
        for (name, (at, _)) in self.others.iter().filter(|(name, _)| !used.contains(*name)) {
            let message =
                format!("no input has `output: {name}`; what is in the spool for it is sent");
            top.warning(*at, &format!("outputs.{name}"), message);
        }
        let others = self.others.iter();
        others.map(|(name, (_, checked))| (name.clone(), checked.settings.clone())).collect()
    }

    pub(super) fn into_kafka(self) -> Kafka {
        self.kafka.settings
    }
}

fn name(key: &Scalar) -> Parsed<String> {
    let name = parse::text(key)?;
    if name == DEFAULT {
        return Err(Wrong::new(format!("`{DEFAULT}` is the output that is there without it")));
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.len() > NAME_LEN_MAX || !name.chars().all(is_plain) {
        let message = format!(
            "{} is no name: up to {NAME_LEN_MAX} letters, digits, `_` and `-`",
            key.shown()
        );
        return Err(Wrong::new(message));
    }
    Ok(name)
}

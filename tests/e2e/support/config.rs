//! Configuration files, from pairs of key and YAML text.

use std::fmt::Write;
use std::path::Path;

type Pairs = Vec<(String, String)>;

#[derive(Clone)]
pub(crate) struct Config {
    top: Pairs,
    kafka: Pairs,
    outputs: Vec<(String, Pairs)>,
    inputs: Vec<Pairs>,
}

impl Config {
    pub(crate) fn new(state_dir: &Path, bootstrap: &str) -> Self {
        Self {
            top: vec![pair("state_dir", &state_dir.display())],
            kafka: vec![pair("bootstrap.servers", &format!("[{}]", quoted(bootstrap)))],
            outputs: Vec::new(),
            inputs: Vec::new(),
        }
    }

    pub(crate) fn top(mut self, key: &str, yaml: &str) -> Self {
        self.top.push(pair(key, &yaml));
        self
    }

    pub(crate) fn kafka(mut self, key: &str, yaml: &str) -> Self {
        self.kafka.push(pair(key, &yaml));
        self
    }

    /// A further output, with these keys.
    pub(crate) fn output(mut self, name: &str, keys: &[(&str, &str)]) -> Self {
        let keys = keys.iter().map(|(key, yaml)| pair(key, yaml)).collect();
        self.outputs.push((name.to_owned(), keys));
        self
    }

    pub(crate) fn input(mut self, id: &str, glob: &Path, topic: &str) -> Self {
        let paths = format!("['{}']", glob.display());
        self.inputs.push(vec![pair("id", &id), pair("paths", &paths), pair("topic", &topic)]);
        self
    }

    /// One more key of the last input.
    pub(crate) fn of_input(mut self, key: &str, yaml: &str) -> Self {
        self.inputs.last_mut().expect("an input").push(pair(key, &yaml));
        self
    }

    pub(crate) fn to_yaml(&self) -> String {
        let mut yaml = String::new();
        block(&mut yaml, "", "", &self.top);
        yaml.push_str("kafka:\n");
        block(&mut yaml, "  ", "  ", &self.kafka);
        if !self.outputs.is_empty() {
            yaml.push_str("outputs:\n");
        }
        for (name, keys) in &self.outputs {
            writeln!(yaml, "  {name}:").expect("a string takes all");
            block(&mut yaml, "    ", "    ", keys);
        }
        yaml.push_str("inputs:\n");
        for input in &self.inputs {
            block(&mut yaml, "  - ", "    ", input);
        }
        yaml
    }
}

fn block(yaml: &mut String, first: &str, rest: &str, pairs: &Pairs) {
    for (number, (key, value)) in pairs.iter().enumerate() {
        let indent = if number == 0 { first } else { rest };
        writeln!(yaml, "{indent}{key}: {value}").expect("a string takes all");
    }
}

fn pair(key: &str, value: &impl ToString) -> (String, String) {
    (key.to_owned(), value.to_string())
}

/// A list of addresses, each in quotes.
fn quoted(bootstrap: &str) -> String {
    bootstrap.split(',').map(|address| format!("'{address}'")).collect::<Vec<_>>().join(", ")
}

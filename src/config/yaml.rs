//! The only file that knows `serde_yaml`: text becomes a tree of numbered nodes, and the number
//! of a node becomes its place in the text.
//!
//! `serde_yaml` keeps no positions, but it adds one to every error. So a place is found by
//! walking the document again and failing on purpose at the wanted node: the parser that read
//! the text is also the one that says where, and the two cannot disagree.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, VariantAccess};

use super::raw::{Entry, Node, NodeId, Value};

/// A YAML text that was read without a syntax error.
pub(super) struct Document<'t> {
    text: &'t str,
    first: NodeId,
    shape: Vec<Shape>,
}

/// Why a text is not YAML, and the byte where.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) message: String,
    pub(super) at: usize,
}

/// A node's first byte, and what is written there if it is a scalar.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) at: usize,
    pub(super) scalar: Option<String>,
}

impl<'t> Document<'t> {
    /// Its nodes are numbered from `first` on.
    pub(super) fn parse(text: &'t str, first: NodeId) -> Result<(Self, Node), SyntaxError> {
        let mut documents = serde_yaml::Deserializer::from_str(text);
        let mut survey = Walk::new(first, Vec::new(), Goal::Survey);
        if let Some(document) = documents.next() {
            Step(&mut survey).deserialize(document).map_err(|e| syntax(&e))?;
        }
        if let Some(second) = documents.next() {
            let mut walk = Walk::new(first, Vec::new(), Goal::find(first));
            let place = Step(&mut walk).deserialize(second).err().and_then(|e| e.location());
            let at = place.map_or(0, |l| l.index());
            return Err(SyntaxError { message: "a second document begins here".into(), at });
        }
        // The survey knows scalars only as YAML types them; `0x1F` and `1.10` are wanted as they
        // are written.
        let document = Self { text, first, shape: survey.shape };
        let mut read = document.walk(Goal::Read);
        let again = serde_yaml::Deserializer::from_str(text);
        let root = Step(&mut read).deserialize(again).map_err(|e| syntax(&e))?;
        Ok((document, root))
    }

    /// Where a node is written; for an alias, where its anchor is.
    pub(super) fn find(&self, node: NodeId) -> Found {
        let mut walk = self.walk(Goal::find(node));
        let stopped = Step(&mut walk).deserialize(serde_yaml::Deserializer::from_str(self.text));
        let at = stopped.err().and_then(|e| e.location()).map_or(0, |l| l.index());
        let Goal::Find { scalar, .. } = walk.goal else { return Found { at, scalar: None } };
        Found { at, scalar }
    }

    fn walk(&self, goal: Goal) -> Walk {
        Walk::new(self.first, self.shape.clone(), goal)
    }

    /// The number after those of its nodes.
    pub(super) fn after(&self) -> NodeId {
        NodeId(self.first.0 + self.shape.len())
    }
}

fn syntax(error: &serde_yaml::Error) -> SyntaxError {
    let text = error.to_string();
    let Some(place) = error.location() else { return SyntaxError { message: text, at: 0 } };
    // The value itself may be a secret.
    if text.contains("invalid value: ") {
        let message = "this value does not fit its `!!` tag".into();
        return SyntaxError { message, at: place.index() };
    }
    let position = format!(" at line {} column {}", place.line(), place.column());
    SyntaxError { message: text.replacen(&position, "", 1), at: place.index() }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Scalar,
    Other,
}

/// One way through the document. Nodes are numbered in the order they are met, so that every
/// walk gives a node the same number.
struct Walk {
    first: NodeId,
    next: usize,
    shape: Vec<Shape>,
    goal: Goal,
}

enum Goal {
    Survey,
    Read,
    Find { node: NodeId, scalar: Option<String> },
}

impl Goal {
    fn find(node: NodeId) -> Self {
        Self::Find { node, scalar: None }
    }
}

impl Walk {
    fn new(first: NodeId, shape: Vec<Shape>, goal: Goal) -> Self {
        Self { first, next: first.0, shape, goal }
    }

    fn place(&self, id: NodeId) -> usize {
        id.0 - self.first.0
    }

    fn arrive<E: de::Error>(&mut self, id: NodeId, text: Option<&str>) -> Result<(), E> {
        match &mut self.goal {
            Goal::Survey => {
                let place = self.place(id);
                if let (Some(shape), Some(_)) = (self.shape.get_mut(place), text) {
                    *shape = Shape::Scalar;
                }
            }
            Goal::Find { node, scalar } if *node == id => {
                *scalar = text.map(str::to_owned);
                return Err(E::custom("found"));
            }
            Goal::Read | Goal::Find { .. } => {}
        }
        Ok(())
    }
}

struct Step<'w>(&'w mut Walk);

impl<'de> DeserializeSeed<'de> for Step<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Node, D::Error> {
        let id = NodeId(self.0.next);
        self.0.next += 1;
        if matches!(self.0.goal, Goal::Survey) {
            self.0.shape.push(Shape::Other);
        }
        let scalar = self.0.shape.get(self.0.place(id)) == Some(&Shape::Scalar);
        let visitor = Visitor { walk: self.0, id };
        if scalar { from.deserialize_str(visitor) } else { from.deserialize_any(visitor) }
    }
}

struct Visitor<'w> {
    walk: &'w mut Walk,
    id: NodeId,
}

impl Visitor<'_> {
    fn scalar<E: de::Error>(self, text: &str) -> Result<Node, E> {
        self.walk.arrive(self.id, Some(text))?;
        Ok(Node { id: self.id, value: Value::scalar(text) })
    }

    fn null<E: de::Error>(self) -> Result<Node, E> {
        self.walk.arrive(self.id, None)?;
        Ok(Node { id: self.id, value: Value::Null })
    }
}

impl<'de> de::Visitor<'de> for Visitor<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Node, E> {
        self.scalar("")
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Node, E> {
        self.scalar("")
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<Node, E> {
        self.scalar("")
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Node, E> {
        self.scalar("")
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<Node, E> {
        self.scalar("")
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Node, E> {
        self.scalar("")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Node, E> {
        self.scalar(text)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        self.null()
    }

    fn visit_none<E: de::Error>(self) -> Result<Node, E> {
        self.null()
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut from: A) -> Result<Node, A::Error> {
        self.walk.arrive(self.id, None)?;
        let mut items = Vec::new();
        while let Some(item) = from.next_element_seed(Step(self.walk))? {
            items.push(item);
        }
        Ok(Node { id: self.id, value: Value::List(items) })
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut from: A) -> Result<Node, A::Error> {
        self.walk.arrive(self.id, None)?;
        let mut entries = Vec::new();
        while let Some(key) = from.next_key_seed(Step(self.walk))? {
            entries.push(Entry { key, value: from.next_value_seed(Step(self.walk))? });
        }
        Ok(Node { id: self.id, value: Value::Map(entries) })
    }

    fn visit_enum<A: de::EnumAccess<'de>>(self, from: A) -> Result<Node, A::Error> {
        self.walk.arrive(self.id, None)?;
        let (tag, content) = from.variant::<String>()?;
        content.newtype_variant::<IgnoredAny>()?;
        Ok(Node { id: self.id, value: Value::Tagged(tag) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(text: &str) -> Vec<(usize, Option<String>)> {
        let (document, _) = Document::parse(text, NodeId(0)).expect("is YAML");
        let found = (0..document.shape.len()).map(|n| document.find(NodeId(n)));
        found.map(|f| (f.at, f.scalar)).collect()
    }

    #[test]
    fn every_node_is_found_where_it_is_written() {
        let text = "a: 1\nü: [x, {y: 'z'}]\n";
        let found = offsets(text);
        let at: Vec<_> = found.iter().map(|(at, _)| *at).collect();
        assert_eq!(at, [0, 0, 3, 5, 9, 10, 13, 14, 17]);
        assert_eq!(found[8].1.as_deref(), Some("z"));
    }

    #[test]
    fn numbers_are_read_as_they_are_written() {
        let scalars: Vec<_> = offsets("[0x1F, 1.10, 007, True]").into_iter().map(|f| f.1).collect();
        let texts: Vec<_> = scalars.iter().flatten().map(String::as_str).collect();
        assert_eq!(texts, ["0x1F", "1.10", "007", "True"]);
    }

    #[test]
    fn nodes_of_several_documents_have_their_own_numbers() {
        let text = "[a, {b: c}]";
        let (one, root) = Document::parse(text, NodeId(0)).expect("is YAML");
        let (two, other) = Document::parse(text, one.after()).expect("is YAML");
        assert_eq!((root.id, other.id, two.after()), (NodeId(0), NodeId(5), NodeId(10)));
        for node in 0..5 {
            assert_eq!(one.find(NodeId(node)).at, two.find(NodeId(node + 5)).at);
        }
    }

    #[test]
    fn an_alias_is_found_at_its_anchor() {
        let found = offsets("a: &x {b: 1}\nc: *x\n");
        assert_eq!(found[3].0, found[7].0);
    }

    #[test]
    fn a_second_document_is_refused_where_it_begins() {
        let error = Document::parse("a: 1\n---\nb: 2\n", NodeId(0)).err().expect("is refused");
        assert_eq!(error.at, 9);
    }

    #[test]
    fn endless_aliases_end() {
        assert!(Document::parse("&a [*a]", NodeId(0)).is_err());
        let level = |n: usize| {
            format!("a{}: &a{} [{}]\n", n + 1, n + 1, vec![format!("*a{n}"); 9].join(", "))
        };
        let bomb: String = (0..9).map(level).collect();
        let bomb = format!("a0: &a0 x\n{bomb}");
        assert!(Document::parse(&bomb, NodeId(0)).is_err());
    }
}

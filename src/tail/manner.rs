//! How the files of an input are read: where their lines end, and what becomes of these.

use std::sync::Arc;

use super::source::Source;
use crate::decode::Encoding;
use crate::frame::Rule;
use crate::process::Recipe;
use crate::settings::Input;

struct Manner {
    rule: Rule,
    /// None if lines are records as they are.
    recipe: Option<Arc<Recipe>>,
}

/// One manner, or one for each order in which a file may have the bytes of its characters.
pub(super) struct Manners {
    usual: Manner,
    big_endian: Option<Manner>,
}

impl Manners {
    /// Of an input that was checked.
    pub(super) fn of(input: &Input) -> Self {
        let encoding = Encoding::parse(&input.encoding).unwrap_or_default();
        let manner = |head: &[u8]| {
            let encoding = encoding.of_file(head);
            let recipe = match Recipe::of(input, encoding) {
                Ok(recipe) => recipe.map(Arc::new),
                Err(error) => unreachable!("what was checked can be used: {error}"),
            };
            Manner { rule: Recipe::rule(input, encoding, recipe.as_deref()), recipe }
        };
        let big_endian = encoding.needs_head().then(|| manner(b"\xFE\xFF"));
        Self { usual: manner(b""), big_endian }
    }

    /// Makes a source follow the manner that is its own. It must be open.
    pub(super) fn apply(&self, source: &mut Source) -> &Rule {
        let big_endian = self.big_endian.as_ref().map(|manner| (manner, source.begins()));
        let manner = match big_endian {
            Some((manner, Some([0xFE, 0xFF]))) => manner,
            // There is no line before there are two bytes.
            Some((_, None)) => return &self.usual.rule,
            Some((_, Some(_))) | None => &self.usual,
        };
        if let Some(recipe) = &manner.recipe {
            source.follow(recipe);
        }
        &manner.rule
    }
}

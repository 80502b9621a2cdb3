//! Globs taken apart into one step for each component of a path, so that a walk knows at every
//! directory what can lie below it. What is matched step by step is what globset says of the
//! whole path, but that a class like `[!a]` never matches a `/`.

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use super::sibling::{self, Rule};
use crate::settings::Input;

/// `{a/b,c}` is written out before it is taken apart; more variants than this are a mistake.
const VARIANTS_MAX: usize = 1000;

/// The globs of an input cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("use the glob {glob:?} of input {input}: {why}")]
pub struct GlobError {
    pub input: String,
    pub glob: String,
    pub why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Take,
    Leave,
}

#[derive(Debug)]
enum Step {
    Literal(OsString),
    Name(GlobMatcher),
    /// `**`: any number of directories; as the last step, everything below.
    Deep,
}

impl Step {
    fn fits(&self, name: &OsStr) -> bool {
        match self {
            Self::Literal(literal) => literal == name,
            Self::Name(glob) => glob.is_match(name),
            Self::Deep => true,
        }
    }
}

#[derive(Debug)]
struct Glob {
    input: usize,
    role: Role,
    steps: Vec<Step>,
    /// How many leading directories the operator wrote out.
    written: usize,
}

/// A glob, and how many of its steps have been taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    glob: usize,
    step: usize,
}

/// What a directory has to be asked for.
#[derive(Debug, Default)]
pub(super) struct Wants<'a> {
    /// Its whole listing.
    pub(super) list: bool,
    /// At least some of its files, not only directories.
    pub(super) files: bool,
    /// Without a listing: these names.
    pub(super) names: Vec<&'a OsStr>,
}

/// The globs of all inputs, walked at the same time.
#[derive(Debug)]
pub(super) struct Patterns {
    globs: Vec<Glob>,
    rules: Vec<Rule>,
}

impl Patterns {
    pub(super) fn new(inputs: &[Input]) -> Result<Self, GlobError> {
        let mut patterns = Self { globs: Vec::new(), rules: Vec::new() };
        for (number, input) in inputs.iter().enumerate() {
            let takes = input.paths.iter().map(|text| (Role::Take, text));
            let leaves = input.exclude_paths.iter().map(|text| (Role::Leave, text));
            for (role, text) in takes.chain(leaves) {
                let refused = |why| GlobError { input: input.id.clone(), glob: text.clone(), why };
                patterns.add(number, role, text).map_err(refused)?;
            }
            patterns.rules.push(Rule::new(&input.rotated).map_err(|(glob, why)| GlobError {
                input: input.id.clone(),
                glob,
                why,
            })?);
        }
        Ok(patterns)
    }

    fn add(&mut self, input: usize, role: Role, text: &str) -> Result<(), String> {
        if role == Role::Take && !text.starts_with('/') {
            return Err("it is not absolute".to_owned());
        }
        for variant in variants(text)? {
            // Like in a .gitignore: what does not start at the root may start anywhere.
            let anywhere = (!variant.starts_with('/')).then_some(Ok(Step::Deep));
            let parts = variant.split('/').filter(|part| !matches!(*part, "" | "."));
            let steps =
                anywhere.into_iter().chain(parts.map(step)).collect::<Result<Vec<_>, _>>()?;
            let literals = steps.iter().take_while(|step| matches!(step, Step::Literal(_))).count();
            let written = literals.min(steps.len().saturating_sub(1));
            self.globs.push(Glob { input, role, steps, written });
        }
        Ok(())
    }

    pub(super) fn inputs(&self) -> usize {
        self.rules.len()
    }

    pub(super) fn rule(&self, input: usize) -> &Rule {
        self.rules.get(input).unwrap_or(&Rule::Off)
    }

    /// The directories an input's globs spell out before anything is left open.
    pub(super) fn written_paths(&self, input: usize) -> Vec<PathBuf> {
        let takes = self.globs.iter().filter(|g| g.role == Role::Take && g.input == input);
        takes.map(Glob::written_path).collect()
    }

    /// All globs at the root directory.
    pub(super) fn start(&self) -> Vec<At> {
        let mut states = Vec::new();
        for glob in 0..self.globs.len() {
            self.enter(At { glob, step: 0 }, &mut states);
        }
        states
    }

    fn enter(&self, at: At, states: &mut Vec<At>) {
        if states.contains(&at) {
            return;
        }
        states.push(at);
        if let Some((_, Step::Deep, false)) = self.look(at) {
            self.enter(At { glob: at.glob, step: at.step.strict_add(1) }, states);
        }
    }

    /// The glob, its next step, and whether that is the last.
    fn look(&self, at: At) -> Option<(&Glob, &Step, bool)> {
        let glob = self.globs.get(at.glob)?;
        let step = glob.steps.get(at.step)?;
        Some((glob, step, at.step.strict_add(1) == glob.steps.len()))
    }

    fn looks<'a>(
        &'a self,
        states: &'a [At],
        role: Role,
    ) -> impl Iterator<Item = (&'a Glob, &'a Step, bool)> {
        states.iter().filter_map(|at| self.look(*at)).filter(move |(glob, ..)| glob.role == role)
    }

    fn finals<'a>(
        &'a self,
        states: &'a [At],
        role: Role,
    ) -> impl Iterator<Item = (usize, &'a Step)> {
        self.looks(states, role).filter(|look| look.2).map(|(glob, step, _)| (glob.input, step))
    }

    /// Where the globs are in the subdirectory `name`; empty if nothing can lie below it.
    pub(super) fn descend(&self, states: &[At], name: &OsStr) -> Vec<At> {
        let mut next = self.advance(states, name);
        self.drop_excluded(&mut next);
        next
    }

    fn advance(&self, states: &[At], name: &OsStr) -> Vec<At> {
        let mut next = Vec::new();
        for at in states {
            match self.look(*at) {
                Some((_, Step::Deep, _)) => self.enter(*at, &mut next),
                Some((_, step, false)) if step.fits(name) => {
                    self.enter(At { glob: at.glob, step: at.step.strict_add(1) }, &mut next);
                }
                _ => {}
            }
        }
        next
    }

    /// An `exclude_paths` that covers all that is below ends its input's walk here.
    fn drop_excluded(&self, states: &mut Vec<At>) {
        let leaves = self.finals(states, Role::Leave);
        let covered: Vec<_> =
            leaves.filter(|(_, step)| matches!(step, Step::Deep)).map(|(input, _)| input).collect();
        states.retain(|at| self.look(*at).is_some_and(|(glob, ..)| !covered.contains(&glob.input)));
        if self.looks(states, Role::Take).next().is_none() {
            states.clear();
        }
    }

    /// Could a directory of this name be walked?
    pub(super) fn may_descend(&self, states: &[At], name: &OsStr) -> bool {
        let mut looks = self.looks(states, Role::Take);
        looks.any(|(_, step, last)| matches!(step, Step::Deep) || !last && step.fits(name))
    }

    /// Could a file of this name matter, as itself or as one rotated away?
    pub(super) fn may_take(&self, states: &[At], name: &OsStr) -> bool {
        let mut finals = self.finals(states, Role::Take);
        finals.any(|(input, step)| step.fits(name) || self.fits_rotated(input, step, name))
    }

    fn fits_rotated(&self, input: usize, step: &Step, name: &OsStr) -> bool {
        match self.rule(input) {
            Rule::Off => false,
            Rule::Auto => sibling::heads(name).any(|(head, _)| step.fits(head)),
            Rule::Patterns(set) => set.is_match(name),
        }
    }

    /// The inputs that take the file `name` of a directory, each once.
    pub(super) fn takes(&self, states: &[At], name: &OsStr, inputs: &mut Vec<usize>) {
        inputs.clear();
        for (input, step) in self.finals(states, Role::Take) {
            if !inputs.contains(&input) && step.fits(name) {
                inputs.push(input);
            }
        }
        self.drop_left(states, name, inputs);
    }

    /// The inputs that do not take the file `name` itself, but take a name that it may have been
    /// rotated away from.
    pub(super) fn takes_rotated(
        &self,
        states: &[At],
        name: &OsStr,
        taken: &[usize],
        inputs: &mut Vec<usize>,
    ) {
        inputs.clear();
        for (input, step) in self.finals(states, Role::Take) {
            let decided = taken.contains(&input) || inputs.contains(&input);
            if !decided && self.fits_rotated(input, step, name) {
                inputs.push(input);
            }
        }
        self.drop_left(states, name, inputs);
    }

    fn drop_left(&self, states: &[At], name: &OsStr, inputs: &mut Vec<usize>) {
        if inputs.is_empty() {
            return;
        }
        for (input, step) in self.finals(states, Role::Leave) {
            if inputs.contains(&input) && step.fits(name) {
                inputs.retain(|kept| *kept != input);
            }
        }
    }

    /// What the walk must ask a directory for.
    pub(super) fn wants<'a>(&'a self, states: &'a [At]) -> Wants<'a> {
        let mut wants = Wants::default();
        for (glob, step, last) in self.looks(states, Role::Take) {
            // Files rotated away are only found in a listing.
            let rotates = last && !matches!(self.rule(glob.input), Rule::Off);
            wants.files |= last;
            match step {
                Step::Literal(name) if !rotates => {
                    if !wants.names.contains(&name.as_os_str()) {
                        wants.names.push(name);
                    }
                }
                Step::Literal(_) | Step::Name(_) | Step::Deep => wants.list = true,
            }
        }
        wants
    }

    /// The inputs that walk here, possibly more than once each.
    pub(super) fn walkers<'a>(&'a self, states: &'a [At]) -> impl Iterator<Item = usize> + 'a {
        self.looks(states, Role::Take).map(|(glob, ..)| glob.input)
    }

    /// How `at` may enter a symbolic link to a directory.
    pub(super) fn crossing(&self, at: At, name: &OsStr) -> Crossing {
        match self.look(at) {
            Some((glob, ..)) if glob.role == Role::Leave => Crossing::Along,
            Some((glob, Step::Literal(step), _)) if at.step < glob.written && step == name => {
                Crossing::Free
            }
            Some((glob, Step::Deep, _)) => Crossing::Unasked(glob.input),
            Some((glob, step, false)) if step.fits(name) => Crossing::Asked(glob.input),
            _ => Crossing::Never,
        }
    }

    /// The inputs that take this path, in order, each once.
    pub(super) fn matching(&self, path: &Path) -> Vec<usize> {
        let mut inputs = Vec::new();
        if let Some(name) = path.file_name() {
            let states = names_above(path)
                .fold(self.start(), |states, component| self.descend(&states, component));
            self.takes(&states, name, &mut inputs);
            inputs.sort_unstable();
        }
        inputs
    }

    /// Does an `exclude_paths` of this input leave this path out?
    pub(super) fn leaves(&self, input: usize, path: &Path) -> bool {
        let Some(name) = path.file_name() else { return false };
        let states = names_above(path)
            .fold(self.start(), |states, component| self.advance(&states, component));
        let mut finals = self.finals(&states, Role::Leave);
        finals.any(|(of, step)| of == input && step.fits(name))
    }

    /// Does `input` take files of this name, whatever it excludes?
    pub(super) fn takes_in(&self, states: &[At], input: usize, name: &OsStr) -> bool {
        let mut finals = self.finals(states, Role::Take);
        finals.any(|(of, step)| of == input && step.fits(name))
    }
}

/// Whether a glob may enter a symbolic link to a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crossing {
    /// It only excludes, and goes where the others go.
    Along,
    /// The operator wrote it out.
    Free,
    /// This input's glob matches it: a link that is not trusted is worth a word.
    Asked(usize),
    /// `**` came by: as in a shell, links are not meant unless they are trusted.
    Unasked(usize),
    Never,
}

impl Glob {
    fn written_path(&self) -> PathBuf {
        let mut path = PathBuf::from("/");
        for step in self.steps.iter().take(self.written) {
            if let Step::Literal(name) = step {
                path.push(name);
            }
        }
        path
    }
}

/// The names of the directories on the way to `path`.
fn names_above(path: &Path) -> impl Iterator<Item = &OsStr> {
    let above = path.parent().into_iter().flat_map(Path::components);
    above.filter(|component| !matches!(component, Component::RootDir)).map(Component::as_os_str)
}

fn step(part: &str) -> Result<Step, String> {
    if part == "**" {
        return Ok(Step::Deep);
    }
    if !part.contains(['*', '?', '[', '{', '}', '\\']) {
        return Ok(Step::Literal(part.into()));
    }
    Ok(Step::Name(compile(part)?))
}

pub(super) fn compile(glob: &str) -> Result<GlobMatcher, String> {
    let glob = GlobBuilder::new(glob).literal_separator(true).empty_alternates(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| error.kind().to_string())
}

/// Writes out every `{a,b}` that holds a `/`, because its variants differ in their steps.
fn variants(glob: &str) -> Result<Vec<String>, String> {
    let (mut todo, mut done) = (vec![glob.to_owned()], Vec::new());
    while let Some(glob) = todo.pop() {
        match crossing_group(&glob) {
            None => done.push(glob),
            Some((head, choices, tail)) => {
                todo.extend(choices.iter().map(|choice| format!("{head}{choice}{tail}")));
            }
        }
        if todo.len().saturating_add(done.len()) > VARIANTS_MAX {
            return Err(format!("it stands for more than {VARIANTS_MAX} globs"));
        }
    }
    Ok(done)
}

/// The first outermost `{a,b}` that holds a `/`: what is before, its choices, what is after.
fn crossing_group(glob: &str) -> Option<(&str, Vec<&str>, &str)> {
    let (mut cuts, mut depth, mut slash) = (Vec::new(), 0_usize, false);
    let mut chars = glob.char_indices();
    while let Some((place, char)) = chars.next() {
        match char {
            '\\' => {
                chars.next();
            }
            '[' => skip_class(&mut chars),
            '{' if depth == 0 => (cuts, depth, slash) = (vec![place], 1, false),
            '{' => depth = depth.strict_add(1),
            ',' if depth == 1 => cuts.push(place),
            '/' => slash = true,
            '}' if depth == 1 && slash => {
                cuts.push(place);
                let ends = cuts.iter().zip(cuts.iter().skip(1));
                let choices =
                    ends.filter_map(|(from, to)| glob.get(from.strict_add(1)..*to)).collect();
                return Some((
                    glob.get(..*cuts.first()?)?,
                    choices,
                    glob.get(place.strict_add(1)..)?,
                ));
            }
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// A class ends at the first `]` that is not its first member.
fn skip_class(chars: &mut std::str::CharIndices<'_>) {
    let mut first = true;
    for (_, char) in chars {
        match char {
            '!' | '^' if first => {}
            ']' if !first => return,
            _ => first = false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_with_a_slash_are_written_out() {
        let mut all = variants("/{a,b/{c,d/e}}/x{1,2}[{]").unwrap();
        all.sort();
        assert_eq!(all, ["/a/x{1,2}[{]", "/b/c/x{1,2}[{]", "/b/d/e/x{1,2}[{]"]);
        assert_eq!(variants("/a/{b,c}.log").unwrap(), ["/a/{b,c}.log"]);
        assert_eq!(variants(r"/a\{b/c,d}").unwrap(), [r"/a\{b/c,d}"]);
        assert!(variants(&"{a/b,c}".repeat(12)).is_err());
    }
}

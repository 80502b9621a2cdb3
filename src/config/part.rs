//! One file of a configuration: its text, its nodes, and where they are written.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::problem::Problems;
use super::raw::{Node, NodeId};
use super::source::Source;
use super::vars;
use super::yaml::{Document, Found};

/// A larger file is something else. Aliases make a document grow, so this bounds time, too.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// The bytes of a file, and whether everybody on this machine can read it.
pub(super) fn read(path: &Path) -> io::Result<(Vec<u8>, bool)> {
    let file = File::open(path)?;
    let readable_by_all = file.metadata()?.mode() & 0o004 != 0;
    let mut bytes = Vec::new();
    file.take(CONFIG_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > CONFIG_BYTES_MAX {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok((bytes, readable_by_all))
}

/// What may be YAML.
pub(super) struct Text {
    file: PathBuf,
    text: String,
    shielded: String,
}

impl Text {
    pub(super) fn new(file: &Path, bytes: &[u8]) -> Result<Self, Problems> {
        let text = match str::from_utf8(bytes) {
            Ok(text) => text.strip_prefix('\u{FEFF}').unwrap_or(text),
            Err(error) => {
                let text = String::from_utf8_lossy(bytes);
                let message = "this is not UTF-8".into();
                let problem = Source::new(&text).problem(file, error.valid_up_to(), message);
                return Err(Problems(vec![problem]));
            }
        };
        if let Some((at, c)) = text.char_indices().find(|(_, c)| !is_allowed(*c)) {
            let message = format!("YAML does not allow the character U+{:04X}", u32::from(c));
            return Err(Problems(vec![Source::new(text).problem(file, at, message)]));
        }
        let shielded = Cow::into_owned(vars::shield(text));
        Ok(Self { file: file.into(), text: text.into(), shielded })
    }
}

pub(super) struct Part<'t> {
    pub(super) file: &'t Path,
    pub(super) source: Source<'t>,
    shielded: &'t str,
    document: Document<'t>,
}

impl<'t> Part<'t> {
    /// Its nodes are numbered from `first` on.
    pub(super) fn parse(text: &'t Text, first: NodeId) -> Result<(Self, Node), Problems> {
        let Text { file, text, shielded } = text;
        let source = Source::new(text);
        match Document::parse(shielded, first) {
            Ok((document, root)) => Ok((Self { file, source, shielded, document }, root)),
            Err(error) => {
                let at = source.unshielded(shielded, error.at);
                let message = format!("this is not YAML: {}", error.message);
                Err(Problems(vec![source.problem(file, at, message)]))
            }
        }
    }

    /// The number after those of its nodes.
    pub(super) fn after(&self) -> NodeId {
        self.document.after()
    }

    pub(super) fn find(&self, node: NodeId) -> Found {
        self.source.unshield(self.shielded, self.document.find(node))
    }
}

/// What YAML calls printable, without what stands for something else here.
fn is_allowed(c: char) -> bool {
    let printable = !c.is_control() && !matches!(c, '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}');
    (printable && !vars::is_shield(c)) || matches!(c, '\t' | '\n' | '\r' | '\u{85}')
}

//! Follows symbolic links as far as the operator trusts them: each link on the way lies below one
//! of the input's `follow_symlinks`, or is one that the operator wrote a path through.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::pattern::Patterns;
use crate::settings::Input;

/// As many as the kernel follows.
const LINKS_MAX: u32 = 40;

/// Why a link was not followed.
#[derive(Debug)]
pub(super) enum Refused {
    /// This link is not trusted; it need not be the one that was asked for.
    Untrusted(PathBuf),
    Broken(io::Error),
}

#[derive(Debug)]
struct Roots {
    /// As written and as they really are.
    below: Vec<PathBuf>,
    through: Vec<PathBuf>,
}

/// What each input trusts, as the directories are now.
#[derive(Debug)]
pub(super) struct Trust {
    inputs: Vec<Roots>,
}

impl Trust {
    pub(super) fn new(follow: &[Vec<PathBuf>], patterns: &Patterns) -> Self {
        let roots = |(input, roots): (usize, &Vec<PathBuf>)| {
            let real = roots.iter().filter_map(|root| fs::canonicalize(root).ok());
            let below: Vec<_> = roots.iter().cloned().chain(real).collect();
            let through = patterns.written_paths(input).into_iter().chain(roots.clone()).collect();
            Roots { below, through }
        };
        Self { inputs: follow.iter().enumerate().map(roots).collect() }
    }

    pub(super) fn roots(inputs: &[Input]) -> Vec<Vec<PathBuf>> {
        inputs.iter().map(|input| input.follow_symlinks.clone()).collect()
    }

    fn trusts(&self, input: usize, link: &Path) -> bool {
        self.inputs.get(input).is_some_and(|roots| {
            roots.below.iter().any(|root| link.starts_with(root))
                || roots.through.iter().any(|path| path.starts_with(link))
        })
    }

    /// Where `link`, whose directory holds no links, leads in the end. The answer holds none.
    pub(super) fn resolve(&self, input: usize, link: &Path) -> Result<PathBuf, Refused> {
        let mut at = link.parent().unwrap_or(Path::new("/")).to_path_buf();
        let mut ahead: VecDeque<OsString> = link.file_name().map(Into::into).into_iter().collect();
        let mut links = 0_u32;
        while let Some(name) = ahead.pop_front() {
            if name == ".." {
                at.pop();
                continue;
            }
            at.push(name);
            if !fs::symlink_metadata(&at).map_err(Refused::Broken)?.is_symlink() {
                continue;
            }
            if !self.trusts(input, &at) {
                return Err(Refused::Untrusted(at));
            }
            links = links.strict_add(1);
            if links > LINKS_MAX {
                return Err(Refused::Broken(io::ErrorKind::TooManyLinks.into()));
            }
            let target = fs::read_link(&at).map_err(Refused::Broken)?;
            at.pop();
            for component in target.components().rev() {
                match component {
                    Component::RootDir => at = PathBuf::from("/"),
                    Component::CurDir | Component::Prefix(_) => {}
                    Component::ParentDir => ahead.push_front("..".into()),
                    Component::Normal(name) => ahead.push_front(name.to_owned()),
                }
            }
        }
        Ok(at)
    }
}

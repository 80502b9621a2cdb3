//! File systems that are full, for tests.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A file system of its own, small enough to fill.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Over `dir`, with room for `size` (`12m`). Says so where nothing may be mounted.
    pub(crate) fn mount(dir: &Path, size: &str) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tailspool-test"]).arg(dir);
        let mounted = mount.stderr(Stdio::null()).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(dir.to_owned()));
        }
        writeln!(std::io::stderr(), "skipped: may not mount a small disk").ok();
        None
    }

    /// Fills it, until [`SmallDisk::clear`].
    pub(crate) fn fill(&self) {
        fill_disk(&self.0.join(BALLAST));
    }

    pub(crate) fn clear(&self) {
        std::fs::remove_file(self.0.join(BALLAST)).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

const BALLAST: &str = "ballast";

/// Takes all the room that is left on a disk: what a file system held back is there a moment
/// later, so that only a disk that stays full is.
pub(crate) fn fill_disk(ballast: &Path) {
    let mut file = File::create(ballast).unwrap();
    for _ in 0..3 {
        while file.write_all(&[b'x'; 512]).is_ok() {}
        while file.write_all(b"x").is_ok() {}
        file.sync_all().unwrap_or_default();
    }
}

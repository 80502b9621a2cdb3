//! File systems that are full, for tests.

use std::fs::{self, File};
use std::io::{self, Write as _};
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
        writeln!(io::stderr(), "skipped: may not mount a small disk").ok();
        None
    }

    /// Takes all the room there is, until [`SmallDisk::clear`]. What a file system held back is
    /// there a moment later, so only one that stays full is.
    pub(crate) fn fill(&self) {
        let mut file = File::create(self.ballast()).unwrap();
        for _ in 0..3 {
            while file.write_all(&[b'x'; 512]).is_ok() {}
            while file.write_all(b"x").is_ok() {}
            file.sync_all().unwrap_or_default();
        }
    }

    pub(crate) fn clear(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

//! File systems to walk on.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// Where an inner run finds the file system that was made for it.
const MOUNTED: &str = "TAILSPOOL_WALK_IN";
/// What the shell below ends with if it may not mount anything.
const NOT_HERE: i32 = 77;

pub(super) fn tmpfs() -> Option<TempDir> {
    tempfile::tempdir_in("/dev/shm").ok()
}

/// Runs `test`'s own `body` on an ext4 in a file, mounted in a namespace of its own so that
/// nothing of it outlives the run. Says so where that is not possible.
pub(super) fn on_ext4(test: &str, body: fn(&Path)) {
    if let Some(mounted) = std::env::var_os(MOUNTED) {
        return body(Path::new(&mounted));
    }
    let dir = tempfile::tempdir().unwrap();
    let (image, mounted) = (dir.path().join("ext4"), dir.path().join("mounted"));
    fs::create_dir(&mounted).unwrap();
    fs::File::create(&image).unwrap().set_len(32 << 20).unwrap();
    let script = format!(
        "PATH=$PATH:/sbin:/usr/sbin; mkfs.ext4 -q -F {image:?} && mount -o loop {image:?} {mounted:?} \
         || exit {NOT_HERE}; exec \"$@\""
    );
    let inner = std::env::current_exe().unwrap();
    let run = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"])
        .arg(inner)
        .args([test, "--exact", "--nocapture"])
        .env(MOUNTED, &mounted)
        .output();
    let Ok(run) = run else { return println!("skipped: no unshare here") };
    let said = String::from_utf8_lossy(&run.stdout);
    let complained = String::from_utf8_lossy(&run.stderr);
    if run.status.code() == Some(NOT_HERE) || complained.contains("unshare failed") {
        return println!("skipped: an ext4 cannot be mounted here: {complained}");
    }
    println!("{said}");
    assert!(run.status.success() && said.contains("1 passed"), "{said}\n{complained}");
}

//! File systems to walk on. A test runs itself once more there, with that as the folder for all
//! that is temporary.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Says to the inner run where it is.
const GROUND: &str = "TAILSPOOL_WALK_IN";
/// What the shell below ends with if it may not mount anything.
const NOT_HERE: i32 = 77;

/// Runs `test`'s own `body` on a tmpfs. Says so where there is none.
pub(crate) fn on_tmpfs(test: &str, body: fn(&Path)) {
    if let Some(ground) = std::env::var_os(GROUND) {
        return body(Path::new(&ground));
    }
    let Ok(dir) = tempfile::tempdir_in("/dev/shm") else {
        return println!("skipped: there is no tmpfs at /dev/shm");
    };
    let inner = std::env::current_exe().unwrap();
    run(Command::new(inner), test, dir.path());
}

/// The same on an ext4 in a file, mounted in a namespace of its own so that nothing of it
/// outlives the run: there a new file gets the inode of the one just deleted.
pub(crate) fn on_ext4(test: &str, body: fn(&Path)) {
    if let Some(ground) = std::env::var_os(GROUND) {
        return body(Path::new(&ground));
    }
    let dir = tempfile::tempdir().unwrap();
    let (image, mounted) = (dir.path().join("ext4"), dir.path().join("mounted"));
    fs::create_dir(&mounted).unwrap();
    fs::File::create(&image).unwrap().set_len(256 << 20).unwrap();
    let script = format!(
        "PATH=$PATH:/sbin:/usr/sbin; mkfs.ext4 -q -F $1 && mount -o loop $1 $2 || exit {NOT_HERE}; \
         shift 2; exec \"$@\""
    );
    let inner = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"]);
    command.args([&image, &mounted, &inner]);
    run(command, test, &mounted);
}

fn run(mut command: Command, test: &str, ground: &Path) {
    command.args([test, "--exact", "--include-ignored", "--nocapture"]);
    let run = command.env(GROUND, ground).env("TMPDIR", ground).output();
    let Ok(run) = run else { return println!("skipped: no unshare here") };
    let said = String::from_utf8_lossy(&run.stdout);
    let complained = String::from_utf8_lossy(&run.stderr);
    if run.status.code() == Some(NOT_HERE) || complained.contains("unshare failed") {
        return println!("skipped: an ext4 cannot be mounted here: {complained}");
    }
    println!("{said}");
    assert!(run.status.success() && said.contains("1 passed"), "{said}\n{complained}");
}

//! The jars of a real Apache Kafka, fetched by Maven once and kept in `target/kafka/lib`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const POM: &str = include_str!("../../kafka/pom.xml");
/// A repository on the net may fail to answer once.
const ATTEMPTS: usize = 3;

/// Where the jars are; the first call of all tests may fetch them.
pub(crate) fn lib() -> &'static Path {
    static LIB: OnceLock<PathBuf> = OnceLock::new();
    LIB.get_or_init(|| {
        let home = target_dir().join("kafka");
        fs::create_dir_all(&home).expect("target is writable");
        // Test binaries may run side by side: one fetches, the others wait for it.
        let lock = File::create(home.join("lock")).expect("target is writable");
        lock.lock().expect("files in target can be locked");
        present(&home).unwrap_or_else(|| fetch(&home))
    })
}

pub(crate) fn target_dir() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("cargo's tmp is inside target")
}

/// The stamp is the pom itself: another version of it means other jars.
fn present(home: &Path) -> Option<PathBuf> {
    let lib = home.join("lib");
    (fs::read_to_string(lib.join("pom.xml")).ok()? == POM).then_some(lib)
}

fn fetch(home: &Path) -> PathBuf {
    let (fresh, lib) = (home.join("lib.new"), home.join("lib"));
    for old in [&fresh, &lib] {
        if old.exists() {
            fs::remove_dir_all(old).expect("target is writable");
        }
    }
    let failures = (0..ATTEMPTS).map_while(|_| maven(&fresh).err()).collect::<Vec<_>>();
    assert!(
        failures.len() < ATTEMPTS,
        "Maven could not fetch Kafka's jars:\n{}",
        failures.join("\n")
    );
    fs::write(fresh.join("pom.xml"), POM).expect("target is writable");
    fs::rename(&fresh, &lib).expect("target is writable");
    lib
}

fn maven(into: &Path) -> Result<(), String> {
    let pom = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/pom.xml");
    let output = Command::new("mvn")
        .args(["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", "-f"])
        .arg(pom)
        .arg(format!("-DoutputDirectory={}", into.display()))
        .output()
        .map_err(|e| format!("cannot run mvn (scripts/prepare test installs it): {e}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

//! A kubelet and its runtime, played: logs under `pods`, links to them under `containers`, lines
//! in the CRI's format, and rotation as the kubelet does it, only that it does not wait.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::lines;
use super::verdict::Written;

/// `containerLogMaxFiles`, as it is unless set: the live one counts.
const FILES_MAX: usize = 5;

/// `/var/log` of a node.
pub(crate) struct Node {
    folder: PathBuf,
    containers: u64,
    files_max: usize,
}

impl Node {
    pub(crate) fn at(folder: PathBuf) -> Self {
        for name in ["pods", "containers"] {
            fs::create_dir_all(folder.join(name)).expect("a temporary folder is writable");
        }
        Self { folder, containers: 0, files_max: FILES_MAX }
    }

    /// So many files of each container are kept.
    pub(crate) fn keeping(self, files_max: usize) -> Self {
        Self { files_max, ..self }
    }

    pub(crate) fn pods(&self) -> PathBuf {
        self.folder.join("pods")
    }

    pub(crate) fn containers(&self) -> PathBuf {
        self.folder.join("containers")
    }

    /// A pod with one container.
    pub(crate) fn pod(&mut self, name: &str) -> Container {
        let uid = format!("{:08x}-1111-2222-3333-444444444444", self.containers);
        let pod = self.pods().join(format!("default_{name}_{uid}"));
        fs::create_dir_all(pod.join("app")).expect("a temporary folder is writable");
        let mut container = Container {
            pod,
            name: name.to_owned(),
            restart: 0,
            link: PathBuf::new(),
            file: None,
            written: Written::new(),
            bytes: 0,
            rotations: 0,
            files_max: self.files_max,
        };
        self.start(&mut container);
        container
    }

    /// The container starts over, under another id.
    pub(crate) fn restart(&mut self, container: &mut Container) {
        fs::remove_file(&container.link).expect("its link is there");
        container.restart += 1;
        self.start(container);
    }

    fn start(&mut self, container: &mut Container) {
        self.containers += 1;
        container.reopen();
        let link = format!("{}_default_app-{:064x}.log", container.name, self.containers);
        container.link = self.containers().join(link);
        symlink(container.log(), &container.link).expect("a temporary folder is writable");
    }
}

pub(crate) struct Container {
    pod: PathBuf,
    name: String,
    restart: u32,
    link: PathBuf,
    file: Option<File>,
    written: Written,
    bytes: u64,
    rotations: u32,
    files_max: usize,
}

impl Container {
    /// The log that it writes to now.
    pub(crate) fn log(&self) -> PathBuf {
        self.pod.join("app").join(format!("{}.log", self.restart))
    }

    /// What each of its runs has written.
    pub(crate) fn written(&self) -> Written {
        self.written.clone()
    }

    /// What of the disk that took, over all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn write(&mut self, count: u64) {
        let mut text = String::new();
        let run = format!("{}.{}", self.name, self.restart);
        let next = self.written.entry(run.clone()).or_default();
        for number in *next..*next + count {
            let line = lines::line(&run, number);
            // The runtime cuts long lines: here, each third one.
            let (piece, rest) = line.split_at(if number % 3 == 0 { 20 } else { 0 });
            let time = format!("2026-11-21T10:00:00.{number:0>9}Z");
            if !piece.is_empty() {
                writeln!(text, "{time} stdout P {piece}").expect("a string takes all");
            }
            writeln!(text, "{time} stdout F {rest}").expect("a string takes all");
        }
        *next += count;
        self.bytes += text.len() as u64;
        self.file.as_mut().expect("it runs").write_all(text.as_bytes()).expect("a log is writable");
    }

    /// What is too old goes, what was rotated before is compressed, the log is renamed.
    pub(crate) fn rotate(&mut self) {
        let mut rotated = self.rotated();
        while rotated.len() > self.files_max - 2 {
            fs::remove_file(rotated.remove(0)).expect("a log can be deleted");
        }
        let is_plain = |path: &&PathBuf| path.extension().is_none_or(|end| end != "gz");
        rotated.iter().filter(is_plain).for_each(|path| compress(path));
        self.rotations += 1;
        let (minutes, seconds) = (self.rotations / 60, self.rotations % 60);
        let stamp = format!("log.20261121-10{minutes:0>2}{seconds:0>2}");
        fs::rename(self.log(), self.log().with_extension(stamp)).expect("a log can be renamed");
        self.reopen();
    }

    /// Oldest first.
    fn rotated(&self) -> Vec<PathBuf> {
        let live = self.log();
        let listed = fs::read_dir(self.pod.join("app")).expect("it is there");
        let begins = format!("{}.log.", self.restart);
        let is_rotated = |path: &PathBuf| {
            *path != live
                && path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&begins))
        };
        let mut found: Vec<_> =
            listed.map(|entry| entry.expect("it is there").path()).filter(is_rotated).collect();
        found.sort();
        found
    }

    fn reopen(&mut self) {
        let file = OpenOptions::new().append(true).create(true).open(self.log());
        self.file = Some(file.expect("a log can be opened"));
    }

    /// The pod is deleted, with all that is in it.
    pub(crate) fn vanish(self) -> Written {
        fs::remove_dir_all(&self.pod).expect("a pod can be deleted");
        fs::remove_file(&self.link).expect("its link is there");
        self.written
    }
}

fn compress(path: &Path) {
    let beside = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let packed = File::create(beside(".tmp")).expect("a temporary folder is writable");
    let status = Command::new("gzip").arg("-c").arg(path).stdout(packed).status();
    assert!(status.expect("gzip can be started").success());
    fs::rename(beside(".tmp"), beside(".gz")).expect("a log can be renamed");
    fs::remove_file(path).expect("a log can be deleted");
}

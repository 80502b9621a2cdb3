//! Real container runtimes, each below one folder and gone with the tests: a docker daemon, and
//! podman. Neither has a network; the image is a busybox.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::children::{Power, end, guarded, spawn};
use super::wait::{GENEROUS, wait_until};

/// What a container does: says what is in two files, line by line, each on its stream, at about
/// 2,000 lines a second.
const SPEAK: &str = r#"
    count=0
    while IFS= read -r out && IFS= read -r err <&3; do
      printf '%s\n' "$out"
      printf '%s\n' "$err" >&2
      count=$((count + 1))
      if [ $((count % 20)) = 0 ]; then busybox usleep 15000; fi
    done < /in/out 3< /in/err
"#;

/// Why there can be no containers on this machine, if so.
pub(crate) fn missing(program: &str) -> Option<String> {
    if !Path::new(BUSYBOX).exists() {
        return Some(format!("{BUSYBOX} is not there"));
    }
    let works = |mut command: Command| {
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
    };
    let mut version = Command::new(program);
    version.arg("--version");
    if !works(version) {
        return Some(format!("{program} is not there"));
    }
    let mut isolated = Command::new("unshare");
    isolated.args(["--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "tmpfs", "/run"]);
    (!works(isolated)).then(|| "no namespace may be made: that takes root".to_owned())
}

/// Linked statically, so that it is a whole image.
const BUSYBOX: &str = "/bin/busybox";

/// A folder with what containers are made of: a root file system, and what they are to say.
pub(crate) struct Yard {
    folder: PathBuf,
}

impl Yard {
    pub(crate) fn at(folder: PathBuf, out: &str, err: &str) -> Self {
        let rootfs = folder.join("rootfs");
        for name in ["bin", "dev", "etc", "in", "proc", "run", "sys", "tmp"] {
            fs::create_dir_all(rootfs.join(name)).expect("a temporary folder is writable");
        }
        fs::copy(BUSYBOX, rootfs.join("bin/busybox")).expect("it is there");
        symlink("busybox", rootfs.join("bin/sh")).expect("a temporary folder is writable");
        fs::create_dir(folder.join("in")).expect("a temporary folder is writable");
        fs::write(folder.join("in/out"), out).expect("a temporary folder is writable");
        fs::write(folder.join("in/err"), err).expect("a temporary folder is writable");
        Self { folder }
    }

    /// The arguments that have a container say it.
    fn volume(&self) -> String {
        format!("{}:/in:ro", self.folder.join("in").display())
    }

    fn script(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/containers").join(name)
    }

    /// Podman, until the container is over. Its log goes where we say.
    pub(crate) fn podman(&self, log: &Path, max_size: &str) -> Child {
        let mut command = isolated(&Self::script("podman.sh"), &self.folder);
        command
            .args(["run", "--rootfs", "--network=none", "--cgroups=disabled", "--attach=stdin"])
            .args(["--log-driver=k8s-file", "--log-opt", &format!("path={}", log.display())])
            .args(["--log-opt", &format!("max-size={max_size}"), "--volume", &self.volume()])
            .arg(self.folder.join("rootfs"))
            .args(["/bin/sh", "-c", SPEAK]);
        spawn(command)
    }
}

pub(crate) struct Docker {
    yard: Yard,
    child: Child,
}

impl Docker {
    pub(crate) fn start(yard: Yard) -> Self {
        let child = spawn(isolated(&Yard::script("dockerd.sh"), &yard.folder));
        let docker = Self { yard, child };
        wait_until("the docker daemon", GENEROUS, || {
            let asked = docker.client(&["version"]).stderr(Stdio::null()).output();
            asked.is_ok_and(|output| output.status.success())
        });
        docker
    }

    fn client(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        let socket = self.yard.folder.join("docker.sock");
        command.arg("--host").arg(format!("unix://{}", socket.display())).args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.client(arguments).output().expect("docker can be started");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    pub(crate) fn import(&self, image: &str) {
        let (archive, rootfs) =
            (self.yard.folder.join("rootfs.tar"), self.yard.folder.join("rootfs"));
        let mut tar = Command::new("tar");
        tar.arg("-C").arg(rootfs).arg("-cf").arg(&archive).arg(".");
        assert!(tar.status().expect("tar can be started").success());
        self.run(&["import", &archive.display().to_string(), image]);
    }

    /// Starts a container that says what it has to; its id.
    pub(crate) fn speak(&self, image: &str, log_options: &[&str]) -> String {
        let volume = self.yard.volume();
        let mut arguments = vec![
            "run",
            "--detach",
            "--network=none",
            "--log-driver=json-file",
            "--volume",
            &volume,
        ];
        arguments.extend(log_options.iter().flat_map(|option| ["--log-opt", option]));
        arguments.extend([image, "/bin/sh", "-c", SPEAK]);
        self.run(&arguments)
    }

    /// Where the logs of its containers are.
    pub(crate) fn logs(&self) -> PathBuf {
        self.yard.folder.join("data/containers")
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// A script in namespaces of its own, of which nothing is left when it ends.
fn isolated(script: &Path, folder: &Path) -> Command {
    let mut command = guarded("unshare", Power::AsWeAre);
    command.args(["--mount", "--pid", "--fork", "--kill-child"]).arg(script).arg(folder);
    let log = folder.join(script.file_stem().expect("it has a name")).with_extension("out");
    let said = fs::File::create(log).expect("a temporary folder is writable");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
    command
}

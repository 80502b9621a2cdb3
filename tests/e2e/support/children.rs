//! Processes that do not outlive the tests, however these end.

use std::ffi::OsStr;
use std::io;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

/// With how much power a child runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Power {
    AsWeAre,
    /// Root without the capabilities that pass over file modes, so that a mode means what it says.
    ObeysModes,
    /// In a user namespace that has no inotify instances.
    WithoutInotify,
}

const WITHOUT_INOTIFY: &str =
    "echo 0 > /proc/sys/user/max_inotify_instances && exec setpriv --pdeathsig KILL -- \"$@\"";

/// A command that the kernel kills when the tests are gone.
pub(crate) fn guarded(program: impl AsRef<OsStr>, power: Power) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if power == Power::ObeysModes && rustix::process::geteuid().is_root() {
        let without = "-dac_override,-dac_read_search";
        command.args(["--bounding-set", without, "--inh-caps", without]);
    }
    command.arg("--");
    if power == Power::WithoutInotify {
        // Whoever enters a namespace is no longer told of its parent's death, hence once more.
        command.args(["unshare", "--user", "--map-root-user", "sh", "-c", WITHOUT_INOTIFY, "sh"]);
    }
    command.arg(program);
    command
}

struct Order {
    command: Command,
    reply: Sender<io::Result<Child>>,
}

/// Starts a command from a thread that lives as long as the tests do: what the kernel calls the
/// death of a parent is the end of the *thread* that started the child.
pub(crate) fn spawn(command: Command) -> Child {
    static KEEPER: OnceLock<Sender<Order>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| {
        let (orders, inbox) = channel();
        thread::spawn(move || keep(&inbox));
        orders
    });
    let program = format!("{command:?}");
    let (reply, answer) = channel();
    keeper.send(Order { command, reply }).expect("the keeper lives");
    answer
        .recv()
        .expect("the keeper answers")
        .unwrap_or_else(|e| panic!("cannot start {program}: {e}"))
}

fn keep(inbox: &Receiver<Order>) {
    for Order { mut command, reply } in inbox {
        reply.send(command.spawn()).expect("whoever orders waits for the answer");
    }
}

/// A child that is already gone is what the sender wanted or will see soon enough.
pub(crate) fn signal(child: &Child, signal: Signal) {
    kill_process(pid(child), signal).ok();
}

fn pid(child: &Child) -> Pid {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a child has a process id")
}

/// Ends a child at once and takes its exit status.
pub(crate) fn end(child: &mut Child) {
    child.kill().expect("a child of ours may be killed");
    child.wait().expect("a killed child ends");
}

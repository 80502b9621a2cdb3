//! Who takes part, and what the system says a participant has used.

use std::fmt;
use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::Course;
use crate::support::children::{Power, guarded, signal, spawn};
use crate::support::config::Config;
use crate::support::daemon::binary;
use crate::support::site::Site;
use crate::support::verdict::{Verdict, Written};
use crate::support::wait::{GENEROUS, wait_until};

/// What Linux counts CPU time in for programs to see, on every architecture we build for.
const TICKS_PER_SECOND: u64 = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runner {
    Tailspool,
    Kcat,
}

/// What a participant's processes have used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    pub(crate) cpu: Duration,
    /// The sum of the processes' peaks.
    pub(crate) peak_bytes: u64,
}

/// Its processes, and the last that was seen of each.
pub(crate) struct Running(Vec<(Child, Used)>);

impl fmt::Display for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tailspool => "tailspool",
            Self::Kcat => "kcat",
        })
    }
}

impl Runner {
    pub(crate) fn start(self, course: &Course, bootstrap: &str, topic: &str) -> Running {
        let children = match self {
            Self::Tailspool => tailspool(course, bootstrap, topic),
            Self::Kcat => kcat(course, bootstrap, topic),
        };
        Running(children.into_iter().map(|child| (child, Used::default())).collect())
    }

    /// kcat promises no order over partitions, and has no files to keep together.
    pub(crate) fn accept(self, verdict: &Verdict, written: &Written) {
        assert!(verdict.has_all(written), "{self} lost lines\n{verdict}");
        assert_eq!(verdict.repeats(), 0, "{self} repeated lines\n{verdict}");
        if self == Self::Tailspool {
            verdict.assert_complete_and_in_order(written);
        }
    }
}

fn tailspool(course: &Course, bootstrap: &str, topic: &str) -> Vec<Child> {
    let state = course.site.root().join(topic);
    let config = Config::new(&state, bootstrap)
        .kafka("acks", "all")
        .kafka("compression.type", &course.compression)
        .input("race", &course.site.log("*.log"), topic);
    course.site.write_config(&config.to_yaml());
    vec![start(&course.site)]
}

/// `tailspool run` with the configuration that is there.
pub(crate) fn start(site: &Site) -> Child {
    let mut command = guarded(binary(), Power::AsWeAre);
    command.args(site.with_config(&["run"]));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    spawn(command)
}

/// With the settings a shipper has: batches of 100 ms and a queue that does not stop it.
fn kcat(course: &Course, bootstrap: &str, topic: &str) -> Vec<Child> {
    let mut cat = guarded("cat", Power::AsWeAre);
    cat.args(&course.files).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut cat = spawn(cat);
    let mut command = guarded("kcat", Power::AsWeAre);
    command.args(["-P", "-b", bootstrap, "-t", topic]);
    let compression = format!("compression.codec={}", course.compression);
    for setting in
        ["acks=all", &compression, "linger.ms=100", "queue.buffering.max.messages=500000"]
    {
        command.args(["-X", setting]);
    }
    command.stdin(cat.stdout.take().expect("piped")).stdout(Stdio::null()).stderr(Stdio::null());
    vec![cat, spawn(command)]
}

impl Running {
    /// Memory is told only of the living: ask now and then.
    pub(crate) fn look(&mut self) {
        for (child, used) in &mut self.0 {
            used.peak_bytes = used.peak_bytes.max(peak_bytes(child.id()));
        }
    }

    /// Ends them; of one that has not been waited for, even if it is dead, the CPU time is known.
    pub(crate) fn end(mut self) -> Used {
        self.look();
        for (child, used) in &mut self.0 {
            signal(child, Signal::TERM);
            wait_until("the end of a participant", GENEROUS, || is_dead(child.id()));
            used.cpu = cpu(child.id());
            child.wait().expect("a dead child can be waited for");
        }
        self.0.iter().fold(Used::default(), |sum, (_, used)| Used {
            cpu: sum.cpu + used.cpu,
            peak_bytes: sum.peak_bytes + used.peak_bytes,
        })
    }
}

/// The fields of `/proc/PID/stat` after the name, which may hold blanks: state is the first.
fn stat(pid: u32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).expect("not waited for yet");
    let (_, fields) = text.rsplit_once(')').expect("a name in brackets");
    fields.split_whitespace().map(str::to_owned).collect()
}

fn is_dead(pid: u32) -> bool {
    stat(pid)[0] == "Z"
}

pub(crate) fn cpu(pid: u32) -> Duration {
    let fields = stat(pid);
    let ticks: u64 = fields[11..=12].iter().map(|ticks| ticks.parse::<u64>().expect("ticks")).sum();
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

fn peak_bytes(pid: u32) -> u64 {
    memory_bytes(pid, "VmHWM:")
}

/// What `/proc/PID/status` says under a key.
pub(crate) fn memory_bytes(pid: u32, key: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix(key));
    peak.map_or(0, |text| text.trim().trim_end_matches(" kB").parse::<u64>().expect("kB") * 1024)
}

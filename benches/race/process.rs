//! What the system says that processes have used.

use std::fs;
use std::process::Child;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::children::{end, signal};
use crate::support::wait::{GENEROUS, poll};

/// What Linux counts CPU time in for programs to see, on every architecture we build for.
const TICKS_PER_SECOND: u64 = 100;

/// What a participant's processes have used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    pub(crate) cpu: Duration,
    /// The sum of the processes' peaks.
    pub(crate) peak_bytes: u64,
}

/// Its processes, and the last that was seen of each.
pub(crate) struct Running(Vec<(Child, Used)>);

impl Running {
    pub(crate) fn new(children: Vec<Child>) -> Self {
        Self(children.into_iter().map(|child| (child, Used::default())).collect())
    }

    /// Memory is told only of the living: ask now and then.
    pub(crate) fn look(&mut self) {
        for (child, used) in &mut self.0 {
            used.peak_bytes = used.peak_bytes.max(peak_bytes(child.id()));
        }
    }

    pub(crate) fn runs(&self) -> bool {
        self.0.iter().all(|(child, _)| !is_dead(child.id()))
    }

    /// Ends them, one way or the other; of one that has not been waited for, even if it is dead, the
    /// CPU time is known.
    pub(crate) fn end(mut self) -> Used {
        self.look();
        for (child, used) in &mut self.0 {
            signal(child, Signal::TERM);
            poll(GENEROUS, || is_dead(child.id()).then_some(()));
            used.cpu = cpu(child.id());
            end(child);
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

/// Of one that is dead, none.
fn peak_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.map_or(0, |text| text.trim().trim_end_matches(" kB").parse::<u64>().expect("kB") * 1024)
}

//! What the settings change that matter most, beside tailspool as it comes.

use crate::course::{Course, Plan};
use crate::entrant::{Entrant, Keys, Setup};
use crate::score::surplus;

const TUNED: [(&str, Keys); 8] = [
    ("`compression.type: zstd`, as it comes", &[("compression.type", "zstd")]),
    ("`lz4`", &[("compression.type", "lz4")]),
    ("`snappy`", &[("compression.type", "snappy")]),
    ("`gzip`", &[("compression.type", "gzip")]),
    ("`none`", &[("compression.type", "none")]),
    ("`buffer.memory: 8MiB`", &[("compression.type", "zstd"), ("buffer.memory", "8MiB")]),
    ("`buffer.memory: 128MiB`", &[("compression.type", "zstd"), ("buffer.memory", "128MiB")]),
    ("`linger.ms: 5`", &[("compression.type", "zstd"), ("linger.ms", "5")]),
];

pub(crate) fn run(plan: Plan, rounds: u64) {
    let course = Course::lay(plan);
    let tuned =
        TUNED.map(|(name, kafka)| Entrant::tailspool(name, Setup { kafka, ..Setup::PLAIN }));
    surplus(course.plan.lines, &course.race(&tuned, rounds));
}

//! What tailspool's own features cost: the same lines in turns, each time with other keys of the
//! input.

use crate::course::{Course, Plan};
use crate::entrant::{Entrant, Keys, Proof, Setup};
use crate::score::surplus;

const POD: &str = "pod.log";
const CARRIED: [(&str, Keys); 7] = [
    ("nothing", &[]),
    ("a key of its file", &[("key", "'{file.name}'")]),
    ("`record_id: key`", &[("record_id", "key")]),
    ("a header", &[("headers", "{env: prod}")]),
    ("`record_id: headers`", &[("record_id", "headers")]),
    ("`multiline: {preset: java}`", &[("multiline", "{preset: java}")]),
    ("a filter of one pattern", &[("exclude_lines", "['never ever$']")]),
];
/// Their records are not the lines themselves.
const DOCUMENTS: [(&str, Keys); 2] =
    [("`value: json`", &[("value", "json")]), ("`value: ecs`", &[("value", "ecs")])];

pub(crate) fn run(plan: Plan, rounds: u64) {
    let course = Course::lay(plan);
    let stamp = |number| format!("2026-11-21T09:00:00.{:09}Z stdout F ", number % 1_000_000_000);
    course.add(POD, &stamp);
    let lines = Setup { logs: "app*.log", ..Setup::PLAIN };
    let mut entrants = Vec::new();
    for (name, input) in CARRIED {
        entrants.push(Entrant::tailspool(name, Setup { input, ..lines }));
    }
    for (name, input) in DOCUMENTS {
        let setup = Setup { input, proof: Proof::Counted, ..lines };
        entrants.push(Entrant::tailspool(name, setup));
    }
    let container = Setup { logs: POD, input: &[("format", "cri")], ..Setup::PLAIN };
    entrants.push(Entrant::tailspool("`format: cri`", container));
    surplus(course.plan.lines, &entrants, &course.race(&entrants, rounds));
}

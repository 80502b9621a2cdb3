//! What tailspool's own features cost: the same lines in turns, each time with other keys of the
//! input.

use crate::course::{Course, Plan};
use crate::entrant::{Entrant, Proof};
use crate::score::surplus;

const POD: &str = "pod.log";

pub(crate) fn run(plan: Plan, rounds: u64) {
    let course = Course::lay(plan);
    let stamp = |number| format!("2026-11-21T09:00:00.{:09}Z stdout F ", number % 1_000_000_000);
    course.add(POD, &stamp);
    let (lines, documents) = (Proof::InOrder, Proof::Counted);
    let with = Entrant::tailspool_with;
    let entrants = [
        with("nothing", "app*.log", &[], lines),
        with("a key of its file", "app*.log", &[("key", "'{file.name}'")], lines),
        with("`record_id: key`", "app*.log", &[("record_id", "key")], lines),
        with("a header", "app*.log", &[("headers", "{env: prod}")], lines),
        with("`record_id: headers`", "app*.log", &[("record_id", "headers")], lines),
        with("`format: cri`", POD, &[("format", "cri")], lines),
        with("`multiline: {preset: java}`", "app*.log", &[("multiline", "{preset: java}")], lines),
        with("a filter of one pattern", "app*.log", &[("exclude_lines", "['never ever$']")], lines),
        with("`value: json`", "app*.log", &[("value", "json")], documents),
        with("`value: ecs`", "app*.log", &[("value", "ecs")], documents),
    ];
    surplus(course.plan.lines, &entrants, &course.race(&entrants, rounds));
}

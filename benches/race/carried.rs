//! What tailspool's own features cost: the same lines in turns, each time with other keys of the
//! input.

use crate::course::{Course, Plan};
use crate::entrant::{Entrant, Keys, Proof, Setup};
use crate::score::surplus;

const POD: &str = "pod.log";
const SERVER: &str = "server.log";
const OBJECTS: &str = "objects.log";
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
/// With another log each, and documents.
const PROCESSED: [(&str, &str, Keys); 2] = [
    (
        "`parse_regex`, `timestamp`, `value: json`",
        SERVER,
        &[
            ("value", "json"),
            (
                "processors",
                r"[{parse_regex: {pattern: '^(?P<client>\S+) \S+ (?P<user>\S+) \[(?P<time>[^]]+)\] (?P<status>\d+) '}}, {timestamp: {field: time, format: '%d/%b/%Y:%H:%M:%S %z'}}]",
            ),
        ],
    ),
    (
        "`parse_json`, `timestamp`, `value: json`",
        OBJECTS,
        &[
            ("value", "json"),
            ("processors", "[{parse_json: {}}, {timestamp: {field: time, format: rfc3339}}]"),
        ],
    ),
];

pub(crate) fn run(plan: Plan, rounds: u64) {
    let course = Course::lay(plan);
    let in_second = |number| number % 1_000_000_000;
    course.add(POD, &|number, line| {
        format!("2026-11-21T09:00:00.{:09}Z stdout F {line}", in_second(number))
    });
    course.add(SERVER, &|number, line| {
        let second = number % 60;
        format!("203.0.113.7 - alice [21/Nov/2026:09:00:{second:02} +0000] 200 {line}")
    });
    course.add(OBJECTS, &|number, line| {
        let ns = in_second(number);
        format!(r#"{{"time":"2026-11-21T09:00:00.{ns:09}Z","status":200,"message":"{line}"}}"#)
    });
    let lines = Setup { logs: "app*.log", ..Setup::PLAIN };
    let mut entrants = Vec::new();
    for (name, input) in CARRIED {
        entrants.push(Entrant::tailspool(name, Setup { input, ..lines }));
    }
    for (name, input) in DOCUMENTS {
        let setup = Setup { input, proof: Proof::Counted, ..lines };
        entrants.push(Entrant::tailspool(name, setup));
    }
    for (name, logs, input) in PROCESSED {
        let setup = Setup { logs, input, proof: Proof::Counted, ..Setup::PLAIN };
        entrants.push(Entrant::tailspool(name, setup));
    }
    let container = Setup { logs: POD, input: &[("format", "cri")], ..Setup::PLAIN };
    entrants.push(Entrant::tailspool("`format: cri`", container));
    surplus(course.plan.lines, &course.race(&entrants, rounds));
}

//! One input: which files, and where their lines go.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use super::kafka::Checked;
use super::outputs::Outputs;
use super::{World, lines, optional_period, period, processors, topic, value};
use crate::config::parse::{self, Wrong};
use crate::config::raw::{NodeId, Scalar, Value};
use crate::config::section::{Section, planned};
use crate::config::suggest::{near, quoted};
use crate::config::units::show_size;
use crate::record::RecordId;
use crate::settings::{Acks, Confirm, Input, LongLine, Partition, RateLimit, Rotated, StartAt};
use crate::template::Labels;

const STARTS: &[(&str, StartAt)] = &[("beginning", StartAt::Beginning), ("end", StartAt::End)];
const LONG_LINES: &[(&str, LongLine)] = &[
    ("truncate", LongLine::Truncate),
    ("split", LongLine::Split),
    ("dead_letter", LongLine::DeadLetter),
];
const ROTATED: &[(&str, Rotated)] = &[("auto", Rotated::Auto), ("off", Rotated::Off)];
const FOLLOWED: &[&str] = &["/var/log/containers", "/var/log/pods"];
const PARTITIONS: &[(&str, Partition)] = &[
    ("file", Partition::File),
    ("key", Partition::Key),
    ("sticky", Partition::Sticky),
    ("round_robin", Partition::RoundRobin),
    ("random", Partition::Random),
];
const CONFIRMS: &[(&str, Confirm)] =
    &[("async", Confirm::Async), ("sync", Confirm::Sync), ("none", Confirm::None)];
const PLANNED: &[&str] = &["ordering"];
const MAX_LINE: usize = 960 << 10;
const LINE_MAX: u64 = 1 << 30;
/// What a record takes in a request beside its line: batch and record framing (about 100 bytes)
/// and the header that marks a line as cut.
const FRAMING: usize = 256;
/// Bytes a second that no file system delivers.
const RATE_MAX: u64 = 1 << 40;
const ID_LEN_MAX: usize = 200;

/// Ids so far, and where they are.
pub(super) type Seen = HashMap<String, NodeId>;

pub(super) fn check(
    s: Section<'_>,
    outputs: &Outputs,
    world: &World<'_>,
    seen: &mut Seen,
) -> Option<Input> {
    let id = id(&s, seen);
    let paths = paths(&s);
    let (output, kafka) = outputs.of(&s);
    let shown_id = id.as_deref().unwrap_or("input");
    let fields = value::fields(&s);
    let labels = topic::labels(&s, world, shown_id, &fields);
    let excluded = s.list("exclude_paths", parse::glob).unwrap_or_default();
    let max_line_bytes = max_line(&s, kafka, labels.as_ref());
    let lines = lines::check(&s, max_line_bytes);
    let partition = partition(&s, labels.as_ref());
    let processors = processors::check(&s);
    let room = room(kafka, labels.as_ref());
    let input = Input {
        id: id.clone().unwrap_or_default(),
        paths: paths.clone().unwrap_or_default(),
        exclude_paths: excluded,
        rotated: rotated(&s),
        start_at: s.read("start_at", StartAt::Beginning, parse::choice(STARTS)).value,
        ignore_older: optional_period(&s, "ignore_older", None),
        format: lines.format,
        encoding: lines.encoding,
        delimiter: lines.delimiter,
        skip_empty: lines.skip_empty,
        multiline: lines.multiline,
        stream: lines.stream,
        include_lines: lines.include,
        exclude_lines: lines.exclude,
        value: value::check(&s, world, fields, processors.as_deref(), room),
        processors: processors.unwrap_or_default(),
        max_line_bytes,
        on_long_line: s.read("on_long_line", LongLine::Truncate, parse::choice(LONG_LINES)).value,
        partial_timeout: optional_period(&s, "partial_timeout", None),
        close_inactive: period(&s, "close_inactive", Duration::from_mins(5)),
        delete_after: delete_after(&s),
        rate_limit: rate_limit(&s),
        follow_symlinks: follow_symlinks(&s),
        output,
        labels: labels.clone().unwrap_or_default(),
        partition,
        confirm: confirm(&s, kafka, partition),
    };
    s.close(|key| planned(PLANNED, key));
    (id.is_some() && paths.is_some() && labels.is_some()).then_some(input)
}

fn id(s: &Section<'_>, seen: &mut Seen) -> Option<String> {
    let id = s.need("id", |scalar| {
        let id = parse::text(scalar)?;
        if id.len() > ID_LEN_MAX {
            return Err(Wrong::new(format!("is longer than {ID_LEN_MAX} bytes")));
        }
        Ok(id)
    })?;
    let at = s.place_of("id");
    if let Some(first) = seen.get(&id) {
        s.repeated(at, "id", format!("the id {} is already taken", quoted(&id)), *first);
        return None;
    }
    seen.insert(id.clone(), at);
    Some(id)
}

fn paths(s: &Section<'_>) -> Option<Vec<String>> {
    let Some(node) = s.find("paths") else {
        s.missing("paths");
        return None;
    };
    let paths = s.list("paths", parse::path_glob)?;
    if matches!(&node.value, Value::List(items) if items.is_empty()) {
        s.error(node.id, "paths", "`paths` is empty".into(), None);
    }
    Some(paths)
}

fn rotated(s: &Section<'_>) -> Rotated {
    if let Some(Value::List(_)) = s.find("rotated").map(|node| &node.value) {
        return Rotated::Patterns(s.list("rotated", parse::name_glob).unwrap_or_default());
    }
    let word = |scalar: &Scalar| {
        let word = ROTATED.iter().find(|(word, _)| *word == scalar.text);
        word.map(|(_, rotated)| rotated.clone()).ok_or_else(|| {
            let message = format!("{} is none of auto, off, a list of patterns", scalar.shown());
            Wrong::new(message).suggest(near(&scalar.text, ["auto", "off"]))
        })
    };
    s.read("rotated", Rotated::Auto, word).value
}

/// What a value may take of a request.
fn room(kafka: &Checked, labels: Option<&Labels>) -> usize {
    let carried = labels.map_or(0, Labels::len_max);
    kafka.settings.max_request_size_bytes.saturating_sub(FRAMING + carried)
}

/// The default gives way to a small `max.request.size`; what is asked for does not.
fn max_line(s: &Section<'_>, kafka: &Checked, labels: Option<&Labels>) -> usize {
    let request = kafka.settings.max_request_size_bytes;
    let carried = labels.map_or(0, Labels::len_max);
    let most = room(kafka, labels);
    if most == 0 && carried > 0 {
        let at = if s.has("headers") { "headers" } else { "key" };
        let message = format!(
            "key and headers may take {carried} bytes: no line fits beside them into \
             `{}.max.request.size` ({})",
            kafka.path,
            show_size(request as u64)
        );
        s.error(s.place_of(at), at, message, None);
    }
    let max_line = s.read("max_line", MAX_LINE.min(most), parse::length(1..=LINE_MAX));
    if max_line.value > most {
        let beside = if carried == 0 { "" } else { " beside key and headers" };
        let message = format!(
            "`max_line` is more than fits into `{}.max.request.size` ({}){beside}: at most {most}",
            kafka.path,
            show_size(request as u64)
        );
        s.contradiction("max_line", &[max_line.part(), (None, kafka.request_sound)], message);
    }
    max_line.value
}

/// What was passed over looks like what was acknowledged: both lie before the place.
fn delete_after(s: &Section<'_>) -> Option<Duration> {
    let delete_after = optional_period(s, "delete_after", None);
    let is_end = |scalar: &Scalar| Ok(scalar.text == "end");
    let passed_over = [
        (s.read("start_at", false, is_end).value, "start_at: end"),
        (s.has("ignore_older"), "ignore_older"),
    ];
    for (_, other) in passed_over.iter().filter(|(given, _)| delete_after.is_some() && *given) {
        let message = format!("`delete_after` would remove what `{other}` has passed over");
        s.error(s.place_of("delete_after"), "delete_after", message, None);
    }
    delete_after
}

fn rate_limit(s: &Section<'_>) -> RateLimit {
    let limit = s.child("rate_limit");
    let records = |scalar: &Scalar| Ok(parse::number(1..=i64::MAX)(scalar)?.unsigned_abs());
    let rate_limit = RateLimit {
        records: limit.read("records", None, parse::some(records)).value,
        bytes: limit.read("bytes", None, parse::some(parse::size(1..=RATE_MAX))).value,
    };
    limit.close(|_| None);
    rate_limit
}

fn follow_symlinks(s: &Section<'_>) -> Vec<PathBuf> {
    let default = || FOLLOWED.iter().map(PathBuf::from).collect();
    s.list("follow_symlinks", parse::directory).unwrap_or_else(default)
}

fn partition(s: &Section<'_>, labels: Option<&Labels>) -> Partition {
    let partition = s.read("partition", Partition::File, |scalar| {
        let text = scalar.text.as_str();
        if let Some((_, rule)) = PARTITIONS.iter().find(|(name, _)| *name == text) {
            return Ok(*rule);
        }
        let number = text.parse().ok().filter(|number| *number >= 0 && !text.starts_with('+'));
        number.map(Partition::Number).ok_or_else(|| {
            let names: Vec<&str> = PARTITIONS.iter().map(|(name, _)| *name).collect();
            let message = format!(
                "{} is none of {}, the number of a partition",
                scalar.shown(),
                names.join(", ")
            );
            Wrong::new(message).suggest(near(text, names))
        })
    });
    let is_own = labels.is_some_and(|labels| labels.record_id == Some(RecordId::Key));
    if partition.value == Partition::Key && !s.has("key") && !is_own {
        let message = "`partition: key` needs a `key`: without one, `sticky` is what Kafka's own \
                       producer does";
        s.error(s.place_of("partition"), "partition", message.into(), None);
    }
    partition.value
}

/// What waits for an acknowledgement needs one to come.
fn confirm(s: &Section<'_>, kafka: &Checked, partition: Partition) -> Confirm {
    let confirm = s.read("confirm", Confirm::Async, parse::choice(CONFIRMS));
    if confirm.value == Confirm::Sync && partition.is_any() {
        let message = "`confirm: sync` sends one block of a file after the other: not with a \
                       `partition` that gives up their order";
        s.error(s.place_of("confirm"), "confirm", message.into(), None);
    }
    if confirm.value == Confirm::Sync && kafka.settings.acks == Acks::None {
        let message = "`confirm: sync` waits for what `acks: 0` never gives";
        s.error(s.place_of("confirm"), "confirm", message.into(), None);
    }
    let is_told = confirm.value != Confirm::None && kafka.settings.acks != Acks::None;
    if !is_told && s.has("delete_after") {
        let message = "`delete_after` needs to know what is acknowledged: neither with `confirm: \
                       none` nor with `acks: 0`";
        s.error(s.place_of("delete_after"), "delete_after", message.into(), None);
    }
    confirm.value
}

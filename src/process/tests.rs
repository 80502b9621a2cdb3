//! What lines become, and that reading again from any place brings the same.

use std::sync::Arc;

use proptest::prelude::*;

use super::{Assembly, Flush, Made, Place, Raw, Recipe};
use crate::decode::Encoding;
use crate::record::{Anchor, Failed, Failure, Mark, Offset, Remarks};
use crate::settings::{Action, Format, Input, LongLine, Multiline, OnError, Processor};

fn input() -> Input {
    Input::example()
}

fn container() -> Input {
    Input { format: Format::Container, ..input() }
}

fn recipe(input: &Input) -> Arc<Recipe> {
    let encoding = Encoding::parse(&input.encoding).unwrap();
    Arc::new(Recipe::of(input, encoding).unwrap().expect("more than plain lines"))
}

/// One record, and where reading would go on.
type Found = (String, Made);

/// Feeds the lines of `file` from a place on.
fn feed(assembly: &mut Assembly, file: &[&str], from: Offset) {
    let mut start = Offset::START;
    for line in file {
        let (bytes, end) = (line.as_bytes(), start.advance(line.len() as u64 + 1));
        if start >= from {
            assembly.feed(&Raw { bytes, start, end, remarks: Remarks::default() });
        }
        start = end;
    }
}

/// What becomes of the lines of `file` from a mark on.
fn read(recipe: &Arc<Recipe>, file: &[&str], from: Mark, flush: Option<Flush>) -> Vec<Found> {
    let mut assembly = Assembly::resume(recipe.clone(), None, from);
    feed(&mut assembly, file, from.offset);
    flush.into_iter().for_each(|flush| assembly.flush(flush));
    let out = assembly.take();
    let text = |made: &Made| String::from_utf8_lossy(&out.bytes[made.from..made.to]).into_owned();
    out.records.iter().map(|made| (text(made), *made)).collect()
}

fn texts(input: &Input, file: &[&str], flush: Option<Flush>) -> Vec<String> {
    let found = read(&recipe(input), file, Mark::START, flush);
    found.into_iter().map(|(text, _)| text).collect()
}

#[test]
fn parts_of_a_line_are_joined_in_their_stream() {
    let file = [
        "2026-11-21T10:00:00Z stdout P one ",
        "2026-11-21T10:00:00Z stderr F error",
        "2026-11-21T10:00:00Z stdout F line",
        "2026-11-21T10:00:00Z stderr P never ended",
    ];
    assert_eq!(texts(&container(), &file, None), ["error", "one line"]);
    assert_eq!(texts(&container(), &file, Some(Flush::All)), ["error", "one line", "never ended"]);
}

#[test]
fn formats_are_told_line_by_line_and_what_is_none_is_shipped_as_it_is() {
    let file = [
        r#"{"log":"docker\n","stream":"stdout","time":"2026-11-21T10:00:00Z"}"#,
        "2026-11-21T10:00:00Z stdout F cri",
        "neither",
    ];
    assert_eq!(texts(&container(), &file, None), ["docker", "cri", "neither"]);
}

#[test]
fn lines_are_filtered_by_what_they_say_and_where_they_come_from() {
    let file = ["keep me", "DEBUG keep", "", "drop", "keep too"];
    let kept = Input {
        include_lines: vec!["keep".into(), "^$".into()],
        exclude_lines: vec!["^DEBUG".into()],
        ..input()
    };
    assert_eq!(texts(&kept, &file, None), ["keep me", "", "keep too"]);
    let kept = Input { skip_empty: true, ..kept };
    assert_eq!(texts(&kept, &file, None), ["keep me", "keep too"]);
    let errors = Input { stream: Some(crate::record::Stream::Stderr), ..container() };
    let file = ["2026-11-21T10:00:00Z stdout F o", "2026-11-21T10:00:00Z stderr F e"];
    assert_eq!(texts(&errors, &file, None), ["e"]);
}

#[test]
fn filters_see_whole_events() {
    let input = Input {
        multiline: Some(Multiline::starting_with("^[A-Z]")),
        exclude_lines: vec!["(?s)^Boring.*at ".into()],
        ..input()
    };
    let file = ["Error", " at a", "Boring", " at b", "Error", " at c"];
    let found = texts(&input, &file, Some(Flush::Events));
    assert_eq!(found, ["Error\n at a", "Error\n at c"]);
}

#[test]
fn an_event_too_long_is_cut_split_or_marked() {
    let long = |on_long_line| Input {
        max_line_bytes: 8,
        on_long_line,
        multiline: Some(Multiline::starting_with("^x")),
        ..input()
    };
    let file = ["xäää", "äääy", "x"];
    let found = read(&recipe(&long(LongLine::Truncate)), &file, Mark::START, None);
    assert_eq!(found[0].0, "xäää\n");
    assert_eq!(found[0].1.remarks.cut_from, Some(15));
    let found = read(&recipe(&long(LongLine::Split)), &file, Mark::START, None);
    let texts: Vec<_> = found.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(texts, ["xäää\n", "äääy"]);
    assert!(found.windows(2).all(|pair| pair[0].1.end < pair[1].1.end));
}

/// With these, one after the other; each with what becomes of a message that it fails on.
fn processed(processors: &[(Action, OnError)]) -> Input {
    let processor = |(action, on_error): &(Action, OnError)| Processor {
        action: action.clone(),
        on_error: *on_error,
    };
    Input { processors: processors.iter().map(processor).collect(), ..input() }
}

fn group(pattern: &str) -> Action {
    Action::ParseRegex { pattern: pattern.into() }
}

fn time(field: &str, format: &str) -> Action {
    Action::Timestamp { field: field.into(), format: format.into(), timezone: "UTC".into() }
}

#[test]
fn a_message_has_the_time_that_stands_in_it_or_that_of_its_runtime() {
    let parse = (group("^(?P<at>[0-9]+)"), OnError::Keep);
    let input = processed(&[parse, (time("at", "unix"), OnError::Keep)]);
    let file = [
        "1772368200 a",
        "no time",
        "2026-11-21T10:00:00Z stdout F 5 b",
        "1970-01-01T00:00:01Z stdout F c",
    ];
    let found = read(&recipe(&input), &file, Mark::START, None);
    let times = |found: &[Found]| found.iter().map(|(_, made)| made.time_ns).collect::<Vec<_>>();
    let second = 1_000_000_000;
    assert_eq!(
        times(&found),
        [Some(1_772_368_200 * second), None, Some(2026 * second), Some(1970 * second)]
    );
    let input = Input { format: Format::Container, ..input };
    let found = read(&recipe(&input), &file[2..], Mark::START, None);
    assert_eq!(times(&found), [Some(5 * second), Some(second)]);
}

#[test]
fn what_a_processor_fails_on_is_kept_dropped_or_marked() {
    let file = ["1 a", "b", "3 c"];
    for (on_error, texts, failed) in [
        (OnError::Keep, &["1 a", "b", "3 c"][..], [None; 3].as_slice()),
        (OnError::Drop, &["1 a", "3 c"], &[None; 2]),
        (OnError::DeadLetter, &["1 a", "b", "3 c"], &[None, Some(Failure::NoMatch), None]),
    ] {
        let input = processed(&[(group(r"^(?P<n>\d)"), on_error)]);
        let mut assembly = Assembly::resume(recipe(&input), None, Mark::START);
        feed(&mut assembly, &file, Offset::START);
        let out = assembly.take();
        let text =
            |made: &Made| String::from_utf8_lossy(&out.bytes[made.from..made.to]).into_owned();
        assert_eq!(out.records.iter().map(text).collect::<Vec<_>>(), texts);
        let marks: Vec<_> = out.records.iter().map(|made| made.remarks.failed).collect();
        assert_eq!(marks, failed);
        let dropped = u32::from(on_error == OnError::Drop);
        assert_eq!((out.tally.filtered, out.tally.dropped), (dropped, dropped));
        let failure = Failed { failure: Failure::NoMatch, count: 1, first: Offset(4) };
        assert_eq!(out.tally.failed, [failure]);
        // What is marked is a block of its own.
        let runs = if on_error == OnError::DeadLetter { 3 } else { 1 };
        assert_eq!(out.runs(false).len(), runs);
    }
}

#[test]
fn a_line_that_is_cut_is_kept_whatever_fails_then() {
    for on_long_line in [LongLine::Truncate, LongLine::Split, LongLine::DeadLetter] {
        let input = processed(&[(Action::ParseJson, OnError::Drop)]);
        let input = Input { max_line_bytes: 8, on_long_line, ..input };
        let file = [r#"{"a":1}"#, r#"{"a":123}"#, "{"];
        let found = texts(&input, &file, None);
        let cut = [r#"{"a":1}"#, r#"{"a":123"#, "}"];
        let parts = if on_long_line == LongLine::Split { 3 } else { 2 };
        assert_eq!(found, cut[..parts]);
    }
}

fn line() -> impl Strategy<Value = String> {
    let message = prop::sample::select(vec!["x1", " more", "", "x2 abcdefghijk", "noise", " äö"]);
    let format = (0..10_u8, any::<bool>(), message);
    format.prop_map(|(kind, is_error, message)| {
        let stream = if is_error { "stderr" } else { "stdout" };
        match kind {
            0 => message.to_owned(),
            1..=3 => format!("2026-11-21T10:00:00Z {stream} P {message}"),
            4..=6 => format!("2026-11-21T10:00:00Z {stream} F {message}"),
            kind => {
                let end = if kind == 7 { "" } else { "\\n" };
                format!(r#"{{"log":"{message}{end}","stream":"{stream}","time":"2026-11-21T10:00:00Z"}}"#)
            }
        }
    })
}

fn shapes() -> impl Strategy<Value = Input> {
    let long = prop::sample::select(vec![LongLine::Truncate, LongLine::Split]);
    let on_errors = [OnError::Keep, OnError::Drop, OnError::DeadLetter];
    let on_error = prop::option::of(prop::sample::select(on_errors.to_vec()));
    (any::<bool>(), any::<bool>(), long, 4..40_usize, on_error).prop_map(
        |(multiline, filter, on_long_line, max_line_bytes, on_error)| Input {
            processors: on_error
                .map(|on_error| Processor { action: group("^(?P<x>x)"), on_error })
                .into_iter()
                .collect(),
            multiline: multiline.then(|| Multiline::starting_with("^x")),
            exclude_lines: if filter { vec!["noise".into()] } else { Vec::new() },
            skip_empty: filter,
            on_long_line,
            max_line_bytes,
            ..container()
        },
    )
}

proptest! {
    /// Wherever a run ends, the next one goes on without a repeat and without a gap.
    #[test]
    fn reading_again_from_any_place_brings_the_rest(
        lines in prop::collection::vec(line(), 0..30),
        input in shapes(),
    ) {
        let recipe = recipe(&input);
        let file: Vec<&str> = lines.iter().map(String::as_str).collect();
        let all = read(&recipe, &file, Mark::START, Some(Flush::All));
        for (at, (_, made)) in all.iter().enumerate() {
            let Place { offset, ahead } = made.place;
            let rest = read(&recipe, &file, Mark { offset, anchor: Anchor::NONE, ahead }, Some(Flush::All));
            // A message that is split comes again as a whole.
            let from = all.len().saturating_sub(rest.len());
            let is_split = input.on_long_line == LongLine::Split && from <= at;
            prop_assert!(from == at + 1 || is_split, "{rest:?} after {made:?} of {all:?}");
            for ((again, of), (text, made)) in rest.iter().zip(&all[from..]) {
                prop_assert_eq!((again, of.end), (text, made.end));
            }
        }
    }

    /// Consumers drop as a repeat what ends where another record did.
    #[test]
    fn parts_of_lines_have_names_of_their_own(
        lines in prop::collection::vec(line(), 0..30),
        input in shapes(),
    ) {
        let input = Input { on_long_line: LongLine::Split, multiline: None, ..input };
        let file: Vec<&str> = lines.iter().map(String::as_str).collect();
        let all = read(&recipe(&input), &file, Mark::START, Some(Flush::All));
        let ends: std::collections::BTreeSet<_> = all.iter().map(|(_, made)| made.end).collect();
        prop_assert_eq!(ends.len(), all.len());
    }

    /// Places never go back, and no two records have one name.
    #[test]
    fn places_ascend_and_names_differ(
        lines in prop::collection::vec(line(), 0..30),
        input in shapes(),
    ) {
        let input = Input { on_long_line: LongLine::Truncate, ..input };
        let file: Vec<&str> = lines.iter().map(String::as_str).collect();
        let all = read(&recipe(&input), &file, Mark::START, Some(Flush::All));
        prop_assert!(all.windows(2).all(|pair| pair[0].1.place.offset <= pair[1].1.place.offset));
        let mut ends: Vec<_> = all.iter().map(|(_, made)| made.end).collect();
        ends.sort_unstable();
        ends.dedup();
        prop_assert_eq!(ends.len(), all.len());
    }

    /// However lines are parted among reads, and whenever events are given up waiting for.
    #[test]
    fn nothing_is_lost_and_streams_keep_their_order(
        lines in prop::collection::vec(line(), 0..30),
        flushes in prop::collection::vec(any::<bool>(), 30),
    ) {
        let input = Input { multiline: Some(Multiline::starting_with("^x")), ..container() };
        let mut assembly = Assembly::resume(recipe(&input), None, Mark::START);
        let (mut start, mut wanted) = (0, [String::new(), String::new()]);
        for (at, line) in lines.iter().enumerate() {
            let of = line.len() % 2;
            let text = format!("2026-11-21T10:00:00Z {} F {at};", ["stdout", "stderr"][of]);
            wanted[of].extend([at.to_string(), ";".into()]);
            let (bytes, end) = (text.as_bytes(), Offset(start + text.len() as u64 + 1));
            let start_at = Offset(std::mem::replace(&mut start, end.0));
            assembly.feed(&Raw { bytes, start: start_at, end, remarks: Remarks::default() });
            if flushes[at] {
                assembly.flush(Flush::Events);
            }
        }
        assembly.flush(Flush::All);
        let out = assembly.take();
        let mut found = [String::new(), String::new()];
        for made in &out.records {
            let text = String::from_utf8_lossy(&out.bytes[made.from..made.to]).replace('\n', "");
            let first: usize = text.split(';').next().unwrap().parse().unwrap();
            found[lines[first].len() % 2] += &text;
        }
        prop_assert_eq!(found, wanted);
    }
}

//! What lines become, and that reading again from any place brings the same.

use std::sync::Arc;

use proptest::prelude::*;

use super::{Assembly, Flush, Made, Place, Raw, Recipe};
use crate::decode::Encoding;
use crate::record::{Anchor, Mark, Offset, Remarks};
use crate::settings::{Format, Input, LongLine, Multiline};

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

/// Feeds the lines of `file` from a mark on.
fn read(recipe: &Arc<Recipe>, file: &[&str], from: Mark, flush: Option<Flush>) -> Vec<Found> {
    let mut assembly = Assembly::resume(recipe.clone(), None, from);
    let mut start = 0;
    for line in file {
        let end = start + line.len() as u64 + 1;
        if start >= from.offset.0 {
            let (bytes, start, end) = (line.as_bytes(), Offset(start), Offset(end));
            assembly.feed(&Raw { bytes, start, end, remarks: Remarks::default() });
        }
        start = end;
    }
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
    (any::<bool>(), any::<bool>(), long, 4..40_usize).prop_map(
        |(multiline, filter, on_long_line, max_line_bytes)| Input {
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

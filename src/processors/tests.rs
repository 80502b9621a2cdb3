//! What becomes of messages, and that nothing breaks whatever they are.

use std::collections::BTreeMap;

use jiff::civil::date;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::json;

use super::{Fields, Form, Given, Lot, Pattern, Processed, Processors, Unusable, Value, Zone};
use crate::record::Failure;
use crate::settings::{Action, OnError, Processor};

const MS: i64 = 1_000_000;
/// 2026-03-01T12:30:00.250Z, a Sunday.
const WRITTEN: i64 = 1_772_368_200_250 * MS;

fn keep(action: Action) -> Processor {
    Processor { action, on_error: OnError::Keep }
}

fn regex(pattern: &str) -> Processor {
    keep(Action::ParseRegex { pattern: pattern.into() })
}

fn timestamp(field: &str, format: &str, timezone: &str) -> Processor {
    let (field, format, timezone) = (field.into(), format.into(), timezone.into());
    keep(Action::Timestamp { field, format, timezone })
}

fn given(text: &[u8]) -> Given<'_> {
    Given { text, is_cut: false, read_ns: WRITTEN }
}

/// What is found in a text, and what failed.
fn run<'a>(processors: &'a Processors, given: &Given<'a>) -> (Processed<'a>, Vec<Failure>) {
    let mut failures = Vec::new();
    let made = processors.run(given, |failure| failures.push(failure));
    (made, failures)
}

fn made(all: &[Processor], text: &str) -> (serde_json::Value, Option<i64>, Vec<Failure>) {
    let processors = Processors::of(all).unwrap();
    let (made, failures) = run(&processors, &given(text.as_bytes()));
    (shown(&made.fields), made.time_ns, failures)
}

fn shown(fields: &Fields<'_>) -> serde_json::Value {
    let value = |value| match value {
        Value::Json(json) => serde_json::from_str(json).expect("is JSON"),
        Value::Text(text) => json!(String::from_utf8_lossy(text)),
    };
    fields.iter().map(|(name, found)| (name.to_owned(), value(found))).collect()
}

/// A time in a text of its own, read when `WRITTEN` is now.
fn time(format: &str, timezone: &str, text: &str) -> Option<i64> {
    time_at(format, timezone, text, WRITTEN)
}

fn time_at(format: &str, timezone: &str, text: &str, read_ns: i64) -> Option<i64> {
    let processors = [regex("(?s-u)^(?P<all>.*)$"), timestamp("all", format, timezone)];
    let processors = Processors::of(&processors).unwrap();
    let given = Given { read_ns, ..given(text.as_bytes()) };
    let (made, failures) = run(&processors, &given);
    assert_eq!(made.time_ns.is_none(), failures == [Failure::NoTime], "{text}");
    made.time_ns
}

#[test]
fn members_of_an_object_are_fields_as_they_stand() {
    let text =
        r#" {"a": 1.000000000000000000001, "b": {"c": [true, null]}, "a b": "\u00e4", "a": -0.0} "#;
    let processors = Processors::of(&[keep(Action::ParseJson)]).unwrap();
    let (made, failures) = run(&processors, &given(text.as_bytes()));
    let found: Vec<_> = made.fields.iter().collect();
    let json = |name, json| (name, Value::Json(json));
    let members =
        [json("a", "-0.0"), json("a b", r#""\u00e4""#), json("b", r#"{"c": [true, null]}"#)];
    assert_eq!((found, failures), (members.to_vec(), vec![]));
}

#[test]
fn however_deep_an_object_is_it_is_a_field() {
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(300_000), "]".repeat(300_000));
    let processors = [keep(Action::ParseJson), timestamp("a.b", "unix", "UTC")];
    let processors = Processors::of(&processors).unwrap();
    let (made, failures) = run(&processors, &given(deep.as_bytes()));
    assert!(made.fields.has("a") && failures == [Failure::NoField]);
}

#[test]
fn what_is_no_object_gives_no_field() {
    for text in ["", "[1]", "7", "{", "{\"a\":1} x", "{\"a\":}", "{a:1}", "null", "\u{feff}{}"] {
        let (fields, _, failures) = made(&[keep(Action::ParseJson)], text);
        assert_eq!((fields, failures), (json!({}), vec![Failure::NoObject]), "{text}");
    }
    let processors = Processors::of(&[keep(Action::ParseJson)]).unwrap();
    let (made, failures) = run(&processors, &given(b"{\"a\":\"\xFF\"}"));
    assert!(made.fields.is_empty() && failures == [Failure::NoObject]);
}

#[test]
fn groups_that_match_are_fields_whatever_their_bytes() {
    let processors = Processors::of(&[regex(r"(?s-u)^(?P<one>\w+)(?: (?P<two>.))?(x)")]).unwrap();
    let (made, failures) = run(&processors, &given(b"abc \xFFx"));
    let found: Vec<_> = made.fields.iter().collect();
    assert_eq!(found, [("one", Value::Text(b"abc")), ("two", Value::Text(b"\xFF"))]);
    assert_eq!(failures, []);
    let (made, _) = run(&processors, &given(b"ax"));
    assert_eq!(made.fields.iter().collect::<Vec<_>>(), [("one", Value::Text(b"a"))]);
    let (made, failures) = run(&processors, &given(b"--"));
    assert!(made.fields.is_empty() && failures == [Failure::NoMatch]);
}

#[test]
fn an_event_is_seen_as_a_whole() {
    let (fields, ..) = made(&[regex(r"^(?P<first>.*)\n(?P<second>.*)$")], "a b\nc");
    assert_eq!(fields, json!({"first": "a b", "second": "c"}));
    let (fields, ..) = made(&[keep(Action::ParseJson)], "{\n  \"a\":\n  1\n}");
    assert_eq!(fields, json!({"a": 1}));
}

#[test]
fn the_last_to_find_a_field_counts_and_a_failure_takes_none_away() {
    let all = [keep(Action::ParseJson), regex(r#""a":(?P<a>\d)"#), regex("(?P<a>no such)")];
    let (fields, _, failures) = made(&all, r#"{"a":1,"b":2}"#);
    assert_eq!((fields, failures), (json!({"a": "1", "b": 2}), vec![Failure::NoMatch]));
}

#[test]
fn a_failure_ends_it_if_that_is_wanted_but_not_for_a_line_that_we_cut() {
    for (on_error, lot) in [
        (OnError::Keep, Lot::Kept),
        (OnError::Drop, Lot::Dropped),
        (OnError::DeadLetter, Lot::Buried(Failure::NoObject)),
    ] {
        let first = Processor { action: Action::ParseJson, on_error };
        let processors = Processors::of(&[first, regex("(?P<a>x)")]).unwrap();
        let (made, failures) = run(&processors, &given(b"x"));
        assert_eq!((made.lot, failures), (lot, vec![Failure::NoObject]));
        let (made, failures) = run(&processors, &Given { is_cut: true, ..given(b"x") });
        assert_eq!((made.lot, failures), (Lot::Kept, vec![Failure::NoObject]));
        assert!(made.fields.has("a"));
    }
}

#[test]
fn a_time_is_found_within_objects_and_under_a_name_with_dots() {
    let time = |field: &str, text: &str| {
        let all = [keep(Action::ParseJson), timestamp(field, "unix_ms", "UTC")];
        let processors = Processors::of(&all).unwrap();
        let (made, failures) = run(&processors, &given(text.as_bytes()));
        made.time_ns.ok_or_else(|| failures[0])
    };
    assert_eq!(time("a.b.c", r#"{"a":{"b":{"c":1772368200250}}}"#), Ok(WRITTEN));
    assert_eq!(time("a.b.c", r#"{"a":{"b.c":"1772368200250"}}"#), Ok(WRITTEN));
    assert_eq!(time("a.b", r#"{"a.b":"17723682\u003002\u00350","a":{"b":1}}"#), Ok(WRITTEN));
    for text in [r#"{"a":1}"#, r#"{"a":[1]}"#, r#"{"a":{"c":1}}"#, "{}"] {
        assert_eq!(time("a.b", text), Err(Failure::NoField), "{text}");
    }
    for value in ["null", "true", "[1]", "{}", r#""x""#, r#""""#, "1e12", r#""\ud800""#] {
        let text = format!(r#"{{"a":{value}}}"#);
        assert_eq!(time("a", &text), Err(Failure::NoTime), "{text}");
    }
}

#[test]
fn times_as_real_logs_have_them() {
    let second = 1_772_368_200_000 * MS;
    for (format, text, expected) in [
        ("%d/%b/%Y:%H:%M:%S %z", "01/Mar/2026:12:30:00 +0000", second),
        ("%d/%b/%Y:%H:%M:%S %z", "01/Mar/2026:13:30:00 +0100", second),
        ("%d/%b/%Y:%H:%M:%S %z", "01/Mar/2026:07:00:00 -0530", second),
        ("%Y-%m-%dT%H:%M:%S%:z", "2026-03-01T13:30:00+01:00", second),
        ("%Y-%m-%d %H:%M:%S,%f", "2026-03-01 12:30:00,250", WRITTEN),
        ("%Y-%m-%d %H:%M:%S%.f", "2026-03-01 12:30:00.25", WRITTEN),
        ("%Y-%m-%d %H:%M:%S%.f", "2026-03-01 12:30:00", second),
        ("%b %d %H:%M:%S", "Mar  1 12:30:00", second),
        ("%b %e %H:%M:%S", "Mar 01 12:30:00", second),
        ("%m%d %H:%M:%S%.f", "0301 12:30:00.250000", WRITTEN),
        ("%a %b %d %H:%M:%S %Y", "Sun Mar  1 12:30:00 2026", second),
        ("%a %b %d %H:%M:%S", "Mon Mar  1 12:30:00", second),
        ("%m/%d/%y %I:%M:%S %p", "03/01/26 12:30:00 PM", second),
        ("%Y-%m-%d %H:%M:%S%.f UTC", "2026-03-01 12:30:00.250 UTC", WRITTEN),
        ("%s", "1772368200", second),
        ("unix", "1772368200", second),
        ("unix", "1772368200.25", WRITTEN),
        ("unix", "1772368200.2500000009999", WRITTEN),
        ("unix", "-1.5", -1500 * MS),
        ("unix_ms", "1772368200250", WRITTEN),
        ("unix_ms", "1772368200250.000001", WRITTEN + 1),
        ("rfc3339", "2026-03-01T12:30:00.250Z", WRITTEN),
        ("rfc3339", "2026-03-01 12:30:00.25+00:00", WRITTEN),
        ("rfc3339", "2026-03-01T14:30:00.25+02:00", WRITTEN),
        ("rfc3339", "2026-03-01t12:30:00.25z", WRITTEN),
        ("rfc3339", "2026-03-01 12:30:00,250", WRITTEN),
        ("rfc3339", "2026-03-01T13:30:00,250+0100", WRITTEN),
        ("rfc3339", "2026-03-01T13:30:00.250+01:00[Europe/Berlin]", WRITTEN),
    ] {
        assert_eq!(time(format, "UTC", text), Some(expected), "{format}: {text}");
    }
}

#[test]
fn what_is_no_time_is_none() {
    for (format, text) in [
        ("%Y-%m-%d %H:%M:%S", "2026-02-29 12:30:00"),
        ("%Y-%m-%d %H:%M:%S", "2026-03-01 12:30:00 x"),
        ("%a %d %b %Y", "Mon 01 Mar 2026"),
        ("%b %d %H:%M:%S", "Feb 30 12:30:00"),
        ("unix", ""),
        ("unix", "."),
        ("unix", "1."),
        ("unix", ".5"),
        ("unix", "+1"),
        ("unix", "0x10"),
        ("unix", "99999999999999999999"),
        ("unix", "9223372037"),
        ("rfc3339", "2026-03-01"),
        ("rfc3339", "12:30:00Z"),
        ("rfc3339", "2026-03-01T12:30:00[Europe/Berlin]"),
        ("rfc3339", "9999-03-01T12:30:00Z"),
    ] {
        assert_eq!(time(format, "UTC", text), None, "{format}: {text}");
    }
}

#[test]
fn a_zone_that_the_text_does_not_say_is_the_given_one() {
    let berlin = |text| time("%Y-%m-%d %H:%M:%S%.f", "Europe/Berlin", text);
    assert_eq!(berlin("2026-03-01 13:30:00.25"), Some(WRITTEN));
    assert_eq!(time("rfc3339", "Europe/Berlin", "2026-03-01 13:30:00.25"), Some(WRITTEN));
    assert_eq!(time("rfc3339", "Europe/Berlin", "2026-03-01 12:30:00.25Z"), Some(WRITTEN));
    let said = time("%Y-%m-%d %H:%M:%S%.f %z", "Europe/Berlin", "2026-03-01 12:30:00.25 +0000");
    assert_eq!(said, Some(WRITTEN));
    // Shown twice, and left out.
    let hour = 3_600_000 * MS;
    assert_eq!(berlin("2026-10-25 02:30:00"), berlin("2026-10-25 01:30:00").map(|at| at + hour));
    assert_eq!(berlin("2026-03-29 02:30:00"), berlin("2026-03-29 03:30:00"));
    assert!(Zone::new("local").is_ok());
}

#[test]
fn a_time_without_its_year_is_near_its_reading() {
    let at = |year, month, day| {
        let civil = date(year, month, day).at(0, 0, 0, 0);
        let moment = TimeZone::UTC.to_timestamp(civil).unwrap();
        i64::try_from(moment.as_nanosecond()).unwrap()
    };
    for (text, read, expected) in [
        ("Mar  1 00:00:00", at(2026, 3, 1), at(2026, 3, 1)),
        ("Dec 31 00:00:00", at(2026, 1, 1), at(2025, 12, 31)),
        ("Jan  1 00:00:00", at(2026, 12, 31), at(2027, 1, 1)),
        ("Sep  2 00:00:00", at(2026, 3, 1), at(2025, 9, 2)),
        ("Feb 29 00:00:00", at(2026, 2, 1), at(2024, 2, 29)),
        ("Feb 29 00:00:00", at(2100, 2, 1), at(2096, 2, 29)),
    ] {
        assert_eq!(time_at("%b %d %H:%M:%S", "UTC", text, read), Some(expected), "{text}");
    }
}

#[test]
fn what_cannot_be_used_is_refused() {
    assert!(matches!(Pattern::new("("), Err(Unusable::Pattern(_))));
    assert!(matches!(Pattern::new("(a)b"), Err(Unusable::NoGroup)));
    for text in ["", "iso8601", "RFC3339", "yyyy-MM-dd"] {
        assert!(matches!(Form::new(text), Err(Unusable::Form)), "{text}");
    }
    for text in
        ["%H:%M:%S", "%Y-%m", "%Y-%m-%d %I:%M", "%Y-%m-%d %Z", "%E", "%", "%Y-%m-%d %M", "%F %T %Q"]
    {
        assert!(matches!(Form::new(text), Err(Unusable::NoTime(_))), "{text}");
    }
    for text in ["", "Mars/Olympus", "CEST+1", "/etc/passwd", "../../etc/localtime"] {
        assert!(matches!(Zone::new(text), Err(Unusable::Zone)), "{text}");
    }
}

/// JSON of any kind.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(|value| json!(value)),
        any::<i64>().prop_map(|value| json!(value)),
        any::<f64>().prop_map(|value| json!(value)),
        ".{0,8}".prop_map(|value| json!(value)),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        let members = prop::collection::btree_map("[a-c.\"\\\\ä]{0,3}", inner.clone(), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|items| json!(items)),
            members.prop_map(|members| json!(members)),
        ]
    })
}

/// Of all formats, those that tell a time to the second.
const FORMATS: [&str; 8] = [
    "%d/%b/%Y:%H:%M:%S %z",
    "%Y-%m-%d %H:%M:%S,%3f",
    "%Y-%m-%dT%H:%M:%S%.f%:z",
    "%a %b %e %H:%M:%S %Y",
    "%A, %d %B %Y %I:%M:%S %p",
    "%G-W%V-%u %T",
    "%Y%j%H%M%S",
    "%s",
];

proptest! {
    #[test]
    fn fields_are_what_serde_json_says(json in any_json()) {
        let text = json.to_string();
        let (fields, _, failures) = made(&[keep(Action::ParseJson)], &text);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        if json.is_object() {
            prop_assert_eq!((fields, failures), (json, vec![]));
        } else {
            prop_assert_eq!((fields, failures), (json!({}), vec![Failure::NoObject]));
        }
    }

    #[test]
    fn whatever_a_message_is_all_go_through_it_and_do_so_again(
        text in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "[{}\\[\\]\":,\\\\ue0-9a.\\- ]{0,80}".prop_map(String::into_bytes),
        ],
        is_cut in any::<bool>(),
    ) {
        let mut all = vec![keep(Action::ParseJson), regex(r"(?s-u)(?P<a>.)(?P<b>\d+.\d+)?")];
        let formats = Form::NAMES.into_iter().chain(FORMATS).chain(["%b %d %T"]);
        let fields = ["a", "b", "a.b"].into_iter().cycle();
        all.extend(formats.zip(fields).map(|(format, field)| timestamp(field, format, "UTC")));
        let processors = Processors::of(&all).unwrap();
        let given = Given { is_cut, ..given(&text) };
        let (first, failures) = run(&processors, &given);
        let years = 250_000_000 * 1000 * MS;
        let (again, same) = run(&processors, &Given { read_ns: WRITTEN + years, ..given });
        prop_assert_eq!(failures, same);
        prop_assert_eq!((first.lot, again.lot), (Lot::Kept, Lot::Kept));
        let found: BTreeMap<_, _> = first.fields.iter().collect();
        prop_assert_eq!(&found, &again.fields.iter().collect());
        for value in found.values() {
            if let Value::Json(json) = value {
                prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok());
            }
        }
    }

    /// Times between 1970 and 2200, in zones to the minute.
    #[test]
    fn a_time_written_is_the_time_read(
        ns in 0..7_258_118_400_000_000_000_i64,
        ahead in -720..=840_i32,
        format in prop::sample::select(FORMATS.to_vec()),
    ) {
        let zone = TimeZone::fixed(jiff::tz::Offset::from_seconds(ahead * 60).unwrap());
        let moment = jiff::Timestamp::from_nanosecond(ns.into()).unwrap();
        let says_zone = format.ends_with('z');
        let zoned = moment.to_zoned(if says_zone { zone } else { TimeZone::UTC });
        let text = jiff::fmt::strtime::format(format, &zoned).unwrap();
        let unit = if format.contains("%3f") { MS } else if format.contains("%.f") { 1 } else { 1000 * MS };
        prop_assert_eq!(time(format, "UTC", &text), Some(ns - ns % unit), "{}", text);
        let text = moment.to_zoned(TimeZone::UTC).timestamp().to_string();
        prop_assert_eq!(time("rfc3339", "Asia/Tokyo", &text), Some(ns), "{}", text);
        let text = format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000);
        prop_assert_eq!(time("unix", "UTC", &text), Some(ns), "{}", text);
        let text = format!("{}.{:06}", ns / MS, ns % MS);
        prop_assert_eq!(time("unix_ms", "UTC", &text), Some(ns), "{}", text);
    }

    #[test]
    fn whether_it_is_a_time_does_not_depend_on_when_it_is_read(
        weekday in prop::sample::select(vec!["Mon", "Thu", "Sun"]),
        month in prop::sample::select(vec!["Feb", "Feb", "Apr", "Oct"]),
        day in prop_oneof![Just(29), 1..32_u32],
        reads in [0..7_258_118_400_000_000_000_i64, 0..7_258_118_400_000_000_000_i64],
    ) {
        let text = format!("{weekday} {month} {day} 02:30:00");
        let is_time = |read| time_at("%a %b %d %T", "Europe/Berlin", &text, read).is_some();
        let may_be = day < 30 || day == 30 && month != "Feb" || month == "Oct";
        prop_assert_eq!(reads.map(is_time), [may_be; 2], "{}", text);
    }

    #[test]
    fn whatever_an_option_is_it_is_used_or_refused(
        text in prop_oneof![any::<String>(), "[%:.0-9A-Za-z /^_-]{0,12}", "(%[-_0^]?[0-9]?[:.]?[a-zA-Z]){0,4}"],
    ) {
        if let Ok(form) = Form::new(&text) {
            let stamp = super::timestamp::Timestamp::new("a", form, Zone::new("UTC").unwrap());
            let mut fields = Fields::default();
            fields.set("a", Value::Text(text.as_bytes()));
            prop_assert_ne!(stamp.read(&fields, WRITTEN), Err(Failure::NoField));
        }
        if let Ok(pattern) = Pattern::new(&text) {
            prop_assert!(pattern.groups().next().is_some());
        }
        drop(Zone::new(&text));
    }
}

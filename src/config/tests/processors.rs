//! `processors` of an input.

use proptest::prelude::*;

use super::{lines, load, with_input};
use crate::settings::{Action, OnError, Processor};

/// A whole configuration around some processors, whose fields are seen; they begin on line 8.
fn with(items: &str) -> String {
    with_input(&format!("    value: json\n    processors:\n{items}"))
}

fn check(cases: &[(&str, &str)]) {
    for (items, said) in cases {
        assert_eq!(lines(&with(items)).join("\n"), *said, "{items}");
    }
}

#[test]
fn all_of_them() {
    let text = with(
        "      - parse_json: {}\n      - parse_json:\n          on_error: drop\n      \
               - parse_regex: {pattern: '(?P<a>x)', on_error: dead_letter}\n      \
               - timestamp: {field: b.c, format: '%F %T', timezone: Europe/Berlin}\n      \
               - timestamp: {field: a, format: unix}",
    );
    let loaded = load(&text).map_err(|error| error.to_string()).expect("is right");
    assert!(loaded.warnings.is_empty());
    let timestamp = |field: &str, format: &str, timezone: &str| {
        let (field, format, timezone) = (field.into(), format.into(), timezone.into());
        Action::Timestamp { field, format, timezone }
    };
    let expected = [
        (Action::ParseJson, OnError::Keep),
        (Action::ParseJson, OnError::Drop),
        (Action::ParseRegex { pattern: "(?P<a>x)".into() }, OnError::DeadLetter),
        (timestamp("b.c", "%F %T", "Europe/Berlin"), OnError::Keep),
        (timestamp("a", "unix", "UTC"), OnError::Keep),
    ];
    let expected = expected.map(|(action, on_error)| Processor { action, on_error });
    assert_eq!(loaded.settings.inputs[0].processors, expected);
    let none = load(&with_input("    processors: []")).map_err(|error| error.to_string());
    assert!(none.expect("is right").settings.inputs[0].processors.is_empty());
}

#[test]
fn each_item_is_one_of_them() {
    check(&[
        (
            "      - {}",
            "8:9 error: `processors`: one of parse_json, parse_regex, timestamp is missing",
        ),
        (
            "      - ~",
            "8:9 error: `processors`: one of parse_json, parse_regex, timestamp is missing",
        ),
        (
            "      - parse_json",
            "8:9 error: `inputs[0].processors[0]` takes a mapping (`key: value`), not a single value",
        ),
        ("      parse_json: {}", "8:7 error: `processors` takes a list, not a mapping"),
        (
            "      - parse_json: {}\n        timestamp: {field: a, format: unix}",
            "9:9 error: `processors`: `timestamp` needs an item of its own",
        ),
        ("      - parse_jsn: {}", "8:9 error: unknown processor `parse_jsn` => parse_json"),
        ("      - grok: {}", "8:9 error: unknown processor `grok`"),
        ("      - parse_logfmt: {}", "8:9 error: `parse_logfmt` is not supported by this version"),
        ("      - dedupe:", "8:9 error: `dedupe` is not supported by this version"),
        ("      - parse_json: {on_eror: keep}", "8:22 error: unknown key `on_eror` => on_error"),
        (
            "      - parse_json: {on_error: ignore}",
            "8:32 error: `on_error`: `ignore` is none of keep, drop, dead_letter",
        ),
    ]);
}

#[test]
fn patterns_have_groups_with_names() {
    check(&[
        (
            "      - parse_regex: {}",
            "8:22 error: `pattern` is missing in `inputs[0].processors[0].parse_regex`",
        ),
        (
            "      - parse_regex: {pattern: '(a)'}",
            "8:32 error: `pattern`: `(a)` has no group with a name, `(?P<name>…)`, and gives no field",
        ),
        (
            "      - parse_regex: {pattern: '('}",
            "8:32 error: `pattern`: `(` is not a regular expression: regex parse error:\n    (\n    ^\nerror: unclosed group",
        ),
    ]);
}

#[test]
fn a_timestamp_has_a_field_that_there_may_be_and_a_format_that_gives_a_time() {
    let json =
        |options: &str| format!("      - parse_json: {{}}\n      - timestamp: {{{options}}}");
    let regex = |options: &str| {
        format!("      - parse_regex: {{pattern: '(?P<time>x)'}}\n      - timestamp: {{{options}}}")
    };
    let cases = [
        (
            "      - timestamp: {field: time, format: unix}".to_owned(),
            "8:28 error: `field`: there are no fields yet: `parse_json` or `parse_regex` comes before",
        ),
        (
            regex("field: tme, format: unix"),
            "9:28 error: `field`: `tme` is no group of a pattern before => time",
        ),
        (
            json("format: rfc3399"),
            "9:20 error: `field` is missing in `inputs[0].processors[1].timestamp`\n9:29 error: `format`: `rfc3399` is none of rfc3339, unix, unix_ms, a pattern such as %Y-%m-%d %H:%M:%S => rfc3339",
        ),
        (
            json("field: a"),
            "9:20 error: `format` is missing in `inputs[0].processors[1].timestamp`",
        ),
        (
            json("field: a, format: unix, timezone: Mars/Olympus"),
            "9:55 error: `timezone`: `Mars/Olympus` is no time zone that this machine knows (tzdata)",
        ),
        (
            json("field: a, format: unix, timezone: utc"),
            "9:55 warning: `timezone` has no effect: seconds since 1970 are the same everywhere",
        ),
        // What a pattern that is wrong would give is not known.
        (
            format!(
                "      - parse_regex: {{pattern: '(a)'}}\n{}",
                "      - timestamp: {field: a, format: unix}"
            ),
            "8:32 error: `pattern`: `(a)` has no group with a name, `(?P<name>…)`, and gives no field",
        ),
    ];
    for (items, said) in &cases {
        check(&[(items, said)]);
    }
    let found = lines(&with(&json("field: a, format: '%H:%M'"))).join("\n");
    assert!(found.starts_with("9:39 error: `format`: `%H:%M` can never give a time: "), "{found}");
}

#[test]
fn what_has_no_effect_is_said() {
    let idle = "6:17 warning: `processors` has no effect with `value: raw`, no `timestamp` and nothing but `on_error: keep`; `value: json` and `value: ecs` have the fields";
    assert_eq!(lines(&with_input("    processors: [{parse_json: {}}]")), [idle]);
    for items in [
        "{parse_json: {on_error: drop}}",
        "{parse_json: {}}, {timestamp: {field: a, format: unix}}",
    ] {
        assert_eq!(lines(&with_input(&format!("    processors: [{items}]"))), [""; 0], "{items}");
    }
    assert_eq!(lines(&with_input("    value: ecs\n    processors: [{parse_json: {}}]")), [""; 0]);
}

proptest! {
    /// Nothing breaks, and what is taken can be used.
    #[test]
    fn whatever_is_written_is_taken_or_refused(
        name in prop::sample::select(vec!["parse_json", "parse_regex", "timestamp", "mask", "x"]),
        keys in prop::collection::btree_map(
            prop::sample::select(vec!["pattern", "field", "format", "timezone", "on_error", "x"]),
            prop_oneof![
                "[ -~]{0,12}",
                "(%[-_0^]?[a-zA-Z]){1,3}",
                prop::sample::select(vec!["a", "(?P<a>x)", "unix", "drop", "UTC"]).prop_map(str::to_owned),
            ],
            0..4,
        ),
    ) {
        let keys = keys.iter().map(|(key, text)| format!("{key}: '{}'", text.replace('\'', "''").replace('$', "$$")));
        let keys = keys.collect::<Vec<_>>().join(", ");
        let text = with(&format!("      - parse_json: {{}}\n      - {name}: {{{keys}}}"));
        if let Ok(loaded) = load(&text) {
            let processors = &loaded.settings.inputs[0].processors;
            prop_assert!(crate::processors::Processors::of(processors).is_ok(), "{}", text);
        }
    }
}

use std::borrow::Cow;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::*;

const NINE: i64 = 1_795_251_600_000_000_000;

fn line(message: &[u8], stream: Stream, time_ns: Option<i64>, is_partial: bool) -> Line<'_> {
    Line { message: Cow::Borrowed(message), stream, time_ns, is_partial }
}

#[track_caller]
fn reads(text: &[u8], dialect: Dialect, message: &[u8], stream: Stream, is_partial: bool) {
    let expected = line(message, stream, Some(NINE), is_partial);
    let shown = String::from_utf8_lossy(text);
    assert_eq!(parse(text, dialect), Some(expected.clone()), "{shown}");
    assert_eq!(parse(text, Dialect::Detect), Some(expected), "{shown}");
}

#[test]
fn cri_lines_of_all_runtimes_are_read() {
    use Stream::{Stderr, Stdout};
    for (text, message, stream, is_partial) in [
        ("2026-11-21T09:00:00Z stdout F hello world", "hello world", Stdout, false),
        ("2026-11-21T10:00:00.000000000+01:00 stderr P half", "half", Stderr, true),
        ("2026-11-21T09:00:00Z stdout P:a:b  two spaces ", " two spaces ", Stdout, true),
        ("2026-11-21T09:00:00Z stdout F:more x", "x", Stdout, false),
        ("2026-11-21T09:00:00Z stdout F ", "", Stdout, false),
        ("2026-11-21T09:00:00Z stdout F", "", Stdout, false),
        ("2026-11-21T09:00:00Z stdout P:x", "", Stdout, true),
        ("2026-11-21T09:00:00Z stdout F F P", "F P", Stdout, false),
    ] {
        reads(text.as_bytes(), Dialect::Cri, message.as_bytes(), stream, is_partial);
    }
    let bytes = b"2026-11-21T09:00:00Z stdout F \xff\xfe\0";
    reads(bytes, Dialect::Cri, b"\xff\xfe\0", Stream::Stdout, false);
}

#[test]
fn what_is_not_cri_is_left_to_the_caller() {
    for text in [
        "",
        "hello",
        "2026-11-21T09:00:00Z stdout",
        "2026-11-21T09:00:00Z stdout ",
        "2026-11-21T09:00:00Z stdin F x",
        "2026-11-21T09:00:00Z stdout Fx y",
        "2026-11-21T09:00:00Z stdout no tags here",
        "2026-11-21T09:00:00 stdout F x",
        "2026-11-21 09:00:00Z stdout F x",
        " 2026-11-21T09:00:00Z stdout F x",
        "2026-11-21T09:00:00Z  stdout F x",
        "{\"log\":\"x\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-21T09:00:00Z\"}",
    ] {
        assert_eq!(parse(text.as_bytes(), Dialect::Cri), None, "{text}");
    }
}

#[test]
fn docker_lines_are_read_whatever_the_order_of_their_keys() {
    use Stream::{Stderr, Stdout};
    for (text, message, stream, is_partial) in [
        (
            r#"{"log":"a b\n","stream":"stdout","time":"2026-11-21T09:00:00Z"}"#,
            "a b",
            Stdout,
            false,
        ),
        (r#"{"time":"2026-11-21T09:00:00Z","stream":"stderr","log":"a"}"#, "a", Stderr, true),
        (
            r#"{"log":"x\n","stream":"stdout","attrs":{"tag":"}\",{","n":[1,-2.5e3,null]},"time":"2026-11-21T09:00:00Z"}"#,
            "x",
            Stdout,
            false,
        ),
        (
            "\t{ \"log\" : \"x\\n\" ,\"more\":12, \"stream\" : \"stdout\", \"time\" : \"2026-11-21T09:00:00Z\" } \r",
            "x",
            Stdout,
            false,
        ),
        (
            r#"{"log":"first\n","log":"last\n","stream":"stdout","time":"2026-11-21T09:00:00Z"}"#,
            "last",
            Stdout,
            false,
        ),
        (
            r#"{"l\u006fg":"x\n","stream":"std\u006fut","time":"2026-11-21T09:00:00\u005a"}"#,
            "x",
            Stdout,
            false,
        ),
        (r#"{"log":"\n","stream":"stdout","time":"2026-11-21T09:00:00Z"}"#, "", Stdout, false),
        (r#"{"log":"","stream":"stdout","time":"2026-11-21T09:00:00Z"}"#, "", Stdout, true),
    ] {
        let expected = line(message.as_bytes(), stream, Some(NINE), is_partial);
        assert_eq!(parse(text.as_bytes(), Dialect::Docker), Some(expected), "{text}");
    }
}

fn log(raw: &[u8]) -> Option<(Cow<'static, [u8]>, bool)> {
    let end = br#"","stream":"stdout","time":"2026-11-21T09:00:00Z"}"#;
    let text = [br#"{"log":""#, raw, end].concat().leak();
    parse(text, Dialect::Docker).map(|line| (line.message, line.is_partial))
}

#[test]
fn escapes_of_docker_are_taken_back() {
    for (raw, message, is_partial) in [
        (r"a\\n", r"a\n", true),
        (r"a\\\n", r"a\", false),
        (r"\\r\n", r"\r", false),
        (r"a\\", r"a\", true),
        (r#"\"quoted\" \/ \b\f\t\r\n\n"#, "\"quoted\" / \u{8}\u{c}\t\r\n", false),
        (r"tty\r\n", "tty", false),
        (r"\u001b[31mtty\u001b[0m\r\n", "\u{1b}[31mtty\u{1b}[0m", false),
        (r"\u003ca\u003e\u0026\u2028\n", "<a>&\u{2028}", false),
        (r"\u000a", "", false),
        (r"\ud83d\ude00 \uD83D\uDE00\n", "😀 😀", false),
        (r"\ud83d\n", "\u{fffd}", false),
        (r"\ude00\ud83d\ud83d\ude00\n", "\u{fffd}\u{fffd}😀", false),
        (r"\ud83d\u0041\n", "\u{fffd}A", false),
        (r"\ud83d\n\n", "\u{fffd}\n", false),
    ] {
        let (found, partial) = log(raw.as_bytes()).unwrap();
        assert_eq!(String::from_utf8_lossy(&found), message, "{raw}");
        assert_eq!(partial, is_partial, "{raw}");
    }
    assert_eq!(log(b"\xff\\t\n").unwrap().0.as_ref(), b"\xff\t");
}

#[test]
fn nothing_is_copied_unless_something_was_escaped() {
    for raw in ["plain\\n", "plain", "", "\\n", "terminal\\r\\n"] {
        assert!(matches!(log(raw.as_bytes()), Some((Cow::Borrowed(_), _))), "{raw}");
    }
    let cri = parse(b"2026-11-21T09:00:00Z stdout F x", Dialect::Detect).unwrap();
    assert!(matches!(cri.message, Cow::Borrowed(_)));
}

#[test]
fn what_is_not_dockers_is_left_to_the_caller() {
    let whole =
        r#"{"log":"x\n","stream":"stdout","attrs":{"a":"b"},"time":"2026-11-21T09:00:00Z"}"#;
    for text in [
        "",
        "{}",
        "hello",
        "[1]",
        r#"{"stream":"stdout","time":"2026-11-21T09:00:00Z"}"#,
        r#"{"log":null,"stream":"stdout"}"#,
        r#"{"log":7,"stream":"stdout"}"#,
        r#"{"log":"x\n","stream":"other"}"#,
        r#"{"log":"x\q","stream":"stdout"}"#,
        r#"{"log":"x\u12","stream":"stdout"}"#,
        r#"{"log":"x\u+123","stream":"stdout"}"#,
        r#"{"log":"x","stream":"stdout","a":tru}"#,
        r#"{"log":"x","stream":"stdout",}"#,
        &format!("{whole}{whole}"),
        &format!("{whole}x"),
    ] {
        assert_eq!(parse(text.as_bytes(), Dialect::Docker), None, "{text}");
    }
    for cut in 0..whole.len() {
        assert_eq!(parse(&whole.as_bytes()[..cut], Dialect::Docker), None, "{cut}");
    }
}

#[test]
fn an_application_that_writes_json_is_not_taken_for_docker() {
    for text in [
        r#"{"log":"main","level":"info","time":"2026-11-21T09:00:00Z"}"#,
        r#"{"log":"main","stream":"stdout"}"#,
    ] {
        assert_eq!(parse(text.as_bytes(), Dialect::Detect), None, "{text}");
        assert!(parse(text.as_bytes(), Dialect::Docker).is_some(), "{text}");
    }
    let nameless = parse(br#"{"log":"x\n","time":"nonsense"}"#, Dialect::Docker);
    assert_eq!(nameless, Some(line(b"x", Stream::Stdout, None, false)));
}

fn stream() -> impl Strategy<Value = Stream> {
    prop_oneof![Just(Stream::Stdout), Just(Stream::Stderr)]
}

/// What looks a little like a line of a container's log.
fn almost() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(br#"{"log":""#.to_vec()),
        Just(br#"","stream":"stdout""#.to_vec()),
        Just(br#","time":"2026-11-21T09:00:00.1Z"}"#.to_vec()),
        Just(br#","attrs":{"a":["#.to_vec()),
        Just(b"2026-11-21T09:00:00.1+01:00 ".to_vec()),
        Just(b"stdout P:".to_vec()),
        Just(b" F ".to_vec()),
        Just(br"\ud83d".to_vec()),
        Just(br"\ude00".to_vec()),
        Just(br"\n".to_vec()),
        vec(prop_oneof![any::<u8>(), Just(b'"'), Just(b'\\'), Just(b'u'), Just(b'}')], 0..4),
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// What may stand between the quotes, mostly.
fn escaped() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        r"\n", r"\r", r"\\", r#"\""#, r"\u00e9", r"\ud83d", r"\ude00", r"\u0041", r"\t", "ü", "n",
    ];
    let piece =
        prop_oneof![8 => proptest::sample::select(PIECES), 1 => Just(r"\x"), 1 => Just("\"")];
    vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_cri_line_that_was_written_is_read(
        message in vec(any::<u8>(), 0..60),
        stream in stream(),
        tags in "[PF](:[a-z]{0,3}){0,3}",
        fraction in "(\\.[0-9]{1,9})?",
        zone in "Z|[+-](0[0-9]|1[0-3]):[0-5][0-9]",
    ) {
        let head = format!("2026-11-21T09:00:00{fraction}{zone} {} {tags} ", stream.name());
        let text = [head.as_bytes(), &message].concat();
        let found = parse(&text, Dialect::Cri).unwrap();
        prop_assert_eq!(found.message.as_ref(), &message);
        prop_assert_eq!(found.stream, stream);
        prop_assert_eq!(found.is_partial, tags.starts_with('P'));
        prop_assert!(found.time_ns.is_some());
        prop_assert_eq!(parse(&text, Dialect::Detect), Some(found));
    }

    #[test]
    fn a_docker_line_that_was_written_is_read(
        message in any::<String>(),
        ends in prop_oneof![Just(""), Just("\n"), Just("\r\n")],
        stream in stream(),
        more in proptest::option::of(any::<String>()),
    ) {
        let log = format!("{message}{ends}");
        let mut written = json!({"log": log, "stream": stream.name(), "time": "2026-11-21T09:00:00Z"});
        if let Some(more) = &more {
            written["attrs"] = json!({"more": [more, 1, {"deep": more}], "log": "not this one"});
        }
        let text = written.to_string();
        let found = parse(text.as_bytes(), Dialect::Detect).unwrap();
        let unended = log.strip_suffix('\n').map(|log| log.strip_suffix('\r').unwrap_or(log));
        prop_assert_eq!(found.message.as_ref(), unended.unwrap_or(&log).as_bytes());
        prop_assert_eq!(found.stream, stream);
        prop_assert_eq!(found.time_ns, Some(NINE));
        prop_assert_eq!(found.is_partial, unended.is_none());
    }

    /// What a general parser makes of it is what we make of it, where it makes anything of it.
    #[test]
    fn docker_is_understood_as_json_is(raw in escaped()) {
        #[derive(serde::Deserialize)]
        struct General { log: String }
        let text = format!(r#"{{"log":"{raw}","stream":"stdout"}}"#);
        let ours = parse(text.as_bytes(), Dialect::Docker);
        if let Ok(General { log }) = serde_json::from_str(&text) {
            let unended = log.strip_suffix('\n').map(|log| log.strip_suffix('\r').unwrap_or(log));
            let message = ours.as_ref().map(|line| line.message.as_ref());
            prop_assert_eq!(message, Some(unended.unwrap_or(&log).as_bytes()));
        }
    }

    #[test]
    fn whatever_it_is_nothing_breaks(text in almost()) {
        for dialect in [Dialect::Cri, Dialect::Docker, Dialect::Detect] {
            if let Some(line) = parse(&text, dialect) {
                prop_assert!(line.message.len() <= text.len());
            }
        }
    }
}

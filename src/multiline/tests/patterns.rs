use super::*;

/// What a pattern is to match is in the line; events are shown as `line+line line`.
#[track_caller]
fn parts(spec: &Multiline, expected: &str) {
    let rules = Rules::new(spec).unwrap();
    let lines = expected.split([' ', '+']).map(str::as_bytes);
    let found: Vec<_> = events(&rules, lines).iter().map(|event| event.join(&b'+')).collect();
    assert_eq!(String::from_utf8(found.join(&b' ')).unwrap(), expected);
}

fn with(start: &str, continues: &str, end: &str) -> Multiline {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Multiline { start: some(start), continues: some(continues), end: some(end), ..spec() }
}

#[test]
fn an_event_reaches_from_start_to_start() {
    parts(&with("s", "", ""), "s+a+b s s+c");
    parts(&with("s", "", ""), "a+b s+c");
}

#[test]
fn a_line_that_continues_belongs_to_what_is_before() {
    parts(&with("", "c", ""), "a+c+c b x+c y");
    parts(&with("", "c", ""), "c+c a+c");
}

#[test]
fn an_event_closes_with_its_end() {
    parts(&with("", "", "e"), "a+b+e e c+e d");
}

#[test]
fn with_start_and_continue_other_lines_stand_alone() {
    parts(&with("s", "c", ""), "x s+c+c x x s+c s x");
    // What continues does so although it looks like a start.
    parts(&with("s", "c", ""), "s+sc+c s");
    // The beginning of these is missing, and the start of the next is not.
    parts(&with("s", "c", ""), "c+c x c+c s+c");
}

#[test]
fn with_start_and_end_what_is_between_belongs_to_the_event() {
    parts(&with("s", "", "e"), "x s+a+b+e x x s+e se x s+a s+e e");
}

#[test]
fn with_all_three_an_event_closes_at_its_end_or_where_nothing_continues() {
    parts(&with("s", "c", "e"), "s+c+ce c+c+ce x s+c x s+c s x");
}

#[test]
fn negation_turns_the_one_pattern_round() {
    let negated = |spec| Multiline { negate: true, ..spec };
    parts(&negated(with("c", "", "")), "a+c+c b x+c");
    parts(&negated(with("", "s", "")), "s+a s+b+c s");
    // A backslash at the end of a line continues it.
    parts(&negated(with("", "", r"\\$")), r"a\+b\+c d e\+f");
}

#[test]
fn a_bound_ends_the_event_and_what_follows_begins_another() {
    let lines = |spec| Multiline { lines_max: 3, ..spec };
    parts(&lines(with("s", "", "")), "s+a+b c+d+e f s+a s");
    parts(&lines(with("", "c", "")), "a+c+c c+c b");
    parts(&lines(with("s", "c", "")), "s+c+c c+c+c c x");
    parts(&lines(with("s", "", "e")), "s+a+b c e s+e");
    let bytes = |spec| Multiline { bytes_max: 8, ..spec };
    parts(&bytes(with("s", "", "")), "s+234+67 s+234 6789 s23456789 a s");
    parts(&Multiline { lines_max: 1, ..with("s", "", "") }, "s a b s");
    parts(&Multiline { lines_max: 0, bytes_max: 0, ..with("s", "", "") }, "s a b s");
}

#[test]
fn an_event_that_is_full_ends_at_once() {
    let rules = Rules::new(&Multiline { lines_max: 2, bytes_max: 9, ..with("s", "", "") }).unwrap();
    let mut flow = Flow::default();
    assert_eq!(see(&rules, &mut flow, b"s"), Border { begins: true, ends: false });
    assert_eq!(see(&rules, &mut flow, b"a"), Border { begins: false, ends: true });
    assert_eq!(see(&rules, &mut flow, b"123456789"), Border { begins: true, ends: true });
    assert_eq!(see(&rules, &mut flow, b"12345678"), Border { begins: true, ends: false });
    assert_eq!(see(&rules, &mut flow, b"1"), Border { begins: true, ends: false });
}

#[test]
fn patterns_match_bytes_that_are_not_utf_8() {
    let rules = Rules::new(&with(r"^\d", "", "")).unwrap();
    let lines = [b"1\xff".as_slice(), b"\xff2", b"3\xfe"];
    assert_eq!(events(&rules, lines).len(), 2);
}

#[test]
fn a_spec_that_contradicts_itself_is_refused() {
    let told = |spec: Multiline| Rules::new(&spec).unwrap_err().to_string();
    let java = Multiline { preset: Some(Preset::Java), ..spec() };
    assert!(told(spec()).contains("needs"));
    assert!(told(Multiline { negate: true, ..spec() }).contains("needs"));
    assert!(told(Multiline { start: Some("s".into()), ..java.clone() }).contains("preset"));
    assert!(told(Multiline { negate: true, ..java }).contains("preset"));
    assert!(told(Multiline { negate: true, ..with("s", "c", "") }).contains("negate"));
    assert!(told(with("", "(", "")).starts_with("`continue` is not a regular expression"));
}

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// Lines that mean something to some preset, and to the patterns below.
const LINES: &[&str] = &[
    "",
    "   ",
    "2026-11-21 09:00:00 INFO all is well",
    "java.lang.IllegalStateException: broken",
    "\tat com.example.App.main(App.java:5)",
    "Caused by: java.io.IOException: gone",
    "\t... 12 more",
    "Traceback (most recent call last):",
    "  File \"app.py\", line 3, in <module>",
    "    main()",
    "ValueError: 3",
    "During handling of the above exception, another exception occurred:",
    "  + Exception Group Traceback (most recent call last):",
    "    | ValueError: 1",
    "panic: boom",
    "goroutine 1 [running]:",
    "main.main()",
    "\t/src/main.go:5 +0x1d",
    "exit status 2",
    "app.rb:3:in 'foo': boom (RuntimeError)",
    "\tfrom app.rb:7:in '<main>'",
    "NoMethodError (undefined method):",
    "System.InvalidOperationException: no",
    " ---> System.Exception: inner",
    "   at App.Main() in /src/Program.cs:line 3",
    "   --- End of inner exception stack trace ---",
    "<---",
    "fail: App[0]",
    "      indented",
];

fn any_spec() -> impl Strategy<Value = Multiline> {
    let presets: Vec<Preset> = Preset::ALL.iter().map(|(_, preset)| *preset).collect();
    let pattern = || option::of(select(&[r"^\S", r"^\s", "a", "e$", r"^\d", ":", "^$"][..]));
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let patterns = (pattern(), pattern(), pattern(), any::<bool>());
    let patterns =
        patterns.prop_filter_map("what is refused", move |(start, continues, end, negate)| {
            let given = [start, continues, end].into_iter().flatten().count();
            let is_right = given == 1 || (given > 1 && !negate);
            let (start, continues, end) = (owned(start), owned(continues), owned(end));
            is_right.then(|| Multiline { start, continues, end, negate, ..spec() })
        });
    let preset = select(presets).prop_map(|preset| Multiline { preset: Some(preset), ..spec() });
    let bounds =
        (prop_oneof![Just(usize::MAX), 1usize..6], prop_oneof![Just(usize::MAX), 1usize..200]);
    (prop_oneof![patterns, preset], bounds).prop_map(|(spec, (lines_max, bytes_max))| Multiline {
        lines_max,
        bytes_max,
        ..spec
    })
}

fn lines() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let known = select(LINES).prop_map(|line| line.as_bytes().to_vec());
    vec(prop_oneof![9 => known, 1 => vec(any::<u8>(), 0..30)], 0..60)
}

proptest! {
    #[test]
    fn events_keep_within_their_bounds(spec in any_spec(), lines in lines()) {
        let rules = Rules::new(&spec).unwrap();
        let events = events(&rules, lines.iter().map(Vec::as_slice));
        prop_assert_eq!(events.concat(), lines.iter().map(Vec::as_slice).collect::<Vec<_>>());
        for event in events.iter().filter(|event| event.len() > 1) {
            prop_assert!(event.len() <= spec.lines_max);
            prop_assert!(event.join(&b'\n').len() <= spec.bytes_max);
        }
    }

    /// So that what was read before a crash, and is read again after it, makes the same records.
    #[test]
    fn read_again_from_any_event_the_events_are_the_same(spec in any_spec(), lines in lines()) {
        let rules = Rules::new(&spec).unwrap();
        let whole = events(&rules, lines.iter().map(Vec::as_slice));
        for at in 0..whole.len() {
            let rest = whole[at..].concat();
            prop_assert_eq!(&events(&rules, rest), &whole[at..]);
        }
    }

    #[test]
    fn without_bounds_an_event_ends_where_the_patterns_say(spec in any_spec(), lines in lines()) {
        let spec = Multiline { lines_max: usize::MAX, bytes_max: usize::MAX, ..spec };
        prop_assume!(spec.preset.is_none());
        let holds = |pattern: &Option<String>, line: &[u8]| {
            let regex = pattern.as_ref().map(|text| regex::bytes::Regex::new(text).unwrap());
            regex.map(|regex| regex.is_match(line) != spec.negate)
        };
        for event in events(&Rules::new(&spec).unwrap(), lines.iter().map(Vec::as_slice)) {
            let (_, before) = event.split_last().unwrap();
            prop_assert!(before.iter().all(|line| holds(&spec.end, line) != Some(true)));
            for line in event.iter().skip(1) {
                prop_assert!(holds(&spec.continues, line) != Some(false));
                let is_start = spec.continues.is_none() && holds(&spec.start, line) == Some(true);
                prop_assert!(!is_start);
            }
        }
    }
}

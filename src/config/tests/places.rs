//! Places are exact in every kind of YAML; no text at all makes the loader panic.

use proptest::prelude::*;

use super::{INPUTS, lines, load, load_bytes, with_kafka};

#[test]
fn places_are_exact() {
    for (text, place) in [
        ("# c\n\n   # c\nbogus: 1\n", "4:1"),
        ("log:\n  level: info # c\n  bogus: 1\n", "3:3"),
        ("log: {level: info,\n\n  format: text, bogus: 1}\n", "3:17"),
        ("log: {level: info,\r\n  bogus: 1}\r\n", "2:3"),
        ("log:\r\n  level: info\r\n  bogus: 1\r\n", "3:3"),
        ("log:\r  level: info\r  bogus: 1\r", "3:3"),
        ("\u{FEFF}bogus: 1\n", "1:1"),
        ("\u{FEFF}log: {bogus: 1}\n", "1:7"),
        ("log: {level: 'info', \"bogus\": 1}\n", "1:22"),
        ("log: {? bogus : 1}\n", "1:9"),
        ("state_dir: /日本語/é # ü\nlog: {level: info} \nbogus: 1\n", "3:1"),
        ("日本: 1\n", "1:1"),
        ("spool: {when_full: block, 日本: 1}\n", "1:27"),
        ("log: {level:\tinfo,\tbogus: 1}\n", "1:20"),
        ("---\nbogus: 1\n", "2:1"),
        ("%YAML 1.1\n---\nbogus: 1\n", "3:1"),
        ("state_dir: >\n  /a/\n  b\n\nbogus: 1\n", "5:1"),
        ("state_dir: \"/a\n  b\"\nbogus: 1\n", "3:1"),
        ("state_dir: ${TOPIC:-}/x\nlog: {level: \"${NOPE:-info}\", bogus: 1}\n", "2:31"),
        ("log: {level: ${NOPE:-{[\"a}, bogus: 1}\n", "1:29"),
    ] {
        let all = lines(&format!("{text}kafka: {{bootstrap.servers: [k1:1, k2:1]}}\n{INPUTS}"));
        let found = all.iter().any(|line| line.starts_with(&format!("{place} error: unknown key")));
        assert!(found, "{text:?} gave {all:#?}");
    }
}

#[test]
fn a_value_is_found_behind_its_anchor_and_at_it() {
    let text = with_kafka("  acks: &x bad\n  compression.type: *x");
    let places: Vec<_> = lines(&text).iter().map(|l| l[..4].to_owned()).collect();
    assert_eq!(places, ["3:12", "3:12"]);
}

#[test]
fn duplicates_name_the_first() {
    let text = with_kafka("  acks: all\n  linger.ms: 5\n  acks: 1");
    assert_eq!(lines(&text), ["5:3 error: duplicate key `acks`, first on line 3"]);
}

#[test]
fn everything_is_reported_at_once() {
    let text = "stat_dir: /x\nkafka:\n  acks: 2\n  linger.ms: [1]\n  bogus: 1\ninputs:\n  - id: a\n  \
                - {id: a, paths: logs, topic: 'a b'}\nlog: {level: loud}\n";
    let places: Vec<_> = lines(text).iter().map(|l| l[..4].to_owned()).collect();
    let wanted =
        ["1:1 ", "3:3 ", "3:9 ", "4:14", "5:3 ", "7:5 ", "7:5 ", "8:10", "8:20", "8:33", "9:14"];
    assert_eq!(places, wanted, "{:#?}", lines(text));
}

#[test]
fn a_flood_is_cut_and_still_refused() {
    let text = (0..300).map(|n| format!("bogus{n}: 1")).collect::<Vec<_>>().join("\n");
    let all = lines(&text);
    assert_eq!(all.len(), 101);
    assert!(all[100].ends_with("more problems are not shown"), "{}", all[100]);
    assert!(load(&text).is_err());
}

fn yamlish() -> impl Strategy<Value = String> {
    let pieces = [
        "kafka:",
        "inputs:",
        "  ",
        "\n",
        "- ",
        "id: a",
        "topic: ",
        "{",
        "}",
        "[",
        "]",
        ",",
        ": ",
        "&a ",
        "*a",
        "!x ",
        "!!int ",
        "'",
        "\"",
        "|\n",
        ">-\n",
        "#",
        "${",
        "${A}",
        "${A:-b}",
        "$$",
        "<<: ",
        "---\n",
        "...\n",
        "? ",
        "sasl.password: x",
        "acks",
        "1",
        "\t",
        "\r\n",
        "é",
        "日",
        "\u{85}",
        "\u{2028}",
        "~",
        "paths: [/a]",
        "\\",
        "%YAML 1.1\n",
        "\u{10F63A}",
    ];
    let piece = prop::sample::select(pieces.to_vec());
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let told = load_bytes(&bytes).map_err(|e| e.to_string());
        prop_assert!(told.is_err());
    }

    #[test]
    fn no_text_panics(text in "\\PC*") {
        let told = load(&text).map_err(|e| e.to_string());
        prop_assert!(told.is_err());
    }

    #[test]
    fn nothing_like_yaml_panics(text in yamlish()) {
        let told = load(&text).map_err(|e| e.to_string());
        drop(told);
    }

    #[test]
    fn a_bad_key_is_found_in_any_layout(
        before in prop::collection::vec(prop::sample::select(vec![
            "# ünï 日本", "", "   ", "log: {level: info}", "state_dir: '/é'", "spool:\n  enabled: true",
        ]), 0..6),
        indent in 0_usize..5,
        crlf in any::<bool>(),
    ) {
        let mut seen = std::collections::HashSet::new();
        let before: Vec<_> = before.into_iter().filter(|l| !l.contains(':') || seen.insert(*l)).collect();
        let before = before.join("\n");
        let pad = " ".repeat(indent);
        let text = format!("{before}\ndead_letters: {{{pad}\"bogus\": 1}}\nkafka: {{bootstrap.servers: [a:1, b:1]}}\n{INPUTS}");
        let line = before.split('\n').count() + 1;
        let text = if crlf { text.replace('\n', "\r\n") } else { text };
        prop_assert_eq!(lines(&text), [format!("{line}:{} error: unknown key `bogus`", 16 + indent)]);
    }
}

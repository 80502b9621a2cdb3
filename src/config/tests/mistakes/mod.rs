//! Mistakes, and what is said about each.

mod kafka;
mod oauth;

use super::{lines, with_input, with_top};

fn check(table: &[(&str, &str)], around: impl Fn(&str) -> String) {
    for (written, said) in table {
        let text = around(written);
        assert_eq!(lines(&text).join("\n"), *said, "{text}");
    }
}

#[test]
fn in_inputs() {
    check(IN_INPUTS, with_input);
}

const IN_INPUTS: &[(&str, &str)] = &[
    ("    topic: u", "6:5 error: duplicate key `topic`, first on line 5"),
    (
        "    exclude_paths: '*.tmp'",
        "6:20 error: `exclude_paths` takes a list, not a single value => [*.tmp]",
    ),
    (
        "    exclude_paths: ['[']",
        "6:21 error: `exclude_paths`: `[` is no glob: unclosed character class; missing ']'",
    ),
    (
        "    exclude_paths: ['{a']",
        "6:21 error: `exclude_paths`: `{a` is no glob: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)",
    ),
    (
        "    rotated: of",
        "6:14 error: `rotated`: `of` is none of auto, off, a list of patterns => off",
    ),
    (
        "    rotated: [a/b]",
        "6:15 error: `rotated`: `a/b` holds a `/`, but is compared with file names",
    ),
    (
        "    start_at: begining",
        "6:15 error: `start_at`: `begining` is none of beginning, end => beginning",
    ),
    (
        "    max_line: 2MiB",
        "6:15 error: `max_line` is more than fits into `kafka.max.request.size` (1000000): at most 999744",
    ),
    ("    max_line: 0", "6:15 error: `max_line`: `0` is less than 1, the least possible"),
    (
        "    on_long_line: cut",
        "6:19 error: `on_long_line`: `cut` is none of truncate, split, dead_letter",
    ),
    (
        "    partial_timeout: 5",
        "6:22 warning: `partial_timeout`: a plain number is milliseconds; write `ms` or `s` after it",
    ),
    (
        "    close_inactive: 5 min",
        "6:21 error: `close_inactive`: `5 min` is not a duration (500ms, 30s, 5m, 2h, 7d)",
    ),
    (
        "    ignore_older: 2 weeks",
        "6:19 error: `ignore_older`: `2 weeks` is not a duration (500ms, 30s, 5m, 2h, 7d)",
    ),
    (
        "    start_at: end\n    delete_after: 1d\n    ignore_older: 7d",
        "7:19 error: `delete_after` would remove what `start_at: end` has passed over\n7:19 error: `delete_after` would remove what `ignore_older` has passed over",
    ),
    (
        "    rate_limit: 1MiB",
        "6:17 error: `inputs[0].rate_limit` takes a mapping (`key: value`), not a single value",
    ),
    ("    rate_limit: {byte: 1}", "6:18 error: unknown key `byte` => bytes"),
    ("    rate_limit: {bytes: 0}", "6:25 error: `bytes`: `0` is less than 1, the least possible"),
    ("    rate_limit: {records: 1KiB}", "6:27 error: `records`: `1KiB` is not a whole number"),
    (
        "    follow_symlinks: [pods]",
        "6:23 error: `follow_symlinks`: `pods` is not an absolute path",
    ),
    (
        "    partition: key",
        "6:16 error: `partition: key` needs a `key`: without one, `sticky` is what Kafka's own producer does",
    ),
    (
        "    partition: files",
        "6:16 error: `partition`: `files` is none of file, key, sticky, round_robin, random, the number of a partition => file",
    ),
    (
        "    partition: -1",
        "6:16 error: `partition`: `-1` is none of file, key, sticky, round_robin, random, the number of a partition",
    ),
    ("    confirm: asyn", "6:14 error: `confirm`: `asyn` is none of async, sync, none => async"),
    (
        "    confirm: none\n    delete_after: 1h",
        "7:19 error: `delete_after` needs to know what is acknowledged: neither with `confirm: none` nor with `acks: 0`",
    ),
    (
        "    confirm: sync\n    partition: sticky",
        "6:14 error: `confirm: sync` sends one block of a file after the other: not with a `partition` that gives up their order",
    ),
    (
        "    format: txt",
        "6:13 error: `format`: `txt` is none of text, json, cri, docker, container => text",
    ),
    (
        "    encoding: latin",
        "6:15 error: `encoding`: `latin` is no encoding that is known => latin1",
    ),
    (
        "    encoding: shift_jis\n    delimiter: '|'",
        "7:16 error: `delimiter` cannot be told from parts of other characters in this `encoding`",
    ),
    ("    delimiter: ''", "6:16 error: `delimiter`: must not be empty"),
    (
        "    stream: stderr",
        "6:13 error: `stream` is for the logs of containers: `format` is none of container, cri, docker",
    ),
    (
        "    exclude_lines: ['(']",
        "6:21 error: `exclude_lines`: is not a regular expression: regex parse error:\n    (\n    ^\nerror: unclosed group",
    ),
    (
        "    multiline: {begin: x}",
        "6:16 error: `multiline` needs `start`, `continue`, `end` or a `preset`\n6:17 error: unknown key `begin`",
    ),
    (
        "    multiline: {preset: jav}",
        "6:16 error: `multiline` needs `start`, `continue`, `end` or a `preset`\n6:25 error: `preset`: `jav` is none of java, python, go, ruby, dotnet => java",
    ),
    ("    exclude_path: [x]", "6:5 error: unknown key `exclude_path` => exclude_paths"),
    (
        "    {",
        "6:6 error: this is not YAML: could not find expected ':', while scanning a simple key at line 6 column 5",
    ),
    (
        "   bad: 1",
        "6:4 error: this is not YAML: did not find expected '-' indicator, while parsing a block collection at line 3 column 3",
    ),
];

#[test]
fn what_waits_for_an_acknowledgement_needs_one_to_come() {
    let text =
        with_input("    confirm: sync").replace("{boot", "{acks: 0, enable.idempotence: ~, boot");
    let said = "1:15 warning: `acks` below `all` turns `enable.idempotence` off: order and no repeats \
                on a retry are not promised\n\
                6:14 error: `confirm: sync` waits for what `acks: 0` never gives";
    assert_eq!(lines(&text).join("\n"), said);
}

#[test]
fn at_the_top() {
    check(AT_THE_TOP, with_top);
}

const AT_THE_TOP: &[(&str, &str)] = &[
    ("shutdown_graze: 1s", "3:1 error: unknown key `shutdown_graze` => shutdown_grace"),
    ("state_dir: state", "3:12 error: `state_dir`: `state` is not an absolute path"),
    (
        "state_dir: {a: b}",
        "3:12 error: `state_dir` takes a single value, not a mapping; what begins with `{` needs quotes",
    ),
    (
        "shutdown_grace: 10",
        "3:17 warning: `shutdown_grace`: a plain number is milliseconds; write `ms` or `s` after it",
    ),
    (
        "forget_after: 1w",
        "3:15 error: `forget_after`: `1w` is not a duration (500ms, 30s, 5m, 2h, 7d)",
    ),
    (
        "checkpoint_interval: ''",
        "3:22 error: `checkpoint_interval`: `` is not a duration (500ms, 30s, 5m, 2h, 7d)",
    ),
    (
        "include: {a: b}",
        "3:10 error: `include` takes a single value, not a mapping; what begins with `{` needs quotes",
    ),
    (
        "include: '*/x.yaml'",
        "3:10 error: `include`: `*/x.yaml` has a wildcard in a directory's name",
    ),
    (
        "include: conf.d/",
        "3:10 error: `include`: `conf.d/` names a directory, not files => conf.d/*.yaml",
    ),
    ("include: [no-such-*.yaml]", "3:11 warning: `include`: no file matches no-such-*.yaml"),
    (
        "include: /no/such/dir/*",
        "3:10 error: `include`: cannot list /no/such/dir/*: No such file or directory (os error 2)",
    ),
    ("http: {listen: x}", "3:1 error: `http` is not supported by this version"),
    ("kafka: {}", "3:1 error: duplicate key `kafka`, first on line 1"),
    ("spool: 1GiB", "3:8 error: `spool` takes a mapping (`key: value`), not a single value"),
    (
        "spool: {max_size: 1MiB}",
        "3:19 warning: `max_size` is less than `kafka.buffer.memory`: what is in flight does not fit",
    ),
    ("spool: {enabled: nope}", "3:18 error: `enabled`: `nope` is neither true nor false"),
    (
        "spool: {when_full: drop}",
        "3:20 error: `when_full`: `drop` is none of block, drop_oldest, drop_newest => drop_oldest",
    ),
    ("spool: {max-size: 1}", "3:9 error: unknown key `max-size` => max_size"),
    ("dead_letters: {topic: x}", "3:16 error: `topic` is not supported by this version"),
    (
        "log: {level: warning, format: xml}",
        "3:14 error: `level`: `warning` is none of error, warn, info, debug, trace => warn\n3:31 error: `format`: `xml` is none of text, json",
    ),
    ("log: &a {level: *a}", "3:6 error: this is not YAML: recursion limit exceeded"),
    ("log: *nowhere", "3:6 error: this is not YAML: unknown anchor"),
    (
        "log: [",
        "3:7 error: this is not YAML: did not find expected node content, while parsing a flow node",
    ),
    (
        "log: \"open",
        "3:11 error: this is not YAML: found unexpected end of stream, while scanning a quoted scalar at line 3 column 6",
    ),
    (
        "log: 'a' b",
        "3:10 error: this is not YAML: did not find expected key, while parsing a block mapping",
    ),
    (
        "\tlog: {}",
        "3:1 error: this is not YAML: found character that cannot start any token, while scanning for the next token",
    ),
    ("log: \u{7}", "3:6 error: YAML does not allow the character U+0007"),
    ("---\nlog: {}", "4:1 error: this is not YAML: a second document begins here"),
    (
        "- a",
        "3:1 error: this is not YAML: did not find expected key, while parsing a block mapping",
    ),
];

#[test]
fn in_the_whole() {
    let k = "kafka: {bootstrap.servers: [k1:1, k2:1]}\n";
    check(IN_THE_WHOLE, |text| text.replace("KAFKA\n", k));
}

const IN_THE_WHOLE: &[(&str, &str)] = &[
    (
        "",
        "1:1 error: `bootstrap.servers` is missing in `kafka`\n1:1 error: no inputs: there is nothing to ship",
    ),
    (
        "# nothing",
        "1:10 error: `bootstrap.servers` is missing in `kafka`\n1:10 error: no inputs: there is nothing to ship",
    ),
    ("text", "1:1 error: the file takes a mapping (`key: value`), not a single value"),
    ("[]", "1:1 error: the file takes a mapping (`key: value`), not a list"),
    (
        "kafka: {bootstrap.servers: []}\ninputs: []",
        "1:28 error: `bootstrap.servers` is empty\n2:1 error: no inputs: there is nothing to ship",
    ),
    (
        "kafka: {bootstrap.servers: k1:1}\ninputs: [{id: a, paths: [/a], topic: t}]",
        "1:28 warning: one server alone: while it is away, a starting daemon does not find the others",
    ),
    (
        "kafka: {bootstrap.servers: [k1, 'k2:x', ':3', '::1:9', a b:1, 'k:0', '']}\ninputs: {}",
        "1:29 error: `bootstrap.servers`: `k1` is not host:port => k1:9092\n1:33 error: `bootstrap.servers`: `k2:x` has no port from 1 to 65535 at its end\n1:41 error: `bootstrap.servers`: `:3` is not host:port\n1:47 error: `bootstrap.servers`: `::1:9` is not host:port; an IPv6 address needs [brackets]\n1:56 error: `bootstrap.servers`: `a b:1` is not host:port\n1:63 error: `bootstrap.servers`: `k:0` has no port from 1 to 65535 at its end\n1:70 error: `bootstrap.servers`: `` holds no address (host:port)\n2:9 error: `inputs` takes a list, not a mapping",
    ),
    (
        "KAFKA\ninputs: [{}, ~, x]",
        "2:10 error: `id` is missing in `inputs[0]`\n2:10 error: `paths` is missing in `inputs[0]`\n2:10 error: `topic` is missing in `inputs[0]`\n2:14 error: `id` is missing in `inputs[1]`\n2:14 error: `paths` is missing in `inputs[1]`\n2:14 error: `topic` is missing in `inputs[1]`\n2:17 error: `inputs[2]` takes a mapping (`key: value`), not a single value",
    ),
    ("KAFKA\ninputs:\n  - id: a\n    paths: []\n    topic: t", "4:12 error: `paths` is empty"),
    (
        "KAFKA\ninputs:\n  - id: a\n    paths: [logs/*.log, /a/, /a/../b, '/[', ~]\n    topic: t",
        "4:13 error: `paths`: `logs/*.log` is not an absolute path\n4:25 error: `paths`: `/a/` names a directory, not files => /a/*.log\n4:30 error: `paths`: `/a/../b` goes through `..`\n4:39 error: `paths`: `/[` is no glob: unclosed character class; missing ']'\n4:45 error: `paths` takes a single value, not nothing",
    ),
    (
        "KAFKA\ninputs:\n  - {id: a, paths: [/a], topic: t}\n  - {id: a, paths: [/b], topic: t}",
        "4:10 error: the id `a` is already taken, first on line 3",
    ),
    (
        "KAFKA\ninputs:\n  - {id: a, paths: [/a], topic: a b}\n  - {id: b, paths: [/b], topic: ..}",
        "3:33 error: `topic`: ` ` in `a b` is not for topics (only A-Z a-z 0-9 . _ -)\n4:33 error: `topic`: `..` cannot be the name of a topic",
    ),
    (
        "KAFKA\ninputs:\n  - {id: a, paths: [/a], topic: '{stream}'}\n  - {id: b, paths: [/b], topic: '{hots}'}",
        "3:33 error: `topic`: `{stream}` is known of containers' logs only (`format: container`)\n4:33 error: `topic`: `{hots}` is no field of a template => {host}",
    ),
    (
        "KAFKA\ninputs:\n  - {id: a, paths: [/a], topic: '{host'}\n  - {id: b, paths: [/b], topic: {host}}",
        "3:33 error: `topic`: `{` without its `}`\n4:33 error: `topic` takes a single value, not a mapping; what begins with `{` needs quotes",
    ),
    ("KAFKA\ninputs:\n  - {id: '', paths: [/a], topic: t}", "3:10 error: `id`: must not be empty"),
];

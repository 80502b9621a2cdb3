//! Holds the shape of the source: which room imports which, which guest stays in which room, what
//! the core may touch, and how long a function and a file may grow.
//!
//! The map is the table in `docs/architecture.md`; it is read from there, so that it is true.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// What is named in code, and the only places below `src` where it is.
const GUESTS: &[(&str, &[&str])] = &[
    ("rdkafka::", &["produce/"]),
    ("rdkafka_sys", &["produce/native.rs", "produce/questions.rs"]),
    ("openssl::", &["produce/reach.rs"]),
    ("ureq::", &["produce/login.rs"]),
    ("sled::", &["spool/index.rs"]),
    ("serde_yaml::", &["config/yaml.rs"]),
    ("notify::", &["watch/"]),
    ("encoding_rs::", &["decode.rs"]),
    ("regex::", &["multiline/", "process/", "processors/"]),
    ("jiff::", &["processors/", "time_text.rs"]),
    ("tokio::", &["cli/", "daemon/", "produce/", "ship/"]),
    ("clap::", &["cli/"]),
    ("unsafe ", &["produce/native.rs", "produce/questions.rs", "heap.rs"]),
];

/// Rooms that know no time, no file, no thread and nobody else's events.
const PURE: &[&str] = &[
    "checkup",
    "container",
    "decode",
    "encode",
    "frame",
    "lane",
    "ledger",
    "multiline",
    "partition",
    "process",
    "processors",
    "template",
];
const OUTSIDE: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "std::thread",
    "std::time",
    "tracing::",
];

/// Rooms that can know that a fate is durable.
const MINTS: &[&str] = &["process/mod.rs", "dead_letter/", "produce/", "spool/"];

const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 500;
/// Longer files, since when, and why.
const LONGER: &[(&str, &str)] = &[(
    "tests/e2e/outage.rs",
    "2026-11-21: all outages; to be parted into those of brokers and ours",
)];

#[test]
fn rooms_import_what_the_map_says() {
    let mut imported: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in sources() {
        let own = imported.entry(file.room.clone()).or_default();
        own.extend(file.imports().into_iter().filter(|room| *room != file.room));
    }
    imported.retain(|room, _| room != "lib" && room != "main");
    let map = map();
    let rooms: Vec<_> = map.iter().map(|(room, _)| room).collect();
    assert_eq!(imported.keys().collect::<BTreeSet<_>>(), rooms.into_iter().collect());
    for (room, may) in &map {
        if let Import::These(may) = may {
            assert_eq!(&imported[room], may, "what `{room}` imports, and what the map says");
        }
    }
}

#[test]
fn the_map_leads_one_way() {
    let mut above = BTreeSet::new();
    for (room, may) in map() {
        if let Import::These(may) = may {
            let back: Vec<_> = may.difference(&above).collect();
            assert!(back.is_empty(), "`{room}` imports {back:?} from below");
        }
        above.insert(room);
    }
}

#[test]
fn guests_stay_in_their_rooms() {
    for (guest, homes) in GUESTS {
        let strays = strays(|code| names(code, guest), homes);
        assert!(strays.is_empty(), "`{guest}` outside of {homes:?}:\n{}", strays.join("\n"));
    }
}

#[test]
fn the_core_touches_nothing_outside() {
    for file in sources().iter().filter(|file| PURE.contains(&file.room.as_str())) {
        for (number, code) in file.shipped() {
            let touched = OUTSIDE.iter().find(|outside| names(code, outside));
            assert_eq!(touched, None, "{}:{number}", file.path);
        }
    }
}

#[test]
fn proofs_are_minted_where_fates_are_known() {
    let strays = strays(|code| code.contains("impl Settlement for"), MINTS);
    assert!(strays.is_empty(), "{}", strays.join("\n"));
}

#[test]
fn functions_and_files_stay_short() {
    let mut long = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for file in files(folder) {
            let lines = file.text.lines().count();
            let is_known = LONGER.iter().any(|(path, _)| *path == file.path);
            match lines > FILE_LINES_MAX {
                true if !is_known => long.push(format!("{}: {lines} lines", file.path)),
                false if is_known => long.push(format!("{}: is short again", file.path)),
                _ => {}
            }
            long.extend(long_functions(&file));
        }
    }
    assert!(long.is_empty(), "\n{}", long.join("\n"));
}

/// rustfmt has been here: a function ends at the first brace that stands where it began.
fn long_functions(file: &File) -> Vec<String> {
    let lines: Vec<&str> = file.text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let begins = |line: &str| line.split_whitespace().take(5).any(|word| word == "fn");
    let mut long = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        if !begins(line) || line.ends_with([';', '}']) || line.trim_start().starts_with("//") {
            continue;
        }
        let closes = |end: &&str| indent(end) == indent(line) && end.trim_start().starts_with('}');
        let length = 2 + lines[start + 1..].iter().position(closes).unwrap();
        if length > FUNCTION_LINES_MAX {
            long.push(format!("{}:{}: {length} lines", file.path, start + 1));
        }
    }
    long
}

/// Lines of code outside of `homes` for which `is` holds, tests excluded.
fn strays(is: impl Fn(&str) -> bool, homes: &[&str]) -> Vec<String> {
    let mut strays = Vec::new();
    for file in sources() {
        let place = file.path.trim_start_matches("src/");
        if !homes.iter().any(|home| place.starts_with(home)) {
            let found = file.shipped().filter(|(_, code)| is(code));
            strays.extend(found.map(|(number, code)| format!("{}:{number}: {code}", file.path)));
        }
    }
    strays
}

/// Whether `code` has `name` as a word of its own.
fn names(code: &str, name: &str) -> bool {
    let begins_word = |at: usize| {
        let before = code[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && c != '_')
    };
    code.match_indices(name).any(|(at, _)| begins_word(at))
}

enum Import {
    Everything,
    These(BTreeSet<String>),
}

/// The rooms, top down, and what each may import: the rows of the map that begin with a room.
fn map() -> Vec<(String, Import)> {
    let text = read("docs/architecture.md");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let map: Vec<_> = rows.map(row).collect();
    assert!(!map.is_empty(), "docs/architecture.md holds the map");
    map
}

/// ``| `room` | what it is | `import` `import` |``
fn row(line: &str) -> (String, Import) {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let [_, room, _, imports, _] = cells[..] else { panic!("the map has three columns: {line}") };
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    let room: Vec<String> = quoted(room);
    let import = match imports {
        "everything" => Import::Everything,
        _ => Import::These(quoted(imports).into_iter().collect()),
    };
    (room.concat(), import)
}

struct File {
    /// From the root of the repository.
    path: String,
    room: String,
    text: String,
}

impl File {
    /// Numbered lines of code, without comments and without the tests.
    fn shipped(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_test = self.path.contains("/tests/") || self.path.ends_with("/tests.rs");
        let lines =
            self.text.lines().take_while(move |line| !is_test && !line.ends_with("mod tests {"));
        let numbered = lines.enumerate().map(|(at, line)| (at + 1, line.trim()));
        numbered.filter(|(_, code)| !code.starts_with("//"))
    }

    fn imports(&self) -> BTreeSet<String> {
        let code: Vec<_> = self.shipped().map(|(_, code)| code).collect();
        code.join(" ").split("crate::").skip(1).flat_map(imported).collect()
    }
}

/// The rooms that are named by what follows `crate::`: one, or a group of them.
fn imported(rest: &str) -> Vec<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let Some((group, _)) = rest.strip_prefix('{').and_then(|rest| rest.split_once("};")) else {
        return vec![name(rest)];
    };
    let mut depth = 0;
    let mut outermost = String::new();
    for c in group.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        outermost.extend((depth == 0).then_some(c));
    }
    outermost.split(',').map(|part| name(part.trim())).filter(|name| !name.is_empty()).collect()
}

fn sources() -> Vec<File> {
    files("src")
}

fn files(folder: &str) -> Vec<File> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{folder}/{}", entry.file_name().into_string().unwrap());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if Path::new(&path).extension().is_some_and(|ext| ext == "rs") {
                let room = path.split('/').nth(1).unwrap().trim_end_matches(".rs").to_owned();
                found.push(File { text: read(&path), room, path });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

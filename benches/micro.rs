//! What the parts of the record path cost, each alone: `make micro`. The tests run each once.
//!
//! A file's lines are 170 bytes, read 256 KiB at a time.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement fails by panicking"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use tailspool::budget::Budget;
use tailspool::decode::Encoding;
use tailspool::encode::Encoder;
use tailspool::frame;
use tailspool::ledger::Ledger;
use tailspool::process::{Assembly, Filtered, Raw, Recipe};
use tailspool::record::{
    Anchor, Block, Buffer, Generation, Label, Lineage, LineageId, Mark, Offset, Remarks, Slice,
    SourceId, Tally, Times,
};
use tailspool::settings::{Input, LongLine, Output, Spool as SpoolSettings, WhenFull};
use tailspool::spool::{self, EntryId, Event, Put, Runs, Spool, Spooled};
use tailspool::template::Origin;
use tailspool::{clock, config, partition};

const READ: usize = 256 << 10;
const LINE: usize = 170;

fn main() {
    divan::main();
}

/// Lines as they lie in a file, until a read is full.
fn read_of(line: impl Fn(usize) -> String) -> Vec<u8> {
    let mut text = String::with_capacity(READ + 2 * LINE);
    for number in 0.. {
        if text.len() >= READ {
            break;
        }
        writeln!(text, "{}", line(number)).unwrap();
    }
    text.into_bytes()
}

fn plain(number: usize) -> String {
    let words =
        "request served from cache upstream timeout user session order retry queue ".repeat(3);
    format!("app.log {number:010} {}", &words[..LINE - 20])
}

fn of_a_container(number: usize) -> String {
    format!("2026-11-21T09:00:00.{number:09}Z stdout F {}", plain(number))
}

fn framed(bytes: &[u8]) -> Vec<Slice> {
    let rule = frame::Rule {
        line_max: 1 << 20,
        on_long_line: LongLine::Truncate,
        delimiter: frame::Delimiter::newline(),
    };
    let mut slices = Vec::new();
    frame::lines(bytes, &rule, usize::MAX, &mut slices);
    slices
}

/// An input with these keys.
fn input(keys: &str) -> Input {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tailspool.yaml");
    let yaml = format!(
        "kafka: {{bootstrap.servers: [localhost:9092]}}\ninputs: [{{id: app, paths: [/app.log], topic: t, {keys}}}]\n"
    );
    std::fs::write(&path, yaml).unwrap();
    config::load(&path).unwrap().settings.inputs.swap_remove(0)
}

fn source() -> SourceId {
    SourceId { lineage: LineageId(0), generation: Generation(1) }
}

fn mark(offset: usize) -> Mark {
    Mark::new(Offset(offset as u64), Anchor(1))
}

fn block(bytes: Vec<u8>, records: Vec<Slice>) -> Block {
    let end = mark(bytes.len());
    let mut permit = Budget::new(0, || {}).take_now(2 * bytes.capacity());
    Block {
        source: source(),
        start: Mark::START,
        end,
        bytes: Arc::new(Buffer::new(bytes, &mut permit)),
        permit,
        records,
        is_ragged: false,
        tally: Tally::default(),
        label: Arc::new(Label::to("logs".into())),
        remarks: Remarks::default(),
        times: Times::Read(clock::unix_ms()),
        read_at: clock::now(),
    }
}

#[divan::bench]
fn framing(bencher: Bencher<'_, '_>) {
    let bytes = read_of(plain);
    let lines = framed(&bytes).len();
    bencher.counter(ItemsCount::new(lines)).bench(|| framed(black_box(&bytes)));
}

fn of_a_server(number: usize) -> String {
    let request = format!("{number:0>70}");
    format!(
        "203.0.113.7 - alice [01/Mar/2026:12:{:02}:{:02} +0000] \"GET /{request} HTTP/1.1\" 200 51234 \"-\" \"curl/8\"",
        number / 60 % 60,
        number % 60
    )
}

fn as_json(number: usize) -> String {
    let message = &plain(number)[..60];
    format!(
        r#"{{"time":"2026-03-01T12:30:00.{number:06}Z","level":"info","status":200,"logger":"shop.cart","message":"{message}"}}"#
    )
}

const PARSE_REGEX: &str = r#"value: json, processors: [{parse_regex: {pattern: '^(?P<client>\S+) \S+ (?P<user>\S+) \[(?P<time>[^]]+)\] "(?P<request>[^"]*)" (?P<status>\d+) (?P<bytes>\d+)'}}, {timestamp: {field: time, format: '%d/%b/%Y:%H:%M:%S %z'}}]"#;
const PARSE_JSON: &str =
    "value: json, processors: [{parse_json: {}}, {timestamp: {field: time, format: rfc3339}}]";

/// What becomes of a read whose lines are taken apart: keys of the input, and its lines.
#[divan::bench(args = [
    "format: cri",
    "multiline: {preset: java}",
    "exclude_lines: ['never ever$']",
    "value: json",
    "value: ecs",
    PARSE_REGEX,
    PARSE_JSON,
])]
fn processing(bencher: Bencher<'_, '_>, keys: &str) {
    let input = input(keys);
    let bytes = match keys {
        PARSE_REGEX => read_of(of_a_server),
        PARSE_JSON => read_of(as_json),
        keys if keys.contains("cri") => read_of(of_a_container),
        _ => read_of(plain),
    };
    let lines = framed(&bytes);
    let recipe = Arc::new(Recipe::of(&input, Encoding::parse("utf-8").unwrap()).unwrap().unwrap());
    let origin = Origin::of(Path::new("/app.log"), None);
    let encoder = Encoder::of(&input, &origin).map(Arc::new);
    bencher.counter(ItemsCount::new(lines.len())).bench(|| {
        let mut assembly = Assembly::resume(Arc::clone(&recipe), encoder.clone(), Mark::START);
        let mut start = Offset::START;
        for line in &lines {
            let (bytes, end) = (&bytes[line.from as usize..line.to as usize], Offset(line.end));
            assembly.feed(&Raw { bytes, start, end, remarks: Remarks::default() });
            start = end;
        }
        assembly.take()
    });
}

/// Blocks of a file, settled in the order in which they were opened.
#[divan::bench]
fn ledger(bencher: Bencher<'_, '_>) {
    const BLOCKS: usize = 1000;
    let nothing = block(Vec::new(), Vec::new());
    bencher.counter(ItemsCount::new(BLOCKS)).bench(|| {
        let mut ledger = Ledger::resume(source(), Mark::START);
        let open = |at| ledger.open(mark(at), NonZeroU32::MIN);
        let tickets: Vec<_> = (1..=BLOCKS).map(open).collect();
        for ticket in tickets {
            ledger.settle(Filtered::of(&nothing, ticket).unwrap());
        }
        ledger
    });
}

#[divan::bench(args = [8, 40, 200])]
fn partition_of_a_key(bencher: Bencher<'_, '_>, len: usize) {
    let key = vec![b'k'; len];
    bencher.bench(|| partition::of_key(black_box(&key), const { NonZeroU32::new(12).unwrap() }));
}

/// A read, from the hand-over to synced.
#[divan::bench]
fn spool(bencher: Bencher<'_, '_>) {
    let dir = tempfile::tempdir().unwrap();
    let settings = SpoolSettings {
        enabled: true,
        max_size_bytes: 64 << 30,
        max_age: None,
        when_full: WhenFull::Block,
        stall_after: std::time::Duration::from_secs(5),
    };
    let (events, inbox) = channel();
    let tell = move |event| drop(events.send(event));
    let (mut spool, _) = Spool::open(dir.path(), &settings, READ as u64, tell).unwrap();
    let lineage = Lineage { input: "app".into(), path: "/app.log".into() };
    let lane = spool::Lane { lineage, topic: "logs".into(), output: Output::default() };
    let lane = spool.lane(lane);
    let bytes = read_of(plain);
    let records = framed(&bytes);
    let (count, size) = (records.len(), bytes.len());
    let (block, mut ledger) =
        (Arc::new(block(bytes, records)), Ledger::resume(source(), Mark::START));
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        let runs = Runs::all(block.len());
        let ticket = ledger.open(block.end, NonZeroU32::new(block.len()).unwrap());
        let (block, chain) = (Arc::clone(&block), Put::UNCHAINED);
        spool.stage(Put { lane, block, records: runs, chain, partition: None, ticket });
        for (proof, _) in stored(&inbox) {
            ledger.settle(proof);
        }
        count
    });
}

fn stored(events: &Receiver<Event>) -> Vec<(Spooled, EntryId)> {
    loop {
        if let Event::Stored { proofs } = events.recv().unwrap() {
            return proofs;
        }
    }
}

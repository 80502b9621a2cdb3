//! The producer's settings, under Kafka's names, with Kafka's meaning and librdkafka's bounds
//! (its `CONFIGURATION.md`).

use std::time::Duration;

use super::names::{ALIASES, refusal};
use super::{DURATION_MAX, World, security};
use crate::config::parse::{self, Parsed, Wrong};
use crate::config::raw::{Scalar, Value};
use crate::config::section::{Section, Setting};
use crate::config::units::{show_duration, show_size};
use crate::settings::{Acks, Compression, Kafka};

/// The settings, and what other sections are compared with.
pub(super) struct Checked {
    pub(super) settings: Kafka,
    pub(super) buffer_sound: bool,
    pub(super) request_sound: bool,
}

const ACKS: &[(&str, Acks)] =
    &[("all", Acks::All), ("1", Acks::Leader), ("0", Acks::None), ("-1", Acks::All)];
const COMPRESSIONS: &[(&str, Compression)] = &[
    ("none", Compression::None),
    ("gzip", Compression::Gzip),
    ("snappy", Compression::Snappy),
    ("lz4", Compression::Lz4),
    ("zstd", Compression::Zstd),
];
const DNS_LOOKUPS: &[(&str, &str)] = &[
    ("use_all_dns_ips", "use_all_dns_ips"),
    ("resolve_canonical_bootstrap_servers_only", "resolve_canonical_bootstrap_servers_only"),
];
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const INT_MAX: i64 = i32::MAX as i64;
/// More in flight, and the broker no longer recognises every repeat.
const IN_FLIGHT_MAX: u32 = 5;
/// Four blocks of a reader's and what librdkafka needs for them.
const BUFFER_MIN: u64 = 4 * MIB;
const BUFFER_MAX: u64 = 1 << 40;

pub(super) fn check(top: &Section<'_>, world: &World<'_>) -> Checked {
    let mut section = top.child("kafka");
    section.rename(ALIASES);
    producer(section, world)
}

/// The same with what is given elsewhere, which goes before.
pub(super) fn check_with(top: &Section<'_>, mut given: Section<'_>, world: &World<'_>) -> Checked {
    let mut section = top.child("kafka");
    section.rename(ALIASES);
    given.rename(ALIASES);
    producer(given.or(section), world)
}

fn producer(section: Section<'_>, world: &World<'_>) -> Checked {
    let s = &section;
    let acks = s.read("acks", Acks::All, parse::choice(ACKS));
    let in_flight = count(s, "max.in.flight.requests.per.connection", 5, 1..=1_000_000);
    let retries = count(s, "retries", i32::MAX.unsigned_abs(), 0..=INT_MAX);
    let (compression_type, compression_level) = compression(s);
    let sizes = Sizes::check(s);
    let times = Times::check(s);
    let default_id = format!("tailspool-{}", world.host);
    let client_id =
        s.read("client.id", default_id, |id| Ok(parse::text(id)?.replace("{host}", &world.host)));
    let lookup = s.read("client.dns.lookup", "use_all_dns_ips", parse::choice(DNS_LOOKUPS));
    let settings = Kafka {
        bootstrap_servers: servers(s),
        client_id: client_id.value,
        client_dns_lookup: lookup.value.into(),
        enable_idempotence: idempotence(s, &acks, &in_flight, &retries),
        acks: acks.value,
        compression_type,
        compression_level,
        linger: times.linger,
        batch_size_bytes: sizes.batch,
        buffer_memory_bytes: sizes.buffer.value,
        max_request_size_bytes: sizes.request.value,
        max_in_flight_requests: in_flight.value,
        max_block: times.block,
        delivery_timeout: times.delivery,
        request_timeout: times.request,
        retries: retries.value,
        retry_backoff: times.backoff,
        retry_backoff_max: times.backoff_max,
        send_buffer_bytes: socket_buffer(s, "send.buffer.bytes", 128 * KIB),
        receive_buffer_bytes: socket_buffer(s, "receive.buffer.bytes", 64 * KIB),
        allow_auto_create_topics: s.read("allow.auto.create.topics", false, parse::flag).value,
        security: security::check(s, world),
    };
    section.close(refusal);
    Checked { settings, buffer_sound: sizes.buffer.sound, request_sound: sizes.request.sound }
}

fn count(
    s: &Section<'_>,
    name: &'static str,
    default: u32,
    range: std::ops::RangeInclusive<i64>,
) -> Setting<u32> {
    let parse = parse::number(range);
    s.read(name, default, |scalar| {
        let number = u32::try_from(parse(scalar)?);
        number.map_err(|_| Wrong::new(format!("{} is too large", scalar.shown())))
    })
}

/// A list, or Kafka's own form with commas.
fn servers(s: &Section<'_>) -> Vec<String> {
    const NAME: &str = "bootstrap.servers";
    let Some(node) = s.find(NAME) else {
        s.missing(NAME);
        return Vec::new();
    };
    let items = match &node.value {
        Value::Scalar(_) => std::slice::from_ref(node),
        Value::Null | Value::List(_) | Value::Map(_) | Value::Tagged(_) | Value::Broken => {
            s.items(NAME).unwrap_or_default()
        }
    };
    if items.is_empty() && matches!(node.value, Value::List(_)) {
        s.error(node.id, NAME, format!("`{NAME}` is empty"), None);
    }
    let parsed: Vec<Option<Vec<String>>> =
        items.iter().map(|item| s.single(NAME, item, addresses)).collect();
    let sound = parsed.iter().all(Option::is_some);
    let servers: Vec<String> = parsed.into_iter().flatten().flatten().collect();
    if sound && servers.len() == 1 {
        let message =
            "one server alone: while it is away, a starting daemon does not find the others";
        s.warning(node.id, NAME, message.into());
    }
    servers
}

fn addresses(scalar: &Scalar) -> Parsed<Vec<String>> {
    let parts = scalar.text.split(',').map(str::trim);
    parts.map(|part| address(part, scalar)).collect()
}

/// `host:port`, `[v6]:port`, with a protocol before it if need be.
fn address(text: &str, scalar: &Scalar) -> Parsed<String> {
    let shown = scalar.shown();
    let wrong = |what: &str| Wrong::new(format!("{shown} {what}"));
    let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
    if text.is_empty() {
        return Err(wrong("holds no address (host:port)"));
    }
    let bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '"' | '\'' | ';');
    if bare.contains(bad) {
        return Err(wrong("is not host:port"));
    }
    let Some((host, port)) = bare.rsplit_once(':').filter(|(host, _)| !host.is_empty()) else {
        let meant =
            (scalar.written.is_none() && !bare.contains(':')).then(|| format!("{text}:9092"));
        return Err(wrong("is not host:port").suggest(meant));
    };
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err(wrong("is not host:port; an IPv6 address needs [brackets]"));
    }
    match port.parse::<u16>() {
        Ok(1..) => Ok(text.into()),
        Ok(0) | Err(_) => Err(wrong("has no port from 1 to 65535 at its end")),
    }
}

fn compression(s: &Section<'_>) -> (Compression, Option<i32>) {
    let codec = s.read("compression.type", Compression::Zstd, parse::choice(COMPRESSIONS));
    // -1 is the codec's own default.
    let level = s.read("compression.level", 1, parse::number(-1..=12));
    let most = match codec.value {
        Compression::None | Compression::Snappy => {
            if let (Some(at), true) = (level.given, codec.sound && level.sound) {
                let message = "`compression.level` has no effect with this `compression.type`";
                s.warning(at, "compression.level", message.into());
            }
            return (codec.value, None);
        }
        Compression::Gzip => 9,
        Compression::Lz4 | Compression::Zstd => 12,
    };
    if level.value > most {
        let message =
            format!("`compression.level`: {} is more than {most}, the most for gzip", level.value);
        s.contradiction("compression.level", &[level.part(), codec.part()], message);
    }
    (codec.value, i32::try_from(level.value).ok().filter(|level| *level >= 0))
}

/// On unless something rules it out. What rules it out by being asked for is a warning beside
/// the default and an error beside an explicit `true`.
fn idempotence(
    s: &Section<'_>,
    acks: &Setting<Acks>,
    in_flight: &Setting<u32>,
    retries: &Setting<u32>,
) -> bool {
    const NAME: &str = "enable.idempotence";
    let asked = s.read(NAME, None, parse::some(parse::flag));
    if acks.value != Acks::All {
        let lost = "order and no repeats on a retry are not promised";
        if asked.value == Some(true) {
            let message = format!("`{NAME}: true` needs `acks: all`");
            s.contradiction(NAME, &[asked.part(), acks.part()], message);
        } else if let (None, Some(at)) = (asked.value, acks.given) {
            s.warning(at, "acks", format!("`acks` below `all` turns `{NAME}` off: {lost}"));
        }
        return false;
    }
    if asked.value == Some(false) {
        let message = format!("without `{NAME}`, order and no repeats on a retry are not promised");
        s.warning(asked.given.unwrap_or(s.node()), NAME, message);
        return false;
    }
    if in_flight.value > IN_FLIGHT_MAX {
        let name = "max.in.flight.requests.per.connection";
        let message = format!("`{name}` is at most {IN_FLIGHT_MAX} with `{NAME}`");
        s.contradiction(name, &[in_flight.part(), asked.part()], message);
    }
    if retries.value == 0 {
        let message = format!("`retries: 0` contradicts `{NAME}`");
        s.contradiction("retries", &[retries.part(), asked.part()], message);
    }
    true
}

struct Sizes {
    buffer: Setting<usize>,
    request: Setting<usize>,
    batch: usize,
}

impl Sizes {
    fn check(s: &Section<'_>) -> Self {
        let buffer = s.read("buffer.memory", 32 << 20, parse::length(BUFFER_MIN..=BUFFER_MAX));
        let request = s.read("max.request.size", 1_000_000, parse::length(1_000..=1_000_000_000));
        let batch = s.read("batch.size", 512 << 10, parse::length(1..=i32::MAX as u64));
        let shown = show_size(request.value as u64);
        if request.value > buffer.value {
            let message = format!(
                "`max.request.size` ({shown}) is more than `buffer.memory` ({})",
                show_size(buffer.value as u64)
            );
            s.contradiction("max.request.size", &[request.part(), buffer.part()], message);
        }
        // As with Kafka's own producer, a batch simply ends where a request does.
        if let (Some(at), true) = (batch.given, batch.value > request.value && request.sound) {
            let message =
                format!("`batch.size` is more than `max.request.size`; batches end at {shown}");
            s.warning(at, "batch.size", message);
        }
        Self { batch: batch.value.min(request.value), buffer, request }
    }
}

/// What the operating system does with -1 is its own default; 0 is librdkafka's word for it.
fn socket_buffer(s: &Section<'_>, name: &'static str, default: u64) -> usize {
    let parse = parse::length(0..=100_000_000);
    let default = usize::try_from(default).unwrap_or_default();
    s.read(name, default, |scalar| if scalar.text == "-1" { Ok(0) } else { parse(scalar) }).value
}

struct Times {
    linger: Duration,
    delivery: Duration,
    request: Duration,
    backoff: Duration,
    backoff_max: Duration,
    block: Duration,
}

impl Times {
    fn check(s: &Section<'_>) -> Self {
        let ms = Duration::from_millis;
        let read = |name, default, least, most| {
            s.read(name, ms(default), parse::duration(ms(least)..=most))
        };
        let linger = read("linger.ms", 100, 0, ms(900_000));
        let request = read("request.timeout.ms", 30_000, 1, ms(900_000));
        let delivery = read("delivery.timeout.ms", 120_000, 1, DURATION_MAX);
        let backoff = read("retry.backoff.ms", 100, 1, ms(300_000));
        let backoff_max = read("retry.backoff.max.ms", 1_000, 1, ms(300_000));
        let block = read("max.block.ms", 60_000, 0, DURATION_MAX);

        let least = linger.value.saturating_add(request.value);
        if delivery.value <= least {
            let message = format!(
                "`delivery.timeout.ms` ({}) must be more than `linger.ms` + `request.timeout.ms` ({})",
                show_duration(delivery.value),
                show_duration(least)
            );
            let parts = [delivery.part(), request.part(), linger.part()];
            s.contradiction("delivery.timeout.ms", &parts, message);
        }
        if backoff.value > backoff_max.value {
            let message = format!(
                "`retry.backoff.ms` ({}) is more than `retry.backoff.max.ms` ({})",
                show_duration(backoff.value),
                show_duration(backoff_max.value)
            );
            s.contradiction("retry.backoff.ms", &[backoff.part(), backoff_max.part()], message);
        }
        Self {
            linger: linger.value,
            delivery: delivery.value,
            request: request.value,
            backoff: backoff.value,
            backoff_max: backoff_max.value,
            block: block.value,
        }
    }
}

//! The producer's settings, under Kafka's names, with Kafka's meaning and librdkafka's bounds
//! (its `CONFIGURATION.md`).

use std::time::Duration;

use super::names::{ALIASES, refusal};
use super::{DURATION_MAX, World, security};
use crate::config::parse::{self, Parsed, Wrong};
use crate::config::raw::{Scalar, Value};
use crate::config::section::{Section, Setting};
use crate::config::units::{show_duration, show_size};
use crate::settings::{Acks, Compression, Kafka, Properties};

/// The settings, and what other sections are compared with.
pub(super) struct Checked {
    /// Where it stands: `kafka`, or an output's `outputs.NAME`.
    pub(super) path: String,
    pub(super) settings: Kafka,
    pub(super) buffer_sound: bool,
    pub(super) request_sound: bool,
    /// `enable.idempotence` was turned off.
    is_unsafe: bool,
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
    producer(section, None, world)
}

/// The same with what is given elsewhere, which goes before.
pub(super) fn check_with(top: &Section<'_>, mut given: Section<'_>, world: &World<'_>) -> Checked {
    let mut section = top.child("kafka");
    section.rename(ALIASES);
    given.rename(ALIASES);
    producer(given.or(section), None, world)
}

/// A further output: what it does not say is as in `kafka`.
pub(super) fn check_output(
    mut section: Section<'_>,
    kafka: &Checked,
    world: &World<'_>,
) -> Checked {
    section.rename(ALIASES);
    producer(section, Some(kafka), world)
}

fn producer(section: Section<'_>, kafka: Option<&Checked>, world: &World<'_>) -> Checked {
    let s = &section;
    let built_in = || Kafka { client_id: format!("tailspool-{}", world.host), ..Kafka::default() };
    let from = kafka.map_or_else(built_in, |kafka| kafka.settings.clone());
    let acks = s.read("acks", from.acks, parse::choice(ACKS));
    let most = i64::from(from.max_in_flight_requests);
    let in_flight = count(s, "max.in.flight.requests.per.connection", most, 1..=1_000_000);
    let retries = count(s, "retries", i64::from(from.retries), 0..=INT_MAX);
    let is_unsafe = kafka.is_some_and(|kafka| kafka.is_unsafe);
    let idempotence = idempotence(s, is_unsafe, &acks, &in_flight, &retries);
    let (compression_type, compression_level) = compression(s, &from);
    let sizes = Sizes::check(s, kafka, &from);
    let times = Times::check(s, kafka, &from);
    let links = Links::check(s, &from, &times.request);
    let id = |id: &Scalar| Ok(parse::text(id)?.replace("{host}", &world.host));
    let lookup = s.read("client.dns.lookup", None, parse::some(parse::choice(DNS_LOOKUPS)));
    let settings = Kafka {
        bootstrap_servers: servers(s, kafka),
        client_id: s.read("client.id", from.client_id.clone(), id).value,
        client_dns_lookup: lookup.value.map_or(from.client_dns_lookup.clone(), str::to_owned),
        enable_idempotence: idempotence.is_on,
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
        request_timeout: times.request.value,
        retries: retries.value,
        retry_backoff: times.backoff,
        retry_backoff_max: times.backoff_max,
        socket_timeout: links.answer,
        connection_setup_timeout: links.setup,
        connections_max_idle: links.idle,
        reconnect_backoff: links.backoff,
        reconnect_backoff_max: links.backoff_max,
        metadata_max_age: links.metadata,
        socket_keepalive: links.keepalive,
        send_buffer_bytes: socket_buffer(s, "send.buffer.bytes", from.send_buffer_bytes),
        receive_buffer_bytes: socket_buffer(s, "receive.buffer.bytes", from.receive_buffer_bytes),
        allow_auto_create_topics: s
            .read("allow.auto.create.topics", from.allow_auto_create_topics, parse::flag)
            .value,
        security: security(s, kafka, world),
    };
    let path = section.path().to_owned();
    section.close(|key| refusal(key).or_else(|| kafka.and_then(|_| of_all(key))));
    Checked {
        path,
        settings,
        buffer_sound: sizes.buffer.sound,
        request_sound: sizes.request.sound,
        is_unsafe: idempotence.is_unsafe,
    }
}

/// What an output cannot have for itself.
fn of_all(key: &str) -> Option<String> {
    let why = match key {
        "buffer.memory" => "all outputs share `kafka.buffer.memory`",
        "max.block.ms" => "only `tailspool send` waits for room, and it sends to `kafka`",
        _ => return None,
    };
    Some(format!("`{key}` is not taken here: {why}"))
}

/// Who we are to a cluster is never told another one: an output with servers of its own, or with
/// anything of this kind of its own, has nothing of it from `kafka`.
fn security(s: &Section<'_>, kafka: Option<&Checked>, world: &World<'_>) -> Properties {
    let Some(kafka) = kafka else { return security::check(s, world, Some("PLAINTEXT")) };
    let own = security::check(s, world, None);
    if !own.0.is_empty() {
        return own;
    }
    if !s.has("bootstrap.servers") {
        return kafka.settings.security.clone();
    }
    if !kafka.settings.security.0.is_empty() {
        let message = "other servers: the security settings of `kafka` are not taken over, this \
                       is `security.protocol: PLAINTEXT`";
        s.warning(s.place_of("bootstrap.servers"), "bootstrap.servers", message.into());
    }
    own
}

fn count(
    s: &Section<'_>,
    name: &'static str,
    default: i64,
    range: std::ops::RangeInclusive<i64>,
) -> Setting<u32> {
    let parse = parse::number(range);
    s.read(name, u32::try_from(default).unwrap_or(u32::MAX), |scalar| {
        let number = u32::try_from(parse(scalar)?);
        number.map_err(|_| Wrong::new(format!("{} is too large", scalar.shown())))
    })
}

/// A list, or Kafka's own form with commas.
fn servers(s: &Section<'_>, kafka: Option<&Checked>) -> Vec<String> {
    const NAME: &str = "bootstrap.servers";
    let Some(node) = s.find(NAME) else {
        let Some(kafka) = kafka else {
            s.missing(NAME);
            return Vec::new();
        };
        return kafka.settings.bootstrap_servers.clone();
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

fn compression(s: &Section<'_>, from: &Kafka) -> (Compression, Option<i32>) {
    let codec = s.read("compression.type", from.compression_type, parse::choice(COMPRESSIONS));
    // -1 is the codec's own default; another codec's level means nothing.
    let default = codec.given.map_or(from.compression_level.map_or(-1, i64::from), |_| 1);
    let level = s.read("compression.level", default, parse::number(-1..=12));
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

struct Idempotence {
    is_on: bool,
    /// It was turned off by asking for that.
    is_unsafe: bool,
}

/// On unless something rules it out. What rules it out by being asked for is a warning beside
/// the default and an error beside an explicit `true`.
fn idempotence(
    s: &Section<'_>,
    is_unsafe: bool,
    acks: &Setting<Acks>,
    in_flight: &Setting<u32>,
    retries: &Setting<u32>,
) -> Idempotence {
    const NAME: &str = "enable.idempotence";
    let asked = s.read(NAME, is_unsafe.then_some(false), parse::some(parse::flag));
    let is_unsafe = asked.value == Some(false);
    let off = Idempotence { is_on: false, is_unsafe };
    if acks.value != Acks::All {
        let lost = "order and no repeats on a retry are not promised";
        if asked.value == Some(true) {
            let message = format!("`{NAME}: true` needs `acks: all`");
            s.contradiction(NAME, &[asked.part(), acks.part()], message);
        } else if let (None, Some(at)) = (asked.value, acks.given) {
            s.warning(at, "acks", format!("`acks` below `all` turns `{NAME}` off: {lost}"));
        }
        return off;
    }
    if is_unsafe {
        let message = format!("without `{NAME}`, order and no repeats on a retry are not promised");
        if let Some(at) = asked.given {
            s.warning(at, NAME, message);
        }
        return off;
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
    Idempotence { is_on: true, is_unsafe }
}

struct Sizes {
    buffer: Setting<usize>,
    request: Setting<usize>,
    batch: usize,
}

impl Sizes {
    fn check(s: &Section<'_>, kafka: Option<&Checked>, from: &Kafka) -> Self {
        let buffer = match kafka {
            Some(kafka) => {
                Setting { value: from.buffer_memory_bytes, given: None, sound: kafka.buffer_sound }
            }
            None => s.read(
                "buffer.memory",
                from.buffer_memory_bytes,
                parse::length(BUFFER_MIN..=BUFFER_MAX),
            ),
        };
        let size = parse::length(1_000..=1_000_000_000);
        let request = s.read("max.request.size", from.max_request_size_bytes, size);
        let size = parse::length(1..=i32::MAX as u64);
        let batch = s.read("batch.size", from.batch_size_bytes, size);
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
fn socket_buffer(s: &Section<'_>, name: &'static str, default: usize) -> usize {
    let parse = parse::length(0..=100_000_000);
    s.read(name, default, |scalar| if scalar.text == "-1" { Ok(0) } else { parse(scalar) }).value
}

struct Times {
    linger: Duration,
    delivery: Duration,
    request: Setting<Duration>,
    backoff: Duration,
    backoff_max: Duration,
    block: Duration,
}

impl Times {
    fn check(s: &Section<'_>, kafka: Option<&Checked>, from: &Kafka) -> Self {
        let ms = Duration::from_millis;
        let read =
            |name, default, least, most| s.read(name, default, parse::duration(ms(least)..=most));
        let linger = read("linger.ms", from.linger, 0, ms(900_000));
        let request = read("request.timeout.ms", from.request_timeout, 1, ms(900_000));
        let delivery = read("delivery.timeout.ms", from.delivery_timeout, 1, DURATION_MAX);
        let backoff = read("retry.backoff.ms", from.retry_backoff, 1, ms(300_000));
        let backoff_max = read("retry.backoff.max.ms", from.retry_backoff_max, 1, ms(300_000));
        let block = match kafka {
            Some(_) => from.max_block,
            None => read("max.block.ms", from.max_block, 0, DURATION_MAX).value,
        };

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
        ordered(s, ["retry.backoff.ms", "retry.backoff.max.ms"], &backoff, &backoff_max);
        Self {
            linger: linger.value,
            delivery: delivery.value,
            request,
            backoff: backoff.value,
            backoff_max: backoff_max.value,
            block,
        }
    }
}

/// The first may not be more than the second.
fn ordered(
    s: &Section<'_>,
    [less_name, more_name]: [&'static str; 2],
    less: &Setting<Duration>,
    more: &Setting<Duration>,
) {
    if less.value > more.value {
        let message = format!(
            "`{less_name}` ({}) is more than `{more_name}` ({})",
            show_duration(less.value),
            show_duration(more.value)
        );
        s.contradiction(less_name, &[less.part(), more.part()], message);
    }
}

/// Connections, and what is known of the cluster.
struct Links {
    answer: Option<Duration>,
    setup: Option<Duration>,
    idle: Option<Duration>,
    backoff: Duration,
    backoff_max: Duration,
    metadata: Duration,
    keepalive: bool,
}

impl Links {
    fn check(s: &Section<'_>, from: &Kafka, request: &Setting<Duration>) -> Self {
        let ms = Duration::from_millis;
        let int_max = ms(INT_MAX.unsigned_abs());
        let hour = Duration::from_hours(1);
        let read =
            |name, default, least, most| s.read(name, default, parse::duration(ms(least)..=most));
        let may = |name, default, least, most| {
            s.read(name, default, parse::some(parse::duration(ms(least)..=most)))
        };
        let answer = may("socket.timeout.ms", from.socket_timeout, 10, ms(300_000));
        if let Some(shorter) = answer.value.filter(|answer| *answer < request.value) {
            let message = format!(
                "`socket.timeout.ms` ({}) is less than `request.timeout.ms` ({}): who takes that \
                 long would never be heard",
                show_duration(shorter),
                show_duration(request.value)
            );
            s.contradiction("socket.timeout.ms", &[answer.part(), request.part()], message);
        }
        let backoff = read("reconnect.backoff.ms", from.reconnect_backoff, 0, hour);
        let backoff_max = read("reconnect.backoff.max.ms", from.reconnect_backoff_max, 0, hour);
        ordered(s, ["reconnect.backoff.ms", "reconnect.backoff.max.ms"], &backoff, &backoff_max);
        let setup = "socket.connection.setup.timeout.ms";
        let metadata = read("metadata.max.age.ms", from.metadata_max_age, 100, hour);
        // Java's word for never is less than nothing, librdkafka's is nothing.
        let idle = parse::some(parse::duration(Duration::ZERO..=int_max));
        let idle = s.read("connections.max.idle.ms", from.connections_max_idle, |scalar| {
            if scalar.text == "-1" { Ok(Some(Duration::ZERO)) } else { idle(scalar) }
        });
        Self {
            answer: answer.value,
            setup: may(setup, from.connection_setup_timeout, 1_000, int_max).value,
            idle: idle.value,
            backoff: backoff.value,
            backoff_max: backoff_max.value,
            metadata: metadata.value,
            keepalive: s.read("socket.keepalive.enable", from.socket_keepalive, parse::flag).value,
        }
    }
}

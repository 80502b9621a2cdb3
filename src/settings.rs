//! What the daemon runs on, once the configuration has been found to be right.
//!
//! Plain values: every default is applied, every unit is resolved, and no two contradict.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::record::Stream;
use crate::template::Labels;

#[derive(Debug, Clone)]
pub struct Settings {
    pub state_dir: PathBuf,
    pub kafka: Kafka,
    /// Beside `kafka`, by name.
    pub outputs: BTreeMap<String, Kafka>,
    pub shutdown_grace: Duration,
    pub checkpoint_interval: Duration,
    pub forget_after: Duration,
    /// At least one; ids are unique.
    pub inputs: Vec<Input>,
    pub spool: Spool,
    pub dead_letters: DeadLetters,
    pub log: Log,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    None,
    Leader,
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// The producer's settings, under Kafka's names.
#[derive(Debug, Clone)]
pub struct Kafka {
    pub bootstrap_servers: Vec<String>,
    pub client_id: String,
    pub client_dns_lookup: String,
    pub acks: Acks,
    pub enable_idempotence: bool,
    pub compression_type: Compression,
    pub compression_level: Option<i32>,
    pub linger: Duration,
    pub batch_size_bytes: usize,
    pub buffer_memory_bytes: usize,
    pub max_request_size_bytes: usize,
    pub max_in_flight_requests: u32,
    /// How long `send` waits for room; who reads files waits for ever.
    pub max_block: Duration,
    pub delivery_timeout: Duration,
    pub request_timeout: Duration,
    /// How long an answer is waited for; a little longer than `request_timeout` if that is not
    /// given.
    pub socket_timeout: Option<Duration>,
    /// `request_timeout` within bounds if that is not given.
    pub connection_setup_timeout: Option<Duration>,
    /// Zero: never. Not given: never, but where librdkafka knows better.
    pub connections_max_idle: Option<Duration>,
    pub reconnect_backoff: Duration,
    pub reconnect_backoff_max: Duration,
    pub metadata_max_age: Duration,
    pub socket_keepalive: bool,
    pub retries: u32,
    pub retry_backoff: Duration,
    pub retry_backoff_max: Duration,
    pub send_buffer_bytes: usize,
    pub receive_buffer_bytes: usize,
    pub allow_auto_create_topics: bool,
    /// What is handed to librdkafka as it stands, by its names: `security.protocol`, `ssl.*`,
    /// `sasl.*`. May hold secrets: never printed.
    pub security: Properties,
}

impl Default for Kafka {
    /// What holds where nothing is said; of servers and of who we are there is no default.
    fn default() -> Self {
        Self {
            bootstrap_servers: Vec::new(),
            client_id: "tailspool".into(),
            client_dns_lookup: "use_all_dns_ips".into(),
            acks: Acks::All,
            enable_idempotence: true,
            compression_type: Compression::Zstd,
            compression_level: Some(1),
            linger: Duration::from_millis(100),
            batch_size_bytes: 512 << 10,
            buffer_memory_bytes: 32 << 20,
            max_request_size_bytes: 1_000_000,
            max_in_flight_requests: 5,
            max_block: Duration::from_mins(1),
            delivery_timeout: Duration::from_mins(2),
            request_timeout: Duration::from_secs(30),
            socket_timeout: None,
            connection_setup_timeout: None,
            connections_max_idle: None,
            reconnect_backoff: Duration::from_millis(100),
            // An outage ends for us two seconds after it ends for the brokers, at most.
            reconnect_backoff_max: Duration::from_secs(2),
            // A topic that was missing or denied heals within this.
            metadata_max_age: Duration::from_secs(10),
            socket_keepalive: true,
            retries: i32::MAX.unsigned_abs(),
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
            send_buffer_bytes: 128 << 10,
            receive_buffer_bytes: 64 << 10,
            allow_auto_create_topics: false,
            security: Properties::default(),
        }
    }
}

#[cfg(test)]
impl Kafka {
    pub(crate) fn example() -> Self {
        Self { bootstrap_servers: vec!["localhost:9092".into()], ..Self::default() }
    }
}

/// Which cluster or profile: `kafka`, or one of `outputs` by its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Output(Option<Arc<str>>);

impl Output {
    pub fn named(name: &str) -> Self {
        Self(Some(name.into()))
    }

    /// Its name in `outputs`; none of `kafka`.
    pub fn name(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name().unwrap_or("kafka"))
    }
}

impl Settings {
    /// The settings of an output; none if there is no such output.
    pub fn output(&self, output: &Output) -> Option<&Kafka> {
        output.name().map_or(Some(&self.kafka), |name| self.outputs.get(name))
    }

    /// All outputs, `kafka` first.
    pub fn all_outputs(&self) -> impl Iterator<Item = (Output, &Kafka)> {
        let others = self.outputs.iter().map(|(name, kafka)| (Output::named(name), kafka));
        std::iter::once((Output::default(), &self.kafka)).chain(others)
    }
}

/// Settings that may hold secrets and therefore have no printable form.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties(pub BTreeMap<String, String>);

impl Properties {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[derive(Debug, Clone)]
pub struct Input {
    pub id: String,
    /// Absolute globs.
    pub paths: Vec<String>,
    pub exclude_paths: Vec<String>,
    pub rotated: Rotated,
    pub start_at: StartAt,
    /// What was not written to for this long when it is first met is read from its end on.
    pub ignore_older: Option<Duration>,
    pub format: Format,
    /// A name that `encoding_rs` knows.
    pub encoding: String,
    /// Not empty; as text, whatever the encoding.
    pub delimiter: String,
    pub skip_empty: bool,
    pub multiline: Option<Multiline>,
    /// Lines of the other one are not wanted.
    pub stream: Option<Stream>,
    /// Patterns that compile. None: all are wanted.
    pub include_lines: Vec<String>,
    pub exclude_lines: Vec<String>,
    /// One after the other.
    pub processors: Vec<Processor>,
    pub value: Value,
    pub max_line_bytes: usize,
    pub on_long_line: LongLine,
    pub partial_timeout: Option<Duration>,
    pub close_inactive: Duration,
    /// A rotated file is removed this long after all of it was acknowledged.
    pub delete_after: Option<Duration>,
    pub rate_limit: RateLimit,
    /// Directories below which symbolic links are followed.
    pub follow_symlinks: Vec<PathBuf>,
    pub output: Output,
    /// Topic, key and headers of its records.
    pub labels: Labels,
    pub partition: Partition,
    pub confirm: Confirm,
}

#[cfg(test)]
impl Input {
    /// Plain lines, for tests to change what they are about.
    pub(crate) fn example() -> Self {
        Self {
            id: "example".into(),
            paths: Vec::new(),
            exclude_paths: Vec::new(),
            rotated: Rotated::Auto,
            start_at: StartAt::Beginning,
            ignore_older: None,
            format: Format::Text,
            encoding: "utf-8".into(),
            delimiter: "\n".into(),
            skip_empty: false,
            multiline: None,
            stream: None,
            include_lines: Vec::new(),
            exclude_lines: Vec::new(),
            processors: Vec::new(),
            value: Value::Raw,
            max_line_bytes: 1024,
            on_long_line: LongLine::Truncate,
            partial_timeout: None,
            close_inactive: Duration::from_mins(5),
            delete_after: None,
            rate_limit: RateLimit::default(),
            follow_symlinks: Vec::new(),
            output: Output::default(),
            labels: Labels::plain("logs"),
            partition: Partition::File,
            confirm: Confirm::Async,
        }
    }
}

/// Which files beside a matched one are its predecessors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotated {
    /// `NAME.*` and `NAME-*`.
    Auto,
    Off,
    /// File name globs.
    Patterns(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    Beginning,
    End,
}

/// What a record's value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// The message as it is.
    Raw,
    /// The message, where it comes from, and some fields beside it.
    Document {
        document: Document,
        host: String,
        fields: Vec<(String, String)>,
        /// What leaves room for the rest of a record in a request.
        value_max: usize,
    },
}

/// Whose names a document has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    Json,
    /// As Filebeat's.
    Ecs,
}

/// The most that is read of an input in a second; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RateLimit {
    pub records: Option<u64>,
    pub bytes: Option<u64>,
}

/// What a line of a file looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
    Cri,
    Docker,
    /// As `Cri` or `Docker`, each line for itself.
    Container,
}

/// What makes an event of several lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multiline {
    pub start: Option<String>,
    pub continues: Option<String>,
    pub end: Option<String>,
    pub negate: bool,
    pub preset: Option<Preset>,
    pub lines_max: usize,
    /// Of an event with a newline between its lines. A longer line is an event of its own.
    pub bytes_max: usize,
    /// Without another line for so long, an event is over.
    pub timeout: Duration,
}

#[cfg(test)]
impl Multiline {
    /// Each line that matches begins an event.
    pub(crate) fn starting_with(pattern: &str) -> Self {
        Self {
            start: Some(pattern.into()),
            continues: None,
            end: None,
            negate: false,
            preset: None,
            lines_max: 500,
            bytes_max: 1 << 20,
            timeout: Duration::from_secs(5),
        }
    }
}

/// Whose stack traces are events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    Java,
    Python,
    Go,
    Ruby,
    Dotnet,
}

impl Preset {
    /// By the names that a configuration has for them.
    pub const ALL: &[(&str, Self)] = &[
        ("java", Self::Java),
        ("python", Self::Python),
        ("go", Self::Go),
        ("ruby", Self::Ruby),
        ("dotnet", Self::Dotnet),
    ];
}

/// What is done with each message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Processor {
    pub action: Action,
    pub on_error: OnError,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The members of an object become fields.
    ParseJson,
    /// Named groups become fields.
    ParseRegex { pattern: String },
    /// A field becomes the record's time.
    Timestamp {
        /// Names with dots between them that lead into objects.
        field: String,
        /// `rfc3339`, `unix`, `unix_ms` or a pattern.
        format: String,
        /// `UTC`, `local` or a name of IANA's.
        timezone: String,
    },
}

impl Action {
    pub fn gives_fields(&self) -> bool {
        matches!(self, Self::ParseJson | Self::ParseRegex { .. })
    }
}

/// What becomes of a message that a processor fails on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// It goes on without what that processor would have made of it.
    Keep,
    Drop,
    DeadLetter,
}

/// What becomes of a line longer than `max_line`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LongLine {
    Truncate,
    Split,
    DeadLetter,
}

/// What decides which partition of its topic a record goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partition {
    /// Host, input and path as matched.
    File,
    /// The record's key, as in Java's client.
    Key,
    /// Nothing: one until about a batch went there, then another.
    Sticky,
    /// Nothing: all in turn.
    RoundRobin,
    /// Nothing: chance.
    Random,
    Number(i32),
}

impl Partition {
    /// The one partition, if the operator chose one.
    pub fn pinned(self) -> Option<i32> {
        match self {
            Self::Number(number) => Some(number),
            Self::File | Self::Key | Self::Sticky | Self::RoundRobin | Self::Random => None,
        }
    }

    /// Whether all of a file goes to one.
    pub fn is_one(self) -> bool {
        matches!(self, Self::File | Self::Number(_))
    }

    /// Whether any will do: the operator gave up the order of a file's records.
    pub fn is_any(self) -> bool {
        matches!(self, Self::Sticky | Self::RoundRobin | Self::Random)
    }
}

/// What is waited for before the next of a file is sent, and before its place moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirm {
    /// The place moves with the acknowledgement; sending does not wait for it.
    Async,
    /// One block at a time.
    Sync,
    /// Nothing: what was handed over counts as sent.
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    Block,
    DropOldest,
    DropNewest,
}

#[derive(Debug, Clone)]
pub struct Spool {
    pub enabled: bool,
    pub max_size_bytes: u64,
    pub max_age: Option<Duration>,
    pub when_full: WhenFull,
    pub stall_after: Duration,
}

#[derive(Debug, Clone)]
pub struct DeadLetters {
    pub max_size_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    pub format: LogFormat,
}

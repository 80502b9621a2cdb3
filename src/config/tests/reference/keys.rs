//! Every key in a sentence or two.

pub(super) struct Key {
    /// As a problem names it.
    pub(super) name: &'static str,
    /// librdkafka's name for it, if it has one: ours or another.
    pub(super) native: &'static str,
    pub(super) what: &'static str,
    /// When somebody would want something else than the default.
    pub(super) change: &'static str,
}

pub(super) const fn key(
    name: &'static str,
    native: &'static str,
    what: &'static str,
    change: &'static str,
) -> Key {
    Key { name, native, what, change }
}

/// All others.
pub(super) const OWN: &[Key] = &[
    key(
        "state_dir",
        "",
        "Checkpoints, spool and dead letters. One daemon at a time may use it.",
        "A disk with more room; local, not on a network.",
    ),
    key(
        "shutdown_grace",
        "",
        "From SIGTERM to exit, at most. What is not acknowledged by then is in the spool.",
        "Below what systemd or Kubernetes allow before they kill.",
    ),
    key(
        "checkpoint_interval",
        "",
        "How often places are saved: at most this much is read again after a crash, beside what was in flight.",
        "Fewer syncs on a slow disk.",
    ),
    key(
        "forget_after",
        "",
        "How long the place in a vanished file is kept, once all of it is delivered.",
        "Files go and come back later than that.",
    ),
    key(
        "include",
        "",
        "More inputs, from other files: see `inputs.md`.",
        "Configuration management writes a file for each application.",
    ),
    key(
        "outputs",
        "",
        "Further clusters or profiles, by name, with the keys of `kafka`: see Several clusters in `kafka.md`.",
        "Some lines go elsewhere, or matter more or less than others.",
    ),
    key(
        "inputs.id",
        "",
        "Names the input in checkpoints, messages and metrics: unique, and not to be changed later.",
        "Always given.",
    ),
    key(
        "inputs.paths",
        "",
        "Absolute globs with `*`, `?`, `[..]`, `{a,b}` and `**`.",
        "Always given.",
    ),
    key(
        "inputs.exclude_paths",
        "",
        "Of what they match, what is not read. Whole paths, or file names.",
        "Some of it is not a log.",
    ),
    key(
        "inputs.rotated",
        "",
        "The predecessors of a matched file. `auto`: its siblings `NAME.*` and `NAME-*`, compressed ones too; `off`; or a list of patterns for file names.",
        "Rotated files have other names, or `off` if `paths` matches them by intention.",
    ),
    key(
        "inputs.start_at",
        "",
        "`beginning` or `end`. `end` passes over what is there at the very first start.",
        "Old lines are of no interest.",
    ),
    key(
        "inputs.ignore_older",
        "",
        "A file not written to for this long when first met is read from its end on.",
        "Directories full of old files.",
    ),
    key(
        "inputs.follow_symlinks",
        "",
        "Directories below which symbolic links are followed.",
        "Links elsewhere. Not where an application may write: it could have any file shipped.",
    ),
    key(
        "inputs.format",
        "",
        "`text`, `json`, `cri`, `docker` or `container`: what is around a message.",
        "Containers' logs: `container` finds out by itself.",
    ),
    key(
        "inputs.encoding",
        "",
        "What browsers know: `utf-16le`, `iso-8859-1`, `shift_jis` … Shipped is UTF-8.",
        "The file is not UTF-8.",
    ),
    key(
        "inputs.delimiter",
        "",
        "What ends a line.",
        "Records end with NUL, or with something of their own.",
    ),
    key(
        "inputs.max_line",
        "",
        "The longest record. Must fit into `kafka.max.request.size` beside key and headers.",
        "Together with that.",
    ),
    key(
        "inputs.on_long_line",
        "",
        "`truncate` (marked by a header), `split` or `dead_letter`.",
        "Nothing may be cut.",
    ),
    key(
        "inputs.partial_timeout",
        "",
        "Ships an unfinished last line after this. `~`: only when its file is gone.",
        "Prompts and progress that end without a newline.",
    ),
    key(
        "inputs.value",
        "",
        "`raw`: the message. `json`: with time, host, path, offset and what is known of the container. `ecs`: the same as Filebeat's documents.",
        "Consumers want to know where a line is from.",
    ),
    key(
        "inputs.fields",
        "",
        "Texts for `json` and `ecs`, and for templates: `{field:NAME}`.",
        "Environment, team, data centre.",
    ),
    key("inputs.skip_empty", "", "Lines without a character are not shipped.", "They are noise."),
    key(
        "inputs.stream",
        "",
        "`stdout` or `stderr`: only what a container wrote there.",
        "One of the two goes elsewhere, or nowhere.",
    ),
    key("inputs.multiline", "", "Lines that make one event: see `multiline.md`.", "Stack traces."),
    key("inputs.multiline.start", "", "What begins an event.", ""),
    key("inputs.multiline.continue", "", "What continues it.", ""),
    key("inputs.multiline.end", "", "What ends it.", ""),
    key("inputs.multiline.negate", "", "Turns the one pattern round.", ""),
    key(
        "inputs.multiline.preset",
        "",
        "`java`, `python`, `go`, `ruby` or `dotnet`, instead of patterns.",
        "",
    ),
    key("inputs.multiline.max_lines", "", "A longer event is parted.", ""),
    key("inputs.multiline.max_bytes", "", "The same in bytes.", ""),
    key(
        "inputs.multiline.timeout",
        "",
        "An event ends when nothing is added to it for this long.",
        "",
    ),
    key(
        "inputs.include_lines",
        "",
        "Regular expressions: only what matches one of them is shipped.",
        "One kind of line is of interest.",
    ),
    key(
        "inputs.exclude_lines",
        "",
        "What matches one of these is not.",
        "Debug output, health checks.",
    ),
    key(
        "inputs.close_inactive",
        "",
        "A file that does not change for this long is closed; its place is kept.",
        "Descriptors are scarce.",
    ),
    key(
        "inputs.delete_after",
        "",
        "Removes a rotated file this long after all of it was acknowledged.",
        "Nobody else cleans up.",
    ),
    key(
        "inputs.rate_limit",
        "",
        "Slows reading; drops nothing.",
        "One application may not take all of the link.",
    ),
    key("inputs.rate_limit.records", "", "Records a second, of all files together.", ""),
    key("inputs.rate_limit.bytes", "", "Bytes a second.", ""),
    key(
        "inputs.topic",
        "",
        "Where lines go; a template of host, input, `fields` and what the path says.",
        "Always given.",
    ),
    key(
        "inputs.output",
        "",
        "Which of `outputs`; `kafka` is the one that is always there.",
        "There are several.",
    ),
    key(
        "inputs.topic_fallback",
        "",
        "Where lines go whose topic cannot be. A plain name.",
        "Needed if `topic` depends on the path.",
    ),
    key(
        "inputs.topics_max",
        "",
        "So many topics at most are made of paths.",
        "A cluster with more namespaces.",
    ),
    key(
        "inputs.key",
        "",
        "A template for the records' key; beside what `topic` may have, `{stream}`.",
        "Consumers want it, or topics are compacted.",
    ),
    key("inputs.headers", "", "Templates by name.", "What is in no message: environment, pod."),
    key(
        "inputs.record_id",
        "",
        "`headers` or `key`: each record says in which source it is, and where.",
        "Consumers drop repeats: see `kafka.md`.",
    ),
    key(
        "inputs.partition",
        "",
        "`file`: host, input and path decide, so that a file and its successors share one, which keeps order. `key`: the key does, as in Kafka's own client. `sticky`, `round_robin`, `random`: any, which gives up the order of a file. Or a number. See `kafka.md`.",
        "Consumers need all of a key in one partition, or one file is too much for one.",
    ),
    key(
        "inputs.confirm",
        "",
        "`async`: a place moves with the acknowledgement. `sync`: and the next block of a file is sent only then. `none`: a place moves when lines are handed over; what is not delivered then is lost, and counted. See `kafka.md`.",
        "`none`: lines that are worth less than a repeat.",
    ),
    key(
        "spool.enabled",
        "",
        "Whether lines wait on disk while Kafka does not take them.",
        "Files are kept long enough to be the only buffer.",
    ),
    key(
        "spool.max_size",
        "",
        "Bytes of its files.",
        "Outages times what is written in them, compressed about 4 to 1.",
    ),
    key(
        "spool.max_age",
        "",
        "Records that wait longer are dropped, and counted. `~`: never.",
        "Old lines are worth nothing.",
    ),
    key(
        "spool.when_full",
        "",
        "`block` stops reading and loses nothing; `drop_oldest`, `drop_newest`.",
        "The newest lines matter most, or the application's disk does.",
    ),
    key(
        "spool.stall_after",
        "",
        "Nothing acknowledged for this long while `kafka.buffer.memory` is full: lines go to the spool.",
        "Kafka stalls often and briefly: more.",
    ),
    key(
        "dead_letters.max_size",
        "",
        "Bytes of what the brokers will never take, with the reason. Full, its files wait.",
        "Many are expected.",
    ),
    key(
        "log.level",
        "",
        "`error`, `warn`, `info`, `debug` or `trace`.",
        "Looking for the cause of something.",
    ),
    key("log.format", "", "`text` or `json`.", "A machine reads it."),
];

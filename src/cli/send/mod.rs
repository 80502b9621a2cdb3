//! `tailspool send`: the standard input to a topic, as kafka-console-producer does it, but without
//! losing a line: what cannot be delivered is in a file in the end.

mod line;
mod progress;
mod undelivered;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::DEFAULT_CONFIG;
use super::exit::{Exit, Failure};
use super::interrupt::Interrupt;
use crate::clock;
use crate::config;
use crate::produce::{Cause, Sender, Sent, Trouble, Verdict};
use crate::settings::Kafka;
use crate::template::{TopicError, check_topic};
use line::{Line, Reading};
use progress::Progress;
pub(super) use undelivered::KeepError;
use undelivered::{Numbered, Undelivered};

/// How far the standard input was read.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    lines: u64,
    bytes: u64,
}

#[derive(Debug, Error)]
#[error("read the standard input beyond line {}, byte {}: {error}", read.lines, read.bytes)]
pub(super) struct ReadError {
    read: Place,
    error: io::Error,
}

const CHUNK_BYTES: usize = 64 << 10;
/// How long nothing may happen before somebody looks again.
const LOOK: Duration = Duration::from_millis(10);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the lines go
    #[arg(long, value_name = "TOPIC", value_parser = topic)]
    topic: String,
    /// Brokers to begin with, host:port,…; without, those of the configuration
    #[arg(long, value_name = "SERVERS")]
    bootstrap_server: Option<String>,
    /// Configuration file whose `kafka` section is used
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Key of every record
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Header of every record; may be given several times
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = line::pair)]
    headers: Vec<(String, String)>,
    /// 0, 1 or all
    #[arg(long)]
    acks: Option<String>,
    /// none, gzip, snappy, lz4 or zstd
    #[arg(long, value_name = "CODEC")]
    compression: Option<String>,
    /// Partition of every record; without, the key decides as in Java
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    /// parse.key, key.separator, parse.headers, null.marker, … as in kafka-console-producer, or
    /// one of the producer's settings; may be given several times
    #[arg(long = "property", value_name = "NAME=VALUE", value_parser = line::pair)]
    properties: Vec<(String, String)>,
    /// Where lines are kept that could not be delivered
    #[arg(long, value_name = "FILE", default_value = "undelivered.log")]
    undelivered: PathBuf,
}

/// A name that Kafka does not take would only be waited for.
fn topic(name: &str) -> Result<String, String> {
    let len_max = match check_topic(name) {
        Ok(()) => return Ok(name.to_owned()),
        Err(TopicError::NoName) => return Err("no name of a topic".to_owned()),
        Err(TopicError::Illegal(_)) => {
            return Err("names of topics have only A-Z a-z 0-9 . _ -".to_owned());
        }
        Err(TopicError::TooLong { len_max, .. }) => len_max,
    };
    Err(format!("names of topics have at most {len_max} characters"))
}

pub(super) fn send(args: &Args) -> Result<Exit, Failure> {
    let (reading, rest) = Reading::of(&args.properties, args.key.as_deref(), &args.headers)
        .map_err(Failure::Usage)?;
    let kafka = kafka(args, rest)?;
    let interrupt = Interrupt::listen().map_err(Failure::Runtime)?;
    let mut sending = Sending::new(args, reading, &kafka, interrupt)?;
    let read = sending.all(&chunks().map_err(Failure::Runtime)?);
    let exit = sending.sum_up()?;
    read?;
    Ok(exit)
}

/// The settings, from the file if it is asked for or all there is.
fn kafka(args: &Args, mut given: Vec<(String, String)>) -> Result<Kafka, Failure> {
    let options = [
        ("bootstrap.servers", &args.bootstrap_server),
        ("acks", &args.acks),
        ("compression.type", &args.compression),
    ];
    for (name, value) in options {
        if let Some(value) = value {
            given.retain(|(given, _)| given != name);
            given.push((name.to_owned(), value.clone()));
        }
    }
    let default = Path::new(DEFAULT_CONFIG);
    let is_told = given.iter().any(|(name, _)| name == "bootstrap.servers");
    let file = args.config.as_deref().or((!is_told && default.exists()).then_some(default));
    let (kafka, warnings) = config::producer(file, &given)?;
    for warning in warnings {
        writeln!(io::stderr(), "{warning}")?;
    }
    Ok(kafka)
}

/// The standard input, read by a thread of its own: it may be silent while reports come in.
fn chunks() -> io::Result<Receiver<io::Result<Vec<u8>>>> {
    let (to, from) = sync_channel(4);
    thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        let mut stdin = io::stdin().lock();
        loop {
            let mut chunk = vec![0; CHUNK_BYTES];
            let read = stdin.read(&mut chunk).map(|len| {
                chunk.truncate(len);
                chunk
            });
            let is_last = read.as_ref().map_or(true, Vec::is_empty);
            if to.send(read).is_err() || is_last {
                return;
            }
        }
    })?;
    Ok(from)
}

struct Sending<'a> {
    args: &'a Args,
    reading: Reading,
    /// The most that may wait, in bytes, overhead included.
    limit: usize,
    /// How long a line waits for room.
    patience: Duration,
    /// How long nothing at all may be delivered while something waits.
    deadline: Duration,
    sender: Sender,
    interrupt: Interrupt,
    read: Place,
    /// What cannot be delivered would have no place any more.
    is_full: bool,
    /// What was handed over and has not come back, by the number of the hand-over.
    waiting: BTreeMap<usize, Numbered>,
    waiting_bytes: usize,
    next: usize,
    heard_at: Instant,
    is_reachable: bool,
    /// Why nothing is sent any more.
    given_up: Option<String>,
    /// Refused together with others, and by whom is not known.
    suspects: Vec<(Numbered, Cause)>,
    /// What to look at, which was said.
    said: BTreeSet<&'static str>,
    undelivered: Undelivered<'a>,
    progress: Progress,
}

/// A line that was not handed over.
enum Back {
    /// The client has no room.
    NoRoom(Numbered),
    /// It will never be taken, and why.
    Unfit(Numbered, String),
}

impl<'a> Sending<'a> {
    fn new(
        args: &'a Args,
        reading: Reading,
        kafka: &Kafka,
        interrupt: Interrupt,
    ) -> Result<Self, Failure> {
        Ok(Self {
            args,
            reading,
            limit: kafka.buffer_memory_bytes,
            patience: kafka.max_block,
            deadline: kafka.delivery_timeout,
            sender: Sender::new(kafka).map_err(Failure::Client)?,
            interrupt,
            read: Place::default(),
            is_full: false,
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            next: 0,
            heard_at: clock::now(),
            is_reachable: true,
            given_up: None,
            suspects: Vec::new(),
            said: BTreeSet::new(),
            undelivered: Undelivered::new(&args.undelivered)?,
            progress: Progress::start(),
        })
    }

    /// Reads to the end, or as far as can be; what was read has a fate when it returns.
    fn all(&mut self, chunks: &Receiver<io::Result<Vec<u8>>>) -> Result<(), ReadError> {
        let (mut begun, mut failed): (Vec<u8>, _) = (Vec::new(), None);
        while !self.is_full {
            let chunk = match chunks.recv_timeout(LOOK) {
                Ok(Ok(chunk)) => chunk,
                Ok(Err(error)) => {
                    // Half a line is not what somebody wrote.
                    begun.clear();
                    failed = Some(error);
                    break;
                }
                Err(RecvTimeoutError::Disconnected) => Vec::new(),
                Err(RecvTimeoutError::Timeout) => {
                    self.hear(Duration::ZERO);
                    if self.interrupt.is_asked() {
                        break;
                    }
                    continue;
                }
            };
            let is_last = chunk.is_empty() || self.interrupt.is_asked();
            begun.extend(chunk);
            if is_last {
                break;
            }
            let whole = memchr::memrchr(b'\n', &begun).map_or(0, |at| at + 1);
            let rest = begun.split_off(whole);
            self.lines(&begun);
            begun = rest;
            self.hear(Duration::ZERO);
        }
        // What was read is ours to deliver, a last line without its end, too.
        self.lines(&begun);
        self.one_by_one();
        self.undelivered.write();
        while self.waits_for_disk() {
            self.hear(LOOK);
        }
        let read = self.read;
        failed.map_or(Ok(()), |error| Err(ReadError { read, error }))
    }

    fn lines(&mut self, text: &[u8]) {
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            if self.is_full || !self.finds_place() {
                self.is_full = true;
                return;
            }
            self.read.lines += 1;
            self.read.bytes += line.len() as u64;
            self.line(Numbered { number: self.read.lines, text: line.into() });
        }
    }

    /// Whether a line would have a place if it could not be delivered: what the disk does not take
    /// may fill half of the memory.
    fn finds_place(&mut self) -> bool {
        while self.undelivered.held_bytes() > self.limit / 2 {
            self.hear(LOOK);
            if self.undelivered.fails_for().is_some() && !self.waits_for_disk() {
                return false;
            }
        }
        true
    }

    /// A disk that is full is waited for as long as a client that is.
    fn waits_for_disk(&self) -> bool {
        let is_worth_it = |time| time < self.patience && !self.interrupt.is_asked();
        self.undelivered.fails_for().is_some_and(is_worth_it)
    }

    /// Hands a line over as soon as there is room.
    fn line(&mut self, mut line: Numbered) {
        if !self.suspects.is_empty() {
            self.one_by_one();
        }
        let asked_at = clock::now();
        while self.given_up.is_none() {
            let taken = self.waiting_bytes + self.undelivered.held_bytes();
            if self.waiting.is_empty() || taken + line.weight() <= self.limit {
                line = match self.hand_over(line) {
                    Ok(()) => return,
                    Err(Back::NoRoom(line)) => line,
                    Err(Back::Unfit(line, why)) => return self.undelivered.keep(line, &why),
                };
            }
            self.hear(LOOK);
            if clock::since(asked_at) >= self.patience {
                self.give_up("no room for `max.block.ms`".to_owned());
            }
        }
        self.undelivered.keep(line, self.given_up.as_deref().unwrap_or_default());
    }

    fn hand_over(&mut self, line: Numbered) -> Result<(), Back> {
        let bare = line.text.strip_suffix(b"\n").unwrap_or(&line.text);
        let bare = bare.strip_suffix(b"\r").unwrap_or(bare);
        let (topic, partition, number) = (&self.args.topic, self.args.partition, self.next);
        let sent = self.reading.line(bare).map_err(str::to_owned).and_then(|parts| {
            let Line { key, headers, value } = parts;
            let sent = Sent { topic, partition, key, headers: &headers, value, number };
            self.sender.send(sent).map_err(|cause| cause.to_string())
        });
        match sent {
            Ok(true) => {}
            Ok(false) => return Err(Back::NoRoom(line)),
            Err(why) => return Err(Back::Unfit(line, why)),
        }
        if self.waiting.is_empty() {
            self.heard_at = clock::now();
        }
        self.next += 1;
        self.waiting_bytes += line.weight();
        self.waiting.insert(number, line);
        Ok(())
    }

    /// Settles what has come back.
    fn hear(&mut self, wait: Duration) {
        let (returned, troubles) = self.sender.hear(wait);
        for trouble in troubles {
            self.trouble(&trouble);
        }
        for (number, fate) in returned {
            let Some(line) = self.waiting.remove(&number) else { continue };
            self.waiting_bytes -= line.weight();
            match fate {
                Ok(()) => {
                    (self.heard_at, self.is_reachable) = (clock::now(), true);
                    self.progress.delivered();
                }
                Err(cause) if self.given_up.is_none() && cause.verdict() == Verdict::Suspect => {
                    self.suspects.push((line, cause));
                }
                Err(cause) => {
                    let why = self.given_up.clone().unwrap_or_else(|| cause.to_string());
                    self.undelivered.keep(line, &why);
                }
            }
        }
        let is_late = !self.waiting.is_empty() && clock::since(self.heard_at) >= self.deadline;
        if is_late && self.given_up.is_none() {
            self.give_up("nothing was delivered for `delivery.timeout.ms`".to_owned());
        }
        if self.undelivered.fails_for().is_some() {
            self.undelivered.write();
        }
        if let Some(complaint) = self.undelivered.complaint() {
            self.progress.say(&complaint);
        }
        self.progress.waiting(self.waiting.len());
    }

    /// A batch is refused whole for one of its records: the guilty one is refused alone, too.
    fn one_by_one(&mut self) {
        self.settle();
        for (line, cause) in std::mem::take(&mut self.suspects) {
            if self.given_up.is_some() {
                self.undelivered.keep(line, &cause.to_string());
                continue;
            }
            match self.hand_over(line) {
                Ok(()) => self.settle(),
                Err(Back::NoRoom(line)) => {
                    self.undelivered.keep(line, "the client takes nothing");
                }
                Err(Back::Unfit(line, why)) => self.undelivered.keep(line, &why),
            }
            for (line, cause) in std::mem::take(&mut self.suspects) {
                self.undelivered.keep(line, &cause.to_string());
            }
        }
    }

    fn settle(&mut self) {
        while !self.waiting.is_empty() {
            self.hear(LOOK);
        }
    }

    fn trouble(&mut self, trouble: &Trouble) {
        self.is_reachable &= !trouble.is_unreachable() && !trouble.lacks_issuer();
        if trouble.is_refusal() && self.said.insert(trouble.advice()) {
            self.progress.say(&format!("{}\n    {}", trouble.reason, trouble.advice()));
        }
    }

    fn give_up(&mut self, why: String) {
        self.given_up = Some(why);
        self.sender.give_up();
    }

    fn sum_up(self) -> Result<Exit, Failure> {
        self.progress.end();
        let Undelivered { count, reasons, .. } = &self.undelivered;
        if *count == 0 {
            return Ok(Exit::Done);
        }
        let synced = self.undelivered.sync();
        let path = self.args.undelivered.display();
        let mut err = io::stderr().lock();
        let (lines, are) = if *count == 1 { ("line", "it is") } else { ("lines", "they are") };
        let nowhere = self.undelivered.nowhere();
        match &nowhere {
            None => writeln!(err, "{count} {lines} could not be delivered; {are} in {path}")?,
            Some((lost, _, error)) => writeln!(
                err,
                "{count} {lines} could not be delivered; {lost} of them could not be kept in {path} \
                 either: {error}"
            )?,
        }
        for (why, count) in reasons {
            writeln!(err, "    {count}: {why}")?;
        }
        if let Some((_, lines, _)) = &nowhere {
            writeln!(err, "to be sent again, for they are in neither: {lines}")?;
        }
        if self.is_full {
            let Place { lines, bytes } = self.read;
            writeln!(err, "not read: line {} and all after it, from byte {bytes} on", lines + 1)?;
        }
        synced?;
        let nobody_was_there = !self.is_reachable && self.progress.count() == 0;
        Ok(match nowhere {
            Some(_) => Exit::Io,
            None if self.is_full => Exit::Io,
            None if nobody_was_there => Exit::Unreachable,
            None => Exit::Verdict,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspects_are_kept_and_not_waited_for_once_all_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let args = Args {
            topic: "logs".to_owned(),
            // Nobody listens there.
            bootstrap_server: Some("127.0.0.1:1".to_owned()),
            config: None,
            key: None,
            headers: Vec::new(),
            acks: None,
            compression: None,
            partition: None,
            properties: Vec::new(),
            undelivered: dir.path().join("undelivered.log"),
        };
        let (done, is_done) = sync_channel(1);
        thread::spawn(move || {
            let kafka = kafka(&args, Vec::new()).unwrap();
            let reading = Reading::of(&[], None, &[]).unwrap().0;
            let mut sending = Sending::new(&args, reading, &kafka, Interrupt::default()).unwrap();
            sending.give_up("nothing was delivered".to_owned());
            let cause = Cause::Purged;
            let line = |number| Numbered { number, text: Box::from(&b"a line\n"[..]) };
            sending.suspects = [1, 2].map(|number| (line(number), cause)).into();
            sending.one_by_one();
            done.send(sending.undelivered.count).unwrap();
        });
        assert_eq!(is_done.recv_timeout(Duration::from_secs(30)), Ok(2));
    }
}

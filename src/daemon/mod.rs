//! Puts the rooms together, runs them, and takes them down in order.

mod outbox;
mod reader;

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{Notify, mpsc};

use crate::budget::{Budget, Budgets};
use crate::checkpoint::{self, Change, Checkpoints};
use crate::dead_letter;
use crate::metrics::Counters;
use crate::produce::{CreateError, Embedded};
use crate::record::Mark;
use crate::settings::Settings;
use crate::ship::{Acknowledged, Arrival, Crew, Duty, Note, Realm, Ship};
use crate::spool::{self, Spool};
use crate::state_dir::{Lock, LockError};
use crate::tail::{Ending, Known, KnownSource, Restored};
use reader::{Reader, StartError as ReaderError, Waker};

/// Batches of events between the reader and the ship; the reader waits when they are not taken. So
/// many that neither waits for the other to wake up; with more, what is read has left the
/// processor's caches before it is sent, and memory is full of it.
const BATCHES_MAX: usize = 2;
/// Notes from other threads to the ship; they wait when these are not taken.
const NOTES_MAX: usize = 256;
/// What of the grace for stopping is kept for the spool, for closing files and the Kafka client;
/// half of it where there is less than twice as much.
const CLOSING_TAKES: Duration = Duration::from_secs(4);

/// Descriptors that are not for logs: the state directory, the spool and its index, a connection to
/// each broker, inotify, directories being listed.
const DESCRIPTORS_KEPT: usize = 64;
/// How many logs may be open at once, whatever the limit is.
const FILES_MIN: usize = 16;
const FILES_MAX: usize = 4096;

/// How to run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mode {
    /// Ship what is there, then stop.
    pub once: bool,
    /// With `once`: stop anyway after this.
    pub deadline: Option<Duration>,
}

/// The daemon could not start.
#[derive(Debug, Error)]
pub enum StartError {
    #[error("cannot {0}")]
    State(#[from] LockError),
    #[error("cannot {0}")]
    Checkpoints(#[from] checkpoint::OpenError),
    #[error("cannot {0}")]
    Save(#[from] checkpoint::SaveError),
    #[error("cannot {0}")]
    Spool(#[from] spool::OpenError),
    #[error("cannot {0}")]
    Kafka(#[from] CreateError),
    #[error("cannot {0}")]
    Reader(#[from] ReaderError),
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
}

/// Ships until `shutdown` completes or, with `once`, until all is shipped. Returns what is left.
///
/// Must be called inside a tokio runtime. What has no durable fate at the end stays owed: it is
/// read again by the next run.
pub async fn run(
    settings: &Settings,
    mode: Mode,
    counters: Arc<Counters>,
    shutdown: impl Future<Output = ()>,
) -> Result<Arrival, StartError> {
    let files_max = raise_descriptor_limit();
    // What is kept holds lines of logs: nobody else's business.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let _lock = Lock::acquire(&settings.state_dir)?;
    let (mut checkpoints, mut kept) =
        Checkpoints::open(&settings.state_dir, settings.forget_after)?;
    let born_ms = kept.born_ms;
    let (notes, told) = mpsc::channel(NOTES_MAX);
    let waker = Waker::default();
    let freed = waker.clone();
    let spool = open_spool(settings, notes.clone())?;
    let recovered = spool.as_ref().map(|(_, recovered)| recovered);
    fall_back(&mut checkpoints, &kept, recovered)?;
    let acknowledged = acknowledged(&kept, recovered);
    count(&mut checkpoints, &mut kept, recovered)?;
    let restored = restored(kept, recovered);
    let budget = Budget::new(settings.kafka.buffer_memory_bytes, move || freed.wake());
    let outputs = settings.inputs.iter().map(|input| input.output.clone());
    let budgets = Budgets::new(budget, outputs);
    let (letters, checkpoints) = writers(settings, checkpoints, notes.clone())?;
    let waking = waker.clone();
    let crew = Crew {
        checkpoints,
        dead_letters: letters,
        spool,
        acknowledged,
        budgets: budgets.clone(),
        wake: Arc::new(move || waking.wake()),
        counters,
    };
    let realm = Realm { host: host(), born_ms };
    let ship = Ship::new(settings, realm, crew, notes)?;
    let (events, read) = mpsc::channel(BATCHES_MAX);
    let ending = if mode.once { Ending::AtEnd } else { Ending::Follow };
    let reader =
        Reader::start(&settings.inputs, restored, budgets, ending, files_max, waker, events)?;
    tell_systemd(&[sd_notify::NotifyState::Ready]);
    tracing::info!(inputs = settings.inputs.len(), "running");
    let stop_reading = reader.stopper();
    let is_late = Arc::new(Notify::new());
    let lateness = is_late.clone();
    let stop = async {
        tokio::select! {
            () = shutdown => {}
            // Nothing more is waited for then.
            () = deadline(mode.deadline) => lateness.notify_one(),
        }
        tracing::info!("stopping");
        stop_reading();
    };
    let late = async {
        let grace = settings.shutdown_grace;
        let grace = grace.saturating_sub(CLOSING_TAKES).max(grace / 2);
        tokio::select! {
            () = tokio::time::sleep(grace) => {}
            () = is_late.notified() => {}
        }
    };
    let arrival = ship.run(read, told, stop, late).await;
    reader.join();
    Ok(arrival)
}

async fn deadline(after: Option<Duration>) {
    match after {
        Some(after) => tokio::time::sleep(after).await,
        None => std::future::pending().await,
    }
}

/// Where the spool is.
pub fn spool_dir(settings: &Settings) -> PathBuf {
    settings.state_dir.join("spool")
}

/// Opens the spool, if there is to be one.
fn open_spool(
    settings: &Settings,
    notes: mpsc::Sender<Note>,
) -> Result<Option<(Spool, spool::Recovered)>, StartError> {
    if !settings.spool.enabled {
        return Ok(None);
    }
    let dir = spool_dir(settings);
    let copies_max = settings.kafka.buffer_memory_bytes as u64;
    // A note that nobody takes any more is about what will be found in the spool again.
    let tell = move |event| drop(notes.blocking_send(Note::Spool(event)));
    let (spool, recovered) = Spool::open(&dir, &settings.spool, copies_max, tell)?;
    if recovered.damaged_blocks > 0 || recovered.lost {
        let (blocks, records) = (recovered.damaged_blocks, recovered.damaged_records);
        tracing::error!(blocks, records, "the spool was damaged: what was not whole is set aside");
    }
    let records: u64 = recovered.lanes.iter().map(|backlog| backlog.records).sum();
    if records > 0 {
        tracing::info!(
            records,
            lanes = recovered.lanes.len(),
            "lines of an earlier run are in the spool"
        );
    }
    Ok(Some((spool, recovered)))
}

/// The threads that write what is kept beside the spool.
fn writers(
    settings: &Settings,
    checkpoints: Checkpoints,
    notes: mpsc::Sender<Note>,
) -> Result<(dead_letter::Writer<Duty>, checkpoint::Writer), StartError> {
    let buried = notes.clone();
    let letters = dead_letter::Writer::start(
        settings.state_dir.clone(),
        &settings.dead_letters,
        move |report| {
            let note = match report {
                dead_letter::Report::Written(proofs) => Note::DeadLettered(proofs),
                dead_letter::Report::Failed { .. } => Note::DeadLettersFail,
            };
            // Fails only when the ship has gone and the fate will be found out again.
            drop(buried.blocking_send(note));
        },
    )?;
    let checkpoints = checkpoint::Writer::start(checkpoints, move |report| {
        let note = match report {
            checkpoint::SaveReport::Saved { batches, .. } => Note::Saved(batches),
            checkpoint::SaveReport::Failed { .. } => Note::SaveFailed,
        };
        // The same.
        drop(notes.blocking_send(note));
    })?;
    Ok((letters, checkpoints))
}

/// What the readers need of what was kept. The spool may know a source to be further than its
/// checkpoint; and a spool that was lost sends its sources back to what was acknowledged.
fn restored(mut kept: checkpoint::Restored, spool: Option<&spool::Recovered>) -> Restored {
    let mut lineages: Vec<Known> = Vec::new();
    // By lineage, and handed on piece by piece: with many files this is much.
    let sources = std::mem::take(&mut kept.sources);
    for saved in sources {
        let source = KnownSource {
            generation: saved.generation,
            identity: saved.identity,
            at: place(&saved, spool),
            now: Some(saved.path).filter(|path| *path != saved.lineage.path),
            is_gone: saved.gone_ms.is_some(),
        };
        match lineages.last_mut().filter(|known| known.lineage == saved.lineage) {
            Some(known) => {
                known.next_generation = kept.next_after(&saved.lineage, saved.generation);
                known.sources.push(source);
            }
            None => lineages.push(Known {
                next_generation: kept.next_after(&saved.lineage, saved.generation),
                lineage: saved.lineage,
                sources: vec![source],
            }),
        }
    }
    Restored {
        lineages,
        looked_ms: kept.looks.iter().map(|(input, ms)| (input.clone(), *ms)).collect(),
        floor: kept.floor(),
    }
}

/// Up to where the sources are acknowledged that the spool holds something of.
fn acknowledged(kept: &checkpoint::Restored, spool: Option<&spool::Recovered>) -> Acknowledged {
    let mut marks = Acknowledged::new();
    for saved in kept.sources.iter().filter(|saved| coverage(saved, spool).is_some()) {
        let of_lineage = marks.entry((*saved.lineage).clone()).or_default();
        of_lineage.insert(saved.generation, saved.acknowledged);
    }
    marks
}

/// Where a source is to be read on.
fn place(saved: &checkpoint::Saved, spool: Option<&spool::Recovered>) -> Mark {
    if misses_spool(saved, spool) {
        return saved.acknowledged;
    }
    // What is left of a damaged spool waits until the file has been read again.
    let covered = coverage(saved, spool).filter(|_| is_whole(spool));
    covered.map_or(saved.accepted, |found| found.advance(saved.accepted))
}

fn is_whole(spool: Option<&spool::Recovered>) -> bool {
    spool.is_some_and(|spool| !spool.lost && spool.damaged_blocks == 0)
}

fn coverage<'a>(
    saved: &checkpoint::Saved,
    spool: Option<&'a spool::Recovered>,
) -> Option<&'a spool::Coverage> {
    let covers = |coverage: &&spool::Coverage| {
        coverage.lineage == *saved.lineage && coverage.generation == saved.generation
    };
    spool?.coverage.iter().find(covers)
}

/// Whether the spool should hold something of a source that it may not hold.
fn misses_spool(saved: &checkpoint::Saved, spool: Option<&spool::Recovered>) -> bool {
    let is_there = is_whole(spool) && coverage(saved, spool).is_some();
    saved.acknowledged != saved.accepted && !is_there
}

/// Sources whose part of the spool is lost are read again from what was acknowledged. Where the
/// file is gone, too, what is missing is lost for good.
fn fall_back(
    checkpoints: &mut Checkpoints,
    kept: &checkpoint::Restored,
    spool: Option<&spool::Recovered>,
) -> Result<(), StartError> {
    let missing: Vec<_> = kept.sources.iter().filter(|saved| misses_spool(saved, spool)).collect();
    for saved in &missing {
        let (lineage, bytes) =
            (&saved.lineage, saved.accepted.offset.since(saved.acknowledged.offset));
        if saved.gone_ms.is_some() {
            tracing::error!(%lineage, bytes, "not in the spool, and the file is gone: lost if not delivered");
        } else {
            tracing::warn!(%lineage, bytes, "not in the spool: read again from what was acknowledged");
        }
    }
    if !missing.is_empty() {
        let sources = missing.into_iter().map(|saved| ((*saved.lineage).clone(), saved.generation));
        checkpoints.fall_back(sources)?;
    }
    Ok(())
}

/// Numbers that the spool knows and the checkpoints do not, because these were lost, are not free:
/// saved before anything of theirs is sent, or another file's records could be taken for theirs.
fn count(
    checkpoints: &mut Checkpoints,
    kept: &mut checkpoint::Restored,
    spool: Option<&spool::Recovered>,
) -> Result<(), StartError> {
    let mut counted = Vec::new();
    for backlog in spool.into_iter().flat_map(|spool| &spool.lanes) {
        let lineage = &backlog.lane.lineage;
        // By generation.
        let Some(next) = backlog.sources.last().map(|last| last.generation.after()) else {
            continue;
        };
        if kept.count_to(lineage, next) {
            counted.push(Change::Counted { lineage: lineage.clone(), next });
        }
    }
    if !counted.is_empty() {
        checkpoints.save(counted)?;
    }
    Ok(())
}

/// This machine's name, as partitions and client ids carry it.
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// As many descriptors as we may have: each file being read costs one. Returns how many files may
/// be open.
fn raise_descriptor_limit() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let descriptors = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "cannot raise the limit of open files");
            limit.current
        }
    };
    let descriptors = descriptors.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let files = descriptors.saturating_sub(DESCRIPTORS_KEPT).clamp(FILES_MIN, FILES_MAX);
    tracing::info!(descriptors, files, "open files are limited");
    files
}

fn tell_systemd(state: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "cannot tell systemd");
    }
}

/// Says that the stop is meant.
pub fn announce_stop() {
    tell_systemd(&[sd_notify::NotifyState::Stopping]);
}

/// Starts a Kafka inside this process; it lives as long as what is returned.
pub fn embedded() -> Result<Embedded, StartError> {
    Ok(Embedded::start().map_err(CreateError::from)?)
}

/// Changes the settings so that they lead to it.
pub fn lead_to(settings: &mut Settings, embedded: &Embedded) {
    for kafka in settings.outputs.values_mut().chain([&mut settings.kafka]) {
        kafka.bootstrap_servers = vec![embedded.bootstrap_servers()];
        kafka.allow_auto_create_topics = true;
        kafka.security = crate::settings::Properties::default();
    }
}

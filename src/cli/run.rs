//! `tailspool run`: the daemon.

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::exit::{Exit, Failure};
use super::{RunArgs, log};
use crate::config;
use crate::daemon::{self, Mode};
use crate::heap;
use crate::metrics::Counters;
use crate::produce::refusals;
use crate::settings::Settings;

/// When freed memory is given back: when what a start took is not needed any more, and then now
/// and then.
const GIVE_BACK_FIRST: Duration = Duration::from_secs(10);
const GIVE_BACK_EVERY: Duration = Duration::from_mins(1);

pub(super) fn run(args: &RunArgs) -> Result<Exit, Failure> {
    let loaded = config::load(&args.config.config)?;
    for warning in &loaded.warnings {
        writeln!(io::stderr(), "{warning}")?;
    }
    let mut settings = loaded.settings;
    log::start(&settings.log);
    let embedded = if args.embedded { Some(daemon::embedded()?) } else { None };
    if let Some(embedded) = &embedded {
        let mut out = io::stdout().lock();
        writeln!(out, "embedded kafka on {}", embedded.bootstrap_servers())?;
        out.flush()?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::Runtime)?;
    let mode = Mode { once: args.once, deadline: args.deadline };
    let counters = Arc::new(Counters::default());
    let arrival = runtime.block_on(async {
        let mut signals = Signals::new().map_err(Failure::Runtime)?;
        tokio::spawn(give_back());
        loop {
            if let Some(embedded) = &embedded {
                daemon::lead_to(&mut settings, embedded);
            }
            let mut reloaded = None;
            let asked = async { reloaded = signals.asked(&args.config.config).await };
            let arrival = daemon::run(&settings, mode, Arc::clone(&counters), asked).await?;
            match reloaded {
                Some(new) if !arrival.is_broken => settings = *new,
                _ => return Ok::<_, Failure>(arrival),
            }
        }
    })?;
    // A question to a cluster that does not answer is not waited for.
    runtime.shutdown_background();
    sum_up(&counters);
    Ok(exit(arrival, mode))
}

/// What a burst took is not kept for ever. Ends with the runtime.
async fn give_back() {
    let mut pause = GIVE_BACK_FIRST;
    loop {
        tokio::time::sleep(pause).await;
        // Fails only if it panics, and there is nothing to do about it.
        drop(tokio::task::spawn_blocking(heap::give_back).await);
        pause = GIVE_BACK_EVERY;
    }
}

/// What was counted since the start, reloads included.
fn sum_up(counters: &Counters) {
    let lost = &counters.lost_bytes;
    tracing::info!(
        read_bytes = counters.read_bytes.get(),
        read_records = counters.read_records.get(),
        delivered = counters.delivered.get(),
        unconfirmed = counters.unconfirmed.get(),
        spooled = counters.spooled.get(),
        replayed = counters.replayed.get(),
        dead_lettered = counters.dead_lettered.get(),
        retimed = counters.retimed.get(),
        filtered = counters.filtered.get(),
        processor_failures = counters.processor_failures.get(),
        dropped_unprocessed = counters.dropped.unprocessed.get(),
        dropped = counters.dropped.spool.get(),
        dropped_late = counters.dropped.late.get(),
        lost_unconfirmed = counters.dropped.unconfirmed.get(),
        stranded = counters.stranded.get(),
        throttled_ms = counters.throttled_ms.get(),
        lost_truncated_bytes = lost.truncated.get(),
        lost_deleted_bytes = lost.deleted.get(),
        lost_damaged_bytes = lost.damaged.get(),
        "counted in all"
    );
}

/// What may be asked of a running daemon.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Completes when somebody asks us to stop, or to go on with a new configuration that is
    /// right; one that is not is reported, and the old one stays.
    async fn asked(&mut self, config: &Path) -> Option<Box<Settings>> {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                _ = self.hangup.recv() => match changed(config) {
                    Ok(settings) => {
                        tracing::info!("the new configuration is taken over");
                        return Some(settings);
                    }
                    Err(problems) => {
                        tracing::error!(problems, "the new configuration is wrong, the old one stays");
                    }
                }
            }
        }
        daemon::announce_stop();
        None
    }
}

/// The new settings, if they can work: also those that only the Kafka client can judge.
fn changed(config: &Path) -> Result<Box<Settings>, String> {
    let settings = config::load(config).map_err(|error| error.to_string())?.settings;
    let refusal = refusals(&settings).next();
    refusal.map_or(Ok(Box::new(settings)), Err)
}

fn exit(arrival: crate::ship::Arrival, mode: Mode) -> Exit {
    if arrival.is_broken {
        return Exit::Bug;
    }
    if !arrival.is_saved {
        tracing::error!("stopped, but the last places could not be saved: some lines will repeat");
        return Exit::Io;
    }
    if mode.once && (arrival.unsent > 0 || arrival.backlog > 0 || !arrival.read_all) {
        tracing::warn!("stopped before all was acknowledged; the rest is kept for the next run");
        return Exit::Unreachable;
    }
    if arrival.unsent > 0 {
        tracing::warn!(
            blocks = arrival.unsent,
            "stopped with lines unsent; they stay owed and are read again at the next start"
        );
        return Exit::Unsent;
    }
    if arrival.backlog > 0 {
        tracing::info!(
            records = arrival.backlog,
            "stopped; what was not acknowledged is in the spool"
        );
        return Exit::Done;
    }
    tracing::info!("stopped; all that was read has been acknowledged");
    Exit::Done
}

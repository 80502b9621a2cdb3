//! `tailspool run`: the daemon.

use std::io::{self, Write as _};
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use super::exit::{Exit, Failure};
use super::{RunArgs, log};
use crate::config;
use crate::daemon::{self, Mode};
use crate::metrics::Counters;

pub(super) fn run(args: &RunArgs) -> Result<Exit, Failure> {
    let loaded = config::load(&args.config.config)?;
    for warning in &loaded.warnings {
        writeln!(io::stderr(), "{warning}")?;
    }
    let mut settings = loaded.settings;
    log::start(&settings.log);
    let embedded = match args.embedded {
        true => Some(daemon::embed(&mut settings)?),
        false => None,
    };
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
        let asked = stop_asked().map_err(Failure::Runtime)?;
        Ok::<_, Failure>(daemon::run(&settings, mode, counters, asked).await?)
    })?;
    // A question to a cluster that does not answer is not waited for.
    runtime.shutdown_background();
    Ok(exit(arrival, mode))
}

/// Completes when somebody asks us to stop.
fn stop_asked() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn exit(arrival: crate::ship::Arrival, mode: Mode) -> Exit {
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

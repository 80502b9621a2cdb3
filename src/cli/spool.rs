//! `tailspool spool`: what waits on disk for Kafka.

use std::io::{self, Write};
use std::path::Path;

use serde_json::json;

use super::Output;
use super::exit::{Exit, Failure};
use crate::spool::{self, Listed};
use crate::{clock, config, daemon, path_text};

pub(super) fn ls(config: &Path, output: Output) -> Result<Exit, Failure> {
    let settings = config::load(config)?.settings;
    let listed = spool::list(&daemon::spool_dir(&settings))?;
    let mut out = io::stdout().lock();
    match output {
        Output::Json => json(&mut out, &listed)?,
        Output::Text => text(&mut out, &listed)?,
    }
    Ok(Exit::Done)
}

/// One object a lane.
fn json(out: &mut impl Write, lanes: &[Listed]) -> io::Result<()> {
    for listed in lanes {
        let lane = json!({
            "input": *listed.lane.lineage.input,
            "path": path_text::encode(&listed.lane.lineage.path),
            "topic": listed.lane.topic,
            "output": listed.lane.output.to_string(),
            "records": listed.records,
            "bytes": listed.bytes,
            "oldest_ms": listed.oldest_ms,
        });
        writeln!(out, "{lane}")?;
    }
    Ok(())
}

fn text(out: &mut impl Write, lanes: &[Listed]) -> io::Result<()> {
    if lanes.is_empty() {
        return writeln!(out, "the spool is empty");
    }
    for listed in lanes {
        let lineage = &listed.lane.lineage;
        let (path, topic) = (path_text::encode(&lineage.path), &listed.lane.topic);
        let output =
            listed.lane.output.name().map(|name| format!(" of {name}")).unwrap_or_default();
        let (records, bytes) = (listed.records, listed.bytes);
        let age_s = clock::wall_ms().saturating_sub(listed.oldest_ms) / 1000;
        writeln!(
            out,
            "{}  {path}  to {topic}{output}  {records} records  {bytes} bytes  oldest {age_s} s",
            lineage.input
        )?;
    }
    let records: u64 = lanes.iter().map(|listed| listed.records).sum();
    let bytes: u64 = lanes.iter().map(|listed| listed.bytes).sum();
    writeln!(out, "{} lanes, {records} records, {bytes} bytes", lanes.len())
}

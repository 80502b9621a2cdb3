//! `tailspool dead-letters`: what Kafka would not take.

use std::io::{self, Write};
use std::path::Path;

use super::Output;
use super::exit::{Exit, Failure};
use crate::config;
use crate::dead_letter::{self, Listing, Summary};

pub(super) fn ls(config: &Path, output: Output) -> Result<Exit, Failure> {
    let settings = config::load(config)?.settings;
    let listing = dead_letter::ls(&settings.state_dir)?;
    let mut out = io::stdout().lock();
    match output {
        Output::Json => json(&mut out, &listing)?,
        Output::Text => text(&mut out, &listing)?,
    }
    Ok(Exit::Done)
}

/// One object a line.
fn json(out: &mut impl Write, listing: &Listing) -> io::Result<()> {
    for letter in &listing.letters {
        writeln!(out, "{}", serde_json::to_string(letter).map_err(io::Error::from)?)?;
    }
    Ok(())
}

fn text(out: &mut impl Write, listing: &Listing) -> io::Result<()> {
    if listing.letters.is_empty() {
        writeln!(out, "no dead letters")?;
    }
    for letter in &listing.letters {
        writeln!(out, "{}", line(letter))?;
    }
    if listing.not_whole > 0 {
        writeln!(out, "{} damaged lines were left out", listing.not_whole)?;
    }
    Ok(())
}

fn line(letter: &Summary) -> String {
    let partition = letter.partition.map_or("-".to_owned(), |number| number.to_string());
    format!(
        "{}  {}  {} ending at {}  to {}/{partition}  {} bytes  {}",
        letter.time,
        letter.input,
        letter.path,
        letter.end,
        letter.topic,
        letter.bytes,
        letter.reason,
    )
}

//! The table.

use std::fmt;
use std::time::Duration;

use crate::entrant::Entrant;
use crate::process::Used;

pub(crate) struct Lap {
    pub(crate) took: Duration,
    pub(crate) used: Used,
    pub(crate) lost: usize,
    pub(crate) repeated: u64,
}

impl fmt::Display for Lap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (took, cpu) = (self.took.as_secs_f64(), self.used.cpu.as_secs_f64());
        write!(f, "{took:.2} s, CPU {cpu:.2} s, peak {} MiB", self.used.peak_bytes >> 20)?;
        if self.lost > 0 || self.repeated > 0 {
            write!(f, ", {} lines lost, {} repeated", self.lost, self.repeated)?;
        }
        Ok(())
    }
}

/// Medians of each, and of each what the first took as a part of it: below 1 the first took less.
pub(crate) fn report(lines: u64, entrants: &[Entrant], laps: &[Vec<Lap>]) {
    println!(
        "| | lines/s | ratio | CPU s per million | ratio | peak MiB | ratio | lost | repeated |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let lines = f64::from(u32::try_from(lines).expect("fewer than 4 billion"));
    let rows: Vec<Medians> = laps.iter().map(|laps| Medians::of(laps)).collect();
    let Some(first) = rows.first() else { return };
    for ((entrant, laps), row) in entrants.iter().zip(laps).zip(&rows) {
        println!(
            "| {} | {:.0} | {:.2} | {:.2} | {:.2} | {:.0} | {:.2} | {} | {} |",
            entrant.name,
            lines / row.wall_s,
            row.wall_s / first.wall_s,
            row.cpu_s / lines * 1e6,
            first.cpu_s / row.cpu_s,
            row.peak_mib,
            first.peak_mib / row.peak_mib,
            laps.iter().map(|lap| lap.lost).sum::<usize>(),
            laps.iter().map(|lap| lap.repeated).sum::<u64>(),
        );
    }
}

/// Medians of each, and how much more CPU time a line takes than with the first.
pub(crate) fn surplus(lines: u64, entrants: &[Entrant], laps: &[Vec<Lap>]) {
    println!("| | lines/s | CPU µs per line | more | peak MiB |");
    println!("|---|---|---|---|---|");
    let lines = f64::from(u32::try_from(lines).expect("fewer than 4 billion"));
    let rows: Vec<Medians> = laps.iter().map(|laps| Medians::of(laps)).collect();
    let Some(first) = rows.first() else { return };
    for (entrant, row) in entrants.iter().zip(&rows) {
        println!(
            "| {} | {:.0} | {:.2} | {:+.2} | {:.0} |",
            entrant.name,
            lines / row.wall_s,
            row.cpu_s / lines * 1e6,
            (row.cpu_s - first.cpu_s) / lines * 1e6,
            row.peak_mib,
        );
    }
}

struct Medians {
    wall_s: f64,
    cpu_s: f64,
    peak_mib: f64,
}

impl Medians {
    fn of(laps: &[Lap]) -> Self {
        let peak_mib = |lap: &Lap| {
            f64::from(u32::try_from(lap.used.peak_bytes >> 10).expect("below 4 TiB")) / 1024.0
        };
        Self {
            wall_s: median(laps.iter().map(|lap| lap.took.as_secs_f64())),
            cpu_s: median(laps.iter().map(|lap| lap.used.cpu.as_secs_f64())),
            peak_mib: median(laps.iter().map(peak_mib)),
        }
    }
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

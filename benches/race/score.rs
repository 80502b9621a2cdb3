//! The table.

use std::fmt;
use std::time::Duration;

use crate::process::Used;

/// Of one entrant.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) laps: Vec<Lap>,
}

impl Row {
    /// Prints the lap, too.
    pub(crate) fn add(&mut self, round: u64, lap: Lap) {
        println!("  round {round}, {}: {lap}", self.name);
        self.laps.push(lap);
    }
}

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
pub(crate) fn report(lines: u64, rows: &[Row]) {
    println!(
        "| | lines/s | ratio | CPU s per million | ratio | peak MiB | ratio | lost | repeated |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let lines = f64::from(u32::try_from(lines).expect("fewer than 4 billion"));
    let Some(first) = rows.first().map(Medians::of) else { return };
    for row in rows {
        let of = Medians::of(row);
        println!(
            "| {} | {:.0} | {:.2} | {:.2} | {:.2} | {:.0} | {:.2} | {} | {} |",
            row.name,
            lines / of.wall_s,
            of.wall_s / first.wall_s,
            of.cpu_s / lines * 1e6,
            first.cpu_s / of.cpu_s,
            of.peak_mib,
            first.peak_mib / of.peak_mib,
            row.laps.iter().map(|lap| lap.lost).sum::<usize>(),
            row.laps.iter().map(|lap| lap.repeated).sum::<u64>(),
        );
    }
}

/// Medians of each, and how much more CPU time a line takes than with the first.
pub(crate) fn surplus(lines: u64, rows: &[Row]) {
    println!("| | lines/s | CPU µs per line | more | peak MiB |");
    println!("|---|---|---|---|---|");
    let lines = f64::from(u32::try_from(lines).expect("fewer than 4 billion"));
    let Some(first) = rows.first().map(Medians::of) else { return };
    for row in rows {
        let of = Medians::of(row);
        println!(
            "| {} | {:.0} | {:.2} | {:+.2} | {:.0} |",
            row.name,
            lines / of.wall_s,
            of.cpu_s / lines * 1e6,
            (of.cpu_s - first.cpu_s) / lines * 1e6,
            of.peak_mib,
        );
    }
}

struct Medians {
    wall_s: f64,
    cpu_s: f64,
    peak_mib: f64,
}

impl Medians {
    fn of(Row { laps, .. }: &Row) -> Self {
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

//! The table.

use std::fmt;
use std::time::Duration;

use crate::runner::Used;

pub(crate) struct Lap {
    pub(crate) took: Duration,
    pub(crate) used: Used,
}

impl fmt::Display for Lap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (took, cpu) = (self.took.as_secs_f64(), self.used.cpu.as_secs_f64());
        write!(f, "{took:.2} s, CPU {cpu:.2} s, peak {} MiB", self.used.peak_bytes >> 20)
    }
}

/// Medians of both, and tailspool's as a part of kcat's: below 1 it took less.
pub(crate) fn report(lines: u64, laps: &[Vec<Lap>; 2]) {
    let [tailspool, kcat] = laps.each_ref().map(|laps| Medians::of(laps));
    println!("{:<10} {:>12} {:>8} {:>8} {:>9}", "", "lines/s", "wall s", "CPU s", "peak MiB");
    for (name, row) in [("tailspool", &tailspool), ("kcat", &kcat)] {
        let rate = f64::from(u32::try_from(lines).expect("fewer than 4 billion")) / row.wall_s;
        println!(
            "{name:<10} {rate:>12.0} {:>8.2} {:>8.2} {:>9.0}",
            row.wall_s, row.cpu_s, row.peak_mib
        );
    }
    println!(
        "{:<10} {:>12.2} {:>8.2} {:>8.2} {:>9.2}",
        "ratio",
        kcat.wall_s / tailspool.wall_s,
        tailspool.wall_s / kcat.wall_s,
        tailspool.cpu_s / kcat.cpu_s,
        tailspool.peak_mib / kcat.peak_mib
    );
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

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

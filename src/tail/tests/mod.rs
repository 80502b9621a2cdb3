//! The room's promises, each tried on real files.

mod bench;
mod budget;
mod deletion;
mod lines;
mod model;
mod removal;
mod restart;
mod rotation;
mod settings;
mod truncation;

use std::time::Duration;

use crate::settings::{Input, LongLine, Partition, RateLimit, Rotated, StartAt};

/// What a test changes a setting of.
fn input() -> Input {
    Input {
        id: "in".to_owned(),
        paths: Vec::new(),
        exclude_paths: Vec::new(),
        rotated: Rotated::Auto,
        start_at: StartAt::Beginning,
        delete_after: None,
        ignore_older: None,
        max_line_bytes: 1024,
        on_long_line: LongLine::Truncate,
        partial_timeout: None,
        close_inactive: Duration::from_mins(5),
        rate_limit: RateLimit::default(),
        follow_symlinks: Vec::new(),
        topic: String::new(),
        partition: Partition::File,
    }
}

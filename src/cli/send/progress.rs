//! What somebody at a terminal sees; nobody else sees anything.

use std::io::{self, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const DRAW_EVERY: Duration = Duration::from_millis(100);

pub(super) struct Progress {
    bar: ProgressBar,
    waiting: usize,
}

impl Progress {
    /// Draws only on a terminal.
    pub(super) fn start() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{human_pos} lines · {per_sec} · {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(DRAW_EVERY);
        Self { bar, waiting: 0 }
    }

    pub(super) fn delivered(&self) {
        self.bar.inc(1);
    }

    pub(super) fn waiting(&mut self, waiting: usize) {
        if self.waiting != waiting {
            self.waiting = waiting;
            self.bar.set_message(format!("{waiting} on the way"));
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.bar.position()
    }

    /// Above the counters, or as a plain line.
    pub(super) fn say(&self, text: &str) {
        self.bar.suspend(|| drop(writeln!(io::stderr(), "{text}")));
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

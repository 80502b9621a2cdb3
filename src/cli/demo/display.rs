//! What the person in front of it sees: acts as they happen, and counters below them on a
//! terminal; plain lines anywhere else.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::clock;

const DRAW_EVERY: Duration = Duration::from_millis(80);
const SAY_EVERY: Duration = Duration::from_secs(1);

/// How an act feels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Bad,
    Change,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "0",
            Self::Good => "32",
            Self::Bad => "1;31",
            Self::Change => "33",
        }
    }
}

/// One thing that happened: a sign, who it happened to, and what.
#[derive(Debug)]
pub(super) struct Act {
    pub(super) tone: Tone,
    pub(super) sign: char,
    pub(super) who: String,
    pub(super) what: String,
}

/// The counters.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Numbers {
    pub(super) total: u64,
    /// By the demo; `None` where it writes nothing.
    pub(super) written: Option<u64>,
    pub(super) arrived: u64,
    pub(super) repeated: u64,
    /// Lines in the daemon's spool.
    pub(super) spooled: u64,
}

impl Numbers {
    fn rest(&self) -> String {
        let mut parts = Vec::new();
        if let Some(written) = self.written {
            parts.push(format!("on the way {}", grouped(written.saturating_sub(self.arrived))));
        }
        parts.push(format!("repeated {}", grouped(self.repeated)));
        if self.spooled > 0 {
            parts.push(format!("in the spool {}", grouped(self.spooled)));
        }
        parts.join(" · ")
    }
}

pub(super) struct Display {
    began: Instant,
    drawn: Instant,
    is_colored: bool,
    live: Option<Live>,
}

struct Live {
    all: MultiProgress,
    written: Option<ProgressBar>,
    arrived: ProgressBar,
    rest: ProgressBar,
}

impl Display {
    pub(super) fn new(numbers: &Numbers) -> Self {
        let said = |name| std::env::var_os(name).unwrap_or_default();
        let is_terminal = io::stdout().is_terminal() && said("TERM") != "dumb";
        let is_colored = is_terminal && said("NO_COLOR").is_empty();
        let began = clock::now();
        Self {
            began,
            drawn: began,
            is_colored,
            live: is_terminal.then(|| Live::new(numbers, is_colored)),
        }
    }

    pub(super) fn act(&self, act: &Act) -> io::Result<()> {
        let seconds = self.began.elapsed().as_secs_f32();
        let (on, off) = self.color(act.tone);
        let Act { sign, who, what, .. } = act;
        self.line(&format!("{seconds:6.1}s  {on}{sign} {who:<14}{off} {what}"))
    }

    /// A line above the counters.
    pub(super) fn line(&self, text: &str) -> io::Result<()> {
        match &self.live {
            Some(live) => live.all.println(text),
            None => writeln!(io::stdout().lock(), "{text}"),
        }
    }

    /// Shows the counters, if it is time to.
    pub(super) fn tick(&mut self, numbers: impl FnOnce() -> Numbers) -> io::Result<()> {
        let every = if self.live.is_some() { DRAW_EVERY } else { SAY_EVERY };
        if self.drawn.elapsed() < every {
            return Ok(());
        }
        self.drawn = clock::now();
        self.show(&numbers())
    }

    fn show(&self, numbers: &Numbers) -> io::Result<()> {
        if let Some(live) = &self.live {
            live.show(numbers);
            return Ok(());
        }
        let written = numbers.written.map(|written| format!("written {} · ", grouped(written)));
        let seconds = self.began.elapsed().as_secs_f32();
        self.line(&format!(
            "{seconds:6.1}s  {}arrived {} of {} · {}",
            written.unwrap_or_default(),
            grouped(numbers.arrived),
            grouped(numbers.total),
            numbers.rest()
        ))
    }

    /// Takes the counters away; what comes now is the end.
    pub(super) fn close(&mut self) -> io::Result<()> {
        match self.live.take() {
            Some(live) => live.all.clear(),
            None => Ok(()),
        }
    }

    pub(super) fn color(&self, tone: Tone) -> (String, &'static str) {
        if !self.is_colored || tone == Tone::Plain {
            return (String::new(), "");
        }
        (format!("\x1b[{}m", tone.code()), "\x1b[0m")
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        // Nothing to be done about a terminal that has gone.
        drop(self.close());
    }
}

impl Live {
    fn new(numbers: &Numbers, is_colored: bool) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let bar = |template: &str| {
            let style = ProgressStyle::with_template(template);
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(numbers.total).with_style(style.progress_chars("━╸ "));
            all.add(bar)
        };
        let named = |name: &str, color: &str| {
            let color = if is_colored { color } else { "" };
            format!("  {name:<8} {{bar:44{color}}} {{msg}}")
        };
        let written = numbers.written.map(|_| bar(&named("written", ".yellow")));
        let arrived = bar(&named("arrived", ".green"));
        Self { written, arrived, rest: bar("           {msg}"), all }
    }

    fn show(&self, numbers: &Numbers) {
        let of = |count| format!("{} of {}", grouped(count), grouped(numbers.total));
        if let (Some(bar), Some(written)) = (&self.written, numbers.written) {
            bar.set_position(written);
            bar.set_message(of(written));
        }
        self.arrived.set_position(numbers.arrived);
        self.arrived.set_message(of(numbers.arrived));
        self.rest.set_message(numbers.rest());
    }
}

/// A number as people read it: `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and its noun: `1 kill`, `2 kills`.
pub(super) fn count(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let texts = [0, 12, 999, 1000, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "12", "999", "1,000", "1,234,567"]);
        assert_eq!(count(1, "kill") + &count(2, "kill"), "1 kill2 kills");
    }
}

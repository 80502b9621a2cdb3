mod patterns;
mod property;
mod traces;

use super::*;
use crate::settings::Preset;

/// Nothing is asked for, and nothing is bounded.
fn spec() -> Multiline {
    Multiline {
        start: None,
        continues: None,
        end: None,
        negate: false,
        preset: None,
        lines_max: usize::MAX,
        bytes_max: usize::MAX,
        timeout: std::time::Duration::MAX,
    }
}

/// The lines, parted into events.
fn events<'a>(rules: &Rules, lines: impl IntoIterator<Item = &'a [u8]>) -> Vec<Vec<&'a [u8]>> {
    let (mut flow, mut events, mut is_open) = (Flow::default(), Vec::new(), false);
    for line in lines {
        let border = see(rules, &mut flow, line);
        assert!(border.begins || is_open, "a line belongs to an event that begins with a line");
        assert_eq!(flow.is_pending(), !border.ends);
        is_open = !border.ends;
        if border.begins {
            events.push(Vec::new());
        }
        events.last_mut().unwrap().push(line);
    }
    events
}

//! Durations and sizes as people write them.

use std::time::Duration;

/// `500ms`, `30s`, `5m`, `2h`, `7d`, joined as in `1h30m`; a plain number is milliseconds.
pub fn duration(text: &str) -> Option<Duration> {
    if let Ok(millis) = text.parse::<u64>() {
        return digits(text).then(|| Duration::from_millis(millis));
    }
    let mut millis = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, from_unit) = rest.split_at(unit_at);
        let unit_len = from_unit.find(|c: char| c.is_ascii_digit()).unwrap_or(from_unit.len());
        let (unit, after) = from_unit.split_at(unit_len);
        let unit_millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        millis = millis.checked_add(number.parse::<u64>().ok()?.checked_mul(unit_millis)?)?;
        rest = after;
    }
    (!text.is_empty()).then(|| Duration::from_millis(millis))
}

/// `64KiB`, `1GiB` count by 1024, `64KB`, `1GB` by 1000; a plain number is bytes. Case does not
/// matter. A bare `k` or `m` is refused: it means 1000 to some and 1024 to others.
pub(super) fn size(text: &str) -> Option<u64> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let unit_bytes: u64 = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_bytes)
}

/// A duration as it would be written.
pub(super) fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let whole = units.iter().find(|(unit, _)| millis > 0 && millis.is_multiple_of(*unit));
    whole.map_or(format!("{millis}ms"), |(unit, name)| format!("{}{name}", millis / unit))
}

/// A size as it would be written.
pub(super) fn show_size(bytes: u64) -> String {
    let units = [(1_u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let whole = units.iter().find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit));
    whole.map_or(bytes.to_string(), |(unit, name)| format!("{}{name}", bytes / unit))
}

fn digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_has_an_answer_that_reads_back(text in "[0-9]{0,21}( ?[a-zA-Z\\PC]{0,3}[0-9]{0,3}){0,3}") {
            if let Some(time) = duration(&text) {
                prop_assert_eq!(duration(&show_duration(time)), Some(time));
            }
            if let Some(bytes) = size(&text) {
                prop_assert_eq!(size(&show_size(bytes)), Some(bytes));
            }
        }

        #[test]
        fn what_is_joined_is_added(parts in prop::collection::vec((0..100_000_u64, 0..5_usize), 1..5)) {
            let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
            let texts = parts.iter().map(|(n, unit)| format!("{n}{}", units[*unit].0));
            let text = texts.collect::<Vec<_>>().concat();
            let millis = parts.iter().map(|(n, unit)| n * units[*unit].1).sum();
            prop_assert_eq!(duration(&text), Some(Duration::from_millis(millis)));
        }
    }

    #[test]
    fn durations() {
        for (text, millis) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
            ("1h30m", 5_400_000),
            ("250", 250),
            ("0", 0),
        ] {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", "s", "5", "5 s", "5sec", "-1", "+1", "1.5s", "99999999999999999999d", "5m3"]
        {
            assert_eq!(duration(text).is_some(), text == "5", "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("64KiB", 65_536),
            ("1GiB", 1 << 30),
            ("64 kib", 65_536),
            ("1MB", 1_000_000),
            ("1000000", 1_000_000),
            ("7B", 7),
        ] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["", "KiB", "64k", "1m", "-1", "1.5GiB", "99999999999TiB", "1GiBs"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for millis in [0, 1, 999, 1_000, 90_000, 86_400_000] {
            let time = Duration::from_millis(millis);
            assert_eq!(duration(&show_duration(time)), Some(time));
        }
        for bytes in [0, 1, 1_000_000, 983_040, 1 << 30] {
            assert_eq!(size(&show_size(bytes)), Some(bytes));
        }
    }
}

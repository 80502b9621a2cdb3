//! Moments as people and other programs read them: RFC 3339, in UTC.

const NS: i64 = 1_000_000_000;
const DAY: i64 = 86_400;

/// A time in milliseconds since 1970: `2026-03-01T12:30:00.250Z`.
pub fn rfc3339(ms: u64) -> String {
    let seconds = i64::try_from(ms / 1000).unwrap_or(i64::MAX);
    format!("{}.{:03}Z", to_the_second(seconds), ms % 1000)
}

/// A time in nanoseconds since 1970, as long as it has to be: `2026-03-01T12:30:00.25Z`. It is
/// written for every record of a JSON value: without `format!`, which takes five times as long.
pub fn push_rfc3339(out: &mut Vec<u8>, ns: i64) {
    let mut text = *b"0000-00-00T00:00:00.000000000";
    let places = text.split_mut(|byte| !byte.is_ascii_digit());
    let numbers = parts(ns.div_euclid(NS)).into_iter().chain([ns.rem_euclid(NS)]);
    for (place, mut number) in places.zip(numbers) {
        for digit in place.iter_mut().rev() {
            *digit += u8::try_from(number % 10).unwrap_or(0);
            number /= 10;
        }
    }
    let (short, rest) = text.split_at(text.len() - 6);
    out.extend_from_slice(short);
    let zeros = rest.iter().rev().take_while(|digit| **digit == b'0').count();
    out.extend(rest.iter().take(rest.len() - zeros));
    out.push(b'Z');
}

fn to_the_second(seconds: i64) -> String {
    let [year, month, day, hour, minute, second] = parts(seconds);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

/// Year, month, day, hour, minute and second.
fn parts(seconds: i64) -> [i64; 6] {
    let (year, month, day) = civil(seconds.div_euclid(DAY));
    let of_day = seconds.rem_euclid(DAY);
    [year, month, day, of_day / 3600, of_day / 60 % 60, of_day % 60]
}

/// Year, month and day of a day counted from 1970-01-01: Howard Hinnant's `civil_from_days`.
/// Its years begin in March, so that the leap day comes last.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_the_calendar_says() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_782_400_007), "2000-02-29T00:00:00.007Z");
        assert_eq!(rfc3339(1_709_251_199_999), "2024-02-29T23:59:59.999Z");
        assert_eq!(rfc3339(1_735_689_599_000), "2024-12-31T23:59:59.000Z");
        assert_eq!(rfc3339(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
    }

    #[test]
    fn a_fraction_is_as_long_as_it_has_to_be() {
        let text = |ns| {
            let mut out = Vec::new();
            push_rfc3339(&mut out, ns);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(1_709_251_199_123_456_789), "2024-02-29T23:59:59.123456789Z");
        assert_eq!(text(1_709_251_199_250_000_000), "2024-02-29T23:59:59.250Z");
        assert_eq!(text(-1), "1969-12-31T23:59:59.999999999Z");
    }
}

//! Moments as people and other programs read them: RFC 3339, in UTC.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;

const NS: i64 = 1_000_000_000;

/// A time in milliseconds since 1970: `2026-03-01T12:30:00.250Z`. What comes after the year 9999
/// is its end, as four digits can say no more.
pub fn rfc3339(ms: u64) -> String {
    let moment = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    format!("{:.3}", moment.unwrap_or(Timestamp::MAX))
}

/// A time in nanoseconds since 1970, as long as it has to be, but to the millisecond at least:
/// `2026-03-01T12:30:00.250Z`. It is written for every record of a JSON value.
pub fn push_rfc3339(out: &mut Vec<u8>, ns: i64) {
    let (mut digits, mut fraction) = (9, ns.rem_euclid(NS));
    while digits > 3 && fraction % 10 == 0 {
        (digits, fraction) = (digits - 1, fraction / 10);
    }
    let printer = DateTimePrinter::new().precision(Some(digits));
    // 64 bits of nanoseconds reach from 1677 to 2262.
    let moment = Timestamp::from_nanosecond(ns.into()).unwrap_or(Timestamp::MAX);
    let written = printer.print_timestamp(&moment, &mut *out);
    assert!(written.is_ok(), "memory takes all that is written to it");
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
    fn no_time_has_more_than_four_digits_of_a_year() {
        for ms in [253_402_300_800_000, u64::MAX] {
            assert_eq!(rfc3339(ms), "9999-12-30T22:00:00.999Z");
        }
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
        assert_eq!(text(1_709_251_199_123_456_780), "2024-02-29T23:59:59.12345678Z");
        assert_eq!(text(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(text(-1), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(text(i64::MIN), "1677-09-21T00:12:43.145224192Z");
        assert_eq!(text(i64::MAX), "2262-04-11T23:47:16.854775807Z");
    }
}

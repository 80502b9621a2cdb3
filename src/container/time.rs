//! Points in time as runtimes write them: RFC 3339, up to nanoseconds, in any zone.

const NS_PER_SECOND: i64 = 1_000_000_000;

/// A point in time of any year that can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// Since 1970.
    seconds: i64,
    /// Within the second, which lies before it also in negative years.
    ns: i64,
}

impl Moment {
    pub(super) fn since_epoch_ns(self) -> Option<i64> {
        let all = i128::from(self.seconds) * i128::from(NS_PER_SECOND) + i128::from(self.ns);
        i64::try_from(all).ok()
    }
}

/// `2026-11-21T09:00:00.123456789+01:00`; `None` if it is anything else.
pub(super) fn parse(text: &[u8]) -> Option<Moment> {
    let (head, rest) = text.split_first_chunk::<19>()?;
    let &[
        y1,
        y2,
        y3,
        y4,
        b'-',
        m1,
        m2,
        b'-',
        d1,
        d2,
        b'T' | b't',
        h1,
        h2,
        b':',
        i1,
        i2,
        b':',
        s1,
        s2,
    ] = head
    else {
        return None;
    };
    let year = number(y1, y2)? * 100 + number(y3, y4)?;
    let month = within(number(m1, m2)?, 1, 12)?;
    let day = within(number(d1, d2)?, 1, month_days(year, month))?;
    let hour = within(number(h1, h2)?, 0, 23)?;
    let minute = within(number(i1, i2)?, 0, 59)?;
    // A leap second is the first of the next minute.
    let second = within(number(s1, s2)?, 0, 60)?;
    let (ns, zone) = fraction(rest)?;
    let of_day = hour * 3600 + minute * 60 + second;
    Some(Moment { seconds: days(year, month, day) * 86_400 + of_day - offset(zone)?, ns })
}

/// Nanoseconds, and what follows them. Digits beyond the ninth say nothing.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', text)) = text.split_first() else { return Some((0, text)) };
    let (mut ns, mut unit, mut rest) = (0, NS_PER_SECOND, text);
    while let Some((byte @ b'0'..=b'9', after)) = rest.split_first() {
        unit /= 10;
        ns += i64::from(byte - b'0') * unit;
        rest = after;
    }
    (rest.len() < text.len()).then_some((ns, rest))
}

/// Seconds that the zone is ahead of UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    let &[sign, h1, h2, b':', m1, m2] = zone else {
        return matches!(zone, b"Z" | b"z").then_some(0);
    };
    let ahead = within(number(h1, h2)?, 0, 23)? * 3600 + within(number(m1, m2)?, 0, 59)? * 60;
    match sign {
        b'+' => Some(ahead),
        b'-' => Some(-ahead),
        _ => None,
    }
}

fn number(tens: u8, ones: u8) -> Option<i64> {
    let are_digits = tens.is_ascii_digit() && ones.is_ascii_digit();
    are_digits.then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
}

fn within(number: i64, least: i64, most: i64) -> Option<i64> {
    (least..=most).contains(&number).then_some(number)
}

fn month_days(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// From 1970-01-01 to a day of the Gregorian calendar. Years begin in March here, so that the
/// leap day is the last of its year; 400 of them have 146,097 days.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    // 719,468 days lie between the March of the year 0 and 1970.
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ns(text: &str) -> Option<i64> {
        parse(text.as_bytes())?.since_epoch_ns()
    }

    #[test]
    fn fractions_and_zones_are_understood() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T00:00:00.5Z", 500_000_000),
            ("1969-12-31T23:59:59.999999999Z", -1),
            ("2026-11-21T09:00:00.123456789Z", 1_795_251_600_123_456_789),
            ("2026-11-21T10:00:00.123456789+01:00", 1_795_251_600_123_456_789),
            ("2026-11-21t03:30:00.1234567891-05:30", 1_795_251_600_123_456_789),
            ("2016-12-31T23:59:60z", 1_483_228_800_000_000_000),
            ("2000-02-29T00:00:00+00:00", 951_782_400_000_000_000),
        ] {
            assert_eq!(ns(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn years_beyond_the_nanoseconds_are_times_still() {
        for text in ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"] {
            assert!(parse(text.as_bytes()).is_some(), "{text}");
            assert_eq!(ns(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2026-11-21",
            "2026-11-21T09:00:00",
            "2026-11-21 09:00:00Z",
            "2026-11-21T09:00:00.Z",
            "2026-11-21T09:00:00,1Z",
            "2026-13-21T09:00:00Z",
            "2026-02-29T09:00:00Z",
            "2026-00-01T09:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T09:60:00Z",
            "2026-11-21T09:00:00+1:00",
            "2026-11-21T09:00:00+01:00x",
            "2026-11-21T09:00:00?01:00",
            "+026-11-21T09:00:00Z",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    /// Counts days one year, one month at a time.
    fn slow_days(year: i64, month: i64, day: i64) -> i64 {
        let of_year = |year| (1..=12).map(|month| month_days(year, month)).sum::<i64>();
        let years: i64 = if year >= 1970 {
            (1970..year).map(of_year).sum()
        } else {
            -(year..1970).map(of_year).sum::<i64>()
        };
        years + (1..month).map(|month| month_days(year, month)).sum::<i64>() + day - 1
    }

    proptest! {
        #[test]
        fn days_are_counted_as_the_calendar_does(
            year in 0i64..=9999,
            month in 1i64..=12,
            day in 1i64..=31,
        ) {
            prop_assert_eq!(days(year, month, day), slow_days(year, month, day));
        }

        #[test]
        fn a_time_written_is_the_time_read(ns in any::<i64>(), ahead in -1439i64..=1439) {
            let text = written(ns, ahead);
            prop_assert_eq!(super::parse(text.as_bytes()).unwrap().since_epoch_ns(), Some(ns), "{}", text);
        }

        #[test]
        fn whatever_it_is_nothing_breaks(text in "[0-9TtZz:.+\\- ]{0,40}") {
            let _: Option<Moment> = parse(text.as_bytes());
        }
    }

    fn written(ns: i64, ahead: i64) -> String {
        let local = ns.div_euclid(NS_PER_SECOND) + ahead * 60;
        let (mut day, second) = (local.div_euclid(86_400), local.rem_euclid(86_400));
        let (mut year, mut month) = (1970, 1);
        while day < 0 {
            year -= 1;
            day -= days(year, 1, 1) - days(year + 1, 1, 1);
        }
        while day >= month_days(year, month) {
            day -= month_days(year, month);
            (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        }
        let sign = if ahead < 0 { '-' } else { '+' };
        format!(
            "{year:04}-{month:02}-{:02}T{:02}:{:02}:{:02}.{:09}{sign}{:02}:{:02}",
            day + 1,
            second / 3600,
            second / 60 % 60,
            second % 60,
            ns.rem_euclid(NS_PER_SECOND),
            ahead.abs() / 60,
            ahead.abs() % 60,
        )
    }
}

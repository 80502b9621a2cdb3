//! When a message was written, out of one of its fields.

use std::ops::RangeInclusive;

use jiff::civil::DateTime;
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::fmt::temporal::Pieces;
use jiff::tz::TimeZone;

use super::{Fields, Unusable};
use crate::record::{Failure, NS_PER_MS};

const NS_PER_SECOND: i64 = 1_000 * NS_PER_MS;
/// 29 February is so many years away at most: 2100 has none.
const LEAP_YEARS: i16 = 8;

#[derive(Debug)]
pub(super) struct Timestamp {
    field: String,
    form: Form,
    zone: Zone,
}

/// What a time looks like.
#[derive(Debug)]
pub enum Form {
    /// With a `T` or a blank, and not necessarily with a zone.
    Rfc3339,
    /// A number of units of so many nanoseconds.
    Unix(i64),
    /// As for `strptime`.
    Pattern(String),
}

/// Where a time is written that does not say it.
#[derive(Debug)]
pub struct Zone(TimeZone);

impl Zone {
    /// `UTC`, `local`, or a name of IANA's.
    pub fn new(name: &str) -> Result<Self, Unusable> {
        let zone = match name {
            "UTC" => Ok(TimeZone::UTC),
            "local" => TimeZone::try_system(),
            name => TimeZone::get(name),
        };
        zone.map(Self).map_err(|_| Unusable::Zone)
    }

    /// Of a time that a clock showed twice, the first; one that it left out is as much later.
    fn moment(&self, civil: DateTime) -> Option<jiff::Timestamp> {
        self.0.to_timestamp(civil).ok()
    }
}

impl Form {
    pub const NAMES: [&str; 3] = ["rfc3339", "unix", "unix_ms"];

    pub fn new(text: &str) -> Result<Self, Unusable> {
        match text {
            "rfc3339" => Ok(Self::Rfc3339),
            "unix" => Ok(Self::Unix(NS_PER_SECOND)),
            "unix_ms" => Ok(Self::Unix(NS_PER_MS)),
            pattern if pattern.contains('%') => {
                try_out(pattern).map(|()| Self::Pattern(pattern.to_owned()))
            }
            _ => Err(Unusable::Form),
        }
    }

    /// Whether a time may leave open where it is written.
    pub fn asks_for_zone(&self) -> bool {
        !matches!(self, Self::Unix(_))
    }
}

/// Whether a pattern tells a time at all: what it makes of one must lead back to it.
fn try_out(pattern: &str) -> Result<(), Unusable> {
    let no_time = |why: &dyn ToString| Unusable::NoTime(why.to_string());
    let civil = jiff::civil::date(2026, 11, 23).at(14, 35, 46, 123_456_789);
    let moment = TimeZone::UTC.to_timestamp(civil).map_err(|error| no_time(&error))?;
    let text = strtime::format(pattern, &moment.to_zoned(TimeZone::UTC));
    let text = text.map_err(|error| no_time(&error))?;
    let mut parts = BrokenDownTime::parse(pattern, &text).map_err(|error| no_time(&error))?;
    if parts.iana_time_zone().is_some() {
        return Err(no_time(&"names of zones are not looked up in lines; %z is"));
    }
    if !says_year(&parts) {
        parts.set_year(Some(civil.year())).map_err(|error| no_time(&error))?;
    }
    if parts.timestamp().is_some() {
        return Ok(());
    }
    let found = parts.to_datetime().map_err(|error| no_time(&error))?;
    let has_hour = parts.hour().is_none() || found.hour() == civil.hour();
    if found.date() == civil.date() && has_hour {
        Ok(())
    } else {
        Err(no_time(&format_args!("{civil} would be read as {found}")))
    }
}

fn says_year(parts: &BrokenDownTime) -> bool {
    parts.year().is_some() || parts.iso_week_year().is_some() || parts.timestamp().is_some()
}

impl Timestamp {
    pub(super) fn new(field: &str, form: Form, zone: Zone) -> Self {
        Self { field: field.to_owned(), form, zone }
    }

    /// In nanoseconds since 1970.
    pub(super) fn read(&self, fields: &Fields<'_>, read_ns: i64) -> Result<i64, Failure> {
        let value = fields.find(&self.field).ok_or(Failure::NoField)?;
        let time = value.text().and_then(|text| self.time_ns(&text, read_ns));
        time.ok_or(Failure::NoTime)
    }

    fn time_ns(&self, text: &[u8], read_ns: i64) -> Option<i64> {
        let moment = match &self.form {
            Form::Unix(unit_ns) => return decimal(text, *unit_ns),
            Form::Rfc3339 => self.rfc3339(text),
            Form::Pattern(pattern) => self.by_pattern(pattern, text, read_ns),
        };
        i64::try_from(moment?.as_nanosecond()).ok()
    }

    fn rfc3339(&self, text: &[u8]) -> Option<jiff::Timestamp> {
        let pieces = Pieces::parse(text).ok()?;
        let civil = pieces.date().to_datetime(pieces.time()?);
        match pieces.to_numeric_offset() {
            Some(offset) => offset.to_timestamp(civil).ok(),
            None if pieces.time_zone_annotation().is_some() => None,
            None => self.zone.moment(civil),
        }
    }

    fn by_pattern(&self, pattern: &str, text: &[u8], read_ns: i64) -> Option<jiff::Timestamp> {
        let parts = BrokenDownTime::parse(pattern, text).ok()?;
        if says_year(&parts) { self.moment(&parts) } else { self.nearest(parts, read_ns) }
    }

    fn moment(&self, parts: &BrokenDownTime) -> Option<jiff::Timestamp> {
        if parts.timestamp().is_some() || parts.offset().is_some() {
            return parts.to_timestamp().ok();
        }
        self.zone.moment(parts.to_datetime().ok()?)
    }

    /// In the year that brings it nearest to when it was read.
    fn nearest(&self, mut parts: BrokenDownTime, read_ns: i64) -> Option<jiff::Timestamp> {
        // What is a time and what is none must not depend on the year.
        parts.set_weekday(None);
        let read = jiff::Timestamp::from_nanosecond(i128::from(read_ns)).ok()?;
        let this_year = read.to_zoned(TimeZone::UTC).year();
        let mut among = |away: RangeInclusive<i16>| {
            let moments = away.filter_map(|away| {
                parts.set_year(Some(this_year + away)).ok()?;
                self.moment(&parts)
            });
            moments.min_by_key(|moment| (moment.as_nanosecond() - i128::from(read_ns)).abs())
        };
        among(-1..=1).or_else(|| among(-LEAP_YEARS..=LEAP_YEARS))
    }
}

/// A decimal number of units, in nanoseconds; what is less than one of these says nothing.
fn decimal(text: &[u8], unit_ns: i64) -> Option<i64> {
    let text = str::from_utf8(text).ok()?;
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let mut ns = whole.parse::<i64>().ok()?.checked_mul(unit_ns)?;
    let mut unit_ns = unit_ns;
    for digit in fraction.bytes() {
        unit_ns /= 10;
        ns = ns.checked_add(i64::from(digit - b'0') * unit_ns)?;
    }
    Some(sign * ns)
}

//! Event time: nanoseconds since 1970 in UTC, taken from the data.
//!
//! Never reads a clock.

use std::fmt;
use std::ops::{Add, Neg, Sub};

/// A point of time as the event states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EventTime(i64);

/// A length of event time; may be negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TimeSpan(i64);

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const NANOS_PER_MILLI: i64 = 1_000_000;

impl EventTime {
    /// The earliest time: before every event.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest time: after every event.
    pub const MAX: Self = Self(i64::MAX);

    /// Tells whether an event may have happened then: between 1800 and 2200. Times beyond are mistakes
    /// of units, and too near to the ends of what can be counted to be calculated with.
    pub const fn is_plausible(self) -> bool {
        const YEAR: i64 = 365 * 86_400 * NANOS_PER_SECOND;
        self.0 > -170 * YEAR && self.0 < 230 * YEAR
    }

    /// Returns the time this many nanoseconds after 1970-01-01T00:00:00Z.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Returns the time this many milliseconds after 1970-01-01T00:00:00Z.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(NANOS_PER_MILLI))
    }

    /// Returns the nanoseconds since 1970-01-01T00:00:00Z.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Returns the milliseconds since 1970-01-01T00:00:00Z, rounded down.
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(NANOS_PER_MILLI)
    }
}

/// Returns year, month and day of a number of days since 1970-01-01.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

impl fmt::Display for EventTime {
    /// Writes RFC 3339 in UTC with milliseconds, or nanoseconds if the time has them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.div_euclid(NANOS_PER_SECOND);
        let nanos = self.0.rem_euclid(NANOS_PER_SECOND);
        let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
        let of_day = seconds.rem_euclid(86_400);
        let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if nanos % NANOS_PER_MILLI == 0 {
            write!(f, ".{:03}Z", nanos / NANOS_PER_MILLI)
        } else {
            write!(f, ".{nanos:09}Z")
        }
    }
}

impl TimeSpan {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The longest span.
    pub const MAX: Self = Self(i64::MAX);

    /// Returns a span of nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Returns a span of milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(NANOS_PER_MILLI))
    }

    /// Returns a span of seconds.
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(NANOS_PER_SECOND))
    }

    /// Returns the nanoseconds.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Returns the milliseconds, rounded down.
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(NANOS_PER_MILLI)
    }

    /// Returns `count` spans of this length.
    #[must_use]
    pub const fn times(self, count: i64) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// Parses a number with one of EQL's units `ms`, `s`, `m`, `h`, `d`: `20s`, `500ms`.
    pub fn parse(text: &str) -> Option<Self> {
        let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = text[..unit_at].parse().ok()?;
        let millis = match &text[unit_at..] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        number.checked_mul(millis).map(Self::from_millis)
    }
}

impl fmt::Display for TimeSpan {
    /// Writes the span with the largest of EQL's units that divides it: `20s`, `5m`, `1500ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.millis();
        for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
            if millis != 0 && millis % size == 0 {
                return write!(f, "{}{unit}", millis / size);
            }
        }
        write!(f, "{millis}ms")
    }
}

impl Sub for EventTime {
    type Output = TimeSpan;
    fn sub(self, other: Self) -> TimeSpan {
        TimeSpan(self.0.saturating_sub(other.0))
    }
}

impl Add<TimeSpan> for EventTime {
    type Output = Self;
    fn add(self, span: TimeSpan) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<TimeSpan> for EventTime {
    type Output = Self;
    fn sub(self, span: TimeSpan) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl Add for TimeSpan {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for TimeSpan {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for TimeSpan {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_and_sysmon_times_are_read() {
        let time = EventTime::parse("2024-06-11T11:33:24.027Z").unwrap();
        assert_eq!(time.millis(), 1_718_105_604_027);
        assert_eq!(EventTime::parse("2024-06-11 11:33:24.027"), Some(time));
        assert_eq!(EventTime::parse("2024-06-11T13:33:24.027+02:00"), Some(time));
        assert_eq!(
            EventTime::parse("2024-06-11T11:33:24.027123456789Z").unwrap().nanos() % 1_000_000,
            123_456
        );
        assert_eq!(EventTime::parse("1970-01-01T00:00:00Z"), Some(EventTime::from_nanos(0)));
    }

    #[test]
    fn other_texts_are_no_time() {
        for text in [
            "",
            "2024",
            "2024-13-01T00:00:00Z",
            "2024-06-11T11:33:24.027X",
            "2024-06-11T25:00:00Z",
            "yesterday at noon, or so",
        ] {
            assert_eq!(EventTime::parse(text), None, "{text}");
        }
    }

    #[test]
    fn microseconds_taken_for_milliseconds_are_no_plausible_time() {
        let year = |year: &str| EventTime::parse(&format!("{year}-01-01T00:00:00Z")).unwrap();
        assert!(EventTime::from_nanos(0).is_plausible() && year("2199").is_plausible());
        assert!(year("1801").is_plausible() && !year("1799").is_plausible());
        assert!(!EventTime::from_millis(1_718_105_604_027_000).is_plausible());
        assert!(!EventTime::MIN.is_plausible() && !EventTime::MAX.is_plausible());
    }

    #[test]
    fn times_are_written_as_they_are_read() {
        for text in [
            "2024-02-29T23:59:59.999Z",
            "1969-12-31T23:59:59.500Z",
            "2024-06-11T11:33:24.027123400Z",
        ] {
            assert_eq!(EventTime::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn spans_use_the_units_of_eql() {
        assert_eq!(TimeSpan::parse("20s"), Some(TimeSpan::from_secs(20)));
        assert_eq!(TimeSpan::parse("500ms"), Some(TimeSpan::from_millis(500)));
        assert_eq!(TimeSpan::parse("1.5s"), None);
        assert_eq!(TimeSpan::parse("20"), None);
        assert_eq!(TimeSpan::from_secs(90).to_string(), "90s");
        assert_eq!(TimeSpan::from_secs(120).to_string(), "2m");
        assert_eq!(TimeSpan::from_millis(1_500).to_string(), "1500ms");
    }
}

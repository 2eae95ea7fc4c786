//! Points of time as producers and authors of rules write them: one parser, whoever asks.
//!
//! Never reads a clock, and never guesses: what could be two instants is none.
//!
//! Dates and times are those of RFC 3339, and what ISO 8601 and common producers leave out of it: the
//! time, seconds, the offset (UTC), its colon or its minutes; a blank may stand for the `T` and before
//! the offset. An offset has up to 18 hours, as in Java and so in Elasticsearch; RFC 3339 would allow
//! 23:59. A second 60 is a leap second, as in RFC 3339: the same instant as the next second. Years
//! alone and months alone are none: a text of four digits could be a year.

use super::time::EventTime;
use super::value::Value;

const NANOS_PER_SECOND: i64 = 1_000_000_000;
/// Java's `ZoneOffset`: no zone has been further from Greenwich.
const MAX_OFFSET: i64 = 18 * 3_600;

impl EventTime {
    /// Returns the point of time that a value is.
    pub fn of(value: &Value<'_>) -> Option<Self> {
        match value {
            Value::Str(text) => Self::parse(text),
            Value::Int(number) => of_number(i128::from(*number) * BILLION),
            Value::Big(_) | Value::Float(_) | Value::Written(_) => {
                of_number(billionths(value.text()?.as_bytes())?)
            }
            Value::Bool(_) | Value::Object => None,
        }
    }

    /// Parses a date with or without a time, `2024-06-11T11:33:24.027Z`, or a number.
    ///
    /// Up to nine digits of a second count, more are ignored. A number counts seconds since 1970 if that
    /// is a plausible time, else milliseconds; micro- and nanoseconds if it is too large for anything
    /// else. Returns nothing for any other text and for years outside 1678–2261.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        date_time(bytes).or_else(|| match bytes {
            [_, _, _, _] if bytes.iter().all(u8::is_ascii_digit) => None,
            _ => of_number(billionths(bytes)?),
        })
    }
}

fn date_time(bytes: &[u8]) -> Option<EventTime> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, rest @ ..] = bytes else { return None };
    let (year, month) = (number([*y1, *y2, *y3, *y4])?, number([*m1, *m2])?);
    let day = number([*d1, *d2])?;
    if !(1..=12).contains(&month) || !(1..=days_of(year, month)).contains(&day) {
        return None;
    }
    let (seconds, nanos) = match rest {
        [] => (0, 0),
        [b'T' | b't' | b' ', time @ ..] => time_of_day(time)?,
        _ => return None,
    };
    let seconds = days_from_civil(year, month, day) * 86_400 + seconds;
    seconds.checked_mul(NANOS_PER_SECOND)?.checked_add(nanos).map(EventTime::from_nanos)
}

/// Returns seconds and nanoseconds behind midnight UTC of `11:33`, `11:33:24.027+02:00`.
fn time_of_day(bytes: &[u8]) -> Option<(i64, i64)> {
    let [h1, h2, b':', m1, m2, rest @ ..] = bytes else { return None };
    let (hour, minute) = (number([*h1, *h2])?, number([*m1, *m2])?);
    let (second, nanos, rest) = match rest {
        [b':', s1, s2, rest @ ..] => {
            let (nanos, rest) = fraction(rest)?;
            (number([*s1, *s2])?, nanos, rest)
        }
        _ => (0, 0, rest),
    };
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some((hour * 3_600 + minute * 60 + second - offset(rest)?, nanos))
}

/// Returns the nanoseconds of `.123…`, if it begins like that, and what follows.
fn fraction(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.' | b',', digits @ ..] = bytes else { return Some((0, bytes)) };
    let len = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (fraction, rest) = digits.split_at(len);
    let padded = fraction.iter().chain(std::iter::repeat(&b'0')).take(9);
    let nanos = padded.fold(0, |nanos, digit| nanos * 10 + i64::from(digit - b'0'));
    (len > 0).then_some((nanos, rest))
}

/// Returns the seconds east of Greenwich of `Z`, `+02:00`, `+0200`, `+02`, ` +0200`, or nothing.
fn offset(bytes: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match bytes {
        [] | [b'Z' | b'z'] | [b' ', b'Z' | b'z'] => return Some(0),
        [b' ', sign, h1, h2, rest @ ..] | [sign, h1, h2, rest @ ..] => {
            let minutes = match rest {
                [] => 0,
                [b':', m1, m2] | [m1, m2] => number([*m1, *m2])?,
                _ => return None,
            };
            (*sign, number([*h1, *h2])?, minutes)
        }
        _ => return None,
    };
    let seconds = hours * 3_600 + minutes * 60;
    match sign {
        _ if minutes > 59 || seconds > MAX_OFFSET => None,
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

/// Returns the number that these digits write.
fn number<const LEN: usize>(digits: [u8; LEN]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'))
    })
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Returns the days since 1970-01-01 of a date in the proleptic Gregorian calendar.
///
/// Eras of 400 years that start on 1 March, as in Howard Hinnant's "chrono-compatible low-level
/// date algorithms".
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Numbers are counted in billionths, so that their fractions count.
const BILLION: i128 = 1_000_000_000;

/// Nanoseconds of the units in which producers count, and the least number that is taken for one. Less
/// than 10¹⁴ microseconds could be milliseconds of the far future, less than 10¹⁸ nanoseconds the
/// 100 ns since 1601 in which Windows counts.
const UNITS: [(i128, u128); 4] = [
    (1_000_000_000, 0),
    (1_000_000, 0),
    (1_000, 100_000_000_000_000),
    (1, 1_000_000_000_000_000_000),
];

/// Returns the point of time that a number is, in the largest unit in which it is plausible.
fn of_number(billionths: i128) -> Option<EventTime> {
    let size = (billionths / BILLION).unsigned_abs();
    let units = UNITS.iter().filter(|(_, least)| size >= *least);
    let in_unit = |(nanos, _): &(i128, u128)| {
        let nanos = billionths.checked_mul(*nanos)?.div_euclid(BILLION);
        let time = EventTime::from_nanos(i64::try_from(nanos).ok()?);
        time.is_plausible().then_some(time)
    };
    units.into_iter().find_map(in_unit)
}

/// Returns the billionths of `1714903200.123`, or `1.7149032E9`; what is less than one is cut off.
fn billionths(bytes: &[u8]) -> Option<i128> {
    let (is_negative, bytes) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, bytes),
    };
    let mut parts = bytes.splitn(2, |byte| matches!(byte, b'e' | b'E'));
    let (decimal, exponent) = (parts.next()?, parts.next());
    let mut parts = decimal.splitn(2, |byte| *byte == b'.');
    let (whole, fraction) = (parts.next()?, parts.next());
    if whole.is_empty() || fraction.is_some_and(<[u8]>::is_empty) {
        return None;
    }
    let fraction = fraction.unwrap_or_default();
    let mut digits = whole.iter().chain(fraction);
    let digits = digits.try_fold(0_i128, |number, digit| {
        digit.is_ascii_digit().then_some(())?;
        number.checked_mul(10)?.checked_add(i128::from(digit - b'0'))
    })?;
    let exponent = match exponent {
        Some(exponent) => std::str::from_utf8(exponent).ok()?.parse().ok()?,
        None => 0_i16,
    };
    let power = i32::from(exponent) + 9 - i32::try_from(fraction.len()).ok()?;
    let scale = 10_i128.checked_pow(power.unsigned_abs())?;
    let scaled = if power < 0 { digits / scale } else { digits.checked_mul(scale)? };
    Some(if is_negative { -scaled } else { scaled })
}

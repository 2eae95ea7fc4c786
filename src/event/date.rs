//! Dates as producers write them, with or without a time of day.
//!
//! Never corrects a date that no calendar has, a time that no clock shows, an offset that no zone has.
//!
//! Dates and times are those of RFC 3339, and what ISO 8601 and common producers leave out of it: the
//! time, seconds, the offset (UTC), its colon or its minutes; a blank may stand for the `T` and before
//! the offset. An offset has up to 18 hours, as in Java and so in Elasticsearch; RFC 3339 would allow
//! 23:59. A second 60 is a leap second, as in RFC 3339: the same instant as the next second. Years
//! alone and months alone are none: a text of four digits could be a year.

use super::time::EventTime;

const NANOS_PER_SECOND: i64 = 1_000_000_000;
/// Java's `ZoneOffset`: no zone has been further from Greenwich.
const MAX_OFFSET: i64 = 18 * 3_600;

/// Returns the point of time that a date is; none for years outside 1678–2261.
pub(super) fn parse(bytes: &[u8]) -> Option<EventTime> {
    usual(bytes).or_else(|| date_time(bytes))
}

/// The form of Beats and of Sysmon, or with the 100 ns of Elastic Defend, all at once; whatever else is
/// left to [`date_time`].
fn usual(bytes: &[u8]) -> Option<EventTime> {
    const FORM: &[u8; 23] = b"0000-00-00T00:00:00.000";
    const MOST: [u8; 23] =
        *b"\x09\x09\x09\x09\0\x09\x09\0\x09\x09\0\x09\x09\0\x09\x09\0\x09\x09\0\x09\x09\x09";
    let (text, rest) = bytes.split_first_chunk::<23>()?;
    let ticks = match rest {
        [] | [b'Z'] => 0,
        [d1, d2, d3, d4, b'Z'] => number([*d1, *d2, *d3, *d4])?,
        _ => return None,
    };
    let mut text = *text;
    if text[10] == b' ' {
        text[10] = b'T';
    }
    // A digit leaves its value, and the other characters of the form leave nothing.
    let (mut left, mut fits) = ([0; 23], true);
    for at in 0..FORM.len() {
        left[at] = text[at] ^ FORM[at];
        fits &= left[at] <= MOST[at];
    }
    if !fits {
        return None;
    }
    let two = |at: usize| i64::from(left[at]) * 10 + i64::from(left[at + 1]);
    let midnight = midnight(two(0) * 100 + two(2), two(5), two(8))?;
    let seconds = midnight + within_day(two(11), two(14), two(17))?;
    at(seconds, (two(20) * 10 + i64::from(left[22])) * 1_000_000 + ticks * 100)
}

fn at(seconds: i64, nanos: i64) -> Option<EventTime> {
    seconds.checked_mul(NANOS_PER_SECOND)?.checked_add(nanos).map(EventTime::from_nanos)
}

/// Returns the seconds since 1970 of a date.
fn midnight(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_one = (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day);
    is_one.then(|| days_from_civil(year, month, day) * 86_400)
}

/// Returns the seconds since midnight.
fn within_day(hour: i64, minute: i64, second: i64) -> Option<i64> {
    let is_one = hour <= 23 && minute <= 59 && second <= 60;
    is_one.then(|| hour * 3_600 + minute * 60 + second)
}

/// Any form.
fn date_time(bytes: &[u8]) -> Option<EventTime> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, rest @ ..] = bytes else { return None };
    let (year, month) = (number([*y1, *y2, *y3, *y4])?, number([*m1, *m2])?);
    let midnight = midnight(year, month, number([*d1, *d2])?)?;
    let (seconds, nanos) = match rest {
        [] => (0, 0),
        [b'T' | b't' | b' ', time @ ..] => time_of_day(time)?,
        _ => return None,
    };
    at(midnight + seconds, nanos)
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
    Some((within_day(hour, minute, second)? - offset(rest)?, nanos))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that is one byte away from the usual form, or two.
    fn near(usual: &[u8]) -> impl Iterator<Item = Vec<u8>> {
        let others = b"0129:-. TtZz+/\x00\xff";
        let places = (0..usual.len()).flat_map(|at| (0..usual.len()).map(move |other| (at, other)));
        places.flat_map(move |(at, other)| {
            others.iter().map(move |byte| {
                let mut text = usual.to_vec();
                text[at] = *byte;
                text[other] = b'9';
                text
            })
        })
    }

    #[test]
    fn the_usual_form_is_read_like_any_other() {
        let mut dates = 0;
        for usual in
            ["2024-06-11T11:33:24.027Z", "2024-06-11 11:33:22.918", "2023-02-28T23:59:60.0001234Z"]
        {
            for text in near(usual.as_bytes()) {
                let slow = date_time(&text);
                assert_eq!(parse(&text), slow, "{}", String::from_utf8_lossy(&text));
                dates += usize::from(slow.is_some());
            }
            for len in 0..usual.len() {
                assert_eq!(parse(&usual.as_bytes()[..len]), date_time(&usual.as_bytes()[..len]));
            }
        }
        assert!(dates > 1_000, "only {dates} are dates");
    }
}

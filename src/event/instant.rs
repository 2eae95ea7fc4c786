//! Points of time as producers and authors of rules write them: one parser, whoever asks.
//!
//! Never reads a clock, and never guesses: what could be two instants is none.
//!
//! Dates are read by `date.rs`, and numbers here: these come in four units.

use super::date;
use super::time::EventTime;
use super::value::Value;

impl EventTime {
    /// Returns the point of time that a value is.
    pub fn of(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Str(text) => Self::parse(text),
            Value::Int(number) => of_number(i128::from(number) * BILLION),
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
        date::parse(bytes).or_else(|| match bytes {
            [_, _, _, _] if bytes.iter().all(u8::is_ascii_digit) => None,
            _ => of_number(billionths(bytes)?),
        })
    }
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

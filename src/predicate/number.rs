//! Whole and fractional numbers, compared by value.

use std::cmp::Ordering;

use crate::event::Value;
use crate::event::number::text_of_double;

/// Compares two numbers; nothing if one of them is no number.
pub(super) fn compare(left: Value<'_>, right: Value<'_>) -> Option<Ordering> {
    match (Number::of(left)?, Number::of(right)?) {
        (Number::Whole(left), Number::Whole(right)) => Some(left.cmp(&right)),
        (Number::Double(left), Number::Double(right)) => left.partial_cmp(&right),
        (Number::Whole(left), Number::Double(right)) => whole_with_fraction(left, right),
        (Number::Double(left), Number::Whole(right)) => {
            whole_with_fraction(right, left).map(Ordering::reverse)
        }
    }
}

/// Tells whether a value is a number, and not a text that writes one.
pub(super) fn is_number(value: Value<'_>) -> bool {
    Number::of(value).is_some()
}

/// Returns the text that all spellings of a number share.
pub(super) fn canonical(number: Value<'_>) -> Option<String> {
    match Exact::of(number)? {
        Exact::Whole(whole) => Some(whole.to_string()),
        Exact::Other(bits) => Some(text_of_double(f64::from_bits(bits))),
    }
}

/// A number, its text forgotten.
enum Number {
    Whole(i128),
    Double(f64),
}

impl Number {
    fn of(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Float(number) => Some(Self::Double(number)),
            Value::Written(written) => Some(Self::Double(written.number)),
            value => value.as_whole().map(Self::Whole),
        }
    }
}

/// Compares without rounding the whole number: above 2^53 that would make neighbours equal.
fn whole_with_fraction(whole: i128, fraction: f64) -> Option<Ordering> {
    if fraction.is_nan() {
        return None;
    }
    if fraction >= 18_446_744_073_709_551_616.0 {
        return Some(Ordering::Less);
    }
    if fraction < -9_223_372_036_854_775_808.0 {
        return Some(Ordering::Greater);
    }
    let truncated = fraction as i128;
    let rest = fraction - fraction.trunc();
    Some(whole.cmp(&truncated).then(0.0_f64.partial_cmp(&rest)?))
}

/// A number in the one form that all numbers of the same value share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Exact {
    Whole(i128),
    /// The bits of a number that is not whole, or beyond what is.
    Other(u64),
}

impl Exact {
    pub(super) fn of(number: Value<'_>) -> Option<Self> {
        Some(match Number::of(number)? {
            Number::Whole(whole) => Self::Whole(whole),
            Number::Double(fraction) => Self::of_fraction(fraction),
        })
    }

    fn of_fraction(fraction: f64) -> Self {
        let whole = fraction as i128;
        match whole_with_fraction(whole, fraction) {
            Some(Ordering::Equal) => Self::Whole(whole),
            _ => Self::Other(fraction.to_bits()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_by_value() {
        let int = Value::Int;
        let float = Value::Float;
        for (left, right, expected) in [
            (int(5), float(5.0), Ordering::Equal),
            (int(5), float(5.5), Ordering::Less),
            (int(-5), float(-5.5), Ordering::Greater),
            (float(0.5), int(0), Ordering::Greater),
            (int(9_007_199_254_740_993), float(9_007_199_254_740_992.0), Ordering::Greater),
            (int(i64::MAX), float(f64::INFINITY), Ordering::Less),
            (int(i64::MIN), float(-1e300), Ordering::Greater),
            (int(i64::MIN), float(-9_223_372_036_854_775_808.0), Ordering::Equal),
            (Value::Big(u64::MAX), Value::Big(u64::MAX - 1), Ordering::Greater),
            (Value::Big(u64::MAX), float(18_446_744_073_709_551_616.0), Ordering::Less),
            (Value::Big(1 << 63), float(9_223_372_036_854_775_808.0), Ordering::Equal),
            (int(-1), Value::Big(u64::MAX), Ordering::Less),
        ] {
            assert_eq!(compare(left, right), Some(expected), "{left:?} {right:?}");
        }
        assert_eq!(compare(int(1), float(f64::NAN)), None);
        assert_eq!(compare(int(1), Value::from("1")), None);
    }

    #[test]
    fn equal_numbers_have_one_form_and_others_another() {
        let whole = [0, 1, -1, i64::MAX, i64::MIN, 9_007_199_254_740_992, 9_007_199_254_740_993];
        let others = [
            0.0,
            -0.0,
            0.5,
            1.0,
            -1.0,
            -1e300,
            9_007_199_254_740_992.0,
            9_223_372_036_854_775_808.0,
            -9_223_372_036_854_775_808.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ];
        let big = [1 << 63, (1 << 63) + 1, u64::MAX].map(Value::Big);
        let whole = whole.into_iter().map(Value::Int).chain(big);
        let numbers: Vec<Value<'_>> = whole.chain(others.into_iter().map(Value::Float)).collect();
        for left in numbers.iter().copied() {
            for right in numbers.iter().copied() {
                let is_equal = compare(left, right) == Some(Ordering::Equal);
                assert_eq!(Exact::of(left) == Exact::of(right), is_equal, "{left:?} {right:?}");
            }
        }
        assert_eq!(Exact::of(Value::from("1")), None);
    }
}

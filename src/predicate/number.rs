//! Whole and fractional numbers, compared by value.

use std::cmp::Ordering;

use crate::event::Value;

/// Compares two numbers; nothing if one of them is no number.
pub(super) fn compare(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        (Value::Float(left), Value::Float(right)) => left.partial_cmp(right),
        (Value::Int(left), Value::Float(right)) => whole_with_fraction(*left, *right),
        (Value::Float(left), Value::Int(right)) => {
            whole_with_fraction(*right, *left).map(Ordering::reverse)
        }
        _ => None,
    }
}

/// Compares without rounding the whole number: above 2^53 that would make neighbours equal.
fn whole_with_fraction(whole: i64, fraction: f64) -> Option<Ordering> {
    if fraction.is_nan() {
        return None;
    }
    if fraction >= 9_223_372_036_854_775_808.0 {
        return Some(Ordering::Less);
    }
    if fraction < -9_223_372_036_854_775_808.0 {
        return Some(Ordering::Greater);
    }
    let truncated = fraction as i64;
    let rest = fraction - fraction.trunc();
    Some(whole.cmp(&truncated).then(0.0_f64.partial_cmp(&rest)?))
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
        ] {
            assert_eq!(compare(&left, &right), Some(expected), "{left:?} {right:?}");
        }
        assert_eq!(compare(&int(1), &float(f64::NAN)), None);
        assert_eq!(compare(&int(1), &Value::from("1")), None);
    }
}

//! `<1-99>`: whole numbers in a range, as a pattern over their digits.

/// Most digits of a bound.
pub(super) const MAX_DIGITS: usize = 64;

/// Returns the pattern of the numbers from one bound to the other, in either order.
///
/// The rules are those of Lucene's `Automata.makeDecimalInterval`: bounds of equal length ask for
/// numbers of just that length (`<01-31>`); otherwise leading zeros may stand before the number.
/// The pattern grows with the number of digits, not with the number of numbers.
pub(super) fn pattern(from: &str, to: &str) -> Option<String> {
    let is_number = |text: &str| {
        (1..=MAX_DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !is_number(from) || !is_number(to) {
        return None;
    }
    if from.len() == to.len() {
        let (low, high) = (from.min(to), from.max(to));
        return Some(format!("(?:{})", between(low.as_bytes(), high.as_bytes())));
    }
    let (from, to) = (significant(from), significant(to));
    let is_ascending = (from.len(), from) <= (to.len(), to);
    let (low, high) = if is_ascending { (from, to) } else { (to, from) };
    let parts: Vec<String> =
        (low.len()..=high.len()).map(|width| of_width(width, low, high)).collect();
    Some(format!("(?:0*(?:{}))", parts.join("|")))
}

/// Returns the digits without leading zeros.
fn significant(number: &str) -> &str {
    match number.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    }
}

/// Returns the pattern of those numbers between two that have so many digits.
fn of_width(width: usize, low: &str, high: &str) -> String {
    let least =
        if width == low.len() { low.to_owned() } else { format!("1{:0<1$}", "", width - 1) };
    let most = if width == high.len() { high.to_owned() } else { "9".repeat(width) };
    between(least.as_bytes(), most.as_bytes())
}

/// Returns the pattern of the numbers between two of as many digits.
///
/// Below the first digit in which they differ, one side at most is bounded: a chain of digits each.
fn between(low: &[u8], high: &[u8]) -> String {
    let ([least, low @ ..], [most, high @ ..]) = (low, high) else { return String::new() };
    if least == most {
        return format!("{}{}", char::from(*least), between(low, high));
    }
    let mut parts = Vec::new();
    let mut first = *least;
    if low.iter().any(|digit| *digit != b'0') {
        parts.push(format!("{}{}", char::from(first), between(low, &vec![b'9'; low.len()])));
        first += 1;
    }
    let mut last = *most;
    if high.iter().any(|digit| *digit != b'9') {
        parts.push(format!("{}{}", char::from(last), between(&vec![b'0'; high.len()], high)));
        last -= 1;
    }
    if first <= last {
        let digit = format!("[{}-{}]", char::from(first), char::from(last));
        parts.push(format!("{digit}[0-9]{{{}}}", low.len()));
    }
    format!("(?:{})", parts.join("|"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex_automata::meta::Regex;

    use super::*;

    fn regex(from: &str, to: &str) -> Regex {
        Regex::new(&format!(r"\A{}\z", pattern(from, to).unwrap())).unwrap()
    }

    /// The definition, by the number that a text writes.
    fn naively(from: &str, to: &str, text: &str) -> bool {
        let number = |text: &str| text.parse::<u128>().unwrap();
        let (a, b) = (number(from), number(to));
        let is_fixed = from.len() == to.len();
        (a.min(b)..=a.max(b)).contains(&number(text)) && (!is_fixed || text.len() == from.len())
    }

    #[test]
    fn exactly_the_numbers_of_the_range_match() {
        let ranges = [("1", "99"), ("0", "255"), ("7", "7"), ("98", "1002"), ("300", "20")];
        let padded = [("007", "12"), ("12", "007"), ("00", "00"), ("0", "00"), ("010", "9")];
        for (from, to) in ranges.into_iter().chain(padded) {
            let regex = regex(from, to);
            for number in 0..1_200_u64 {
                for text in [format!("{number}"), format!("{number:02}"), format!("{number:05}")] {
                    let expected = naively(from, to, &text);
                    assert_eq!(regex.is_match(&text), expected, "{text} in {from}-{to}");
                }
            }
        }
    }

    #[test]
    fn bounds_of_one_length_fix_the_length() {
        let fixed = regex("01", "31");
        assert!(fixed.is_match("07") && !fixed.is_match("7") && !fixed.is_match("007"));
        let free = regex("1", "31");
        assert!(free.is_match("7") && free.is_match("007") && !free.is_match("32"));
        assert!(!free.is_match("") && !regex("0", "31").is_match(""));
    }

    #[test]
    fn other_bounds_are_refused() {
        let long = "9".repeat(MAX_DIGITS + 1);
        for (from, to) in [("", "1"), ("a", "1"), ("1", "-2"), ("1", &long)] {
            assert_eq!(pattern(from, to), None);
        }
    }

    #[test]
    fn the_pattern_grows_with_the_digits_alone() {
        let widest = pattern("0", &"9".repeat(MAX_DIGITS)).unwrap();
        assert!(widest.len() < 20 * MAX_DIGITS, "{widest}");
        let odd = pattern(&"12345678".repeat(8), &"87654321".repeat(8)).unwrap();
        assert!(odd.len() < 50 * MAX_DIGITS, "{odd}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn numbers_near_the_bounds_are_told_apart(
            from in "[0-9]{1,18}",
            to in "[0-9]{1,18}",
            others in prop::collection::vec("[0-9]{1,20}", 8),
            zeros in 0..3_usize,
        ) {
            let regex = regex(&from, &to);
            let near = [&from, &to].into_iter().flat_map(|bound| {
                let number: u128 = bound.parse().unwrap();
                let width = bound.len();
                [number.saturating_sub(1), number, number + 1]
                    .map(|number| format!("{}{number:0width$}", "0".repeat(zeros)))
            });
            for text in near.chain(others) {
                let expected = naively(&from, &to, &text);
                prop_assert_eq!(regex.is_match(&text), expected, "{} in {}-{}", text, from, to);
            }
        }
    }
}

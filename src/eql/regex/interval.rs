//! `<1-99>`: whole numbers in a range, as a pattern over their digits.

/// Returns the pattern of the numbers from one bound to the other, in either order.
///
/// Bounds of equal length ask for numbers of just that length (`<01-31>`); otherwise leading
/// zeros may stand before the number.
pub(super) fn pattern(from: &str, to: &str) -> Option<String> {
    let is_number = |text: &str| {
        (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !is_number(from) || !is_number(to) {
        return None;
    }
    let (low, high): (u64, u64) = (from.parse().ok()?, to.parse().ok()?);
    let (low, high) = (low.min(high), low.max(high));
    if from.len() == to.len() {
        let width = from.len();
        return Some(format!("(?:{})", same_width(&padded(low, width), &padded(high, width))));
    }
    let widths = digits(low)..=digits(high);
    let parts: Vec<String> = widths
        .map(|width| {
            let smallest = if width == 1 { 0 } else { 10_u64.pow(width - 1) };
            let (low, high) = (low.max(smallest), high.min(10_u64.pow(width) - 1));
            same_width(low.to_string().as_bytes(), high.to_string().as_bytes())
        })
        .collect();
    Some(format!("(?:0*(?:{}))", parts.join("|")))
}

fn digits(number: u64) -> u32 {
    number.checked_ilog10().unwrap_or(0) + 1
}

fn padded(number: u64, width: usize) -> Vec<u8> {
    format!("{number:0width$}").into_bytes()
}

/// Returns the pattern of the numbers between two of as many digits.
fn same_width(low: &[u8], high: &[u8]) -> String {
    match (low, high) {
        ([l, low @ ..], [h, high @ ..]) if l == h => {
            format!("{}{}", char::from(*l), same_width(low, high))
        }
        ([l, low @ ..], [h, high @ ..]) => {
            let nines = vec![b'9'; low.len()];
            let zeros = vec![b'0'; high.len()];
            let mut parts = vec![format!("{}{}", char::from(*l), same_width(low, &nines))];
            if l + 1 < *h {
                let (next, before) = (char::from(l + 1), char::from(h - 1));
                parts.push(format!("[{next}-{before}][0-9]{{{}}}", low.len()));
            }
            parts.push(format!("{}{}", char::from(*h), same_width(&zeros, high)));
            format!("(?:{})", parts.join("|"))
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use regex_automata::meta::Regex;

    use super::*;

    #[test]
    fn exactly_the_numbers_of_the_range_match() {
        for (from, to) in [("1", "99"), ("0", "255"), ("7", "7"), ("98", "1002"), ("300", "20")] {
            let regex = Regex::new(&format!(r"\A{}\z", pattern(from, to).unwrap())).unwrap();
            let (a, b): (u64, u64) = (from.parse().unwrap(), to.parse().unwrap());
            for number in 0..1_200_u64 {
                let inside = (a.min(b)..=a.max(b)).contains(&number);
                assert_eq!(regex.is_match(&number.to_string()), inside, "{number} in {from}-{to}");
            }
        }
    }

    #[test]
    fn bounds_of_one_length_fix_the_length() {
        let regex = Regex::new(&format!(r"\A{}\z", pattern("01", "31").unwrap())).unwrap();
        assert!(regex.is_match("07") && !regex.is_match("7") && !regex.is_match("007"));
        let regex = Regex::new(&format!(r"\A{}\z", pattern("1", "31").unwrap())).unwrap();
        assert!(regex.is_match("7") && regex.is_match("007") && !regex.is_match("32"));
    }

    #[test]
    fn other_bounds_are_refused() {
        for (from, to) in [("", "1"), ("a", "1"), ("1", "-2"), ("1", "9999999999999999999")] {
            assert_eq!(pattern(from, to), None);
        }
    }
}

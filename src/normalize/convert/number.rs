//! Numbers as Windows writes them.

/// Reads `912`, or Security's `0x390`; a negative hexadecimal one is none.
pub(super) fn number(text: &str) -> Option<i64> {
    digits(text).or_else(|| any_number(text))
}

/// Reads a few digits and nothing else: most numbers are like that.
fn digits(text: &str) -> Option<i64> {
    let is_short = (1..=MOST_DIGITS).contains(&text.len());
    let add = |number: i64, digit: u8| {
        digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'))
    };
    is_short.then(|| text.bytes().try_fold(0, add)).flatten()
}

/// So many digits are never too many.
const MOST_DIGITS: usize = 18;

fn any_number(text: &str) -> Option<i64> {
    let text = text.trim();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => i64::from_str_radix(digits, 16).ok().filter(|number| *number >= 0),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_like_any_number() {
        for text in ["0", "912", "007", "999999999999999999", "9999999999999999999", "", "-1"] {
            assert_eq!(number(text), any_number(text), "{text}");
        }
        assert_eq!(digits("+1"), None);
        assert_eq!(number("+1"), Some(1));
        assert_eq!(number(" 12 "), Some(12));
    }
}

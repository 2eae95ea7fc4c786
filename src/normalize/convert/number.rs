//! Numbers as Windows writes them.

/// Reads `912`, or Security's `0x390`; a negative hexadecimal one is none.
pub(super) fn number(text: &str) -> Option<i64> {
    let text = text.trim();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => i64::from_str_radix(digits, 16).ok().filter(|number| *number >= 0),
        None => text.parse().ok(),
    }
}

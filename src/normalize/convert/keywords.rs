//! Keywords of the event log.

/// Reads the words of `winlog.keywords`, or the number that NXLog writes instead.
pub(super) fn outcome(text: &str) -> Option<&'static str> {
    const SUCCESS: u64 = 1 << 53;
    const FAILURE: u64 = 1 << 52;
    match text {
        "Audit Success" => return Some("success"),
        "Audit Failure" => return Some("failure"),
        _ => {}
    }
    let bits = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok()?,
        None => text.parse::<i64>().ok()? as u64,
    };
    match (bits & SUCCESS != 0, bits & FAILURE != 0) {
        (true, false) => Some("success"),
        (false, true) => Some("failure"),
        _ => None,
    }
}

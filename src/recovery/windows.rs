//! The windows of suppression, as a checkpoint holds them.
//!
//! When a window may begin depends on all alerts before, however long ago: no replay can rebuild it.
//! So there are never more of them than a checkpoint has room for, in a running partition too.

/// Most windows of a partition.
pub(crate) const MAX_WINDOWS: usize = 64;

/// A window of one rule and one group of alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Stands for the rule and the values.
    pub(crate) group: u64,
    /// Event time of the alert that began it, in milliseconds.
    pub(crate) start_ms: i64,
    /// The pace then, in milliseconds.
    pub(crate) since_ms: i64,
}

/// Characters of a window.
const WRITTEN: usize = 11 + 8 + 8;

/// Writes windows in their order.
pub(super) fn write(windows: &[Window]) -> String {
    windows.iter().fold(String::new(), |mut text, window| {
        push_digits(&mut text, window.group, 11);
        push_digits(&mut text, time_digits(window.start_ms), 8);
        push_digits(&mut text, time_digits(window.since_ms), 8);
        text
    })
}

/// Reads windows; nothing if the text is none that [`write`] writes.
pub(super) fn read(text: &str) -> Option<Vec<Window>> {
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(WRITTEN) {
        return None;
    }
    let window = |part: &[u8]| {
        Some(Window {
            group: digits(&part[..11])?,
            start_ms: time_of(digits(&part[11..19])?),
            since_ms: time_of(digits(&part[19..])?),
        })
    };
    bytes.chunks(WRITTEN).map(window).collect()
}

/// Times have 48 bits: some four thousand years around 1970.
const TIME_ZERO: i64 = 1 << 47;

fn time_digits(ms: i64) -> u64 {
    (ms.clamp(-TIME_ZERO, TIME_ZERO - 1) + TIME_ZERO) as u64
}

fn time_of(digits: u64) -> i64 {
    digits as i64 - TIME_ZERO
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn push_digits(text: &mut String, value: u64, width: usize) {
    for place in (0..width).rev() {
        text.push(char::from(DIGITS[(value >> (6 * place) & 63) as usize]));
    }
}

fn digits(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0u64, |sum, byte| {
        let digit = DIGITS.iter().position(|known| known == byte)?;
        Some(sum << 6 | digit as u64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let window = |n: u64| Window {
            group: u64::MAX - n,
            start_ms: -5 + n as i64,
            since_ms: 1_700_000_000_000,
        };
        let windows: Vec<Window> = (0..5).map(window).collect();
        let text = write(&windows);
        assert!(text.is_ascii() && text.len() == 5 * WRITTEN);
        assert_eq!(read(&text), Some(windows));
        assert_eq!(read("AAAA"), None);
        assert_eq!(read(&"!".repeat(WRITTEN)), None);
    }
}

//! Alert suppression: after an alert, for a while in event time, none that is alike follows.
//!
//! A window begins with the event time of an alert's final event. It belongs to one rule and the
//! values by which its alerts are grouped. The windows are few and stand in the commit's metadata:
//! what began one may lie hours back, and need not be replayed. Where something does not fit, an
//! alert too many leaves, and never one too few.

use std::collections::BTreeMap;

use crate::event::{EventTime, TimeSpan};
use crate::text::digest::Digest;

/// Most windows of a partition; beyond these alerts are not suppressed.
const MAX_WINDOWS: usize = 16_384;
/// For how long beyond its end a window is kept, by the partition's clock.
const GRACE: TimeSpan = TimeSpan::from_secs(300);

/// A window of one rule and one group of alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Stands for the rule and the values.
    pub(super) group: u64,
    /// Event time of the alert that began it, in milliseconds.
    pub(super) start_ms: i64,
    /// What the partition's clock must be past for it to be forgotten, in milliseconds.
    pub(super) forget_ms: i64,
}

/// The windows of a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Windows(BTreeMap<u64, Window>);

impl Windows {
    /// Returns these windows.
    pub(super) fn of(windows: Vec<Window>) -> Self {
        Self(windows.into_iter().map(|window| (window.group, window)).collect())
    }

    /// Takes in a match at `at` while the partition's clock shows `clock`; true if its alert is to
    /// be left out.
    pub(super) fn suppresses(
        &mut self,
        group: u64,
        at: EventTime,
        clock: EventTime,
        duration: TimeSpan,
    ) -> bool {
        let (at_ms, clock_ms) = (millis(at), millis(clock));
        if let Some(window) = self.0.get(&group).filter(|window| window.forget_ms >= clock_ms) {
            // A late match that is older than the alert is alike as well.
            if (at_ms - window.start_ms).abs() < duration.millis() {
                return true;
            }
            if at_ms < window.start_ms {
                return false;
            }
        }
        self.make_room(clock_ms);
        if self.0.len() < MAX_WINDOWS || self.0.contains_key(&group) {
            let forget_ms = at_ms.max(clock_ms) + duration.millis() + GRACE.millis();
            self.0.insert(group, Window { group, start_ms: at_ms, forget_ms });
        }
        false
    }

    /// Returns the windows that still count, those that began last first.
    pub(super) fn list(&mut self, clock: Option<EventTime>) -> Vec<Window> {
        if let Some(clock) = clock {
            self.forget(millis(clock));
        }
        let mut windows: Vec<Window> = self.0.values().copied().collect();
        windows.sort_by_key(|window| (std::cmp::Reverse(window.start_ms), window.group));
        windows
    }

    fn make_room(&mut self, clock_ms: i64) {
        if self.0.len() >= MAX_WINDOWS {
            self.forget(clock_ms);
        }
    }

    fn forget(&mut self, clock_ms: i64) {
        self.0.retain(|_, window| window.forget_ms >= clock_ms);
    }
}

/// Returns what stands for a rule and the values by which its alerts are grouped.
pub(super) fn group(rule: u32, values: &[Option<Vec<String>>]) -> u64 {
    let mut digest = Digest::default();
    digest.bytes(&rule.to_be_bytes());
    for value in values {
        let Some(texts) = value else {
            digest.bytes(&[0]);
            continue;
        };
        digest.bytes(&[1]);
        digest.length(texts.len());
        texts.iter().for_each(|text| digest.text(text));
    }
    digest.number()
}

fn millis(at: EventTime) -> i64 {
    at.nanos().div_euclid(1_000_000)
}

/// Bytes of a window in the metadata.
const WRITTEN: usize = 11 + 8 + 8;

/// Writes as many windows as there is room for.
pub(super) fn write(windows: &[Window], room: usize) -> String {
    let fitting = windows.iter().take(room / WRITTEN);
    fitting.fold(String::new(), |mut text, window| {
        push_digits(&mut text, window.group, 11);
        push_digits(&mut text, time_digits(window.start_ms), 8);
        push_digits(&mut text, time_digits(window.forget_ms), 8);
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
            forget_ms: time_of(digits(&part[19..])?),
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

    fn at(seconds: i64) -> EventTime {
        EventTime::from_nanos(0) + TimeSpan::from_secs(seconds)
    }

    /// Shows matches to the windows; the times of those that give an alert.
    fn alerts(matches: &[(i64, i64)]) -> Vec<i64> {
        let mut windows = Windows::default();
        let minute = TimeSpan::from_secs(60);
        let passes =
            |(time, clock): &&(i64, i64)| !windows.suppresses(7, at(*time), at(*clock), minute);
        matches.iter().filter(passes).map(|(time, _)| *time).collect()
    }

    #[test]
    fn a_window_begins_with_an_alert_and_not_with_what_it_suppresses() {
        assert_eq!(alerts(&[(0, 0), (59, 59), (60, 60), (119, 119), (120, 120)]), [0, 60, 120]);
    }

    #[test]
    fn older_matches_that_come_late_are_alike_within_the_same_length() {
        assert_eq!(alerts(&[(100, 100), (41, 100), (40, 100), (159, 160)]), [100, 40]);
    }

    #[test]
    fn a_host_with_a_backlog_is_suppressed_by_its_own_time() {
        assert_eq!(alerts(&[(0, 9_000), (30, 9_001), (60, 9_002)]), [0, 60]);
        // Long after, by the clock, nobody remembers.
        assert_eq!(alerts(&[(0, 9_000), (30, 9_361)]), [0, 30]);
    }

    #[test]
    fn what_is_written_reads_back_and_never_exceeds_its_room() {
        let window = |n: u64| Window {
            group: u64::MAX - n,
            start_ms: -5 + n as i64,
            forget_ms: 1_700_000_000_000,
        };
        let windows: Vec<Window> = (0..5).map(window).collect();
        for room in 0..200 {
            let text = write(&windows, room);
            assert!(text.len() <= room && text.is_ascii());
            let read = read(&text).unwrap();
            assert_eq!(read, windows[..read.len()]);
        }
        assert_eq!(read("AAAA"), None);
        assert_eq!(read(&"!".repeat(WRITTEN)), None);
    }

    #[test]
    fn values_are_told_apart() {
        let texts =
            |texts: &[&str]| Some(texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>());
        let groups = [
            group(1, &[]),
            group(2, &[]),
            group(1, &[None]),
            group(1, &[texts(&[])]),
            group(1, &[texts(&["a", "b"])]),
            group(1, &[texts(&["ab"])]),
            group(1, &[texts(&["a"]), texts(&["b"])]),
        ];
        let all: std::collections::BTreeSet<u64> = groups.into_iter().collect();
        assert_eq!(all.len(), groups.len());
    }

    #[test]
    fn windows_are_bounded() {
        let mut windows = Windows::default();
        for group in 0..MAX_WINDOWS as u64 + 10 {
            assert!(!windows.suppresses(group, at(0), at(0), TimeSpan::from_secs(60)));
        }
        assert_eq!(windows.0.len(), MAX_WINDOWS);
        assert!(windows.suppresses(0, at(1), at(1), TimeSpan::from_secs(60)));
        assert!(!windows.suppresses(MAX_WINDOWS as u64 + 1, at(1), at(1), TimeSpan::from_secs(60)));
        // What is forgotten makes room.
        assert!(!windows.suppresses(u64::MAX, at(999), at(999), TimeSpan::from_secs(60)));
        assert_eq!(windows.0.len(), 1);
    }
}

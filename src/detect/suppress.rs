//! Alert suppression: after an alert, for a while in event time, none that is alike follows.
//!
//! A window begins with the event time of an alert's final event. It belongs to one rule and the
//! values by which its alerts are grouped. The windows are committed as they are at the cut, and the
//! matches of a replay do not touch them. Where something does not fit, an alert too many leaves, and
//! never one too few.

use std::collections::VecDeque;

use crate::event::{EventTime, TimeSpan};
use crate::recovery::windows::{MAX_WINDOWS, Window};
use crate::sequence::{Input, Pace};
use crate::text::digest::Digest;

/// The windows of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Windows {
    /// INVARIANT: in the order in which they began, at most `max`.
    all: VecDeque<Window>,
    max: usize,
}

impl Windows {
    /// Returns these windows. What a bounded input has is not committed: there may be more of them.
    pub(super) fn of(windows: Vec<Window>, input: Input) -> Self {
        let max = match input {
            Input::Stream => MAX_WINDOWS,
            Input::Bounded => MAX_WINDOWS_OF_BOUNDED_INPUT,
        };
        Self { all: windows.into(), max }
    }

    /// Takes in a match at `at` that leaves at this pace; true if its alert is to be left out.
    ///
    /// A window is known for `duration` and as long as something is held beyond that.
    pub(super) fn suppresses(
        &mut self,
        group: u64,
        at: EventTime,
        pace: Pace,
        duration: TimeSpan,
        held: TimeSpan,
    ) -> bool {
        let at_ms = at.nanos().div_euclid(NANOS_IN_MS);
        let pace_ms = pace.nanos().div_euclid(NANOS_IN_MS);
        let known_for = (duration + held).millis();
        let place = self.all.iter().position(|window| window.group == group);
        if let Some(window) = place.map(|place| self.all[place])
            && pace_ms - window.since_ms <= known_for
        {
            // A late match that is older than the alert is alike as well.
            if (at_ms - window.start_ms).abs() < duration.millis() {
                return true;
            }
            if at_ms < window.start_ms {
                return false;
            }
        }
        if let Some(place) = place {
            self.all.remove(place);
        } else if self.all.len() == self.max {
            self.all.pop_front();
        }
        self.all.push_back(Window { group, start_ms: at_ms, since_ms: pace_ms });
        false
    }

    /// Returns the windows, to be committed.
    pub(super) fn list(&self) -> Vec<Window> {
        self.all.iter().copied().collect()
    }
}

/// Most windows of a file.
const MAX_WINDOWS_OF_BOUNDED_INPUT: usize = 16_384;
const NANOS_IN_MS: i64 = 1_000_000;

/// Returns what stands for a rule and the values by which its alerts are grouped.
pub(super) fn group(rule: &str, values: &[Option<Vec<String>>]) -> u64 {
    let mut digest = Digest::default();
    digest.text(rule);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> EventTime {
        EventTime::from_nanos(0) + TimeSpan::from_secs(seconds)
    }

    fn pace(seconds: i64) -> Pace {
        Pace::from_nanos(at(seconds).nanos())
    }

    const MINUTE: TimeSpan = TimeSpan::from_secs(60);
    const HELD: TimeSpan = TimeSpan::from_secs(300);

    /// Shows matches to the windows; the times of those that give an alert.
    fn alerts(matches: &[(i64, i64)]) -> Vec<i64> {
        let mut windows = Windows::of(Vec::new(), Input::Stream);
        let passes = |(time, second): &&(i64, i64)| {
            !windows.suppresses(7, at(*time), pace(*second), MINUTE, HELD)
        };
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
        // Long after, by the pace, nobody remembers.
        assert_eq!(alerts(&[(0, 9_000), (30, 9_361)]), [0, 30]);
    }

    #[test]
    fn of_many_windows_the_one_that_began_first_leaves() {
        let mut windows = Windows::of(Vec::new(), Input::Stream);
        for group in 0..=MAX_WINDOWS as u64 {
            assert!(!windows.suppresses(group, at(0), pace(0), MINUTE, HELD));
        }
        assert_eq!(windows.list().len(), MAX_WINDOWS);
        assert!(windows.suppresses(1, at(1), pace(1), MINUTE, HELD));
        assert!(!windows.suppresses(0, at(1), pace(1), MINUTE, HELD), "an alert too many");
    }

    #[test]
    fn values_are_told_apart() {
        let texts =
            |texts: &[&str]| Some(texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>());
        let groups = [
            group("1", &[]),
            group("2", &[]),
            group("1", &[None]),
            group("1", &[texts(&[])]),
            group("1", &[texts(&["a", "b"])]),
            group("1", &[texts(&["ab"])]),
            group("1", &[texts(&["a"]), texts(&["b"])]),
        ];
        let all: std::collections::BTreeSet<u64> = groups.into_iter().collect();
        assert_eq!(all.len(), groups.len());
    }
}

//! The partition's clock and each key's now.
//!
//! The partition's clock is a pace and not a truth: only records move it. What is final for a key
//! is decided by the key's own events, plus what the clock has gained since the last of them. So a
//! host whose clock is wrong, or that comes back with a backlog, is compared with itself only.

use crate::event::{EventTime, TimeSpan};

/// An event this far ahead of its key's now moves that only when a second one confirms it.
const MAX_AHEAD: TimeSpan = TimeSpan::from_secs(300);

/// A step of the clock that waits for confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The host whose record made it.
    pub host: u64,
    /// Its first time behind the step.
    pub first: EventTime,
    /// Its newest time behind the step.
    pub newest: EventTime,
}

/// The clock of one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionClock {
    /// What it shows; nothing before the first record.
    pub shows: Option<EventTime>,
    /// A step forward that nobody has confirmed yet.
    pub step: Option<Step>,
}

impl PartitionClock {
    /// Moves the clock to the broker's time of appending.
    pub fn append(&mut self, appended: EventTime) {
        self.shows = Some(self.shows.map_or(appended, |shows| shows.max(appended)));
    }

    /// Moves the clock by a time that a host stated.
    ///
    /// A step of more than `max_skew` counts once a second host confirms it, or once the stepping
    /// host, by its own time, has been alone in the partition for `max_skew`: with nobody else
    /// there, nobody else can be harmed, and a partition of one host must not stand still for ever.
    pub fn create(&mut self, stated: EventTime, host: u64, max_skew: TimeSpan) {
        let Some(shows) = self.shows else {
            self.shows = Some(stated);
            return;
        };
        if stated - shows <= max_skew {
            self.shows = Some(shows.max(stated));
            // Another host that is still where the clock is contradicts the step.
            self.step = self.step.filter(|step| step.host == host);
            return;
        }
        // A step that the clock has caught up with is none any more, and confirms nothing.
        self.step = self.step.filter(|step| step.newest > shows);
        match &mut self.step {
            Some(step) if step.host != host => {
                let confirmed = step.newest.min(stated);
                *self = Self { shows: Some(confirmed), step: None };
            }
            Some(step) => {
                step.newest = step.newest.max(stated);
                if step.newest - step.first > max_skew {
                    *self = Self { shows: Some(step.newest), step: None };
                }
            }
            None => self.step = Some(Step { host, first: stated, newest: stated }),
        }
    }
}

/// The time of one key: its newest event, and how the partition's clock has gained since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyTime {
    newest: EventTime,
    /// What the partition's clock showed at the key's last candidate.
    seen_at: EventTime,
    /// An event far ahead that no second one has confirmed.
    ahead: Option<EventTime>,
}

impl KeyTime {
    pub(super) fn new(first: EventTime, clock: EventTime) -> Self {
        Self { newest: first, seen_at: clock, ahead: None }
    }

    /// Takes note of a candidate's time.
    pub(super) fn observe(&mut self, event_time: EventTime, clock: EventTime, slack: TimeSpan) {
        if event_time - self.now(clock, slack) > MAX_AHEAD {
            let Some(ahead) = self.ahead else {
                self.ahead = Some(event_time);
                return;
            };
            let (near, far) = (ahead.min(event_time), ahead.max(event_time));
            let confirmed = if far - near > MAX_AHEAD { near } else { far };
            self.newest = self.newest.max(confirmed);
            self.ahead = (confirmed != far).then_some(far);
        } else {
            self.newest = self.newest.max(event_time);
        }
        self.seen_at = clock;
    }

    /// Returns the key's now when the partition's clock shows `clock`.
    pub(super) fn now(&self, clock: EventTime, slack: TimeSpan) -> EventTime {
        let gained = clock - self.seen_at - slack;
        self.newest + gained.max(TimeSpan::ZERO)
    }

    /// Returns what the partition's clock must be past for the key's now to be past `moment`.
    pub(super) fn clock_past(&self, moment: EventTime, slack: TimeSpan) -> EventTime {
        let missing = moment - self.newest;
        self.seen_at + slack + missing.max(TimeSpan::ZERO)
    }

    /// Returns the time of the newest event that the key was told of.
    pub(super) fn newest_held(&self) -> EventTime {
        self.ahead.map_or(self.newest, |ahead| ahead.max(self.newest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SKEW: TimeSpan = TimeSpan::from_secs(120);

    fn at(seconds: i64) -> EventTime {
        EventTime::from_nanos(0) + TimeSpan::from_secs(seconds)
    }

    fn shown(records: &[(i64, u64)]) -> Option<EventTime> {
        let mut clock = PartitionClock::default();
        for (seconds, host) in records {
            clock.create(at(*seconds), *host, SKEW);
        }
        clock.shows
    }

    #[test]
    fn a_small_step_counts_at_once() {
        assert_eq!(shown(&[(0, 1), (100, 1), (50, 2)]), Some(at(100)));
    }

    #[test]
    fn one_host_alone_does_not_move_the_others() {
        assert_eq!(shown(&[(0, 1), (86_400, 2), (1, 1), (86_401, 2), (2, 1)]), Some(at(2)));
    }

    #[test]
    fn a_second_host_confirms_a_step() {
        assert_eq!(shown(&[(0, 1), (1_000, 2), (1_005, 3)]), Some(at(1_000)));
    }

    #[test]
    fn a_step_that_was_caught_up_with_does_not_take_the_clock_back() {
        let records = [(0, 1), (121, 1), (115, 1), (200, 1), (900, 2)];
        assert_eq!(shown(&records), Some(at(200)));
        assert_eq!(shown(&[&records[..], &[(905, 3)]].concat()), Some(at(900)));
    }

    #[test]
    fn a_lone_host_confirms_itself_in_time() {
        assert_eq!(shown(&[(0, 1), (1_000, 1), (1_100, 1)]), Some(at(0)));
        assert_eq!(shown(&[(0, 1), (1_000, 1), (1_121, 1)]), Some(at(1_121)));
    }

    #[test]
    fn a_keys_now_gains_what_the_clock_gains() {
        let time = KeyTime::new(at(1_000), at(0));
        assert_eq!(time.now(at(50), TimeSpan::ZERO), at(1_050));
        assert_eq!(time.now(at(50), SKEW), at(1_000));
        assert_eq!(time.clock_past(at(1_050), TimeSpan::ZERO), at(50));
    }

    #[test]
    fn an_event_far_ahead_needs_a_second_one() {
        let mut time = KeyTime::new(at(0), at(0));
        time.observe(at(10_000), at(0), TimeSpan::ZERO);
        assert_eq!(time.now(at(0), TimeSpan::ZERO), at(0));
        time.observe(at(10_010), at(0), TimeSpan::ZERO);
        assert_eq!(time.now(at(0), TimeSpan::ZERO), at(10_010));
    }
}

//! The partition's clock: a pace and not a truth, which only records move.
//!
//! What is final for a key is decided by the key's own events, plus what the clock has gained since
//! the last of them (`key_time`). So a host whose clock is wrong, or that comes back with a backlog,
//! is compared with itself only.

use crate::event::{EventTime, TimeSpan};

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
}

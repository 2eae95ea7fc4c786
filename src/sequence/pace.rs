//! The clock of a partition and its pace: how much time the partition has seen pass.
//!
//! The pace decides how long something is held and when something is decided. It never decides what
//! matches. Only records move it, and a silence never ages what arrives with the record that ends
//! it: a step of producers' times adds `max_skew` at most, however long the silence was.

use std::ops::{Add, Sub};

use crate::event::{EventTime, TimeSpan};

/// How much time a partition has seen pass, in nanoseconds from a point of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pace(i64);

impl Pace {
    /// Beyond every pace.
    pub const MAX: Self = Self(i64::MAX);

    /// Returns the pace of so many nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Returns it in nanoseconds.
    pub const fn nanos(self) -> i64 {
        self.0
    }
}

impl Add<TimeSpan> for Pace {
    type Output = Self;

    fn add(self, span: TimeSpan) -> Self {
        Self(self.0.saturating_add(span.nanos()))
    }
}

impl Sub<TimeSpan> for Pace {
    type Output = Self;

    fn sub(self, span: TimeSpan) -> Self {
        Self(self.0.saturating_sub(span.nanos()))
    }
}

impl Sub for Pace {
    type Output = TimeSpan;

    fn sub(self, earlier: Self) -> TimeSpan {
        TimeSpan::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// A step of the clock that waits for confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The host whose record made it.
    pub host: u64,
    /// The first time that it claims.
    pub first: EventTime,
    /// The newest time that it claims.
    pub newest: EventTime,
}

/// Whose times move a clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stamps {
    /// The broker's alone.
    #[default]
    Broker,
    /// Those of producers, or of events: one producer's word may be wrong by `max_skew`.
    Producers,
}

/// The clock of one partition.
///
/// Call [`append`](Self::append) or [`create`](Self::create) with the time of each record, then
/// read `pace`. A partition that has once been moved by producers' times keeps their slack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionClock {
    /// What it shows; nothing before the first record.
    pub shows: Option<EventTime>,
    /// A step forward of more than `max_skew` that nobody has confirmed yet.
    pub step: Option<Step>,
    /// The sum of what it gained.
    pub pace: Pace,
    /// Whose times move it.
    pub stamps: Stamps,
}

impl PartitionClock {
    /// Moves the clock to the broker's time of appending.
    pub fn append(&mut self, appended: EventTime, max_skew: TimeSpan) {
        match self.stamps {
            Stamps::Broker => self.gain(appended, TimeSpan::MAX),
            Stamps::Producers => self.gain(appended, max_skew),
        }
    }

    /// Moves the clock by a time that a host stated.
    ///
    /// A step of more than `max_skew` counts once a second host confirms it, or once the stepping
    /// host has been alone for `max_skew` of its own time: a partition of one host must not stand
    /// still for ever.
    pub fn create(&mut self, stated: EventTime, host: u64, max_skew: TimeSpan) {
        self.stamps = Stamps::Producers;
        if self.is_step(stated, max_skew) {
            self.take_step(stated, host, max_skew);
        } else {
            self.gain(stated, max_skew);
            // Another host that is still where the clock is contradicts the step.
            self.step = self.step.filter(|step| step.host == host);
        }
    }

    /// Tells whether it depends on the host what a time does that a host states: only then it need be
    /// known for [`create`](Self::create).
    pub fn asks_for_host(&self, stated: EventTime, max_skew: TimeSpan) -> bool {
        self.step.is_some() || self.is_step(stated, max_skew)
    }

    fn is_step(&self, stated: EventTime, max_skew: TimeSpan) -> bool {
        self.shows.is_some_and(|shows| stated - shows > max_skew)
    }

    /// Returns how far one host's word may be from the clock: a silence and a skewed host add up.
    pub fn slack(&self, max_skew: TimeSpan) -> TimeSpan {
        match self.stamps {
            Stamps::Broker => TimeSpan::ZERO,
            Stamps::Producers => max_skew.times(2),
        }
    }

    /// Moves the clock forward, never back; the pace gains `most` at most.
    pub(crate) fn gain(&mut self, to: EventTime, most: TimeSpan) {
        let Some(shows) = self.shows else {
            (self.shows, self.pace) = (Some(to), Pace(to.nanos()));
            return;
        };
        if to > shows {
            self.pace = self.pace + (to - shows).min(most);
            self.shows = Some(to);
        }
    }

    fn take_step(&mut self, stated: EventTime, host: u64, max_skew: TimeSpan) {
        // A step that the clock has caught up with confirms nothing any more.
        self.step = self.step.filter(|step| Some(step.newest) > self.shows);
        let confirmed = match &mut self.step {
            Some(step) if step.host != host => Some(step.newest.min(stated)),
            Some(step) => {
                step.newest = step.newest.max(stated);
                (step.newest - step.first > max_skew).then_some(step.newest)
            }
            None => {
                self.step = Some(Step { host, first: stated, newest: stated });
                None
            }
        };
        if let Some(confirmed) = confirmed {
            self.gain(confirmed, max_skew);
            self.step = None;
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

    /// What the clock shows after these records of (second, host), and what its pace has gained.
    fn moved(records: &[(i64, u64)]) -> (i64, i64) {
        let mut clock = PartitionClock::default();
        for (seconds, host) in records {
            clock.create(at(*seconds), *host, SKEW);
        }
        let first = at(records[0].0).nanos();
        let gained = TimeSpan::from_nanos(clock.pace.nanos() - first);
        (clock.shows.unwrap().millis() / 1_000, gained.millis() / 1_000)
    }

    #[test]
    fn a_small_step_counts_at_once() {
        assert_eq!(moved(&[(0, 1), (100, 1), (50, 2)]), (100, 100));
    }

    #[test]
    fn one_host_alone_does_not_move_the_others() {
        assert_eq!(moved(&[(0, 1), (86_400, 2), (1, 1), (86_401, 2), (2, 1)]), (2, 2));
    }

    #[test]
    fn a_second_host_confirms_a_step_which_counts_as_the_skew_at_most() {
        assert_eq!(moved(&[(0, 1), (1_000, 2), (1_005, 3)]), (1_000, 120));
    }

    #[test]
    fn a_step_that_was_caught_up_with_does_not_take_the_clock_back() {
        let records = [(0, 1), (121, 1), (115, 1), (200, 1), (900, 2)];
        assert_eq!(moved(&records), (200, 200));
        assert_eq!(moved(&[&records[..], &[(905, 3)]].concat()), (900, 320));
    }

    #[test]
    fn a_lone_host_confirms_itself_in_time() {
        assert_eq!(moved(&[(0, 1), (1_000, 1), (1_100, 1)]), (0, 0));
        assert_eq!(moved(&[(0, 1), (1_000, 1), (1_121, 1)]), (1_121, 120));
    }

    #[test]
    fn the_brokers_time_counts_in_full_and_without_slack() {
        let mut clock = PartitionClock::default();
        for second in [0, 9_000, 8_000] {
            clock.append(at(second), SKEW);
        }
        assert_eq!((clock.shows, clock.pace), (Some(at(9_000)), Pace(at(9_000).nanos())));
        assert_eq!(clock.slack(SKEW), TimeSpan::ZERO);
    }
}

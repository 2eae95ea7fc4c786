//! The partition's clock and each key's now.
//!
//! The partition's clock is a pace and not a truth: only records move it. What is final for a key
//! is decided by the key's own events, plus what the clock has gained since the last of them. So a
//! host whose clock is wrong, or that comes back with a backlog, is compared with itself only.

use std::collections::VecDeque;
use std::sync::Arc;

use super::machine::Candidate;
use super::speculate::Pace;
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
///
/// An event may arrive before the clock has come to where it was seen: where one partition is fed
/// from several sources, those run ahead of the slowest. Such an event counts when the clock is
/// there, so that the key's time runs as if all had come through one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyTime {
    counted: Option<Counted>,
    /// INVARIANT: sorted by place.
    waiting: VecDeque<Waiting>,
}

/// An event to which the clock has not come yet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Waiting {
    /// When the clock will have come to it, and when it happened.
    place: (EventTime, EventTime),
    /// The event, if it is to be taken in then and not before.
    parked: Option<Arc<Candidate>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counted {
    newest: EventTime,
    /// What the partition's clock showed at the key's last candidate.
    seen_at: EventTime,
    /// An event far ahead that no second one has confirmed.
    ahead: Option<EventTime>,
}

impl KeyTime {
    /// Returns the time of a key without events.
    pub(super) fn new() -> Self {
        Self { counted: None, waiting: VecDeque::new() }
    }

    /// Takes note of an event's time.
    pub(super) fn observe(&mut self, event_time: EventTime, pace: Pace) {
        let Pace { clock, slack } = pace;
        let now = self.now(clock, slack);
        let Some(counted) = &mut self.counted else {
            self.counted = Some(Counted { newest: event_time, seen_at: clock, ahead: None });
            return;
        };
        if event_time - now > MAX_AHEAD {
            let Some(ahead) = counted.ahead else {
                counted.ahead = Some(event_time);
                return;
            };
            let (near, far) = (ahead.min(event_time), ahead.max(event_time));
            let confirmed = if far - near > MAX_AHEAD { near } else { far };
            counted.newest = counted.newest.max(confirmed);
            counted.ahead = (confirmed != far).then_some(far);
        } else {
            counted.newest = counted.newest.max(event_time);
        }
        counted.seen_at = clock;
    }

    /// Takes note of an event's time when the clock will show `seen_at`; `parked` is given back
    /// then.
    pub(super) fn observe_later(
        &mut self,
        event_time: EventTime,
        seen_at: EventTime,
        parked: Option<Arc<Candidate>>,
    ) {
        let place = (seen_at, event_time);
        let at = self.waiting.partition_point(|other| other.place <= place);
        self.waiting.insert(at, Waiting { place, parked });
    }

    /// Returns what the clock shows at the next waiting event, if it has come there.
    pub(super) fn next_waiting(&self, clock: EventTime) -> Option<EventTime> {
        self.waiting.front().map(|first| first.place.0).filter(|seen_at| *seen_at <= clock)
    }

    /// Takes note of the first waiting event, to which the clock has come, and returns it if it was
    /// parked.
    pub(super) fn observe_waiting(&mut self, pace: Pace) -> Option<Arc<Candidate>> {
        let Waiting { place: (_, event_time), parked } = self.waiting.pop_front()?;
        self.observe(event_time, pace);
        parked
    }

    /// Returns how many events wait for the clock.
    pub(super) fn waiting_count(&self) -> usize {
        self.waiting.len()
    }

    /// Returns the key's now when the partition's clock shows `clock`: before all times while no
    /// event counts.
    pub(super) fn now(&self, clock: EventTime, slack: TimeSpan) -> EventTime {
        let Some(counted) = &self.counted else { return EventTime::MIN };
        let gained = clock - counted.seen_at - slack;
        counted.newest + gained.max(TimeSpan::ZERO)
    }

    /// Returns what the partition's clock must be past for the key's now to be past `moment`, if
    /// that matters, or for a waiting event to count.
    pub(super) fn clock_past(&self, moment: Option<EventTime>, slack: TimeSpan) -> EventTime {
        let past = self.counted.as_ref().zip(moment).map(|(counted, moment)| {
            let missing = moment - counted.newest;
            counted.seen_at + slack + missing.max(TimeSpan::ZERO)
        });
        let next = self.waiting.front().map(|first| first.place.0 - TimeSpan::from_nanos(1));
        past.into_iter().chain(next).min().unwrap_or(EventTime::MAX)
    }

    /// Returns the time of the newest event that counts or will if confirmed.
    pub(super) fn newest_held(&self) -> EventTime {
        let newest = |counted: &Counted| {
            counted.ahead.map_or(counted.newest, |ahead| ahead.max(counted.newest))
        };
        self.counted.as_ref().map_or(EventTime::MIN, newest)
    }

    /// Returns the earliest time of the events that wait to be counted.
    pub(super) fn earliest_waiting(&self) -> Option<EventTime> {
        self.waiting.iter().map(|waiting| waiting.place.1).min()
    }

    /// Tells whether an event counts.
    pub(super) fn is_counted(&self) -> bool {
        self.counted.is_some()
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

    fn pace(clock: i64) -> Pace {
        Pace { clock: at(clock), slack: TimeSpan::ZERO }
    }

    #[test]
    fn a_keys_now_gains_what_the_clock_gains() {
        let mut time = KeyTime::new();
        time.observe(at(1_000), pace(0));
        assert_eq!(time.now(at(50), TimeSpan::ZERO), at(1_050));
        assert_eq!(time.now(at(50), SKEW), at(1_000));
        assert_eq!(time.clock_past(Some(at(1_050)), TimeSpan::ZERO), at(50));
    }

    #[test]
    fn an_event_far_ahead_needs_a_second_one() {
        let mut time = KeyTime::new();
        for (event_time, now) in [(0, 0), (10_000, 0), (10_010, 10_010)] {
            time.observe(at(event_time), pace(0));
            assert_eq!(time.now(at(0), TimeSpan::ZERO), at(now));
        }
    }

    #[test]
    fn an_event_that_runs_ahead_of_the_clock_waits_for_it() {
        let mut time = KeyTime::new();
        time.observe_later(at(1_000), at(60), None);
        time.observe_later(at(1_005), at(50), None);
        assert_eq!(time.now(at(10), TimeSpan::ZERO), EventTime::MIN);
        assert_eq!(time.next_waiting(at(49)), None);
        for seen_at in [50, 60] {
            assert_eq!(time.next_waiting(at(60)), Some(at(seen_at)));
            time.observe_waiting(pace(seen_at));
        }
        assert_eq!(time.next_waiting(at(100)), None);
        assert_eq!(time.now(at(60), TimeSpan::ZERO), at(1_005));
    }
}

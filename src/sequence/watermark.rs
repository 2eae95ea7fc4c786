//! A key's now, from which its watermark follows: up to where the events of a key have come.
//!
//! The now of a key is the newest event time that is held, and what the pace has gained since that
//! event arrived, less the slack. So a host with a wrong clock is compared with itself alone. A
//! single event far ahead of all others does not count until a second one confirms it.

use std::collections::{BTreeMap, BTreeSet};

use super::pace::Pace;
use crate::event::{EventTime, TimeSpan};

/// By how much a single event may be ahead of all others of its key and count.
const AHEAD: TimeSpan = TimeSpan::from_secs(300);

/// The event by which a key's now goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Newest {
    event_time: EventTime,
    arrival: Pace,
}

impl Newest {
    /// Returns what counts where nothing else is held.
    pub(super) fn of(event_time: EventTime, arrival: Pace) -> Self {
        Self { event_time, arrival }
    }

    /// Returns the key's now at a pace.
    pub(super) fn now(&self, pace: Pace, slack: TimeSpan) -> EventTime {
        self.event_time + (pace - self.arrival - slack).max(TimeSpan::ZERO)
    }

    /// Returns the least pace at which the key's now is past a time.
    pub(super) fn pace_past(&self, time: EventTime, slack: TimeSpan) -> Pace {
        let wait = time - self.event_time;
        match wait < TimeSpan::ZERO {
            true => Pace::from_nanos(i64::MIN),
            false => self.arrival + slack + wait + TimeSpan::from_nanos(1),
        }
    }
}

/// So many claims are looked at one by one.
const FEW: usize = 24;

/// The candidates of one key by event time, each with the pace at its arrival.
#[derive(Debug)]
pub(super) enum Claims {
    /// Of most keys: they take little room.
    Few(Vec<(EventTime, Pace)>),
    /// Of a key under a flood.
    Many(Box<Groups>),
}

impl Default for Claims {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Claims {
    /// Takes note of an event that arrived at a pace.
    pub(super) fn add(&mut self, event_time: EventTime, arrival: Pace) {
        match self {
            Self::Few(few) if few.len() < FEW => few.push((event_time, arrival)),
            Self::Few(few) => {
                let mut groups = Box::<Groups>::default();
                few.iter().for_each(|(time, arrival)| groups.add(*time, *arrival));
                groups.add(event_time, arrival);
                *self = Self::Many(groups);
            }
            Self::Many(groups) => groups.add(event_time, arrival),
        }
    }

    /// Forgets an event that was taken note of.
    pub(super) fn remove(&mut self, event_time: EventTime, arrival: Pace) {
        match self {
            Self::Few(few) => {
                if let Some(at) = few.iter().position(|claim| *claim == (event_time, arrival)) {
                    few.swap_remove(at);
                }
            }
            Self::Many(groups) => {
                groups.remove(event_time, arrival);
                if groups.by_time.is_empty() {
                    *self = Self::default();
                }
            }
        }
    }

    /// Returns the event by which the key's now goes; nothing if none is held.
    pub(super) fn newest(&self) -> Option<Newest> {
        match self {
            Self::Few(few) => newest_of(few),
            Self::Many(groups) => groups.newest(),
        }
    }

    /// Returns about how many bytes an event takes.
    pub(super) const fn bytes_of_one() -> usize {
        2 * size_of::<(EventTime, Pace)>()
    }
}

fn newest_of(claims: &[(EventTime, Pace)]) -> Option<Newest> {
    let claimed = |(time, arrival): &(EventTime, Pace)| (claim(*time, *arrival), *time);
    let (most, ahead) = claims.iter().map(claimed).max()?;
    let others = claims.iter().filter(|(time, _)| *time != ahead);
    let next = others.map(|other| claimed(other).0).max();
    let is_alone = next.is_some_and(|next| most - next > AHEAD);
    let counting = claims.iter().filter(|(time, _)| !is_alone || *time != ahead);
    let newest = counting.max_by_key(|(time, arrival)| (*time, std::cmp::Reverse(*arrival)))?;
    Some(Newest { event_time: newest.0, arrival: newest.1 })
}

/// Claims by event time. Of one event time the one that came first counts; so an answer costs the same
/// however many events claim the same time.
#[derive(Debug, Default)]
pub(super) struct Groups {
    by_time: BTreeMap<EventTime, BTreeMap<Pace, u32>>,
    /// What each event time claims the partition's time to be.
    by_claim: BTreeSet<(TimeSpan, EventTime)>,
}

fn claim(event_time: EventTime, arrival: Pace) -> TimeSpan {
    Pace::from_nanos(event_time.nanos()) - arrival
}

impl Groups {
    fn add(&mut self, event_time: EventTime, arrival: Pace) {
        let arrivals = self.by_time.entry(event_time).or_default();
        let first = arrivals.keys().next().copied();
        *arrivals.entry(arrival).or_default() += 1;
        if first.is_none_or(|first| arrival < first) {
            if let Some(first) = first {
                self.by_claim.remove(&(claim(event_time, first), event_time));
            }
            self.by_claim.insert((claim(event_time, arrival), event_time));
        }
    }

    fn remove(&mut self, event_time: EventTime, arrival: Pace) {
        let Some(arrivals) = self.by_time.get_mut(&event_time) else { return };
        let Some(count) = arrivals.get_mut(&arrival) else { return };
        *count -= 1;
        if *count > 0 {
            return;
        }
        let was_first = arrivals.keys().next() == Some(&arrival);
        arrivals.remove(&arrival);
        let first = arrivals.keys().next().copied();
        if first.is_none() {
            self.by_time.remove(&event_time);
        }
        if was_first {
            self.by_claim.remove(&(claim(event_time, arrival), event_time));
            self.by_claim.extend(first.map(|first| (claim(event_time, first), event_time)));
        }
    }

    fn newest(&self) -> Option<Newest> {
        let mut claims = self.by_claim.iter().rev();
        let (most, ahead) = claims.next()?;
        let is_alone = claims.next().is_some_and(|(next, _)| *most - *next > AHEAD);
        let mut times = self.by_time.iter().rev();
        let counts = |(time, _): &(&EventTime, _)| !is_alone || *time != ahead;
        let (event_time, arrivals) = times.find(counts)?;
        let arrival = *arrivals.keys().next()?;
        Some(Newest { event_time: *event_time, arrival })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> EventTime {
        EventTime::from_millis(1_000 * seconds)
    }

    fn pace(seconds: i64) -> Pace {
        Pace::from_nanos(at(seconds).nanos())
    }

    fn newest(events: &[(i64, i64)]) -> Option<(EventTime, Pace)> {
        let (mut claims, mut groups) = (Claims::default(), Groups::default());
        for (time, arrival) in events {
            claims.add(at(*time), pace(*arrival));
            groups.add(at(*time), pace(*arrival));
        }
        assert_eq!(claims.newest(), groups.newest(), "few and many answer alike");
        claims.newest().map(|newest| (newest.event_time, newest.arrival))
    }

    #[test]
    fn the_newest_event_counts_from_when_it_first_came() {
        assert_eq!(newest(&[]), None);
        assert_eq!(newest(&[(5, 10), (9, 30), (9, 20), (7, 40)]), Some((at(9), pace(20))));
    }

    #[test]
    fn one_far_ahead_waits_for_a_second() {
        assert_eq!(newest(&[(10, 10), (1_000, 11)]), Some((at(10), pace(10))));
        assert_eq!(newest(&[(10, 10), (1_000, 11), (1_000, 12)]), Some((at(10), pace(10))));
        assert_eq!(newest(&[(10, 10), (1_000, 11), (1_001, 12)]), Some((at(1_001), pace(12))));
        assert_eq!(newest(&[(1_000, 11)]), Some((at(1_000), pace(11))), "it is alone");
    }

    #[test]
    fn what_leaves_counts_no_more() {
        let mut claims = Groups::default();
        for (time, arrival) in [(5, 10), (9, 20), (9, 30)] {
            claims.add(at(time), pace(arrival));
        }
        claims.remove(at(9), pace(20));
        assert_eq!(claims.newest().unwrap().arrival, pace(30));
        claims.remove(at(9), pace(30));
        assert_eq!(claims.newest().unwrap().event_time, at(5));
        claims.remove(at(5), pace(10));
        assert!(claims.newest().is_none() && claims.by_claim.is_empty());
    }

    #[test]
    fn the_pace_that_passes_a_time_is_the_least_one() {
        let newest = Newest { event_time: at(100), arrival: pace(500) };
        let slack = TimeSpan::from_secs(7);
        for time in [99, 100, 103] {
            let pace = newest.pace_past(at(time), slack);
            assert!(newest.now(pace, slack) > at(time));
            assert!(time < 100 || newest.now(pace - TimeSpan::from_nanos(1), slack) <= at(time));
        }
    }
}

//! The time of one key: the newest event that has been heard of it lately, and how the partition's
//! clock has gained since.
//!
//! It follows from the events of one memory alone, and from nothing that was concluded from earlier
//! ones: so an event with a wrong time is got over after that long, and a restart that reads far
//! enough back comes to the same time without having seen all.

use std::collections::VecDeque;
use std::sync::Arc;

use smallvec::SmallVec;

use super::machine::Candidate;
use super::speculate::Pace;
use crate::event::{EventTime, TimeSpan};

/// An event that is this much further ahead of the partition's clock than all others of its key
/// moves the key's time only when another one confirms it.
const MAX_AHEAD: TimeSpan = TimeSpan::from_secs(300);

/// Into how many parts a memory is divided: what was heard is forgotten part by part.
const PARTS: i64 = 8;

/// Returns how far back lies what a key's time follows from: a memory, rounded up to whole parts.
pub(super) fn heard_within(memory: TimeSpan) -> TimeSpan {
    memory + TimeSpan::from_nanos(memory.nanos() / PARTS)
}

/// The time of one key.
///
/// An event may arrive before the clock has come to where it was seen: where one partition is fed
/// from several sources, those run ahead of the slowest. Such an event counts when the clock is
/// there, so that the key's time runs as if all had come through one partition.
#[derive(Debug)]
pub(super) struct KeyTime {
    /// For how long the key is remembered after its last event, by the partition's clock.
    memory: TimeSpan,
    lately: Lately,
    /// What the clock showed at the last event.
    heard_at: EventTime,
    /// The newest time that counts, and what the clock showed when it was heard.
    newest: EventTime,
    newest_at: EventTime,
    /// The latest that was heard, whether it counts or not.
    latest: EventTime,
    /// INVARIANT: sorted by place.
    waiting: VecDeque<Waiting>,
}

/// An event to which the clock has not come yet.
#[derive(Debug)]
struct Waiting {
    /// When the clock will have come to it, and when it happened.
    place: (EventTime, EventTime),
    /// The event, if it is to be taken in then and not before.
    parked: Option<Arc<Candidate>>,
}

impl KeyTime {
    /// Returns the time of a key without events that is remembered for so long.
    pub(super) fn new(memory: TimeSpan) -> Self {
        Self {
            memory,
            lately: Lately::default(),
            heard_at: EventTime::MIN,
            newest: EventTime::MIN,
            newest_at: EventTime::MIN,
            latest: EventTime::MIN,
            waiting: VecDeque::new(),
        }
    }

    /// Forgets what was heard too long before `pace`.
    pub(super) fn turn(&mut self, pace: Pace) {
        if self.lately.forget(pace.clock, self.memory + pace.slack) {
            self.conclude();
        }
    }

    /// Takes note of an event's time.
    pub(super) fn observe(&mut self, event_time: EventTime, pace: Pace) {
        self.turn(pace);
        self.lately.note(event_time, pace.clock);
        self.heard_at = pace.clock;
        self.conclude();
    }

    fn conclude(&mut self) {
        let Some(times) = self.lately.times() else { return };
        let newest = times.newest();
        (self.newest, self.newest_at) = (newest.event_time, newest.event_time - newest.ahead);
        self.latest = times.latest().event_time;
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

    /// Returns the key's now: before all times while no event counts.
    pub(super) fn now(&self, pace: Pace) -> EventTime {
        if !self.is_counted() {
            return EventTime::MIN;
        }
        let gained = pace.clock - self.newest_at - pace.slack;
        self.newest + gained.max(TimeSpan::ZERO)
    }

    /// Returns the newest time that counts.
    pub(super) fn newest(&self) -> EventTime {
        self.newest
    }

    /// Returns what the partition's clock must be past for the key's now to be past `moment`, or
    /// for the key to be over, or for a waiting event to count.
    pub(super) fn clock_past(&self, moment: Option<EventTime>, slack: TimeSpan) -> EventTime {
        let moment = moment.filter(|_| self.is_counted());
        let moment = moment.map(|moment| {
            let missing = moment - self.newest;
            self.newest_at + slack + missing.max(TimeSpan::ZERO)
        });
        let next = match self.waiting.front() {
            Some(first) => first.place.0 - TimeSpan::from_nanos(1),
            None => self.heard_at + slack + self.memory,
        };
        moment.map_or(next, |moment| moment.min(next))
    }

    /// Tells whether nothing has been heard of the key for so long that it is forgotten.
    pub(super) fn is_over(&self, pace: Pace) -> bool {
        let silent = pace.clock - self.heard_at - pace.slack;
        self.waiting.is_empty() && silent > self.memory
    }

    /// Returns a time no later than [`unheard_beyond`](Self::unheard_beyond), at less cost.
    pub(super) fn unheard_beyond_at_least(&self) -> EventTime {
        self.latest + self.memory
    }

    /// Returns the time beyond which nothing of the key has been heard for a memory: what is held of
    /// such times is over.
    pub(super) fn unheard_beyond(&self) -> EventTime {
        let waiting = self.waiting.iter().map(|waiting| waiting.place.1).max();
        waiting.map_or(self.latest, |waiting| waiting.max(self.latest)) + self.memory
    }

    /// Returns the earliest time of the events that wait to be counted.
    pub(super) fn earliest_waiting(&self) -> Option<EventTime> {
        self.waiting.iter().map(|waiting| waiting.place.1).min()
    }

    /// Tells whether an event counts.
    pub(super) fn is_counted(&self) -> bool {
        !self.lately.parts.is_empty()
    }

    /// Returns how many bytes of the heap it takes, candidates not counted.
    pub(super) fn heap_bytes(&self) -> usize {
        let parts = if self.lately.parts.spilled() { self.lately.parts.capacity() } else { 0 };
        self.waiting.capacity() * size_of::<Waiting>() + parts * size_of::<Part>()
    }
}

/// The times that were heard within a memory, as far as the newest one follows from them.
///
/// The parts of the clock's time are counted from 1970 on, so that nothing depends on where one has
/// begun to listen.
#[derive(Debug, Default)]
struct Lately {
    /// Length of a part, in nanoseconds.
    length: i64,
    /// INVARIANT: ascending numbers.
    parts: SmallVec<[Part; 1]>,
}

#[derive(Clone, Copy, Debug)]
struct Part {
    number: i64,
    times: Times,
}

/// An event's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Heard {
    event_time: EventTime,
    /// By how much it was ahead of the partition's clock.
    ahead: TimeSpan,
}

/// Some times, summed up: the one furthest ahead of the partition's clock, and all others. The same
/// time once more, the second delivery of an event, is no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    foremost: Heard,
    others: Option<Others>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Others {
    /// By how much one of them is ahead at most.
    ahead: TimeSpan,
    /// The latest one, as it was heard first.
    latest: Heard,
}

impl Lately {
    /// Forgets the parts that lie more than a memory before `clock`, but never the last one; tells
    /// whether there was one.
    fn forget(&mut self, clock: EventTime, memory: TimeSpan) -> bool {
        let length = (memory.nanos() / PARTS).max(1);
        if self.length != length {
            self.divide_anew(length, clock);
        }
        let first = self.number(clock).saturating_sub(PARTS);
        let past = self.parts.iter().take_while(|part| part.number < first).count();
        let past = past.min(self.parts.len().saturating_sub(1));
        self.parts.drain(..past);
        past > 0
    }

    /// Takes all for heard now: whoever stamps the records has changed, and how exact that is.
    fn divide_anew(&mut self, length: i64, clock: EventTime) {
        self.length = length;
        let Some(times) = self.times() else { return };
        self.parts.clear();
        self.parts.push(Part { number: self.number(clock), times });
    }

    fn number(&self, clock: EventTime) -> i64 {
        clock.nanos().div_euclid(self.length)
    }

    fn note(&mut self, event_time: EventTime, clock: EventTime) {
        let number = self.number(clock);
        let times = Times::of(Heard { event_time, ahead: event_time - clock });
        match self.parts.last_mut() {
            Some(last) if last.number >= number => last.times = last.times.and(times),
            _ => self.parts.push(Part { number, times }),
        }
    }

    fn times(&self) -> Option<Times> {
        self.parts.iter().map(|part| part.times).reduce(Times::and)
    }
}

impl Heard {
    /// Returns the later one, of the same time the one that was heard first.
    fn later(self, other: Self) -> Self {
        let order = |heard: &Self| (heard.event_time, heard.ahead);
        if order(&self) >= order(&other) { self } else { other }
    }
}

impl Times {
    fn of(foremost: Heard) -> Self {
        Self { foremost, others: None }
    }

    fn and(self, other: Self) -> Self {
        let order = |times: &Self| (times.foremost.ahead, times.foremost.event_time);
        let (first, second) =
            if order(&self) >= order(&other) { (self, other) } else { (other, self) };
        let Heard { event_time, ahead } = second.foremost;
        let is_other = event_time != first.foremost.event_time;
        let behind = is_other.then_some(Others { ahead, latest: second.foremost });
        let others = [first.others, second.others, behind].into_iter().flatten();
        Self { foremost: first.foremost, others: others.reduce(Others::and) }
    }

    /// Returns the newest one, that of a single event far ahead of all others left out.
    fn newest(self) -> Heard {
        match self.others {
            Some(others) if self.foremost.ahead - others.ahead > MAX_AHEAD => others.latest,
            _ => self.latest(),
        }
    }

    /// Returns the latest one of all.
    fn latest(self) -> Heard {
        self.others.map_or(self.foremost, |others| others.latest.later(self.foremost))
    }
}

impl Others {
    fn and(self, other: Self) -> Self {
        Self { ahead: self.ahead.max(other.ahead), latest: self.latest.later(other.latest) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY: TimeSpan = TimeSpan::from_secs(80);
    const SKEW: TimeSpan = TimeSpan::from_secs(120);

    fn at(seconds: i64) -> EventTime {
        EventTime::from_nanos(0) + TimeSpan::from_secs(seconds)
    }

    fn pace(clock: i64) -> Pace {
        Pace { clock: at(clock), slack: TimeSpan::ZERO }
    }

    /// What is now after each of these events: (its time, what the clock shows).
    fn nows(events: &[(i64, i64)]) -> Vec<i64> {
        let mut time = KeyTime::new(MEMORY);
        let now = |(event_time, clock): &(i64, i64)| {
            time.observe(at(*event_time), pace(*clock));
            (time.now(pace(*clock)) - at(0)).millis() / 1_000
        };
        events.iter().map(now).collect()
    }

    #[test]
    fn a_keys_now_gains_what_the_clock_gains() {
        let mut time = KeyTime::new(MEMORY);
        time.observe(at(1_000), pace(0));
        assert_eq!(time.now(pace(50)), at(1_050));
        assert_eq!(time.now(Pace { slack: SKEW, ..pace(50) }), at(1_000));
        assert_eq!(time.clock_past(Some(at(1_050)), TimeSpan::ZERO), at(50));
    }

    #[test]
    fn an_event_far_ahead_needs_a_second_one() {
        assert_eq!(nows(&[(0, 0), (10_000, 1), (1, 2), (10_010, 3)]), [0, 1, 1, 10_010]);
        assert_eq!(nows(&[(0, 0), (300, 0)]), [0, 300], "not far enough to need one");
        assert_eq!(nows(&[(10_000, 0), (0, 1)]), [10_000, 0], "even if it is the first");
    }

    #[test]
    fn a_second_delivery_confirms_nothing() {
        assert_eq!(nows(&[(0, 0), (10_000, 1), (10_000, 2), (10_000, 40)]), [0, 1, 2, 40]);
    }

    #[test]
    fn old_events_do_not_stop_a_keys_time() {
        let again: Vec<_> = (0..20).map(|n| (1_000, 3 * n)).collect();
        let all_but_a_part: Vec<_> = (0..20).map(|n| 1_000 + (3 * n).min(70)).collect();
        assert_eq!(nows(&again), all_but_a_part);
        assert_eq!(nows(&[(1_000, 0), (999, 10), (998, 20)]), [1_000, 1_010, 1_020]);
    }

    #[test]
    fn what_was_heard_more_than_a_memory_ago_confirms_nothing() {
        let events = [(0, 0), (10_000, 1), (60, 60), (100, 100), (10_100, 101)];
        assert_eq!(nows(&events), [0, 1, 60, 100, 101]);
    }

    #[test]
    fn a_clock_that_was_put_back_is_followed_after_a_memory() {
        let events = [(10_000, 0), (10_001, 1), (2, 2), (50, 50), (80, 80), (95, 95)];
        assert_eq!(nows(&events), [10_000, 10_001, 10_002, 10_050, 10_080, 95]);
    }

    #[test]
    fn a_backlog_is_followed_whatever_its_pace() {
        let slow: Vec<_> = (0..100).map(|n| (n, n * 30)).collect();
        let fast: Vec<_> = (0..100).map(|n| (n * 200, n)).collect();
        for events in [slow, fast] {
            assert_eq!(nows(&events), events.iter().map(|event| event.0).collect::<Vec<_>>());
        }
    }

    /// What follows from the events of a memory does not depend on what was heard before them.
    #[test]
    fn where_one_begins_to_listen_plays_no_part_after_a_memory() {
        let times = [3, 900, 7, 7, 420, 11, 425, 900, 30, 2, 31, 500, 36, 801, 40, 41, 44];
        let events: Vec<_> = (0..).zip(times).map(|(n, time)| (time + 9 * n, 9 * n)).collect();
        let all = nows(&events);
        for first in 1..events.len() {
            let some = nows(&events[first..]);
            // A memory, and the part of it by which it is rounded up.
            let synced = events[first..].iter().position(|event| event.1 > events[first].1 + 90);
            let Some(synced) = synced else { continue };
            assert_eq!(all[first + synced..], some[synced..], "from {first} on");
        }
    }

    #[test]
    fn an_event_that_runs_ahead_of_the_clock_waits_for_it() {
        let mut time = KeyTime::new(MEMORY);
        time.observe_later(at(1_000), at(60), None);
        time.observe_later(at(1_005), at(50), None);
        assert_eq!(time.now(pace(10)), EventTime::MIN);
        assert_eq!(time.next_waiting(at(49)), None);
        assert_eq!(time.unheard_beyond(), at(1_085));
        for seen_at in [50, 60] {
            assert_eq!(time.next_waiting(at(60)), Some(at(seen_at)));
            time.observe_waiting(pace(seen_at));
        }
        assert_eq!(time.next_waiting(at(100)), None);
        assert_eq!(time.now(pace(60)), at(1_015), "since the newest was heard");
    }
}

//! Re-keying, the second half: how far the partitions have come that forward events to this one.
//!
//! They lag by different times, so the clock of a partition of re-keyed events is the least of
//! theirs: what is older than that has come. It has a pace like any other, and an event of a source
//! that is ahead counts as arrived when this clock comes to where it stood. One that is silent for too
//! long is not waited for. Silence is measured in time during which the topic was alive, by its
//! timestamps: after an outage of everything nobody has been silent. Never reads a clock.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::forward::{Arrival, Source};
use super::{Detector, Record, Stamp};
use crate::event::{EventTime, Place, TimeSpan};
use crate::recovery::checkpoint::Listen;
use crate::sequence::{Move, Pace, PartitionClock, Stamps};

/// A gap between two records counts as at most this much time.
const LONGEST_GAP: TimeSpan = TimeSpan::from_secs(5);
/// How often, in time alive, a possible start for listening is noted.
const MARK_EVERY: TimeSpan = TimeSpan::from_secs(1);
/// Most sources that are told apart.
const MAX_SOURCES: usize = 65_536;

/// What a source last said.
#[derive(Clone, Debug)]
struct Heard {
    place: Arc<Place>,
    clock: EventTime,
    /// Whether the broker stamps its records.
    is_stamped: bool,
    /// When that was, in time alive.
    at: TimeSpan,
    /// Records of it of which something may be held, oldest first.
    held: VecDeque<HeldMark>,
}

/// A record of a source, and when it counts as arrived.
#[derive(Clone, Copy, Debug)]
struct HeldMark {
    offset: i64,
    /// What the source's clock showed.
    clock: EventTime,
    /// The pace at which the clock of all came there.
    arrival: Option<Pace>,
}

/// The sources of one partition of re-keyed events.
#[derive(Debug)]
pub(super) struct Sources {
    idle_timeout: TimeSpan,
    alive: TimeSpan,
    newest: Option<EventTime>,
    /// Whether there was time for every source to be heard.
    is_settled: bool,
    by_topic: BTreeMap<Arc<str>, BTreeMap<i32, Heard>>,
    count: usize,
    /// INVARIANT: ascending offsets and times.
    marks: VecDeque<Listen>,
}

impl Sources {
    pub(super) fn new(idle_timeout: TimeSpan) -> Self {
        Self {
            idle_timeout,
            alive: TimeSpan::ZERO,
            newest: None,
            is_settled: false,
            by_topic: BTreeMap::new(),
            count: 0,
            marks: VecDeque::new(),
        }
    }

    /// Begins to listen anew; `is_settled` if the partition's clock has run before.
    pub(super) fn restore(&mut self, listen: Listen, is_settled: bool) {
        self.newest = listen.newest;
        self.alive = listen.alive;
        self.is_settled = is_settled;
    }

    /// Notes that every source had time to be heard.
    pub(super) fn settle(&mut self) {
        self.is_settled = true;
    }

    /// Returns how long a source may be silent before nothing waits for it.
    pub(super) fn idle_timeout(&self) -> TimeSpan {
        self.idle_timeout
    }

    /// Takes note of the record at `offset`, and returns its source's place.
    pub(super) fn hear(&mut self, offset: i64, stamp: Stamp, source: &Source<'_>) -> Arc<Place> {
        if self.marks.back().is_none_or(|last| self.alive - last.alive >= MARK_EVERY) {
            self.marks.push_back(Listen { offset, newest: self.newest, alive: self.alive });
        }
        if let Some(stamped) = stamp.time() {
            let gap = self.newest.map_or(TimeSpan::ZERO, |newest| stamped - newest);
            self.alive = self.alive + gap.clamp(TimeSpan::ZERO, LONGEST_GAP);
            self.newest = self.newest.max(Some(stamped));
        }
        self.is_settled |= self.alive >= self.idle_timeout;
        self.note(offset, source)
    }

    fn note(&mut self, offset: i64, source: &Source<'_>) -> Arc<Place> {
        let (clock, at) = (source.clock, self.alive);
        let is_stamped = matches!(source.stamp, Stamp::Append(_));
        let known =
            self.by_topic.get_mut(source.topic).and_then(|of| of.get_mut(&source.partition));
        if let Some(heard) = known {
            // The last word counts: what is repeated after a crash has been waited for once.
            (heard.clock, heard.at, heard.is_stamped) = (clock, at, is_stamped);
            heard.note_held(offset);
            return Arc::clone(&heard.place);
        }
        let topic: Arc<str> = match self.by_topic.get_key_value(source.topic) {
            Some((topic, _)) => Arc::clone(topic),
            None => source.topic.into(),
        };
        let place = Arc::new(Place { topic: Arc::clone(&topic), partition: source.partition });
        if self.count < MAX_SOURCES {
            self.count += 1;
            let held = VecDeque::new();
            let mut heard = Heard { place: Arc::clone(&place), clock, is_stamped, at, held };
            heard.note_held(offset);
            self.by_topic.entry(topic).or_default().insert(source.partition, heard);
        }
        place
    }

    /// Returns how far all have come, except those that have been silent for too long.
    pub(super) fn clock(&self) -> Option<EventTime> {
        let heard = self.heard_at(self.alive).map(|heard| heard.clock);
        heard.min().filter(|_| self.is_settled)
    }

    /// Tells whether all are silent after `elapsed` without a record: then nobody is waited for.
    pub(super) fn are_all_silent(&self, elapsed: TimeSpan) -> bool {
        self.heard_at(self.alive + elapsed).next().is_none()
    }

    /// Returns how far the one has come that is ahead of all others, of those that were not silent
    /// when the last record came.
    pub(super) fn newest_clock(&self) -> Option<EventTime> {
        self.heard_at(self.alive).map(|heard| heard.clock).max()
    }

    /// Tells whether the broker stamps the records of all that are heard.
    pub(super) fn are_stamped(&self) -> bool {
        self.heard_at(self.alive).all(|heard| heard.is_stamped)
    }

    /// Takes note of a movement of the clock: what it came to counts as arrived. What has been held for
    /// longer than `span` is not held any more.
    pub(super) fn note_move(&mut self, moved: Move, span: TimeSpan) {
        for heard in self.by_topic.values_mut().flat_map(BTreeMap::values_mut) {
            for mark in heard.held.iter_mut().filter(|mark| mark.arrival.is_none()) {
                mark.arrival = moved.pace_at(mark.clock);
                if mark.arrival.is_none() {
                    break;
                }
            }
            let is_past = |mark: &HeldMark| mark.arrival.is_some_and(|at| moved.pace - at > span);
            while heard.held.front().is_some_and(is_past) {
                heard.held.pop_front();
            }
        }
    }

    /// Returns the oldest record of which something may be held before the one at `offset`.
    pub(super) fn oldest_held(&self, offset: i64) -> i64 {
        let fronts = self.all().filter_map(|heard| heard.held.front());
        fronts.map(|mark| mark.offset).min().unwrap_or(offset).min(offset)
    }

    /// Returns where to listen from for a replay that starts at `start`, and forgets what none that
    /// starts at `earliest` or later can need.
    pub(super) fn listen_from(&mut self, start: i64, earliest: i64) -> Option<Listen> {
        let keep = self.mark_for(earliest.min(start));
        self.marks.drain(..keep.unwrap_or(0));
        self.mark_for(start).map(|index| self.marks[index])
    }

    /// Returns the last mark so long before `start` that whoever counts there has been heard since.
    fn mark_for(&self, start: i64) -> Option<usize> {
        let behind = self.marks.partition_point(|mark| mark.offset <= start);
        let at_start = self.marks.get(behind.checked_sub(1)?)?.alive;
        // A gap between two records may count as much.
        let before = |mark: &Listen| mark.alive + self.idle_timeout + LONGEST_GAP < at_start;
        Some(self.marks.partition_point(before).saturating_sub(1))
    }

    fn heard_at(&self, now: TimeSpan) -> impl Iterator<Item = &Heard> {
        self.all().filter(move |heard| now - heard.at <= self.idle_timeout)
    }

    fn all(&self) -> impl Iterator<Item = &Heard> {
        self.by_topic.values().flat_map(BTreeMap::values)
    }
}

impl Heard {
    /// Notes a record of which something may be held, once a second of the source's clock.
    fn note_held(&mut self, offset: i64) {
        let clock = self.clock;
        if self.held.back().is_none_or(|last| clock - last.clock >= MARK_EVERY) {
            self.held.push_back(HeldMark { offset, clock, arrival: None });
        }
    }
}

impl Detector {
    /// Takes in a record that was forwarded.
    pub(super) fn receive(&mut self, record: &Record<'_>) {
        let is_listening =
            self.phase.replaying().is_some_and(|replaying| record.offset < replaying.start);
        if !is_listening {
            self.note_mark(record.offset);
        }
        let Some(source) = &record.source else {
            if !is_listening {
                self.dead_letter(record, "no_source");
            }
            return;
        };
        let place = self.rekeyed.sources.hear(record.offset, record.stamp, source);
        if is_listening {
            return;
        }
        if !self.rekeyed.sources.are_stamped() {
            self.clock.stamps = Stamps::Producers;
        }
        let before = self.clock;
        if let Some(least) = self.rekeyed.sources.clock() {
            self.follow_sources(least);
        }
        self.note_pace(record.offset, before);
        if record.payload.is_some() {
            let Source { offset, clock, partitions, .. } = *source;
            self.rekeyed.arrival = Some(Arrival { place, offset, clock, partitions });
            self.read(record);
            self.rekeyed.arrival = None;
        }
    }

    /// Moves the clock to where the sources have come.
    fn follow_sources(&mut self, to: EventTime) {
        let before = self.clock;
        self.clock = self.clock_moved_to(to);
        let Some(until) = self.clock.shows.filter(|_| self.clock.shows != before.shows) else {
            return;
        };
        let gained = before.shows.map_or(TimeSpan::ZERO, |_| self.clock.pace - before.pace);
        let moved = Move { until, pace: self.clock.pace, gained };
        let slack = self.slack();
        let span = self.lanes.input.span(slack);
        self.rekeyed.sources.note_move(moved, span);
        self.tick(Some(moved));
    }

    fn clock_moved_to(&self, to: EventTime) -> PartitionClock {
        let mut clock = self.clock;
        let most = match clock.stamps {
            Stamps::Broker => TimeSpan::MAX,
            Stamps::Producers => self.options.max_skew,
        };
        clock.gain(to, most);
        clock
    }

    /// Returns the clock as it is when nobody is waited for any more.
    pub(super) fn clock_when_nobody_is_waited_for(&self) -> PartitionClock {
        match self.rekeyed.sources.newest_clock().filter(|_| self.is_receiver()) {
            Some(newest) => self.clock_moved_to(newest),
            None => self.clock,
        }
    }

    /// Moves the clock to where the sources have come that were not silent before all were.
    pub(super) fn wait_for_nobody(&mut self) {
        if let Some(newest) = self.rekeyed.sources.newest_clock().filter(|_| self.is_receiver()) {
            self.rekeyed.sources.settle();
            self.follow_sources(newest);
        }
    }

    /// Returns from where a replay that starts at `start` has to listen.
    pub(super) fn listen_from(&mut self, start: i64) -> Option<Listen> {
        let earliest = self.lanes.input.trail.earliest();
        let sources = self.is_receiver().then_some(&mut self.rekeyed.sources)?;
        sources.listen_from(start, earliest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> EventTime {
        EventTime::from_nanos(0) + TimeSpan::from_secs(seconds)
    }

    struct Heard {
        sources: Sources,
        offset: i64,
    }

    impl Heard {
        fn new() -> Self {
            let idle_timeout = TimeSpan::from_secs(10);
            Self { sources: Sources::new(idle_timeout), offset: 0 }
        }

        /// At `stamp` a partition says that it has come to `clock`; returns how far all have.
        fn says(&mut self, stamp: i64, partition: i32, clock: i64) -> Option<EventTime> {
            let clock = at(clock);
            let (topic, partitions) = ("input", 1);
            let stamped = Stamp::Append(clock);
            let source = Source { topic, partition, offset: 0, stamp: stamped, clock, partitions };
            self.sources.hear(self.offset, Stamp::Append(at(stamp)), &source);
            self.offset += 1;
            self.sources.clock()
        }
    }

    #[test]
    fn the_slowest_sets_the_clock_once_all_had_time_to_speak() {
        let mut heard = Heard::new();
        assert_eq!(heard.says(0, 0, 1_000), None);
        assert_eq!(heard.says(5, 1, 7), None);
        assert_eq!(heard.says(10, 0, 1_010), Some(at(7)));
        assert_eq!(heard.says(11, 1, 20), Some(at(20)));
    }

    #[test]
    fn the_silent_are_not_waited_for() {
        let mut heard = Heard::new();
        for second in 0..=10 {
            heard.says(second, 0, 1_000 + second);
        }
        assert_eq!(heard.says(10, 1, 7), Some(at(7)));
        assert_eq!(heard.says(20, 0, 1_020), Some(at(7)));
        assert_eq!(heard.says(21, 0, 1_021), Some(at(7)), "a gap counts as five seconds at most");
        assert_eq!(heard.says(26, 0, 1_026), Some(at(1_026)));
    }

    #[test]
    fn after_an_outage_of_everything_nobody_has_been_silent() {
        let mut heard = Heard::new();
        for second in 0..=10 {
            heard.says(second, 0, 1_000 + second);
            heard.says(second, 1, second);
        }
        assert_eq!(heard.says(3_600, 0, 1_011), Some(at(10)));
        assert_eq!(heard.says(3_601, 1, 11), Some(at(11)));
    }

    #[test]
    fn nobody_is_waited_for_once_all_are_silent() {
        let mut heard = Heard::new();
        heard.says(0, 0, 1_000);
        heard.says(1, 1, 7);
        let silent = |seconds| heard.sources.are_all_silent(TimeSpan::from_secs(seconds));
        assert_eq!((silent(10), silent(11)), (false, true));
        assert_eq!(heard.sources.newest_clock(), Some(at(1_000)));
    }

    #[test]
    fn a_replay_listens_for_as_long_as_a_source_may_have_been_silent() {
        let mut heard = Heard::new();
        for second in 0..100 {
            heard.says(second, 0, second);
        }
        let listen = heard.sources.listen_from(60, 60).unwrap();
        assert_eq!((listen.offset, listen.newest), (44, Some(at(43))));
        assert_eq!(heard.sources.listen_from(99, 60).unwrap().offset, 83);
        assert_eq!(heard.sources.listen_from(60, 60).unwrap().offset, 44, "it is still known");
    }
}

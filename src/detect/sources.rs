//! Re-keying, the second half: how far the partitions have come that forward events to this one.
//!
//! They lag by different times, so the clock of a partition of re-keyed events is the least of
//! theirs: what is older than that has come. One that is silent for too long is not waited for.
//! Silence is measured in time during which the topic was alive, by its timestamps: after an outage
//! of everything nobody has been silent. Never reads a clock.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::forward::{Arrival, Source};
use super::{Detector, Record, Stamp};
use crate::event::{EventTime, Place, TimeSpan};

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
}

/// Where a replay must begin to listen so that it knows every source that counts later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listen {
    pub(super) offset: i64,
    /// The newest timestamp before the record there.
    pub(super) newest: Option<EventTime>,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    listen: Listen,
    /// Time alive before the record there.
    alive: TimeSpan,
}

/// The sources of one partition of re-keyed events.
#[derive(Debug)]
pub(super) struct Sources {
    idle_timeout: TimeSpan,
    max_skew: TimeSpan,
    alive: TimeSpan,
    newest: Option<EventTime>,
    /// Whether there was time for every source to be heard.
    is_settled: bool,
    by_topic: BTreeMap<Arc<str>, BTreeMap<i32, Heard>>,
    count: usize,
    /// INVARIANT: ascending offsets and times.
    marks: VecDeque<Mark>,
}

impl Sources {
    pub(super) fn new(idle_timeout: TimeSpan, max_skew: TimeSpan) -> Self {
        Self {
            idle_timeout,
            max_skew,
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
        self.is_settled = is_settled;
    }

    /// Takes note of the record at `offset`, and returns its source's place.
    pub(super) fn hear(&mut self, offset: i64, stamp: Stamp, source: &Source<'_>) -> Arc<Place> {
        let listen = Listen { offset, newest: self.newest };
        if self.marks.back().is_none_or(|last| self.alive - last.alive >= MARK_EVERY) {
            self.marks.push_back(Mark { listen, alive: self.alive });
        }
        if let Some(stamped) = stamp.time() {
            let gap = self.newest.map_or(TimeSpan::ZERO, |newest| stamped - newest);
            self.alive = self.alive + gap.clamp(TimeSpan::ZERO, LONGEST_GAP);
            self.newest = self.newest.max(Some(stamped));
        }
        self.is_settled |= self.alive >= self.idle_timeout;
        self.note(source)
    }

    fn note(&mut self, source: &Source<'_>) -> Arc<Place> {
        let (clock, at) = (source.clock, self.alive);
        let is_stamped = matches!(source.stamp, Stamp::Append(_));
        let known =
            self.by_topic.get_mut(source.topic).and_then(|of| of.get_mut(&source.partition));
        if let Some(heard) = known {
            // The last word counts: what is repeated after a crash has been waited for once.
            (heard.clock, heard.at, heard.is_stamped) = (clock, at, is_stamped);
            return Arc::clone(&heard.place);
        }
        let topic: Arc<str> = match self.by_topic.get_key_value(source.topic) {
            Some((topic, _)) => Arc::clone(topic),
            None => source.topic.into(),
        };
        let place = Arc::new(Place { topic: Arc::clone(&topic), partition: source.partition });
        if self.count < MAX_SOURCES {
            self.count += 1;
            let heard = Heard { place: Arc::clone(&place), clock, is_stamped, at };
            self.by_topic.entry(topic).or_default().insert(source.partition, heard);
        }
        place
    }

    /// Returns how far all have come, except those that have been silent for too long.
    pub(super) fn clock(&self) -> Option<EventTime> {
        let heard = self.heard_at(self.alive).map(|heard| heard.clock);
        heard.min().filter(|_| self.is_settled)
    }

    /// Returns what idle time has come to after `elapsed` without a record: it begins to run when
    /// all are silent.
    pub(super) fn idle_clock(&self, elapsed: TimeSpan) -> Option<EventTime> {
        let now = self.alive + elapsed;
        if self.heard_at(now).next().is_some() {
            return None;
        }
        let last = self.all().map(|heard| heard.at).max()?;
        Some(self.newest_clock()? + (now - last - self.idle_timeout))
    }

    /// Returns how far the one has come that is ahead of all others.
    pub(super) fn newest_clock(&self) -> Option<EventTime> {
        self.all().map(|heard| heard.clock).max()
    }

    /// Returns by how much the clock may be wrong for a single host.
    pub(super) fn slack(&self) -> TimeSpan {
        let is_exact = self.heard_at(self.alive).all(|heard| heard.is_stamped);
        if is_exact { TimeSpan::ZERO } else { self.max_skew }
    }

    /// Returns where to listen from for a replay that starts at `start`, and forgets what none that
    /// starts at `earliest` or later can need.
    pub(super) fn listen_from(&mut self, start: i64, earliest: i64) -> Option<Listen> {
        let keep = self.mark_for(earliest.min(start));
        self.marks.drain(..keep.unwrap_or(0));
        self.mark_for(start).map(|index| self.marks[index].listen)
    }

    /// Returns the last mark so long before `start` that whoever counts there has been heard since.
    fn mark_for(&self, start: i64) -> Option<usize> {
        let behind = self.marks.partition_point(|mark| mark.listen.offset <= start);
        let at_start = self.marks.get(behind.checked_sub(1)?)?.alive;
        let before = |mark: &Mark| mark.alive + self.idle_timeout < at_start;
        Some(self.marks.partition_point(before).saturating_sub(1))
    }

    fn heard_at(&self, now: TimeSpan) -> impl Iterator<Item = &Heard> {
        self.all().filter(move |heard| now - heard.at <= self.idle_timeout)
    }

    fn all(&self) -> impl Iterator<Item = &Heard> {
        self.by_topic.values().flat_map(BTreeMap::values)
    }
}

impl Detector {
    /// Takes in a record that was forwarded.
    pub(super) fn receive(&mut self, record: &Record<'_>) {
        let is_listening =
            self.phase.replaying().is_some_and(|replaying| record.offset < replaying.replay.start);
        if !is_listening {
            self.lanes.input.trail.note_clock(record.offset, self.clock, 0);
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
        self.slack = self.rekeyed.sources.slack();
        if let Some(clock) = self.rekeyed.sources.clock() {
            self.clock.append(clock);
            self.tick();
        }
        if record.payload.is_some() {
            let Source { offset, clock, partitions, .. } = *source;
            self.rekeyed.arrival = Some(Arrival { place, offset, clock, partitions });
            self.read(record);
            self.rekeyed.arrival = None;
        }
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
            Self { sources: Sources::new(idle_timeout, TimeSpan::from_secs(120)), offset: 0 }
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
    fn idle_time_runs_on_from_the_newest_once_all_are_silent() {
        let mut heard = Heard::new();
        heard.says(0, 0, 1_000);
        heard.says(1, 1, 7);
        let idle = |seconds| heard.sources.idle_clock(TimeSpan::from_secs(seconds));
        assert_eq!((idle(10), idle(13)), (None, Some(at(1_003))));
    }

    #[test]
    fn a_replay_listens_for_as_long_as_a_source_may_have_been_silent() {
        let mut heard = Heard::new();
        for second in 0..100 {
            heard.says(second, 0, second);
        }
        let listen = heard.sources.listen_from(60, 60).unwrap();
        assert_eq!((listen.offset, listen.newest), (49, Some(at(48))));
        assert_eq!(heard.sources.listen_from(99, 60).unwrap().offset, 88);
        assert_eq!(heard.sources.listen_from(60, 60).unwrap().offset, 49, "it is still known");
    }
}

//! Where a replay has to begin, and what it needs there.
//!
//! It begins at the last record before which the pace was three spans lower than at the cut, a span
//! being for how long anything is held. What was sent and decided about what is held goes back one
//! span; that depends on what was held then, one more; whether those were copies, one more. Of rules with
//! absences it is four: what was held when an event came says whether that is refused. Lower is always
//! safe.

use std::collections::VecDeque;

use crate::event::{EventTime, TimeSpan};
use crate::sequence::{Pace, PartitionClock};

/// How many spans a replay reads at most.
pub(crate) const SPANS: i64 = 4;
/// How many it reads for rules without absences.
pub(crate) const SPANS_WITHOUT_ABSENCE: i64 = 3;
/// Most advances of idle time that a checkpoint holds.
pub(super) const MAX_IDLE: usize = 40;
/// Most of those that no entry of a journal carries yet.
const MAX_IDLE_OF_JOURNAL: usize = 4;
/// How often, by the pace, a possible start is noted: so often, or as many times in a span.
const MARK_EVERY: TimeSpan = TimeSpan::from_secs(1);
const MARKS_IN_A_SPAN: i64 = 300;
/// How often is looked for marks that are not needed any more.
const MARKS_BETWEEN_LOOKS: usize = 512;

/// How far idle time had run, before the record at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Idle {
    pub(crate) position: i64,
    pub(crate) reached: Reached,
}

/// Up to where idle time ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// Up to a pace.
    Pace(Pace),
    /// In the checkpoints of earlier versions: up to what the clock would have shown.
    Clock(EventTime),
}

impl Reached {
    /// Returns the pace that was reached, given the clock at the position.
    pub(crate) fn pace(self, clock: &PartitionClock) -> Pace {
        match self {
            Self::Pace(pace) => pace,
            Self::Clock(reached) => clock.pace + (reached - clock.shows.unwrap_or(reached)),
        }
    }
}

/// A place where a replay may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    offset: i64,
    /// The clock before the record there.
    clock: PartitionClock,
    /// Every entry from that record on stands in the journal here or later.
    journal: i64,
    /// The oldest record of which something would be held there. Of a partition without re-keyed
    /// events that follows from the pace.
    oldest_held: Option<i64>,
}

/// From where to replay, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// The first record to read.
    pub(crate) offset: i64,
    /// The clock before it.
    pub(crate) clock: PartitionClock,
    /// How far idle time had run from there on.
    pub(crate) idle: Vec<Idle>,
    /// Where in the journal to begin; 0 for rules that are rebuilt from the input.
    pub(crate) journal: i64,
}

/// What a running partition remembers so that it can say from where to replay.
#[derive(Debug)]
pub(crate) struct Trail {
    /// INVARIANT: ascending offsets and paces.
    marks: VecDeque<Mark>,
    /// INVARIANT: ascending positions, each once.
    idle: Vec<Idle>,
    max_idle: usize,
    /// The pace at which idle time last ran at a new position.
    lent_at: Option<Pace>,
    spans: i64,
}

impl Trail {
    /// Returns the trail of rules that are rebuilt from so many spans of the input.
    pub(crate) fn of_input(spans: i64) -> Self {
        let (marks, idle) = (VecDeque::new(), Vec::new());
        Self { marks, idle, max_idle: MAX_IDLE, lent_at: None, spans }
    }

    /// Returns the trail of rules that are rebuilt from the journal.
    pub(crate) fn of_journal(spans: i64) -> Self {
        Self { max_idle: MAX_IDLE_OF_JOURNAL, ..Self::of_input(spans) }
    }

    /// Notes the clock before the record at `offset`, if it has gained enough since the last mark.
    ///
    /// `span` is for how long anything is held; an entry of the record may stand in the journal at
    /// `journal` or later; `oldest_held` is of partitions of re-keyed events.
    pub(crate) fn note(
        &mut self,
        offset: i64,
        clock: PartitionClock,
        span: TimeSpan,
        journal: i64,
        oldest_held: impl FnOnce() -> Option<i64>,
    ) {
        let every = MARK_EVERY.max(TimeSpan::from_nanos(span.nanos() / MARKS_IN_A_SPAN));
        let is_soon = self.marks.back().is_some_and(|last| {
            last.clock.shows.is_some() == clock.shows.is_some()
                && clock.pace - last.clock.pace < every
        });
        if is_soon {
            return;
        }
        self.marks.push_back(Mark { offset, clock, journal, oldest_held: oldest_held() });
        if self.marks.len().is_multiple_of(MARKS_BETWEEN_LOOKS) {
            // Nobody may ask for a start for long.
            self.forget(offset, &clock, span);
        }
    }

    /// Notes that idle time ran on before the record at `position`; tells whether there is room.
    ///
    /// At one position it may run on for ever. At a new one it waits, once half the room is taken, until
    /// the pace has gained its part of what is replayed: so there is always room for as much as a
    /// replay needs. A journal takes what there is no room for.
    pub(crate) fn lend(
        &mut self,
        position: i64,
        clock: &PartitionClock,
        reached: Pace,
        span: TimeSpan,
    ) -> bool {
        if let Some(last) = self.idle.last_mut().filter(|last| last.position == position) {
            last.reached = Reached::Pace(reached.max(last.reached.pace(clock)));
            return true;
        }
        self.forget(position, clock, span);
        let half = self.max_idle / 2;
        let part = TimeSpan::from_nanos(span.nanos() * self.spans / (half as i64 - 1).max(1));
        let is_soon = self.max_idle == MAX_IDLE
            && self.idle.len() >= half
            && self.lent_at.is_some_and(|lent_at| clock.pace - lent_at < part);
        // Beyond a span nothing is left, and then nothing before it is needed.
        let is_short = reached - clock.pace <= span;
        if is_short && (is_soon || self.idle.len() >= self.max_idle) {
            return false;
        }
        self.lent_at = Some(clock.pace);
        self.idle.push(Idle { position, reached: Reached::Pace(reached) });
        true
    }

    /// Forgets everything: nothing is held, so a replay may begin with the next record.
    pub(crate) fn begin_anew(&mut self) {
        self.marks.clear();
        self.idle.clear();
        self.lent_at = None;
    }

    /// Takes up how far idle time had run when the state was last committed.
    pub(crate) fn take_up(&mut self, idle: Idle) {
        self.idle.push(idle);
    }

    /// Notes at which pace idle time has run that was taken up.
    pub(crate) fn note_lent(&mut self, pace: Pace) {
        self.lent_at = Some(pace);
    }

    /// Takes the idle time that was noted: it stands in the journal from now on.
    pub(crate) fn take_idle(&mut self) -> Vec<Idle> {
        self.lent_at = None;
        std::mem::take(&mut self.idle)
    }

    /// Tells whether no more idle time can be noted before some of it has been taken.
    pub(crate) fn is_full(&self) -> bool {
        self.idle.len() >= self.max_idle
    }

    /// Returns the earliest offset at which a replay may begin.
    pub(crate) fn earliest(&self) -> i64 {
        self.marks.front().map_or(i64::MAX, |first| first.offset)
    }

    /// Returns how many bytes of the heap it takes.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.marks.capacity() * size_of::<Mark>() + self.idle.capacity() * size_of::<Idle>()
    }

    /// Returns from where to replay if everything before `position` is done, and forgets what no later
    /// answer can need. Entries that come next stand in the journal at `journal` or later.
    pub(crate) fn start(
        &mut self,
        position: i64,
        clock: PartitionClock,
        span: TimeSpan,
        journal: i64,
    ) -> Start {
        self.forget(position, &clock, span);
        let here = Mark { offset: position, clock, journal, oldest_held: None };
        let mark = self.marks.front().copied().unwrap_or(here);
        Start {
            offset: mark.offset,
            clock: mark.clock,
            idle: self.idle.clone(),
            journal: mark.journal,
        }
    }

    /// Forgets what lies before the start of a replay from a cut at `position`.
    fn forget(&mut self, position: i64, clock: &PartitionClock, span: TimeSpan) {
        let index = self.start_index(position, clock, span);
        self.marks.drain(..index.min(self.marks.len()));
        let start = self.marks.front().map_or(position, |mark| mark.offset);
        let part = self.idle.partition_point(|idle| idle.position < start);
        self.idle.drain(..part);
    }

    fn start_index(&self, position: i64, clock: &PartitionClock, span: TimeSpan) -> usize {
        if self.marks.back().is_some_and(|mark| mark.oldest_held.is_some()) {
            return self.start_index_by_held(position);
        }
        let limit = clock.pace - span.times(self.spans);
        let behind = self.marks.partition_point(|mark| mark.clock.pace < limit);
        behind.saturating_sub(1)
    }

    /// The oldest record held at the cut, the oldest held at that one, and so on.
    fn start_index_by_held(&self, position: i64) -> usize {
        let mut offset = position;
        let mut index = 0;
        for _ in 0..self.spans {
            let behind = self.marks.partition_point(|mark| mark.offset <= offset);
            index = behind.saturating_sub(1);
            let Some(mark) = self.marks.get(index) else { break };
            offset = mark.oldest_held.unwrap_or(mark.offset).min(mark.offset);
        }
        let behind = self.marks.partition_point(|mark| mark.offset <= offset);
        index.min(behind.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: TimeSpan = TimeSpan::from_secs(10);

    fn clock(seconds: i64) -> PartitionClock {
        let at = EventTime::from_millis(1_000 * seconds);
        PartitionClock {
            shows: Some(at),
            pace: Pace::from_nanos(at.nanos()),
            ..PartitionClock::default()
        }
    }

    #[test]
    fn a_replay_begins_three_spans_before_the_cut() {
        let mut trail = Trail::of_input(3);
        for second in 0..100 {
            trail.note(second, clock(second), SPAN, second, || None);
        }
        let start = trail.start(100, clock(99), SPAN, 7);
        assert_eq!((start.offset, start.clock, start.journal), (68, clock(68), 68));
        assert_eq!(trail.earliest(), 68, "what lies before is not needed again");
        assert_eq!(trail.start(100, clock(99), SPAN.times(9), 7).offset, 68, "lower is not known");
    }

    #[test]
    fn a_young_partition_is_read_from_its_beginning() {
        let mut trail = Trail::of_input(3);
        assert_eq!(trail.start(5, clock(1), SPAN, 0).offset, 5);
        trail.note(5, PartitionClock::default(), SPAN, 0, || None);
        trail.note(6, clock(1), SPAN, 0, || None);
        assert_eq!(trail.start(7, clock(2), SPAN, 0).offset, 5);
    }

    #[test]
    fn idle_time_is_noted_once_for_a_position_and_seldom_for_new_ones() {
        let mut trail = Trail::of_input(3);
        let lend = |trail: &mut Trail, position, second| {
            trail.lend(position, &clock(second), clock(second + 5).pace, SPAN)
        };
        trail.note(0, clock(0), SPAN, 0, || None);
        for position in 0..20 {
            assert!(lend(&mut trail, position, 0) && lend(&mut trail, position, 0));
        }
        assert!(!lend(&mut trail, 20, 0), "half the room is taken, and it is too soon");
        assert!(trail.lend(20, &clock(0), clock(11).pace, SPAN), "nothing is left of that span");
        for second in 21..1_000 {
            trail.note(second, clock(second), SPAN, 0, || None);
            lend(&mut trail, second, second);
            let start = trail.start(second, clock(second), SPAN, 0);
            assert!(
                start.idle.len() < MAX_IDLE
                    && start.idle.iter().all(|i| i.position >= start.offset)
            );
        }
        assert!(trail.idle.len() >= 20, "{}", trail.idle.len());
    }

    #[test]
    fn re_keyed_events_are_read_from_what_was_held_when_the_held_came() {
        let mut trail = Trail::of_input(3);
        for second in 0..100 {
            trail.note(second, clock(second), SPAN, 0, || Some((second - 7).max(0)));
        }
        assert_eq!(trail.start(100, clock(99), SPAN, 0).offset, 78);
    }
}

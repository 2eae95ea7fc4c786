//! A lane: rules whose state is rebuilt in the same way after a restart, with all that it takes to
//! say from where.

use std::sync::Arc;

use crate::event::{EventTime, TimeSpan};
use crate::rule::set::RuleSet;
use crate::sequence::{Bounds, Counts, Found, Needs, PartitionClock, Sequences};

use super::forward::Role;
use super::recovery::{Replay, RuleMark, Trail};

/// Rules that are recovered together.
pub(super) struct Lane {
    /// Indices in the rule set, ascending.
    rules: Vec<usize>,
    pub(super) sequences: Sequences,
    pub(super) trail: Trail,
    /// By rule of the lane: the offset from which it sees records, if not from the start.
    starts: Vec<Option<i64>>,
    needs: Needs,
    seen_from: Option<EventTime>,
    /// Events before this are only remembered: what belongs with them is gone.
    blind_before: Option<EventTime>,
    /// T of the last cut.
    floor: Option<EventTime>,
    lateness: TimeSpan,
    /// By rule of the lane: what its sequences had counted when that was last taken.
    taken_counts: Vec<Counts>,
}

impl Lane {
    /// Returns the empty state of these rules.
    ///
    /// Those whose events are offered elsewhere have a place, and count for nothing.
    pub(super) fn new(set: &RuleSet, rules: Vec<usize>, bounds: Bounds, role: &Role) -> Self {
        let plan = |rule: &usize| Arc::clone(&set.rules()[*rule].plan);
        let lateness = rules.iter().map(|rule| plan(rule).times.allowed_lateness).max();
        let here = rules.iter().map(|rule| &set.rules()[*rule]);
        let here = here.filter(|rule| role.offers(rule.is_rekeyed));
        let needs = Needs::of(here.map(|rule| &*rule.plan));
        Self {
            sequences: Sequences::new(rules.iter().map(plan), bounds),
            lateness: lateness.unwrap_or_default(),
            needs,
            trail: Trail::of_input(),
            starts: vec![None; rules.len()],
            taken_counts: vec![Counts::default(); rules.len()],
            seen_from: None,
            blind_before: None,
            floor: None,
            rules,
        }
    }

    /// Returns the empty state of rules whose events are kept in the journal.
    pub(super) fn with_journal(
        set: &RuleSet,
        rules: Vec<usize>,
        bounds: Bounds,
        role: &Role,
    ) -> Self {
        let lane = Self::new(set, rules, bounds, role);
        Self { trail: Trail::of_journal(lane.needs.memory), ..lane }
    }

    /// Lets the rules start as the cut at `position` knew them: what it did not know has seen
    /// nothing before it.
    pub(super) fn set_starts(&mut self, set: &RuleSet, known: &[RuleMark], position: i64) {
        for (rule, start) in self.rules.iter().zip(&mut self.starts) {
            let hash = set.rules()[*rule].hash;
            let mark = known.iter().find(|mark| mark.hash == hash);
            *start = mark.map_or(Some(position), |mark| mark.start);
        }
    }

    /// Says since when the lane sees the partition; nothing for the beginning of time.
    pub(super) fn set_seen_from(&mut self, clock: Option<EventTime>) {
        self.seen_from = clock;
        for rule in 0..self.starts.len() {
            if let (Some(clock), None) = (clock, self.starts[rule]) {
                self.sequences.set_seen_from(rule, clock);
            }
        }
    }

    /// Notes since when the rules see the partition that start at `offset`, or have started in what is
    /// being replayed before it; before its first record they start with the others.
    pub(super) fn start_new_rules(&mut self, offset: i64, clock: Option<EventTime>) {
        for rule in 0..self.starts.len() {
            let has_started = self.starts[rule].is_some_and(|start| start <= offset);
            match clock {
                _ if !has_started || self.sequences.has_seen_from(rule) => {}
                Some(clock) => self.sequences.set_seen_from(rule, clock),
                None => self.starts[rule] = None,
            }
        }
    }

    /// Tells whether it is still to be noted since when a rule sees the partition.
    pub(super) fn has_unseen_start(&self) -> bool {
        let is_unseen = |(rule, start): (usize, &Option<i64>)| {
            start.is_some() && !self.sequences.has_seen_from(rule)
        };
        self.starts.iter().enumerate().any(is_unseen)
    }

    /// Lets all rules start at `offset`: nothing is known of what they have seen before.
    pub(super) fn forget_past(&mut self, offset: i64) {
        self.starts.fill(Some(offset));
    }

    /// Makes every rule see the partition from `offset` on at the earliest, and from when its clock
    /// is told again.
    pub(super) fn start_behind(&mut self, offset: i64) {
        for start in &mut self.starts {
            *start = start.filter(|start| *start > offset);
        }
        self.seen_from = None;
    }

    /// Has events before `clock` only remembered: what belongs with them is gone.
    pub(super) fn go_blind_before(&mut self, clock: EventTime) {
        self.blind_before = Some(clock);
    }

    /// Tells whether an event is only to be remembered.
    pub(super) fn is_blind(&self, event_time: EventTime) -> bool {
        self.blind_before.is_some_and(|whole| event_time < whole)
    }

    /// Returns how many rules start at `offset`.
    pub(super) fn starting_at(&self, offset: i64) -> usize {
        self.starts.iter().filter(|start| **start == Some(offset)).count()
    }

    /// Takes the matches that were found since the last call, by the rule set's indices.
    pub(super) fn take_found(&mut self) -> Vec<Found> {
        let mut found = self.sequences.take_found();
        for found in &mut found {
            found.rule = self.rules[found.rule];
        }
        found
    }

    /// Returns what the sequences of a rule have counted since the last call.
    pub(super) fn take_counts(&mut self, rule: usize) -> Counts {
        let counts = self.sequences.counts(rule);
        counts.since(std::mem::replace(&mut self.taken_counts[rule], counts))
    }

    /// Returns from where to replay if everything before `position` is done.
    pub(super) fn replay(
        &mut self,
        position: i64,
        clock: PartitionClock,
        slack: TimeSpan,
        journal: i64,
    ) -> Replay {
        // A key is forgotten F after its last event by a clock that may be off by the slack.
        let needs = self.needs.with_slack(slack);
        let floor = self.sequences.floor();
        let floor = floor.map(|floor| self.blind_before.map_or(floor, |blind| floor.max(blind)));
        self.floor = floor;
        self.trail.replay(floor, position, clock, needs, journal)
    }

    /// Returns the rules as the metadata knows them, given from where they are replayed.
    pub(super) fn marks(&self, set: &RuleSet, from: i64) -> Vec<RuleMark> {
        let mark = |(rule, start): (&usize, &Option<i64>)| RuleMark {
            hash: set.rules()[*rule].hash,
            start: start.filter(|start| *start > from),
        };
        self.rules.iter().zip(&self.starts).map(mark).collect()
    }

    /// Tells whether the rule sees records only from a later offset on.
    pub(super) fn starts_after(&self, rule: usize, offset: i64) -> bool {
        self.starts[rule].is_some_and(|start| offset < start)
    }

    /// Returns of how many keys something is pending that a restart would not find any more: their
    /// host's time has fallen behind the partition's clock by more than what is kept for them.
    pub(super) fn unrecoverable_keys(&self) -> usize {
        let horizon = self.floor.and_then(|floor| self.trail.horizon(floor));
        horizon.map_or(0, |offset| self.sequences.keys_holding_before(offset))
    }

    /// Returns since when the lane sees the partition.
    pub(super) fn seen_from(&self) -> Option<EventTime> {
        self.seen_from
    }

    /// Returns the longest lateness that any of the rules allows.
    pub(super) fn longest_lateness(&self) -> TimeSpan {
        self.lateness
    }

    /// Returns about how many bytes of memory it takes, the events not counted.
    pub(super) fn heap_bytes(&self) -> usize {
        self.sequences.bytes() + self.trail.heap_bytes()
    }

    /// Tells whether it has no rules.
    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Returns the hashes of its rules.
    pub(super) fn hashes(&self, set: &RuleSet) -> Vec<u32> {
        self.rules.iter().map(|rule| set.rules()[*rule].hash).collect()
    }
}

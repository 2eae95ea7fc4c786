//! A lane: rules whose state is rebuilt in the same way after a restart, with all that it takes to
//! say from where.

use std::sync::Arc;

use crate::event::TimeSpan;
use crate::recovery::checkpoint::{KnownRules, Seen};
use crate::recovery::replay::{SPANS, SPANS_WITHOUT_ABSENCE, Start, Trail};
use crate::rule::set::RuleSet;
use crate::sequence::{Counts, Found, Input, Limits, Pace, PartitionClock, Plan, Sequences};

use super::forward::Role;

/// Rules that are recovered together.
pub(super) struct Lane {
    /// Indices in the rule set, ascending.
    rules: Vec<usize>,
    hashes: Vec<u32>,
    plans: Vec<Arc<Plan>>,
    /// The slack, and for how long anything is held with it.
    span: Option<(TimeSpan, TimeSpan)>,
    pub(super) sequences: Sequences,
    pub(super) trail: Trail,
    /// By rule of the lane: from where on it has seen the partition, if not all of it.
    starts: Vec<Option<Seen>>,
    /// By rule of the lane: what its sequences had counted when that was last taken.
    taken_counts: Vec<Counts>,
}

impl Lane {
    /// Returns the empty state of rules that are rebuilt from the input.
    ///
    /// Those whose events are offered elsewhere have a place, and count for nothing.
    pub(super) fn new(
        set: &RuleSet,
        rules: Vec<usize>,
        limits: Limits,
        input: Input,
        role: &Role,
    ) -> Self {
        let plan = |rule: &usize| Arc::clone(&set.rules()[*rule].plan);
        let is_here = |rule: &&usize| role.offers(set.rules()[**rule].is_rekeyed);
        let plans: Vec<Arc<Plan>> = rules.iter().filter(is_here).map(plan).collect();
        Self {
            sequences: Sequences::new(rules.iter().map(plan), limits, input),
            span: None,
            hashes: rules.iter().map(|rule| set.rules()[*rule].hash).collect(),
            trail: Trail::of_input(spans_of(&plans)),
            plans,
            starts: vec![None; rules.len()],
            taken_counts: vec![Counts::default(); rules.len()],
            rules,
        }
    }

    /// Returns the same for rules that are rebuilt from the journal.
    pub(super) fn of_journal(self) -> Self {
        Self { trail: Trail::of_journal(spans_of(&self.plans)), ..self }
    }

    /// Lets the rules start as a checkpoint knew them, those that it did not know at `new`; returns how
    /// many these are.
    pub(super) fn set_starts(&mut self, known: &KnownRules, new: i64) -> usize {
        self.starts = known.starts(&self.hashes, Seen::from(new));
        for (rule, start) in self.starts.iter().enumerate() {
            if let Some(pace) = start.and_then(|seen| seen.pace) {
                self.sequences.set_seen_from(rule, pace);
            }
        }
        let nowhere = Seen::from(i64::MIN);
        let marked = known.starts(&self.hashes, nowhere);
        marked.iter().filter(|start| **start == Some(nowhere)).count()
    }

    /// Lets all rules start at `offset`, those that start later there: what comes before is not seen.
    pub(super) fn start_at(&mut self, offset: i64) {
        for start in &mut self.starts {
            let is_later = start.is_some_and(|seen| seen.offset > offset);
            *start = start.filter(|_| is_later).or_else(|| Some(Seen::from(offset)));
        }
    }

    /// Takes note of the pace before the record at `offset`: rules that start there have seen the
    /// partition since then.
    pub(super) fn note_pace(&mut self, offset: i64, pace: Pace) {
        for (rule, start) in self.starts.iter_mut().enumerate() {
            let Some(seen) = start.as_mut().filter(|seen| seen.pace.is_none()) else { continue };
            if seen.offset <= offset {
                seen.pace = Some(pace);
                self.sequences.set_seen_from(rule, pace);
            }
        }
    }

    /// Tells whether the rule sees records only from a later offset on.
    pub(super) fn starts_after(&self, rule: usize, offset: i64) -> bool {
        self.starts[rule].is_some_and(|seen| offset < seen.offset)
    }

    /// Returns for how long anything is held, with the slack.
    pub(super) fn span(&mut self, slack: TimeSpan) -> TimeSpan {
        if self.span.is_none_or(|(of, _)| of != slack) {
            let spans = self.plans.iter().map(|plan| plan.held_for(slack) + slack);
            self.span = Some((slack, spans.max().unwrap_or(TimeSpan::ZERO)));
        }
        self.span.map_or(TimeSpan::ZERO, |(_, span)| span)
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
    pub(super) fn replay_start(
        &mut self,
        position: i64,
        clock: PartitionClock,
        slack: TimeSpan,
        journal: i64,
    ) -> Start {
        let span = self.span(slack);
        if self.sequences.is_empty() {
            self.trail.begin_anew();
        }
        let start = self.trail.start(position, clock, span, journal);
        // So many spans behind its start it is as if a rule had always been there.
        let is_near = |pace: Pace| clock.pace - pace <= span.times(SPANS);
        for start in &mut self.starts {
            *start = start.filter(|seen| seen.pace.is_none_or(is_near));
        }
        start
    }

    /// Returns since when the rules have seen the partition, as a checkpoint knows them in so many bytes.
    pub(super) fn known_rules(&self, room: usize) -> KnownRules {
        KnownRules::of(&self.hashes, &self.starts, room)
    }

    /// Returns about how many bytes of memory it takes, the events not counted.
    pub(super) fn heap_bytes(&self) -> usize {
        self.sequences.bytes_beside_events() + self.trail.heap_bytes()
    }

    /// Returns the rule that takes most memory, by the rule set's index.
    pub(super) fn largest_rule(&self) -> Option<usize> {
        self.sequences.largest_rule().map(|rule| self.rules[rule])
    }

    /// Tells whether it has no rules.
    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

/// Returns how many spans a replay reads for these rules.
fn spans_of(plans: &[Arc<Plan>]) -> i64 {
    let has_absence = plans.iter().any(|plan| plan.has_absence());
    if has_absence { SPANS } else { SPANS_WITHOUT_ABSENCE }
}

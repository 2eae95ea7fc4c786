//! What a sequence asks for, without its conditions: stages, keys left out, times.
//!
//! Plain data, and the few facts that follow from it. Never holds an expression.

use crate::event::TimeSpan;

/// Most terms of a query: positive and missing stages as written, and `until`.
pub const MAX_TERMS: usize = 64;

/// A set of terms, one bit each: which of a query's brackets an event satisfies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TermSet(pub u64);

impl TermSet {
    /// Returns the set of these terms.
    pub fn of(terms: impl IntoIterator<Item = usize>) -> Self {
        Self(terms.into_iter().fold(0, |bits, term| bits | 1 << term))
    }

    /// Adds a term.
    pub fn insert(&mut self, term: usize) {
        self.0 |= 1 << term;
    }

    /// Tells whether the term is in the set.
    pub fn has(self, term: usize) -> bool {
        self.0 >> term & 1 == 1
    }

    /// Tells whether no term is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// One bracket of a sequence as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanTerm {
    /// Whether it must be absent: `![ ]`.
    pub missing: bool,
    /// How many events of it are asked for; 1 without `with runs`. So many copies of a term that
    /// must be absent are one: an event of it is one of each.
    pub runs: u32,
}

/// When matches leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emission {
    /// As soon as the last event that they need has arrived.
    Eager,
    /// When they are final.
    Exact,
}

/// Times and switches of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanTimes {
    /// Longest time between the first and the last event, inclusive.
    pub maxspan: TimeSpan,
    /// By how much an event of a stage may precede the event of the stage before it.
    pub order_tolerance: TimeSpan,
    /// How late an event may arrive and still be taken in its place.
    pub allowed_lateness: TimeSpan,
    /// For how long, by the partition's pace, an event is held after it arrived; what the plan needs
    /// at least counts beside it: see [`Plan::held_for`].
    pub hold: TimeSpan,
    /// When matches leave.
    pub emission: Emission,
}

/// A positive stage: `with runs=3` makes three of one term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stage {
    pub(super) term: usize,
    /// Whether the stage before it belongs to another term: only there order is tolerated.
    pub(super) opens_term: bool,
    /// Terms that must be absent between the stage before it and this one.
    pub(super) absent_before: Vec<usize>,
}

/// A compiled sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub(super) stages: Vec<Stage>,
    /// Missing terms before the first positive stage.
    pub(super) leading: Vec<usize>,
    /// Missing terms behind the last positive stage.
    pub(super) trailing: Vec<usize>,
    /// All missing terms, without repetition.
    pub(super) missing: Vec<usize>,
    pub(super) until: Option<usize>,
    /// Whether the order of the events plays no part.
    pub(super) is_sample: bool,
    /// Times and switches.
    pub times: PlanTimes,
}

impl Plan {
    /// Returns the plan of these terms; `until`, if any, is the term behind them.
    ///
    /// At least one term must be positive, and there may be at most [`MAX_TERMS`]: the language's
    /// checker has seen to both.
    pub fn new(terms: &[PlanTerm], has_until: bool, times: PlanTimes) -> Self {
        debug_assert!(terms.len() + usize::from(has_until) <= MAX_TERMS);
        debug_assert!(terms.iter().any(|term| !term.missing));
        let mut stages: Vec<Stage> = Vec::new();
        let (mut leading, mut absent) = (Vec::new(), Vec::new());
        for (term, written) in terms.iter().enumerate() {
            if written.missing {
                absent.push(term);
                continue;
            }
            if stages.is_empty() {
                leading = std::mem::take(&mut absent);
            }
            for copy in 0..written.runs.max(1) {
                let absent_before = std::mem::take(&mut absent);
                stages.push(Stage { term, opens_term: copy == 0, absent_before });
            }
        }
        let missing = (0..terms.len()).filter(|term| terms[*term].missing).collect();
        let until = has_until.then_some(terms.len());
        Self { stages, leading, trailing: absent, missing, until, is_sample: false, times }
    }

    /// Returns the plan of a `sample` of this many terms: distinct events, one for each, in any
    /// order, within maxspan.
    pub fn sample(terms: usize, times: PlanTimes) -> Self {
        let terms = vec![PlanTerm { missing: false, runs: 1 }; terms];
        Self { is_sample: true, ..Self::new(&terms, false, times) }
    }

    /// Returns the number of positive stages, copies of `runs` counted.
    pub fn stage_count(&self) -> usize {
        self.stages.len()
    }

    /// Tells whether a stage must be absent: such a sequence is decided only when it is final.
    pub fn has_absence(&self) -> bool {
        !self.missing.is_empty()
    }

    /// Tells whether an absence comes first.
    pub fn has_leading_absence(&self) -> bool {
        !self.leading.is_empty()
    }

    /// Tells whether an absence comes last.
    pub fn has_trailing_absence(&self) -> bool {
        !self.trailing.is_empty()
    }

    /// Tells whether an absence comes first and another one last.
    pub fn has_absences_at_both_ends(&self) -> bool {
        self.has_leading_absence() && self.has_trailing_absence()
    }

    /// Tells whether each event is a match by itself: order and time play no part.
    pub fn is_single(&self) -> bool {
        self.stages.len() == 1 && self.missing.is_empty() && !self.is_sample
    }

    /// Returns for how long after its final event a match may still be taken back.
    pub(super) fn forbids_for(&self) -> TimeSpan {
        if self.trailing.is_empty() { self.tolerated() } else { self.times.maxspan }
    }

    /// Returns by how much the order tolerance may move the events of a match in all: copies of `runs`
    /// are one stage, as order is tolerated between terms alone.
    fn tolerated(&self) -> TimeSpan {
        let stages = self.stages.iter().filter(|stage| stage.opens_term).count();
        self.times.order_tolerance.times(stages as i64)
    }

    /// Returns for how long events must be held at least, where times may be wrong by `slack`.
    ///
    /// That is what a decision looks back on, and how long it may wait. A match lies within maxspan. An
    /// absence looks back one maxspan further. So does the order tolerance: whether a hit took a strict
    /// sequence. Arrivals on either side may be late, so the lateness counts twice. Each stage adds the
    /// order tolerance. Order and time play no part for single events.
    pub fn least_hold(&self, slack: TimeSpan) -> TimeSpan {
        let lateness = self.times.allowed_lateness.times(2);
        if self.is_single() {
            return lateness + slack;
        }
        let looks_further = self.has_absence() || self.times.order_tolerance > TimeSpan::ZERO;
        let maxspan = self.times.maxspan.times(if looks_further { 2 } else { 1 });
        maxspan + lateness + self.tolerated() + slack
    }

    /// Returns for how long events are held, where times may be wrong by `slack`: as the settings
    /// say, and no shorter than the plan needs.
    pub fn held_for(&self, slack: TimeSpan) -> TimeSpan {
        self.times.hold.max(self.least_hold(slack))
    }

    /// Returns how far before a sequence's first event a leading absence looks.
    pub(super) fn leading_reach(&self) -> TimeSpan {
        if self.has_leading_absence() { self.times.maxspan } else { TimeSpan::ZERO }
    }
}

//! What would match if the rule were another one: the production sequences over the hits of one
//! key, in the order of event time, with parts of the rule changed or left away.
//!
//! Never says what did match: the detector alone does.

use std::sync::Arc;

use super::track::Hit;
use crate::event::admitted::Body;
use crate::event::{Admitted, EventTime, JoinKey, Ordinal, TimeSpan};
use crate::sequence::{
    Candidate, Delivery, Emission, Found, Input, Limits, Plan, PlanTerm, PlanTimes, Sequences,
    TermSet,
};

const YEAR: TimeSpan = TimeSpan::from_secs(365 * 86_400);
/// Times are counted from the first hit on, and none is later than this: sums do not overflow.
const LATEST: TimeSpan = YEAR.times(100);
/// Longer than the time between any two hits.
pub(super) const FOR_EVER: TimeSpan = YEAR.times(101);
/// The sum of the order tolerances of all stages is at most this.
const MAX_TOLERANCE: TimeSpan = YEAR.times(80);

/// What a query asks for, without its conditions.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// The terms as written, without `until`.
    pub(super) terms: Vec<PlanTerm>,
    /// Whether a term behind them is `until`.
    pub(super) has_until: bool,
    /// Whether the order plays no part.
    pub(super) is_sample: bool,
    /// Times and switches of the rule.
    pub(super) times: PlanTimes,
}

/// A variant of the rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial {
    /// How many of the positive stages are asked for.
    pub(super) stages: usize,
    pub(super) maxspan: TimeSpan,
    pub(super) order_tolerance: TimeSpan,
    pub(super) until: bool,
    pub(super) absences: bool,
}

impl Shape {
    /// Returns the rule itself.
    pub(super) fn whole(&self) -> Trial {
        Trial {
            stages: self.stage_count(),
            maxspan: self.times.maxspan,
            order_tolerance: self.times.order_tolerance,
            until: self.has_until,
            absences: true,
        }
    }

    /// Returns the number of positive stages, copies of `runs` counted.
    pub(super) fn stage_count(&self) -> usize {
        self.positive().map(|(_, term)| term.runs as usize).sum()
    }

    /// Returns the positive terms with their indices.
    pub(super) fn positive(&self) -> impl Iterator<Item = (usize, PlanTerm)> {
        self.terms.iter().copied().enumerate().filter(|(_, term)| !term.missing)
    }

    /// Returns the term of a positive stage, counted from 0.
    pub(super) fn term_of(&self, stage: usize) -> Option<usize> {
        let copies = |(index, term): (usize, PlanTerm)| {
            std::iter::repeat_n(index, usize::try_from(term.runs).unwrap_or(1))
        };
        self.positive().flat_map(copies).nth(stage)
    }

    /// Returns the terms of `until` and of absent stages.
    pub(super) fn absent(&self) -> impl Iterator<Item = usize> {
        (0..self.terms.len()).filter(|term| self.terms[*term].missing)
    }

    /// Returns the matches of a variant among hits that are sorted by ordinal, as a batch engine
    /// would find them, each with its hits in the order of the stages.
    pub(super) fn run<'h>(
        &self,
        trial: &Trial,
        hits: impl IntoIterator<Item = &'h Hit>,
    ) -> Vec<Vec<&'h Hit>> {
        let hits: Vec<&Hit> = hits.into_iter().collect();
        let Some(first) = hits.first().map(|hit| hit.time()) else { return Vec::new() };
        let (plan, renamed) = self.plan(trial);
        let limits =
            Limits { max_keys: 1, max_bytes: usize::MAX, max_candidates_per_key: usize::MAX };
        let mut sequences = Sequences::new([Arc::new(plan)], limits, Input::Bounded);
        let key = JoinKey::none();
        for (index, hit) in hits.iter().enumerate() {
            let terms = renamed.iter().enumerate().filter(|(old, _)| hit.terms.has(*old));
            let terms = TermSet::of(terms.filter_map(|(_, new)| *new));
            if !terms.is_empty() {
                let candidate = candidate(hit, index, first, terms);
                sequences.deliver(
                    0,
                    &key,
                    Delivery { candidate, event_bytes: 0, ahead_until: None },
                );
            }
        }
        sequences.finish();
        // The offset of a candidate is the index of its hit.
        let hit = |event: &Arc<Candidate>| hits[event.ordinal.offset as usize];
        let events = |found: &Found| found.found.events.iter().map(hit).collect();
        sequences.take_found().iter().map(events).collect()
    }

    /// Returns the plan of a variant, and by term of the rule the term of the plan.
    fn plan(&self, trial: &Trial) -> (Plan, Vec<Option<usize>>) {
        let most = TimeSpan::from_nanos(MAX_TOLERANCE.nanos() / trial.stages.max(1) as i64);
        let times = PlanTimes {
            maxspan: trial.maxspan,
            order_tolerance: trial.order_tolerance.min(most),
            emission: Emission::Exact,
            ..self.times
        };
        if self.is_sample {
            let same = (0..self.terms.len()).map(Some).collect();
            return (Plan::sample(self.terms.len(), times), same);
        }
        let is_whole = trial.stages == self.stage_count();
        let (mut left, mut terms, mut renamed) = (trial.stages as u32, Vec::new(), Vec::new());
        for term in &self.terms {
            let is_wanted = match term.missing {
                true => trial.absences && (left > 0 || is_whole),
                false => left > 0,
            };
            renamed.push(is_wanted.then_some(terms.len()));
            if is_wanted {
                let runs = term.runs.min(left.max(1));
                left -= if term.missing { 0 } else { runs };
                terms.push(PlanTerm { runs, ..*term });
            }
        }
        if self.has_until {
            renamed.push(trial.until.then_some(terms.len()));
        }
        (Plan::new(&terms, trial.until && self.has_until, times), renamed)
    }
}

fn candidate(hit: &Hit, index: usize, first: EventTime, terms: TermSet) -> Candidate {
    let since = (hit.time() - first).min(LATEST);
    let event_time = EventTime::from_nanos(since.nanos());
    // Hits are in order: that of one time is the order of their indices.
    let ordinal = Ordinal::at(event_time, index as i64);
    let event = Admitted {
        identity: hit.event.identity,
        event_time,
        offset: index as i64,
        body: Body::default(),
    };
    Candidate { ordinal, terms, late: false, event: Arc::new(event) }
}

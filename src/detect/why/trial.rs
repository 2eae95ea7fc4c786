//! What would match if the rule were another one: the production sequences over the hits of one
//! key, in the order of event time, with parts of the rule changed or left away.
//!
//! Never says what did match: the detector alone does.

use std::sync::Arc;

use super::track::Hit;
use crate::event::admitted::Body;
use crate::event::{Admitted, JoinKey, TimeSpan};
use crate::sequence::{
    Bounds, Candidate, Emission, Match, Offer, Plan, PlanTerm, PlanTimes, Sequences, TermSet,
};

/// Longer than any recording, and short enough that sums of a few do not overflow.
pub(super) const FOR_EVER: TimeSpan = TimeSpan::from_secs(100 * 365 * 86_400);

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
    /// would find them.
    pub(super) fn run<'h>(
        &self,
        trial: &Trial,
        hits: impl IntoIterator<Item = &'h Hit>,
    ) -> Vec<Match> {
        let (plan, renamed) = self.plan(trial);
        // Everything a key may hold, with room for what the sequences calculate from it.
        let bounds = Bounds { max_keys: 1, max_candidates_per_key: usize::MAX >> 8 };
        let mut sequences = Sequences::new([Arc::new(plan)], bounds);
        let key = JoinKey::none();
        for hit in hits {
            let terms = renamed.iter().enumerate().filter(|(old, _)| hit.terms.has(*old));
            let terms = TermSet::of(terms.filter_map(|(_, new)| *new));
            if !terms.is_empty() {
                sequences.offer(0, &key, candidate(hit, terms), Offer::Match);
            }
        }
        sequences.finish();
        sequences.take_found().into_iter().map(|found| found.found).collect()
    }

    /// Returns the plan of a variant, and by term of the rule the term of the plan.
    fn plan(&self, trial: &Trial) -> (Plan, Vec<Option<usize>>) {
        let times = PlanTimes {
            maxspan: trial.maxspan,
            order_tolerance: trial.order_tolerance,
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

fn candidate(hit: &Hit, terms: TermSet) -> Candidate {
    let ordinal = hit.event.ordinal.clone();
    let event = Admitted {
        identity: hit.event.identity,
        event_time: ordinal.event_time,
        offset: ordinal.offset,
        body: Body::default(),
    };
    Candidate { ordinal, terms, late: false, event: Arc::new(event) }
}

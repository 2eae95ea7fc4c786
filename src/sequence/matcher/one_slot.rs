//! The one-slot machine: answers as Elasticsearch does when it is fed in the order of the ordinals.
//!
//! For each stage at most one sequence is pending: a newer event of a stage overwrites the older one,
//! and an event of the next stage consumes it. A pending sequence over maxspan is none. The machine
//! has no memory beyond its slots: it may be run again over any stretch of what is held.

use std::sync::Arc;

use super::partial::{self, Partial, Slots};
use super::tolerance::Tolerance;
use crate::event::EventTime;
use crate::sequence::candidate::Candidate;
use crate::sequence::plan::Plan;

/// The machine of one rule and one key, at one place of the order.
///
/// [`push`](super::Run::push) the candidates behind that place.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::sequence) struct OneSlot {
    pub(super) strict: Slots,
    /// Of rules with an order tolerance.
    pub(super) tolerance: Option<Box<Tolerance>>,
}

impl OneSlot {
    /// Returns the machine before the first event.
    pub(in crate::sequence) fn new(plan: &Plan) -> Self {
        let strict = vec![None; plan.stages.len() - 1];
        let is_tolerant = plan.times.order_tolerance.nanos() > 0 && plan.stages.len() > 1;
        let tolerance = is_tolerant.then(|| Box::new(Tolerance::new(plan)));
        Self { strict, tolerance }
    }

    /// Returns how many sequences are pending.
    pub(in crate::sequence) fn pending_count(&self) -> usize {
        let adjusted = self.tolerance.as_ref().map_or(0, |tolerance| tolerance.pending_count());
        self.strict.iter().flatten().count() + adjusted
    }

    /// Frees what no event from this time on can extend.
    pub(super) fn free_over_maxspan(&mut self, plan: &Plan, at: EventTime) {
        partial::free_over_maxspan(&mut self.strict, plan, at);
        if let Some(tolerance) = &mut self.tolerance {
            tolerance.forget(plan, at);
        }
    }

    /// Begins a sequence.
    pub(super) fn start(&mut self, candidate: &Arc<Candidate>) -> Option<Arc<Partial>> {
        partial::place(&mut self.strict, Partial::start(candidate))
    }

    /// Extends what is pending before this stage; returns the sequence if that completes it.
    pub(super) fn extend(
        &mut self,
        plan: &Plan,
        stage: usize,
        candidate: &Arc<Candidate>,
    ) -> Option<Arc<Partial>> {
        let reaches = |partial: &Arc<Partial>| partial.reaches(plan, candidate.event_time());
        // A sequence over maxspan is consumed all the same.
        if let Some(partial) = self.strict[stage - 1].take().filter(reaches) {
            return partial::place(&mut self.strict, partial.with(candidate, false));
        }
        let tolerance = self.tolerance.as_mut()?;
        if plan.stages[stage].opens_term {
            tolerance.keep(stage, candidate);
        }
        let partial = tolerance.take_before(stage).filter(reaches)?;
        tolerance.place(partial.with(candidate, false))
    }

    /// Ends everything that is pending.
    pub(super) fn clear(&mut self) {
        self.strict.fill(None);
        if let Some(tolerance) = &mut self.tolerance {
            tolerance.clear();
        }
    }
}

//! What the candidates of a key match.
//!
//! A matcher is a function of what is held: machines and completed sequences that it keeps are a
//! cache of that, and nothing more.

use std::sync::Arc;

use super::candidate::Candidate;
use super::plan::Plan;

pub(super) mod held;
pub(super) mod one_slot;
pub(super) mod partial;
pub(super) mod sample;
mod tolerance;

use one_slot::OneSlot;
use partial::Partial;

/// What a key's candidates are matched by.
#[derive(Debug)]
pub(super) enum Matcher {
    /// Each event is a match by itself.
    Single,
    /// The one-slot machine, over what is held in the order of the ordinals.
    Sequence(held::Held),
    /// Distinct events, one for each term, in any order.
    Sample(sample::Pool),
}

impl Matcher {
    /// Returns the empty matcher of a plan.
    pub(super) fn new(plan: &Plan) -> Self {
        match () {
            () if plan.is_single() => Self::Single,
            () if plan.is_sample => Self::Sample(sample::Pool::default()),
            () => Self::Sequence(held::Held::default()),
        }
    }
}

/// A run of a machine over candidates in the order of their ordinals.
pub(super) struct Run<'a> {
    pub(super) plan: &'a Plan,
    pub(super) machine: OneSlot,
    /// The sequences that were completed, absences not judged yet.
    pub(super) completed: Vec<Arc<Partial>>,
}

impl Run<'_> {
    /// Takes the next candidate in the order.
    pub(super) fn push(&mut self, candidate: &Arc<Candidate>) {
        let (plan, at) = (self.plan, candidate.event_time());
        self.machine.free_over_maxspan(plan, at);
        // Later stages first, so that an event cannot extend the sequence that it has just begun.
        for stage in (1..plan.stages.len()).rev() {
            if candidate.terms.has(plan.stages[stage].term) {
                self.completed.extend(self.machine.extend(plan, stage, candidate));
            }
        }
        if candidate.terms.has(plan.stages[0].term) {
            self.completed.extend(self.machine.start(candidate));
        }
        if plan.until.is_some_and(|until| candidate.terms.has(until)) {
            self.machine.clear();
        }
        let OneSlot { strict, tolerance } = &mut self.machine;
        if let Some(tolerance) = tolerance {
            self.completed.extend(tolerance.rescue(plan, strict, candidate));
        }
    }
}

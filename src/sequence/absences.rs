//! When the stages that must be absent were seen, of one key, and what that says of a sequence.
//!
//! Looks at times alone, and at everything that is held: the verdict does not depend on the order in
//! which events came.

use std::collections::BTreeMap;

use super::candidate::Candidate;
use super::matcher::partial::Partial;
use super::plan::Plan;
use crate::event::{EventTime, TimeSpan};

/// What the absences of a complete sequence say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Something was seen that had to be absent.
    Broken,
    /// Nothing was; a last absence has to last until the deadline, if there is one.
    Holds(Option<EventTime>),
}

/// The sightings of one key: by missing term of the plan, how many events at which time.
#[derive(Debug, Default)]
pub(super) struct Absences {
    seen: Vec<BTreeMap<EventTime, u32>>,
}

impl Absences {
    /// Takes note of an event.
    pub(super) fn add(&mut self, plan: &Plan, candidate: &Candidate) {
        for (index, _) in missing_of(plan, candidate) {
            self.seen.resize_with(plan.missing.len(), BTreeMap::new);
            *self.seen[index].entry(candidate.event_time()).or_default() += 1;
        }
    }

    /// Forgets an event that was taken note of.
    pub(super) fn remove(&mut self, plan: &Plan, candidate: &Candidate) {
        for (index, _) in missing_of(plan, candidate) {
            let Some(of_term) = self.seen.get_mut(index) else { continue };
            if let Some(count) = of_term.get_mut(&candidate.event_time()) {
                *count -= 1;
                if *count == 0 {
                    of_term.remove(&candidate.event_time());
                }
            }
        }
    }

    /// Tells whether an absent stage was seen between two stages of a sequence.
    pub(super) fn spoil(&self, plan: &Plan, sequence: &Partial) -> bool {
        let mut stage = sequence.stage();
        let mut behind = sequence;
        while let Some(before) = behind.before() {
            let (low, high) = (before.last().event_time(), behind.last().event_time());
            let was_seen =
                |term: &usize| self.first_behind(plan, *term, low).is_some_and(|t| t < high);
            if plan.stages[stage].absent_before.iter().any(was_seen) {
                return true;
            }
            (behind, stage) = (before, stage - 1);
        }
        false
    }

    /// Judges a complete sequence.
    pub(super) fn judge(&self, plan: &Plan, sequence: &Partial) -> Verdict {
        if plan.missing.is_empty() {
            return Verdict::Holds(None);
        }
        if self.spoil(plan, sequence) {
            return Verdict::Broken;
        }
        let (first, last) = (sequence.first().event_time(), sequence.last().event_time());
        let maxspan = plan.times.maxspan;
        let lead =
            plan.leading.iter().filter_map(|term| self.last_before(plan, *term, first)).max();
        let is_near = |lead: EventTime, end: EventTime| end - lead <= maxspan;
        if plan.trailing.is_empty() {
            let is_broken = lead.is_some_and(|lead| is_near(lead, last));
            return if is_broken { Verdict::Broken } else { Verdict::Holds(None) };
        }
        // With absences at both ends, the window of maxspan begins with the one that came first.
        let start = if plan.leading.is_empty() { Some(first) } else { lead };
        let Some(start) = start.filter(|start| is_near(*start, last)) else {
            return Verdict::Holds(None);
        };
        let trail =
            plan.trailing.iter().filter_map(|term| self.first_behind(plan, *term, last)).min();
        match trail {
            Some(trail) if is_near(start, trail) => Verdict::Broken,
            _ => Verdict::Holds(Some(start + maxspan)),
        }
    }

    fn first_behind(&self, plan: &Plan, term: usize, after: EventTime) -> Option<EventTime> {
        let behind = after + TimeSpan::from_nanos(1)..;
        self.of_term(plan, term)?.range(behind).next().map(|(time, _)| *time)
    }

    fn last_before(&self, plan: &Plan, term: usize, before: EventTime) -> Option<EventTime> {
        self.of_term(plan, term)?.range(..before).next_back().map(|(time, _)| *time)
    }

    fn of_term(&self, plan: &Plan, term: usize) -> Option<&BTreeMap<EventTime, u32>> {
        let index = plan.missing.iter().position(|missing| *missing == term)?;
        self.seen.get(index)
    }
}

fn missing_of<'a>(
    plan: &'a Plan,
    candidate: &'a Candidate,
) -> impl Iterator<Item = (usize, &'a usize)> {
    plan.missing.iter().enumerate().filter(|(_, term)| candidate.terms.has(**term))
}

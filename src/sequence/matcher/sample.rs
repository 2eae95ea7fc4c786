//! `sample`: distinct events, one for each term, in any order, all within maxspan.
//!
//! A batch engine looks at all events of a run; a stream has none. So each window of maxspan gives one
//! sample: the window's number, that of the newest event, identifies it. Which events can be one for
//! each term is a bipartite matching, found by augmenting paths:
//! <https://en.wikipedia.org/wiki/Matching_(graph_theory)#In_unweighted_bipartite_graphs>

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::event::{EventTime, Ordinal};
use crate::sequence::candidate::Candidate;
use crate::sequence::plan::{Plan, TermSet};

/// The held candidates of one key of a sample.
///
/// Events that satisfy the same terms stand in for each other, and as many of them as there are terms
/// are enough for any choice. So a choice never looks at more than a few events of each kind.
#[derive(Debug, Default)]
pub(in crate::sequence) struct Pool {
    /// By the terms that they satisfy; each queue by ordinal, none empty.
    kinds: BTreeMap<TermSet, VecDeque<Arc<Candidate>>>,
}

impl Pool {
    /// Returns about how many bytes so many candidates take.
    pub(in crate::sequence) fn bytes_of(candidates: usize) -> usize {
        // A node of a tree has room for eleven kinds.
        const NODE: usize = 12 * (size_of::<TermSet>() + size_of::<VecDeque<Arc<Candidate>>>());
        if candidates == 0 { 0 } else { NODE + (4 + 2 * candidates) * size_of::<usize>() }
    }
}

/// One event for each term, and the number of their window.
pub(in crate::sequence) type Sample = (i64, Vec<Arc<Candidate>>);

impl Pool {
    /// Adds a candidate that is not held.
    pub(in crate::sequence) fn insert(&mut self, candidate: Arc<Candidate>) {
        let kind = self.kinds.entry(candidate.terms).or_default();
        let at = kind.partition_point(|other| other.ordinal < candidate.ordinal);
        kind.insert(at, candidate);
    }

    /// Lets a candidate go.
    pub(in crate::sequence) fn remove(&mut self, candidate: &Candidate) {
        let Some(kind) = self.kinds.get_mut(&candidate.terms) else { return };
        if let Ok(at) = kind.binary_search_by(|other| other.ordinal.cmp(&candidate.ordinal)) {
            kind.remove(at);
        }
        if kind.is_empty() {
            self.kinds.remove(&candidate.terms);
        }
    }

    /// Returns the samples that contain an event: at most one for its own window and for the next.
    pub(in crate::sequence) fn samples_with(
        &self,
        plan: &Plan,
        event: &Arc<Candidate>,
    ) -> Vec<Sample> {
        let own = window_of(plan, event.event_time());
        let near = self.near(plan, event, own + 1);
        let found = [own, own + 1].into_iter().filter_map(|window| {
            let newest = near.iter().filter(|newest| {
                newest.ordinal >= event.ordinal && window_of(plan, newest.event_time()) == window
            });
            let mut choices =
                newest.map(|newest| choose_ending_with(plan, &near, newest, Some(event)));
            choices.find_map(|choice| choice.map(|events| (window, events)))
        });
        found.collect()
    }

    /// Returns one sample for each window that has any.
    pub(in crate::sequence) fn samples(&self, plan: &Plan) -> Vec<Sample> {
        let mut all: Vec<&Arc<Candidate>> = self.kinds.values().flatten().collect();
        all.sort_by(|a, b| a.ordinal.cmp(&b.ordinal));
        let mut found: Vec<Sample> = Vec::new();
        for newest in all {
            let window = window_of(plan, newest.event_time());
            if found.last().is_some_and(|(last, _)| *last == window) {
                continue;
            }
            let before =
                self.before(plan, &newest.ordinal, newest.event_time() - plan.times.maxspan);
            if let Some(events) = choose_ending_with(plan, &before, newest, None) {
                found.push((window, events));
            }
        }
        found
    }

    /// Returns, of each kind, as many events as there are terms: the last ones up to `newest`, and
    /// none before `oldest`. By ordinal.
    fn before(&self, plan: &Plan, newest: &Ordinal, oldest: EventTime) -> Vec<Arc<Candidate>> {
        let few = plan.stages.len();
        let mut near = Vec::new();
        for kind in self.kinds.values() {
            let end = kind.partition_point(|other| other.ordinal <= *newest);
            let last = kind.range(end.saturating_sub(few)..end);
            near.extend(last.filter(|other| other.event_time() >= oldest).cloned());
        }
        near.sort_by(|a, b| a.ordinal.cmp(&b.ordinal));
        near
    }

    /// Returns what a sample with this event can be made of: of each kind the events next to it on
    /// either side, and the first ones of the window behind its own. By ordinal.
    ///
    /// If there is a sample, there is one of these: whatever lies further away can be changed for one
    /// of its kind that lies nearer, and the window stays.
    fn near(&self, plan: &Plan, event: &Arc<Candidate>, next_window: i64) -> Vec<Arc<Candidate>> {
        let (few, maxspan) = (plan.stages.len(), plan.times.maxspan);
        let at = event.event_time();
        let next = EventTime::from_nanos(maxspan.times(next_window).nanos());
        let mut near = self.before(plan, &event.ordinal, at - maxspan);
        for kind in self.kinds.values() {
            let behind = kind.partition_point(|other| other.ordinal <= event.ordinal);
            let of_next = kind.partition_point(|other| other.event_time() < next).max(behind);
            let adjacent = kind.range(behind..).take(few.min(of_next - behind));
            let in_next = kind.range(of_next..).take(few);
            near.extend(
                adjacent.chain(in_next).filter(|other| other.event_time() - at <= maxspan).cloned(),
            );
        }
        near.sort_by(|a, b| a.ordinal.cmp(&b.ordinal));
        near
    }
}

/// Returns the number of the window of maxspan that a time lies in.
fn window_of(plan: &Plan, at: EventTime) -> i64 {
    at.nanos().div_euclid(plan.times.maxspan.nanos().max(1))
}

/// Chooses an event for each term out of `near`, all within maxspan before `newest`, which is one of
/// them, as is `required`.
fn choose_ending_with(
    plan: &Plan,
    near: &[Arc<Candidate>],
    newest: &Arc<Candidate>,
    required: Option<&Arc<Candidate>>,
) -> Option<Vec<Arc<Candidate>>> {
    let oldest: EventTime = newest.event_time() - plan.times.maxspan;
    let is_near =
        |event: &&Arc<Candidate>| event.event_time() >= oldest && event.ordinal <= newest.ordinal;
    let events: Vec<&Arc<Candidate>> = near.iter().filter(is_near).collect();
    let terms = plan.stages.len();
    let has = |term: usize| events.iter().any(|event| event.terms.has(term));
    let is_far = required.is_some_and(|event| event.event_time() < oldest);
    if is_far || !(0..terms).all(has) {
        return None;
    }
    let required = required.into_iter().chain([newest]);
    let required: Vec<usize> = required
        .filter_map(|event| events.iter().position(|e| e.ordinal == event.ordinal))
        .collect();
    Matching::new(terms, &events).complete(&required)
}

/// A choice of distinct events for terms, as far as it has come.
struct Matching<'a> {
    events: &'a [&'a Arc<Candidate>],
    /// By term, the index of its event.
    event_of: Vec<Option<usize>>,
    /// By event, the term that it is chosen for.
    term_of: Vec<Option<usize>>,
}

impl<'a> Matching<'a> {
    fn new(terms: usize, events: &'a [&'a Arc<Candidate>]) -> Self {
        Self { events, event_of: vec![None; terms], term_of: vec![None; events.len()] }
    }

    /// Chooses for all terms, `required` among them; nothing if there is no such choice.
    ///
    /// The required events come first. An augmenting path never frees a matched event, so they stay;
    /// and if they can be chosen and all terms can, one choice does both (Mendelsohn and Dulmage).
    fn complete(mut self, required: &[usize]) -> Option<Vec<Arc<Candidate>>> {
        for event in required {
            let mut tried = vec![false; self.event_of.len()];
            if self.term_of[*event].is_none() && !self.augment_from_event(*event, &mut tried) {
                return None;
            }
        }
        for term in 0..self.event_of.len() {
            let mut tried = vec![false; self.events.len()];
            if self.event_of[term].is_none() && !self.augment_from_term(term, &mut tried) {
                return None;
            }
        }
        let chosen = self.event_of.iter().map(|event| event.map(|e| Arc::clone(self.events[e])));
        chosen.collect()
    }

    /// Finds a term for an event, moving others if need be. As deep as there are terms.
    fn augment_from_event(&mut self, event: usize, tried: &mut [bool]) -> bool {
        for term in 0..self.event_of.len() {
            if !self.events[event].terms.has(term) || std::mem::replace(&mut tried[term], true) {
                continue;
            }
            let is_free = match self.event_of[term] {
                None => true,
                Some(other) => self.augment_from_event(other, tried),
            };
            if is_free {
                (self.event_of[term], self.term_of[event]) = (Some(event), Some(term));
                return true;
            }
        }
        false
    }

    /// Finds an event for a term, giving others another one if need be. As deep as there are terms.
    fn augment_from_term(&mut self, term: usize, tried: &mut [bool]) -> bool {
        for event in 0..self.events.len() {
            if !self.events[event].terms.has(term) || std::mem::replace(&mut tried[event], true) {
                continue;
            }
            let is_free = match self.term_of[event] {
                None => true,
                Some(other) => self.augment_from_term(other, tried),
            };
            if is_free {
                (self.event_of[term], self.term_of[event]) = (Some(event), Some(term));
                return true;
            }
        }
        false
    }
}

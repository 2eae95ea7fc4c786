//! `sample`: distinct events, one for each term, in any order.
//!
//! A batch engine looks at all events of a run; a stream has none. So each key keeps the last few
//! events of each term, and gives one sample for each window of maxspan: the window's number, that
//! of the newest event, identifies it. Order of arrival and emission play no part: what has been
//! found stays found.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Match;
use super::machine::Candidate;
use super::plan::Plan;
use crate::event::EventTime;

/// The events of one key that a sample may be made of.
#[derive(Debug, Default)]
pub(super) struct Sample {
    /// By term: the newest events, by ordinal. As many as there are terms are enough: no more can
    /// be taken by the others.
    by_term: Vec<VecDeque<Arc<Candidate>>>,
}

impl Sample {
    /// Takes an event in, and returns the sample that it completes.
    pub(super) fn push(&mut self, plan: &Plan, candidate: &Arc<Candidate>) -> Option<Match> {
        let terms = plan.stages.len();
        self.by_term.resize_with(terms, VecDeque::new);
        for (term, events) in self.by_term.iter_mut().enumerate() {
            if candidate.terms.has(term) {
                let at = events.partition_point(|event| event.ordinal < candidate.ordinal);
                events.insert(at, Arc::clone(candidate));
                if events.len() > terms {
                    events.pop_front();
                }
            }
        }
        let mut chosen = Vec::with_capacity(terms);
        self.choose(plan, candidate, &mut chosen).then(|| Match {
            window: Some(window(plan, &chosen)),
            events: chosen,
            order_adjusted: false,
            deadline: None,
        })
    }

    /// Frees the events before `limit`.
    pub(super) fn expire(&mut self, limit: EventTime) {
        for events in &mut self.by_term {
            events.retain(|event| event.event_time() >= limit);
        }
    }

    /// Lets go of the events beyond `limit`.
    pub(super) fn drop_beyond(&mut self, limit: EventTime) {
        for events in &mut self.by_term {
            events.retain(|event| event.event_time() <= limit);
        }
    }

    /// Returns the events that it holds; one of two terms twice.
    pub(super) fn candidates(&self) -> impl Iterator<Item = &Arc<Candidate>> {
        self.by_term.iter().flatten()
    }

    /// Returns how many candidates it holds; one of two terms counts twice.
    pub(super) fn candidate_count(&self) -> usize {
        self.by_term.iter().map(VecDeque::len).sum()
    }

    /// Returns about how many bytes of the heap it takes, candidates not counted.
    pub(super) fn heap_bytes(&self) -> usize {
        let queues = self.by_term.capacity() * size_of::<VecDeque<Arc<Candidate>>>();
        let entries: usize = self.by_term.iter().map(VecDeque::capacity).sum();
        queues + entries * size_of::<Arc<Candidate>>()
    }

    /// Returns the earliest time of all events that it holds.
    pub(super) fn earliest(&self) -> Option<EventTime> {
        self.candidates().map(|event| event.event_time()).min()
    }

    /// Chooses distinct events for the terms from `chosen.len()` on, the newest arrivals first, so
    /// that `newest` is one of them and all lie within maxspan; tells whether there are such.
    fn choose(&self, plan: &Plan, newest: &Candidate, chosen: &mut Vec<Arc<Candidate>>) -> bool {
        let Some(events) = self.by_term.get(chosen.len()) else {
            return chosen.iter().any(|event| event.ordinal == newest.ordinal);
        };
        for event in events.iter().rev() {
            let is_taken = chosen.iter().any(|other| other.ordinal == event.ordinal);
            let is_near = chosen.iter().all(|other| {
                let (a, b) = (other.event_time(), event.event_time());
                a.max(b) - a.min(b) <= plan.times.maxspan
            });
            if !is_taken && is_near {
                chosen.push(Arc::clone(event));
                if self.choose(plan, newest, chosen) {
                    return true;
                }
                chosen.pop();
            }
        }
        false
    }
}

/// Returns the number of the window of maxspan that the newest event lies in.
fn window(plan: &Plan, events: &[Arc<Candidate>]) -> i64 {
    let newest = events.iter().map(|event| event.event_time().nanos()).max().unwrap_or(0);
    newest.div_euclid(plan.times.maxspan.nanos().max(1))
}

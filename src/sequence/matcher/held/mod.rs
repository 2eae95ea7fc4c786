//! The held candidates of one key of a sequence, and what they match.
//!
//! Most keys never hold more than one candidate. Of these there is little to know, and it stands in the
//! key itself ([`Lone`]); with a second one it becomes what can hold [`Many`], and back again. What is
//! known of one is the same in both forms.
//!
//! Use: [`insert`](Held::insert) or [`remove`](Held::remove), then [`refresh`](Held::refresh), which tells
//! what an arrival shows; [`decide`](Held::decide) for what is below a watermark.

mod block;
mod decide;
mod lone;
mod many;
mod refresh;

use std::sync::Arc;

use super::partial::Partial;
use crate::event::{EventTime, Ordinal, TimeSpan};
use crate::sequence::absences::Verdict;
use crate::sequence::candidate::Candidate;
use crate::sequence::pace::Pace;
use crate::sequence::plan::Plan;
use crate::sequence::watermark::Newest;

pub(in crate::sequence) use block::HeldEvent;
use lone::Lone;
use many::Many;
use refresh::Shown;

/// The held candidates of one key.
#[derive(Debug)]
pub(in crate::sequence) enum Held {
    /// None, and how many sequences were pending as of the last [`refresh`](Self::refresh).
    Nothing(u32),
    /// One, of a plan that needs more for a match.
    One(Lone),
    /// Any number.
    Many(Box<Many>),
}

impl Default for Held {
    fn default() -> Self {
        Self::Nothing(0)
    }
}

impl Held {
    /// Adds a candidate that is not held.
    pub(in crate::sequence) fn insert(&mut self, plan: &Plan, event: HeldEvent) {
        match self {
            Self::Nothing(pending) if Lone::is_enough_for(plan) => {
                *self = Self::One(Lone::new(event, *pending));
            }
            _ => self.many(plan).insert(plan, event),
        }
    }

    /// Lets a candidate go.
    pub(in crate::sequence) fn remove(&mut self, plan: &Plan, candidate: &Candidate) {
        match self {
            Self::Nothing(_) => {}
            Self::One(lone) if lone.is(candidate) => *self = Self::Nothing(lone.pending),
            Self::One(_) => {}
            Self::Many(many) => many.remove(plan, candidate),
        }
    }

    /// Notes the pace at which a candidate counts as arrived.
    pub(in crate::sequence) fn arrive(&mut self, candidate: &Candidate, arrival: Pace) {
        match self {
            Self::One(lone) if lone.is(candidate) => {
                lone.event.arrival = lone.event.arrival.or(Some(arrival));
            }
            Self::Nothing(_) | Self::One(_) => {}
            Self::Many(many) => many.arrive(candidate, arrival),
        }
    }

    /// Returns what is held of a candidate.
    pub(in crate::sequence) fn event(&self, candidate: &Candidate) -> Option<&HeldEvent> {
        match self {
            Self::Nothing(_) => None,
            Self::One(lone) => lone.is(candidate).then_some(&lone.event),
            Self::Many(many) => many.event(candidate),
        }
    }

    /// Returns the event by which the key's now goes.
    pub(in crate::sequence) fn newest(&self) -> Option<Newest> {
        match self {
            Self::Nothing(_) => None,
            Self::One(lone) => lone.newest(),
            Self::Many(many) => many.newest(),
        }
    }

    /// Returns how many sequences are pending, as of the last [`refresh`](Self::refresh).
    pub(in crate::sequence) fn pending_count(&self) -> usize {
        match self {
            Self::Nothing(pending) => *pending as usize,
            Self::One(lone) => lone.pending as usize,
            Self::Many(many) => many.pending_count(),
        }
    }

    /// Returns what the absences say of a complete sequence.
    pub(in crate::sequence) fn judge(&self, plan: &Plan, sequence: &Partial) -> Verdict {
        match self {
            Self::Nothing(_) => Many::default().judge(plan, sequence),
            Self::One(lone) => lone.clone().into_many(plan).judge(plan, sequence),
            Self::Many(many) => many.judge(plan, sequence),
        }
    }

    /// Returns the time of the newest candidate that is done.
    pub(in crate::sequence) fn done_until(&self) -> Option<EventTime> {
        match self {
            Self::Nothing(_) => None,
            Self::One(lone) => lone.done_until(),
            Self::Many(many) => many.done_until(),
        }
    }

    /// Tells whether anything comes behind a candidate in the order.
    pub(in crate::sequence) fn has_behind(&self, ordinal: &Ordinal) -> bool {
        match self {
            Self::Nothing(_) => false,
            Self::One(lone) => lone.event.candidate.ordinal > *ordinal,
            Self::Many(many) => many.has_behind(ordinal),
        }
    }

    /// Notes that a match has left.
    pub(in crate::sequence) fn note_sent(&mut self, sequence: &Partial) {
        match self {
            Self::Nothing(_) => {}
            Self::One(lone) if lone.is(sequence.last()) => lone.event.note_sent(sequence),
            Self::One(_) => {}
            Self::Many(many) => many.note_sent(sequence),
        }
    }

    /// Runs the machine over what has changed.
    ///
    /// `inserted` is the candidate that has just come, if one has.
    pub(in crate::sequence) fn refresh(
        &mut self,
        plan: &Plan,
        inserted: Option<&Arc<Candidate>>,
        keeps_completed: bool,
    ) -> Shown {
        let shown = match self {
            Self::Nothing(pending) => {
                *pending = 0;
                return Shown::default();
            }
            Self::One(lone) => {
                lone.refresh(plan, keeps_completed);
                return Shown::default();
            }
            Self::Many(many) => many.refresh(plan, inserted, keeps_completed),
        };
        self.fold(plan);
        shown
    }

    /// Decides what is below a limit: returns the matches that hold, each once, and marks what is
    /// done. `forbids_for` is for how long after its final event a match may still be taken back.
    pub(in crate::sequence) fn decide(
        &mut self,
        plan: &Plan,
        limit: EventTime,
        forbids_for: TimeSpan,
    ) -> Vec<(Arc<Partial>, Option<EventTime>)> {
        match self {
            Self::Nothing(_) => Vec::new(),
            Self::One(lone) => {
                lone.decide(limit, forbids_for);
                Vec::new()
            }
            Self::Many(many) => many.decide(plan, limit, forbids_for),
        }
    }

    /// Returns the complete sequences that contain one of these and have not been decided.
    pub(in crate::sequence) fn undecided_with(
        &self,
        plan: &Plan,
        candidates: &[Arc<Candidate>],
    ) -> Vec<Arc<Partial>> {
        match self {
            Self::Nothing(_) | Self::One(_) => Vec::new(),
            Self::Many(many) => many.undecided_with(plan, candidates),
        }
    }

    /// Returns what the watermark must be past for something to be decided.
    pub(in crate::sequence) fn next_limit(&self) -> Option<EventTime> {
        match self {
            Self::Nothing(_) => None,
            Self::One(lone) => lone.next_limit,
            Self::Many(many) => many.next_limit(),
        }
    }

    /// Returns about how many bytes so many candidates take beside the key itself.
    pub(in crate::sequence) fn bytes_of(plan: &Plan, candidates: usize) -> usize {
        match candidates {
            0 => 0,
            1 if Lone::is_enough_for(plan) => 0,
            _ => Many::bytes_of_first() + candidates * Many::bytes_of_one(),
        }
    }

    /// Returns it in the form that can hold many.
    fn many(&mut self, plan: &Plan) -> &mut Many {
        let many = match std::mem::take(self) {
            Self::Nothing(pending) => Box::new(Many::with_pending(pending)),
            Self::One(lone) => Box::new(lone.into_many(plan)),
            Self::Many(many) => many,
        };
        *self = Self::Many(many);
        match self {
            Self::Many(many) => many,
            Self::Nothing(_) | Self::One(_) => unreachable!("it has just become that"),
        }
    }

    /// Goes back to the smaller form where that is enough.
    fn fold(&mut self, plan: &Plan) {
        let Self::Many(many) = self else { return };
        if many.is_empty() {
            *self = Self::Nothing(many.pending_count() as u32);
        } else if Lone::is_enough_for(plan)
            && let Some(lone) = Lone::take_from(many)
        {
            *self = Self::One(lone);
        }
    }
}

//! Order tolerance: a second chance for hits that took no strict sequence.
//!
//! It stands beside the strict machine and never changes what that finds. Such a hit may take a pending
//! sequence that needed the tolerance itself; these have slots of their own, where the newest overwrites
//! the older one. And it is kept: a sequence that is formed later may take it although it is up to the
//! tolerance older. So whether a hit is kept depends on strict sequences alone, and no state reaches
//! back further than twice maxspan and the tolerance of each stage.

use std::collections::VecDeque;
use std::sync::Arc;

use super::partial::{self, Partial, Slots};
use crate::event::EventTime;
use crate::sequence::candidate::Candidate;
use crate::sequence::plan::Plan;

/// So many hits share an allocation, and are copied at once.
const CHUNK: usize = 64;

/// What a machine keeps for the order tolerance.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::sequence) struct Tolerance {
    adjusted: Slots,
    /// By stage.
    unmatched: Vec<Unmatched>,
}

/// Hits on one stage that took no strict sequence, by ordinal, in chunks that copies of a machine share.
#[derive(Clone, Debug, Default)]
struct Unmatched(VecDeque<Chunk>);

type Chunk = Arc<Vec<Arc<Candidate>>>;

impl PartialEq for Unmatched {
    fn eq(&self, other: &Self) -> bool {
        let is_same = |(a, b): (&Chunk, &Chunk)| {
            let is_same = |(a, b): (&Arc<Candidate>, &Arc<Candidate>)| Arc::ptr_eq(a, b);
            Arc::ptr_eq(a, b) || (a.len() == b.len() && a.iter().zip(&**b).all(is_same))
        };
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(is_same)
    }
}

impl Unmatched {
    fn push(&mut self, candidate: &Arc<Candidate>) {
        match self.0.back_mut().filter(|chunk| chunk.len() < CHUNK) {
            Some(chunk) => Arc::make_mut(chunk).push(Arc::clone(candidate)),
            None => self.0.push_back(Arc::new(vec![Arc::clone(candidate)])),
        }
    }

    fn forget_before(&mut self, limit: EventTime) {
        let is_past = |chunk: &Chunk| chunk.last().is_none_or(|last| last.event_time() < limit);
        while self.0.front().is_some_and(is_past) {
            self.0.pop_front();
        }
    }

    /// Returns the hits from a time on, the oldest first.
    fn since(&self, oldest: EventTime) -> impl DoubleEndedIterator<Item = &Arc<Candidate>> {
        let chunks = self
            .0
            .partition_point(|chunk| chunk.last().is_some_and(|last| last.event_time() < oldest));
        let hits = self.0.range(chunks..).flat_map(|chunk| chunk.iter());
        hits.filter(move |hit| hit.event_time() >= oldest)
    }

    /// Removes the hits from a time on that `is_taken` says.
    fn remove_since(&mut self, oldest: EventTime, is_taken: impl Fn(&Candidate) -> bool) {
        let chunks = self
            .0
            .partition_point(|chunk| chunk.last().is_some_and(|last| last.event_time() < oldest));
        for chunk in self.0.drain(chunks..).collect::<Vec<_>>() {
            for hit in chunk.iter().filter(|hit| hit.event_time() < oldest || !is_taken(hit)) {
                self.push(hit);
            }
        }
    }
}

impl Tolerance {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            adjusted: vec![None; plan.stages.len() - 1],
            unmatched: vec![Unmatched::default(); plan.stages.len()],
        }
    }

    /// Keeps a hit that took no strict sequence.
    pub(super) fn keep(&mut self, stage: usize, candidate: &Arc<Candidate>) {
        self.unmatched[stage].push(candidate);
    }

    /// Returns how many sequences are pending that needed the tolerance.
    pub(super) fn pending_count(&self) -> usize {
        self.adjusted.iter().flatten().count()
    }

    /// Takes the sequence that waits for this stage.
    pub(super) fn take_before(&mut self, stage: usize) -> Option<Arc<Partial>> {
        self.adjusted[stage - 1].take()
    }

    /// Puts a sequence into the slot of its stage, or returns it if it is complete.
    pub(super) fn place(&mut self, partial: Arc<Partial>) -> Option<Arc<Partial>> {
        partial::place(&mut self.adjusted, partial)
    }

    /// Ends everything that is pending.
    pub(super) fn clear(&mut self) {
        self.adjusted.fill(None);
    }

    /// Forgets what an event at this time or later cannot take or extend any more.
    pub(super) fn forget(&mut self, plan: &Plan, at: EventTime) {
        partial::free_over_maxspan(&mut self.adjusted, plan, at);
        let reach = plan.times.order_tolerance.times(plan.stages.len() as i64);
        for unmatched in &mut self.unmatched {
            unmatched.forget_before(at - reach);
        }
    }

    /// Offers each sequence that an event has just formed to the kept hits of the next stage, and
    /// what comes of it to those of the stage behind.
    ///
    /// `strict` are the slots of sequences that did not need the tolerance.
    pub(super) fn rescue(
        &mut self,
        plan: &Plan,
        strict: &Slots,
        candidate: &Arc<Candidate>,
    ) -> Vec<Arc<Partial>> {
        let mut completed = Vec::new();
        let mut formed = self.formed_by(strict, candidate);
        while let Some(partial) = formed.pop() {
            if partial.stage() + 2 == plan.stages.len() {
                self.complete_rescued(plan, &partial, &mut completed);
            } else {
                formed.extend(self.place_rescued(plan, &partial));
            }
        }
        completed
    }

    /// Returns the pending sequences that end with an event, by stage.
    fn formed_by(&self, strict: &Slots, candidate: &Arc<Candidate>) -> Vec<Arc<Partial>> {
        if self.unmatched.iter().all(|unmatched| unmatched.0.is_empty()) {
            return Vec::new();
        }
        let is_new = |partial: &&Arc<Partial>| Arc::ptr_eq(partial.last(), candidate);
        let slots = strict.iter().zip(&self.adjusted);
        let new = slots.filter_map(|(strict, adjusted)| {
            strict.as_ref().filter(is_new).or_else(|| adjusted.as_ref().filter(is_new))
        });
        new.cloned().collect()
    }

    /// Completes a sequence with every kept hit that fits. Without absences a hit that has ended a
    /// match is of no more use: another match of it would be the same alert.
    fn complete_rescued(
        &mut self,
        plan: &Plan,
        partial: &Arc<Partial>,
        completed: &mut Vec<Arc<Partial>>,
    ) {
        let oldest = partial.last().event_time() - plan.times.order_tolerance;
        let unmatched = &mut self.unmatched[partial.stage() + 1];
        let before = completed.len();
        let fitting = unmatched.since(oldest).filter(|hit| fits(plan, partial, hit));
        completed.extend(fitting.map(|hit| partial.with(hit, true)));
        if completed.len() > before && !plan.has_absence() {
            unmatched.remove_since(oldest, |hit| fits(plan, partial, hit));
        }
    }

    /// Extends a sequence by the newest kept hit that fits.
    fn place_rescued(&mut self, plan: &Plan, partial: &Arc<Partial>) -> Option<Arc<Partial>> {
        let stage = partial.stage() + 1;
        let oldest = partial.last().event_time() - plan.times.order_tolerance;
        let hit = self.unmatched[stage].since(oldest).rfind(|hit| fits(plan, partial, hit))?;
        let longer = partial.with(hit, true);
        self.adjusted[stage] = Some(Arc::clone(&longer));
        Some(longer)
    }
}

fn fits(plan: &Plan, partial: &Partial, hit: &Candidate) -> bool {
    !partial.holds(hit) && partial.reaches(plan, hit.event_time())
}

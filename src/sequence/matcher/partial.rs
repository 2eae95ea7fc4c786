//! Sequences that have begun. Those that go on from the same events share them.

use std::sync::Arc;

use crate::event::EventTime;
use crate::sequence::candidate::Candidate;
use crate::sequence::plan::Plan;

/// A sequence that has begun, perhaps a complete one: its last event, and what it goes on from.
#[derive(Debug)]
pub(in crate::sequence) struct Partial {
    last: Arc<Candidate>,
    before: Option<Arc<Self>>,
    stage: usize,
    earliest: EventTime,
    latest: EventTime,
    is_adjusted: bool,
    digest: u64,
}

impl Partial {
    pub(super) fn start(candidate: &Arc<Candidate>) -> Arc<Self> {
        let at = candidate.event_time();
        Arc::new(Self {
            last: Arc::clone(candidate),
            before: None,
            stage: 0,
            earliest: at,
            latest: at,
            is_adjusted: false,
            digest: digest_of(0, candidate),
        })
    }

    /// Returns the sequence with one more event.
    pub(super) fn with(
        self: &Arc<Self>,
        candidate: &Arc<Candidate>,
        is_adjusted: bool,
    ) -> Arc<Self> {
        let at = candidate.event_time();
        Arc::new(Self {
            last: Arc::clone(candidate),
            before: Some(Arc::clone(self)),
            stage: self.stage + 1,
            earliest: self.earliest.min(at),
            latest: self.latest.max(at),
            is_adjusted: self.is_adjusted || is_adjusted,
            digest: digest_of(self.digest, candidate),
        })
    }

    /// Returns the event of the last stage that it has come to.
    pub(in crate::sequence) fn last(&self) -> &Arc<Candidate> {
        &self.last
    }

    /// Returns the event of the first stage.
    pub(in crate::sequence) fn first(&self) -> &Arc<Candidate> {
        let mut first = self;
        while let Some(before) = &first.before {
            first = before;
        }
        &first.last
    }

    /// Returns the sequence without its last event.
    pub(in crate::sequence) fn before(&self) -> Option<&Self> {
        self.before.as_deref()
    }

    /// Returns the stage of its last event.
    pub(in crate::sequence) fn stage(&self) -> usize {
        self.stage
    }

    /// Returns the time of its latest event: of an adjusted one it need not be the last stage's.
    pub(in crate::sequence) fn latest(&self) -> EventTime {
        self.latest
    }

    /// Tells whether it needed the order tolerance.
    pub(in crate::sequence) fn is_adjusted(&self) -> bool {
        self.is_adjusted
    }

    /// Returns a number that two sequences share if they are made of the same events.
    pub(super) fn digest(&self) -> u64 {
        self.digest
    }

    /// Returns its events in the order of the stages.
    pub(in crate::sequence) fn events(&self) -> Vec<Arc<Candidate>> {
        let mut events = vec![Arc::clone(&self.last)];
        let mut left = self.before.as_deref();
        while let Some(partial) = left {
            events.push(Arc::clone(&partial.last));
            left = partial.before.as_deref();
        }
        events.reverse();
        events
    }

    /// Tells whether the event is one of its own.
    pub(in crate::sequence) fn holds(&self, candidate: &Candidate) -> bool {
        let mut left = Some(self);
        while let Some(partial) = left {
            if std::ptr::eq(&raw const *partial.last, candidate) {
                return true;
            }
            left = partial.before.as_deref();
        }
        false
    }

    /// Tells whether maxspan allows an event at this time.
    pub(super) fn reaches(&self, plan: &Plan, at: EventTime) -> bool {
        self.latest.max(at) - self.earliest.min(at) <= plan.times.maxspan
    }
}

fn digest_of(before: u64, candidate: &Candidate) -> u64 {
    let identity = candidate.event.identity.0;
    before.rotate_left(7) ^ (identity ^ identity >> 64) as u64
}

impl PartialEq for Partial {
    fn eq(&self, other: &Self) -> bool {
        if self.digest != other.digest {
            return false;
        }
        let (mut left, mut right) = (self, other);
        loop {
            if std::ptr::eq(left, right) {
                return true;
            }
            let is_same =
                Arc::ptr_eq(&left.last, &right.last) && left.is_adjusted == right.is_adjusted;
            match (&left.before, &right.before) {
                _ if !is_same => return false,
                (None, None) => return true,
                (Some(before_left), Some(before_right)) => {
                    (left, right) = (before_left, before_right)
                }
                _ => return false,
            }
        }
    }
}

/// A slot for each stage but the last one: the sequence whose last event is of that stage.
pub(super) type Slots = Vec<Option<Arc<Partial>>>;

/// Puts a sequence into the slot of its stage, or returns it if it is complete.
pub(super) fn place(slots: &mut Slots, partial: Arc<Partial>) -> Option<Arc<Partial>> {
    match slots.get_mut(partial.stage) {
        Some(slot) => {
            *slot = Some(partial);
            None
        }
        None => Some(partial),
    }
}

/// Frees the slots that no event from this time on can extend.
pub(super) fn free_over_maxspan(slots: &mut Slots, plan: &Plan, at: EventTime) {
    for slot in slots {
        slot.take_if(|partial| at - partial.earliest > plan.times.maxspan);
    }
}

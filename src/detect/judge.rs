//! Judging: what a record says, and which stages of which rules it satisfies. Keeps no state but
//! memory for the next record.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::gate::Gate;
use crate::event::decode::Scratch;
use crate::event::{Arena, Fields, Memory};
use crate::normalize::Envelope;
use crate::rule::cost::{Cost, NanoClock, Profile};
use crate::rule::set::{RuleSet, TermRef};

/// Why a record is a dead letter on which the detector has failed.
pub(super) const INTERNAL: &str = "internal";

/// Judges records by a rule set.
///
/// For each record take [`arena`](Self::arena), judge within it, and give back first the [`Judged`] with
/// [`recycle`](Self::recycle), then the arena with [`keep`](Self::keep): their memory serves the next record.
pub(super) struct Judge {
    rules: Arc<RuleSet>,
    max_record_bytes: usize,
    /// Nothing if each record is to be judged.
    gate: Option<Gate>,
    /// Counts what each rule costs, if somebody wants to know.
    profile: Option<Profile>,
    scratch: Scratch,
    spare: Memory,
    spare_arena: Arena,
    spare_hits: Vec<TermRef>,
}

/// A record that could be read.
pub(super) struct Judged<'p> {
    /// The record as it came.
    pub(super) payload: &'p [u8],
    /// The normalized values of the fields that rules name.
    pub(super) fields: Fields<'p>,
    /// Shape, time, host.
    pub(super) envelope: Envelope,
    /// The terms that it satisfies, in the order of rules and terms; none without a time.
    pub(super) hits: Vec<TermRef>,
    /// Terms that would have taken too much work to decide.
    pub(super) undecided: Vec<TermRef>,
}

impl Judge {
    /// Returns a judge of records of at most so many bytes, behind a gate if there is one.
    pub(super) fn new(rules: Arc<RuleSet>, max_record_bytes: usize, gate: Option<Gate>) -> Self {
        let (spare, spare_arena, spare_hits) = (Memory::default(), Arena::new(), Vec::new());
        let scratch = Scratch::default();
        let profile = None;
        Self { rules, max_record_bytes, gate, profile, scratch, spare, spare_arena, spare_hits }
    }

    /// Tells whether it may reject records.
    pub(super) fn has_gate(&self) -> bool {
        self.gate.is_some()
    }

    /// Tells that a record satisfies no term, by its bytes: then it need not be judged.
    pub(super) fn rejects(&mut self, payload: Option<&[u8]>) -> bool {
        let Some(payload) = payload.filter(|payload| payload.len() <= self.max_record_bytes) else {
            return false;
        };
        match (&mut self.gate, self.rules.prefilter()) {
            (Some(gate), Some(prefilter)) => gate.rejects(prefilter, payload),
            _ => false,
        }
    }

    /// Counts from now on what each rule costs.
    pub(super) fn profile(&mut self, clock: NanoClock) {
        self.profile = Some(Profile::new(self.rules.rules().len(), clock));
    }

    /// Replaces what counts, and returns what did.
    pub(super) fn set_profile(&mut self, profile: Option<Profile>) -> Option<Profile> {
        std::mem::replace(&mut self.profile, profile)
    }

    /// Returns by rule what was counted since the last call; nothing where nothing is.
    pub(super) fn take_costs(&mut self) -> Vec<Cost> {
        self.profile.as_mut().map(Profile::take).unwrap_or_default()
    }

    /// Returns an empty arena for the next record.
    pub(super) fn arena(&mut self) -> Arena {
        std::mem::take(&mut self.spare_arena)
    }

    /// Takes the arena of a record back.
    pub(super) fn keep(&mut self, mut arena: Arena) {
        arena.reset();
        self.spare_arena = arena;
    }

    /// Judges a record. A panic on the way is a fault of ours that this record brings to light: no
    /// state has changed, so it is a dead letter, and the stream goes on.
    ///
    /// # Errors
    /// If it cannot be read: why, as dead letters say it.
    pub(super) fn judge<'p>(
        &mut self,
        payload: Option<&'p [u8]>,
        arena: &'p Arena,
    ) -> Result<Judged<'p>, &'static str> {
        // What a panic leaves behind is memory for the next record, which is taken out at first.
        let judged = catch_unwind(AssertUnwindSafe(|| self.try_judge(payload, arena)));
        judged.unwrap_or(Err(INTERNAL))
    }

    fn try_judge<'p>(
        &mut self,
        payload: Option<&'p [u8]>,
        arena: &'p Arena,
    ) -> Result<Judged<'p>, &'static str> {
        #[cfg(test)]
        assert_ne!(payload, Some(tests::PANICS), "as a fault of ours would");
        let payload = payload.ok_or("null_payload")?;
        if payload.len() > self.max_record_bytes {
            return Err("too_large");
        }
        let memory = std::mem::take(&mut self.spare);
        let mut fields = Fields::within(memory, self.rules.fields().len(), arena);
        let envelope = match self.rules.read(&mut self.scratch, payload, &mut fields) {
            Ok(envelope) => envelope,
            Err(error) => {
                self.spare = fields.into_memory();
                return Err(error.reason());
            }
        };
        let mut hits = std::mem::take(&mut self.spare_hits);
        let undecided = match envelope.event_time {
            Some(_) => match &mut self.profile {
                None => self.rules.hits(&fields, &mut hits),
                Some(profile) => self.rules.observed_hits(&fields, &mut hits, profile),
            },
            None => {
                hits.clear();
                Vec::new()
            }
        };
        Ok(Judged { payload, fields, envelope, hits, undecided })
    }

    /// Takes the memory of a record back.
    pub(super) fn recycle(&mut self, judged: Judged<'_>) {
        self.spare = judged.fields.into_memory();
        self.spare_hits = judged.hits;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rule::set::Defaults;

    /// A record that makes the judge panic.
    pub(in crate::detect) const PANICS: &[u8] = b"{\"panics\":true}";

    #[test]
    fn record_that_panics_is_unreadable_and_the_next_one_is_judged() {
        let (rules, _) = RuleSet::compile(Vec::new(), &Defaults::default());
        let mut judge = Judge::new(Arc::new(rules), 1_000, None);
        let arena = judge.arena();
        assert_eq!(judge.judge(Some(PANICS), &arena).err(), Some(INTERNAL));
        assert!(judge.judge(Some(b"{}"), &arena).is_ok());
    }
}

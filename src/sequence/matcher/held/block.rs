//! A stretch of the held candidates, and what is known of it.

use std::sync::Arc;

use crate::event::{EventTime, Ordinal, TimeSpan};
use crate::sequence::candidate::Candidate;
use crate::sequence::matcher::one_slot::OneSlot;
use crate::sequence::matcher::partial::Partial;
use crate::sequence::pace::Pace;

/// Most candidates of a block. Few in builds for tests, so that short streams come to many blocks.
pub(super) const BLOCK: usize = if cfg!(debug_assertions) { 3 } else { 64 };

/// Of so many candidates it costs less to run the machine again than to keep it.
pub(super) const FEW: usize = if cfg!(debug_assertions) { 2 } else { 6 };

/// What has become of a candidate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::sequence) struct Fate {
    /// A match that ends with it has left.
    pub(in crate::sequence) is_sent: bool,
    /// What ends with it has been looked at below the watermark.
    pub(in crate::sequence) is_judged: bool,
    /// It is decided: nothing that comes above the watermark changes what ends with it.
    pub(in crate::sequence) is_done: bool,
    /// It matches nothing, as what forbids it may be gone.
    pub(in crate::sequence) is_refused: bool,
    /// A later arrival has shown the match that left differently.
    pub(super) is_contradicted: bool,
}

/// A candidate that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sequence) struct HeldEvent {
    pub(in crate::sequence) candidate: Arc<Candidate>,
    /// The pace at its arrival; nothing while its source is ahead of the others.
    pub(in crate::sequence) arrival: Option<Pace>,
    /// By how many milliseconds it was behind its key's now when it came, for rules with absences.
    pub(in crate::sequence) behind_ms: u32,
    /// Half of the digest of the match that has left.
    pub(super) sent_as: u32,
    pub(in crate::sequence) fate: Fate,
}

impl HeldEvent {
    /// Returns a candidate of which nothing has become yet.
    pub(in crate::sequence) fn new(
        candidate: Arc<Candidate>,
        arrival: Option<Pace>,
        behind_ms: u32,
    ) -> Self {
        Self { candidate, arrival, behind_ms, sent_as: 0, fate: Fate::default() }
    }

    /// Notes that a match has left that ends with it.
    pub(super) fn note_sent(&mut self, sequence: &Partial) {
        self.fate.is_sent = true;
        self.sent_as = sequence.digest() as u32;
        // Of an adjusted match the events behind it have a say too: it is not looked at again.
        self.fate.is_contradicted = sequence.is_adjusted();
    }

    pub(super) fn time(&self) -> EventTime {
        self.candidate.event_time()
    }
}

/// A stretch of the held candidates.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// INVARIANT: by ordinal, never empty.
    pub(super) held: Vec<HeldEvent>,
    /// The machine behind its last candidate; nothing where it is not known, or not worth its room.
    pub(super) end: Option<Box<OneSlot>>,
    /// What was completed in it, where it is decided later.
    pub(super) completed: Vec<Arc<Partial>>,
    /// The digests of all that was completed in it.
    pub(super) known: Vec<u64>,
    /// Whether the machine has to be run over it again.
    pub(super) is_stale: bool,
    /// Whether the machine has yet to be run over its last candidate alone.
    pub(super) has_appended: bool,
    /// The watermark must be past this for something of it to be decided; nothing if all is.
    pub(super) next_limit: Option<EventTime>,
    /// Its newest candidate that is done.
    pub(super) done_until: Option<EventTime>,
}

impl Block {
    pub(super) fn of(held: Vec<HeldEvent>) -> Self {
        Self { held, is_stale: true, ..Self::default() }
    }

    pub(super) fn last(&self) -> &Ordinal {
        &self.held[self.held.len() - 1].candidate.ordinal
    }

    /// Marks what is done below a limit, and notes what is next.
    pub(super) fn mark_done(&mut self, limit: EventTime, forbids_for: TimeSpan) {
        for held in self.held.iter_mut().filter(|held| !held.fate.is_done) {
            let until = held.time() + forbids_for;
            if until < limit {
                held.fate.is_done = true;
            } else {
                self.next_limit = self.next_limit.into_iter().chain([until]).min();
            }
        }
        self.set_done_until();
    }

    pub(super) fn set_done_until(&mut self) {
        let done = self.held.iter().rev().find(|held| held.fate.is_done);
        self.done_until = done.map(HeldEvent::time);
    }
}

/// A stretch of blocks, by index.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stretch {
    pub(super) first: usize,
    /// The index behind the last one; 0 if there is none.
    pub(super) end: usize,
}

impl Stretch {
    pub(super) fn include(&mut self, at: usize) {
        self.first = if self.end == 0 { at } else { self.first.min(at) };
        self.end = self.end.max(at + 1);
    }
}

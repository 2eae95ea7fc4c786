//! Any number of held candidates of one key, by ordinal, and what they match.
//!
//! They stand in blocks, and the state of the machine behind each block is kept. An event out of order
//! runs the machine again from its block on. It stops where the state is what it was before.

use std::collections::VecDeque;

use super::block::{BLOCK, Block, HeldEvent, Stretch};
use crate::event::{EventTime, Ordinal};
use crate::sequence::absences::{Absences, Verdict};
use crate::sequence::candidate::Candidate;
use crate::sequence::matcher::partial::Partial;
use crate::sequence::pace::Pace;
use crate::sequence::plan::Plan;
use crate::sequence::watermark::{Claims, Newest};

/// The held candidates of one key.
#[derive(Debug, Default)]
pub(in crate::sequence) struct Many {
    /// INVARIANT: by ordinal.
    pub(super) blocks: VecDeque<Block>,
    /// Which blocks may be stale.
    pub(super) stale: Stretch,
    pub(super) absences: Absences,
    claims: Claims,
    /// How many sequences were pending when the machine last came to the end.
    pub(super) pending: usize,
}

impl Many {
    /// Returns nothing, with what was pending as of the last refresh.
    pub(super) fn with_pending(pending: u32) -> Self {
        Self { pending: pending as usize, ..Self::default() }
    }

    /// Returns what is held in one block.
    pub(super) fn of_block(plan: &Plan, block: Block, pending: u32) -> Self {
        let mut many = Self::with_pending(pending);
        for event in &block.held {
            many.note_event(plan, event);
        }
        if block.is_stale {
            many.stale.include(0);
        }
        many.blocks.reserve_exact(1);
        many.blocks.push_back(block);
        many
    }

    /// Takes note of when a candidate came, and whether it must be absent.
    fn note_event(&mut self, plan: &Plan, event: &HeldEvent) {
        if let Some(arrival) = event.arrival {
            self.claims.add(event.time(), arrival);
        }
        if !event.fate.is_refused {
            self.absences.add(plan, &event.candidate);
        }
    }

    /// Tells whether nothing is held.
    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Adds a candidate that is not held.
    pub(super) fn insert(&mut self, plan: &Plan, event: HeldEvent) {
        self.note_event(plan, &event);
        let is_lead = plan.leading.iter().any(|term| event.candidate.terms.has(*term));
        if is_lead && plan.has_absences_at_both_ends() {
            self.look_again_behind(plan, event.time());
        }
        self.place(event);
    }

    /// Has what waits behind a time looked at again: its window of maxspan may begin there now.
    fn look_again_behind(&mut self, plan: &Plan, time: EventTime) {
        let begins = self.blocks.partition_point(|block| block.last().event_time < time);
        // The final event lies within maxspan of what the window begins with.
        let until = time + plan.times.maxspan;
        for block in self.blocks.range_mut(begins..).take_while(|b| b.held[0].time() <= until) {
            block.next_limit = Some(EventTime::MIN);
        }
    }

    fn place(&mut self, event: HeldEvent) {
        let ordinal = &event.candidate.ordinal;
        let at = self.blocks.partition_point(|block| block.last() < ordinal);
        let is_behind_all = at == self.blocks.len();
        let at = if is_behind_all { at.saturating_sub(1) } else { at };
        self.stale.include(at);
        let Some(block) = self.blocks.get_mut(at) else {
            // Most keys never hold more than one block.
            self.blocks.reserve_exact(1);
            self.blocks.push_back(Block::of(vec![event]));
            return;
        };
        if is_behind_all && !block.is_stale && block.end.is_some() {
            if block.held.len() >= BLOCK {
                self.stale.include(at + 1);
                self.blocks.push_back(Block::of(vec![event]));
            } else {
                block.has_appended = true;
                block.held.push(event);
            }
            return;
        }
        block.is_stale = true;
        if block.held.len() >= BLOCK {
            // All behind it have moved by one.
            self.stale.include(self.stale.end.max(at + 1));
        }
        if block.held.len() < BLOCK {
            let index = block.held.partition_point(|held| held.candidate.ordinal < *ordinal);
            block.held.insert(index, event);
        } else if is_behind_all {
            self.blocks.push_back(Block::of(vec![event]));
        } else {
            let index = block.held.partition_point(|held| held.candidate.ordinal < *ordinal);
            block.held.insert(index, event);
            let rest = Block::of(block.held.split_off(BLOCK / 2));
            block.set_done_until();
            self.blocks.insert(at + 1, rest);
            self.blocks[at + 1].set_done_until();
        }
    }

    /// Lets a candidate go.
    pub(super) fn remove(&mut self, plan: &Plan, candidate: &Candidate) {
        let Some((at, index)) = self.find(&candidate.ordinal) else { return };
        let block = &mut self.blocks[at];
        let event = block.held.remove(index);
        block.is_stale = true;
        self.stale.include(at);
        if event.fate.is_done {
            block.set_done_until();
        }
        if block.held.is_empty() {
            self.blocks.remove(at);
            // The one behind it begins otherwise; without one, another is the last.
            let next = at.min(self.blocks.len().saturating_sub(1));
            if let Some(block) = self.blocks.get_mut(next) {
                block.is_stale = true;
                self.stale.include(next);
            }
        }
        if let Some(arrival) = event.arrival {
            self.claims.remove(event.time(), arrival);
        }
        if !event.fate.is_refused {
            self.absences.remove(plan, &event.candidate);
        }
    }

    /// Notes the pace at which a candidate counts as arrived.
    pub(super) fn arrive(&mut self, candidate: &Candidate, arrival: Pace) {
        let Some((at, index)) = self.find(&candidate.ordinal) else { return };
        let event = &mut self.blocks[at].held[index];
        if event.arrival.is_none() {
            event.arrival = Some(arrival);
            self.claims.add(candidate.event_time(), arrival);
        }
    }

    /// Returns what is held of a candidate.
    pub(super) fn event(&self, candidate: &Candidate) -> Option<&HeldEvent> {
        let (at, index) = self.find(&candidate.ordinal)?;
        Some(&self.blocks[at].held[index])
    }

    /// Returns the event by which the key's now goes.
    pub(super) fn newest(&self) -> Option<Newest> {
        self.claims.newest()
    }

    /// Returns how many sequences are pending, as of the last [`refresh`](Self::refresh).
    pub(super) fn pending_count(&self) -> usize {
        self.pending
    }

    /// Returns what the absences say of a complete sequence.
    pub(super) fn judge(&self, plan: &Plan, sequence: &Partial) -> Verdict {
        self.absences.judge(plan, sequence)
    }

    /// Returns the time of the newest candidate that is done.
    pub(super) fn done_until(&self) -> Option<EventTime> {
        self.blocks.iter().rev().find_map(|block| block.done_until)
    }

    /// Tells whether anything comes behind a candidate in the order.
    pub(super) fn has_behind(&self, ordinal: &Ordinal) -> bool {
        self.blocks.back().is_some_and(|block| block.last() > ordinal)
    }

    /// Notes that a match has left.
    pub(super) fn note_sent(&mut self, sequence: &Partial) {
        let Some((at, index)) = self.find(&sequence.last().ordinal) else { return };
        self.blocks[at].held[index].note_sent(sequence);
    }

    /// Returns about how many bytes a key takes here with its first candidate.
    pub(in crate::sequence) const fn bytes_of_first() -> usize {
        const PIECES: usize = 4 * 16;
        size_of::<Self>() + size_of::<Block>() + 4 * Claims::bytes_of_one() + PIECES
    }

    /// Returns about how many bytes a candidate takes here.
    pub(in crate::sequence) const fn bytes_of_one() -> usize {
        size_of::<HeldEvent>() * 3 / 2 + size_of::<u64>() + Claims::bytes_of_one()
    }

    pub(super) fn find(&self, ordinal: &Ordinal) -> Option<(usize, usize)> {
        let at = self.blocks.partition_point(|block| block.last() < ordinal);
        let held = &self.blocks.get(at)?.held;
        let index = held.binary_search_by(|held| held.candidate.ordinal.cmp(ordinal)).ok()?;
        Some((at, index))
    }
}

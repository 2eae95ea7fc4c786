//! Runs the machine over what has changed, and tells what that shows.

use std::sync::Arc;

use super::block::{FEW, Stretch};
use super::many::Many;
use crate::event::EventTime;
use crate::sequence::candidate::Candidate;
use crate::sequence::matcher::Run;
use crate::sequence::matcher::one_slot::OneSlot;
use crate::sequence::matcher::partial::Partial;
use crate::sequence::plan::Plan;

/// What an insertion has shown.
#[derive(Debug, Default)]
pub(in crate::sequence) struct Shown {
    /// The complete sequences that contain the new event. With an order tolerance also those that end
    /// where none ended before: the event may have taken a sequence that another hit had, and so have
    /// freed that hit.
    pub(in crate::sequence) complete: Vec<Arc<Partial>>,
    /// How many matches that have left look otherwise now.
    pub(in crate::sequence) contradicted: u64,
}

/// What running the machine again has changed.
#[derive(Debug, Default)]
struct Change {
    /// Which blocks were run again as a whole.
    again: Stretch,
    /// The digests of what was complete in them before.
    known: Vec<u64>,
    completed: Vec<Arc<Partial>>,
}

impl Many {
    /// Runs the machine over what has changed.
    ///
    /// `inserted` is the candidate that has just come, if one has.
    pub(super) fn refresh(
        &mut self,
        plan: &Plan,
        inserted: Option<&Arc<Candidate>>,
        keeps_completed: bool,
    ) -> Shown {
        let mut change = Change::default();
        let stale = std::mem::take(&mut self.stale);
        let mut at = stale.first;
        while let Some(block) = self.blocks.get_mut(at) {
            if !block.is_stale && !block.has_appended && at >= stale.end {
                break;
            }
            if block.is_stale {
                change.known.append(&mut block.known);
                let completed = self.run_again(plan, at);
                self.note(at, &completed);
                if keeps_completed {
                    let block = &mut self.blocks[at];
                    (block.completed, block.next_limit) = (completed.clone(), Some(EventTime::MIN));
                }
                change.again.include(at);
                change.completed.extend(completed);
            } else if block.has_appended {
                let completed = self.run_on(plan, at);
                self.note(at, &completed);
                if keeps_completed {
                    let block = &mut self.blocks[at];
                    block.completed.extend(completed.iter().cloned());
                    block.next_limit = Some(EventTime::MIN);
                }
                change.completed.extend(completed);
            }
            at += 1;
        }
        if self.blocks.is_empty() {
            self.pending = 0;
        }
        inserted.map(|inserted| self.shown(plan, change, inserted)).unwrap_or_default()
    }

    /// Keeps in mind what was completed in a block.
    fn note(&mut self, at: usize, completed: &[Arc<Partial>]) {
        self.blocks[at].known.extend(completed.iter().map(|partial| partial.digest()));
    }

    /// Returns what a change by an insertion shows.
    fn shown(&mut self, plan: &Plan, mut change: Change, inserted: &Arc<Candidate>) -> Shown {
        let mut contradicted = 0;
        change.known.sort_unstable();
        let is_known = |digest: &u64| change.known.binary_search(digest).is_ok();
        if !change.known.is_empty() {
            let mut now: Vec<u64> = change.completed.iter().map(|p| p.digest()).collect();
            now.sort_unstable();
            let gone = change.known.iter().filter(|digest| now.binary_search(digest).is_err());
            let mut gone: Vec<u32> = gone.map(|digest| *digest as u32).collect();
            gone.sort_unstable();
            contradicted = self.contradict(change.again, &gone);
        }
        let is_tolerant = plan.times.order_tolerance.nanos() > 0;
        let is_shown = |partial: &Arc<Partial>| {
            partial.holds(inserted) || is_tolerant && !is_known(&partial.digest())
        };
        let complete = change.completed.into_iter().filter(is_shown).collect();
        Shown { complete, contradicted }
    }

    /// Counts the matches that have left and are gone now, by sorted halves of their digests.
    fn contradict(&mut self, stretch: Stretch, gone: &[u32]) -> u64 {
        let mut count = 0;
        for block in self.blocks.range_mut(stretch.first..stretch.end) {
            for held in block.held.iter_mut().filter(|held| held.fate.is_sent) {
                let is_gone =
                    !held.fate.is_contradicted && gone.binary_search(&held.sent_as).is_ok();
                held.fate.is_contradicted |= is_gone;
                count += u64::from(is_gone);
            }
        }
        count
    }

    /// Runs the machine over the last candidate of the last block: it came in order. What that
    /// completes contains it.
    fn run_on(&mut self, plan: &Plan, at: usize) -> Vec<Arc<Partial>> {
        let block = &mut self.blocks[at];
        block.has_appended = false;
        let (Some(machine), Some(last)) = (block.end.take(), block.held.last()) else {
            unreachable!("only a block whose machine is known is appended to");
        };
        let mut run = Run { plan, machine: *machine, completed: Vec::new() };
        if !last.fate.is_refused {
            run.push(&last.candidate);
        }
        self.pending = run.machine.pending_count();
        block.end = Some(Box::new(run.machine));
        run.completed
    }

    /// Runs the machine over a block; the block behind it is stale if it begins otherwise now.
    fn run_again(&mut self, plan: &Plan, at: usize) -> Vec<Arc<Partial>> {
        let machine = match at.checked_sub(1) {
            None => OneSlot::new(plan),
            Some(before) => match &self.blocks[before].end {
                Some(end) => (**end).clone(),
                None => unreachable!("a block behind another is stale until that has been run"),
            },
        };
        let mut run = Run { plan, machine, completed: Vec::new() };
        for held in self.blocks[at].held.iter().filter(|held| !held.fate.is_refused) {
            run.push(&held.candidate);
        }
        let is_last = at + 1 == self.blocks.len();
        let block = &mut self.blocks[at];
        (block.is_stale, block.has_appended) = (false, false);
        if is_last {
            self.pending = run.machine.pending_count();
            block.end = (block.held.len() >= FEW).then(|| Box::new(run.machine));
            return run.completed;
        }
        let has_changed = block.end.as_deref() != Some(&run.machine);
        block.end = Some(Box::new(run.machine));
        self.blocks[at + 1].is_stale |= has_changed;
        run.completed
    }
}

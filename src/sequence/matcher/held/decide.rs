//! Decides what is below a limit.

use std::sync::Arc;

use super::block::{Block, Fate};
use super::many::Many;
use crate::event::{EventTime, TimeSpan};
use crate::sequence::absences::Verdict;
use crate::sequence::candidate::Candidate;
use crate::sequence::matcher::partial::Partial;
use crate::sequence::plan::Plan;

impl Many {
    /// Decides what is below a limit: returns the matches that hold, each once, and marks what is
    /// done. `forbids_for` is for how long after its final event a match may still be taken back.
    pub(super) fn decide(
        &mut self,
        plan: &Plan,
        limit: EventTime,
        forbids_for: TimeSpan,
    ) -> Vec<(Arc<Partial>, Option<EventTime>)> {
        let is_due = |block: &Block| block.next_limit.is_some_and(|next| next < limit);
        let due: Vec<usize> =
            (0..self.blocks.len()).filter(|at| is_due(&self.blocks[*at])).collect();
        let mut matches = Vec::new();
        // First all sequences: with an order tolerance one may end in an earlier block.
        for at in &due {
            let completed = std::mem::take(&mut self.blocks[*at].completed);
            let waits = completed.iter();
            let waits = waits.filter_map(|p| self.decide_one(plan, p, limit, &mut matches));
            let next = waits.min();
            let block = &mut self.blocks[*at];
            (block.completed, block.next_limit) = (completed, next);
        }
        for at in due {
            self.blocks[at].mark_done(limit, forbids_for);
        }
        matches
    }

    /// Decides one complete sequence; returns what the watermark must be past if it has to wait.
    fn decide_one(
        &mut self,
        plan: &Plan,
        partial: &Arc<Partial>,
        limit: EventTime,
        matches: &mut Vec<(Arc<Partial>, Option<EventTime>)>,
    ) -> Option<EventTime> {
        let (at, index) = self.find(&partial.last().ordinal)?;
        let Fate { is_sent, is_judged, is_done, .. } = self.blocks[at].held[index].fate;
        if is_sent || is_judged || is_done {
            return None;
        }
        let (ready, deadline) = match self.absences.judge(plan, partial) {
            Verdict::Broken => (partial.latest(), None),
            Verdict::Holds(deadline) => (deadline.max(Some(partial.latest()))?, Some(deadline)),
        };
        if ready >= limit {
            return Some(ready);
        }
        // Several may end with one event, if order is tolerated: the first that holds counts.
        if let Some(deadline) = deadline {
            self.blocks[at].held[index].fate.is_judged = true;
            matches.push((Arc::clone(partial), deadline));
        }
        None
    }

    /// Returns the complete sequences that contain one of these and have not been decided.
    pub(super) fn undecided_with(
        &self,
        plan: &Plan,
        candidates: &[Arc<Candidate>],
    ) -> Vec<Arc<Partial>> {
        let times = || candidates.iter().map(|candidate| candidate.event_time());
        let Some((first, last)) = times().min().zip(times().max()) else { return Vec::new() };
        let reach = plan.times.maxspan + plan.forbids_for();
        let begins = self.blocks.partition_point(|block| block.last().event_time < first - reach);
        let near = self.blocks.range(begins..).take_while(|b| b.held[0].time() <= last + reach);
        let open =
            near.filter(|block| block.next_limit.is_some()).flat_map(|block| &block.completed);
        let is_wanted = |partial: &&Arc<Partial>| {
            let fate = self.event(partial.last()).map(|event| event.fate);
            fate.is_some_and(|fate| !fate.is_sent && !fate.is_judged && !fate.is_done)
                && candidates.iter().any(|candidate| partial.holds(candidate))
        };
        open.filter(is_wanted).cloned().collect()
    }

    /// Returns what the watermark must be past for something to be decided.
    pub(super) fn next_limit(&self) -> Option<EventTime> {
        self.blocks.iter().filter_map(|block| block.next_limit).min()
    }
}

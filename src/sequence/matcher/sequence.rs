//! The held candidates of one key of a sequence, by ordinal, and what they match.
//!
//! They stand in blocks. Behind each block the state of the machine is kept, so that an event out of
//! order runs the machine again from its block on, and only until the state is what it was before.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Run;
use super::one_slot::OneSlot;
use super::partial::Partial;
use crate::event::{EventTime, Ordinal, TimeSpan};
use crate::sequence::absences::{Absences, Verdict};
use crate::sequence::candidate::Candidate;
use crate::sequence::pace::Pace;
use crate::sequence::plan::Plan;
use crate::sequence::watermark::{Claims, Newest};

/// Most candidates of a block. Few in builds for tests, so that short streams come to many blocks.
const BLOCK: usize = if cfg!(debug_assertions) { 3 } else { 64 };

/// Of so many candidates it costs less to run the machine again than to keep it.
const FEW: usize = if cfg!(debug_assertions) { 2 } else { 6 };

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
    is_contradicted: bool,
}

/// A candidate that is held.
#[derive(Debug)]
pub(in crate::sequence) struct HeldEvent {
    pub(in crate::sequence) candidate: Arc<Candidate>,
    /// The pace at its arrival; nothing while its source is ahead of the others.
    pub(in crate::sequence) arrival: Option<Pace>,
    /// By how many milliseconds it was behind its key's now when it came, for rules with absences.
    pub(in crate::sequence) behind_ms: u32,
    /// Half of the digest of the match that has left.
    sent_as: u32,
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

    fn time(&self) -> EventTime {
        self.candidate.event_time()
    }
}

/// A stretch of the held candidates.
#[derive(Debug, Default)]
struct Block {
    /// INVARIANT: by ordinal, never empty.
    held: Vec<HeldEvent>,
    /// The machine behind its last candidate; nothing where it is not known, or not worth its room.
    end: Option<Box<OneSlot>>,
    /// What was completed in it, where it is decided later.
    completed: Vec<Arc<Partial>>,
    /// The digests of all that was completed in it.
    known: Vec<u64>,
    /// Whether the machine has to be run over it again.
    is_stale: bool,
    /// Whether the machine has yet to be run over its last candidate alone.
    has_appended: bool,
    /// The watermark must be past this for something of it to be decided; nothing if all is.
    next_limit: Option<EventTime>,
    /// Its newest candidate that is done.
    done_until: Option<EventTime>,
}

impl Block {
    fn of(held: Vec<HeldEvent>) -> Self {
        Self { held, is_stale: true, ..Self::default() }
    }

    fn last(&self) -> &Ordinal {
        &self.held[self.held.len() - 1].candidate.ordinal
    }

    /// Marks what is done below a limit, and notes what is next.
    fn mark_done(&mut self, limit: EventTime, forbids_for: TimeSpan) {
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

    fn set_done_until(&mut self) {
        let done = self.held.iter().rev().find(|held| held.fate.is_done);
        self.done_until = done.map(HeldEvent::time);
    }
}

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

/// A stretch of blocks, by index.
#[derive(Clone, Copy, Debug, Default)]
struct Stretch {
    first: usize,
    /// The index behind the last one; 0 if there is none.
    end: usize,
}

impl Stretch {
    fn include(&mut self, at: usize) {
        self.first = if self.end == 0 { at } else { self.first.min(at) };
        self.end = self.end.max(at + 1);
    }
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

/// The held candidates of one key.
#[derive(Debug, Default)]
pub(in crate::sequence) struct Held {
    /// INVARIANT: by ordinal.
    blocks: VecDeque<Block>,
    /// Which blocks may be stale.
    stale: Stretch,
    absences: Absences,
    claims: Claims,
    /// How many sequences were pending when the machine last came to the end.
    pending: usize,
}

impl Held {
    /// Adds a candidate that is not held.
    pub(in crate::sequence) fn insert(&mut self, plan: &Plan, event: HeldEvent) {
        if let Some(arrival) = event.arrival {
            self.claims.add(event.time(), arrival);
        }
        if !event.fate.is_refused {
            self.absences.add(plan, &event.candidate);
        }
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
    pub(in crate::sequence) fn remove(&mut self, plan: &Plan, candidate: &Candidate) {
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
    pub(in crate::sequence) fn arrive(&mut self, candidate: &Candidate, arrival: Pace) {
        let Some((at, index)) = self.find(&candidate.ordinal) else { return };
        let event = &mut self.blocks[at].held[index];
        if event.arrival.is_none() {
            event.arrival = Some(arrival);
            self.claims.add(candidate.event_time(), arrival);
        }
    }

    /// Returns what is held of a candidate.
    pub(in crate::sequence) fn event(&self, candidate: &Candidate) -> Option<&HeldEvent> {
        let (at, index) = self.find(&candidate.ordinal)?;
        Some(&self.blocks[at].held[index])
    }

    /// Returns the event by which the key's now goes.
    pub(in crate::sequence) fn newest(&self) -> Option<Newest> {
        self.claims.newest()
    }

    /// Returns how many sequences are pending, as of the last [`refresh`](Self::refresh).
    pub(in crate::sequence) fn pending_count(&self) -> usize {
        self.pending
    }

    /// Returns what the absences say of a complete sequence.
    pub(in crate::sequence) fn judge(&self, plan: &Plan, sequence: &Partial) -> Verdict {
        self.absences.judge(plan, sequence)
    }

    /// Returns the time of the newest candidate that is done.
    pub(in crate::sequence) fn done_until(&self) -> Option<EventTime> {
        self.blocks.iter().rev().find_map(|block| block.done_until)
    }

    /// Tells whether anything comes behind a candidate in the order.
    pub(in crate::sequence) fn has_behind(&self, ordinal: &Ordinal) -> bool {
        self.blocks.back().is_some_and(|block| block.last() > ordinal)
    }

    /// Notes that a match has left.
    pub(in crate::sequence) fn note_sent(&mut self, sequence: &Partial) {
        let Some((at, index)) = self.find(&sequence.last().ordinal) else { return };
        let event = &mut self.blocks[at].held[index];
        event.fate.is_sent = true;
        event.sent_as = sequence.digest() as u32;
        // Of an adjusted match the events behind it have a say too: it is not looked at again.
        event.fate.is_contradicted = sequence.is_adjusted();
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

    /// Decides what is below a limit: returns the matches that hold, each once, and marks what is
    /// done. `forbids_for` is for how long after its final event a match may still be taken back.
    pub(in crate::sequence) fn decide(
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
    pub(in crate::sequence) fn undecided_with(
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
    pub(in crate::sequence) fn next_limit(&self) -> Option<EventTime> {
        self.blocks.iter().filter_map(|block| block.next_limit).min()
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

    fn find(&self, ordinal: &Ordinal) -> Option<(usize, usize)> {
        let at = self.blocks.partition_point(|block| block.last() < ordinal);
        let held = &self.blocks.get(at)?.held;
        let index = held.binary_search_by(|held| held.candidate.ordinal.cmp(ordinal)).ok()?;
        Some((at, index))
    }
}

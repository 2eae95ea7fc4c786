//! The one-slot machine of one key: answers as Elasticsearch does when it is fed in the order of
//! the ordinals.
//!
//! For each stage at most one pending sequence waits: a newer event of a stage overwrites the older
//! one, and an event of the next stage consumes it. `until` and absent stages follow the same
//! order. Never looks at a clock: finality is told by [`Machine::advance`].
//!
//! Order tolerance stands beside the strict machine and never changes what that finds: an event
//! that could extend nothing is *kept* for the tolerance, and a pending sequence that has just
//! been formed may take it although it is a little older.

use std::sync::Arc;

use super::Match;
use super::footprint::PIECE;
use super::plan::{Plan, TermSet};
use crate::event::{Admitted, EventTime, Ordinal};

/// An event that satisfied terms of one rule under one join key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its place in the order.
    pub ordinal: Ordinal,
    /// The terms that it satisfies.
    pub terms: TermSet,
    /// Whether it came after its place in the order had become final.
    pub late: bool,
    /// The event.
    pub event: Arc<Admitted>,
}

impl Candidate {
    /// Returns when it happened.
    pub fn event_time(&self) -> EventTime {
        self.ordinal.event_time
    }
}

/// A sequence that has started and not finished.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pending {
    /// In stage order, never empty.
    events: Vec<Arc<Candidate>>,
    /// An absent stage was seen in between: it still consumes and overwrites, but gives no match.
    dirty: bool,
    /// When a leading absent stage was last seen before the start.
    lead: Option<EventTime>,
    /// Whether it needed the order tolerance.
    adjusted: bool,
}

impl Pending {
    fn start(candidate: &Arc<Candidate>, lead: Option<EventTime>) -> Self {
        Self { events: vec![Arc::clone(candidate)], dirty: false, lead, adjusted: false }
    }

    fn last(&self) -> &Candidate {
        self.events.last().expect("a pending sequence has an event")
    }

    /// Returns the earliest and the latest event time: with order tolerance these need not be the
    /// first and the last stage's.
    fn extent(&self) -> (EventTime, EventTime) {
        let times = || self.events.iter().map(|candidate| candidate.event_time());
        let earliest = times().min().expect("a pending sequence has an event");
        let latest = times().max().expect("a pending sequence has an event");
        (earliest, latest)
    }

    /// Tells whether maxspan allows an event at this time.
    fn reaches(&self, plan: &Plan, event_time: EventTime) -> bool {
        let (earliest, latest) = self.extent();
        latest.max(event_time) - earliest.min(event_time) <= plan.times.maxspan
    }

    /// Tells whether no event at or after `limit` can extend it.
    fn is_over(&self, plan: &Plan, limit: EventTime) -> bool {
        self.extent().0 + plan.times.maxspan < limit
    }

    fn holds(&self, candidate: &Candidate) -> bool {
        self.events.iter().any(|event| event.ordinal == candidate.ordinal)
    }

    fn with(&self, candidate: &Arc<Candidate>) -> Self {
        let mut longer = self.clone();
        longer.events.push(Arc::clone(candidate));
        longer
    }

    fn into_match(self, deadline: Option<EventTime>) -> Match {
        Match { events: self.events, order_adjusted: self.adjusted, window: None, deadline }
    }
}

/// A complete sequence that waits for the deadline of a trailing absence.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Waiting {
    deadline: EventTime,
    sequence: Pending,
}

/// An event that extended nothing and is kept for the order tolerance.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    stage: usize,
    candidate: Arc<Candidate>,
}

/// The two latest distinct times at which an absent stage was seen, latest first.
type Seen = [Option<EventTime>; 2];

/// The machine of one rule and one join key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Machine {
    /// By stage: the sequence whose last event is of that stage. The last stage has no slot.
    slots: Vec<Option<Pending>>,
    /// Like `slots`, for sequences that needed the order tolerance; used where no strict one is.
    adjusted: Vec<Option<Pending>>,
    kept: Vec<Kept>,
    /// In the order of the plan's missing terms.
    seen: Vec<Seen>,
    waiting: Vec<Waiting>,
}

impl Machine {
    pub(super) fn new(plan: &Plan) -> Self {
        let slots = vec![None; plan.stages.len() - 1];
        let seen = vec![[None; 2]; plan.missing.len()];
        Self { adjusted: slots.clone(), slots, kept: Vec::new(), seen, waiting: Vec::new() }
    }

    /// Takes the next candidate in the order of the ordinals.
    pub(super) fn push(&mut self, plan: &Plan, candidate: &Arc<Candidate>, out: &mut Vec<Match>) {
        self.advance(candidate.event_time(), out);
        self.end_waiting(plan, candidate);
        // Later stages first, so that an event cannot extend the sequence it has just started.
        for stage in (1..plan.stages.len()).rev() {
            if candidate.terms.has(plan.stages[stage].term)
                && !self.extend(plan, stage, candidate, out)
                && plan.stages[stage].opens_term
                && plan.times.order_tolerance.nanos() > 0
            {
                self.kept.push(Kept { stage, candidate: Arc::clone(candidate) });
            }
        }
        if candidate.terms.has(plan.stages[0].term) {
            self.start(plan, candidate, out);
        }
        if plan.until.is_some_and(|until| candidate.terms.has(until)) {
            self.slots.fill(None);
            self.adjusted.fill(None);
        }
        self.note_absent_stages(plan, candidate);
        self.rescue(plan, candidate, out);
    }

    /// Takes a candidate that is older than what has been pushed: it may start, extend or complete
    /// what precedes it, and never overwrites or consumes what is newer.
    pub(super) fn push_late(
        &mut self,
        plan: &Plan,
        candidate: &Arc<Candidate>,
        out: &mut Vec<Match>,
    ) {
        let precedes = |slot: &Option<Pending>| {
            slot.as_ref().is_none_or(|pending| pending.last().ordinal < candidate.ordinal)
        };
        self.end_waiting(plan, candidate);
        for stage in (1..plan.stages.len()).rev() {
            let fits = precedes(&self.slots[stage - 1])
                && self.slots.get(stage).is_none_or(precedes)
                && candidate.terms.has(plan.stages[stage].term);
            if fits && self.slots[stage - 1].is_some() {
                self.extend(plan, stage, candidate, out);
            }
        }
        if candidate.terms.has(plan.stages[0].term) && self.slots.first().is_none_or(precedes) {
            self.start(plan, candidate, out);
        }
        if plan.until.is_some_and(|until| candidate.terms.has(until)) {
            for slot in self.slots.iter_mut().chain(&mut self.adjusted) {
                slot.take_if(|pending| pending.last().ordinal <= candidate.ordinal);
            }
        }
        self.note_absent_stages(plan, candidate);
        self.rescue(plan, candidate, out);
    }

    /// Makes everything before `limit` final: no event before it will come.
    pub(super) fn advance(&mut self, limit: EventTime, out: &mut Vec<Match>) {
        let mut index = 0;
        while index < self.waiting.len() {
            if self.waiting[index].deadline < limit {
                let Waiting { deadline, sequence } = self.waiting.remove(index);
                out.push(sequence.into_match(Some(deadline)));
            } else {
                index += 1;
            }
        }
    }

    /// Frees what no event at or after `limit` can extend; returns how many sequences that were.
    pub(super) fn expire(&mut self, plan: &Plan, limit: EventTime) -> u64 {
        let mut expired = 0;
        for slot in self.slots.iter_mut().chain(&mut self.adjusted) {
            expired += u64::from(slot.take_if(|pending| pending.is_over(plan, limit)).is_some());
        }
        let reach = kept_reach(plan, limit);
        self.kept.retain(|kept| kept.candidate.event_time() >= reach);
        expired
    }

    /// Splits off a machine that goes on with everything that reaches beyond `limit`.
    pub(super) fn split_beyond(&mut self, limit: EventTime) -> Self {
        let is_beyond = |pending: &Pending| pending.extent().1 > limit;
        let split = |slots: &mut Vec<Option<Pending>>| {
            slots.iter_mut().map(|slot| slot.take_if(|pending| is_beyond(pending))).collect()
        };
        let beyond = Self {
            slots: split(&mut self.slots),
            adjusted: split(&mut self.adjusted),
            kept: self.kept.extract_if(.., |kept| kept.candidate.event_time() > limit).collect(),
            seen: self.seen.clone(),
            waiting: self.waiting.extract_if(.., |w| is_beyond(&w.sequence)).collect(),
        };
        for seen in &mut self.seen {
            let [latest, older] = seen.map(|seen| seen.filter(|at| *at <= limit));
            *seen = if latest.is_some() { [latest, older] } else { [older, None] };
        }
        beyond
    }

    /// Forgets the sightings of absent stages before `limit`.
    pub(super) fn forget_seen(&mut self, limit: EventTime) {
        for seen in &mut self.seen {
            *seen = seen.map(|seen| seen.filter(|at| *at >= limit));
        }
    }

    /// Returns the last of the events that it holds.
    pub(super) fn last_ordinal(&self) -> Option<Ordinal> {
        let waiting = self.waiting.iter().map(|waiting| &waiting.sequence);
        let events = self.pending().chain(waiting).map(|pending| &pending.last().ordinal);
        events.chain(self.kept.iter().map(|kept| &kept.candidate.ordinal)).max().cloned()
    }

    /// Returns the earliest time at which [`advance`](Self::advance) or [`expire`](Self::expire)
    /// would have something to do once the limit is past it.
    pub(super) fn next_limit(&self, plan: &Plan) -> Option<EventTime> {
        let slack = plan.times.order_tolerance.times(plan.stages.len() as i64);
        let pending = self.pending().map(|pending| pending.extent().0 + plan.times.maxspan);
        let waiting = self.waiting.iter().map(|waiting| waiting.deadline);
        let kept = self.kept.iter().map(|kept| kept.candidate.event_time() + slack);
        pending.chain(waiting).chain(kept).min()
    }

    /// Returns the earliest time of all events that it holds.
    pub(super) fn earliest(&self) -> Option<EventTime> {
        let waiting = self.waiting.iter().map(|waiting| waiting.sequence.extent().0);
        let kept = self.kept.iter().map(|kept| kept.candidate.event_time());
        self.pending().map(|pending| pending.extent().0).chain(waiting).chain(kept).min()
    }

    /// Returns how many sequences have started and not finished.
    pub(super) fn pending_count(&self) -> usize {
        self.pending().count() + self.waiting.len()
    }

    /// Returns about how many bytes of the heap it takes, candidates not counted.
    pub(super) fn heap_bytes(&self) -> usize {
        let slots =
            (self.slots.capacity() + self.adjusted.capacity()) * size_of::<Option<Pending>>();
        let waiting = self.waiting.iter().map(|waiting| waiting.sequence.events.capacity());
        let events = self.pending().map(|pending| pending.events.capacity()).chain(waiting);
        let pending: usize =
            events.map(|capacity| capacity * size_of::<Arc<Candidate>>() + PIECE).sum();
        slots
            + pending
            + self.kept.capacity() * size_of::<Kept>()
            + self.seen.capacity() * size_of::<Seen>()
            + self.waiting.capacity() * size_of::<Waiting>()
            + 2 * PIECE
    }

    /// Returns the candidates that it holds; one that is held twice comes twice.
    pub(super) fn candidates(&self) -> impl Iterator<Item = &Arc<Candidate>> {
        let waiting = self.waiting.iter().map(|waiting| &waiting.sequence);
        let events = self.pending().chain(waiting).flat_map(|pending| &pending.events);
        events.chain(self.kept.iter().map(|kept| &kept.candidate))
    }

    /// Returns how many candidates it holds; one that is held twice counts twice.
    pub(super) fn candidate_count(&self) -> usize {
        self.candidates().count()
    }

    fn pending(&self) -> impl Iterator<Item = &Pending> {
        self.slots.iter().chain(&self.adjusted).flatten()
    }

    fn start(&mut self, plan: &Plan, candidate: &Arc<Candidate>, out: &mut Vec<Match>) {
        // The lead is fixed at the start: later sightings would push it out of the memory of two.
        let lead = plan
            .leading
            .iter()
            .filter_map(|term| self.seen_before(plan, *term, candidate.event_time()));
        let pending = Pending::start(candidate, lead.max());
        match self.slots.first_mut() {
            Some(slot) => *slot = Some(pending),
            None => self.complete(plan, pending, out),
        }
    }

    /// Extends what waits for this stage; tells whether there was something to extend.
    fn extend(
        &mut self,
        plan: &Plan,
        stage: usize,
        candidate: &Arc<Candidate>,
        out: &mut Vec<Match>,
    ) -> bool {
        let reaches = |pending: &Pending| pending.reaches(plan, candidate.event_time());
        // A sequence over maxspan is consumed all the same.
        let strict = self.slots[stage - 1].take().filter(reaches);
        let Some(pending) = strict.or_else(|| self.adjusted[stage - 1].take().filter(reaches))
        else {
            return false;
        };
        let mut longer = pending.with(candidate);
        let last = pending.last().event_time();
        longer.dirty |= plan.stages[stage].absent_before.iter().any(|term| {
            self.seen_before(plan, *term, candidate.event_time()).is_some_and(|seen| seen > last)
        });
        self.place(plan, stage, longer, out);
        true
    }

    /// Puts a sequence whose last event is of `stage` where it belongs.
    fn place(&mut self, plan: &Plan, stage: usize, pending: Pending, out: &mut Vec<Match>) {
        if stage + 1 == plan.stages.len() {
            self.complete(plan, pending, out);
        } else if pending.adjusted {
            self.adjusted[stage] = Some(pending);
        } else {
            self.slots[stage] = Some(pending);
        }
    }

    fn complete(&mut self, plan: &Plan, sequence: Pending, out: &mut Vec<Match>) {
        if sequence.dirty {
            return;
        }
        let (first, _) = sequence.extent();
        let last = sequence.last().event_time();
        let deadline = match (plan.has_leading_absence(), !plan.trailing.is_empty()) {
            (false, false) => None,
            (true, false) => {
                let near = sequence.lead.is_some_and(|lead| last - lead <= plan.times.maxspan);
                if near {
                    return;
                }
                None
            }
            (false, true) => Some(first + plan.times.maxspan),
            (true, true) => sequence.lead.map(|lead| lead + plan.times.maxspan),
        };
        match deadline.filter(|deadline| *deadline >= last) {
            // Only a late sequence finds its absence broken already.
            Some(deadline) if self.saw_trailing(plan, last, deadline) => {}
            Some(deadline) => self.waiting.push(Waiting { deadline, sequence }),
            None => out.push(sequence.into_match(None)),
        }
    }

    fn saw_trailing(&self, plan: &Plan, after: EventTime, until: EventTime) -> bool {
        let seen = |term: &usize| plan.missing.iter().position(|missing| missing == term);
        let mut times = plan.trailing.iter().filter_map(seen).flat_map(|index| self.seen[index]);
        times.any(|time| time.is_some_and(|time| time > after && time <= until))
    }

    /// Drops what waits for the absence of a trailing stage that this candidate satisfies.
    fn end_waiting(&mut self, plan: &Plan, candidate: &Candidate) {
        if plan.trailing.iter().any(|term| candidate.terms.has(*term)) {
            let at = candidate.event_time();
            self.waiting.retain(|waiting| {
                at <= waiting.sequence.last().event_time() || at > waiting.deadline
            });
        }
    }

    fn note_absent_stages(&mut self, plan: &Plan, candidate: &Candidate) {
        for (index, term) in plan.missing.iter().enumerate() {
            if candidate.terms.has(*term) {
                note(&mut self.seen[index], candidate.event_time());
            }
        }
    }

    /// Returns when a missing term was last seen strictly before `event_time`.
    fn seen_before(&self, plan: &Plan, term: usize, event_time: EventTime) -> Option<EventTime> {
        let index = plan.missing.iter().position(|missing| *missing == term)?;
        self.seen[index].iter().flatten().copied().find(|seen| *seen < event_time)
    }

    /// Offers each sequence that this candidate has just formed to the kept events of the next
    /// stage, and what comes of it to those of the stage behind.
    ///
    /// Such a match consumes nothing, and what it leaves pending stands beside the strict slots.
    fn rescue(&mut self, plan: &Plan, candidate: &Candidate, out: &mut Vec<Match>) {
        if plan.times.order_tolerance.nanos() == 0 || self.kept.is_empty() {
            return;
        }
        let reach = kept_reach(plan, candidate.event_time());
        self.kept.retain(|kept| kept.candidate.event_time() >= reach);
        let mut formed: Vec<(usize, Pending)> = Vec::new();
        for stage in 0..self.slots.len() {
            let is_new =
                |pending: &&Pending| pending.last().ordinal == candidate.ordinal && !pending.dirty;
            let strict = self.slots[stage].as_ref().filter(is_new);
            let adjusted = self.adjusted[stage].as_ref().filter(is_new);
            formed.extend(strict.or(adjusted).map(|pending| (stage, pending.clone())));
        }
        // One that is over is none, whether it has been freed yet or not: that is a matter of arrival.
        let is_free = |slot: &Option<Pending>| {
            slot.as_ref().is_none_or(|held| held.is_over(plan, candidate.event_time()))
        };
        while let Some((stage, pending)) = formed.pop() {
            for longer in self.rescued(plan, stage + 1, &pending) {
                let is_last = stage + 2 == plan.stages.len();
                if is_last {
                    self.complete(plan, longer, out);
                } else if is_free(&self.slots[stage + 1]) && is_free(&self.adjusted[stage + 1]) {
                    self.adjusted[stage + 1] = Some(longer.clone());
                    formed.push((stage + 1, longer));
                }
            }
        }
    }

    /// Returns `pending` extended by each kept event of `stage` that the tolerance allows.
    fn rescued(&self, plan: &Plan, stage: usize, pending: &Pending) -> Vec<Pending> {
        let oldest = pending.last().event_time() - plan.times.order_tolerance;
        let fits = |kept: &&Kept| {
            kept.stage == stage
                && kept.candidate.event_time() >= oldest
                && !pending.holds(&kept.candidate)
                && pending.reaches(plan, kept.candidate.event_time())
        };
        let mut longer: Vec<Pending> =
            self.kept.iter().filter(fits).map(|kept| pending.with(&kept.candidate)).collect();
        for sequence in &mut longer {
            sequence.adjusted = true;
        }
        longer
    }
}

/// Returns the earliest time of a kept event that an event at `event_time` or later can still take.
fn kept_reach(plan: &Plan, event_time: EventTime) -> EventTime {
    event_time - plan.times.order_tolerance.times(plan.stages.len() as i64)
}

/// Adds a sighting, in whatever order sightings come.
fn note(seen: &mut Seen, event_time: EventTime) {
    match *seen {
        [Some(latest), _] if event_time > latest => *seen = [Some(event_time), Some(latest)],
        [Some(latest), older] if event_time < latest && older.is_none_or(|o| o < event_time) => {
            *seen = [Some(latest), Some(event_time)];
        }
        [None, _] => *seen = [Some(event_time), None],
        _ => {}
    }
}

//! One key's sequences while events may still arrive late: what is final, what is not, and what
//! may be said already.
//!
//! `base` has seen every final candidate, `recent` holds the others in order, and `head` is what
//! `base` would be if `recent` were all. Eager matches come from `head`, exact ones from `base`.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::footprint::{CANDIDATE, identities_bytes};
use super::key_time::KeyTime;
use super::machine::{Candidate, Machine};
use super::plan::Plan;
use super::sample::Sample;
use super::{Counts, Match};
use crate::event::{EventTime, Identity, Ordinal, TimeSpan};

/// How many identities a key may remember for each candidate that it may hold.
const IDENTITIES_PER_CANDIDATE: usize = 16;

/// What the partition's clock shows, and by how much it may be wrong for a single host.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) clock: EventTime,
    pub(super) slack: TimeSpan,
}

/// What surrounds a key while it works.
pub(super) struct Context<'a> {
    pub(super) plan: &'a Plan,
    pub(super) pace: Pace,
    /// What the clock shows where the candidate stands in the order of arrival.
    pub(super) seen_at: EventTime,
    /// Where the rule started to see this partition, for absences that look back.
    pub(super) seen_from: Option<EventTime>,
    pub(super) max_candidates: usize,
    pub(super) counts: &'a mut Counts,
    pub(super) out: &'a mut Vec<Match>,
}

impl Context<'_> {
    /// Tells whether the candidate has run ahead of the clock.
    fn is_ahead(&self) -> bool {
        self.seen_at > self.pace.clock
    }

    fn max_identities(&self) -> usize {
        self.max_candidates * IDENTITIES_PER_CANDIDATE
    }
}

/// The final event of a match that has left, and which events it was made of.
#[derive(Debug)]
struct Emitted {
    events: u64,
}

/// The state of one rule and one join key.
#[derive(Debug)]
pub(super) struct KeyState {
    time: KeyTime,
    base: Machine,
    head: Machine,
    /// INVARIANT: sorted by ordinal; every one is behind `last_final`.
    recent: VecDeque<Arc<Candidate>>,
    last_final: Option<Ordinal>,
    sample: Sample,
    /// Candidates of the last F, by time: a second delivery is none.
    identities: BTreeSet<(EventTime, Identity)>,
    /// Final events of the last F whose match has left, by time.
    emitted: BTreeMap<(EventTime, Identity), Emitted>,
}

impl KeyState {
    pub(super) fn new(plan: &Plan) -> Self {
        let base = Machine::new(plan);
        Self {
            time: KeyTime::new(plan.memory()),
            head: base.clone(),
            base,
            recent: VecDeque::new(),
            last_final: None,
            sample: Sample::default(),
            identities: BTreeSet::new(),
            emitted: BTreeMap::new(),
        }
    }

    /// Takes in a candidate in the order of arrival.
    pub(super) fn offer(&mut self, candidate: Candidate, context: &mut Context<'_>) {
        self.forget_old(context);
        let is_new = self.remember(&candidate, context);
        // The events of a sample are chosen as they come, so they come in order.
        if is_new && context.is_ahead() && context.plan.is_sample {
            self.park(candidate, context);
            return;
        }
        // A second delivery is heard too: a restart need not know of the first.
        let age = self.observe(&candidate, context) - candidate.event_time();
        if is_new {
            self.take_in(candidate, age, context);
        }
        self.settle(context);
    }

    fn take_in(&mut self, mut candidate: Candidate, age: TimeSpan, context: &mut Context<'_>) {
        if context.plan.is_single() {
            return self.offer_single(Arc::new(candidate), context);
        }
        if context.plan.is_sample {
            return self.offer_sample(&Arc::new(candidate), context);
        }
        if age > context.plan.memory() {
            context.counts.too_late += 1;
            return;
        }
        candidate.late = self.last_final.as_ref().is_some_and(|last| candidate.ordinal < *last);
        if candidate.late {
            context.counts.late += 1;
            self.insert_late(&Arc::new(candidate), context);
        } else {
            self.insert(Arc::new(candidate), context);
        }
    }

    /// Takes note of a candidate that is too old to match after a restart: it moves the key's time
    /// and is remembered.
    pub(super) fn remember_only(&mut self, candidate: &Candidate, context: &mut Context<'_>) {
        self.forget_old(context);
        let is_new = self.remember(candidate, context);
        self.observe(candidate, context);
        if is_new && !context.plan.is_single() && !context.plan.is_sample {
            // It was final at the cut: what comes before it now is late.
            let last = self.last_final.take().filter(|last| *last > candidate.ordinal);
            self.last_final = Some(last.unwrap_or_else(|| candidate.ordinal.clone()));
        }
        self.settle(context);
    }

    /// Decides what the key's now has made final, step by step where events that had run ahead of
    /// the clock come to count.
    pub(super) fn settle(&mut self, context: &mut Context<'_>) {
        let pace = context.pace;
        while let Some(clock) = self.time.next_waiting(pace.clock) {
            context.pace.clock = clock;
            self.decide(context);
            let parked = self.time.observe_waiting(context.pace);
            self.end_unheard(context);
            if let Some(parked) = parked {
                self.offer_sample(&parked, context);
            }
        }
        context.pace = pace;
        self.decide(context);
    }

    fn decide(&mut self, context: &mut Context<'_>) {
        let limit = self.now(context) - context.plan.times.allowed_lateness;
        while self.recent.front().is_some_and(|first| first.event_time() < limit) {
            let candidate = self.recent.pop_front().expect("the queue has a front");
            self.fold(&candidate, context);
        }
        let mut matches = Vec::new();
        self.base.advance(limit, &mut matches);
        context.counts.expired += self.base.expire(context.plan, limit);
        self.head.expire(context.plan, limit);
        self.emit_final(matches, context);
        self.sample.expire(limit - context.plan.times.maxspan);
        // What is remembered is forgotten where a candidate comes (and with the key), never here:
        // idle time, of which a replay knows only where it ended, must not have a say in it.
    }

    /// Returns what the partition's clock must be past for [`settle`](Self::settle) to have
    /// something to do, or for the key to be forgotten.
    pub(super) fn next_due(&self, plan: &Plan, slack: TimeSpan) -> EventTime {
        let first_recent = self.recent.front().map(|first| first.event_time());
        // Freed on time, and not when the key happens to work: a restart must find the same.
        let sample = self.sample.earliest().map(|earliest| earliest + plan.times.maxspan);
        let limits = first_recent.into_iter().chain(self.base.next_limit(plan)).chain(sample);
        let moment = limits.min().map(|limit| limit + plan.times.allowed_lateness);
        self.time.clock_past(moment, slack)
    }

    /// Tells whether nothing has been heard of the key for a memory: it is forgotten, with an event
    /// far ahead if that is all that is left.
    pub(super) fn is_over(&self, pace: Pace) -> bool {
        self.time.is_over(pace)
    }

    /// Decides all that is left.
    pub(super) fn end(&mut self, context: &mut Context<'_>) {
        let mut matches = Vec::new();
        for candidate in std::mem::take(&mut self.recent) {
            self.base.push(context.plan, &candidate, &mut matches);
        }
        self.base.advance(EventTime::MAX, &mut matches);
        context.counts.expired += self.base.pending_count() as u64;
        self.emit_final(matches, context);
    }

    /// Returns the event time below which nothing matters after a restart.
    pub(super) fn floor(&self, plan: &Plan, pace: Pace) -> EventTime {
        let held = self.recent.front().map(|first| first.event_time());
        let held = held.into_iter().chain(self.base.earliest()).chain(self.head.earliest());
        let held = held.chain(self.sample.earliest()).chain(self.time.earliest_waiting()).min();
        let held = held.map(|held| held - plan.leading_reach());
        let window = self.time.now(pace) - plan.recovery_window();
        // While no event counts, none of the key's has been forgotten either.
        let window = self.time.is_counted().then_some(window);
        held.into_iter().chain(window).min().unwrap_or(EventTime::MAX)
    }

    pub(super) fn pending_count(&self, plan: &Plan) -> usize {
        let machine = if plan.emits_final_only() { &self.base } else { &self.head };
        machine.pending_count()
    }

    /// Tells whether an event from before `offset` is pending.
    pub(super) fn holds_before(&self, offset: i64) -> bool {
        let pending = self.base.candidates().chain(self.head.candidates());
        let mut held = self.recent.iter().chain(pending).chain(self.sample.candidates());
        held.any(|candidate| candidate.event.offset < offset)
    }

    /// Returns about how many bytes of the heap it takes; events, which rules share, not counted.
    pub(super) fn heap_bytes(&self) -> usize {
        let recent = self.recent.capacity() * size_of::<Arc<Candidate>>();
        // What `head` holds is in `recent` or in `base` as well.
        let candidates =
            self.recent.len() + self.base.candidate_count() + self.sample.candidate_count();
        identities_bytes(self.identities.len(), 0)
            + identities_bytes(self.emitted.len(), size_of::<Emitted>())
            + self.base.heap_bytes()
            + self.head.heap_bytes()
            + self.sample.heap_bytes()
            + self.time.heap_bytes()
            + recent
            + (candidates + self.time.waiting_count()) * CANDIDATE
    }

    /// Takes note of the candidate's time; returns what was now when it came.
    fn observe(&mut self, candidate: &Candidate, context: &mut Context<'_>) -> EventTime {
        let (now, newest) = (self.now(context), self.time.newest());
        if !context.is_ahead() {
            self.time.observe(candidate.event_time(), context.pace);
        } else if self.time.waiting_count() < context.max_identities() {
            self.time.observe_later(candidate.event_time(), context.seen_at, None);
        } else {
            context.counts.refused_candidates += 1;
        }
        self.end_unheard(context);
        // It may be the one by which an earlier one turns out to be far ahead.
        let put_back = (newest - self.time.newest()).max(TimeSpan::ZERO);
        if put_back > context.plan.memory() {
            self.take_back_ahead(context);
        }
        now - put_back
    }

    /// Takes back what is final only because of an event far ahead. Rules with absences keep what they
    /// have seen.
    fn take_back_ahead(&mut self, context: &mut Context<'_>) {
        let limit = self.time.newest() + context.plan.memory();
        let is_beyond = |last: &Ordinal| last.event_time > limit;
        if context.plan.has_absence() || !self.last_final.as_ref().is_some_and(is_beyond) {
            return;
        }
        for candidate in self.base.split_beyond(limit).candidates() {
            let at = self.recent.partition_point(|other| other.ordinal < candidate.ordinal);
            if self.recent.get(at).is_none_or(|other| other.ordinal != candidate.ordinal) {
                self.recent.insert(at, Arc::clone(candidate));
            }
        }
        self.last_final = self.base.last_ordinal();
        if !context.plan.emits_final_only() {
            self.rebuild_head(context);
        }
    }

    /// Ends what is held of times of which nothing has been heard for a memory, as if it had been
    /// another key's: a clock has been wrong, or was put back.
    fn end_unheard(&mut self, context: &mut Context<'_>) {
        let latest_held = [
            self.recent.back().map(|last| last.event_time()),
            self.last_final.as_ref().map(|last| last.event_time),
            self.identities.last().map(|(at, _)| *at),
        ];
        let latest_held = latest_held.into_iter().flatten().max();
        let is_unheard = |limit: EventTime| latest_held.is_some_and(|latest| latest > limit);
        if !is_unheard(self.time.unheard_beyond_at_least()) {
            return;
        }
        let limit = self.time.unheard_beyond();
        if is_unheard(limit) {
            self.end_beyond(limit, context);
        }
    }

    fn end_beyond(&mut self, limit: EventTime, context: &mut Context<'_>) {
        let mut ended = self.base.split_beyond(limit);
        let kept = self.recent.partition_point(|candidate| candidate.event_time() <= limit);
        let mut matches = Vec::new();
        for candidate in self.recent.split_off(kept) {
            ended.push(context.plan, &candidate, &mut matches);
        }
        ended.advance(EventTime::MAX, &mut matches);
        context.counts.expired += ended.pending_count() as u64;
        self.emit_final(matches, context);
        if self.last_final.as_ref().is_some_and(|last| last.event_time > limit) {
            self.last_final = self.base.last_ordinal();
        }
        self.sample.drop_beyond(limit);
        let beyond = (limit + TimeSpan::from_nanos(1), Identity(0));
        drop(self.identities.split_off(&beyond));
        drop(self.emitted.split_off(&beyond));
        if !context.plan.emits_final_only() {
            self.rebuild_head(context);
        }
    }

    fn park(&mut self, candidate: Candidate, context: &mut Context<'_>) {
        if self.time.waiting_count() < context.max_identities() {
            let event_time = candidate.event_time();
            self.time.observe_later(event_time, context.seen_at, Some(Arc::new(candidate)));
        } else {
            context.counts.refused_candidates += 1;
        }
    }

    fn now(&self, context: &Context<'_>) -> EventTime {
        self.time.now(context.pace)
    }

    /// Remembers the candidate's identity; tells whether it is to be taken in.
    fn remember(&mut self, candidate: &Candidate, context: &mut Context<'_>) -> bool {
        let key = (candidate.event_time(), candidate.event.identity);
        if self.identities.contains(&key) {
            context.counts.duplicates += 1;
            return false;
        }
        let full = self.identities.len() >= context.max_identities()
            || self.recent.len() >= context.max_candidates;
        if full && !context.plan.is_single() {
            context.counts.refused_candidates += 1;
            return false;
        }
        if full {
            // A single event needs no state: it is only no longer known when it comes again.
            context.counts.refused_identities += 1;
        } else {
            self.identities.insert(key);
        }
        true
    }

    /// Forgets what no event can meet any more, by the key's now before what was heard long ago is
    /// forgotten too: afterwards it may be an earlier one, and what is gone from what a restart reads
    /// must not come back with it.
    fn forget_old(&mut self, context: &Context<'_>) {
        let now = self.now(context);
        let before = (now - context.plan.memory(), Identity(0));
        while self.identities.first().is_some_and(|first| *first < before) {
            self.identities.pop_first();
        }
        while self.emitted.first_key_value().is_some_and(|(first, _)| *first < before) {
            self.emitted.pop_first();
        }
        self.base.forget_seen(now - context.plan.recovery_window());
        // What has run ahead of the clock is not heard yet, and must not be missed for that.
        if !context.is_ahead() {
            self.time.turn(context.pace);
        }
    }

    fn offer_single(&mut self, candidate: Arc<Candidate>, context: &mut Context<'_>) {
        let events = vec![candidate];
        context.out.push(Match { events, order_adjusted: false, window: None, deadline: None });
    }

    fn offer_sample(&mut self, candidate: &Arc<Candidate>, context: &mut Context<'_>) {
        // What would be freed at once cannot be found again after a restart.
        let times = &context.plan.times;
        let oldest = self.now(context) - times.allowed_lateness - times.maxspan;
        if candidate.event_time() < oldest {
            context.counts.too_late += 1;
            return;
        }
        if let Some(found) = self.sample.push(context.plan, candidate) {
            self.emit_once(found, context);
        }
    }

    fn insert(&mut self, candidate: Arc<Candidate>, context: &mut Context<'_>) {
        let at = self.recent.partition_point(|other| other.ordinal < candidate.ordinal);
        let in_order = at == self.recent.len();
        self.recent.insert(at, Arc::clone(&candidate));
        if context.plan.emits_final_only() {
            return;
        }
        if in_order {
            let mut matches = Vec::new();
            self.head.push(context.plan, &candidate, &mut matches);
            self.emit_eager(matches, context);
        } else {
            context.counts.reordered += 1;
            self.rebuild_head(context);
        }
    }

    fn insert_late(&mut self, candidate: &Arc<Candidate>, context: &mut Context<'_>) {
        let mut matches = Vec::new();
        self.base.push_late(context.plan, candidate, &mut matches);
        self.emit_final(matches, context);
        if !context.plan.emits_final_only() {
            self.rebuild_head(context);
        }
    }

    /// Applies `recent` to `base` anew, and lets go what this shows for the first time.
    fn rebuild_head(&mut self, context: &mut Context<'_>) {
        let mut matches = Vec::new();
        self.head = self.base.clone();
        for candidate in &self.recent {
            self.head.push(context.plan, candidate, &mut matches);
        }
        self.emit_eager(matches, context);
    }

    /// Makes a candidate final.
    fn fold(&mut self, candidate: &Arc<Candidate>, context: &mut Context<'_>) {
        let mut matches = Vec::new();
        self.base.push(context.plan, candidate, &mut matches);
        self.last_final = Some(candidate.ordinal.clone());
        if !context.plan.emits_final_only() {
            let key = (candidate.event_time(), candidate.event.identity);
            let gone = !matches.iter().any(|found| final_key(context.plan, found) == key);
            if gone && self.emitted.contains_key(&key) {
                context.counts.contradicted += 1;
            }
        }
        self.emit_final(matches, context);
    }

    fn emit_eager(&mut self, matches: Vec<Match>, context: &mut Context<'_>) {
        for found in matches {
            self.emit_once(found, context);
        }
    }

    fn emit_final(&mut self, matches: Vec<Match>, context: &mut Context<'_>) {
        let reach = context.plan.times.maxspan + context.plan.times.allowed_lateness;
        self.count_contradictions(&matches, context);
        for found in matches {
            let unseen = context.plan.has_leading_absence()
                && context.seen_from.is_some_and(|from| self.now(context) < from + reach);
            if unseen {
                context.counts.undecidable += 1;
                continue;
            }
            self.emit_once(found, context);
        }
    }

    /// Counts the final events for which other events have left than those that are final now.
    fn count_contradictions(&self, matches: &[Match], context: &mut Context<'_>) {
        let plan = context.plan;
        let finals: BTreeSet<_> = matches.iter().map(|found| final_key(plan, found)).collect();
        for key in finals {
            let agrees = |emitted: &Emitted| {
                let same = |found: &&Match| final_key(plan, found) == key;
                matches.iter().filter(same).any(|found| fingerprint(found) == emitted.events)
            };
            let contradicted = self.emitted.get(&key).is_some_and(|emitted| !agrees(emitted));
            context.counts.contradicted += u64::from(contradicted);
        }
    }

    fn emit_once(&mut self, found: Match, context: &mut Context<'_>) {
        let key = final_key(context.plan, &found);
        if let Entry::Vacant(new) = self.emitted.entry(key) {
            new.insert(Emitted { events: fingerprint(&found) });
            context.out.push(found);
        }
    }
}

/// Returns under what a match is remembered: its time first, so that old ones can be forgotten.
/// All samples of a window are one, whichever events they are made of.
fn final_key(plan: &Plan, found: &Match) -> (EventTime, Identity) {
    let at = match found.window {
        Some(window) => EventTime::from_nanos(plan.times.maxspan.times(window).nanos()),
        None => found.final_event().event_time(),
    };
    (at, found.identity())
}

/// Returns a number that two matches share only if they are made of the same events.
fn fingerprint(found: &Match) -> u64 {
    found.events.iter().fold(0, |sum: u64, candidate| {
        let identity = candidate.event.identity.0;
        sum.rotate_left(7) ^ identity as u64 ^ (identity >> 64) as u64
    })
}

//! The state of one rule in one partition: its keys, what each holds, and what is decided or leaves
//! when.
//!
//! Time runs in steps, in the order in which they fall due: a decision, a candidate that leaves, a
//! source that has caught up. So a pace that is reached in one leap gives what small steps give.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

mod decide;
mod deliver;
mod leave;
mod limits;

use hashbrown::HashTable;

use super::candidate::Candidate;
use super::entries::{Ends, Entries, EntryId, KeyId, Noted, Remembered, Size};
use super::footprint::candidate_bytes;
use super::matcher::Matcher;
use super::matcher::held::Held;
use super::matcher::sample::{self, Pool};
use super::pace::Pace;
use super::plan::Plan;
use super::slab::Slab;
use super::{Counts, Input, Limits, Match, Moment, Move};
use crate::event::{EventTime, JoinKey, TimeSpan};

/// The least step of time.
const NANOSECOND: TimeSpan = TimeSpan::from_nanos(1);

/// One join key of the rule.
#[derive(Debug)]
struct Key {
    name: JoinKey,
    matcher: Matcher,
    /// Its entries, by last delivery.
    entries: Ends,
    entry_count: u32,
    /// The pace up to which an event of an absence was driven out by the limit of the key.
    driven_out_until: Option<Pace>,
    /// The timer under which it stands.
    due: Option<Pace>,
}

/// What one rule holds in one partition.
#[derive(Debug)]
pub(super) struct Store {
    plan: Arc<Plan>,
    limits: Limits,
    input: Input,
    keys: Slab<Key>,
    by_name: HashTable<KeyId>,
    /// Names of keys come from outside: nobody may know which of them have the same hash.
    hasher: RandomState,
    entries: Entries,
    /// When the next of a key's candidates is decided.
    timers: BTreeSet<(Pace, JoinKey)>,
    /// What is ahead of the other sources, by the clock of its own: (clock, delivery), entry.
    ahead: BTreeMap<(EventTime, u64), EntryId>,
    /// About how many bytes everything takes.
    bytes: usize,
    /// What of these the events take.
    event_bytes: usize,
    pending: usize,
    /// The pace from which the rule has seen the partition; nothing if it has seen all of it.
    seen_from: Option<Pace>,
    /// The pace up to which an event of an absence was driven out by the limit of the rule.
    driven_out_until: Option<Pace>,
    now: Moment,
    has_acted: bool,
    pub(super) counts: Counts,
    pub(super) found: Vec<(JoinKey, Match)>,
}

/// What drives an entry out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    Key,
    Rule,
    Instance,
}

/// A table of so many places is kept when all are free.
const FEW: usize = 64;
/// So many deliveries of driven out events may wait for their sources.
const FEW_AHEAD: usize = 1_024;

/// About how many bytes a key takes beside its name and its entries: its slot, and its place in a table
/// that is two thirds full.
const KEY: usize = Slab::<Key>::bytes_of_one() + (size_of::<KeyId>() + 1) * 3 / 2;

impl Store {
    /// Returns the empty state of a rule.
    pub(super) fn new(plan: Arc<Plan>, limits: Limits, input: Input) -> Self {
        Self {
            plan,
            limits,
            input,
            keys: Slab::default(),
            by_name: HashTable::new(),
            hasher: RandomState::new(),
            entries: Entries::default(),
            timers: BTreeSet::new(),
            ahead: BTreeMap::new(),
            bytes: 0,
            event_bytes: 0,
            pending: 0,
            seen_from: None,
            driven_out_until: None,
            now: Moment::default(),
            has_acted: false,
            counts: Counts::default(),
            found: Vec::new(),
        }
    }

    /// Says from which pace on the rule sees the partition.
    pub(super) fn set_seen_from(&mut self, pace: Pace) {
        self.seen_from = Some(pace);
    }

    /// Returns about how many bytes the state takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns what of these the events take.
    pub(super) fn event_bytes(&self) -> usize {
        self.event_bytes
    }

    /// Returns how many keys are kept.
    pub(super) fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// Returns how many sequences are pending.
    pub(super) fn pending_count(&self) -> usize {
        self.pending
    }

    /// Takes in a delivery of an event that satisfies terms of the rule under a key.
    ///
    /// `ahead_until` is what the clock of its source showed, if that is ahead of the others.
    pub(super) fn deliver(
        &mut self,
        name: &JoinKey,
        candidate: Candidate,
        event_bytes: usize,
        ahead_until: Option<EventTime>,
    ) {
        let key = self.key(name);
        let what = Remembered::Event(candidate.event.identity);
        let known = self.entries.find(key, what);
        let entry = known.unwrap_or_else(|| self.add_entry(key, what));
        let size = match self.plan.is_single() {
            true => Size::default(),
            false => Size { beside: candidate_bytes(), event: event_bytes },
        };
        self.note_delivery(entry, key, size, ahead_until);
        if known.is_some() {
            self.counts.duplicates += 1;
        } else {
            self.admit(key, entry, candidate, ahead_until);
        }
        self.make_room(key, entry);
        self.set_timer(key);
    }

    /// Lets time run on to a moment: decides, and lets go. Tells whether anything was done.
    pub(super) fn advance(&mut self, to: Moment, moved: Option<Move>) -> bool {
        self.has_acted = false;
        if self.input == Input::Bounded {
            return false;
        }
        if to.slack != self.now.slack {
            self.now.slack = to.slack;
            self.set_all_timers();
        }
        while let Some((pace, step)) = self.next_step(to, moved) {
            self.now.pace = self.now.pace.max(pace);
            match step {
                Step::Decide(name) => self.decide_due(&name),
                Step::Leave => self.let_go(),
                Step::Release(at) => self.release(at, pace),
                Step::Forget(entry) => self.forget(entry),
            }
        }
        self.now.pace = to.pace;
        if self.keys.len() == 0 {
            // What was driven out would have left by itself.
            self.driven_out_until = None;
        }
        self.has_acted
    }

    /// Ends a loan of pace: what it decided stays so.
    pub(super) fn end_loan(&mut self, now: Moment) {
        self.now = now;
    }

    /// Returns the pace at which something happens next; nothing if nothing will.
    pub(super) fn next_due(&self) -> Option<Pace> {
        let timer = self.timers.first().map(|(pace, _)| *pace);
        let leave = self.entries.first_arrived().map(|(_, pace)| self.leaves_at(pace));
        let forget = self.entries.first_delivered().map(|(_, pace)| self.leaves_at(pace));
        timer.into_iter().chain(leave).chain(forget).min()
    }

    /// Ends a bounded input: everything is decided.
    pub(super) fn finish(&mut self) {
        let mut names: Vec<(JoinKey, KeyId)> =
            self.keys.iter().map(|(id, key)| (key.name.clone(), id)).collect();
        names.sort();
        let (plan, is_bounded) = (Arc::clone(&self.plan), self.input == Input::Bounded);
        for (name, key) in names {
            match &mut self.key_mut(key).matcher {
                Matcher::Single => {}
                Matcher::Sequence(_) => self.decide(key, EventTime::MAX),
                Matcher::Sample(pool) if is_bounded => {
                    let samples = pool.samples(&plan);
                    self.found.extend(samples.into_iter().map(|s| (name.clone(), sample_match(s))));
                }
                Matcher::Sample(_) => {}
            }
        }
    }

    /// Lets the entries go whose last delivery is the longest ago, until the state takes at most so
    /// many bytes; for an instance that is short of memory, whatever the rule's own limits are.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        while self.bytes > bytes {
            let Some((entry, _)) = self.entries.first_delivered() else { break };
            self.evict(entry, Limit::Instance);
        }
    }

    fn key(&mut self, name: &JoinKey) -> KeyId {
        if let Some(key) = self.find_key(name) {
            return key;
        }
        let key = self.keys.insert(Key {
            name: name.clone(),
            matcher: Matcher::new(&self.plan),
            entries: Ends::default(),
            entry_count: 0,
            driven_out_until: None,
            due: None,
        });
        let (keys, hasher) = (&self.keys, &self.hasher);
        let hash_of = |id: &KeyId| keys.get(*id).map_or(0, |key| hasher.hash_one(&key.name));
        self.by_name.insert_unique(hasher.hash_one(name), key, hash_of);
        self.bytes += KEY + name_bytes(name);
        key
    }

    fn find_key(&self, name: &JoinKey) -> Option<KeyId> {
        let is_it = |id: &KeyId| self.keys.get(*id).is_some_and(|key| key.name == *name);
        self.by_name.find(self.hasher.hash_one(name), is_it).copied()
    }

    /// Lets go of a key.
    fn remove_key(&mut self, id: KeyId) -> Option<Key> {
        let key = self.keys.remove(id)?;
        let hash = self.hasher.hash_one(&key.name);
        if let Ok(found) = self.by_name.find_entry(hash, |other| *other == id) {
            found.remove();
        }
        if self.keys.len() == 0 && self.by_name.capacity() > FEW {
            self.by_name = HashTable::new();
        }
        Some(key)
    }

    fn key_mut(&mut self, key: KeyId) -> &mut Key {
        self.keys.get_mut(key).expect("the key is there")
    }

    fn held_mut(&mut self, key: KeyId) -> &mut Held {
        match &mut self.key_mut(key).matcher {
            Matcher::Sequence(held) => held,
            Matcher::Single | Matcher::Sample(_) => unreachable!("only sequences hold by ordinal"),
        }
    }

    fn add_entry(&mut self, key: KeyId, what: Remembered) -> EntryId {
        self.count_entries(key, 1);
        self.bytes += Size::default().total();
        self.entries.add(key, what)
    }

    /// Counts an entry of a key, or one less, and what that changes about the room that the key takes.
    fn count_entries(&mut self, key: KeyId, change: i32) {
        let state = self.keys.get_mut(key).expect("the key is there");
        let before = state.entry_count;
        state.entry_count = before.saturating_add_signed(change);
        let now = state.entry_count;
        self.bytes = self.bytes + self.bytes_of(now) - self.bytes_of(before);
    }

    /// Returns about how many bytes a key takes by so many entries, beside these and itself.
    fn bytes_of(&self, entries: u32) -> usize {
        match () {
            () if self.plan.is_single() => 0,
            () if self.plan.is_sample => Pool::bytes_of(entries as usize),
            () => Held::bytes_of(&self.plan, entries as usize),
        }
    }

    fn note_delivery(&mut self, entry: EntryId, key: KeyId, size: Size, ahead: Option<EventTime>) {
        // A copy counts with its own size, whatever is left of the first delivery: what leaves at a
        // limit must not depend on what came before.
        let before = self.entries.entry(entry).size();
        self.bytes = self.bytes + size.total() - before.total();
        self.event_bytes = self.event_bytes + size.event - before.event;
        let noted = if ahead.is_some() { Noted::Ahead } else { Noted::At(self.now.pace) };
        let state = self.keys.get_mut(key).expect("the key is there");
        self.entries.deliver(entry, &mut state.entries, noted, size);
        if let Some(clock) = ahead {
            self.ahead.insert((clock, self.entries.entry(entry).delivery), entry);
            if self.ahead.len() > 2 * self.entries.len() + FEW_AHEAD {
                // What was driven out need not be waited for.
                let entries = &self.entries;
                self.ahead.retain(|(_, delivery), entry| entries.waits_for(*entry, *delivery));
            }
        }
    }

    fn arrive(&mut self, entry: EntryId, candidate: &Arc<Candidate>, arrival: Option<Pace>) {
        let noted = arrival.map_or(Noted::Ahead, Noted::At);
        self.entries.arrive(entry, Arc::clone(candidate), noted);
    }

    fn set_all_timers(&mut self) {
        let keys = self.keys.iter().map(|(id, _)| id).collect::<Vec<_>>();
        keys.into_iter().for_each(|key| self.set_timer(key));
    }

    fn set_timer(&mut self, key: KeyId) {
        if self.is_eager() || self.input == Input::Bounded {
            return;
        }
        let (slack, lateness) = (self.now.slack, self.plan.times.allowed_lateness);
        let Some(state) = self.keys.get_mut(key) else { return };
        let due = match &state.matcher {
            Matcher::Sequence(held) => held
                .next_limit()
                .zip(held.newest())
                .map(|(limit, newest)| newest.pace_past(limit + lateness, slack)),
            Matcher::Single | Matcher::Sample(_) => None,
        };
        if due == state.due {
            return;
        }
        if let Some(before) = std::mem::replace(&mut state.due, due) {
            self.timers.remove(&(before, state.name.clone()));
        }
        self.timers.extend(due.map(|due| (due, state.name.clone())));
    }
}

/// What happens at one moment.
enum Step {
    /// A key's next candidate is decided.
    Decide(JoinKey),
    /// The candidates leave that arrived first.
    Leave,
    /// An event counts as arrived: the other sources have come to where it stood.
    Release((EventTime, u64)),
    /// An entry is forgotten.
    Forget(EntryId),
}

fn name_bytes(name: &JoinKey) -> usize {
    let texts: usize = name.parts().iter().flatten().map(|part| part.len() + 16).sum();
    size_of_val(name.parts()) + 32 + texts
}

fn sample_match((window, events): sample::Sample) -> Match {
    Match { events, order_adjusted: false, window: Some(window), deadline: None }
}

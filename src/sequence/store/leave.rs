//! What leaves because it has been held for long enough, and what counts as arrived because its source
//! is not ahead any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{KEY, NANOSECOND, Step, Store, name_bytes};
use crate::event::{EventTime, JoinKey, TimeSpan};
use crate::sequence::candidate::Candidate;
use crate::sequence::entries::{EntryId, KeyId};
use crate::sequence::matcher::Matcher;
use crate::sequence::pace::Pace;
use crate::sequence::{Input, Moment, Move};

impl Store {
    /// For how long something is held.
    pub(super) fn span_held(&self) -> TimeSpan {
        self.plan.held_for(self.now.slack)
    }

    pub(super) fn leaves_at(&self, arrival: Pace) -> Pace {
        match self.input {
            Input::Bounded => Pace::MAX,
            Input::Stream => arrival + self.span_held() + self.now.slack + NANOSECOND,
        }
    }

    /// Returns what happens next up to a moment, and at which pace.
    pub(super) fn next_step(&self, to: Moment, moved: Option<Move>) -> Option<(Pace, Step)> {
        let decide = self.timers.first().map(|(pace, name)| (*pace, Step::Decide(name.clone())));
        let leave = self.entries.first_arrived();
        let leave = leave.map(|(_, arrival)| (self.leaves_at(arrival), Step::Leave));
        let forget = self.entries.first_delivered();
        let forget =
            forget.map(|(entry, delivered)| (self.leaves_at(delivered), Step::Forget(entry)));
        let release = moved.zip(self.ahead.first_key_value()).and_then(|(moved, (at, _))| {
            moved.pace_at(at.0).map(|pace| (pace, Step::Release(*at)))
        });
        // At one pace what is ahead comes first, then decisions are made, then candidates leave.
        let steps = [release, decide, leave, forget].into_iter().flatten();
        steps.min_by_key(|(pace, _)| *pace).filter(|(pace, _)| *pace <= to.pace)
    }

    /// Lets the candidates go that arrived first, all of one pace at once.
    pub(super) fn let_go(&mut self) {
        let Some((_, arrival)) = self.entries.first_arrived() else { return };
        let mut gone: BTreeMap<KeyId, Vec<EntryId>> = BTreeMap::new();
        while let Some((entry, pace)) = self.entries.first_arrived() {
            if pace != arrival {
                break;
            }
            // Out of the list at once; its candidate is still needed to decide.
            let candidate = self.entries.drop_candidate(entry);
            self.entries.entry_mut(entry).candidate = candidate;
            gone.entry(self.entries.entry(entry).key).or_default().push(entry);
        }
        let mut keys: Vec<(JoinKey, KeyId)> =
            gone.keys().map(|key| (self.key_mut(*key).name.clone(), *key)).collect();
        keys.sort();
        for (_, key) in keys {
            let gone = &gone[&key];
            self.decide_before_leaving(key, gone);
            let pending = self.pending;
            gone.iter().for_each(|entry| self.drop_candidate(*entry));
            self.refresh_behind_leaving(key);
            self.counts.expired += pending.saturating_sub(self.pending) as u64;
            self.set_timer(key);
        }
    }

    /// Decides what has never come below the watermark, or whose deadline has not, as it leaves.
    pub(super) fn decide_before_leaving(&mut self, key: KeyId, gone: &[EntryId]) {
        self.has_acted = true;
        if self.is_eager() || !matches!(self.key_mut(key).matcher, Matcher::Sequence(_)) {
            return;
        }
        let candidates: Vec<Arc<Candidate>> =
            gone.iter().filter_map(|entry| self.entries.entry(*entry).candidate.clone()).collect();
        let held = self.held_mut(key);
        let is_open = |candidate: &&Arc<Candidate>| {
            held.event(candidate).is_some_and(|event| !event.fate.is_done)
        };
        let newest =
            candidates.iter().filter(is_open).map(|candidate| candidate.event_time()).max();
        if let Some(newest) = newest {
            self.decide(key, newest + self.plan.times.maxspan.times(2) + NANOSECOND);
        }
        if !self.plan.has_absence() {
            // What they complete is decided with them: without them there is no match any more.
            let plan = Arc::clone(&self.plan);
            let completed = self.held_mut(key).undecided_with(&plan, &candidates);
            completed.iter().for_each(|partial| self.send(key, partial, None));
        }
    }

    pub(super) fn drop_candidate(&mut self, entry: EntryId) {
        let plan = Arc::clone(&self.plan);
        let Some(candidate) = self.entries.drop_candidate(entry) else { return };
        let key = self.entries.entry(entry).key;
        match &mut self.key_mut(key).matcher {
            Matcher::Single => {}
            Matcher::Sequence(held) => held.remove(&plan, &candidate),
            Matcher::Sample(pool) => pool.remove(&candidate),
        }
    }

    pub(super) fn refresh_behind_leaving(&mut self, key: KeyId) {
        if matches!(self.key_mut(key).matcher, Matcher::Sequence(_)) {
            drop(self.refresh(key, None, !self.is_eager()));
        }
    }

    /// Forgets an entry whose last delivery is long ago.
    pub(super) fn forget(&mut self, entry: EntryId) {
        self.has_acted = true;
        let key = self.entries.entry(entry).key;
        self.remove(entry);
        self.end_if_empty(key);
    }

    pub(super) fn remove(&mut self, entry: EntryId) {
        let key = self.entries.entry(entry).key;
        if self.entries.entry(entry).candidate.is_some() {
            self.drop_candidate(entry);
            self.refresh_behind_leaving(key);
        }
        self.count_entries(key, -1);
        let state = self.keys.get_mut(key).expect("an entry has its key");
        let size = self.entries.remove(entry, &mut state.entries).size();
        self.bytes -= size.total();
        self.event_bytes -= size.event;
    }

    pub(super) fn end_if_empty(&mut self, key: KeyId) {
        if self.key_mut(key).entry_count > 0 {
            return self.set_timer(key);
        }
        if let Some(state) = self.remove_key(key) {
            if let Some(due) = state.due {
                self.timers.remove(&(due, state.name.clone()));
            }
            self.bytes -= KEY + name_bytes(&state.name);
        }
    }

    pub(super) fn release(&mut self, at: (EventTime, u64), pace: Pace) {
        let Some(entry) = self.ahead.remove(&at) else { return };
        self.has_acted = true;
        if !self.entries.release(entry, at.1, pace) {
            return;
        }
        let found = self.entries.entry(entry);
        let (key, candidate) = (found.key, found.candidate.clone());
        if let (Some(candidate), Matcher::Sequence(held)) =
            (candidate, &mut self.key_mut(key).matcher)
        {
            held.arrive(&candidate, pace);
        }
        if matches!(self.key_mut(key).matcher, Matcher::Sequence(_)) && !self.is_eager() {
            self.decide_below_watermark(key);
        }
        self.set_timer(key);
    }
}

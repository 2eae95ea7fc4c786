//! Limits: whose last delivery is the longest ago leaves, and the newest never does.

use super::{Limit, Store};
use crate::sequence::Input;
use crate::sequence::entries::{EntryId, KeyId, Noted};

impl Store {
    pub(super) fn make_room(&mut self, key: KeyId, newest: EntryId) {
        if self.input == Input::Bounded {
            return;
        }
        while self.key_mut(key).entry_count as usize > self.limits.max_candidates_per_key {
            let Some(first) = self.key_mut(key).entries.first().filter(|first| *first != newest)
            else {
                break;
            };
            self.evict(first, Limit::Key);
        }
        while self.bytes > self.limits.max_bytes || self.keys.len() > self.limits.max_keys {
            let Some(first) = self.first_to_leave().filter(|first| *first != newest) else { break };
            self.evict(first, Limit::Rule);
        }
    }

    /// Returns the entry whose last delivery is the longest ago.
    pub(super) fn first_to_leave(&self) -> Option<EntryId> {
        let ahead = || self.ahead.values().next().copied();
        self.entries.first_delivered().map(|(entry, _)| entry).or_else(ahead)
    }

    /// Lets an entry go because of a limit.
    pub(super) fn evict(&mut self, entry: EntryId, limit: Limit) {
        self.has_acted = true;
        let key = self.entries.entry(entry).key;
        if let Some(candidate) = self.entries.entry(entry).candidate.clone() {
            self.count_evicted(limit);
            if !self.plan.has_absence() {
                self.decide_before_leaving(key, &[entry]);
            } else if self.plan.missing.iter().any(|term| candidate.terms.has(*term)) {
                self.note_unseen(key, entry, limit);
            }
        }
        let pending = self.pending;
        self.remove(entry);
        self.counts.evicted_pending += pending.saturating_sub(self.pending) as u64;
        self.end_if_empty(key);
    }

    pub(super) fn count_evicted(&mut self, limit: Limit) {
        let count = match limit {
            Limit::Key => &mut self.counts.evicted_of_key,
            Limit::Rule => &mut self.counts.evicted_of_rule,
            Limit::Instance => &mut self.counts.evicted_of_instance,
        };
        *count += 1;
    }

    /// Absences that the event may have forbidden are undecidable from now on.
    pub(super) fn note_unseen(&mut self, key: KeyId, entry: EntryId, limit: Limit) {
        let arrival = match self.entries.entry(entry).arrival() {
            Noted::At(pace) => pace,
            Noted::Ahead => self.now.pace,
        };
        let until = match limit {
            Limit::Key => &mut self.key_mut(key).driven_out_until,
            Limit::Rule | Limit::Instance => &mut self.driven_out_until,
        };
        *until = (*until).max(Some(arrival));
    }
}

//! What a rule has not seen or has had to let go, and who leaves at a limit.

use super::super::rule::Stage;
use super::held::{Candidate, HeldKey};
use super::partition::Partition;
use super::policy::Rejected;

impl Partition {
    /// What forbids a match may have come before the rule saw the partition, or was driven out.
    pub(super) fn is_undecidable(&self, held: &HeldKey, first: &Candidate) -> bool {
        let leading = if self.rule.stages[0].is_missing { self.rule.maxspan } else { 0 };
        let unseen_for = self.rule.allowed_lateness.max(first.behind) + leading;
        let is_unseen = |since: i64| first.arrival - since - self.slack() <= unseen_for;
        let since = self.seen_from.into_iter().chain(held.seen_from);
        self.rule.has_absence() && since.max().is_some_and(is_unseen)
    }

    pub(super) fn make_room(&mut self, key: char, newest: i64) {
        while let Some(most) = self.quotas.of_key
            && self.keys[&key].delivered.len() > most
        {
            let oldest = self.keys[&key].delivered[0].0;
            self.evict(key, oldest, true);
        }
        while let Some(most) = self.quotas.size
            && let Some((key, number)) = self.quota.victim(most, newest)
        {
            self.evict(key, number, false);
        }
    }

    /// Lets one go because of a limit of its key, or of the rule.
    fn evict(&mut self, key: char, number: i64, is_of_key: bool) {
        if let Some(place) = self.keys[&key].find(number) {
            let candidate = self.keys[&key].candidates[place].clone();
            let forbids = |stage: &Stage| stage.is_missing && candidate.event.has(stage.tag);
            if !self.rule.has_absence() {
                self.decide_before_leaving(key, std::slice::from_ref(&candidate));
            } else if self.rejected != Some(Rejected::UnseenForgotten)
                && self.rule.stages.iter().any(forbids)
            {
                let held = self.keys.get_mut(&key).unwrap();
                let whose = if is_of_key { &mut held.seen_from } else { &mut self.seen_from };
                *whose = (*whose).max(Some(candidate.arrival));
            }
            self.keys.get_mut(&key).unwrap().candidates.remove(place);
        }
        self.keys.get_mut(&key).unwrap().delivered.retain(|(entry, _)| *entry != number);
        self.quota.forget((key, number));
    }
}

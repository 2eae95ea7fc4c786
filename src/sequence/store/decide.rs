//! What is decided when, and which matches leave.

use std::sync::Arc;

use super::Store;
use crate::event::{EventTime, JoinKey, TimeSpan};
use crate::sequence::candidate::Candidate;
use crate::sequence::entries::KeyId;
use crate::sequence::matcher::partial::Partial;
use crate::sequence::pace::Pace;
use crate::sequence::plan::Emission;
use crate::sequence::{Input, Match};

impl Store {
    pub(super) fn is_eager(&self) -> bool {
        self.plan.times.emission == Emission::Eager
            && !self.plan.has_absence()
            && self.input != Input::Bounded
    }

    pub(super) fn watermark(&mut self, key: KeyId) -> Option<EventTime> {
        if self.input == Input::Bounded {
            return None;
        }
        let (now, lateness) = (self.now, self.plan.times.allowed_lateness);
        let newest = self.held_mut(key).newest()?;
        Some(newest.now(now.pace, now.slack) - lateness)
    }

    pub(super) fn decide_due(&mut self, name: &JoinKey) {
        if let Some(key) = self.find_key(name) {
            self.decide_below_watermark(key);
            self.set_timer(key);
        }
    }

    pub(super) fn decide_below_watermark(&mut self, key: KeyId) {
        if let Some(watermark) = self.watermark(key) {
            self.decide(key, watermark);
        }
    }

    pub(super) fn decide(&mut self, key: KeyId, limit: EventTime) {
        let plan = Arc::clone(&self.plan);
        drop(self.refresh(key, None, true));
        let decided = self.held_mut(key).decide(&plan, limit, plan.forbids_for());
        self.has_acted = true;
        for (partial, deadline) in decided {
            self.send(key, &partial, deadline);
        }
    }

    pub(super) fn send(&mut self, key: KeyId, partial: &Arc<Partial>, deadline: Option<EventTime>) {
        if self.is_undecidable(key, partial) {
            self.counts.undecidable += 1;
            return;
        }
        self.has_acted = true;
        self.held_mut(key).note_sent(partial);
        let name = self.key_mut(key).name.clone();
        let found = Match {
            events: partial.events(),
            order_adjusted: partial.is_adjusted(),
            window: None,
            deadline,
        };
        self.found.push((name, found));
    }

    /// Tells whether what forbids a match may have come before the rule saw the partition, or may
    /// have been driven out by a limit.
    pub(super) fn is_undecidable(&mut self, key: KeyId, partial: &Partial) -> bool {
        if !self.plan.has_absence() || self.input == Input::Bounded {
            return false;
        }
        let (now, loaded, of_rule) = (self.now, self.seen_from, self.driven_out_until);
        let lateness = self.plan.times.allowed_lateness;
        let lead = self.plan.leading_reach();
        let of_key = self.key_mut(key).driven_out_until;
        let Some(first) = self.held_mut(key).event(partial.first()) else { return false };
        let behind = TimeSpan::from_millis(i64::from(first.behind_ms));
        let unseen = lateness.max(behind) + lead;
        let arrival = first.arrival.unwrap_or(now.pace);
        let is_near = |from: Pace| arrival - from - now.slack <= unseen;
        [loaded, of_rule, of_key].into_iter().flatten().any(is_near)
    }

    /// Runs the machine over what has changed, and keeps count of what is pending.
    pub(super) fn refresh(
        &mut self,
        key: KeyId,
        inserted: Option<&Arc<Candidate>>,
        keeps_completed: bool,
    ) -> Vec<Arc<Partial>> {
        let plan = Arc::clone(&self.plan);
        let held = self.held_mut(key);
        let before = held.pending_count();
        let shown = held.refresh(&plan, inserted, keeps_completed);
        let pending = held.pending_count();
        self.pending = self.pending + pending - before;
        self.counts.contradicted += shown.contradicted;
        shown.complete
    }
}

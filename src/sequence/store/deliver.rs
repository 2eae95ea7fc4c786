//! What becomes of an event that comes for the first time.

use std::sync::Arc;

use super::{NANOSECOND, Store, sample_match};
use crate::event::{EventTime, TimeSpan};
use crate::sequence::absences::Verdict;
use crate::sequence::candidate::Candidate;
use crate::sequence::entries::{EntryId, KeyId, Remembered, Size};
use crate::sequence::matcher::Matcher;
use crate::sequence::matcher::held::HeldEvent;
use crate::sequence::matcher::partial::Partial;
use crate::sequence::{Input, Match};

impl Store {
    pub(super) fn admit(
        &mut self,
        key: KeyId,
        entry: EntryId,
        candidate: Candidate,
        ahead: Option<EventTime>,
    ) {
        match self.key_mut(key).matcher {
            Matcher::Single => {
                let name = self.key_mut(key).name.clone();
                self.has_acted = true;
                self.found.push((name, Match::of_one(Arc::new(candidate))));
            }
            Matcher::Sequence(_) => self.admit_to_sequence(key, entry, candidate, ahead),
            Matcher::Sample(_) => self.admit_to_sample(key, entry, candidate, ahead),
        }
    }

    pub(super) fn admit_to_sequence(
        &mut self,
        key: KeyId,
        entry: EntryId,
        mut candidate: Candidate,
        ahead: Option<EventTime>,
    ) {
        let plan = Arc::clone(&self.plan);
        let watermark = self.watermark(key);
        let at = candidate.event_time();
        let lateness = plan.times.allowed_lateness;
        let behind = watermark.map_or(TimeSpan::ZERO, |watermark| watermark + lateness - at);
        candidate.late = watermark.is_some_and(|watermark| at < watermark);
        self.counts.late += u64::from(candidate.late);
        let candidate = Arc::new(candidate);
        let arrival = ahead.is_none().then_some(self.now.pace);
        let behind_ms = u32::try_from(behind.max(TimeSpan::ZERO).millis() + 1).unwrap_or(u32::MAX);
        let mut event = HeldEvent::new(Arc::clone(&candidate), arrival, behind_ms);
        if self.may_lack_what_forbids(behind) {
            self.counts.too_late += 1;
            (event.fate.is_refused, event.fate.is_done) = (true, true);
        }
        let is_refused = event.fate.is_refused;
        self.arrive(entry, &candidate, arrival);
        let is_eager = self.is_eager();
        let keeps_completed = !is_eager;
        let held = self.held_mut(key);
        let is_reordered = held.has_behind(&candidate.ordinal);
        let done_until = held.done_until();
        held.insert(&plan, event);
        self.counts.reordered += u64::from(is_reordered);
        if self.input == Input::Bounded {
            return;
        }
        let shown = self.refresh(key, Some(&candidate), keeps_completed);
        if is_eager {
            return self.send_shown(key, shown, EventTime::MAX);
        }
        let done = done_until.map(|done| done + NANOSECOND);
        let limit = watermark.max(done).unwrap_or(EventTime::MIN);
        if !is_refused && at < limit {
            self.send_shown(key, shown, limit);
        }
        self.decide_below_watermark(key);
    }

    /// Sends the matches that an event has shown, where they are known: below a limit.
    pub(super) fn send_shown(&mut self, key: KeyId, shown: Vec<Arc<Partial>>, limit: EventTime) {
        let plan = Arc::clone(&self.plan);
        for partial in shown {
            let held = self.held_mut(key);
            let is_sent = held.event(partial.last()).is_none_or(|last| last.fate.is_sent);
            let Verdict::Holds(deadline) = held.judge(&plan, &partial) else {
                continue;
            };
            let ready = deadline.max(Some(partial.latest()));
            if !is_sent && ready < Some(limit) {
                self.send(key, &partial, deadline);
            }
        }
    }

    pub(super) fn admit_to_sample(
        &mut self,
        key: KeyId,
        entry: EntryId,
        candidate: Candidate,
        ahead: Option<EventTime>,
    ) {
        let plan = Arc::clone(&self.plan);
        let candidate = Arc::new(candidate);
        let arrival = ahead.is_none().then_some(self.now.pace);
        self.arrive(entry, &candidate, arrival);
        let is_bounded = self.input == Input::Bounded;
        let Matcher::Sample(pool) = &mut self.key_mut(key).matcher else { return };
        pool.insert(Arc::clone(&candidate));
        let samples = if is_bounded { Vec::new() } else { pool.samples_with(&plan, &candidate) };
        for sample in samples {
            let window = Remembered::Window(sample.0);
            let known = self.entries.find(key, window);
            let entry = known.unwrap_or_else(|| self.add_entry(key, window));
            // A window is known for as long as samples of it go on to be complete.
            self.note_delivery(entry, key, Size::default(), ahead);
            if known.is_none() {
                self.has_acted = true;
                let name = self.key_mut(key).name.clone();
                self.found.push((name, sample_match(sample)));
            }
        }
    }

    /// Tells whether what forbids an event's matches may have left, by how far it is behind.
    pub(super) fn may_lack_what_forbids(&self, behind: TimeSpan) -> bool {
        let reach = self.span_held() - self.plan.times.maxspan.times(2);
        self.plan.has_absence() && self.input != Input::Bounded && behind > reach
    }
}

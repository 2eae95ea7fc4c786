//! One rule over one partition, as a stream.

use std::collections::{BTreeMap, BTreeSet};

use super::super::MAX_SKEW;
use super::super::batch::Match;
use super::super::clock::Clock;
use super::super::event::Delivery;
use super::super::rule::Rule;
use super::held::{Candidate, HeldKey};
use super::policy::Rejected;
use super::quota::Quota;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emit {
    Eager,
    Exact,
    /// A recording: decided at its end.
    Bounded,
}

/// Limits of a rule.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quotas {
    pub size: Option<i64>,
    pub of_key: Option<usize>,
}

/// Use: `record` each delivery, `idle` where the partition is seen idle, `finish` at the end of a
/// recording.
#[derive(Clone)]
pub struct Partition {
    pub(super) rule: Rule,
    pub(super) emit: Emit,
    pub(super) quotas: Quotas,
    pub(super) rejected: Option<Rejected>,
    pub clock: Clock,
    pub hold: i64,
    pub keys: BTreeMap<char, HeldKey>,
    pub(super) quota: Quota,
    /// Place from which the rule has seen the partition; nothing if it has seen all there was.
    pub seen_from_place: Option<usize>,
    pub(super) seen_from: Option<i64>,
    pub outputs: Vec<Match>,
    loan: i64,
    pub(super) has_acted: bool,
}

impl Partition {
    pub fn new(
        rule: &Rule,
        emit: Emit,
        quotas: Quotas,
        clock: Clock,
        rejected: Option<Rejected>,
    ) -> Self {
        let mut partition = Self {
            rule: rule.clone(),
            emit,
            quotas,
            rejected,
            clock,
            hold: 0,
            keys: BTreeMap::new(),
            quota: Quota::new(rejected == Some(Rejected::FirstInLeaves)),
            seen_from_place: None,
            seen_from: None,
            outputs: Vec::new(),
            loan: 0,
            has_acted: false,
        };
        // What a rule asks for is at least what holds without wrong clocks.
        let asked = if rejected == Some(Rejected::ShortHold) { 0 } else { rule.hold };
        partition.hold = asked.max(partition.least_hold());
        partition
    }

    /// Returns the same rule without any state.
    #[must_use]
    pub fn emptied(&self) -> Self {
        let mut clock = Clock::new(self.clock.stamps);
        clock.most_of_step = self.clock.most_of_step;
        let empty = Self::new(&self.rule, self.emit, self.quotas, clock, self.rejected);
        Self { seen_from_place: self.seen_from_place, ..empty }
    }

    pub fn record(&mut self, place: usize, delivery: &Delivery) {
        let before = self.clock.shows.map(|_| self.clock.pace);
        self.clock.take(delivery);
        if self.seen_from_place.is_some() && self.seen_from.is_none() {
            if self.seen_from_place > Some(place) {
                return;
            }
            self.seen_from = Some(before.unwrap_or(self.clock.pace));
        }
        self.tick();
        if !delivery.event.tags.is_empty() {
            for &key in &delivery.event.keys {
                self.deliver(key, delivery);
            }
        }
        self.tick();
    }

    /// Lends the partition pace; tells whether that dropped or decided anything.
    pub fn idle(&mut self, elapsed: i64) -> bool {
        (self.loan, self.has_acted) = (elapsed, false);
        self.tick();
        self.loan = 0;
        self.has_acted
    }

    /// What waits for a watermark is decided; an eager rule has sent what it had to.
    pub fn finish(&mut self) {
        if self.is_eager() {
            return;
        }
        for key in self.names() {
            self.decide(key, i64::MAX);
        }
    }

    pub fn has_absence(&self) -> bool {
        self.rule.has_absence()
    }

    pub fn slack(&self) -> i64 {
        match self.rejected {
            Some(Rejected::HalfSlack) => self.clock.stamps.slack().min(MAX_SKEW),
            _ => self.clock.stamps.slack(),
        }
    }

    fn least_hold(&self) -> i64 {
        let spans = if self.rule.stages[0].is_missing { 2 } else { 1 };
        let short = self.rule.maxspan * spans + 2 * self.rule.allowed_lateness;
        match self.rejected {
            Some(Rejected::ShortHold) => short + self.slack(),
            Some(Rejected::BareMinimum) => self.rule.floor(),
            Some(Rejected::WithinOneSpan) => self.rule.floor() - self.rule.maxspan + self.slack(),
            _ => self.rule.floor() + self.slack(),
        }
    }

    fn names(&self) -> Vec<char> {
        self.keys.keys().copied().collect()
    }

    pub(super) fn is_eager(&self) -> bool {
        let is_asked_for = self.emit == Emit::Eager || self.rule.is_sample;
        self.emit != Emit::Bounded && !self.rule.has_absence() && is_asked_for
    }

    pub(super) fn age(&self, arrival: i64) -> i64 {
        self.clock.pace - arrival + self.loan - self.slack()
    }

    fn is_over(&self, pace: i64) -> bool {
        self.age(pace) > self.hold && self.rejected != Some(Rejected::NothingLeaves)
    }

    fn tick(&mut self) {
        if self.emit != Emit::Bounded {
            self.names().into_iter().for_each(|key| self.tick_key(key));
        }
    }

    /// Looks at a key at each moment at which something leaves, and at the present one: a leap of the
    /// pace is as many small steps.
    fn tick_key(&mut self, key: char) {
        let reached = self.loan;
        for moment in self.moments_of_leaving(key) {
            self.loan = moment;
            self.look_at(key);
        }
        self.loan = reached;
        if self.keys.contains_key(&key) {
            self.look_at(key);
        }
    }

    /// Returns how much pace, beside the clock's, had to be lent for a candidate to leave; less than
    /// nothing where that has passed.
    fn moments_of_leaving(&self, key: char) -> BTreeSet<i64> {
        let has_leaps = self.rejected == Some(Rejected::NothingLeaves);
        let kept_for = self.hold + self.slack() - self.clock.pace;
        let held = self.keys[&key].candidates.iter().filter(|_| !has_leaps);
        held.map(|held| held.arrival + kept_for + 1).filter(|loan| *loan < self.loan).collect()
    }

    /// Decides what is below the key's watermark, then lets go of what has been held for long enough.
    fn look_at(&mut self, key: char) {
        let is_undecided = |held: &HeldKey| held.candidates.iter().any(|held| !held.is_done);
        if !self.is_eager() && is_undecided(&self.keys[&key]) {
            let watermark = self.watermark(key).unwrap();
            self.decide(key, watermark);
        }
        let is_gone = |candidate: &&Candidate| self.is_over(candidate.arrival);
        let gone: Vec<Candidate> =
            self.keys[&key].candidates.iter().filter(is_gone).cloned().collect();
        if !gone.is_empty() {
            self.decide_before_leaving(key, &gone);
            let is_kept =
                |held: &Candidate| gone.iter().all(|gone| gone.event.number != held.event.number);
            self.keys.get_mut(&key).unwrap().candidates.retain(is_kept);
        }
        self.forget(key);
    }

    fn forget(&mut self, key: char) {
        let held = &self.keys[&key];
        let over = |memory: &[(i64, i64)]| -> Vec<i64> {
            memory.iter().filter(|(_, pace)| self.is_over(*pace)).map(|(entry, _)| *entry).collect()
        };
        let (identities, windows) = (over(&held.delivered), over(&held.windows));
        self.has_acted |= !identities.is_empty() || !windows.is_empty();
        identities.iter().for_each(|&number| self.quota.forget((key, number)));
        let held = self.keys.get_mut(&key).unwrap();
        held.delivered.retain(|(entry, _)| !identities.contains(entry));
        held.windows.retain(|(entry, _)| !windows.contains(entry));
        if held.is_empty() {
            self.keys.remove(&key);
        }
    }
}

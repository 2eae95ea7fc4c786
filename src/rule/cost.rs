//! What each rule costs: how often its conditions are asked about an event, and for about how long.
//!
//! Pure: never reads a clock of its own, but may be handed one. Only some evaluations are timed; the
//! others are taken to last as long.

use super::set::TermRef;
use crate::predicate::Judgement;

/// Returns nanoseconds since a moment that stays the same.
pub type NanoClock = fn() -> u64;

/// Of so many evaluations of a rule one is timed. A prime, so that it falls on each of the rule's
/// conditions in turn.
const TIMED: u64 = 61;

/// What a rule has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// How often a condition of its stages was asked about an event.
    pub evaluations: u64,
    /// How often one was satisfied.
    pub satisfied: u64,
    /// How many evaluations were timed.
    pub timed: u64,
    /// How long these took, in nanoseconds.
    pub timed_nanos: u64,
}

impl Cost {
    /// Returns about how long all evaluations took, in nanoseconds.
    pub fn nanos(&self) -> u64 {
        let whole = u128::from(self.timed_nanos) * u128::from(self.evaluations);
        u64::try_from(whole / u128::from(self.timed.max(1))).unwrap_or(u64::MAX)
    }

    /// Adds another cost to this one.
    pub fn add(&mut self, other: &Self) {
        self.evaluations += other.evaluations;
        self.satisfied += other.satisfied;
        self.timed += other.timed;
        self.timed_nanos += other.timed_nanos;
    }
}

/// Looks on while conditions are asked about events.
pub trait Observer {
    /// Asks a condition by `ask`, once, and returns what that says.
    fn observe(&mut self, term: TermRef, ask: impl FnOnce() -> Judgement) -> Judgement;
}

/// Looks away: costs nothing.
#[derive(Clone, Copy, Debug)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn observe(&mut self, _: TermRef, ask: impl FnOnce() -> Judgement) -> Judgement {
        ask()
    }
}

/// Counts what each rule costs.
#[derive(Clone, Debug)]
pub struct Profile {
    clock: NanoClock,
    /// What it takes to read the clock twice: no evaluation takes less.
    overhead: u64,
    /// By rule.
    costs: Vec<Cost>,
}

impl Profile {
    /// Returns a profile of so many rules, without any cost.
    pub fn new(rules: usize, clock: NanoClock) -> Self {
        let span = |_| {
            let begun = clock();
            clock().saturating_sub(begun)
        };
        let overhead = (0..16).map(span).min().unwrap_or_default();
        Self { clock, overhead, costs: vec![Cost::default(); rules] }
    }

    /// Returns the costs by rule, and begins anew.
    pub fn take(&mut self) -> Vec<Cost> {
        let none = vec![Cost::default(); self.costs.len()];
        std::mem::replace(&mut self.costs, none)
    }
}

impl Observer for Profile {
    fn observe(&mut self, term: TermRef, ask: impl FnOnce() -> Judgement) -> Judgement {
        let cost = &mut self.costs[term.rule as usize];
        let is_timed = cost.evaluations.is_multiple_of(TIMED);
        cost.evaluations += 1;
        let judgement = match is_timed {
            false => ask(),
            true => {
                let begun = (self.clock)();
                let judgement = ask();
                let took = (self.clock)().saturating_sub(begun);
                cost.timed += 1;
                cost.timed_nanos += took.saturating_sub(self.overhead);
                judgement
            }
        };
        cost.satisfied += u64::from(judgement == Judgement::Holds);
        judgement
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// Each look at the clock takes three nanoseconds, and each evaluation ten.
    static NOW: AtomicU64 = AtomicU64::new(0);

    fn clock() -> u64 {
        NOW.fetch_add(3, Ordering::Relaxed)
    }

    #[test]
    fn some_evaluations_of_each_condition_stand_for_all() {
        let mut profile = Profile::new(2, clock);
        for number in 0..6_100 {
            let term = TermRef { rule: 1, term: number % 2 };
            profile.observe(term, || {
                // The second condition takes three times as long.
                NOW.fetch_add(if number % 2 == 0 { 10 } else { 30 }, Ordering::Relaxed);
                if number % 4 == 0 { Judgement::Holds } else { Judgement::Fails }
            });
        }
        let costs = profile.take();
        assert_eq!(costs[0], Cost::default());
        assert_eq!((costs[1].evaluations, costs[1].satisfied, costs[1].timed), (6_100, 1_525, 100));
        assert_eq!(costs[1].nanos(), 6_100 * 20, "half of them take 10 ns, and half 30 ns");
        assert_eq!(profile.take()[1], Cost::default(), "it has begun anew");
    }
}

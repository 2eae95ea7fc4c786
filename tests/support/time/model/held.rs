//! What is held of one join key, and its now.

use std::rc::Rc;

use super::super::event::Event;

/// An event that is held, the pace at its arrival, and what has become of it.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub event: Rc<Event>,
    pub arrival: i64,
    /// By how much it was behind its key's now when it came.
    pub behind: i64,
    pub is_sent: bool,
    pub is_done: bool,
    pub is_refused: bool,
}

/// Candidates by ordinal; what was delivered when, and which windows of samples are complete.
#[derive(Clone, Debug, Default)]
pub struct HeldKey {
    pub candidates: Vec<Candidate>,
    /// (identity, pace at its last delivery), by last delivery.
    pub delivered: Vec<(i64, i64)>,
    /// (window, pace when a sample of it was last complete).
    pub windows: Vec<(i64, i64)>,
    /// Pace at the arrival of the newest event of an absence that the key's limit has driven out.
    pub seen_from: Option<i64>,
}

impl HeldKey {
    /// Adds a candidate; returns its place.
    pub fn add(&mut self, candidate: Candidate) -> usize {
        let at = candidate.event.ordinal();
        let place = self.candidates.partition_point(|held| held.event.ordinal() < at);
        self.candidates.insert(place, candidate);
        place
    }

    pub fn find(&self, number: i64) -> Option<usize> {
        self.candidates.iter().position(|held| held.event.number == number)
    }

    pub fn is_empty(&self) -> bool {
        self.candidates.is_empty() && self.delivered.is_empty() && self.windows.is_empty()
    }

    /// Returns the newest event time held and what has passed since it came; `age` says how much.
    ///
    /// A single event that is further ahead than `ahead` of all others does not count until a second
    /// confirms it.
    pub fn now(&self, ahead: i64, age: impl Fn(i64) -> i64) -> Option<i64> {
        let heard: Vec<(i64, i64)> =
            self.candidates.iter().map(|held| (held.event.event_time, age(held.arrival))).collect();
        let claim = |&(time, age): &(i64, i64)| (time + age, time);
        let first = *heard.iter().max_by_key(|entry| claim(entry))?;
        let rest: Vec<(i64, i64)> =
            heard.iter().copied().filter(|entry| entry.0 != first.0).collect();
        let next = rest.iter().map(|(time, age)| time + age).max();
        let is_alone = next.is_some_and(|next| first.0 + first.1 - next > ahead);
        let counted = if is_alone { rest } else { heard };
        counted.into_iter().max().map(|(time, age)| time + age.max(0))
    }
}

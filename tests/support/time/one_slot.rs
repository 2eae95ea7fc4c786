//! The one-slot machine for one join key, with an order tolerance: the reference for that alone.
//!
//! Each stage has room for one pending sequence. A stage takes what the stage before it holds, later
//! stages first, so that an event never follows itself.

use std::collections::BTreeMap;

use super::batch::Match;
use super::event::Event;
use super::rule::Rule;

#[derive(Clone)]
struct Pending<'e> {
    events: Vec<&'e Event>,
    /// Whether a missing event came in between.
    is_spoilt: bool,
    /// The latest event of a leading absence before it.
    leading: Option<i64>,
}

/// Use: `push` each event by ordinal, then take the [`Self::end`].
pub struct OneSlot<'e> {
    key: char,
    rule: &'e Rule,
    positive: Vec<usize>,
    slots: BTreeMap<usize, Pending<'e>>,
    /// By tag of an absence: its two latest distinct times.
    last_missing: BTreeMap<char, Vec<i64>>,
    /// Complete but for a trailing absence, with the deadline.
    waiting: Vec<(i64, Vec<&'e Event>)>,
    /// Hits that extended nothing, with their stage.
    unmatched: Vec<(usize, &'e Event)>,
    matches: Vec<Match>,
}

impl<'e> OneSlot<'e> {
    pub fn new(key: char, rule: &'e Rule) -> Self {
        Self {
            key,
            rule,
            positive: rule.positive(),
            slots: BTreeMap::new(),
            last_missing: BTreeMap::new(),
            waiting: Vec::new(),
            unmatched: Vec::new(),
            matches: Vec::new(),
        }
    }

    pub fn push(&mut self, event: &'e Event) {
        let maxspan = self.rule.maxspan;
        let is_within = |e: &&Event| event.event_time - e.event_time <= maxspan;
        self.slots.retain(|_, pending| pending.events.iter().all(is_within));
        let held_before: Vec<usize> = self.slots.keys().copied().collect();
        self.decide(event.event_time);
        self.withdraw(event);
        for stage in (1..self.positive.len()).rev() {
            if event.has(self.tag(stage))
                && let Some(pending) = self.slots.remove(&(stage - 1))
            {
                self.extend(stage, pending, event);
            }
        }
        if event.has(self.tag(0)) {
            self.begin(event);
        }
        if self.rule.until.is_some_and(|until| event.has(until)) {
            self.slots.clear();
        }
        self.note_missing(event);
        if self.rule.order_tolerance > 0 {
            self.rescue(event, &held_before);
        }
    }

    pub fn end(self) -> Vec<Match> {
        self.below(i64::MAX)
    }

    /// Returns the matches that are complete where everything before a time has been pushed.
    pub fn below(mut self, time: i64) -> Vec<Match> {
        self.decide(time);
        self.matches
    }

    fn tag(&self, stage: usize) -> char {
        self.rule.stages[self.positive[stage]].tag
    }

    fn emit(&mut self, events: &[&Event]) {
        self.matches.push(Match::of(self.key, events));
    }

    /// Everything before this time is known: sequences whose deadline is past are complete.
    fn decide(&mut self, below: i64) {
        let (over, waiting) = self.waiting.drain(..).partition(|(deadline, _)| below > *deadline);
        self.waiting = waiting;
        let over: Vec<(i64, Vec<&Event>)> = over;
        over.iter().for_each(|(_, events)| self.emit(events));
    }

    fn withdraw(&mut self, event: &Event) {
        let trailing = &self.rule.stages[self.positive[self.positive.len() - 1] + 1..];
        if trailing.iter().any(|stage| event.has(stage.tag)) {
            let time = event.event_time;
            self.waiting.retain(|(deadline, events)| {
                !(events[events.len() - 1].event_time < time && time <= *deadline)
            });
        }
    }

    fn extend(&mut self, stage: usize, mut pending: Pending<'e>, event: &'e Event) {
        let since = pending.events[pending.events.len() - 1].event_time;
        let (low, high) = (self.positive[stage - 1] + 1, self.positive[stage]);
        pending.is_spoilt |= self.latest_missing(low, high, event) > Some(since);
        pending.events.push(event);
        self.move_to(stage, pending);
    }

    fn begin(&mut self, event: &'e Event) {
        let leading = self.latest_missing(0, self.positive[0], event);
        self.move_to(0, Pending { events: vec![event], is_spoilt: false, leading });
    }

    /// Returns the latest time before an event of the absences at some places.
    fn latest_missing(&self, low: usize, high: usize, event: &Event) -> Option<i64> {
        let times = |tag: char| self.last_missing.get(&tag).into_iter().flatten().copied();
        let of = |place: usize| times(self.rule.stages[place].tag);
        (low..high).flat_map(of).filter(|time| *time < event.event_time).max()
    }

    fn note_missing(&mut self, event: &Event) {
        for stage in self.rule.stages.iter().filter(|stage| stage.is_missing) {
            if event.has(stage.tag) {
                let times = self.last_missing.entry(stage.tag).or_default();
                times.retain(|time| *time != event.event_time);
                times.insert(0, event.event_time);
                times.truncate(2);
            }
        }
    }

    fn move_to(&mut self, stage: usize, pending: Pending<'e>) {
        if stage + 1 == self.positive.len() {
            self.complete(&pending);
        } else {
            self.slots.insert(stage, pending);
        }
    }

    fn complete(&mut self, pending: &Pending<'e>) {
        let (first, last) = (pending.events[0], pending.events[pending.events.len() - 1]);
        let (first, last) = (first.event_time, last.event_time);
        let has_leading = self.positive[0] > 0;
        let has_trailing = self.positive[self.positive.len() - 1] + 1 < self.rule.stages.len();
        if pending.is_spoilt {
            return;
        }
        // Without a leading absence the window begins with the first event.
        let begin = if has_leading { pending.leading } else { Some(first) };
        let deadline = begin.map(|begin| begin + self.rule.maxspan);
        match deadline {
            Some(deadline) if deadline >= last && has_trailing => {
                self.waiting.push((deadline, pending.events.clone()));
            }
            Some(deadline) if deadline >= last && has_leading => {}
            _ => self.emit(&pending.events),
        }
    }

    /// A hit that extended nothing may follow an event that is up to the tolerance later than itself.
    fn rescue(&mut self, event: &'e Event, held_before: &[usize]) {
        let oldest = event.event_time - self.rule.order_tolerance;
        self.unmatched.retain(|(_, hit)| hit.event_time >= oldest);
        for stage in 1..self.positive.len() {
            if event.has(self.tag(stage)) && !held_before.contains(&(stage - 1)) {
                self.unmatched.push((stage, event));
            }
        }
        for stage in 1..self.positive.len() {
            let fresh = self.slots.get(&(stage - 1)).filter(|pending| {
                let last = pending.events[pending.events.len() - 1];
                last.number == event.number && !pending.is_spoilt
            });
            let Some(fresh) = fresh.cloned() else { continue };
            for (_, hit) in self.unmatched.clone().into_iter().filter(|(of, _)| *of == stage) {
                if self.fits(&fresh.events, hit) {
                    let mut adjusted = fresh.clone();
                    adjusted.events.push(hit);
                    if stage + 1 == self.positive.len() {
                        self.emit(&adjusted.events);
                    } else {
                        self.slots.entry(stage).or_insert(adjusted);
                    }
                }
            }
        }
    }

    fn fits(&self, events: &[&Event], hit: &Event) -> bool {
        let times = || events.iter().map(|e| e.event_time).chain([hit.event_time]);
        let span = times().max().unwrap() - times().min().unwrap();
        events.iter().all(|e| e.number != hit.number) && span <= self.rule.maxspan
    }
}

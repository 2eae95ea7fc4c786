//! The one-slot machine for one join key, with an order tolerance: the reference for that alone.
//!
//! Each stage has room for one pending sequence. A stage takes what the stage before it holds, later
//! stages first, so that an event never follows itself. Sequences that needed the order tolerance stand
//! beside that, in slots of their own, and change nothing of it.

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

/// By stage.
type Slots<'e> = BTreeMap<usize, Pending<'e>>;

/// Use: `push` each event by ordinal, then take the [`Self::end`].
pub struct OneSlot<'e> {
    key: char,
    rule: &'e Rule,
    positive: Vec<usize>,
    slots: Slots<'e>,
    /// Those that needed the order tolerance.
    adjusted: Slots<'e>,
    /// By tag of an absence: its two latest distinct times.
    last_missing: BTreeMap<char, Vec<i64>>,
    /// Complete but for a trailing absence, with the deadline.
    waiting: Vec<(i64, Vec<&'e Event>)>,
    /// Hits that took no strict sequence, with their stage.
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
            adjusted: BTreeMap::new(),
            last_missing: BTreeMap::new(),
            waiting: Vec::new(),
            unmatched: Vec::new(),
            matches: Vec::new(),
        }
    }

    pub fn push(&mut self, event: &'e Event) {
        let maxspan = self.rule.maxspan;
        let is_within = |e: &&Event| event.event_time - e.event_time <= maxspan;
        for slots in [&mut self.slots, &mut self.adjusted] {
            slots.retain(|_, pending| pending.events.iter().all(is_within));
        }
        self.decide(event.event_time);
        self.withdraw(event);
        for stage in (1..self.positive.len()).rev() {
            if event.has(self.tag(stage)) {
                self.take(stage, event);
            }
        }
        if event.has(self.tag(0)) {
            self.begin(event);
        }
        if self.rule.until.is_some_and(|until| event.has(until)) {
            self.slots.clear();
            self.adjusted.clear();
        }
        self.note_missing(event);
        if self.rule.order_tolerance > 0 {
            self.rescue(event);
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

    /// A hit takes what is pending before its stage: a strict sequence, or else an adjusted one.
    fn take(&mut self, stage: usize, event: &'e Event) {
        if let Some(pending) = self.slots.remove(&(stage - 1)) {
            let longer = self.extended(stage, pending, event);
            if let Some(longer) = self.completed(stage, longer) {
                self.slots.insert(stage, longer);
            }
        } else if self.rule.order_tolerance > 0 {
            if let Some(pending) = self.adjusted.remove(&(stage - 1)) {
                let longer = self.extended(stage, pending, event);
                if let Some(longer) = self.completed(stage, longer) {
                    self.adjusted.insert(stage, longer);
                }
            }
            self.unmatched.push((stage, event));
        }
    }

    fn extended(&self, stage: usize, mut pending: Pending<'e>, event: &'e Event) -> Pending<'e> {
        let since = pending.events[pending.events.len() - 1].event_time;
        let (low, high) = (self.positive[stage - 1] + 1, self.positive[stage]);
        pending.is_spoilt |= self.latest_missing(low, high, event) > Some(since);
        pending.events.push(event);
        pending
    }

    fn begin(&mut self, event: &'e Event) {
        let leading = self.latest_missing(0, self.positive[0], event);
        let begun = Pending { events: vec![event], is_spoilt: false, leading };
        if let Some(begun) = self.completed(0, begun) {
            self.slots.insert(0, begun);
        }
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

    /// Takes a sequence that has come to the last stage, and returns any other.
    fn completed(&mut self, stage: usize, pending: Pending<'e>) -> Option<Pending<'e>> {
        if stage + 1 == self.positive.len() {
            self.complete(&pending);
            return None;
        }
        Some(pending)
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

    /// Each sequence that the event has just formed takes kept hits of the next stage that are up to
    /// the tolerance older, and what comes of it goes on. The last stage takes all that fit, a stage
    /// before it the newest one.
    fn rescue(&mut self, event: &'e Event) {
        let (tolerance, count) = (self.rule.order_tolerance, self.positive.len());
        let oldest = event.event_time - tolerance * count as i64;
        self.unmatched.retain(|(_, hit)| hit.event_time >= oldest);
        let formed = (0..count - 1).filter_map(|stage| self.formed_by(event, stage));
        let mut formed: Vec<(usize, Pending<'_>)> = formed.collect();
        while let Some((stage, pending)) = formed.pop() {
            let last = pending.events[pending.events.len() - 1].event_time;
            let may_follow = |(of, hit): &&(usize, &'e Event)| {
                let is_near = hit.event_time >= last - tolerance;
                *of == stage + 1 && is_near && self.fits(&pending.events, hit)
            };
            let longer = |(_, hit): &(usize, &'e Event)| {
                let mut longer = pending.clone();
                longer.events.push(hit);
                longer
            };
            let found: Vec<_> = self.unmatched.iter().filter(may_follow).map(longer).collect();
            if stage + 2 == count {
                found.iter().for_each(|complete| self.complete(complete));
            } else if let Some(longer) = found.last() {
                self.adjusted.insert(stage + 1, longer.clone());
                formed.push((stage + 1, longer.clone()));
            }
        }
    }

    /// Returns the pending sequence of a stage that ends with the event, the strict one first.
    fn formed_by(&self, event: &Event, stage: usize) -> Option<(usize, Pending<'e>)> {
        let ends_with_it = |pending: &&Pending<'_>| {
            pending.events[pending.events.len() - 1].number == event.number
        };
        let slots = [&self.slots, &self.adjusted].into_iter();
        let pending = slots.filter_map(|slots| slots.get(&stage)).find(ends_with_it)?;
        Some((stage, pending.clone()))
    }

    fn fits(&self, events: &[&Event], hit: &Event) -> bool {
        let times = || events.iter().map(|e| e.event_time).chain([hit.event_time]);
        let span = times().max().unwrap() - times().min().unwrap();
        events.iter().all(|e| e.number != hit.number) && span <= self.rule.maxspan
    }
}

//! The batch reference: sorts all events and matches stage by stage, with lists.
//!
//! It follows Elasticsearch's sequence matcher and knows none of the rules of time.

use std::collections::BTreeSet;

use super::event::Event;
use super::rule::{Rule, Stage};

/// A match: its join key and the numbers of its events in the order of the stages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Match {
    pub key: char,
    pub events: Vec<i64>,
}

/// What identifies an alert: the key and the final event, or the number of the window.
pub type Final = (char, i64);

impl Match {
    pub fn of(key: char, events: &[&Event]) -> Self {
        Self { key, events: events.iter().map(|event| event.number).collect() }
    }

    pub fn final_event(&self) -> Final {
        (self.key, *self.events.last().unwrap())
    }
}

pub fn finals(matches: &[Match]) -> BTreeSet<Final> {
    matches.iter().map(Match::final_event).collect()
}

/// Returns the events of a key, by ordinal.
pub fn of_key<E: AsRef<Event>>(events: &[E], key: char) -> Vec<&Event> {
    let mut found: Vec<&Event> =
        events.iter().map(AsRef::as_ref).filter(|event| event.is_of(key)).collect();
    found.sort_by_key(|event| event.ordinal());
    found
}

pub fn keys_of<E: AsRef<Event>>(events: &[E]) -> BTreeSet<char> {
    events.iter().flat_map(|event| event.as_ref().keys.iter().copied()).collect()
}

/// Returns all matches of a sequence.
pub fn batch<E: AsRef<Event>>(events: &[E], rule: &Rule) -> Vec<Match> {
    let of = |key: char| {
        let events = of_key(events, key);
        let sequences = sequences(&events, rule);
        let complete = sequences.into_iter().filter(|found| has_no_missing(&events, rule, found));
        complete.map(|found| Match::of(key, &found)).collect::<Vec<_>>()
    };
    keys_of(events).into_iter().flat_map(of).collect()
}

/// Joins the hits of each stage to the latest candidate before them, which uses up that candidate
/// and all older ones.
fn sequences<'e>(events: &[&'e Event], rule: &Rule) -> Vec<Vec<&'e Event>> {
    let tags: Vec<char> = rule.positive().iter().map(|&place| rule.stages[place].tag).collect();
    let hits = |tag: char| events.iter().copied().filter(move |event| event.has(tag));
    let ends: Vec<&Event> = rule.until.into_iter().flat_map(hits).collect();
    let mut candidates: Vec<Vec<&Event>> = hits(tags[0]).map(|event| vec![event]).collect();
    for &tag in &tags[1..] {
        let mut longer = Vec::new();
        for event in hits(tag) {
            let is_before = |sequence: &Vec<&Event>| last(sequence).ordinal() < event.ordinal();
            let used = candidates.iter().take_while(|sequence| is_before(sequence)).count();
            let Some(mut latest) = candidates.drain(..used).next_back() else { continue };
            let is_too_long = event.event_time - latest[0].event_time > rule.maxspan;
            let begin = last(&latest).ordinal();
            let is_ended = ends.iter().any(|end| {
                let at = end.ordinal();
                begin <= at && at < event.ordinal()
            });
            if !is_too_long && !is_ended {
                latest.push(event);
                longer.push(latest);
            }
        }
        candidates = longer;
    }
    candidates
}

fn last<'e>(sequence: &[&'e Event]) -> &'e Event {
    sequence[sequence.len() - 1]
}

/// Tells whether a window of maxspan can be laid over the sequence so that no missing event is in
/// its place.
pub fn has_no_missing(events: &[&Event], rule: &Rule, sequence: &[&Event]) -> bool {
    let positive = rule.positive();
    let (first, final_) = (sequence[0].event_time, last(sequence).event_time);
    let (before, after) = (positive[0], positive[positive.len() - 1]);
    let is_spoilt = (0..sequence.len() - 1).any(|place| {
        let (low, high) = (sequence[place].event_time, sequence[place + 1].event_time);
        let between = &rule.stages[positive[place] + 1..positive[place + 1]];
        times(events, between).any(|time| low < time && time < high)
    });
    if is_spoilt {
        return false;
    }
    let leading = &rule.stages[..before];
    let trailing = &rule.stages[after + 1..];
    let earlier = times(events, leading).filter(|&time| time < first).max();
    let later = times(events, trailing).filter(|&time| time > final_).min();
    match (leading.is_empty(), trailing.is_empty()) {
        (true, true) => true,
        (false, true) => earlier.is_none_or(|earlier| final_ - earlier > rule.maxspan),
        (true, false) => later.is_none_or(|later| later - first > rule.maxspan),
        (false, false) => match (earlier, later) {
            (Some(earlier), Some(later)) => later - earlier > rule.maxspan,
            _ => true,
        },
    }
}

/// Returns the times of the events of some stages.
fn times(events: &[&Event], stages: &[Stage]) -> impl Iterator<Item = i64> {
    let is_hit = |event: &&&Event| stages.iter().any(|stage| event.has(stage.tag));
    events.iter().filter(is_hit).map(|event| event.event_time).collect::<Vec<_>>().into_iter()
}

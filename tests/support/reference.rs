//! Sequences by lists, as Elasticsearch's batch engine finds them: all hits of the first stage,
//! then all hits of the second against what is left of them, and so on. Slow, and shares nothing
//! with the machine that it judges.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;

/// An event: time, place in the order among equal times, terms that it satisfies, its keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub time: i64,
    pub number: i64,
    pub terms: Vec<usize>,
    pub keys: Vec<String>,
}

impl Event {
    fn order(&self) -> (i64, i64) {
        (self.time, self.number)
    }
}

/// A query: the term of each stage and whether it must be absent; `until` as a term.
#[derive(Clone, Debug)]
pub struct Query {
    pub stages: Vec<(usize, bool)>,
    pub maxspan: i64,
    pub until: Option<usize>,
}

/// A sequence found: its key and the numbers of its events in stage order.
pub type Sequence = (String, Vec<i64>);

pub fn sequences(query: &Query, events: &[Event]) -> Vec<Sequence> {
    let mut sorted = events.to_vec();
    sorted.sort_by_key(Event::order);
    let positive: Vec<usize> =
        (0..query.stages.len()).filter(|stage| !query.stages[*stage].1).collect();
    let mut groups: BTreeMap<String, Vec<Vec<Event>>> = BTreeMap::new();
    for (event, key) in hits(&sorted, query.stages[positive[0]].0) {
        groups.entry(key).or_default().push(vec![event]);
    }
    for stage in &positive[1..] {
        groups = next_stage(query, &sorted, *stage, groups);
    }
    let mut found: Vec<Sequence> = Vec::new();
    for (key, sequences) in groups {
        for sequence in sequences {
            if absences_hold(query, &sorted, &positive, &key, &sequence) {
                found.push((key.clone(), sequence.iter().map(|event| event.number).collect()));
            }
        }
    }
    found.sort();
    found
}

fn hits(sorted: &[Event], term: usize) -> Vec<(Event, String)> {
    let of_term = sorted.iter().filter(|event| event.terms.contains(&term));
    of_term.flat_map(|event| event.keys.iter().map(|key| (event.clone(), key.clone()))).collect()
}

fn next_stage(
    query: &Query,
    sorted: &[Event],
    stage: usize,
    mut before: BTreeMap<String, Vec<Vec<Event>>>,
) -> BTreeMap<String, Vec<Vec<Event>>> {
    let mut after: BTreeMap<String, Vec<Vec<Event>>> = BTreeMap::new();
    for (event, key) in hits(sorted, query.stages[stage].0) {
        let Some(list) = before.get_mut(&key) else { continue };
        // The latest candidate that is strictly older takes all before it along.
        let older = list.iter().take_while(|q| q.last().unwrap().order() < event.order()).count();
        if older == 0 {
            continue;
        }
        let mut sequence = list.drain(..older).next_back().unwrap();
        let over = event.time - sequence[0].time > query.maxspan;
        if over || cut_by_until(query, sorted, &key, sequence.last().unwrap(), &event) {
            continue;
        }
        sequence.push(event);
        after.entry(key).or_default().push(sequence);
    }
    after
}

fn cut_by_until(query: &Query, sorted: &[Event], key: &str, last: &Event, next: &Event) -> bool {
    let Some(until) = query.until else { return false };
    let mut ends = sorted.iter().filter(|event| {
        event.terms.contains(&until)
            && event.keys.iter().any(|other| other == key)
            && event.order() < next.order()
    });
    ends.next_back().is_some_and(|end| end.order() >= last.order())
}

/// Tells whether a window of maxspan can be laid over the sequence with no absent stage in its
/// place.
fn absences_hold(
    query: &Query,
    sorted: &[Event],
    positive: &[usize],
    key: &str,
    sequence: &[Event],
) -> bool {
    let times = |term: usize| {
        let of_term = sorted.iter().filter(move |event| event.terms.contains(&term));
        of_term.filter(|event| event.keys.iter().any(|k| k == key)).map(|event| event.time)
    };
    let (first, last) = (positive[0], positive[positive.len() - 1]);
    let (start, end) = (sequence[0].time, sequence[sequence.len() - 1].time);
    for (stage, (term, missing)) in query.stages.iter().enumerate() {
        if *missing && first < stage && stage < last {
            let before = positive.iter().filter(|other| **other < stage).count() - 1;
            let (from, to) = (sequence[before].time, sequence[before + 1].time);
            if times(*term).any(|time| from < time && time < to) {
                return false;
            }
        }
    }
    let leading = &query.stages[..first];
    let trailing = &query.stages[last + 1..];
    let near_before =
        leading.iter().flat_map(|(term, _)| times(*term)).filter(|time| *time < start).max();
    let near_after =
        trailing.iter().flat_map(|(term, _)| times(*term)).filter(|time| *time > end).min();
    let apart = |from: i64, to: i64| to - from > query.maxspan;
    match (leading.is_empty(), trailing.is_empty(), near_before, near_after) {
        (true, true, ..) | (false, _, None, _) | (_, false, _, None) => true,
        (false, true, Some(before), _) => apart(before, end),
        (true, false, _, Some(after)) => apart(start, after),
        (false, false, Some(before), Some(after)) => apart(before, after),
    }
}

//! Random queries and random streams, run through the engine and through the reference.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

use std::collections::BTreeSet;
use std::sync::Arc;

use maxspan::event::admitted::Body;
use maxspan::event::{Admitted, EventTime, Identity, JoinKey, Ordinal, TimeSpan};
use maxspan::sequence::{
    Candidate, Delivery, Emission, Input, Limits, Moment, Pace, Plan, PlanTerm, PlanTimes,
    Sequences, TermSet,
};

use super::random::Random;
use super::reference::{self, Event, Query, Sequence};

const LIMITS: Limits =
    Limits { max_keys: 1_000, max_bytes: usize::MAX, max_candidates_per_key: 1_000 };

/// A query, the times it is run with, and a stream in the order of arrival: (event, append time).
#[derive(Debug)]
pub struct Case {
    pub terms: Vec<PlanTerm>,
    /// Which letter each term asks for; the letters that an event has decide its terms.
    pub letters: Vec<usize>,
    pub until: Option<usize>,
    pub maxspan: i64,
    pub lateness: i64,
    pub tolerance: i64,
    pub arrivals: Vec<(Event, i64)>,
}

impl Case {
    pub fn random(random: &mut Random, percent_missing: u64) -> Self {
        let (terms, letters) = random_terms(random, percent_missing);
        let has_absence = terms.iter().any(|term| term.missing);
        let tolerance = if has_absence { 0 } else { *random.pick(&[0, 0, 1, 2]) };
        let lateness = (*random.pick(&[0, 2, 5])).max(tolerance);
        let arrivals = random_arrivals(random, lateness);
        Self {
            terms,
            letters,
            until: *random.pick(&[None, None, Some(4), Some(0)]),
            maxspan: *random.pick(&[0, 1, 2, 3, 5, 8]),
            lateness,
            tolerance,
            arrivals,
        }
    }

    fn plan(&self, tolerance: i64, emission: Emission) -> Arc<Plan> {
        let times = PlanTimes {
            maxspan: TimeSpan::from_secs(self.maxspan),
            order_tolerance: TimeSpan::from_secs(tolerance),
            allowed_lateness: TimeSpan::from_secs(self.lateness),
            hold: TimeSpan::from_secs(40),
            emission,
        };
        Arc::new(Plan::new(&self.terms, self.until.is_some(), times))
    }

    pub fn has_absence(&self) -> bool {
        self.terms.iter().any(|term| term.missing)
    }

    /// The set of the query's terms that an event with these letters satisfies.
    fn term_set(&self, letters: &[usize]) -> TermSet {
        let wanted = self.letters.iter().chain(&self.until);
        TermSet::of((0..).zip(wanted).filter(|(_, l)| letters.contains(l)).map(|(t, _)| t))
    }

    pub fn run(&self, tolerance: i64, emission: Emission, arrivals: &[(Event, i64)]) -> Run {
        let plan = self.plan(tolerance, emission);
        let mut sequences = Sequences::new([plan], LIMITS, Input::Stream);
        for (event, appended) in arrivals {
            let pace = Pace::from_nanos(at(*appended).nanos());
            sequences.advance(Moment { pace, slack: TimeSpan::ZERO }, None);
            let terms = self.term_set(&event.terms);
            for key in event.keys.iter().filter(|_| !terms.is_empty()) {
                let key = JoinKey::new([Some(key.as_str().into())]);
                let candidate = candidate(event, terms);
                sequences.deliver(
                    0,
                    &key,
                    Delivery { candidate, event_bytes: 0, ahead_until: None },
                );
            }
        }
        sequences.finish();
        let counts = sequences.counts(0);
        let found = sequences.take_found().into_iter().map(|found| {
            let numbers = found.found.events.iter().map(|event| event.event.offset).collect();
            (found.key.text(), numbers)
        });
        Run { found: found.collect(), late: counts.late }
    }

    pub fn reference(&self) -> Vec<Sequence> {
        let mut stages = Vec::new();
        for (term, letter) in self.terms.iter().zip(&self.letters) {
            stages.extend((0..term.runs).map(|_| (*letter, term.missing)));
        }
        let events: Vec<Event> = self.arrivals.iter().map(|(event, _)| event.clone()).collect();
        let query = Query { stages, maxspan: self.maxspan, until: self.until };
        reference::sequences(&query, &events)
    }

    /// The stream as if nothing had been late: each event is appended when it happens, so that the
    /// partition's clock gains as much as each key's events do.
    pub fn in_order(&self) -> Vec<(Event, i64)> {
        let mut sorted = self.arrivals.clone();
        sorted.sort_by_key(|(event, _)| (event.time, event.number));
        for (event, appended) in &mut sorted {
            *appended = event.time;
        }
        sorted
    }
}

pub struct Run {
    pub found: Vec<Sequence>,
    pub late: u64,
}

impl Run {
    pub fn sorted(&self) -> Vec<Sequence> {
        let mut found = self.found.clone();
        found.sort();
        found
    }

    pub fn finals(&self) -> BTreeSet<(String, i64)> {
        finals(&self.found)
    }
}

fn finals(found: &[Sequence]) -> BTreeSet<(String, i64)> {
    found.iter().map(|(key, events)| (key.clone(), *events.last().unwrap())).collect()
}

fn random_terms(random: &mut Random, percent_missing: u64) -> (Vec<PlanTerm>, Vec<usize>) {
    loop {
        let count = *random.pick(&[1, 2, 2, 3, 3, 4]);
        let mut terms = Vec::new();
        for _ in 0..count {
            let missing = random.chance(percent_missing);
            let runs = if random.chance(15) { 2 } else { 1 };
            terms.push(PlanTerm { missing, runs });
        }
        let stages: u32 = terms.iter().map(|term| term.runs).sum();
        if terms.iter().any(|term| !term.missing) && stages > 1 {
            let letters = terms.iter().map(|_| random.below(4) as usize).collect();
            return (terms, letters);
        }
    }
}

/// Events of two hosts whose clocks differ, each arriving up to the lateness after it happened.
fn random_arrivals(random: &mut Random, lateness: i64) -> Vec<(Event, i64)> {
    let skew = *random.pick(&[0, 0, -40, 70]);
    let (mut clock, mut arrivals) = (0, Vec::new());
    for _ in 0..random.between(1, 18) {
        clock += *random.pick(&[0, 1, 1, 2, 3]);
        let keys: Vec<String> = match random.below(5) {
            0 | 1 => vec!["x".into()],
            2 | 3 => vec!["y".into()],
            _ if skew == 0 => vec!["x".into(), "y".into()],
            _ => vec!["y".into()],
        };
        let of_skewed = keys == ["x"];
        let time = 100 + clock + if of_skewed { skew } else { 0 };
        let letters = (0..5).filter(|_| random.chance(30)).collect();
        let appended = clock + if lateness > 0 { random.between(0, lateness - 1) } else { 0 };
        arrivals.push((Event { time, number: 0, terms: letters, keys }, appended));
    }
    arrivals.sort_by_key(|(_, appended)| *appended);
    for (number, (event, _)) in (0..).zip(&mut arrivals) {
        event.number = number;
    }
    arrivals
}

fn at(seconds: i64) -> EventTime {
    EventTime::from_nanos(0) + TimeSpan::from_secs(seconds)
}

fn candidate(event: &Event, terms: TermSet) -> Candidate {
    Candidate {
        ordinal: Ordinal::at(at(event.time), event.number),
        terms,
        late: false,
        event: Arc::new(Admitted {
            identity: Identity(event.number as u128 + 1),
            event_time: at(event.time),
            offset: event.number,
            body: Body::default(),
        }),
    }
}

//! Laws 5, 7 and 8 of samples: distinct events in any order, one alert for each key and window.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::case::{Case, Counts, Law, case_of, count};
use crate::random::Random;
use crate::recordings::{orders, recorded};
use crate::recovery::{check_restarts, restart_case};
use crate::tape::of_rule;
use crate::time::UNIT;
use crate::time::batch::{Final, Match};
use crate::time::clock::Stamps;
use crate::time::event::{Event, distinct, first_arrivals};
use crate::time::rule::{Rule, random_sample, stages_of};
use crate::time::samples::{has_choice, windows};
use crate::time::stream::Shape;
use crate::timely::{is_clock_pulled, live};

pub(crate) const RECOVERY: Law = Law {
    name: "sample 5",
    make: restarted_sample,
    check: |case, counts| check_restarts(case, &["eager"], counts),
};

/// Each window with a sample that arrives within `hold` is found, and no other.
pub(crate) const FOUND: Law = Law { name: "sample 7", make: sample_case, check: samples_are_found };

pub(crate) const RECORDING: Law =
    Law { name: "sample 8", make: sample_case, check: sample_recording_is_batch };

fn sample_case(rules: &mut Random, random: &mut Random) -> Case {
    let (shape, stamps) = (Shape::random(random), Stamps::random(random));
    case_of(random_sample(rules), random, shape, stamps)
}

fn restarted_sample(rules: &mut Random, random: &mut Random) -> Case {
    let rule = random_sample(rules);
    let usual = Shape::random(random);
    let scrambled = Shape::Scrambled;
    let shape = *random.pick(&[usual, Shape::Long, Shape::Copies, scrambled, scrambled]);
    if shape != scrambled {
        let stamps = Stamps::random(random);
        return restart_case(random, rule, stamps, shape);
    }
    let rule = Rule { stages: stages_of("A B"), ..rule };
    let hold = rule.floor() + *rules.pick(&[0, 4]) * UNIT;
    restart_case(random, rule.holding(hold), Stamps::Append, shape)
}

fn samples_are_found(case: &Case, counts: &mut Counts) -> Result<(), String> {
    if is_clock_pulled(case, counts) {
        return Ok(());
    }
    let outputs = of_rule(&live(case, &["eager"]), 0);
    let found = windows_of(case, &outputs)?;
    let every = windows(&distinct(&case.deliveries), &case.rule.terms(), case.rule.maxspan);
    let want = found_within(case);
    count(counts, "windows", every.len());
    count(counts, "found", found.len());
    if !want.is_subset(&found) || !found.is_subset(&every) {
        return Err(format!("at least {want:?}, at most {every:?}, found {found:?}"));
    }
    match case.lasted() <= case.rule.hold && outputs.len() != found.len() {
        true => Err(format!("a window twice within `hold`: {outputs:?}")),
        false => Ok(()),
    }
}

/// Returns the windows with a sample whose events arrive within `hold`.
fn found_within(case: &Case) -> BTreeSet<Final> {
    let arrived = first_arrivals(&case.deliveries);
    let events = distinct(&case.deliveries);
    let begins: BTreeSet<i64> = events.iter().map(|event| arrived[&event.number]).collect();
    let from = |begin: i64| {
        let is_near = |event: &&Rc<Event>| {
            let arrived = arrived[&event.number];
            begin <= arrived && arrived <= begin + case.rule.hold
        };
        let near: Vec<Rc<Event>> = events.iter().filter(is_near).cloned().collect();
        windows(&near, &case.rule.terms(), case.rule.maxspan)
    };
    begins.into_iter().flat_map(from).collect()
}

fn sample_recording_is_batch(case: &Case, counts: &mut Counts) -> Result<(), String> {
    let want = windows(&distinct(&case.deliveries), &case.rule.terms(), case.rule.maxspan);
    let mut chosen = Vec::new();
    for order in orders(&case.deliveries) {
        let outputs = recorded(case, &order)?;
        count(counts, "windows", want.len());
        let found = windows_of(case, &outputs)?;
        if found != want || outputs.len() != found.len() {
            return Err(format!("want {want:?}, found {outputs:?}"));
        }
        chosen.push(outputs);
    }
    match chosen.iter().all(|outputs| *outputs == chosen[0]) {
        true => Ok(()),
        false => Err(format!("other samples in another order: {chosen:?}")),
    }
}

/// Returns the windows of samples; says what is wrong with one that is none.
fn windows_of(case: &Case, outputs: &[Match]) -> Result<BTreeSet<Final>, String> {
    let events = distinct(&case.deliveries);
    let by_number: BTreeMap<i64, &Rc<Event>> =
        events.iter().map(|event| (event.number, event)).collect();
    let window = |found: &Match| {
        let chosen: Vec<&Event> = found.events.iter().map(|number| &**by_number[number]).collect();
        let times = || chosen.iter().map(|event| event.event_time);
        let (first, last) = (times().min().unwrap(), times().max().unwrap());
        let numbers: BTreeSet<i64> = found.events.iter().copied().collect();
        let is_sample = numbers.len() == case.rule.stages.len()
            && chosen.iter().all(|event| event.is_of(found.key))
            && has_choice(&chosen, &case.rule.terms(), &mut Vec::new())
            && last - first <= case.rule.maxspan;
        match is_sample {
            true => Ok((found.key, last.div_euclid(case.rule.maxspan))),
            false => Err(format!("{found:?} is no sample")),
        }
    };
    outputs.iter().map(window).collect()
}

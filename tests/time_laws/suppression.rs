//! Suppression: a restart lets the same alerts through, and never is one too few.

use std::collections::BTreeMap;

use crate::case::{Case, Counts, Law, count};
use crate::product::Suppression;
use crate::random::Random;
use crate::recovery::{restart_case, restarts_change_nothing};
use crate::subject::Told;
use crate::time::UNIT;
use crate::time::batch::Match;
use crate::time::clock::Stamps;
use crate::time::event::distinct;
use crate::time::rule::{Rule, Wanted, random_rule, stages_of};
use crate::time::stream::Shape;

pub(crate) const RECOVERY: Law =
    Law { name: "suppression 5", make: suppressing_case, check: restarts_change_nothing };

/// What is left out has an alert like it within the duration.
pub(crate) const NEVER_TOO_FEW: Law =
    Law { name: "suppression", make: suppressing_case, check: never_too_few };

/// No event has it: all alerts are alike.
const NOWHERE: &str = "process.parent.name";
/// Each event has one of three.
const THIRD: &str = "process.name";

fn suppressing_case(rules: &mut Random, random: &mut Random) -> Case {
    let mut rule = random_rule(rules, Wanted::default());
    if rules.chance(50) {
        // One that counts is complete again with each event.
        let stages = stages_of(["A A", "A A A"][rules.below(2) as usize]);
        rule = Rule { stages, order_tolerance: 0, ..rule };
    }
    // Little is held, so that windows reach beyond what is replayed.
    rule.maxspan = rule.maxspan.min(3 * UNIT);
    rule.allowed_lateness = rule.allowed_lateness.min(2 * UNIT);
    let hold = rule.floor() + *rules.pick(&[0, 4]) * UNIT;
    let suppression = Suppression {
        duration: *rules.pick(&[1, 3, 10, 60, 600]) * UNIT,
        group_by: *rules.pick(&[None, Some(NOWHERE), Some(THIRD)]),
    };
    let usual = Shape::random(random);
    let shape = *random.pick(&[usual, Shape::Long, Shape::Flood, Shape::Copies]);
    let stamps = Stamps::random(random);
    let case = restart_case(random, rule.holding(hold), stamps, shape);
    Case { suppression: Some(suppression), ..case }
}

fn never_too_few(case: &Case, counts: &mut Counts) -> Result<(), String> {
    let Some(suppression) = &case.suppression else { return Ok(()) };
    let mut subject = case.showing_suppressed(&["eager", "exact"]);
    let all: Vec<Told> =
        case.tape().run(&mut *subject).into_iter().map(|found| found.told).collect();
    let events = distinct(&case.deliveries);
    let times: BTreeMap<i64, i64> =
        events.iter().map(|event| (event.number, event.event_time)).collect();
    let newest = |found: &Told| found.found.events.iter().map(|n| times[n]).max().unwrap();
    let last = |found: &Told| times[&found.found.final_event().1];
    let group = |found: &Told| (found.rule, group_of(suppression, &found.found));
    let (left_out, left): (Vec<&Told>, _) = all.iter().partition(|found| found.is_suppressed);
    count(counts, "left", left.len());
    count(counts, "left out", left_out.len());
    for out in left_out {
        let is_like_it = |other: &&&Told| {
            // With an order tolerance the final event need not be the newest.
            let apart = (newest(other) - newest(out)).abs().min((last(other) - last(out)).abs());
            group(other) == group(out) && apart < suppression.duration
        };
        if !left.iter().any(|other| is_like_it(&other)) {
            return Err(format!("{out:?} was left out, and nothing like it left: {left:?}"));
        }
    }
    Ok(())
}

/// Returns by what a finding is like others.
pub(crate) fn group_of(suppression: &Suppression, found: &Match) -> Option<i64> {
    let thirds = || found.events.iter().map(|number| number % 3);
    match suppression.group_by {
        None => Some(i64::from(u32::from(found.key))),
        Some(NOWHERE) => None,
        // What the events do not have in common is missing.
        Some(_) => thirds().all(|third| Some(third) == thirds().next()).then(|| thirds().next())?,
    }
}

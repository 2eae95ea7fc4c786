//! Laws 1, 2, 3 and 7: what live streams find, by their batch answer.

use std::collections::{BTreeMap, BTreeSet};

use crate::case::{Case, Counts, Law, case_of, count, usual_case};
use crate::expected::Expected;
use crate::random::Random;
use crate::recordings::by_time;
use crate::tape::{Found, finals_of_rule, of_rule};
use crate::time::UNIT;
use crate::time::batch::{Final, batch, finals, keys_of};
use crate::time::clock::Stamps;
use crate::time::event::{distinct, first_arrivals};
use crate::time::references::{finals_of_key, is_in_order, is_on_time, is_pulled};
use crate::time::rule::{Rule, WITHOUT_ABSENCE, Wanted};
use crate::time::stream::Shape;

/// For keys whose events come within the lateness, exact is the batch answer.
pub(crate) const EXACT: Law = Law {
    name: "1",
    make: |rules, random| usual_case(rules, random, Wanted::default()),
    check: exact_is_batch,
};

/// The same where rare things are likely: an absence at the end, and producers' times.
pub(crate) const EXACT_AT_END: Law =
    Law { name: "1, at the end", make: case_with_trailing_absence, check: exact_is_batch };

pub(crate) const EAGER: Law = Law { name: "2", make: without_absence, check: eager_is_superset };

/// Where each event of a key comes by its time and once, eager is the batch answer.
pub(crate) const IN_ORDER: Law =
    Law { name: "2, in order", make: mostly_in_order, check: in_order_is_batch };

pub(crate) const TOLERANT: Law =
    Law { name: "3", make: tolerant_case, check: tolerance_is_superset };

/// What arrives within `hold` of each other is found.
pub(crate) const FORGOTTEN: Law =
    Law { name: "7", make: without_absence, check: nothing_is_forgotten };

fn without_absence(rules: &mut Random, random: &mut Random) -> Case {
    usual_case(rules, random, WITHOUT_ABSENCE)
}

/// Half of the cases lose what comes out of order, or again: little would be left to judge by.
fn mostly_in_order(rules: &mut Random, random: &mut Random) -> Case {
    let mut case = without_absence(rules, random);
    if random.chance(50) {
        let mut newest = BTreeMap::new();
        case.deliveries.retain(|delivery| {
            let (keys, ordinal) = (&delivery.event.keys, delivery.event.ordinal());
            let is_next = keys.iter().all(|key| newest.get(key) < Some(&ordinal));
            if is_next {
                newest.extend(keys.iter().map(|key| (*key, ordinal)));
            }
            is_next
        });
    }
    case
}

fn case_with_trailing_absence(rules: &mut Random, random: &mut Random) -> Case {
    let stages = *rules.pick(&["B !C", "B !C", "A B !C", "!A B !C"]);
    let rule = Rule {
        until: *rules.pick(&[None, Some('U')]),
        allowed_lateness: *rules.pick(&[0, 0, 2]) * UNIT,
        ..Rule::new(stages, *rules.pick(&[1, 2, 3, 5, 8]))
    };
    let hold = rule.floor();
    let stamps = *random.pick(&[Stamps::Append, Stamps::Create, Stamps::Create, Stamps::None]);
    case_of(rule.holding(hold), random, Shape::Usual, stamps)
}

fn tolerant_case(rules: &mut Random, random: &mut Random) -> Case {
    loop {
        let case = usual_case(rules, random, Wanted { absences: Some(0), tolerances: &[1, 2] });
        if case.rule.order_tolerance > 0 {
            return case;
        }
    }
}

/// Returns what a live stream finds, by the emissions of the rule.
pub(crate) fn live(case: &Case, emits: &[&'static str]) -> Vec<Found> {
    case.tape().run(&mut *case.live(emits))
}

/// A clock that runs ahead of true time by more than its slack is a stated limit.
pub(crate) fn is_clock_pulled(case: &Case, counts: &mut Counts) -> bool {
    let is_pulled = is_pulled(&case.deliveries, case.stamps);
    count(counts, "pulled", usize::from(is_pulled));
    is_pulled
}

pub(crate) fn on_time_keys(case: &Case) -> Vec<char> {
    let keys = keys_of(&distinct(&case.deliveries)).into_iter();
    keys.filter(|&key| is_on_time(&case.deliveries, key, &case.rule)).collect()
}

fn exact_is_batch(case: &Case, counts: &mut Counts) -> Result<(), String> {
    if is_clock_pulled(case, counts) {
        return Ok(());
    }
    // A rule with an absence waits whatever is asked for.
    let emits = if case.rule.has_absence() { &["exact", "eager"][..] } else { &["exact"] };
    let expected = Expected::of(case);
    let all = live(case, emits);
    let sorted = finals(&by_time(case));
    for key in on_time_keys(case) {
        count(counts, "keys", 1);
        for rule in 0..emits.len() {
            let found = finals_of_rule(&all, rule);
            expected.check(key, &found, counts)?;
            let (found, sorted) = (finals_of_key(&found, key), finals_of_key(&sorted, key));
            if found != sorted {
                return Err(format!("key {key}: by time {sorted:?}, found {found:?}"));
            }
        }
    }
    Ok(())
}

fn eager_is_superset(case: &Case, counts: &mut Counts) -> Result<(), String> {
    if is_clock_pulled(case, counts) {
        return Ok(());
    }
    let found = live(case, &["eager", "exact"]);
    let (eager, exact) = (finals_of_rule(&found, 0), finals_of_rule(&found, 1));
    for key in on_time_keys(case) {
        count(counts, "keys", 1);
        contains(key, &exact, &eager)?;
    }
    Ok(())
}

fn in_order_is_batch(case: &Case, counts: &mut Counts) -> Result<(), String> {
    if is_clock_pulled(case, counts) || case.rule.order_tolerance > 0 {
        return Ok(());
    }
    let want = finals(&batch(&distinct(&case.deliveries), &case.rule));
    let found = finals_of_rule(&live(case, &["eager"]), 0);
    for key in on_time_keys(case) {
        if is_in_order(&case.deliveries, key) {
            let (want, found) = (finals_of_key(&want, key), finals_of_key(&found, key));
            count(counts, "in order", 1);
            count(counts, "matches", want.len());
            if want != found {
                return Err(format!("key {key}: want {want:?}, found {found:?}"));
            }
        }
    }
    Ok(())
}

fn tolerance_is_superset(case: &Case, counts: &mut Counts) -> Result<(), String> {
    if is_clock_pulled(case, counts) {
        return Ok(());
    }
    let strict = finals(&batch(&distinct(&case.deliveries), &case.rule));
    let found = finals_of_rule(&live(case, &["exact"]), 0);
    for key in on_time_keys(case) {
        let of = |finals| finals_of_key(finals, key);
        count(counts, "keys", 1);
        count(counts, "more", of(&found).difference(&of(&strict)).count());
        contains(key, &strict, &found)?;
    }
    Ok(())
}

fn nothing_is_forgotten(case: &Case, counts: &mut Counts) -> Result<(), String> {
    if is_clock_pulled(case, counts) {
        return Ok(());
    }
    let arrived = first_arrivals(&case.deliveries);
    let all = live(case, &["eager", "exact"]);
    for found in batch(&distinct(&case.deliveries), &case.rule) {
        let arrivals = || found.events.iter().map(|number| arrived[number]);
        if arrivals().max().unwrap() - arrivals().min().unwrap() > case.rule.hold {
            continue;
        }
        count(counts, "matches", 1);
        for (rule, emit) in ["eager", "exact"].into_iter().enumerate() {
            if !finals_of_rule(&all, rule).contains(&found.final_event()) {
                return Err(format!(
                    "{emit}: {found:?} is not found, only {:?}",
                    of_rule(&all, rule)
                ));
            }
        }
    }
    Ok(())
}

fn contains(key: char, less: &BTreeSet<Final>, more: &BTreeSet<Final>) -> Result<(), String> {
    let (less, more) = (finals_of_key(less, key), finals_of_key(more, key));
    match less.is_subset(&more) {
        true => Ok(()),
        false => Err(format!("key {key}: of {less:?}, only {more:?}")),
    }
}

//! Limits: what they do to recovery, that what fits is found, and that none makes an alert.

use std::collections::{BTreeMap, BTreeSet};

use crate::case::{Case, Counts, Law, SIZE, case_of, count};
use crate::product::Limits;
use crate::random::Random;
use crate::recovery::{restart_case, restarts_change_nothing, scrambled_restart};
use crate::tape::{finals_of_rule, of_rule};
use crate::time::UNIT;
use crate::time::batch::{batch, finals, has_no_missing, of_key};
use crate::time::clock::Stamps;
use crate::time::event::{Delivery, Event, distinct};
use crate::time::references::{finals_of_key, sorted_answer};
use crate::time::rule::{WITHOUT_ABSENCE, Wanted, random_rule};
use crate::time::stream::Shape;
use crate::timely::{is_clock_pulled, live, on_time_keys};

pub(crate) const RECOVERY: Law =
    Law { name: "overflow 5", make: overflowing_restart, check: restarts_change_nothing };

/// What arrives within `hold` and fits into the limits is found.
pub(crate) const FITTING: Law = Law {
    name: "overflow 7",
    make: |rules, random| overflowing_case(rules, random, WITHOUT_ABSENCE),
    check: fitting_is_found,
};

/// No limit makes an absence alert that is none.
pub(crate) const NO_FALSE_ABSENCE: Law =
    Law { name: "overflow !", make: case_without_copies, check: no_false_absence };

fn limits(rules: &mut Random) -> Limits {
    let of_key = Some(*rules.pick(&[2, 4, 8]));
    let bytes = Some(*rules.pick(&[4, 8, 15, 30]) * SIZE);
    match rules.below(3) {
        0 => Limits { of_key, bytes: None },
        1 => Limits { of_key: None, bytes },
        _ => Limits { of_key, bytes },
    }
}

fn overflowing_restart(rules: &mut Random, random: &mut Random) -> Case {
    let case = match rules.chance(50) {
        true => scrambled_restart(rules, random),
        false => {
            let rule = random_rule(rules, Wanted::default());
            let hold = rule.floor() + *rules.pick(&[0, 10]) * UNIT;
            let shape = *random.pick(&[Shape::Flood, Shape::Flood, Shape::Copies, Shape::Long]);
            let stamps = Stamps::random(random);
            restart_case(random, rule.holding(hold), stamps, shape)
        }
    };
    Case { limits: limits(rules), ..case }
}

fn overflowing_case(rules: &mut Random, random: &mut Random, wanted: Wanted) -> Case {
    let shape = *random.pick(&[Shape::Flood, Shape::Flood, Shape::Usual]);
    let stamps = Stamps::random(random);
    let case = case_of(random_rule(rules, wanted), random, shape, stamps);
    Case { limits: limits(rules), ..case }
}

/// A copy that comes after a limit drove its first delivery out counts as a new event that is late.
fn case_without_copies(rules: &mut Random, random: &mut Random) -> Case {
    let wanted = Wanted { absences: Some(50), ..Wanted::default() };
    let mut case = overflowing_case(rules, random, wanted);
    let mut known = BTreeSet::new();
    case.deliveries.retain(|delivery| known.insert(delivery.event.number));
    case
}

fn fitting_is_found(case: &Case, counts: &mut Counts) -> Result<(), String> {
    if is_clock_pulled(case, counts) {
        return Ok(());
    }
    let all = live(case, &["eager"]);
    let found = finals_of_rule(&all, 0);
    let mut places = BTreeMap::new();
    for (place, delivery) in case.deliveries.iter().enumerate() {
        places.entry(delivery.event.number).or_insert(place);
    }
    for wanted in batch(&distinct(&case.deliveries), &case.rule) {
        let at = || wanted.events.iter().map(|number| places[number]);
        let between = &case.deliveries[at().min().unwrap()..=at().max().unwrap()];
        let lasted = between[between.len() - 1].arrived - between[0].arrived;
        if lasted > case.rule.hold || !fits(&case.limits, wanted.key, between) {
            continue;
        }
        count(counts, "matches", 1);
        if !found.contains(&wanted.final_event()) {
            return Err(format!("{wanted:?} is not found, only {:?}", of_rule(&all, 0)));
        }
    }
    Ok(())
}

/// Tells whether what these bring is within the limits, each event counted once for each of its keys.
///
/// How many bytes an event takes besides its body is the product's business; it is less than these.
fn fits(limits: &Limits, key: char, deliveries: &[Delivery]) -> bool {
    let mut sizes: BTreeMap<(char, i64), usize> = BTreeMap::new();
    for delivery in deliveries.iter().filter(|delivery| !delivery.event.tags.is_empty()) {
        for &of in &delivery.event.keys {
            let size = sizes.entry((of, delivery.event.number)).or_default();
            *size = (*size).max((delivery.size as usize + 1) * SIZE);
        }
    }
    let of_key = sizes.keys().filter(|(of, _)| *of == key).count();
    limits.of_key.is_none_or(|most| of_key <= most)
        && limits.bytes.is_none_or(|most| sizes.values().sum::<usize>() <= most)
}

fn no_false_absence(case: &Case, counts: &mut Counts) -> Result<(), String> {
    if !case.rule.has_absence() || is_clock_pulled(case, counts) {
        return Ok(());
    }
    let events = distinct(&case.deliveries);
    let found = of_rule(&live(case, &["exact"]), 0);
    let alerts = finals(&found);
    let want = finals(&sorted_answer(&events, &case.rule));
    for key in on_time_keys(case) {
        let of = |finals| finals_of_key(finals, key);
        count(counts, "found", of(&alerts).len());
        count(counts, "missed", of(&want).difference(&of(&alerts)).count());
        let events = of_key(&events, key);
        for found in found.iter().filter(|found| found.key == key) {
            let event = |number: &i64| events.iter().find(|event| event.number == *number);
            let sequence: Vec<&Event> = found.events.iter().filter_map(event).copied().collect();
            if !has_no_missing(&events, &case.rule, &sequence) {
                return Err(format!("{found:?} is forbidden"));
            }
        }
    }
    Ok(())
}

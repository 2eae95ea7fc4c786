//! Law 4: what a key alerts on depends on its own records.

use std::rc::Rc;

use crate::case::{Case, Counts, Law, case_of, count, usual_case};
use crate::random::Random;
use crate::tape::of_rule;
use crate::time::UNIT;
use crate::time::batch::{Match, finals, keys_of};
use crate::time::clock::Stamps;
use crate::time::event::{Delivery, Event, distinct};
use crate::time::references::{is_on_time, is_pulled};
use crate::time::rule::{Wanted, random_rule};
use crate::time::stream::Shape;
use crate::timely::live;

/// What other hosts' events say of themselves is made up anew; the arrivals stay.
pub(crate) const OTHER_CLOCKS: Law =
    Law { name: "4", make: case_with_other_clocks, check: other_clocks_change_nothing };

/// All records of other keys are taken out.
pub(crate) const ALONE: Law =
    Law { name: "4, alone", make: case_by_broker, check: alone_is_the_same };

fn case_with_other_clocks(rules: &mut Random, random: &mut Random) -> Case {
    let mut case = usual_case(rules, random, Wanted::default());
    let errors = if case.stamps == Stamps::Append { [-700, -5, 3, 800] } else { [-8, -4, 4, 8] };
    let numbers: Vec<i64> = case.deliveries.iter().map(|d| d.event.number).collect();
    let any = |number: i64| (number, *random.pick(&errors) * UNIT);
    case.other_clocks = numbers.into_iter().map(any).collect();
    case
}

fn case_by_broker(rules: &mut Random, random: &mut Random) -> Case {
    let shape = Shape::random(random);
    case_of(random_rule(rules, Wanted::default()), random, shape, Stamps::Append)
}

fn other_clocks_change_nothing(case: &Case, counts: &mut Counts) -> Result<(), String> {
    if case.stamps == Stamps::None {
        return Ok(());
    }
    for key in keys_of(&distinct(&case.deliveries)) {
        let other = Case {
            deliveries: case.deliveries.iter().map(|d| with_other_clock(case, d, key)).collect(),
            ..case.clone()
        };
        let is_append = case.stamps == Stamps::Append;
        if !is_append && !is_steady(case, &other, key) {
            continue;
        }
        count(counts, "keys", 1);
        let (here, there) = (of_key(case, key), of_key(&other, key));
        count(counts, "matches", here[1].len());
        // With producers' times only what is decided in the end is the same.
        let is_same = match is_append {
            true => here == there,
            false => finals(&here[1]) == finals(&there[1]),
        };
        if !is_same {
            return Err(format!("key {key}: {here:?} become {there:?}"));
        }
    }
    Ok(())
}

/// Returns what a key alerts on, eagerly and exactly.
fn of_key(case: &Case, key: char) -> [Vec<Match>; 2] {
    let found = live(case, &["eager", "exact"]);
    [0, 1].map(|rule| of_rule(&found, rule).into_iter().filter(|found| found.key == key).collect())
}

fn with_other_clock(case: &Case, delivery: &Delivery, key: char) -> Delivery {
    let shift = case.other_clocks.get(&delivery.event.number).copied().unwrap_or_default();
    let mut other = delivery.clone();
    if !delivery.event.is_of(key) {
        let event_time = delivery.event.event_time + shift;
        other.event = Rc::new(Event { event_time, ..(*delivery.event).clone() });
        other.stamp += if case.stamps == Stamps::Append { 0 } else { shift };
    }
    other
}

/// With producers' times the law holds for what comes in time, as far as other clocks are right to
/// the skew.
fn is_steady(case: &Case, other: &Case, key: char) -> bool {
    let is_pulled = |case: &Case| is_pulled(&case.deliveries, case.stamps);
    is_on_time(&case.deliveries, key, &case.rule) && !is_pulled(case) && !is_pulled(other)
}

fn alone_is_the_same(case: &Case, counts: &mut Counts) -> Result<(), String> {
    for key in keys_of(&distinct(&case.deliveries)) {
        let own = case.deliveries.iter().filter(|d| d.event.is_of(key));
        let alone = Case { deliveries: own.cloned().collect(), ..case.clone() };
        let ([eager, exact], [eager_alone, exact_alone]) = (of_key(case, key), of_key(&alone, key));
        count(counts, "keys", 1);
        count(counts, "matches", exact.len());
        // An exact rule may look at what came late more often where others' records come.
        let is_on_time = is_on_time(&case.deliveries, key, &case.rule);
        if !case.rule.has_absence() && eager != eager_alone {
            return Err(format!("key {key}, eager: {eager:?}, alone {eager_alone:?}"));
        }
        if is_on_time && finals(&exact) != finals(&exact_alone) {
            return Err(format!("key {key}, exact: {exact:?}, alone {exact_alone:?}"));
        }
    }
    Ok(())
}

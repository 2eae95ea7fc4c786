//! Rules that are loaded later: since when a rule has seen the partition, and that a restart knows it.

use std::collections::BTreeSet;

use crate::case::{Case, Counts, Law, count, usual_case};
use crate::random::Random;
use crate::recovery::usual_restart;
use crate::subject::{Product, Subject};
use crate::tape::{Found, finals_of_rule};
use crate::time::batch::{Final, finals, keys_of};
use crate::time::clock::Stamps;
use crate::time::event::{Delivery, distinct, first_arrivals};
use crate::time::references::{finals_of_key, sorted_answer};
use crate::time::rule::Wanted;
use crate::timely::{is_clock_pulled, on_time_keys};

/// The first cut loads the second rule; at the others the detector starts anew.
pub(crate) const RECOVERY: Law =
    Law { name: "reload 5", make: usual_restart, check: restarts_change_nothing };

/// A loaded rule alerts on nothing that all events forbid, and finds what it has seen.
pub(crate) const LAW: Law = Law { name: "reload", make: loaded_case, check: seen_is_decided };

fn loaded_case(rules: &mut Random, random: &mut Random) -> Case {
    let case = usual_case(rules, random, Wanted { absences: None, tolerances: &[0] });
    let serial = random.pick(&case.deliveries).serial;
    Case { cuts: vec![(serial, 0)], ..case }
}

fn restarts_change_nothing(case: &Case, counts: &mut Counts) -> Result<(), String> {
    let Some(load) = case.cuts.iter().map(|cut| cut.0).min() else { return Ok(()) };
    let later = case.cuts.iter().copied().filter(|cut| cut.0 > load).collect();
    let want = run(&Case { cuts: vec![(load, 0)], ..case.clone() }, load, counts)?;
    let found = run(&Case { cuts: later, ..case.clone() }, load, counts)?;
    count(counts, "outputs after", want.iter().filter(|found| found.at.0 >= load).count());
    match want == found {
        true => Ok(()),
        false => Err(format!("loaded before {load}: want {want:?}, found {found:?}")),
    }
}

/// Runs one rule, from a place on two; restarts at the cuts.
fn run(case: &Case, load: usize, counts: &mut Counts) -> Result<Vec<Found>, String> {
    let tape = case.tape();
    let mut subject = Product::new(case.setup(&["eager"]).engine());
    let mut found = Vec::new();
    for (place, record) in tape.records.iter().enumerate() {
        let (serial, idles) = (record.delivery.serial, tape.idle_before(place).len());
        for idle in 0..=idles {
            if (serial, idle) == (load, 0) {
                subject.load(case.setup(&["eager", "exact"]).engine());
                subject.restart(&tape, place, counts)?;
            } else if case.cuts.contains(&(serial, idle)) {
                subject.restart(&tape, place, counts)?;
            }
            if idle < idles {
                tape.idle(&mut subject, place, idle, &mut found);
            }
        }
        tape.record(&mut subject, place, &mut found);
    }
    tape.end(&mut subject, &mut found);
    Ok(found)
}

fn seen_is_decided(case: &Case, counts: &mut Counts) -> Result<(), String> {
    let Some(&(load, _)) = case.cuts.first() else { return Ok(()) };
    let place = case.deliveries.iter().position(|delivery| delivery.serial >= load);
    let (before, seen) = case.deliveries.split_at(place.unwrap_or(case.deliveries.len()));
    if is_clock_pulled(case, counts) || seen.is_empty() {
        return Ok(());
    }
    let found = finals_of_rule(&run(case, load, counts)?, 1);
    let every = finals(&sorted_answer(&distinct(&case.deliveries), &case.rule));
    let least = least(case, seen);
    let known: BTreeSet<i64> = before.iter().map(|delivery| delivery.event.number).collect();
    let is_old = |d: &&Delivery| known.contains(&d.event.number);
    // A copy of what it has not seen is late.
    let keys_of_copies =
        keys_of(&distinct(&seen.iter().filter(is_old).cloned().collect::<Vec<_>>()));
    for key in on_time_keys(case).into_iter().filter(|key| !keys_of_copies.contains(key)) {
        let [found, every, least] = [&found, &every, &least].map(|of| finals_of_key(of, key));
        count(counts, "found", found.len());
        if case.rule.has_absence() && !found.is_subset(&every) || !least.is_subset(&found) {
            return Err(format!("key {key}: from {least:?} to {every:?}, found {found:?}"));
        }
    }
    Ok(())
}

/// Returns what has to be found by whoever has seen these deliveries alone.
fn least(case: &Case, seen: &[Delivery]) -> BTreeSet<Final> {
    if case.stamps != Stamps::Append && case.rule.has_absence() {
        return BTreeSet::new();
    }
    let rule = &case.rule;
    let arrived = first_arrivals(&case.deliveries);
    let leading = if rule.stages[0].is_missing { rule.maxspan } else { 0 };
    let seen_from = seen[0].arrived + rule.allowed_lateness + leading;
    let mut every = sorted_answer(&distinct(&case.deliveries), rule);
    every.retain(|found| arrived[&found.events[0]] > seen_from);
    let of_seen = finals(&sorted_answer(&distinct(seen), rule));
    of_seen.intersection(&finals(&every)).copied().collect()
}

//! Law 8: a recording, in any order, gives the batch answer.

use std::collections::BTreeSet;

use crate::case::{Case, Counts, Law, Whom, count, usual_case};
use crate::expected::Expected;
use crate::tape::{Tape, of_rule};
use crate::time::batch::{Final, Match, batch, finals, keys_of};
use crate::time::clock::Stamps;
use crate::time::event::{Delivery, distinct};
use crate::time::rule::Wanted;

/// The matcher alone: each event once and by its time.
pub(crate) const MACHINE: Law = Law { name: "machine", make, check: machine_is_batch };

pub(crate) const LAW: Law = Law { name: "8", make, check: recording_is_batch };

fn make(rules: &mut crate::random::Random, random: &mut crate::random::Random) -> Case {
    usual_case(rules, random, Wanted::default())
}

fn machine_is_batch(case: &Case, counts: &mut Counts) -> Result<(), String> {
    let found = by_time(case);
    check_recording(case, &found, counts)?;
    if case.rule.order_tolerance > 0 {
        return Ok(());
    }
    // Not only the final events: all of them.
    let want: BTreeSet<Match> =
        batch(&distinct(&case.deliveries), &case.rule).into_iter().collect();
    match want == found.iter().cloned().collect() {
        true => Ok(()),
        false => Err(format!("want {want:?}, found {found:?}")),
    }
}

/// Returns what is found where each event comes once and by its time, stamped with it.
pub(crate) fn by_time(case: &Case) -> Vec<Match> {
    let mut sorted = case.deliveries.clone();
    sorted.sort_by_key(|delivery| delivery.event.ordinal());
    sorted.dedup_by_key(|delivery| delivery.event.number);
    for delivery in &mut sorted {
        delivery.idle_before.clear();
        delivery.stamp = delivery.event.event_time;
    }
    of_rule(&Tape::new(&sorted, Stamps::Append).run(&mut *case.bounded()), 0)
}

fn recording_is_batch(case: &Case, counts: &mut Counts) -> Result<(), String> {
    let events = distinct(&case.deliveries);
    let sorted = finals(&by_time(case));
    for order in orders(&case.deliveries) {
        let found = recorded(case, &order)?;
        check_recording(case, &found, counts)?;
        // An order tolerance leaves no room for the order of arrival either.
        if finals(&found) != sorted {
            return Err(format!("by time {sorted:?}, found {found:?}"));
        }
        let time = |found: &Match| {
            let last = found.events[found.events.len() - 1];
            events.iter().find(|event| event.number == last).map(|event| event.event_time)
        };
        // The model's order is by key.
        if case.whom == Whom::Product && !found.is_sorted_by_key(time) {
            return Err(format!("not in the order of their final events: {found:?}"));
        }
    }
    Ok(())
}

fn check_recording(case: &Case, found: &[Match], counts: &mut Counts) -> Result<(), String> {
    let expected = Expected::of(case);
    let of: BTreeSet<Final> = finals(found);
    count(counts, "found", found.len());
    if of.len() != found.len() {
        return Err(format!("a final event twice: {found:?}"));
    }
    let mut keys = keys_of(&distinct(&case.deliveries)).into_iter();
    keys.try_for_each(|key| expected.check(key, &of, counts))
}

/// Returns a recording as it came, newest first, and shuffled.
pub(crate) fn orders(deliveries: &[Delivery]) -> [Vec<Delivery>; 3] {
    let reversed = deliveries.iter().rev().cloned().collect();
    let mut shuffled = deliveries.to_vec();
    shuffled.sort_by_key(|delivery| delivery.shuffle);
    [deliveries.to_vec(), reversed, shuffled]
}

/// Returns what is found at the end of a recording, in the order in which it is told.
pub(crate) fn recorded(case: &Case, order: &[Delivery]) -> Result<Vec<Match>, String> {
    let mut subject = case.bounded();
    let tape = Tape::new(order, case.stamps);
    let mut found = Vec::new();
    (0..order.len()).for_each(|place| tape.record(&mut *subject, place, &mut found));
    if !found.is_empty() {
        return Err(format!("found before the end of the recording: {found:?}"));
    }
    tape.end(&mut *subject, &mut found);
    Ok(of_rule(&found, 0))
}

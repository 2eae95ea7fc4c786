//! What may be expected of a key, by true time and its own events: for which keys a law speaks.

use std::collections::{BTreeMap, BTreeSet};

use super::batch::{Final, Match, keys_of, of_key};
use super::clock::{Clock, Stamps};
use super::event::{Delivery, Event};
use super::one_slot::OneSlot;
use super::rule::Rule;

/// Returns the matches of machines that are fed with everything by ordinal: without an order
/// tolerance the batch answer.
pub fn sorted_answer<E: AsRef<Event>>(events: &[E], rule: &Rule) -> Vec<Match> {
    let of = |key: char| {
        let mut machine = OneSlot::new(key, rule);
        of_key(events, key).into_iter().for_each(|event| machine.push(event));
        machine.end()
    };
    keys_of(events).into_iter().flat_map(of).collect()
}

pub fn finals_of_key(finals: &BTreeSet<Final>, key: char) -> BTreeSet<Final> {
    finals.iter().filter(|(of, _)| *of == key).copied().collect()
}

/// Returns the deliveries of a key that satisfy anything.
fn hits(deliveries: &[Delivery], key: char) -> impl Iterator<Item = &Delivery> {
    let is_hit = move |d: &&Delivery| d.event.is_of(key) && !d.event.tags.is_empty();
    deliveries.iter().filter(is_hit)
}

/// Tells whether every event of the key came within the lateness, and no copy so late that it is new.
pub fn is_on_time(deliveries: &[Delivery], key: char, rule: &Rule) -> bool {
    let mut last_copy: BTreeMap<i64, i64> = BTreeMap::new();
    // By how much the event that was the least late is behind true time.
    let mut newest: Option<i64> = None;
    for delivery in hits(deliveries, key) {
        let behind = delivery.event.event_time - delivery.arrived;
        match last_copy.insert(delivery.event.number, delivery.arrived) {
            Some(before) if delivery.arrived - before > rule.hold => return false,
            Some(_) => {}
            None if newest.is_some_and(|newest| behind < newest - rule.allowed_lateness) => {
                return false;
            }
            None => newest = newest.max(Some(behind)),
        }
    }
    true
}

/// Tells whether the events of the key come by ordinal, each once.
pub fn is_in_order(deliveries: &[Delivery], key: char) -> bool {
    hits(deliveries, key)
        .is_sorted_by(|before, after| before.event.ordinal() < after.event.ordinal())
}

/// Tells whether the clock gains more than true time and the slack between any two records.
pub fn is_pulled(deliveries: &[Delivery], stamps: Stamps) -> bool {
    let mut clock = Clock::new(stamps);
    let mut least = i64::MAX;
    deliveries.iter().any(|delivery| {
        clock.take(delivery);
        let ahead = clock.pace - delivery.arrived;
        least = least.min(ahead);
        ahead - least > stamps.slack()
    })
}

//! The batch reference for samples: tries all choices.

use std::collections::BTreeSet;

use super::batch::{Final, keys_of, of_key};
use super::event::Event;

/// Returns the (key, number of the window) of every window for which there is a sample.
///
/// A sample is one distinct event for each term, all within `span`; its window is that of its newest
/// event.
pub fn windows<E: AsRef<Event>>(events: &[E], terms: &[char], span: i64) -> BTreeSet<Final> {
    let mut found = BTreeSet::new();
    for key in keys_of(events) {
        let of_key = of_key(events, key);
        for (place, newest) in of_key.iter().enumerate() {
            let window = (key, newest.event_time.div_euclid(span));
            let is_near = |event: &&&Event| newest.event_time - event.event_time <= span;
            let near: Vec<&Event> = of_key[..place].iter().filter(is_near).copied().collect();
            if !found.contains(&window) && has_choice_with(&near, terms, newest) {
                found.insert(window);
            }
        }
    }
    found
}

/// Tells whether there is a choice of which the newest event is one.
fn has_choice_with(near: &[&Event], terms: &[char], newest: &Event) -> bool {
    (0..terms.len()).any(|place| {
        let rest: Vec<char> = [&terms[..place], &terms[place + 1..]].concat();
        newest.has(terms[place]) && has_choice(near, &rest, &mut Vec::new())
    })
}

/// Tells whether the terms can be given to distinct events.
pub fn has_choice(near: &[&Event], terms: &[char], taken: &mut Vec<i64>) -> bool {
    let Some((&term, rest)) = terms.split_first() else { return true };
    near.iter().any(|event| {
        if !event.has(term) || taken.contains(&event.number) {
            return false;
        }
        taken.push(event.number);
        let is_found = has_choice(near, rest, taken);
        taken.pop();
        is_found
    })
}

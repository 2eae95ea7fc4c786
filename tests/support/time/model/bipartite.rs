//! The choice of a sample by bipartite matching with augmenting paths.

use std::collections::BTreeMap;

use super::super::event::Event;

/// Returns an event for each term, all distinct and the required ones among them.
///
/// The required events are matched first. An augmenting path never frees an event that is matched,
/// so they stay.
pub fn choose<'e>(
    terms: &[char],
    events: &[&'e Event],
    required: &[&'e Event],
) -> Option<Vec<&'e Event>> {
    let mut matching = Matching { terms, event_of: BTreeMap::new(), term_of: BTreeMap::new() };
    for event in required {
        if !matching.place_event(event, &mut Vec::new()) {
            return None;
        }
    }
    for term in 0..terms.len() {
        if !matching.event_of.contains_key(&term)
            && !matching.fill_term(term, events, &mut Vec::new())
        {
            return None;
        }
    }
    Some(matching.event_of.into_values().collect())
}

struct Matching<'t, 'e> {
    terms: &'t [char],
    event_of: BTreeMap<usize, &'e Event>,
    term_of: BTreeMap<i64, usize>,
}

impl<'e> Matching<'_, 'e> {
    fn place_event(&mut self, event: &'e Event, tried: &mut Vec<usize>) -> bool {
        for term in 0..self.terms.len() {
            if !event.has(self.terms[term]) || tried.contains(&term) {
                continue;
            }
            tried.push(term);
            let other = self.event_of.get(&term).copied();
            if other.is_none_or(|other| self.place_event(other, tried)) {
                self.set(term, event);
                return true;
            }
        }
        false
    }

    fn fill_term(&mut self, term: usize, events: &[&'e Event], tried: &mut Vec<i64>) -> bool {
        for event in events {
            if !event.has(self.terms[term]) || tried.contains(&event.number) {
                continue;
            }
            tried.push(event.number);
            let other = self.term_of.get(&event.number).copied();
            if other.is_none_or(|other| self.fill_term(other, events, tried)) {
                self.set(term, event);
                return true;
            }
        }
        false
    }

    fn set(&mut self, term: usize, event: &'e Event) {
        self.event_of.insert(term, event);
        self.term_of.insert(event.number, term);
    }
}

//! What the candidates of a key match.

use super::super::batch::Match;
use super::super::event::Event;
use super::super::one_slot::OneSlot;
use super::super::rule::Rule;
use super::bipartite::choose;
use super::held::HeldKey;

/// Returns the matches of a sequence below a time, everything before it being known.
pub fn sequences(rule: &Rule, key: char, held: &HeldKey, below: i64) -> Vec<Match> {
    let mut machine = OneSlot::new(key, rule);
    for candidate in held.candidates.iter().filter(|held| !held.is_refused) {
        if candidate.event.event_time < below {
            machine.push(&candidate.event);
        }
    }
    machine.below(below)
}

/// A sample and the number of its window.
pub type Sample = (i64, Match);

/// Returns one sample that contains an event for each window in which there is one.
pub fn samples_with(rule: &Rule, key: char, held: &HeldKey, event: &Event) -> Vec<Sample> {
    let own = window_of(rule, event);
    [own, own + 1]
        .into_iter()
        .filter_map(|window| sample(rule, key, held, window, &[event]))
        .collect()
}

/// Returns one sample for each window that has any, the same in whatever order the events came.
pub fn samples(rule: &Rule, key: char, held: &HeldKey) -> Vec<Sample> {
    let mut windows: Vec<i64> =
        held.candidates.iter().map(|held| window_of(rule, &held.event)).collect();
    windows.sort_unstable();
    windows.dedup();
    windows.into_iter().filter_map(|window| sample(rule, key, held, window, &[])).collect()
}

fn window_of(rule: &Rule, event: &Event) -> i64 {
    event.event_time.div_euclid(rule.maxspan)
}

fn sample(
    rule: &Rule,
    key: char,
    held: &HeldKey,
    window: i64,
    required: &[&Event],
) -> Option<Sample> {
    let events: Vec<&Event> = held.candidates.iter().map(|held| &*held.event).collect();
    events.iter().filter(|newest| window_of(rule, newest) == window).find_map(|newest| {
        let is_near = |event: &Event| {
            newest.event_time - rule.maxspan <= event.event_time
                && event.ordinal() <= newest.ordinal()
        };
        if !required.iter().all(|event| is_near(event)) {
            return None;
        }
        let near: Vec<&Event> = events.iter().copied().filter(|event| is_near(event)).collect();
        let others = required.iter().copied().filter(|event| event.number != newest.number);
        let wanted: Vec<&Event> = [*newest].into_iter().chain(others).collect();
        let chosen = choose(&rule.terms(), &near, &wanted)?;
        Some((window, Match::of(key, &chosen)))
    })
}

//! What an order tolerance may find at all: an upper bound, by trying all choices.

use super::event::Event;
use super::rule::Rule;

/// Tells whether an event can be the final event of a sequence each event of which comes after the
/// one before, or up to the tolerance before it, all within maxspan.
///
/// Knows nothing of pending sequences and of `until`: it says what is out of the question.
pub fn can_be_final(of_key: &[&Event], rule: &Rule, number: i64) -> bool {
    let Some(last) = of_key.iter().find(|event| event.number == number) else { return false };
    let tags: Vec<char> = rule.positive().iter().map(|&place| rule.stages[place].tag).collect();
    let (tag, before) = tags.split_last().unwrap();
    last.has(*tag) && has_sequence(of_key, rule, before, &mut vec![*last])
}

/// Finds events for the stages before those that are chosen, the latest stage first.
fn has_sequence<'e>(
    of_key: &[&'e Event],
    rule: &Rule,
    tags: &[char],
    chosen: &mut Vec<&'e Event>,
) -> bool {
    let Some((tag, before)) = tags.split_last() else { return true };
    let next = chosen[chosen.len() - 1];
    of_key.iter().any(|event| {
        let is_in_place = event.ordinal() < next.ordinal()
            || event.event_time <= next.event_time + rule.order_tolerance;
        let is_new = chosen.iter().all(|other| other.number != event.number);
        let is_near = |other: &&Event| (other.event_time - event.event_time).abs() <= rule.maxspan;
        if !event.has(*tag) || !is_in_place || !is_new || !chosen.iter().all(is_near) {
            return false;
        }
        chosen.push(event);
        let is_found = has_sequence(of_key, rule, before, chosen);
        chosen.pop();
        is_found
    })
}

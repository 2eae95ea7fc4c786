//! What is to be found of a key whose events are all there: the batch answer; with an order tolerance
//! that of the reference machine, which itself has to lie between two bounds.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::case::{Case, Counts, count};
use crate::time::batch::{Final, batch, finals, of_key};
use crate::time::event::{Event, distinct};
use crate::time::references::{finals_of_key, sorted_answer};
use crate::time::rule::Rule;
use crate::time::tolerance::can_be_final;

pub(crate) struct Expected<'c> {
    rule: &'c Rule,
    events: Vec<Rc<Event>>,
    strict: BTreeSet<Final>,
    /// What has to be found: more than the strict answer where an order is tolerated.
    wanted: BTreeSet<Final>,
}

impl<'c> Expected<'c> {
    pub(crate) fn of(case: &'c Case) -> Self {
        let (rule, events) = (&case.rule, distinct(&case.deliveries));
        let strict = finals(&batch(&events, rule));
        let wanted = match rule.order_tolerance {
            0 => strict.clone(),
            _ => finals(&sorted_answer(&events, rule)),
        };
        Self { rule, events, strict, wanted }
    }

    /// Says what is wrong with what was found of a key.
    pub(crate) fn check(
        &self,
        key: char,
        found: &BTreeSet<Final>,
        counts: &mut Counts,
    ) -> Result<(), String> {
        let [strict, wanted, found] =
            [&self.strict, &self.wanted, found].map(|finals| finals_of_key(finals, key));
        count(counts, "matches", strict.len());
        count(counts, "adjusted", found.difference(&strict).count());
        let events = of_key(&self.events, key);
        let is_possible = |(_, number): &Final| can_be_final(&events, self.rule, *number);
        if self.rule.order_tolerance > 0 && !strict.is_subset(&wanted) {
            return Err(format!("key {key}: strict {strict:?}, tolerant {wanted:?}"));
        }
        if self.rule.order_tolerance > 0 && !wanted.iter().all(is_possible) {
            return Err(format!("key {key}: not all of {wanted:?} can be"));
        }
        if found == wanted {
            Ok(())
        } else {
            Err(format!("key {key}: want {wanted:?}, found {found:?}"))
        }
    }
}

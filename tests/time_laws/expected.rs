//! What is to be found of a key whose events are all there: the batch answer, or with an order
//! tolerance what lies between two bounds.

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
    least: BTreeSet<Final>,
}

impl<'c> Expected<'c> {
    pub(crate) fn of(case: &'c Case) -> Self {
        let (rule, events) = (&case.rule, distinct(&case.deliveries));
        let strict = finals(&batch(&events, rule));
        let least = match rule.order_tolerance {
            0 => strict.clone(),
            _ => finals(&sorted_answer(&events, rule)),
        };
        Self { rule, events, strict, least }
    }

    /// Says what is wrong with what was found of a key.
    pub(crate) fn check(
        &self,
        key: char,
        found: &BTreeSet<Final>,
        counts: &mut Counts,
    ) -> Result<(), String> {
        let [strict, least, found] =
            [&self.strict, &self.least, found].map(|finals| finals_of_key(finals, key));
        count(counts, "matches", strict.len());
        count(counts, "adjusted", found.difference(&strict).count());
        let events = of_key(&self.events, key);
        let is_possible = |(_, number): &Final| can_be_final(&events, self.rule, *number);
        let is_right = match self.rule.order_tolerance {
            0 => found == strict,
            _ => {
                strict.is_subset(&found) && least.is_subset(&found) && found.iter().all(is_possible)
            }
        };
        if is_right { Ok(()) } else { Err(format!("key {key}: want {least:?}, found {found:?}")) }
    }
}

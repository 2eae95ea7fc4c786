//! The slow twin of the index: asks every term of an event's category.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail by panicking")]

use std::collections::HashMap;

use maxspan::event::{FieldId, Fields};
use maxspan::rule::set::{RuleSet, TermRef};

/// The terms of a rule set by category, and by nothing else.
pub(crate) struct Scan<'r> {
    rules: &'r RuleSet,
    category: FieldId,
    by_category: HashMap<&'r str, Vec<TermRef>>,
    /// Those of every category, or with the category elsewhere.
    any: Vec<TermRef>,
}

impl<'r> Scan<'r> {
    pub(crate) fn new(rules: &'r RuleSet) -> Self {
        let category = rules.fields().get("event.category").unwrap();
        let mut scan = Self { rules, category, by_category: HashMap::new(), any: Vec::new() };
        for (rule, compiled) in (0..).zip(rules.rules()) {
            for (term, part) in (0..).zip(&compiled.terms) {
                let of_category = match (&part.category, compiled.category_field) {
                    (Some(category), None) => scan.by_category.entry(category).or_default(),
                    _ => &mut scan.any,
                };
                of_category.push(TermRef { rule, term });
            }
        }
        scan
    }

    /// What `RuleSet::hits` must answer.
    pub(crate) fn hits(&self, event: &Fields<'_>, hits: &mut Vec<TermRef>) {
        hits.clear();
        let categories = event.get(self.category).iter().filter_map(|value| value.as_str());
        let terms = categories.filter_map(|category| self.by_category.get(category)).flatten();
        hits.extend(self.any.iter().chain(terms).filter(|term| self.satisfies(**term, event)));
        hits.sort_unstable();
        hits.dedup();
    }

    fn satisfies(&self, at: TermRef, event: &Fields<'_>) -> bool {
        let rule = &self.rules.rules()[at.rule as usize];
        let term = &rule.terms[at.term as usize];
        let in_category = match (rule.category_field, &term.category) {
            (Some(field), Some(category)) => {
                event.get(field).iter().any(|value| value.as_str() == Some(category))
            }
            _ => true,
        };
        in_category && term.predicate.matches(event)
    }
}

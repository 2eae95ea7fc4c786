//! One rule that is explained: its terms, watched, and what is kept of its join keys.

use std::sync::Arc;

use super::condition::{Fit, Watch};
use super::report::Values;
use super::tally::Tally;
use super::track::{Bar, Found, NearMiss, Place, Seen, Tracks};
use super::trial::Shape;
use crate::eql::ast::{Body, EventQuery, Term};
use crate::event::{EventTime, FieldTable, Fields, JoinKey};
use crate::normalize::Envelope;
use crate::predicate::{Doubt, FieldSource, Predicate};
use crate::rule::compile::CompiledRule;
use crate::rule::set::RuleSet;
use crate::sequence::{PlanTerm, TermSet};

/// How many index names are shown.
const SHOWN_INDICES: usize = 5;

/// An event on its way through the rules.
#[derive(Clone, Copy)]
pub(super) struct Event<'e, 'p> {
    pub(super) fields: &'e Fields<'p>,
    pub(super) envelope: &'e Envelope,
    pub(super) topic: &'e str,
    /// Index of the partition.
    pub(super) partition: usize,
    pub(super) offset: i64,
    pub(super) place: Place,
    /// What the partition's clock shows; nothing of bounded input.
    pub(super) clock: Option<EventTime>,
    pub(super) max_key_expansion: usize,
}

/// One rule that is explained.
#[derive(Debug)]
pub(super) struct Subject {
    /// Index in the rule set.
    pub(super) rule: usize,
    pub(super) shape: Shape,
    pub(super) watches: Vec<Watch>,
    pub(super) tracks: Tracks,
    pub(super) covered: u64,
    pub(super) not_covered: u64,
    indices: Tally,
    /// Fields that the query names, and whether a covered event had a value there.
    fields: Vec<(FieldSource, bool)>,
    pub(super) alerts: u64,
    pub(super) suppressed: u64,
}

impl Subject {
    /// Returns a rule of which nothing has been seen.
    pub(super) fn new(rules: &RuleSet, rule: usize, wanted: &[String]) -> Self {
        let compiled = &rules.rules()[rule];
        let (terms, until, is_sample) = terms_of(&compiled.query.body);
        let plan_term = |term: &Term| PlanTerm { missing: term.missing, runs: term.runs.max(1) };
        let shape = Shape {
            terms: terms.iter().map(plan_term).collect(),
            has_until: until.is_some(),
            is_sample,
            times: compiled.plan.times,
        };
        let mut table = rules.fields().clone();
        let category = compiled.category_field.unwrap_or_else(|| rules.normalizer().category());
        let labels = labels(&shape);
        let queries = terms.iter().chain(&until).map(|term| &term.query);
        let doubts = compiled.terms.iter().map(|term| term.doubt);
        let watch = |(label, (query, doubt)): (String, (&EventQuery, Doubt))| {
            Watch::new(label, query, doubt, category, &mut table)
        };
        let watches: Vec<Watch> = labels.into_iter().zip(queries.zip(doubts)).map(watch).collect();
        let mut fields: Vec<FieldSource> =
            compiled.terms.iter().flat_map(|term| term.predicate.sources()).collect();
        fields.extend(compiled.terms.iter().flat_map(|term| term.key.sources()));
        fields.sort_unstable();
        fields.dedup();
        let runs = terms.iter().map(|term| term.runs as usize).max().unwrap_or(1);
        let times = &shape.times;
        let reach = times.maxspan + times.order_tolerance;
        Self {
            rule,
            tracks: Tracks::new(watches.len(), runs, reach, wanted.to_vec()),
            shape,
            watches,
            covered: 0,
            not_covered: 0,
            indices: Tally::default(),
            fields: fields.into_iter().map(|source| (source, false)).collect(),
            alerts: 0,
            suppressed: 0,
        }
    }

    /// Takes in a normalized event that has a time.
    pub(super) fn on_event(&mut self, rules: &RuleSet, event: &Event<'_, '_>) {
        let rule = &rules.rules()[self.rule];
        let index = rule.index.as_ref();
        if index.is_none_or(|index| rules.normalizer().is_covered(index, event.fields)) {
            self.covered += 1;
            for (source, has_value) in &mut self.fields {
                *has_value |= source.has_value(event.fields);
            }
            self.on_covered(rules, rule, event);
        } else {
            self.not_covered += 1;
            let names = rules.normalizer().index_names(event.fields);
            self.indices.add(&names.iter().collect::<Vec<_>>().join(", "));
            self.on_other(rules, rule, event);
        }
    }

    /// Takes in a match of the detector.
    pub(super) fn found(&mut self, partition: usize, key: &JoinKey, found: Found) {
        match found.suppressed {
            true => self.suppressed += 1,
            false => self.alerts += 1,
        }
        self.tracks.found(partition, key, found);
    }

    /// Returns the index names of the records that the rule does not cover.
    pub(super) fn not_covered_indices(&self) -> Values {
        self.indices.top(SHOWN_INDICES)
    }

    /// Returns the fields of the query that no covered record has.
    pub(super) fn fields_without_value(&self, table: &FieldTable) -> Vec<String> {
        let without = self.fields.iter().filter(|(_, has_value)| !has_value);
        without.map(|(source, _)| table.name(source.own()).to_owned()).collect()
    }

    /// Returns the labels of terms, with commas between them.
    pub(super) fn label(&self, terms: TermSet) -> String {
        let of_terms = self.watches.iter().enumerate().filter(|(term, _)| terms.has(*term));
        let labels: Vec<&str> = of_terms.map(|(_, watch)| &*watch.stage).collect();
        labels.join(", ")
    }

    fn on_covered(&mut self, rules: &RuleSet, rule: &CompiledRule, event: &Event<'_, '_>) {
        let holds = |exception: &Predicate| exception.judge(event.fields).counts(Doubt::Against);
        let excepted = rule.exceptions.iter().position(holds);
        let mut terms = TermSet::default();
        for term in 0..self.watches.len() {
            match self.watches[term].count(event.fields, rules.fields()) {
                Fit::Hit => {
                    self.watches[term].hits += 1;
                    self.watches[term].excepted += u64::from(excepted.is_some());
                    terms.insert(term);
                }
                Fit::AllBut(condition) if self.is_positive(term) && excepted.is_none() => {
                    self.near_miss(rules, term, condition, event);
                }
                Fit::AllBut(_) | Fit::None => {}
            }
        }
        if !terms.is_empty() {
            self.admit(rules, terms, excepted.map(Bar::Exception), event);
        }
    }

    /// Takes note of what would be a hit if the index patterns covered it.
    fn on_other(&mut self, rules: &RuleSet, rule: &CompiledRule, event: &Event<'_, '_>) {
        let mut terms = TermSet::default();
        for (term, compiled) in rule.terms.iter().enumerate() {
            if self.watches[term].is_of_category(event.fields)
                && compiled.predicate.judge(event.fields).counts(compiled.doubt)
            {
                self.watches[term].not_covered += 1;
                terms.insert(term);
            }
        }
        if !terms.is_empty() {
            self.admit(rules, terms, Some(Bar::NotCovered), event);
        }
    }

    fn admit(
        &mut self,
        rules: &RuleSet,
        terms: TermSet,
        barred: Option<Bar>,
        event: &Event<'_, '_>,
    ) {
        let rule = &rules.rules()[self.rule];
        let seen = Arc::new(self.seen(rules, terms, barred, event));
        if !rule.is_sequence {
            self.tracks.hit(event.partition, &JoinKey::none(), &seen, terms);
            return;
        }
        let mut keys: std::collections::BTreeMap<JoinKey, TermSet> = Default::default();
        for term in (0..self.watches.len()).filter(|term| terms.has(*term)) {
            let plan = &rule.terms[term].key;
            let expansion = plan.expand(event.fields, event.max_key_expansion);
            if expansion.keys.is_empty() && barred.is_none() {
                let watch = &mut self.watches[term];
                watch.without_key += 1;
                for source in plan.sources().filter(|source| !source.has_value(event.fields)) {
                    watch.key_fields_missing.add(rules.fields().name(source.own()));
                }
            }
            for key in expansion.keys {
                keys.entry(key).or_default().insert(term);
            }
        }
        for (key, terms) in keys {
            self.tracks.hit(event.partition, &key, &seen, terms);
        }
    }

    fn is_positive(&self, term: usize) -> bool {
        self.shape.terms.get(term).is_some_and(|term| !term.missing)
    }

    fn near_miss(&mut self, rules: &RuleSet, term: usize, condition: usize, event: &Event<'_, '_>) {
        let rule = &rules.rules()[self.rule];
        if !rule.is_sequence {
            return;
        }
        let keys = rule.terms[term].key.expand(event.fields, event.max_key_expansion).keys;
        if keys.is_empty() {
            return;
        }
        let has = self.watches[term].failed(condition, event.fields, rules.fields());
        let seen = self.seen(rules, TermSet::of([term]), None, event);
        let has = has.unwrap_or_else(|| "no value".to_owned());
        let miss = NearMiss { event: seen, term, condition, has };
        self.tracks.near_miss(event.partition, &keys, miss);
    }

    fn seen(
        &self,
        rules: &RuleSet,
        terms: TermSet,
        barred: Option<Bar>,
        event: &Event<'_, '_>,
    ) -> Seen {
        let Event { fields, envelope, topic, offset, .. } = *event;
        let normalizer = rules.normalizer();
        let tiebreaker = rules.rules()[self.rule].tiebreaker;
        let table = rules.fields();
        let of_terms = self.watches.iter().enumerate().filter(|(term, _)| terms.has(*term));
        let shown = of_terms.flat_map(|(_, watch)| watch.shown(fields, table));
        let id = ["event.id", "winlog.record_id"].into_iter().find_map(|name| {
            let value = fields.get(table.get(name)?).first()?.text()?;
            Some(value.into_owned())
        });
        Seen {
            ordinal: normalizer.ordinal(fields, envelope, offset, tiebreaker),
            arrived: event.clock,
            identity: normalizer.identity(fields, envelope, topic, 0, offset),
            place: event.place,
            event_id: id,
            barred,
            fields: shown.map(|(name, value)| (name.to_owned(), value)).collect(),
        }
    }
}

/// Returns the terms of a query, its `until`, and whether it is a sample.
fn terms_of(body: &Body) -> (Vec<Term>, Option<Term>, bool) {
    match body {
        Body::Event(query) => {
            let (by, span) = (Vec::new(), query.span);
            let term = Term { missing: false, query: query.clone(), by, runs: 1, span };
            (vec![term], None, false)
        }
        Body::Sequence(sequence) => (sequence.terms.clone(), sequence.until.clone(), false),
        Body::Sample(sample) => (sample.terms.clone(), None, true),
    }
}

/// Returns what the terms are called: the numbers of their stages, `absent`, `until`.
fn labels(shape: &Shape) -> Vec<String> {
    let absences = shape.absent().count();
    let (mut stage, mut absent, mut labels) = (0, 0, Vec::new());
    for term in &shape.terms {
        labels.push(if term.missing {
            absent += 1;
            if absences > 1 { format!("absent {absent}") } else { "absent".to_owned() }
        } else {
            let first = stage + 1;
            stage += term.runs;
            if term.runs > 1 { format!("{first}-{stage}") } else { first.to_string() }
        });
    }
    labels.extend(shape.has_until.then(|| "until".to_owned()));
    labels
}

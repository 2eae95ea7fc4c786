//! From a match to an alert: documents, severity, suppression, record.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::alert::{self, Alert, AlertEvent, AlertRecord, SuppressedBy, SuppressionTerm};
use crate::event::{Fields, JoinKey, Value};
use crate::predicate::Source;
use crate::rule::compile::CompiledRule;
use crate::rule::suppress::CompiledSuppression;
use crate::rule::{Metadata, MissingFields, Severity};
use crate::sequence::{Candidate, Found};

use super::{Detector, suppress};

impl Detector {
    /// Renders a match; nothing if its alert is suppressed. Costs what reading its records again
    /// costs: matches are rare.
    pub(super) fn alert(&mut self, found: &Found) -> Option<AlertRecord> {
        let rules = std::sync::Arc::clone(&self.rules);
        let rule = &rules.rules()[found.rule];
        let events = &found.found.events;
        let last = found.found.final_event().event_time();
        let seen_at = self.arrival.as_ref().map(|arrival| arrival.clock);
        let created = self.clock.shows.max(seen_at).unwrap_or(last);
        let read: Vec<Fields<'_>> = match needs_fields(rule) {
            true => events.iter().map(|candidate| self.fields(candidate)).collect(),
            false => Vec::new(),
        };
        let mut suppression = None;
        if let Some(settings) = &rule.suppression
            && let Some(terms) = terms(settings, rule, found, &read)
        {
            let values: Vec<_> = terms.iter().map(|term| term.value.clone()).collect();
            let group = suppress::group(rule.hash, &values);
            if self.windows.suppresses(group, last, created, settings.duration) {
                return None;
            }
            suppression = Some(SuppressedBy { terms, start: last });
        }
        let none = JoinKey::none();
        let mut documents: Vec<AlertEvent> =
            (0..).zip(events).map(|(stage, candidate)| self.event(stage, candidate)).collect();
        if let Some(last) = documents.last_mut() {
            // A sample is identified by its window, not by the event that happened to complete it.
            last.identity = found.found.identity();
        }
        let alert = Alert {
            rule: &metadata(rule, &read),
            rule_version: &rule.version,
            key_fields: &rule.key_fields,
            key: if rule.is_sequence { &found.key } else { &none },
            severity: severity(rule, &read),
            events: documents,
            topic: &self.origin.topic,
            partition: self.origin.partition,
            order_adjusted: found.found.order_adjusted,
            late: events.iter().any(|candidate| candidate.late),
            created,
            is_sequence: rule.is_sequence,
            suppression,
        };
        Some(alert::ecs::render(&alert, self.options.max_alert_bytes))
    }

    fn event(&self, stage: usize, candidate: &Candidate) -> AlertEvent {
        let event = &candidate.event;
        AlertEvent {
            stage,
            event_time: event.event_time,
            identity: event.identity,
            place: candidate.ordinal.place.clone(),
            offset: event.offset,
            document: self.documents.document(event.body.bytes()).unwrap_or_default(),
        }
    }

    /// Reads the fields of a kept record again.
    fn fields<'c>(&self, candidate: &'c Candidate) -> Fields<'c> {
        let mut fields = Fields::new(self.rules.fields().len());
        if self.rules.decoder().decode(candidate.event.body.bytes(), &mut fields).is_err() {
            // It could be read when it was kept.
            debug_assert!(false, "a kept record has become unreadable");
            return Fields::new(self.rules.fields().len());
        }
        self.rules.normalizer().normalize(&mut fields);
        fields
    }
}

/// Tells whether an alert depends on fields of its events beyond what it shows.
fn needs_fields(rule: &CompiledRule) -> bool {
    let groups = rule.suppression.as_ref().is_some_and(|s| !s.group_by.is_empty());
    !rule.severity_when.is_empty() || !rule.mappings.is_empty() || groups
}

/// Returns what the rule says about itself, with what the event of a single-event rule overrides.
fn metadata<'r>(rule: &'r CompiledRule, events: &[Fields<'_>]) -> Cow<'r, Metadata> {
    let mut metadata = Cow::Borrowed(&rule.metadata);
    for event in events {
        if let Some(score) = rule.mappings.risk_score(event) {
            metadata.to_mut().risk_score = score;
        }
        if let Some(name) = rule.mappings.name(event) {
            metadata.to_mut().name = name.to_owned();
        }
    }
    metadata
}

/// Returns the rule's severity or the one that the event maps to, or the highest to which a
/// condition raises it.
fn severity(rule: &CompiledRule, events: &[Fields<'_>]) -> Severity {
    let mapped = events.iter().filter_map(|event| rule.mappings.severity(event)).max();
    let raised = rule
        .severity_when
        .iter()
        .filter(|(_, condition)| events.iter().any(|event| condition.matches(event)));
    let severity = mapped.unwrap_or(rule.metadata.severity);
    raised.map(|(raised, _)| *raised).fold(severity, Severity::max)
}

/// Returns the values by which a match is like others; nothing if it is like no other.
fn terms(
    settings: &CompiledSuppression,
    rule: &CompiledRule,
    found: &Found,
    events: &[Fields<'_>],
) -> Option<Vec<SuppressionTerm>> {
    if settings.group_by.is_empty() {
        if !rule.is_sequence {
            return Some(Vec::new());
        }
        let part = |(index, part): (usize, &Option<Box<str>>)| SuppressionTerm {
            field: rule.key_fields.get(index).cloned().unwrap_or_default(),
            value: part.as_deref().map(|text| vec![text.to_owned()]),
        };
        return Some(found.key.parts().iter().enumerate().map(part).collect());
    }
    let term = |(field, source): &(String, Source)| SuppressionTerm {
        field: field.clone(),
        value: common(events, *source),
    };
    let terms: Vec<SuppressionTerm> = settings.group_by.iter().map(term).collect();
    let is_missing = terms.iter().any(|term| term.value.is_none());
    let alone = is_missing && settings.missing_fields == MissingFields::DoNotSuppress;
    (!alone).then_some(terms)
}

/// Returns the values of a field that all events have, sorted; nothing if there is none.
fn common(events: &[Fields<'_>], source: Source) -> Option<Vec<String>> {
    let of = |event: &Fields<'_>| -> BTreeSet<String> {
        source.values(event).iter().filter_map(Value::text).map(Cow::into_owned).collect()
    };
    let shared = events.iter().map(of).reduce(|shared, values| &shared & &values)?;
    (!shared.is_empty()).then(|| shared.into_iter().collect())
}

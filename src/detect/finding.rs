//! A match as data: which rule, which events, how bad. Never how it is written.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use super::{Detector, Past, suppress};
use crate::event::{Arena, EventTime, Fields, Identity, JoinKey, Place, TimeSpan};
use crate::predicate::FieldSource;
use crate::rule::compile::CompiledRule;
use crate::rule::suppress::CompiledSuppression;
use crate::rule::{MissingFields, Severity};
use crate::sequence::{Candidate, Found};
use crate::text::digest::Digest;

/// A match of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Index of the rule in the rule set.
    pub rule: usize,
    /// The identity of its alert: 64 hexadecimal digits, the same for every delivery, replay and
    /// recomputation.
    pub id: String,
    /// The join key; without parts for a rule about single events.
    pub key: JoinKey,
    /// The rule's severity, the one that the event maps to, or a higher one to which a condition
    /// raises it.
    pub severity: Severity,
    /// The risk score that the event of a single-event rule names, if the rule asks for it.
    pub risk_score: Option<u8>,
    /// The name that the event of a single-event rule gives the alert, if the rule asks for it.
    pub name: Option<String>,
    /// The events in the order of the stages; the last one is the final event.
    pub events: Vec<FindingEvent>,
    /// Whether it needed the rule's order tolerance.
    pub order_adjusted: bool,
    /// Whether one of its events came later than the allowed lateness.
    pub late: bool,
    /// The partition's clock when it was found.
    pub created: EventTime,
    /// The suppression window that its alert begins.
    pub suppression: Option<SuppressedBy>,
    /// Whether an alert like it has begun a window that it lies in.
    pub is_suppressed: bool,
    /// Which end of a bounded input an absence of it rests on: more input could forbid it.
    pub rests_on: Option<InputEnd>,
}

/// One event of a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingEvent {
    /// When it happened.
    pub event_time: EventTime,
    /// Its identity; that of a sample's last event is the number of the window.
    pub identity: Identity,
    /// Where its record stood first, if it was forwarded from there.
    pub place: Option<Arc<Place>>,
    /// Offset of its record in the partition, or line in the file.
    pub offset: i64,
    /// The record as it came.
    pub body: Arc<[u8]>,
}

/// The suppression window that an alert begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuppressedBy {
    /// The values by which alerts are alike.
    pub terms: Vec<SuppressionTerm>,
    /// From when on, in event time.
    pub start: EventTime,
}

/// A field by which alerts are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuppressionTerm {
    /// Its name.
    pub field: String,
    /// Its values; nothing where it is missing.
    pub value: Option<Vec<String>>,
}

/// An end of a bounded input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InputEnd {
    /// The absence looks back beyond the first event.
    First,
    /// The absence looks ahead beyond the last event.
    Last,
}

impl InputEnd {
    /// Returns what an alert has that rests on this end, in words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::First => "with an absence that looks back beyond the first event",
            Self::Last => "with an absence that looks ahead beyond the last event",
        }
    }
}

/// Returns the identity of an alert as 64 hexadecimal digits.
///
/// A null part of the key is distinct from an empty one.
pub fn alert_id(rule_id: &str, rule_version: &str, key: &JoinKey, final_event: Identity) -> String {
    let mut digest = Digest::default();
    digest.text(rule_id);
    digest.text(rule_version);
    digest.length(key.parts().len());
    key.parts().iter().for_each(|part| digest.optional(part.as_deref()));
    digest.bytes(&final_event.0.to_be_bytes());
    digest.hex()
}

impl Finding {
    /// Returns the time between the outermost events.
    pub fn span(&self) -> TimeSpan {
        let times = || self.events.iter().map(|event| event.event_time);
        times().max().zip(times().min()).map_or(TimeSpan::ZERO, |(last, first)| last - first)
    }

    /// Returns how many bytes of records it holds.
    pub fn bytes(&self) -> usize {
        self.events.iter().map(|event| event.body.len()).sum()
    }
}

impl Detector {
    /// Counts a match, and makes a finding of it; nothing if it is suppressed and not to be shown.
    ///
    /// Costs what reading its records again costs: matches are rare.
    pub(super) fn finding(&mut self, found: &Found) -> Option<Finding> {
        let rules = Arc::clone(&self.rules);
        let rule = &rules.rules()[found.rule];
        let candidates = &found.found.events;
        let (arena, records) = (Arena::new(), records(candidates));
        let read: Vec<Fields<'_>> = match needs_fields(rule) {
            true => records.iter().map(|record| self.fields(record, &arena)).collect(),
            false => Vec::new(),
        };
        let created = self.created(found);
        let (suppression, is_suppressed) = self.suppression_of(rule, found, &read);
        let rests_on = self.rests_on(rule, found);
        self.stats.rules[found.rule].count_match(is_suppressed, rests_on);
        if is_suppressed && !self.options.shows_suppressed {
            return None;
        }
        let key = if rule.is_sequence { found.key.clone() } else { JoinKey::none() };
        let final_identity = found.found.identity();
        let kept = candidates.iter().zip(&records);
        let mut events: Vec<FindingEvent> =
            kept.map(|(candidate, record)| FindingEvent::of(candidate, record)).collect();
        if let Some(last) = events.last_mut() {
            // A sample is identified by its window, not by the event that happened to complete it.
            last.identity = final_identity;
        }
        Some(Finding {
            rule: found.rule,
            id: alert_id(&rule.metadata.id, &rule.version, &key, final_identity),
            key,
            severity: severity(rule, &read),
            risk_score: read.iter().rev().find_map(|event| rule.mappings.risk_score(event)),
            name: read.iter().rev().find_map(|event| rule.mappings.name(event)).map(str::to_owned),
            events,
            order_adjusted: found.found.order_adjusted,
            late: candidates.iter().any(|candidate| candidate.late),
            created,
            suppression,
            is_suppressed,
            rests_on,
        })
    }

    /// Returns what the partition's clock shows, or the one where the record was forwarded from.
    fn created(&self, found: &Found) -> EventTime {
        let seen_at = self.rekeyed.arrival.as_ref().map(|arrival| arrival.clock);
        let last = found.found.final_event().event_time();
        self.clock.shows.max(seen_at).unwrap_or(last)
    }

    /// Returns the window that the alert begins, and whether it lies in an earlier one.
    fn suppression_of(
        &mut self,
        rule: &CompiledRule,
        found: &Found,
        read: &[Fields<'_>],
    ) -> (Option<SuppressedBy>, bool) {
        let Some(settings) = &rule.suppression else { return (None, false) };
        let Some(terms) = terms(settings, rule, found, read) else { return (None, false) };
        let start = found.found.final_event().event_time();
        let values: Vec<_> = terms.iter().map(|term| term.value.clone()).collect();
        let group = suppress::group(&rule.metadata.id, &values);
        let (pace, slack) = (self.clock.pace, self.slack());
        let held = rule.plan.held_for(slack) + slack;
        match self.windows.suppresses(group, start, pace, settings.duration, held) {
            true => (None, true),
            false => (Some(SuppressedBy { terms, start }), false),
        }
    }

    /// Tells whether an absence of the match could be forbidden by what a bounded input does not
    /// hold any more, or not yet.
    fn rests_on(&self, rule: &CompiledRule, found: &Found) -> Option<InputEnd> {
        if self.options.past != Past::Nothing {
            return None;
        }
        let deadline = found.found.deadline;
        let looks_back_to = found.found.final_event().event_time() - rule.plan.times.maxspan;
        let looks_beyond_end =
            deadline.is_some_and(|deadline| self.noticed.last_event < Some(deadline));
        // Where there was a deadline, a window without the first absence's event was recorded.
        let looks_before_start = rule.plan.has_leading_absence()
            && deadline.is_none()
            && self.noticed.first_event.is_some_and(|start| looks_back_to < start);
        match (looks_beyond_end, looks_before_start) {
            (true, _) => Some(InputEnd::Last),
            (false, true) => Some(InputEnd::First),
            (false, false) => None,
        }
    }

    /// Reads the fields of a kept record again.
    fn fields<'c>(&self, record: &'c [u8], arena: &'c Arena) -> Fields<'c> {
        let mut fields = Fields::new(self.rules.fields().len(), arena);
        if self.rules.decoder().decode(record, &mut fields).is_err() {
            // It could be read when it was kept.
            debug_assert!(false, "a kept record has become unreadable");
            return Fields::new(self.rules.fields().len(), arena);
        }
        self.rules.normalizer().normalize(&mut fields);
        fields
    }
}

impl FindingEvent {
    fn of(candidate: &Candidate, record: &Arc<[u8]>) -> Self {
        let event = &candidate.event;
        Self {
            event_time: event.event_time,
            identity: event.identity,
            place: candidate.ordinal.place.clone(),
            offset: event.offset,
            body: Arc::clone(record),
        }
    }
}

/// Returns the records of a match as they came.
fn records(candidates: &[Arc<Candidate>]) -> Vec<Arc<[u8]>> {
    candidates.iter().map(|candidate| Arc::from(&*candidate.event.body.record())).collect()
}

/// Tells whether a finding depends on fields of its events beyond what it carries.
fn needs_fields(rule: &CompiledRule) -> bool {
    let groups = rule.suppression.as_ref().is_some_and(|s| !s.group_by.is_empty());
    !rule.severity_when.is_empty() || !rule.mappings.is_empty() || groups
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
        let part = |(index, part): (usize, &Option<Box<str>>)| SuppressionTerm {
            field: rule.key_fields.get(index).cloned().unwrap_or_default(),
            value: part.as_deref().map(|text| vec![text.to_owned()]),
        };
        return Some(found.key.parts().iter().enumerate().map(part).collect());
    }
    let term = |(field, source): &(String, FieldSource)| SuppressionTerm {
        field: field.clone(),
        value: common(events, *source),
    };
    let terms: Vec<SuppressionTerm> = settings.group_by.iter().map(term).collect();
    let is_missing = terms.iter().any(|term| term.value.is_none());
    let alone = is_missing && settings.missing_fields == MissingFields::DoNotSuppress;
    (!alone).then_some(terms)
}

/// Returns the values of a field that all events have, sorted; nothing if there is none.
fn common(events: &[Fields<'_>], source: FieldSource) -> Option<Vec<String>> {
    let of = |event: &Fields<'_>| -> BTreeSet<String> {
        let values = source.values(event).iter().filter_map(|value| source.text(*value));
        values.map(Cow::into_owned).collect()
    };
    let shared = events.iter().map(of).reduce(|shared, values| &shared & &values)?;
    (!shared.is_empty()).then(|| shared.into_iter().collect())
}

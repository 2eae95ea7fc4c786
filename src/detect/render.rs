//! From a match to an alert: documents, severity, record.

use crate::alert::{self, Alert, AlertEvent, AlertRecord};
use crate::event::{Fields, JoinKey};
use crate::rule::Severity;
use crate::rule::compile::CompiledRule;
use crate::sequence::Found;

use super::Detector;

impl Detector {
    /// Renders a match. Costs what reading its records again costs: matches are rare.
    pub(super) fn alert(&self, found: &Found) -> AlertRecord {
        let rule = &self.rules.rules()[found.rule];
        let events = &found.found.events;
        let none = JoinKey::none();
        let last = found.found.final_event().event_time();
        let mut documents: Vec<AlertEvent> =
            (0..).zip(events).map(|(stage, candidate)| self.event(stage, candidate)).collect();
        if let Some(last) = documents.last_mut() {
            // A sample is identified by its window, not by the event that happened to complete it.
            last.identity = found.found.identity();
        }
        let alert = Alert {
            rule: &rule.metadata,
            rule_version: &rule.version,
            key_fields: &rule.key_fields,
            key: if rule.is_sequence { &found.key } else { &none },
            severity: self.severity(rule, found),
            events: documents,
            topic: &self.origin.topic,
            partition: self.origin.partition,
            order_adjusted: found.found.order_adjusted,
            late: events.iter().any(|candidate| candidate.late),
            created: self.clock.shows.unwrap_or(last),
            is_sequence: rule.is_sequence,
        };
        alert::ecs::render(&alert, self.options.max_alert_bytes)
    }

    fn event(&self, stage: usize, candidate: &crate::sequence::Candidate) -> AlertEvent {
        let event = &candidate.event;
        AlertEvent {
            stage,
            event_time: event.event_time,
            identity: event.identity,
            offset: event.offset,
            document: self.documents.document(event.body.bytes()).unwrap_or_default(),
        }
    }

    /// Returns the rule's severity, or the highest to which a condition raises it.
    fn severity(&self, rule: &CompiledRule, found: &Found) -> Severity {
        let mut severity = rule.metadata.severity;
        if rule.severity_when.is_empty() {
            return severity;
        }
        for candidate in &found.found.events {
            let mut fields = Fields::new(self.rules.fields().len());
            let payload = candidate.event.body.bytes();
            if self.rules.decoder().decode(payload, &mut fields).is_err() {
                continue;
            }
            self.rules.normalizer().normalize(&mut fields);
            for (raised, condition) in &rule.severity_when {
                if condition.matches(&fields) {
                    severity = severity.max(*raised);
                }
            }
        }
        severity
    }
}

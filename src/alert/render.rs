//! From a detector's output to what is written: the one place where a finding becomes JSON.
//!
//! Never decides what is a match, or what is suppressed.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;

use super::{Alert, AlertEvent, AlertRecord, Part, ecs, elastic};
use crate::detect::{DeadLetter, Finding, FindingEvent, Forward, JournalRecord, Origin, Output};
use crate::rule::Metadata;
use crate::rule::compile::CompiledRule;
use crate::rule::set::RuleSet;

/// The form in which alerts are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One nested ECS document for each match.
    #[default]
    Ecs,
    /// What Elastic's detection engine writes: one document for the match, one for each event.
    Elastic,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Ecs, Self::Elastic];

    /// Returns the word that names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ecs => "ecs",
            Self::Elastic => "elastic",
        }
    }
}

/// About how many bytes of a record are neither of its events nor of its rule.
const OWN_FIELDS: usize = 2_048;

/// A record to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// An alert, or a part of it.
    Alert(AlertRecord),
    /// An unreadable record.
    DeadLetter(DeadLetter),
    /// What a rule of the long lane has admitted.
    Journal(JournalRecord),
    /// A record for another partition, or how far this one has come.
    Forward(Forward),
}

impl Message {
    /// Tells whether it is the one record that tells readers of a match or of an unreadable record.
    pub fn tells_a_reader(&self) -> bool {
        match self {
            Self::Alert(alert) => alert.part == Part::Whole,
            Self::DeadLetter(_) => true,
            Self::Journal(_) | Self::Forward(_) => false,
        }
    }
}

/// Renders the output of detectors that share a rule set.
#[derive(Clone, Debug)]
pub struct Renderer {
    rules: Arc<RuleSet>,
    format: Format,
    max_bytes: usize,
    /// By rule: about how many bytes what it says of itself takes in a record.
    rule_bytes: Arc<[usize]>,
}

impl Renderer {
    /// Returns a renderer of alerts in this form, in records of at most `max_bytes` bytes.
    pub fn new(rules: Arc<RuleSet>, format: Format, max_bytes: usize) -> Self {
        let about = |rule: &CompiledRule| format!("{:?}", rule.metadata).len();
        let rule_bytes = rules.rules().iter().map(about).collect();
        Self { rules, format, max_bytes, rule_bytes }
    }

    /// Returns what is written for an item of output: for a finding one record or several, else one.
    pub fn messages(&self, origin: &Origin, output: &Output) -> Vec<Message> {
        match output {
            Output::Finding(finding) => {
                self.alert(origin, finding).into_iter().map(Message::Alert).collect()
            }
            Output::DeadLetter(letter) => vec![Message::DeadLetter(letter.clone())],
            Output::Journal(record) => vec![Message::Journal(record.clone())],
            Output::Forward(forward) => vec![Message::Forward(forward.clone())],
        }
    }

    /// Returns about how many bytes [`messages`](Self::messages) will take, rather too many than too few.
    pub fn estimated_bytes(&self, output: &Output) -> usize {
        match output {
            Output::Finding(finding) => {
                let records = match self.format {
                    Format::Ecs => 1,
                    Format::Elastic => 1 + finding.events.len(),
                };
                // Normalizing adds fields, and an event's own record repeats it.
                let events = finding.bytes() * 2;
                let own = self.rule_bytes[finding.rule] + OWN_FIELDS;
                (events + records * own).min(records * self.max_bytes)
            }
            Output::DeadLetter(letter) => letter.value.len(),
            Output::Journal(record) => record.value.len(),
            Output::Forward(forward) => forward.value.as_ref().map_or(0, |value| value.len()),
        }
    }

    /// Renders a finding; the record of the match as a whole comes first.
    pub fn alert(&self, origin: &Origin, finding: &Finding) -> Vec<AlertRecord> {
        let rule = &self.rules.rules()[finding.rule];
        let alert = Alert {
            id: &finding.id,
            rule: &metadata(rule, finding),
            rule_version: &rule.version,
            key_fields: &rule.key_fields,
            key: &finding.key,
            severity: finding.severity,
            events: (0..).zip(&finding.events).map(|(stage, e)| self.event(stage, e)).collect(),
            topic: &origin.topic,
            partition: origin.partition,
            order_adjusted: finding.order_adjusted,
            late: finding.late,
            created: finding.created,
            is_sequence: rule.is_sequence,
            suppression: finding.suppression.clone(),
        };
        render(&alert, self.format, self.max_bytes)
    }

    fn event(&self, stage: usize, event: &FindingEvent) -> AlertEvent {
        AlertEvent {
            stage,
            event_time: event.event_time,
            identity: event.identity,
            place: event.place.clone(),
            offset: event.offset,
            document: self.rules.documents().of_hit(&event.body),
        }
    }
}

/// Renders an alert in records of at most `max_bytes` bytes each; the record of the match as a
/// whole comes first.
pub fn render(alert: &Alert<'_>, format: Format, max_bytes: usize) -> Vec<AlertRecord> {
    match format {
        Format::Ecs => vec![ecs::render(alert, max_bytes)],
        Format::Elastic => elastic::render(alert, max_bytes),
    }
}

/// Returns what the rule says about itself, with what its event overrides.
fn metadata<'r>(rule: &'r CompiledRule, finding: &Finding) -> Cow<'r, Metadata> {
    let mut metadata = Cow::Borrowed(&rule.metadata);
    if let Some(score) = finding.risk_score {
        metadata.to_mut().risk_score = score;
    }
    if let Some(name) = &finding.name {
        metadata.to_mut().name.clone_from(name);
    }
    metadata
}

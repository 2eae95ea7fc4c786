//! Alerts: findings in the form in which they are written.
//!
//! Never reads a clock: `created` is the partition's clock, so that a replay writes the same
//! bytes.

pub mod ecs;
pub mod elastic;
pub mod render;

mod document;
mod reason;

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::detect::finding::SuppressedBy;
use crate::event::{EventTime, Identity, JoinKey, Place};
use crate::rule::{Metadata, Severity};

pub use render::{Format, Message, Renderer};

/// A match with everything that its alert shows.
#[derive(Debug)]
pub struct Alert<'a> {
    /// Its identity: the same for every delivery, replay and recomputation.
    pub id: &'a str,
    /// What the rule file says about the rule.
    pub rule: &'a Metadata,
    /// The rule's version, or a hash of its query where the file has none.
    pub rule_version: &'a str,
    /// Names of the join key's fields.
    pub key_fields: &'a [String],
    /// The join key.
    pub key: &'a JoinKey,
    /// The rule's severity, or a higher one where an event of the match asks for it.
    pub severity: Severity,
    /// The events in stage order; the last one is the final event.
    pub events: Vec<AlertEvent>,
    /// Topic, or path of a file, that the events were read from.
    pub topic: &'a str,
    /// Partition that the events were read from.
    pub partition: i32,
    /// Whether the match needed the rule's order tolerance.
    pub order_adjusted: bool,
    /// Whether one of its events came later than the allowed lateness.
    pub late: bool,
    /// The partition's clock when the match was found.
    pub created: EventTime,
    /// Whether the rule is a sequence or a sample, rather than a condition on single events.
    pub is_sequence: bool,
    /// By what alerts like this one are suppressed; nothing if they are not.
    pub suppression: Option<SuppressedBy>,
}

/// One event of a match.
#[derive(Clone, Debug)]
pub struct AlertEvent {
    /// Index of the stage that it satisfied.
    pub stage: usize,
    /// When it happened.
    pub event_time: EventTime,
    /// Its identity.
    pub identity: Identity,
    /// Where its record stood, if not where the alert's events do.
    pub place: Option<Arc<Place>>,
    /// Offset of its record in the partition.
    pub offset: i64,
    /// The normalized event.
    pub document: Map<String, Value>,
}

/// An alert, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertRecord {
    /// The document's identity: 64 hexadecimal digits. The record of the match as a whole has the
    /// identity of the alert.
    pub id: String,
    /// The rule's id.
    pub rule_id: String,
    /// The severity's word.
    pub severity: &'static str,
    /// What of the match it shows.
    pub part: Part,
    /// Key for the alerts topic: the join key's text.
    pub key: Vec<u8>,
    /// One JSON document.
    pub value: Vec<u8>,
}

/// What of a match an alert's record shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The match as a whole: there is one such record for each match.
    Whole,
    /// One of its events, for those who show events as alerts of their own.
    BuildingBlock,
}

impl Alert<'_> {
    /// Returns the topic and partition of an event's record.
    fn place<'p>(&'p self, event: &'p AlertEvent) -> (&'p str, i32) {
        let place = event.place.as_deref();
        place.map_or((self.topic, self.partition), |place| (&place.topic, place.partition))
    }
}

/// Returns the terms of a suppression as alerts show them.
fn terms_of(suppression: &SuppressedBy) -> Value {
    let terms = suppression.terms.iter();
    let shown = terms.map(|term| serde_json::json!({ "field": term.field, "value": term.value }));
    Value::Array(shown.collect())
}
